//! The changefeed: one event for each write, until retention deletes it.

use std::collections::{HashSet, VecDeque};

/// One write.
#[derive(Clone)]
struct Event {
    sequence: u64,
    /// Of which entity: `table:key`.
    entity: String,
    size_bytes: u64,
}

/// The events that are kept, oldest first.
#[derive(Clone, Default)]
pub(super) struct Changefeed {
    events: VecDeque<Event>,
    latest_sequence: u64,
}

impl Changefeed {
    pub(super) fn append(&mut self, entity: String, size_bytes: u64) {
        self.latest_sequence += 1;
        self.events.push_back(Event { sequence: self.latest_sequence, entity, size_bytes });
    }

    /// Deletes the events before `sequence`, and not that one; answers how many. Every negative number that a caller sends
    /// arrives here as an enormous one, and deletes all.
    pub(super) fn delete_before(&mut self, sequence: u64) -> usize {
        let kept_from = self.events.partition_point(|event| event.sequence < sequence);
        self.events.drain(..kept_from).count()
    }

    /// Deletes the events that a later one of the same entity has overtaken; answers how many.
    pub(super) fn compact(&mut self) -> usize {
        let before = self.events.len();
        let mut seen = HashSet::new();
        let mut kept: VecDeque<Event> = VecDeque::new();
        while let Some(event) = self.events.pop_back() {
            if seen.insert(event.entity.clone()) {
                kept.push_front(event);
            }
        }
        self.events = kept;
        before - self.events.len()
    }

    pub(super) fn latest_sequence(&self) -> u64 {
        self.latest_sequence
    }

    pub(super) fn total_events(&self) -> usize {
        self.events.len()
    }

    pub(super) fn total_size_bytes(&self) -> u64 {
        self.events.iter().map(|event| event.size_bytes).sum()
    }
}
