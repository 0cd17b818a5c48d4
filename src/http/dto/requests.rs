//! Request bodies, for the document alone. The rules themselves are in `domain::schedule_input`; the limits here come from there.
#![expect(dead_code, reason = "these types are described, not built: the orchestrator reads the raw JSON")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::domain::fields::{FieldError, Fields, type_name};
use crate::domain::ids::MAX_SCHEDULE_ID_BYTES;
use crate::domain::schedule::{Frequency, MisfirePolicy, OnWindowClose};
use crate::domain::schedule_input::{
    DEFAULT_MAX_ATTEMPTS, MAX_ATTEMPTS, MAX_DESCRIPTION_CHARACTERS, MAX_NAME_CHARACTERS, MAX_TASKS, MAX_TIMEOUT_SECONDS,
};
use crate::domain::target_input::{DEFAULT_TARGET, MAX_TARGETS};
use crate::domain::task::{MAX_ITEMS, TaskType};
use crate::http::dto::schedule::ParametersView;

/// A schedule to create, or the whole of what it shall be from now on. One of `cron_expression` and `frequency` is required. Null
/// counts as absent. Fields that only the service writes (`created_at`, `version`, `warnings`, …) are ignored, so that what was
/// read can be sent back; any other unknown field is an error.
#[derive(ToSchema)]
#[schema(example = json!(nightly_index_rebuild()))]
pub(in crate::http) struct ScheduleRequest {
    /// Without `..`. Absent: the service makes one. On PUT it can be left out.
    #[schema(max_length = 256, pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", example = "nightly-index-rebuild")]
    id: Option<String>,
    /// Not blank, without control characters.
    #[schema(min_length = 1, max_length = 200, example = "Nightly Index Rebuild")]
    name: String,
    /// What it is for.
    #[schema(max_length = 2000, default = "")]
    description: Option<String>,
    /// In UTC: 5 fields, or 6 with leading seconds, or `@hourly @daily @weekly @monthly @yearly`. Day-of-month and day-of-week
    /// both set means either. It must have a future match, and two fires must be at least 10 seconds apart.
    #[schema(example = "0 2 * * *")]
    cron_expression: Option<String>,
    /// A preset derives the expression from `window_start_hour`; with a different expression it is an error.
    #[schema(default = "CUSTOM")]
    frequency: Option<Frequency>,
    /// The steps, in order.
    #[schema(min_items = 1, max_items = 64)]
    tasks: Vec<TaskRequest>,
    /// The first UTC hour in which jobs may run.
    #[schema(minimum = 0, maximum = 23, default = 0)]
    window_start_hour: Option<u8>,
    /// The first UTC hour in which they may not. Below the start it spans midnight; equal to it means the whole day.
    #[schema(minimum = 0, maximum = 23, default = 0)]
    window_end_hour: Option<u8>,
    /// Whether the window binds.
    #[schema(default = true)]
    enforce_window: Option<bool>,
    /// Whether the first failed task ends the job.
    #[schema(default = false)]
    halt_on_task_failure: Option<bool>,
    /// Whether it fires.
    #[schema(default = true)]
    enabled: Option<bool>,
    /// Name of a configured ThemisDB server. Only one of `target`, `targets` and `target_group` can be given; without any it is
    /// `default`.
    #[schema(pattern = "^[a-z0-9_-]+$")]
    target: Option<String>,
    /// Names of several: a fire makes one job for each.
    #[schema(min_items = 1, max_items = 64)]
    targets: Option<Vec<String>>,
    /// Name of a configured group of servers: a fire makes one job for each member that it has then.
    #[schema(pattern = "^[a-z0-9_-]+$")]
    target_group: Option<String>,
    /// Attempts in all for tasks that do not say their own.
    #[schema(minimum = 1, maximum = 10, default = 3)]
    max_attempts: Option<u8>,
    /// What happens to fires that were missed.
    #[schema(default = "RUN_ONCE")]
    misfire_policy: Option<MisfirePolicy>,
    /// Leave a task out that would not end before the window does, judged by how long it took lately.
    #[schema(default = false)]
    fit_check: Option<bool>,
    /// What happens to a job that is under way when its window closes.
    #[schema(default = "STOP_BEFORE_NEXT_TASK")]
    on_window_close: Option<OnWindowClose>,
    /// What it can be found by: at most 32. Keys and values have 1 to 63 of `A-Z a-z 0-9 . _ / -`, with a letter or digit at both ends; a
    /// value can be empty.
    #[schema(example = json!({"team": "core"}))]
    labels: Option<BTreeMap<String, String>>,
}

/// A JSON Merge Patch (RFC 7396) for a schedule: fields that are left out stay, null sets a field back to its default, and a list
/// replaces the whole list.
#[derive(ToSchema)]
#[schema(example = json!({"window_start_hour": 2, "enabled": false}))]
pub(in crate::http) struct SchedulePatch {
    /// Not blank, without control characters.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// As in the request that creates a schedule.
    #[schema(example = "0 2 * * *")]
    cron_expression: Option<String>,
    /// A preset derives the expression anew.
    frequency: Option<Frequency>,
    /// The steps, in order.
    #[schema(min_items = 1, max_items = 64)]
    tasks: Option<Vec<TaskRequest>>,
    /// The first UTC hour in which jobs may run; on a preset the expression follows.
    #[schema(minimum = 0, maximum = 23)]
    window_start_hour: Option<u8>,
    /// The first UTC hour in which they may not.
    #[schema(minimum = 0, maximum = 23)]
    window_end_hour: Option<u8>,
    /// Whether the window binds.
    enforce_window: Option<bool>,
    /// Whether the first failed task ends the job.
    halt_on_task_failure: Option<bool>,
    /// Whether it fires.
    enabled: Option<bool>,
    /// Name of a configured ThemisDB server; it takes the place of the servers that were there, however they were named.
    #[schema(pattern = "^[a-z0-9_-]+$")]
    target: Option<String>,
    /// Names of several, likewise.
    #[schema(min_items = 1, max_items = 64)]
    targets: Option<Vec<String>>,
    /// Name of a configured group of servers, likewise.
    #[schema(pattern = "^[a-z0-9_-]+$")]
    target_group: Option<String>,
    /// Attempts in all for tasks that do not say their own.
    #[schema(minimum = 1, maximum = 10)]
    max_attempts: Option<u8>,
    /// What happens to fires that were missed.
    misfire_policy: Option<MisfirePolicy>,
    /// Leave a task out that would not end before the window does.
    fit_check: Option<bool>,
    /// What happens to a job that is under way when its window closes.
    on_window_close: Option<OnWindowClose>,
    /// Labels to add or change; one that is null goes.
    #[schema(example = json!({"team": "core", "env": null}))]
    labels: Option<BTreeMap<String, Option<String>>>,
}

/// One step: a task type (in any letter case), or an object that says more.
#[derive(serde::Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum TaskRequest {
    /// A plain name; it comes back as a plain name.
    Plain(TaskType),
    /// An object.
    Detailed(TaskDetailsRequest),
}

/// One step with its particulars.
#[derive(serde::Serialize, ToSchema)]
pub(in crate::http) struct TaskDetailsRequest {
    /// What to do.
    task_type: TaskType,
    /// Unique in the schedule; absent: the type's name.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Values for the endpoint's recipe: an object, or a list of 1 to 256 objects, for each of which the call is made once.
    parameters: Option<ParametersView<'static>>,
    /// Names of steps that have to succeed first.
    #[schema(max_items = 64)]
    depends_on: Option<Vec<String>>,
    /// Limit for one attempt, in place of the recipe's.
    #[schema(minimum = 1, maximum = 86400)]
    timeout_seconds: Option<u32>,
    /// Attempts in all, in place of the schedule's.
    #[schema(minimum = 1, maximum = 10)]
    max_attempts: Option<u8>,
}

/// How to run. The body can be left out.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"force": false}))]
pub(in crate::http) struct RunRequest {
    /// Ignore the window. Needs the scope `maintenance:admin`.
    #[schema(default = false)]
    force: Option<bool>,
    /// Only on this one of the schedule's targets. Absent: on each of them.
    #[schema(pattern = "^[a-z0-9_-]+$")]
    target: Option<String>,
}

impl RunRequest {
    /// Reads the body of a run: whether it is forced, and on which target only.
    ///
    /// # Errors
    /// Every field that is unknown or of a wrong type.
    pub fn read(document: Option<&Value>) -> Result<(bool, Option<String>), Vec<FieldError>> {
        let members = match document {
            None => return Ok((false, None)),
            Some(Value::Object(members)) => members,
            Some(other) => {
                return Err(vec![FieldError::new("", format!("the document must be an object, not {}", type_name(other)))]);
            }
        };
        let mut fields = Fields::new(members, "");
        let force = fields.boolean("force").unwrap_or(false);
        let target = fields.string("target").map(str::to_owned);
        let errors = fields.finish();
        if errors.is_empty() { Ok((force, target)) } else { Err(errors) }
    }
}

/// The example of the documentation.
pub(in crate::http) fn nightly_index_rebuild() -> Value {
    json!({
        "id": "nightly-index-rebuild",
        "name": "Nightly Index Rebuild",
        "cron_expression": "0 2 * * *",
        "window_start_hour": 1,
        "window_end_hour": 5,
        "tasks": ["INDEX_REBUILD", "STATISTICS_UPDATE"],
        "halt_on_task_failure": true,
        "enabled": true,
    })
}

// The attributes above take literals; a limit that moves in the domain stops the build here.
const _: () = {
    assert!(MAX_SCHEDULE_ID_BYTES == 256 && MAX_NAME_CHARACTERS == 200 && MAX_DESCRIPTION_CHARACTERS == 2000);
    assert!(
        MAX_TARGETS == 64
            && MAX_TASKS == 64
            && MAX_ATTEMPTS == 10
            && DEFAULT_MAX_ATTEMPTS == 3
            && MAX_TIMEOUT_SECONDS == 86_400
            && MAX_ITEMS == 256
    );
    assert!(matches!(DEFAULT_TARGET.as_bytes(), b"default"));
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_forced_only_when_the_body_says_so() {
        assert_eq!(RunRequest::read(None), Ok((false, None)));
        assert_eq!(RunRequest::read(Some(&json!({}))), Ok((false, None)));
        assert_eq!(RunRequest::read(Some(&json!({"force": null}))), Ok((false, None)));
        assert_eq!(RunRequest::read(Some(&json!({"force": true}))), Ok((true, None)));
        assert_eq!(RunRequest::read(Some(&json!({"target": "b"}))), Ok((false, Some("b".to_owned()))));
    }

    #[test]
    fn other_bodies_of_a_run_are_refused() {
        for (body, field) in [
            (json!({"force": "yes"}), "force"),
            (json!({"target": 1}), "target"),
            (json!({"dry_run": true}), "dry_run"),
            (json!([]), ""),
            (json!(null), ""),
        ] {
            let errors = RunRequest::read(Some(&body)).expect_err("a broken rule");
            assert_eq!(errors[0].field, field, "{body}");
        }
    }
}
