//! Schedules as they are shown.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::holds::{PauseView, SkipNextView};
use super::preview::FirePreview;
use crate::domain::catalog::Catalog;
use crate::domain::job::JobState;
use crate::domain::preview::PreviewedFire;
use crate::domain::schedule::{Frequency, MisfirePolicy, OnWindowClose, RunState, Schedule, ScheduleDefinition};
use crate::domain::target_selection::TargetSelection;
use crate::domain::task::{Parameters, TaskSpec, TaskType};
use crate::domain::time::{serde_millis, serde_millis_option};

/// A schedule: what its author decided, and what the service keeps beside it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(in crate::http) struct ScheduleView<'a> {
    /// Chosen by its author, or made by the service.
    #[schema(example = "nightly-index-rebuild")]
    id: &'a str,
    /// The schedule's name.
    #[schema(example = "Nightly Index Rebuild")]
    name: &'a str,
    /// What it is for; empty when nobody said.
    description: &'a str,
    /// When it fires, in UTC.
    #[schema(example = "0 2 * * *")]
    cron_expression: &'a str,
    /// The preset that the expression was derived from, or `CUSTOM`.
    frequency: Frequency,
    /// The steps, in order; each as its author wrote it.
    tasks: Vec<TaskView<'a>>,
    /// The first UTC hour in which jobs may run.
    #[schema(minimum = 0, maximum = 23, example = 1)]
    window_start_hour: u8,
    /// The first UTC hour in which they may not; equal to the start means the whole day.
    #[schema(minimum = 0, maximum = 23, example = 5)]
    window_end_hour: u8,
    /// Whether the window binds.
    enforce_window: bool,
    /// Whether the first failed task ends the job.
    halt_on_task_failure: bool,
    /// Whether it fires.
    enabled: bool,
    /// Name of the ThemisDB server in the configuration; null for a schedule with several.
    #[schema(required, example = "default")]
    target: Option<&'a str>,
    /// Names of the servers of a schedule with several: a fire makes one job for each.
    #[schema(required)]
    targets: Option<&'a [String]>,
    /// Name of a group of servers in the configuration: a fire makes one job for each member that it has then.
    #[schema(required)]
    target_group: Option<&'a str>,
    /// Attempts in all for tasks that do not say their own.
    #[schema(minimum = 1, maximum = 10, example = 3)]
    max_attempts: u8,
    /// What happens to fires that were missed.
    misfire_policy: MisfirePolicy,
    /// Whether a task that would not end before the window does is left out, judged by how long it took lately.
    fit_check: bool,
    /// What happens to a job that is under way when its window closes.
    on_window_close: OnWindowClose,
    /// What it can be found by.
    #[schema(example = json!({"team": "core"}))]
    labels: &'a BTreeMap<String, String>,
    /// When it was created.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    created_at: DateTime<Utc>,
    /// When it was last edited.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    updated_at: DateTime<Utc>,
    /// Who created it (`sub` of the token).
    created_by: &'a str,
    /// Who edited it last (`sub` of the token).
    updated_by: &'a str,
    /// 1 at first; one more with every edit. A run is not an edit.
    #[schema(minimum = 1, example = 1)]
    version: u64,
    /// Start of the last job that started.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    last_run_at: Option<DateTime<Utc>>,
    /// State of the last job that started.
    #[schema(required)]
    last_run_state: Option<JobState>,
    /// Id of the last job that started.
    #[schema(required)]
    last_job_id: Option<Uuid>,
    /// The next match of the expression; null when disabled.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    next_run_at: Option<DateTime<Utc>>,
    /// The pause that somebody asked for; null when there is none.
    #[schema(required)]
    pause: Option<PauseView>,
    /// The fire that somebody asked to leave out; null when there is none.
    #[schema(required)]
    skip_next: Option<SkipNextView>,
    /// How long each task took when it last succeeded, in milliseconds by the task's name, oldest first; at most ten. `fit_check`
    /// reckons with the longest of them.
    task_durations_ms: &'a BTreeMap<String, Vec<u64>>,
    /// What its author should know: tasks that cannot run on the target, a cron that never falls inside the window.
    warnings: Vec<String>,
    /// Only in the answer to a dry run: its next fires. The answer to the write itself is the same type, so that a client has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_fires: Option<Vec<FirePreview>>,
}

/// One step: a task type, or an object when its author said more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Task)]
pub(in crate::http) enum TaskView<'a> {
    /// Written as a plain name.
    Plain(TaskType),
    /// Written as an object.
    Detailed(TaskDetails<'a>),
}

/// One step with everything that its author said.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TaskDetails<'a> {
    /// What to do.
    task_type: TaskType,
    /// The author's name for the step.
    #[schema(required)]
    name: Option<&'a str>,
    /// Values for the endpoint's recipe: an object, or a list of objects, for each of which the call is made once.
    parameters: ParametersView<'a>,
    /// Names of steps that have to succeed first.
    depends_on: &'a [String],
    /// Limit for one attempt in seconds; null: as the endpoint's recipe has it.
    #[schema(required)]
    timeout_seconds: Option<u32>,
    /// Attempts in all; null: as the schedule has it.
    #[schema(required)]
    max_attempts: Option<u8>,
}

/// Values for the endpoint's recipe.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Parameters)]
pub(in crate::http) enum ParametersView<'a> {
    /// One call.
    One(CallParameters<'a>),
    /// One call for each.
    Many(Vec<CallParameters<'a>>),
}

/// Values for one call.
#[derive(Debug, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = BTreeMap<String, Value>)]
pub(in crate::http) struct CallParameters<'a>(&'a Map<String, Value>);

/// A page of schedules.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ScheduleList<'a> {
    /// In order of their ids.
    schedules: Vec<ScheduleView<'a>>,
    /// Items on this page.
    count: usize,
    /// Give it as `cursor` to go on; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl<'a> ScheduleList<'a> {
    /// A page.
    pub fn new(schedules: Vec<ScheduleView<'a>>, next_cursor: Option<String>) -> Self {
        Self { count: schedules.len(), schedules, next_cursor }
    }
}

impl<'a> ScheduleView<'a> {
    /// A schedule with the warnings that the catalog gives rise to.
    pub fn new(schedule: &'a Schedule, catalog: &Catalog) -> Self {
        let Schedule { id, definition, version, created_at, updated_at, created_by, updated_by, run } = schedule;
        // The last success is for the metrics; the contract shows the last run.
        let RunState {
            last_run_at,
            last_run_state,
            last_job_id,
            last_success_at: _,
            next_run_at,
            durations_ms,
            pause,
            skip_next,
        } = run;
        let ScheduleDefinition {
            name,
            description,
            cron,
            frequency,
            tasks,
            window,
            enforce_window,
            halt_on_task_failure,
            enabled,
            target,
            max_attempts,
            misfire_policy,
            fit_check,
            on_window_close,
            labels,
        } = definition.as_ref();
        let (target, targets, target_group) = match target {
            TargetSelection::One(target) => (Some(target.as_str()), None, None),
            TargetSelection::Many(targets) => (None, Some(targets.as_slice()), None),
            TargetSelection::Group { group } => (None, None, Some(group.as_str())),
        };
        Self {
            id: id.as_str(),
            name,
            description,
            cron_expression: cron.as_str(),
            frequency: *frequency,
            tasks: tasks.iter().map(TaskView::from).collect(),
            window_start_hour: window.start_hour(),
            window_end_hour: window.end_hour(),
            enforce_window: *enforce_window,
            halt_on_task_failure: *halt_on_task_failure,
            enabled: *enabled,
            target,
            targets,
            target_group,
            max_attempts: *max_attempts,
            misfire_policy: *misfire_policy,
            fit_check: *fit_check,
            on_window_close: *on_window_close,
            labels: labels.as_map(),
            created_at: *created_at,
            updated_at: *updated_at,
            created_by,
            updated_by,
            version: *version,
            last_run_at: *last_run_at,
            last_run_state: *last_run_state,
            last_job_id: last_job_id.map(|id| id.0),
            next_run_at: *next_run_at,
            pause: pause.as_ref().map(|pause| PauseView::from(pause.as_ref())),
            skip_next: skip_next.as_ref().map(|skip| SkipNextView::from(skip.as_ref())),
            task_durations_ms: durations_ms,
            warnings: definition.warnings(catalog),
            next_fires: None,
        }
    }

    /// The same as the answer to a dry run.
    pub fn with_next_fires(self, fires: Vec<PreviewedFire>) -> Self {
        Self { next_fires: Some(fires.into_iter().map(FirePreview::from).collect()), ..self }
    }
}

impl<'a> From<&'a TaskSpec> for TaskView<'a> {
    fn from(task: &'a TaskSpec) -> Self {
        let TaskSpec { task_type, name, parameters, depends_on, timeout_seconds, max_attempts, plain } = task;
        if *plain {
            return Self::Plain(*task_type);
        }
        Self::Detailed(TaskDetails {
            task_type: *task_type,
            name: name.as_deref(),
            parameters: match parameters {
                Parameters::One(parameters) => ParametersView::One(CallParameters(parameters)),
                Parameters::Many(list) => ParametersView::Many(list.iter().map(CallParameters).collect()),
            },
            depends_on,
            timeout_seconds: *timeout_seconds,
            max_attempts: *max_attempts,
        })
    }
}
