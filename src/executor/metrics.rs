//! The seam through which outgoing calls are counted.

use crate::domain::job::Outcome;

/// Counts outgoing calls. Every call that an attempt or a cancel makes (main, poll, verification, cancel), and every question before
/// a job, is one.
pub trait RequestMetrics: Send + Sync {
    /// A call to `target` ended. A call that could not be made for want of a token, and one that was cancelled, is not counted.
    fn target_request(&self, target: &str, outcome: Outcome);
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRequestMetrics;

impl RequestMetrics for NoRequestMetrics {
    fn target_request(&self, _target: &str, _outcome: Outcome) {}
}
