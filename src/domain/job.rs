//! Jobs and their tasks: the record of one run.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ids::{JobId, ScheduleId};
use super::schedule::ScheduleDefinition;
use super::task::TaskType;
use super::time::{self, Timestamp};
use super::vocabulary::wire_enum;

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

/// One run of a schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Made by the service.
    pub id: JobId,
    /// The schedule; it may have been deleted since.
    pub schedule_id: ScheduleId,
    /// The schedule as it stood when the job was made: the job runs this, whatever is edited later.
    pub definition: Arc<ScheduleDefinition>,
    /// What made the job.
    pub trigger: Trigger,
    /// The fire's time; for a manual run the time of the request.
    pub scheduled_for: Timestamp,
    /// See [`JobState`].
    pub state: JobState,
    /// Why it did not run or not to its end; null for a job that succeeded or failed without being halted.
    pub reason: Option<Reason>,
    /// The reason, or the first failure, in words.
    pub error_message: Option<String>,
    /// Who asked for a manual run.
    pub requested_by: Option<String>,
    /// The job whose remaining work this one does; absent from rows that were stored before there were retries.
    #[serde(default)]
    pub retry_of: Option<JobId>,
    /// True for a run that ignores the window.
    pub forced: bool,
    /// When the job was made.
    pub created_at: Timestamp,
    /// When its first task started; null for a job that never ran.
    pub started_at: Option<Timestamp>,
    /// When it reached a terminal state.
    pub finished_at: Option<Timestamp>,
    /// Who asked to cancel, while the running call is being stopped.
    pub cancel_requested_by: Option<String>,
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
    pub started_at: Option<Timestamp>,
    /// When it reached a terminal state.
    pub finished_at: Option<Timestamp>,
    /// When the next attempt is due, while it waits for one.
    pub retry_at: Option<Timestamp>,
    /// Status of the last answer.
    pub http_status: Option<u16>,
    /// How the last attempt ended.
    pub outcome: Option<Outcome>,
    /// Why it failed or did not run, in words.
    pub error_message: Option<String>,
    /// The values that the recipe picks out of the answer.
    pub result_summary: Option<Value>,
}

impl Job {
    /// From start to end in milliseconds, for a job that has both.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(time::millis_between(self.started_at?, self.finished_at?))
    }

    /// Share of the tasks that ran to an end, 0–100; in a retry those that it took over count as they did before.
    pub fn progress_pct(&self) -> u8 {
        let ended = self.tasks.iter().filter(|task| task.state.is_terminal() && task.state != JobState::Skipped).count();
        u8::try_from(ended * 100 / self.tasks.len().max(1)).unwrap_or(100)
    }

    /// True while the job waits or runs.
    pub fn is_active(&self) -> bool {
        !self.state.is_terminal()
    }

    /// Position in [`Job::tasks`] of the task that is under way.
    pub fn running_task(&self) -> Option<usize> {
        self.tasks.iter().position(|task| task.state == JobState::Running)
    }

    /// The window of the schedule, when it binds this job.
    pub fn binding_window(&self) -> Option<super::window::Window> {
        (self.definition.enforce_window && !self.forced).then_some(self.definition.window)
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
        }
    }

    /// The task as a retry of its job begins with it: as it is when it succeeded, from the start otherwise.
    pub fn for_retry(&self) -> Self {
        match self.state {
            JobState::Succeeded => self.clone(),
            JobState::Pending | JobState::Running | JobState::Failed | JobState::Cancelled | JobState::Skipped => {
                Self::waiting(self.name.clone(), self.task_type, self.position)
            }
        }
    }

    /// From start to end in milliseconds, for a task that has both.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(time::millis_between(self.started_at?, self.finished_at?))
    }
}
