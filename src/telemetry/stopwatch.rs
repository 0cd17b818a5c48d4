//! Measures how long something takes, for a metric. The one place where the monotonic clock is read for that.

use std::time::Instant;

/// Runs from its start.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "durations for metrics come from here, and from nowhere else")]
        Self(Instant::now())
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
