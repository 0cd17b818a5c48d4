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

use crate::domain::audit::AuditEvent;
use crate::domain::ports::{AuditSink, OutboxCommit, OutboxEntry};
use crate::domain::time::Timestamp;

/// How long the trail is left alone between two requests to bring its lines to disk.
const FLUSH_EVERY: TimeDelta = TimeDelta::seconds(1);
/// How long the last request may take: a broken disk must not hold up the shutdown.
const LAST_FLUSH: Duration = Duration::from_secs(5);

pub(super) struct Outbox {
    audit: Arc<dyn AuditSink>,
    /// Position of the last event that was stored and given to the trail.
    recorded: u64,
    /// Events up to this position are on disk in the trail.
    written: Arc<AtomicU64>,
    /// The store has been told so up to this position.
    cleared: u64,
    flush: Option<JoinHandle<()>>,
    flushed_at: Option<Timestamp>,
}

impl Outbox {
    pub fn new(audit: Arc<dyn AuditSink>) -> Self {
        Self { audit, recorded: 0, written: Arc::default(), cleared: 0, flush: None, flushed_at: None }
    }

    /// At a start: appends what the trail lacks.
    pub async fn restore(&mut self, stored: Vec<OutboxEntry>) {
        self.recorded = stored.last().map_or(0, |entry| entry.position);
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
            self.audit.record(new.into_iter().filter_map(|entry| entry.event).collect()).await;
        }
    }

    /// What the next commit has to store and may remove.
    pub fn commit<'a>(&self, events: &'a [AuditEvent]) -> OutboxCommit<'a> {
        let written = self.written.load(Ordering::Acquire);
        OutboxCommit {
            first_position: self.recorded + 1,
            events: if self.audit.keeps() { events } else { &[] },
            written_up_to: (written > self.cleared).then_some(written),
        }
    }

    /// A commit stored as many events, and removed those up to a position.
    pub fn committed(&mut self, stored: u64, written_up_to: Option<u64>) {
        self.recorded += stored;
        self.cleared = written_up_to.unwrap_or(self.cleared);
    }

    /// Gives events to the trail, and asks it in the background to bring them to disk if that was not asked for lately.
    pub async fn record(&mut self, events: Vec<AuditEvent>, now: Timestamp) {
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

    /// At the end: brings everything to disk, within a limit. True when the store may be told so.
    pub async fn finish(&mut self) -> bool {
        if let Some(flush) = self.flush.take() {
            flush.abort();
        }
        if !matches!(tokio::time::timeout(LAST_FLUSH, self.audit.flush()).await, Ok(true)) {
            tracing::error!(
                "the audit trail cannot be written; what is missing from it is kept in the store and appended at the next start"
            );
            return false;
        }
        self.written.store(self.recorded, Ordering::Release);
        self.recorded > self.cleared
    }
}
