//! The audit trail: one JSON line for every write attempt and every job transition, each chained to the line before it.
//!
//! A line holds `sequence` (from 1, no gaps), the fields of [`AuditEvent`](crate::domain::audit::AuditEvent), and `previous`, the
//! lower-case hex SHA-256 of the line before it without its line break (64 zeros in the first line). So whoever changes, removes,
//! inserts or reorders lines breaks the chain at that point, and [`verify_file`] says where. What a chain cannot show: a change
//! of the very last line that leaves it well-formed, lines or files cut off at the end, and a file written anew from some point on.
//! Against these, keep the last sequence and digest that `audit verify` prints (or the sequence in the health report) somewhere
//! else.
//!
//! One thread owns the file ([`FileAudit`]) and is fed by a bounded queue: callers never wait for the disk, but they do wait once
//! the queue is full, because an action that cannot be audited must not be carried out unnoticed. A line that could not be
//! written is kept and tried again. One process at a time holds the file (it is locked).
//!
//! When the file is long or old enough it is put aside under a name that sorts, and a new one continues the chain (`rotation.rs`,
//! `trail_file.rs`); [`verify_trail()`] checks the chain over all files. Whoever moves the file away by himself does so while the service
//! is down; the next start begins a new chain then, and the old one is missed where it was.
//!
//! What was committed has its line even after a crash: the store keeps such events until they are on disk here, and at a start
//! those that are not in the file are appended (`reconcile.rs`). They are recognised by their `event_id`.
//!
//! Must not be added here: what is worth an event (the callers decide), and any way to change a written line.

mod chain;
mod error;
mod file;
mod opening;
mod reconcile;
mod rotation;
mod tail;
mod trail_file;
mod verify;
mod verify_trail;
mod writer;

use async_trait::async_trait;

pub use error::AuditError;
pub use file::FileAudit;
pub use rotation::Rotation;
pub use verify::{AuditSummary, ChainStart, VerifyError, verify_file};
pub use verify_trail::{FirstLines, TrailError, TrailSummary, verify_trail};

use crate::domain::audit::EncodedEvent;
use crate::domain::ports::{AuditSink, OutboxEntry};

/// Keeps nothing: the sink of a service whose configuration names no audit file.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAudit;

#[async_trait]
impl AuditSink for NoAudit {
    async fn record(&self, _events: Vec<EncodedEvent>) {}

    async fn flush(&self) -> bool {
        true
    }

    fn keeps(&self) -> bool {
        false
    }

    async fn reconcile(&self, _outbox: Vec<OutboxEntry>) -> usize {
        0
    }
}
