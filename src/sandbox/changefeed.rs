//! The changefeed: one event for each write, until retention deletes it.

use std::collections::VecDeque;

/// The events that are kept, oldest first.
#[derive(Clone, Default)]
pub(super) struct Changefeed {
    /// Sequence number and size of each.
    events: VecDeque<(u64, u64)>,
    latest_sequence: u64,
}

impl Changefeed {
    pub(super) fn append(&mut self, size_bytes: u64) {
        self.latest_sequence += 1;
        self.events.push_back((self.latest_sequence, size_bytes));
    }

    /// Deletes the events before `sequence`, and not that one; answers how many. Every negative number that a caller sends
    /// arrives here as an enormous one, and deletes all.
    pub(super) fn delete_before(&mut self, sequence: u64) -> usize {
        let kept_from = self.events.partition_point(|(of_event, _)| *of_event < sequence);
        self.events.drain(..kept_from).count()
    }

    pub(super) fn latest_sequence(&self) -> u64 {
        self.latest_sequence
    }

    pub(super) fn total_events(&self) -> usize {
        self.events.len()
    }

    pub(super) fn total_size_bytes(&self) -> u64 {
        self.events.iter().map(|(_, size)| size).sum()
    }
}
