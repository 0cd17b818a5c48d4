//! The outside as the rules see it: traits that the adapters implement. Joined in `app`, as `Arc<dyn Port>`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::audit::EncodedEvent;
use super::health::HealthSignal;
use super::ids::JobId;
use super::job::Outcome;
use super::task::TaskType;
use super::time::Timestamp;

mod store;

pub use store::{Change, OutboxCommit, OutboxEntry, Prepared, Store, StoreError, StoredState};

/// Tells the time. `Utc::now` stands behind it and nowhere else.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, in whole milliseconds.
    fn now(&self) -> Timestamp;

    /// Returns at `deadline` or somewhat later. The wall clock can be stepped meanwhile, so the caller reads it again.
    async fn sleep_until(&self, deadline: Timestamp);
}

/// Makes ids and random numbers.
pub trait IdSource: Send + Sync + 'static {
    /// A UUIDv7 of the given time; later ones of the same process sort after earlier ones of the same millisecond.
    fn new_uuid(&self, now: Timestamp) -> Uuid;

    /// A random number in `[0, 1)`, for jitter.
    fn unit_random(&self) -> f64;
}

/// One attempt at one task.
#[derive(Debug, Clone)]
pub struct TaskCall {
    /// The job.
    pub job_id: JobId,
    /// The task's position in the order of execution.
    pub task_index: usize,
    /// The task's name.
    pub task_name: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The target's name.
    pub target: String,
    /// Which of the task's items this is about; `None` for a task that is one call.
    pub item: Option<usize>,
    /// What to do.
    pub task_type: TaskType,
    /// With which values: the task's, or the item's, over the target's defaults.
    pub parameters: Map<String, Value>,
    /// Limit for one attempt, in place of the recipe's.
    pub timeout: Option<Duration>,
    /// What earlier attempts at the same left behind. With a handle in it the work has been accepted already: it is waited for, and
    /// not asked for again.
    pub checkpoint: Checkpoint,
}

impl TaskCall {
    /// The same over all attempts at a task, so that a target that knows such keys does the work once.
    pub fn idempotency_key(&self) -> String {
        match self.item {
            None => format!("{}-{}", self.job_id, self.task_index),
            Some(item) => format!("{}-{}-{item}", self.job_id, self.task_index),
        }
    }
}

/// What an attempt leaves with its job before it goes on, so that a later attempt, perhaps after a restart, need not begin anew.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// By which the target knows the work that it has accepted.
    pub handle: Option<Value>,
    /// When the target accepted it; the deadline of waiting counts from here.
    pub accepted_at: Option<Timestamp>,
    /// Values taken out of answers, by the names that the recipe gives them.
    pub captured: Map<String, Value>,
}

impl Checkpoint {
    /// True when there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.handle.is_none() && self.accepted_at.is_none() && self.captured.is_empty()
    }
}

/// Takes what an attempt says while it is under way.
#[async_trait]
pub trait AttemptObserver: Send + Sync {
    /// Keeps a checkpoint; returns when it is durable. Waits while the store cannot be written.
    async fn keep(&self, checkpoint: Checkpoint);

    /// How far the target says it is, 0–100. May be lost.
    fn progress(&self, percent: u8);
}

/// True once a request began to leave; from then on a missing answer means `UNKNOWN`. All clones are one: the connection's own
/// task sets it, and whoever stops the attempt reads it.
#[derive(Debug, Clone, Default)]
pub struct SentSignal(Arc<AtomicBool>);

impl SentSignal {
    /// Notes that the request began to leave.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True once the request began to leave.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What is known of an attempt while it is under way. Outlives the attempt's future, so that a cancelled attempt can still say
/// whether its request had left.
#[derive(Default)]
pub struct AttemptTrace {
    sent: SentSignal,
    handle: Mutex<Option<Value>>,
    captured: Mutex<Map<String, Value>>,
    observer: Option<Box<dyn AttemptObserver>>,
}

impl AttemptTrace {
    /// A trace whose attempt is heard by `observer` while it is under way.
    pub fn observed(observer: Box<dyn AttemptObserver>) -> Self {
        Self { observer: Some(observer), ..Self::default() }
    }

    /// Hands a checkpoint over and waits until it is durable. Keeps its handle and its captured values, too.
    pub async fn keep(&self, checkpoint: Checkpoint) {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&checkpoint.captured);
        if let Some(handle) = &checkpoint.handle {
            self.set_handle(handle.clone());
        }
        if let Some(observer) = &self.observer {
            observer.keep(checkpoint).await;
        }
    }

    /// Says how far the target is, 0–100.
    pub fn progress(&self, percent: u8) {
        if let Some(observer) = &self.observer {
            observer.progress(percent.min(100));
        }
    }

    /// The signal of the call that does the work.
    pub fn sent_signal(&self) -> &SentSignal {
        &self.sent
    }

    /// True once the request began to leave.
    pub fn was_sent(&self) -> bool {
        self.sent.is_set()
    }

    /// Keeps the handle by which the target knows the work.
    pub fn set_handle(&self, handle: Value) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// The handle by which the target knows the work.
    pub fn handle(&self) -> Option<Value> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The captured values of the last checkpoint.
    pub fn captured(&self) -> Map<String, Value> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptReport {
    /// The verdict.
    pub outcome: Outcome,
    /// Status of the answer, when there was one.
    pub http_status: Option<u16>,
    /// Why it failed, in words; `None` on success.
    pub error_message: Option<String>,
    /// The values that the recipe picks out of the answer.
    pub result_summary: Option<Value>,
    /// How long the target asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether an unknown outcome may be tried again.
    pub idempotent: bool,
    /// Whether the target answered at all; `None` when nothing was sent to it.
    pub answered: Option<bool>,
    /// The attempt did no work, but found out what there is to do: the parameters of each call to make. Only with success.
    pub discovered: Option<Vec<Map<String, Value>>>,
}

impl AttemptReport {
    /// A report that says no more than how it ended.
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            http_status: None,
            error_message: None,
            result_summary: None,
            retry_after: None,
            idempotent: false,
            answered: None,
            discovered: None,
        }
    }
}

/// What a target says when it is asked whether a job may start on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetAnswer {
    /// It is there, and every pre-flight check holds.
    Ready,
    /// It is there, and a pre-flight check says not now, in words.
    Postpone(String),
    /// It does not answer; why, in words.
    Unreachable(String),
}

/// Carries out tasks on targets.
#[async_trait]
pub trait TaskExecutor: Send + Sync + 'static {
    /// Makes one attempt. Never panics on what a target answers; dropping the future stops the call.
    async fn attempt(&self, call: &TaskCall, trace: &AttemptTrace) -> AttemptReport;

    /// After an attempt was stopped: asks the target to stop the work, if the recipe knows how.
    async fn cancel(&self, call: &TaskCall, trace: &AttemptTrace);

    /// Asks a target whether a job may start on it: that it answers, and its pre-flight checks. Returns within seconds.
    async fn ask(&self, target: &str) -> TargetAnswer {
        let _ = target;
        TargetAnswer::Ready
    }
}

/// Keeps the audit trail.
#[async_trait]
pub trait AuditSink: Send + Sync + 'static {
    /// Appends events in this order. Waits while the sink's queue is full; does not wait for the disk.
    async fn record(&self, events: Vec<EncodedEvent>);

    /// Returns true when everything recorded so far is on disk, and false when it will never be: the trail was closed. Waits as
    /// long as the disk is broken, so the caller sets a limit.
    async fn flush(&self) -> bool;

    /// Whether recorded events are kept anywhere. For those that are not, no outbox is needed.
    fn keeps(&self) -> bool {
        true
    }

    /// Appends the events of an outbox that are not in the trail, and says how many these were. Called before anything else is
    /// recorded by the same caller.
    async fn reconcile(&self, outbox: Vec<OutboxEntry>) -> usize;
}

/// A module's health check.
#[async_trait]
pub trait HealthProbe: Send + Sync + 'static {
    /// Looks once. Called in the background, under a timeout.
    async fn check(&self) -> HealthSignal;
}
