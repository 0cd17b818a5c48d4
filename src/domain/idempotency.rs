//! Idempotency keys: a caller that does not know whether its request was carried out sends it again under the same key, and gets
//! the first answer instead of a second effect.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::access::Access;
use super::catalog::Catalog;
use super::job::Job;
use super::schedule::Schedule;
use super::time::{Timestamp, serde_millis};

/// How long an answer is kept. Whoever tries again later than this means it anew.
pub const KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// What a caller said of a request that must be carried out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentRequest {
    /// The key, as the caller chose it.
    pub key: String,
    /// SHA-256 of the canonical body in lower-case hex: the same for two bodies that say the same.
    pub digest: String,
}

/// Whose key, and for what. The same key of another caller, or for another operation, is another key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyId {
    /// The token's `sub`.
    pub caller: String,
    /// The operation and what its path names: `create_schedule`, `run_schedule schedule/ID`, `retry_job job/ID`.
    pub operation: String,
    /// The key.
    pub key: String,
}

/// An answer that was given under a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Under which key.
    pub id: IdempotencyId,
    /// Of the body that it was the answer to, as in [`IdempotentRequest`].
    pub digest: String,
    /// What was answered.
    pub answer: RecordedAnswer,
    /// When it was answered.
    #[serde(with = "serde_millis")]
    pub created_at: Timestamp,
}

impl IdempotencyRecord {
    /// When the record stops counting.
    pub fn expires_at(&self) -> Timestamp {
        self.created_at + KEPT_FOR
    }
}

/// The entity that was answered with, as it was then. Status, entity tag and location follow from it and the operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedAnswer {
    /// Of an operation that makes a schedule.
    Schedule(Arc<Schedule>),
    /// Of an operation that makes a job.
    Job(Arc<Job>),
}

/// An entity that answers can be recorded as.
pub trait Recordable: Sized {
    /// The record of an answer.
    fn record(answer: &Arc<Self>) -> RecordedAnswer;

    /// The answer of a record; `None` when it is a record of something else.
    fn replay(recorded: &RecordedAnswer) -> Option<Arc<Self>>;

    /// Whether the caller may see it today.
    fn is_within(&self, access: &Access, catalog: &Catalog) -> bool;
}

impl Recordable for Schedule {
    fn record(answer: &Arc<Self>) -> RecordedAnswer {
        RecordedAnswer::Schedule(Arc::clone(answer))
    }

    fn replay(recorded: &RecordedAnswer) -> Option<Arc<Self>> {
        match recorded {
            RecordedAnswer::Schedule(schedule) => Some(Arc::clone(schedule)),
            RecordedAnswer::Job(_) => None,
        }
    }

    fn is_within(&self, access: &Access, catalog: &Catalog) -> bool {
        self.is_within(access, catalog)
    }
}

impl Recordable for Job {
    fn record(answer: &Arc<Self>) -> RecordedAnswer {
        RecordedAnswer::Job(Arc::clone(answer))
    }

    fn replay(recorded: &RecordedAnswer) -> Option<Arc<Self>> {
        match recorded {
            RecordedAnswer::Job(job) => Some(Arc::clone(job)),
            RecordedAnswer::Schedule(_) => None,
        }
    }

    fn is_within(&self, access: &Access, _catalog: &Catalog) -> bool {
        self.is_within(access)
    }
}

/// An answer, and whether it was given before.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered<T> {
    /// The entity.
    pub value: Arc<T>,
    /// True when nothing was done: the key's first answer was given again.
    pub replayed: bool,
}
