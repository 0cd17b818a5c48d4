//! Schedules: what their authors decide (the definition) and what the service keeps beside it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::catalog::Catalog;
use super::cron::CronExpression;
use super::ids::{JobId, ScheduleId};
use super::job::JobState;
use super::task::TaskSpec;
use super::time::Timestamp;
use super::vocabulary::wire_enum;
use super::window::Window;
use std::fmt;
use utoipa::ToSchema;

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
    /// Name of a configured target.
    pub target: String,
    /// Attempts for tasks that do not say their own, 1–10.
    pub max_attempts: u8,
    /// See [`MisfirePolicy`].
    pub misfire_policy: MisfirePolicy,
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
    pub created_at: Timestamp,
    /// When it was last edited.
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
    pub last_run_at: Option<Timestamp>,
    /// Its state.
    pub last_run_state: Option<JobState>,
    /// Its id.
    pub last_job_id: Option<JobId>,
    /// End of the last job that succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The next fire that has not been dealt with; `None` when disabled.
    pub next_run_at: Option<Timestamp>,
}

impl Schedule {
    /// The entity tag: a function of id and version, so a run does not change it.
    pub fn etag(&self) -> String {
        format!("\"{}:{}\"", self.id, self.version)
    }
}

impl ScheduleDefinition {
    /// The first fire after `instant`; none while disabled.
    pub fn next_run_after(&self, instant: Timestamp) -> Option<Timestamp> {
        self.enabled.then(|| self.cron.next_after(instant)).flatten()
    }

    /// What its author should know: tasks that cannot run on the target, and a cron that never falls inside the window.
    pub fn warnings(&self, catalog: &Catalog) -> Vec<String> {
        let mut warnings = Vec::new();
        let names = super::task::resolved_names(&self.tasks);
        for (task, name) in self.tasks.iter().zip(&names) {
            for parameters in catalog.parameters(&self.target, task).each() {
                match catalog.recipe(&self.target, task.task_type, parameters) {
                    Err(missing) => warnings.push(format!("task '{name}': {missing}")),
                    Ok(recipe) => {
                        let absent: Vec<&str> = recipe
                            .required_parameters
                            .iter()
                            .map(String::as_str)
                            .filter(|name| parameters.get(*name).is_none_or(Value::is_null))
                            .collect();
                        if !absent.is_empty() {
                            warnings.push(format!(
                                "task '{name}': needs the parameters {} on target '{}'",
                                absent.join(", "),
                                self.target
                            ));
                        }
                    }
                }
            }
        }
        if self.enforce_window && !self.cron.ever_inside(self.window) {
            let window = self.window;
            warnings.push(format!("'{}' never falls inside the window {window}: every fire will be skipped", self.cron.as_str()));
        }
        warnings
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
            "target": target,
            "max_attempts": max_attempts,
            "misfire_policy": misfire_policy,
        });
        if *frequency == Frequency::Custom {
            document["cron_expression"] = json!(cron.as_str());
        }
        document
    }
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
