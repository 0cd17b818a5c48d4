//! The actor that owns the schedules, the jobs and the due queue, and is their only writer.
//!
//! The loop drains what has queued up, decides all of it with the pure rules in `core`, commits the changes in one transaction,
//! publishes them to the [`view`], performs the effects and replies, in this order. So what was answered is durable, and a failed
//! commit leaves the state as it was. Nothing slow happens in the loop: attempts run in tasks of their own and report back by
//! message.
//!
//! Must not be added here: HTTP, SQL, clocks, random numbers. They come in through the ports of `domain`.

pub mod actor;
mod attempts;
mod batch;
pub mod bundles;
mod commit;
mod core;
pub mod error;
pub mod explain;
pub mod handle;
pub mod health;
mod message;
mod observe;
mod outbox;
pub mod precondition;
pub mod probes;
mod sorted;
pub mod view;
pub mod watch;

pub use actor::{Orchestrator, Ports};
pub use core::Rules;
pub use error::CommandError;
pub use explain::Explainer;
pub use handle::OrchestratorHandle;
pub use health::HealthRegistry;
pub use precondition::Precondition;
pub use view::ReadView;
pub use watch::JobWatch;
