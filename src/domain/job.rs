//! Jobs and their tasks: the record of one run.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::access::Access;
use super::ids::{JobId, ScheduleId};
use super::ports::Checkpoint;
use super::schedule::{OnWindowClose, ScheduleDefinition};
use super::task::TaskType;
use super::time::{self, Timestamp, serde_millis, serde_millis_option};
use super::vocabulary::wire_enum;
use super::window::Window;

wire_enum! {
    /// The state of a job, and of a task within it.
    /// `PENDING` → `RUNNING` → `SUCCEEDED` | `FAILED` | `CANCELLED`; `PENDING` → `SKIPPED` | `CANCELLED`.
    JobState {
        /// Accepted, waiting for a slot or for its turn.
        Pending = "PENDING",
        /// Under way.
        Running = "RUNNING",
        /// Ended well.
        Succeeded = "SUCCEEDED",
        /// Ended badly.
        Failed = "FAILED",
        /// Stopped before its end.
        Cancelled = "CANCELLED",
        /// Never started.
        Skipped = "SKIPPED",
    }
}

impl JobState {
    /// True for a state that is never left again.
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

wire_enum! {
    /// What made a job.
    Trigger {
        /// The schedule's cron expression matched.
        Cron = "CRON",
        /// Somebody asked for it.
        Manual = "MANUAL",
        /// A fire was missed and is made up for.
        CatchUp = "CATCH_UP",
    }
}

wire_enum! {
    /// Why a job did not run, or did not run to its end.
    Reason {
        /// The fire fell outside the window.
        OutsideWindow = "OUTSIDE_WINDOW",
        /// A job of the same schedule was active.
        Overlap = "OVERLAP",
        /// Fires were missed.
        Misfired = "MISFIRED",
        /// The schedule was disabled while the job waited.
        ScheduleDisabled = "SCHEDULE_DISABLED",
        /// The schedule was deleted while the job waited.
        ScheduleDeleted = "SCHEDULE_DELETED",
        /// The job waited for its target for too long.
        QueueTimeout = "QUEUE_TIMEOUT",
        /// The window closed before the job was done.
        WindowClosed = "WINDOW_CLOSED",
        /// A task failed and the schedule halts on failure.
        Halted = "HALTED",
        /// An operator cancelled the job.
        CancelledByOperator = "CANCELLED_BY_OPERATOR",
        /// The schedule, its target, or everything was paused.
        Paused = "PAUSED",
        /// The target was frozen.
        Frozen = "FROZEN",
        /// An operator asked to leave this fire out.
        SkippedByOperator = "SKIPPED_BY_OPERATOR",
        /// The service was shut down.
        Shutdown = "SHUTDOWN",
        /// The service ended while the job ran.
        Interrupted = "INTERRUPTED",
    }
}

wire_enum! {
    /// How an attempt at a task ended.
    Outcome {
        /// The target did it, and said so in the way the recipe demands.
        Succeeded = "SUCCEEDED",
        /// Not done, and worth another try: connect error, 429, 502, 503, 504.
        Transient = "TRANSIENT",
        /// Not done, and another try would end the same.
        Permanent = "PERMANENT",
        /// The request was sent and no answer came: it may have been done.
        Unknown = "UNKNOWN",
    }
}

/// One run of a schedule. Stored in every state that it goes through, so what it does not have is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Made by the service.
    pub id: JobId,
    /// The schedule; it may have been deleted since.
    pub schedule_id: ScheduleId,
    /// The schedule as it stood when the job was made: the job runs this, whatever is edited later.
    pub definition: Arc<ScheduleDefinition>,
    /// The target that it runs on, out of those of the definition. Rows that were stored before a schedule could have several do not
    /// have it; see [`Job::adopt_defaults`].
    #[serde(default)]
    pub target: String,
    /// The first job of its fire, when the fire made several, one for each target; `None` for that first one and for a job alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_of_fire: Option<JobId>,
    /// What made the job.
    pub trigger: Trigger,
    /// The fire's time; for a manual run the time of the request.
    #[serde(with = "serde_millis")]
    pub scheduled_for: Timestamp,
    /// See [`JobState`].
    pub state: JobState,
    /// Why it did not run or not to its end; null for a job that succeeded or failed without being halted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The reason, or the first failure, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Who asked for a manual run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// The job whose remaining work this one does; absent from rows that were stored before there were retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<JobId>,
    /// True for a run that ignores the window.
    pub forced: bool,
    /// When the job was made.
    #[serde(with = "serde_millis")]
    pub created_at: Timestamp,
    /// When its first task started; null for a job that never ran.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it reached a terminal state.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Who asked to cancel, while the running call is being stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_requested_by: Option<String>,
    /// The window has closed, and the running call is being stopped because of it.
    #[serde(default)]
    pub aborting: bool,
    /// In the order in which they run.
    pub tasks: Vec<JobTask>,
}

/// One step of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobTask {
    /// The name by which `depends_on` knows it.
    pub name: String,
    /// What it does.
    pub task_type: TaskType,
    /// Position of its specification in the schedule's list.
    pub position: usize,
    /// See [`JobState`].
    pub state: JobState,
    /// Attempts started so far.
    pub attempts: u32,
    /// When the first attempt started.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it reached a terminal state.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When the next attempt is due, while it waits for one.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// Status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// How the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed or did not run, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The values that the recipe picks out of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_summary: Option<Value>,
    /// The calls of a task that makes several, in their order; empty for a task that is one call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<JobItem>,
    /// What the attempt under way has left for a later one; see [`Checkpoint`].
    #[serde(default, skip_serializing_if = "Checkpoint::is_empty")]
    pub checkpoint: Checkpoint,
    /// How far the target says it is with the call under way, 0–100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_pct: Option<u8>,
}

/// One call of a task that makes several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobItem {
    /// With which values.
    pub parameters: Map<String, Value>,
    /// See [`JobState`].
    pub state: JobState,
    /// Attempts started so far.
    pub attempts: u32,
    /// When the first attempt started.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it reached a terminal state.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Status of the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// How the last attempt ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it failed or did not run, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// The values that the recipe picks out of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_summary: Option<Value>,
}

impl JobItem {
    /// A call that waits for its turn.
    pub fn waiting(parameters: Map<String, Value>) -> Self {
        Self {
            parameters,
            state: JobState::Pending,
            attempts: 0,
            started_at: None,
            finished_at: None,
            http_status: None,
            outcome: None,
            error_message: None,
            result_summary: None,
        }
    }

    /// The call is over.
    pub fn end(&mut self, state: JobState, now: Timestamp) {
        self.state = state;
        self.finished_at = Some(now);
    }

    /// From start to end in milliseconds, for a call that has both.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(time::millis_between(self.started_at?, self.finished_at?))
    }
}

impl Job {
    /// Whether a caller may see it and cancel it.
    pub fn is_within(&self, access: &Access) -> bool {
        access.allows(&self.schedule_id, &[&self.target])
    }

    /// Fills what a row that was stored by an earlier version does not say.
    #[must_use]
    pub fn adopt_defaults(mut self) -> Self {
        if self.target.is_empty() {
            self.target = self.definition.target.first().to_owned();
        }
        self
    }

    /// The job by which its fire is known.
    pub fn fire_id(&self) -> JobId {
        self.first_of_fire.unwrap_or(self.id)
    }

    /// From start to end in milliseconds, for a job that has both.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(time::millis_between(self.started_at?, self.finished_at?))
    }

    /// Share of the work that was done, 0–100: every task counts the same, a task of several calls by those that ended, and a call
    /// under way by what the target says. In a retry the tasks that it took over count as they did before.
    pub fn progress_pct(&self) -> u8 {
        let percent: usize = self.tasks.iter().map(JobTask::percent).sum();
        u8::try_from(percent / self.tasks.len().max(1)).unwrap_or(100)
    }

    /// True while the job waits or runs.
    pub fn is_active(&self) -> bool {
        !self.state.is_terminal()
    }

    /// True while a call is being made, or waited for on the target.
    pub fn has_attempt_under_way(&self) -> bool {
        self.running_task().is_some_and(|index| self.tasks[index].retry_at.is_none())
    }

    /// True when the target has accepted work of this job and said by which handle it is known: it goes on there without us, and can
    /// be taken up again.
    pub fn can_be_adopted(&self) -> bool {
        let waits = |index: usize| self.tasks[index].checkpoint.handle.is_some();
        self.has_attempt_under_way() && self.running_task().is_some_and(waits)
    }

    /// Position in [`Job::tasks`] of the task that is under way.
    pub fn running_task(&self) -> Option<usize> {
        self.tasks.iter().position(|task| task.state == JobState::Running)
    }

    /// The window of the schedule, when it binds the start of this job.
    pub fn binding_window(&self) -> Option<Window> {
        (self.definition.enforce_window && !self.forced).then_some(self.definition.window)
    }

    /// The window, when it binds this job also after its start.
    pub fn window_while_running(&self) -> Option<Window> {
        self.binding_window().filter(|_| self.definition.on_window_close != OnWindowClose::RunToCompletion)
    }

    /// When the call under way is to be stopped because the window closes.
    pub fn abort_at(&self) -> Option<Timestamp> {
        let aborts = self.definition.on_window_close == OnWindowClose::AbortRunningTask && !self.aborting;
        let window = self.binding_window().filter(|_| aborts && self.cancel_requested_by.is_none())?;
        window.closes_after(self.started_at?)
    }
}

impl JobTask {
    /// A task that waits for its turn.
    pub fn waiting(name: String, task_type: TaskType, position: usize) -> Self {
        Self {
            name,
            task_type,
            position,
            state: JobState::Pending,
            attempts: 0,
            started_at: None,
            finished_at: None,
            retry_at: None,
            http_status: None,
            outcome: None,
            error_message: None,
            result_summary: None,
            items: Vec::new(),
            checkpoint: Checkpoint::default(),
            progress_pct: None,
        }
    }

    /// The task as a retry of its job begins with it: as it is when it succeeded, from the start otherwise; calls of it that
    /// succeeded stay as they are.
    pub fn for_retry(&self) -> Self {
        if self.state == JobState::Succeeded {
            return self.clone();
        }
        let again = |item: &JobItem| match item.state {
            JobState::Succeeded => item.clone(),
            JobState::Pending | JobState::Running | JobState::Failed | JobState::Cancelled | JobState::Skipped => {
                JobItem::waiting(item.parameters.clone())
            }
        };
        let items = self.items.iter().map(again).collect();
        Self { items, ..Self::waiting(self.name.clone(), self.task_type, self.position) }
    }

    /// Position of the call that is under way, or waits for its next attempt, in a task that makes several.
    pub fn running_item(&self) -> Option<usize> {
        self.items.iter().position(|item| item.state == JobState::Running)
    }

    /// The call that is under way, or waits for its next attempt, in a task that makes several.
    pub fn running_item_mut(&mut self) -> Option<&mut JobItem> {
        self.items.iter_mut().find(|item| item.state == JobState::Running)
    }

    /// Position of the call that comes next, in a task that makes several.
    pub fn next_item(&self) -> Option<usize> {
        self.items.iter().position(|item| item.state == JobState::Pending)
    }

    /// Attempts at the call under way.
    pub fn attempts_at_call(&self) -> u32 {
        self.running_item().map_or(self.attempts, |index| self.items[index].attempts)
    }

    /// How much of it was done, 0–100.
    fn percent(&self) -> usize {
        let under_way = usize::from(self.progress_pct.unwrap_or(0).min(100));
        match self.state {
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => 100,
            JobState::Pending | JobState::Skipped => 0,
            JobState::Running if self.items.is_empty() => under_way,
            JobState::Running => {
                let ended = self.items.iter().filter(|item| item.state.is_terminal()).count();
                (ended * 100 + under_way) / self.items.len()
            }
        }
    }

    /// From start to end in milliseconds, for a task that has both.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(time::millis_between(self.started_at?, self.finished_at?))
    }
}
