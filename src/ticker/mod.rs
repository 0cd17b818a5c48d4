//! Time and chance from the system: the service's own cron jobs, the clock, and the source of ids.
//!
//! `tokio-cron-scheduler` runs a handful of jobs of the service itself: a heartbeat, pruning, health probes, key sets, upkeep
//! of the metrics. Each of them only posts a message or starts a task, so that a tick that is lost, late or doubled does no harm.
//!
//! The operators' schedules do not go through it. The scheduler wakes up every 500 ms, so that it cannot be more punctual than
//! that, and it hands jobs on through broadcast channels that overwrite what a receiver has not fetched in time. Measured with
//! 65,536 jobs due in the same second, on two cores and version 0.15.1: with its usual channels of 200 entries 35,000 to 39,000
//! runs were lost (6,565 of 20,000 in a smaller trial, and in one trial 1,629 ran twice). Channels of 100,000 entries lose none,
//! at 0.76 s of lateness in the 99th percentile, 64 MiB and 1.1 % of a core for doing nothing. The due queue of the orchestrator
//! needs none of this.
//!
//! Must not be added here: decisions about schedules or jobs, and actions that block.

mod beat;
mod service_jobs;
mod system;

pub use service_jobs::{EVERY_FIVE_SECONDS, EVERY_MINUTE, EVERY_SECOND, ServiceJob, Ticker, TickerError};
pub use system::{SystemClock, SystemIds, random_secret};
