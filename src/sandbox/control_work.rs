//! The part of the handle that steers the work inside: what goes on, how it ends, how the replicas are doing.

use std::sync::atomic::Ordering;

use super::control::Sandbox;
use super::hold::HoldGuard;
use super::operation::Operation;
use super::replication::Replication;

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

    /// The operations that a server of 2026 has taken on, oldest first; of those that have ended, some thousands are kept.
    pub fn operations(&self) -> Vec<Operation> {
        self.shared.operations.list()
    }

    /// Waits until the operations are as the caller wants them. Looks at once, and again whenever one changes; sets no limit of
    /// its own.
    pub async fn wait_for_operations(&self, predicate: impl Fn(&[Operation]) -> bool) {
        let mut changes = self.shared.operations.subscribe();
        // The sender lives in `shared`, so `changed` cannot fail while we wait.
        while !predicate(&self.operations()) && changes.changed().await.is_ok() {}
    }

    /// Makes the next `times` operations that are submitted end with this error message.
    pub fn fail_next_operations(&self, times: u32, message: impl Into<String>) {
        self.shared.operations.fail_next(times, message.into());
    }

    /// Sets the progress of every operation that has not ended; one that ends well has 100.
    pub fn set_operation_progress(&self, percent: u8) {
        self.shared.operations.set_progress(percent);
    }

    /// Sets how the replicas of a server of 2026 are doing.
    pub fn set_replication(&self, replication: Replication) {
        *self.shared.replication.lock() = replication;
    }

    /// Sets the `rocksdb_pending_compaction_bytes` of `/metrics`. Work in progress adds a little; a compaction that a server of
    /// 2026 has ended well makes it 0.
    pub fn set_pending_compaction_bytes(&self, bytes: u64) {
        self.shared.pending_compaction_bytes.store(bytes, Ordering::Relaxed);
    }
}
