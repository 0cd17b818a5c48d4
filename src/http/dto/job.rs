//! Jobs as they are shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::job::{Job, JobItem, JobState, JobTask, Outcome, Reason, Trigger};
use crate::domain::task::TaskType;
use crate::domain::time::{serde_millis, serde_millis_option};
use crate::http::dto::schedule::CallParameters;
use crate::orchestrator::Explainer;

/// One run of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub(in crate::http) struct JobView {
    /// Made by the service.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    id: Uuid,
    /// The schedule; it may have been deleted since.
    #[schema(example = "nightly-index-rebuild")]
    schedule_id: String,
    /// The schedule's name when the job was made.
    #[schema(example = "Nightly Index Rebuild")]
    schedule_name: String,
    /// The target on which it runs.
    #[schema(example = "default")]
    target: String,
    /// The jobs of one fire have the same: a fire makes one job for each target of its schedule. It is the id of the first of them,
    /// and of a job that is alone its own; `GET /jobs?fire_id=…` lists them.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    fire_id: Uuid,
    /// What made the job.
    trigger: Trigger,
    /// The fire's time; for a manual run the time of the request.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    scheduled_for: DateTime<Utc>,
    /// Where it stands.
    state: JobState,
    /// Why it did not run, or not to its end.
    #[schema(required)]
    reason: Option<Reason>,
    /// The reason, or the first failure, in words.
    #[schema(required)]
    error_message: Option<String>,
    /// One sentence for people: why the job was skipped, what it waits for and until when, what it does, or how it ended. May be worded
    /// anew at any time; programs read the other fields.
    #[schema(example = "Succeeded: 2 of 2 tasks in 1.2 s.")]
    explanation: String,
    /// Who asked for a manual run (`sub` of the token).
    #[schema(required)]
    requested_by: Option<String>,
    /// The job whose remaining work this one does: tasks that had succeeded in it stand here as they ended there, and only the
    /// others run. Null for a job that is no retry.
    #[schema(required)]
    retry_of: Option<Uuid>,
    /// True for a run that ignores the window.
    forced: bool,
    /// When the job was made.
    #[serde(with = "serde_millis")]
    created_at: DateTime<Utc>,
    /// When its first task started; null for a job that never ran.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// From start to end in milliseconds.
    #[schema(required, minimum = 0)]
    duration_ms: Option<u64>,
    /// Share of the work that was done: tasks that ran to an end, calls of a task with several, and what the target says of the call
    /// under way; in a retry what it took over counts.
    #[schema(minimum = 0, maximum = 100)]
    progress_pct: u8,
    /// In the order in which they run.
    tasks: Vec<JobTaskView>,
}

/// One step of a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobTask)]
pub(in crate::http) struct JobTaskView {
    /// The name by which `depends_on` knows it.
    #[schema(example = "INDEX_REBUILD")]
    name: String,
    /// What it does.
    task_type: TaskType,
    /// Where it stands.
    state: JobState,
    /// Attempts started so far.
    #[schema(minimum = 0)]
    attempts: u32,
    /// When the first attempt started.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// From start to end in milliseconds.
    #[schema(required, minimum = 0)]
    duration_ms: Option<u64>,
    /// Status of the target's last answer.
    #[schema(required)]
    http_status: Option<u16>,
    /// How the last attempt ended.
    #[schema(required)]
    outcome: Option<Outcome>,
    /// Why it failed or did not run, in words.
    #[schema(required)]
    error_message: Option<String>,
    /// The values that the endpoint's recipe picks out of the answer; for a task of several calls how many ended how.
    #[schema(required, value_type = Option<Value>)]
    result_summary: Option<Value>,
    /// By which the target knows the work that it has accepted and goes on with; null when there is none.
    #[schema(required, value_type = Option<Value>)]
    handle: Option<Value>,
    /// The calls of a task whose parameters are a list, or were found by a discovery, in their order; empty for a task that is one
    /// call.
    items: Vec<JobItemView>,
}

/// One call of a task that makes several.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobItem)]
pub(in crate::http) struct JobItemView {
    /// With which values.
    #[schema(value_type = CallParameters<'static>)]
    parameters: Map<String, Value>,
    /// Where it stands.
    state: JobState,
    /// Attempts started so far.
    #[schema(minimum = 0)]
    attempts: u32,
    /// When the first attempt started.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    finished_at: Option<DateTime<Utc>>,
    /// From start to end in milliseconds.
    #[schema(required, minimum = 0)]
    duration_ms: Option<u64>,
    /// Status of the target's last answer.
    #[schema(required)]
    http_status: Option<u16>,
    /// How the last attempt ended.
    #[schema(required)]
    outcome: Option<Outcome>,
    /// Why it failed or was not made, in words.
    #[schema(required)]
    error_message: Option<String>,
    /// The values that the endpoint's recipe picks out of the answer.
    #[schema(required, value_type = Option<Value>)]
    result_summary: Option<Value>,
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct JobList {
    /// Newest first.
    jobs: Vec<JobView>,
    /// Items on this page.
    count: usize,
    /// Give it as `cursor` to go on; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl JobList {
    /// A page.
    pub fn new(jobs: Vec<JobView>, next_cursor: Option<String>) -> Self {
        Self { count: jobs.len(), jobs, next_cursor }
    }
}

impl JobView {
    /// A job as it is shown now.
    pub fn new(job: &Job, explainer: &Explainer<'_>) -> Self {
        let Job {
            id,
            schedule_id,
            definition,
            target,
            // Shown as the fire's id.
            first_of_fire: _,
            trigger,
            scheduled_for,
            state,
            reason,
            error_message,
            requested_by,
            retry_of,
            forced,
            created_at,
            started_at,
            finished_at,
            // Both show up as the reason once the job has ended.
            cancel_requested_by: _,
            aborting: _,
            tasks,
        } = job;
        Self {
            id: id.0,
            schedule_id: schedule_id.to_string(),
            schedule_name: definition.name.clone(),
            target: target.clone(),
            fire_id: job.fire_id().0,
            trigger: *trigger,
            scheduled_for: *scheduled_for,
            state: *state,
            reason: *reason,
            error_message: error_message.clone(),
            explanation: explainer.explain(job),
            requested_by: requested_by.clone(),
            retry_of: retry_of.map(|id| id.0),
            forced: *forced,
            created_at: *created_at,
            started_at: *started_at,
            finished_at: *finished_at,
            duration_ms: job.duration_ms(),
            progress_pct: job.progress_pct(),
            tasks: tasks.iter().map(JobTaskView::from).collect(),
        }
    }
}

impl From<&JobTask> for JobTaskView {
    fn from(task: &JobTask) -> Self {
        let JobTask {
            name,
            task_type,
            // The order of the list says it.
            position: _,
            state,
            attempts,
            started_at,
            finished_at,
            // How the service waits is its own affair; the attempts tell that it does.
            retry_at: _,
            http_status,
            outcome,
            error_message,
            result_summary,
            items,
            checkpoint,
            // Counted in the job's progress.
            progress_pct: _,
        } = task;
        Self {
            name: name.clone(),
            task_type: *task_type,
            state: *state,
            attempts: *attempts,
            started_at: *started_at,
            finished_at: *finished_at,
            duration_ms: task.duration_ms(),
            http_status: *http_status,
            outcome: *outcome,
            error_message: error_message.clone(),
            result_summary: result_summary.clone(),
            handle: checkpoint.handle.clone(),
            items: items.iter().map(JobItemView::from).collect(),
        }
    }
}

impl From<&JobItem> for JobItemView {
    fn from(item: &JobItem) -> Self {
        let JobItem { parameters, state, attempts, started_at, finished_at, http_status, outcome, error_message, result_summary } =
            item;
        Self {
            parameters: parameters.clone(),
            state: *state,
            attempts: *attempts,
            started_at: *started_at,
            finished_at: *finished_at,
            duration_ms: item.duration_ms(),
            http_status: *http_status,
            outcome: *outcome,
            error_message: error_message.clone(),
            result_summary: result_summary.clone(),
        }
    }
}
