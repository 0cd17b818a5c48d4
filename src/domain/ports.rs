//! The outside as the rules see it: traits that the adapters implement. Joined in `app`, as `Arc<dyn Port>`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::audit::{AuditEvent, EncodedEvent};
use super::freeze::Freeze;
use super::health::HealthSignal;
use super::idempotency::IdempotencyRecord;
use super::ids::JobId;
use super::job::{Job, Outcome};
use super::pause::{Pause, PausePlace};
use super::schedule::Schedule;
use super::target_state::TargetState;
use super::task::TaskType;
use super::time::Timestamp;

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

/// One change to what is stored: the entity before and after. Reversing it is swapping the two.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A schedule was created (no before), edited, run, or deleted (no after).
    Schedule {
        /// As it was.
        before: Option<Arc<Schedule>>,
        /// As it is.
        after: Option<Arc<Schedule>>,
    },
    /// A job was made (no before), changed, or pruned (no after).
    Job {
        /// As it was.
        before: Option<Arc<Job>>,
        /// As it is.
        after: Option<Arc<Job>>,
    },
    /// An answer was recorded under an idempotency key (no before), replaced after it had expired, or forgotten (no after).
    Idempotency {
        /// As it was.
        before: Option<Arc<IdempotencyRecord>>,
        /// As it is.
        after: Option<Arc<IdempotencyRecord>>,
    },
    /// All targets or one were paused (no before), paused anew, or resumed (no after). A schedule's own pause is a change of the schedule.
    Pause {
        /// What is paused; never a schedule.
        place: PausePlace,
        /// As it was.
        before: Option<Arc<Pause>>,
        /// As it is.
        after: Option<Arc<Pause>>,
    },
    /// A freeze was made (no before) or removed (no after).
    Freeze {
        /// As it was.
        before: Option<Arc<Freeze>>,
        /// As it is.
        after: Option<Arc<Freeze>>,
    },
    /// What is known of a target has changed. Not stored: a service that starts asks anew.
    Target {
        /// The target's name.
        name: String,
        /// As it was; `None` when nothing was out of the ordinary.
        before: Option<Arc<TargetState>>,
        /// As it is.
        after: Option<Arc<TargetState>>,
    },
    /// A bundle was installed; it is never installed again.
    BundleInstalled {
        /// The bundle's name.
        name: String,
    },
}

/// All that was stored.
#[derive(Debug, Clone, Default)]
pub struct StoredState {
    /// In no particular order.
    pub schedules: Vec<Schedule>,
    /// In no particular order.
    pub jobs: Vec<Job>,
    /// In no particular order; some may have expired.
    pub idempotency: Vec<IdempotencyRecord>,
    /// What is paused apart from schedules, in no particular order.
    pub pauses: Vec<(PausePlace, Pause)>,
    /// In no particular order; some may be over.
    pub freezes: Vec<Freeze>,
    /// Names of the bundles that were installed at some time.
    pub installed_bundles: Vec<String>,
    /// Events of earlier commits that may be missing from the audit trail, in the order of their positions.
    pub audit_outbox: Vec<OutboxEntry>,
    /// How many rows could not be read, now or earlier, and were set aside.
    pub damaged_rows: u64,
}

/// An event that is kept with the changes it tells of until it is known to be in the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEntry {
    /// Counts up from 1, in the order in which the events were committed.
    pub position: u64,
    /// The event's id.
    pub event_id: Uuid,
    /// The event; `None` once it is known to be in the trail. The last such entry stays, so that whoever looks for the others
    /// in the trail knows where to stop.
    pub event: Option<AuditEvent>,
}

/// What a commit does to the audit outbox.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutboxCommit<'a> {
    /// Position of the first of `events`.
    pub first_position: u64,
    /// To be kept, in this order.
    pub events: &'a [EncodedEvent],
    /// Every event up to this position is in the trail and on disk.
    pub written_up_to: Option<u64>,
}

/// Why the store did not do what it was asked for. The first question of every caller: was it applied?
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Certainly nothing of it was applied.
    #[error("not applied: {0}")]
    NotApplied(String),
    /// It may have been applied; the stored state has to be read again before anybody is answered.
    #[error("perhaps applied: {0}")]
    PerhapsApplied(String),
}

/// Keeps schedules and jobs. One writer: the actor.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn load(&self) -> Result<StoredState, StoreError>;

    /// Applies all changes and those of the audit outbox in one transaction and makes them durable, or applies none. Without any,
    /// finds out whether the store can be written.
    ///
    /// # Errors
    /// Says whether the changes were certainly not or perhaps applied.
    async fn commit(&self, changes: &[Change], outbox: OutboxCommit<'_>) -> Result<(), StoreError>;

    /// Writes out what is buffered and closes; called once, last.
    async fn close(&self);
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
