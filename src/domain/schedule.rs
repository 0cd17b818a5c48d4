//! Schedules: what their authors decide (the definition) and what the service keeps beside it.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::access::Access;
use super::catalog::Catalog;
use super::cron::CronExpression;
use super::ids::{JobId, ScheduleId};
use super::job::JobState;
use super::labels::Labels;
use super::pause::{Pause, SkipNext};
use super::target_selection::TargetSelection;
use super::task::{TaskSpec, TaskType};
use super::time::{Timestamp, serde_millis, serde_millis_option};
use super::vocabulary::wire_enum;
use super::window::Window;

wire_enum! {
    /// How often a schedule fires. A preset derives its cron expression from `window_start_hour`.
    Frequency {
        /// Every day at the window's start.
        Daily = "DAILY",
        /// Every Sunday at the window's start.
        Weekly = "WEEKLY",
        /// On the first of every month at the window's start.
        Monthly = "MONTHLY",
        /// On the first of January, April, July and October at the window's start.
        Quarterly = "QUARTERLY",
        /// As the cron expression says.
        Custom = "CUSTOM",
    }
}

impl Frequency {
    /// The expression that a preset stands for; `None` for `CUSTOM`.
    pub fn expression(self, window_start_hour: u8) -> Option<String> {
        match self {
            Self::Daily => Some(format!("0 {window_start_hour} * * *")),
            Self::Weekly => Some(format!("0 {window_start_hour} * * 0")),
            Self::Monthly => Some(format!("0 {window_start_hour} 1 * *")),
            Self::Quarterly => Some(format!("0 {window_start_hour} 1 1,4,7,10 *")),
            Self::Custom => None,
        }
    }
}

wire_enum! {
    /// What happens to fires that were missed.
    MisfirePolicy {
        /// The latest one is made up for when it is young enough or its window is still open.
        RunOnce = "RUN_ONCE",
        /// They are recorded, and that is all.
        Skip = "SKIP",
    }
}

wire_enum! {
    /// What happens to a job that is under way when its window closes.
    OnWindowClose {
        /// The running task ends as it will; no further one starts.
        StopBeforeNextTask = "STOP_BEFORE_NEXT_TASK",
        /// The running task is stopped as if it were cancelled.
        AbortRunningTask = "ABORT_RUNNING_TASK",
        /// A job that has started runs to its end.
        RunToCompletion = "RUN_TO_COMPLETION",
    }
}

impl OnWindowClose {
    /// Where nothing else is said, as in rows that were stored before there was a choice.
    pub fn usual() -> Self {
        Self::StopBeforeNextTask
    }
}

/// How many durations of a task are kept.
pub const KEPT_DURATIONS: usize = 10;

/// The most warnings about tasks that one schedule shows. It can have 64 tasks of 256 calls each on 64 targets, and is shown in lists: what
/// a person reads of it is enough.
pub const MAX_TASK_WARNINGS: usize = 100;

/// The bundles of ready schedules that a configuration can name.
pub const BUNDLE_NAMES: [&str; 4] = ["daily", "weekly", "monthly", "quarterly"];

/// What a schedule's author decides. Two equal definitions are the same plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDefinition {
    /// 1–200 characters.
    pub name: String,
    /// At most 2,000 characters.
    pub description: String,
    /// When it fires.
    pub cron: CronExpression,
    /// The preset that the expression was derived from, or `CUSTOM`.
    pub frequency: Frequency,
    /// 1–64 steps.
    pub tasks: Vec<TaskSpec>,
    /// The hours in which jobs may run.
    pub window: Window,
    /// Whether the window binds.
    pub enforce_window: bool,
    /// Whether the first failed task ends the job.
    pub halt_on_task_failure: bool,
    /// Whether it fires at all.
    pub enabled: bool,
    /// Where it runs.
    pub target: TargetSelection,
    /// Attempts for tasks that do not say their own, 1–10.
    pub max_attempts: u8,
    /// See [`MisfirePolicy`].
    pub misfire_policy: MisfirePolicy,
    /// Whether a task that would not end before the window does is left out.
    #[serde(default)]
    pub fit_check: bool,
    /// See [`OnWindowClose`].
    #[serde(default = "OnWindowClose::usual")]
    pub on_window_close: OnWindowClose,
    /// What it can be found by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

/// A schedule as the service keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Chosen by its author, or made by the service.
    pub id: ScheduleId,
    /// What its author decided.
    pub definition: Arc<ScheduleDefinition>,
    /// 1 at first; one more with every edit.
    pub version: u64,
    /// When it was created.
    #[serde(with = "serde_millis")]
    pub created_at: Timestamp,
    /// When it was last edited.
    #[serde(with = "serde_millis")]
    pub updated_at: Timestamp,
    /// Who created it (JWT `sub`).
    pub created_by: String,
    /// Who edited it last (JWT `sub`).
    pub updated_by: String,
    /// What its runs left behind.
    pub run: RunState,
}

/// What a schedule's runs leave behind. Changing it is not an edit: the version stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Start of the last job that started.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<Timestamp>,
    /// Its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run_state: Option<JobState>,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_job_id: Option<JobId>,
    /// End of the last job that succeeded.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Timestamp>,
    /// The next fire that has not been dealt with; `None` when disabled.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub next_run_at: Option<Timestamp>,
    /// The pause that somebody asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Arc<Pause>>,
    /// The fire that somebody asked to leave out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_next: Option<Arc<SkipNext>>,
    /// How long each task took when it last succeeded, in milliseconds, by the task's name: the last [`KEPT_DURATIONS`], oldest
    /// first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub durations_ms: BTreeMap<String, Vec<u64>>,
}

impl RunState {
    /// How long a task has to be expected to take: the longest of the durations that are kept. `None` before it ever succeeded.
    pub fn expected_duration(&self, task: &str) -> Option<TimeDelta> {
        let longest = self.durations_ms.get(task)?.iter().max()?;
        Some(TimeDelta::milliseconds(i64::try_from(*longest).unwrap_or(i64::MAX)))
    }

    /// Keeps one more duration.
    pub fn keep_duration(&mut self, task: &str, duration_ms: u64) {
        let kept = self.durations_ms.entry(task.to_owned()).or_default();
        kept.push(duration_ms);
        if kept.len() > KEPT_DURATIONS {
            kept.remove(0);
        }
    }
}

impl Schedule {
    /// The entity tag: a function of id and version, so a run does not change it.
    pub fn etag(&self) -> String {
        format!("\"{}:{}\"", self.id, self.version)
    }

    /// Whether nothing but what its runs left behind became of another version of it. Definitions are compared as pointers: those that
    /// were written down twice count as different.
    pub fn differs_at_most_in_run_state(&self, other: &Self) -> bool {
        let Self { id, definition, version, created_at, updated_at, created_by, updated_by, run: _ } = self;
        Arc::ptr_eq(definition, &other.definition)
            && (id, version, created_at, updated_at) == (&other.id, &other.version, &other.created_at, &other.updated_at)
            && (created_by, updated_by) == (&other.created_by, &other.updated_by)
    }

    /// Whether a caller may see and change it.
    pub fn is_within(&self, access: &Access, catalog: &Catalog) -> bool {
        self.definition.target.is_within(access, &self.id, catalog)
    }
}

impl ScheduleDefinition {
    /// The first fire after `instant`; none while disabled.
    pub fn next_run_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.enabled.then(|| self.cron.next_after(instant)).flatten()
    }

    /// What its author should know: tasks that cannot run on the target, and a cron that never falls inside the window.
    pub fn warnings(&self, catalog: &Catalog) -> Vec<String> {
        let mut warnings = self.task_warnings(catalog);
        if self.fit_check && !self.window_can_cut_short() {
            warnings.push("fit_check has no effect: no window ever cuts a job of this schedule short".to_owned());
        }
        if self.enforce_window && !self.cron.ever_inside(self.window) {
            let window = self.window;
            warnings.push(format!("'{}' never falls inside the window {window}: every fire will be skipped", self.cron.as_str()));
        }
        warnings
    }

    fn task_warnings(&self, catalog: &Catalog) -> Vec<String> {
        let mut warnings = Vec::new();
        // Most schedules give no cause for a warning, and every document asks.
        let names = LazyCell::new(|| super::task::resolved_names(&self.tasks));
        let targets = self.target.resolve(catalog);
        for (index, task) in self.tasks.iter().enumerate() {
            for target in &targets {
                for parameters in catalog.parameters(target, task).each() {
                    let Some(words) = task_warning(catalog, target, task.task_type, parameters) else { continue };
                    let warning = format!("task '{}': {words}", names[index]);
                    if warnings.contains(&warning) {
                        continue;
                    }
                    if warnings.len() == MAX_TASK_WARNINGS {
                        warnings.push(format!("there are more than these {MAX_TASK_WARNINGS} warnings about tasks"));
                        return warnings;
                    }
                    warnings.push(warning);
                }
            }
        }
        warnings
    }

    /// True when a job can meet the end of its window.
    fn window_can_cut_short(&self) -> bool {
        self.enforce_window && !self.window.is_whole_day() && self.on_window_close != OnWindowClose::RunToCompletion
    }

    /// The definition as a request document, for merge patches. A preset's expression is left out: it is derived anew.
    pub fn to_document(&self) -> Value {
        let Self {
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
        } = self;
        let mut document = json!({
            "name": name,
            "description": description,
            "frequency": frequency,
            "tasks": tasks.iter().map(task_document).collect::<Vec<_>>(),
            "window_start_hour": window.start_hour(),
            "window_end_hour": window.end_hour(),
            "enforce_window": enforce_window,
            "halt_on_task_failure": halt_on_task_failure,
            "enabled": enabled,
            "max_attempts": max_attempts,
            "misfire_policy": misfire_policy,
            "fit_check": fit_check,
            "on_window_close": on_window_close,
            "labels": labels,
        });
        match target {
            TargetSelection::One(target) => document["target"] = json!(target),
            TargetSelection::Many(targets) => document["targets"] = json!(targets),
            TargetSelection::Group { group } => document["target_group"] = json!(group),
        }
        if *frequency == Frequency::Custom {
            document["cron_expression"] = json!(cron.as_str());
        }
        document
    }
}

/// What keeps one call of a task from being made on a target, as far as it can be known beforehand.
fn task_warning(catalog: &Catalog, target: &str, task_type: TaskType, parameters: &Map<String, Value>) -> Option<String> {
    let recipe = match catalog.recipe(target, task_type, parameters) {
        Ok(recipe) => recipe,
        Err(missing) => return Some(missing.to_string()),
    };
    let is_absent = |name: &&str| parameters.get(*name).is_none_or(Value::is_null);
    let absent: Vec<&str> = recipe.required_parameters.iter().map(String::as_str).filter(is_absent).collect();
    (!absent.is_empty()).then(|| format!("needs the parameters {} on target '{target}'", absent.join(", ")))
}

/// A step as it stands in a request: a plain string comes back as a plain string.
fn task_document(task: &TaskSpec) -> Value {
    let TaskSpec { task_type, name, parameters, depends_on, timeout_seconds, max_attempts, plain } = task;
    if *plain {
        return json!(task_type);
    }
    let mut members = Map::new();
    members.insert("task_type".into(), json!(task_type));
    members.insert("name".into(), json!(name));
    members.insert("parameters".into(), json!(parameters));
    members.insert("depends_on".into(), json!(depends_on));
    members.insert("timeout_seconds".into(), json!(timeout_seconds));
    members.insert("max_attempts".into(), json!(max_attempts));
    Value::Object(members)
}
