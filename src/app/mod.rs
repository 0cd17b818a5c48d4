//! The composition root: makes the adapters from the configuration, joins them, starts and ends them in order.
//!
//! It sees everything and decides nothing: a rule found here is in the wrong place.

mod dev;
mod file_limit;
mod metrics;
mod probes;
mod running;
mod sandbox;
mod serve;
mod signals;
mod start;
mod targets;
mod verifier;

use std::sync::Arc;

pub use dev::dev;
pub use running::Running;
pub use sandbox::sandbox;
pub use serve::serve;
pub use start::start;

use crate::domain::ports::{Clock, IdSource, Store, TaskExecutor};
use crate::ticker::{SystemClock, SystemIds};

/// The adapters that a test may want to choose; the rest follows from the configuration.
pub struct Adapters {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and random numbers.
    pub ids: Arc<dyn IdSource>,
    /// In place of the configured store.
    pub store: Option<Arc<dyn Store>>,
    /// In place of the HTTP executor.
    pub executor: Option<Arc<dyn TaskExecutor>>,
}

impl Default for Adapters {
    /// The system's clock and ids, the configured store, calls over HTTP.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), ids: Arc::new(SystemIds::default()), store: None, executor: None }
    }
}

/// Why the service cannot start, or ended by itself. Sources are for the log; `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Something that the configuration names cannot be used.
    #[error("{what}")]
    Configuration {
        /// What, and which key names it.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A fault that no configuration mends.
    #[error("{what}")]
    Internal {
        /// What went wrong.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl AppError {
    fn configuration(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Configuration { what: what.into(), source: source.into() }
    }

    fn internal(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { what: what.into(), source: source.into() }
    }
}
