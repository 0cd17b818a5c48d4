//! Takes care that every committed change has its lines in the audit trail, also when the process ends between the two.
//!
//! The events of a batch are stored with its changes, then given to the trail. About once a second the trail is asked in the
//! background to bring its lines to disk; a later commit removes what is there from the store, so that neither costs a commit of
//! its own. At a start, what is still in the store and not in the trail is appended. Events of a batch that changed nothing
//! are not stored: they stand for nothing that a crash could leave behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::task::JoinHandle;

use crate::domain::audit::EncodedEvent;
use crate::domain::ports::{AuditSink, OutboxCommit, OutboxEntry};
use crate::domain::time::Timestamp;

/// How long the trail is left alone between two requests to bring its lines to disk.
const FLUSH_EVERY: TimeDelta = TimeDelta::seconds(1);
/// Events that one commit removes. After a storm there are some ten thousand, and whoever waits for the commit waits for that, too.
const MOST_CLEARED: u64 = 4_096;
/// How long the last request may take: a broken disk must not hold up the shutdown.
const LAST_FLUSH: Duration = Duration::from_secs(5);

pub(super) struct Outbox {
    audit: Arc<dyn AuditSink>,
    /// Position of the last event that was stored and given to the trail.
    recorded: u64,
    /// Events up to this position are on disk in the trail.
    written: Arc<AtomicU64>,
    /// Up to this position there is nothing to remove.
    cleared: u64,
    flush: Option<JoinHandle<()>>,
    flushed_at: Option<Timestamp>,
}

/// The place of a commit in the outbox.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct OutboxPosition {
    first_position: u64,
    written_up_to: Option<u64>,
    keeps: bool,
}

impl OutboxPosition {
    /// What the store has to do with these events.
    pub fn commit<'a>(&self, events: &'a [EncodedEvent]) -> OutboxCommit<'a> {
        let events = if self.keeps { events } else { &[] };
        OutboxCommit { first_position: self.first_position, events, written_up_to: self.written_up_to }
    }

    /// The place of the commit behind one of so many events.
    pub fn after(self, events: usize) -> Self {
        let events = if self.keeps { events as u64 } else { 0 };
        Self { first_position: self.first_position + events, ..self }
    }

    /// With what that one may remove, unless the one before has.
    pub fn with_written(self, written_up_to: Option<u64>) -> Self {
        Self { written_up_to: written_up_to.filter(|written| Some(*written) > self.written_up_to), ..self }
    }
}

impl Outbox {
    pub fn new(audit: Arc<dyn AuditSink>) -> Self {
        Self { audit, recorded: 0, written: Arc::default(), cleared: 0, flush: None, flushed_at: None }
    }

    /// At a start: appends what the trail lacks.
    pub async fn restore(&mut self, stored: Vec<OutboxEntry>) {
        self.recorded = stored.last().map_or(0, |entry| entry.position);
        self.cleared = stored.first().map_or(0, |entry| entry.position.saturating_sub(1));
        let appended = self.audit.reconcile(stored).await;
        if appended > 0 {
            tracing::warn!(appended, "events of the last run were missing from the audit trail and have been appended");
        }
    }

    /// After a commit of which it was not known whether it was applied: what was stored then has not been recorded yet.
    pub async fn restore_later(&mut self, stored: Vec<OutboxEntry>) {
        let new: Vec<OutboxEntry> = stored.into_iter().filter(|entry| entry.position > self.recorded).collect();
        if let Some(last) = new.last() {
            self.recorded = last.position;
            let events = new.iter().filter_map(|entry| entry.event.as_ref().map(EncodedEvent::from));
            self.audit.record(events.collect()).await;
        }
    }

    /// Where the next commit's events go, and what it may remove.
    pub fn position(&self) -> OutboxPosition {
        let (first_position, written_up_to) = (self.recorded + 1, self.written_up_to());
        OutboxPosition { first_position, written_up_to, keeps: self.audit.keeps() }
    }

    /// What a commit may remove: events that are on disk in the trail, and not more at once than takes a moment.
    pub fn written_up_to(&self) -> Option<u64> {
        let written = self.written.load(Ordering::Acquire);
        (written > self.cleared).then(|| written.min(self.cleared + MOST_CLEARED))
    }

    /// A commit at this position, of so many events, was applied.
    pub fn committed(&mut self, position: OutboxPosition, events: usize) {
        self.recorded += if position.keeps { events as u64 } else { 0 };
        self.cleared = position.written_up_to.unwrap_or(self.cleared);
    }

    /// Gives events to the trail, and asks it in the background to bring them to disk if that was not asked for lately.
    pub async fn record(&mut self, events: Vec<EncodedEvent>, now: Timestamp) {
        if !events.is_empty() {
            self.audit.record(events).await;
        }
        let lately = self.flushed_at.is_some_and(|at| (at..at + FLUSH_EVERY).contains(&now));
        let under_way = self.flush.as_ref().is_some_and(|flush| !flush.is_finished());
        if lately || under_way || self.written.load(Ordering::Acquire) >= self.recorded {
            return;
        }
        self.flushed_at = Some(now);
        let (audit, written, recorded) = (Arc::clone(&self.audit), Arc::clone(&self.written), self.recorded);
        self.flush = Some(tokio::spawn(async move {
            if audit.flush().await {
                written.store(recorded, Ordering::Release);
            }
        }));
    }

    /// At the end: brings everything to disk, within a limit. What the store may be told then, if anything.
    pub async fn finish(&mut self) -> Option<OutboxPosition> {
        if let Some(flush) = self.flush.take() {
            flush.abort();
        }
        if !matches!(tokio::time::timeout(LAST_FLUSH, self.audit.flush()).await, Ok(true)) {
            tracing::error!(
                "the audit trail cannot be written; what is missing from it is kept in the store and appended at the next start"
            );
            return None;
        }
        self.written.store(self.recorded, Ordering::Release);
        // All at once: nobody waits any more.
        (self.recorded > self.cleared).then(|| OutboxPosition { written_up_to: Some(self.recorded), ..self.position() })
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use uuid::Uuid;

    use super::*;
    use crate::domain::audit::{AuditEvent, AuditOutcome};

    /// A trail whose disk works or does not.
    #[derive(Default)]
    struct Trail {
        broken: bool,
        recorded: Mutex<Vec<u128>>,
    }

    #[async_trait]
    impl AuditSink for Trail {
        async fn record(&self, events: Vec<EncodedEvent>) {
            self.recorded.lock().extend(events.iter().map(|event| event.event_id.as_u128()));
        }

        async fn flush(&self) -> bool {
            if self.broken { std::future::pending().await } else { true }
        }

        async fn reconcile(&self, outbox: Vec<OutboxEntry>) -> usize {
            outbox.len()
        }
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().expect("a timestamp")
    }

    fn event(number: u128) -> AuditEvent {
        AuditEvent {
            event_id: Uuid::from_u128(number),
            time: now(),
            actor: "ann".into(),
            action: "create_schedule".into(),
            object: "schedule/a".into(),
            outcome: AuditOutcome::Succeeded,
            request_id: None,
            address: None,
            before: None,
            after: None,
            detail: None,
        }
    }

    fn entry(position: u64) -> OutboxEntry {
        let event = event(u128::from(position));
        OutboxEntry { position, event_id: event.event_id, event: Some(event) }
    }

    async fn flushed(outbox: &mut Outbox) {
        outbox.flush.take().expect("a flush").await.expect("no panic");
    }

    #[tokio::test]
    async fn what_is_on_disk_is_removed_by_a_later_commit_and_once() {
        let mut outbox = Outbox::new(Arc::new(Trail::default()));
        outbox.restore(vec![entry(6), entry(7)]).await;
        let events = [event(8), event(9)].map(|event| EncodedEvent::from(&event));
        let position = outbox.position();
        let commit = position.commit(&events);
        assert_eq!((commit.first_position, commit.events.len(), commit.written_up_to), (8, 2, None));
        outbox.committed(position, 2);
        outbox.record(events.to_vec(), now()).await;
        flushed(&mut outbox).await;
        let position = outbox.position();
        assert_eq!((position.first_position, position.written_up_to), (10, Some(9)));
        outbox.committed(position, 0);
        assert_eq!(outbox.position().written_up_to, None);
        // Within the same second, and with nothing new, the disk is left alone.
        outbox.committed(outbox.position(), 1);
        outbox.record(Vec::new(), now()).await;
        assert!(outbox.flush.is_none());
        outbox.record(Vec::new(), now() + FLUSH_EVERY).await;
        flushed(&mut outbox).await;
        outbox.record(Vec::new(), now() + FLUSH_EVERY * 5).await;
        assert!(outbox.flush.is_none());
    }

    #[tokio::test]
    async fn after_an_unknown_outcome_only_what_was_stored_and_not_recorded_is_recorded() {
        let trail = Arc::new(Trail::default());
        let mut outbox = Outbox::new(Arc::clone(&trail) as Arc<dyn AuditSink>);
        outbox.committed(outbox.position(), 2);
        outbox.restore_later(vec![entry(1), entry(2)]).await;
        assert!(trail.recorded.lock().is_empty());
        outbox.restore_later(vec![entry(2), entry(3), entry(4)]).await;
        assert_eq!(*trail.recorded.lock(), [3, 4]);
        assert_eq!(outbox.position().first_position, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_disk_neither_holds_up_the_end_nor_removes_anything() {
        let mut outbox = Outbox::new(Arc::new(Trail { broken: true, ..Trail::default() }));
        outbox.committed(outbox.position(), 1);
        outbox.record(vec![EncodedEvent::from(&event(1))], now()).await;
        assert!(outbox.finish().await.is_none());
        assert_eq!(outbox.position().written_up_to, None);
    }
}
