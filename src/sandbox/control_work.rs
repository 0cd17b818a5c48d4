//! The part of the handle that steers the work inside: what goes on, how it ends, how the replicas are doing.

use super::control::Sandbox;
use super::hold::HoldGuard;

impl Sandbox {
    /// How many rebuilds, maintenance calls and operations go on inside, abandoned ones among them.
    pub fn work_in_progress(&self) -> usize {
        self.shared.work.count()
    }

    /// The most that ever went on inside at once; [`clear_requests`](Self::clear_requests) begins it anew.
    pub fn max_in_flight_work(&self) -> usize {
        self.shared.work.most()
    }

    /// Waits until so much work is in progress as the caller wants; sets no limit of its own.
    pub async fn wait_for_work(&self, predicate: impl Fn(usize) -> bool) {
        let mut counts = self.shared.work.subscribe();
        // It can fail only if the sender is gone, and that lives in `shared`.
        let _ = counts.wait_for(|count| predicate(*count)).await;
    }

    /// Makes rebuilds, maintenance calls and operations go on, after their delay, until the guard is released or dropped.
    pub fn hold_work(&self) -> HoldGuard {
        self.shared.work.hold()
    }
}
