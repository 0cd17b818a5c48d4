//! Jobs for tests of what shows them.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::catalog::{Catalog, TargetCatalog};
use super::ids::{JobId, ScheduleId};
use super::job::{Job, JobState, JobTask, Trigger};
use super::schedule_input;
use super::time::Timestamp;

/// When the jobs are made.
pub(crate) fn made_at() -> Timestamp {
    "2026-01-31T02:00:00Z".parse().expect("a time")
}

/// A job with two tasks, `a` and `b`, of a schedule whose window is from 01:00 to 05:00. Only its state is set.
pub(crate) fn job(number: u128, state: JobState) -> Arc<Job> {
    let document = json!({
        "name": "Nightly", "cron_expression": "0 2 * * *", "window_start_hour": 1, "window_end_hour": 5, "max_attempts": 3,
        "tasks": [{"task_type": "INDEX_REBUILD", "name": "a"}, {"task_type": "LOG_ROTATION", "name": "b"}],
    });
    let catalog = Catalog::new([("default".to_owned(), TargetCatalog::default())].into());
    let definition = schedule_input::parse(&document, &catalog, made_at()).expect("a schedule").definition;
    let tasks = definition.tasks.iter().enumerate();
    let tasks = tasks.map(|(index, spec)| JobTask::waiting(["a", "b"][index].to_owned(), spec.task_type, index)).collect();
    Arc::new(Job {
        id: JobId(Uuid::from_u128(number)),
        schedule_id: ScheduleId::parse("nightly").expect("an id"),
        definition: Arc::new(definition),
        target: "default".to_owned(),
        first_of_fire: None,
        trigger: Trigger::Manual,
        scheduled_for: made_at(),
        state,
        reason: None,
        error_message: None,
        requested_by: Some("alice".to_owned()),
        retry_of: None,
        forced: false,
        created_at: made_at(),
        started_at: None,
        finished_at: state.is_terminal().then(made_at),
        cancel_requested_by: None,
        aborting: false,
        tasks,
    })
}
