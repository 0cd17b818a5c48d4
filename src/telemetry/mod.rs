//! What the service says about itself: log lines and metrics.
//!
//! Every metric name, help text, unit and bucket stands in one file, `metrics/catalogue.rs`; everybody else calls a typed method
//! of [`Metrics`]. Labels come from closed sets that the caller hands in once, so that every series exists, at zero, from the
//! first scrape, and a rate over it is never missing its first step.
//!
//! Nothing of the crate may be imported here: the arguments are plain strings and numbers, so that every layer may record.
//! Neither a clock nor a schedule id as a label of a recorded metric may be added: series of schedules have to go when the
//! schedule goes, and are written at scrape time ([`Metrics::render`]).

mod json_log;
pub mod logging;
pub mod metrics;
mod stopwatch;
mod together;

pub use logging::LogFormat;
pub use metrics::{LabelSets, Metrics, method_label};
pub use stopwatch::Stopwatch;
pub use together::log_together;
