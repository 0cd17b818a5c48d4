use serde_json::json;

use super::*;
use JobState::{Cancelled, Failed, Pending, Running, Skipped, Succeeded};

/// A schedule of three tasks, and its job whose second task failed.
fn world_with_a_failed_job() -> (World, Arc<Job>) {
    let mut world = World::new("2026-01-01T02:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,
        "halt_on_task_failure":true,"tasks":["LOG_ROTATION","CUSTOM",{"task_type":"CACHE_WARM","depends_on":["LOG_ROTATION"]}]}));
    world.run("a", false).unwrap();
    world.now = at("2026-01-01T02:00:05Z");
    world.report(Outcome::Succeeded);
    world.report(Outcome::Permanent);
    let job = world.last_job();
    assert_eq!(world.task_states(), [Succeeded, Failed, Skipped]);
    (world, job)
}

#[test]
fn a_retry_runs_only_what_had_not_succeeded() {
    let (mut world, original) = world_with_a_failed_job();
    world.now = at("2026-01-01T03:00:00Z");
    let job = world.retry(original.id).unwrap();
    assert_eq!((job.retry_of, job.trigger, job.state, job.forced), (Some(original.id), Trigger::Manual, Running, false));
    assert_eq!((job.scheduled_for, job.started_at, job.progress_pct()), (world.now, Some(world.now), 33));
    assert_eq!(job.tasks[0], original.tasks[0], "a task that succeeded stands as it ended");
    assert_eq!(world.task_states(), [Succeeded, Running, Pending]);
    let fresh = &job.tasks[1];
    assert_eq!((fresh.attempts, fresh.outcome, &fresh.error_message), (1, None, &None));
    assert_eq!(world.report(Outcome::Succeeded).task_index, 1);
    assert_eq!(world.report(Outcome::Succeeded).task_index, 2);
    assert_eq!((world.last_job().state, world.last_job().progress_pct()), (Succeeded, 100));
    assert_eq!(world.state.jobs[&original.id], original, "the original stays as it ended");
    let run = world.schedule("a").run.clone();
    assert_eq!((run.last_job_id, run.last_run_state, run.last_run_at), (Some(job.id), Some(Succeeded), job.started_at));
}

#[test]
fn a_retry_of_a_retry_takes_over_what_either_of_them_did() {
    let (mut world, original) = world_with_a_failed_job();
    let first = world.retry(original.id).unwrap();
    world.report(Outcome::Succeeded);
    world.report(Outcome::Permanent);
    let second = world.retry(first.id).unwrap();
    assert_eq!(second.retry_of, Some(first.id));
    assert_eq!(world.task_states(), [Succeeded, Succeeded, Running]);
}

#[test]
fn active_and_succeeded_jobs_and_jobs_of_busy_schedules_are_not_retried() {
    let (mut world, original) = world_with_a_failed_job();
    assert!(matches!(world.retry(JobId(Uuid::from_u128(999))), Err(CommandError::JobNotFound(_))));
    let active = world.retry(original.id).unwrap();
    for id in [original.id, active.id] {
        assert!(matches!(world.retry(id), Err(CommandError::JobActive(job)) if job == active.id));
    }
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    assert!(matches!(world.retry(active.id), Err(CommandError::JobSucceeded(job)) if job == active.id));
    assert!(world.retry(original.id).is_ok(), "what counts is the record of the job that is named");
}

#[test]
fn a_skipped_job_is_run_whole_and_an_old_forcing_does_not_last() {
    let (mut world, _) = world_with_a_failed_job();
    world.now = at("2026-01-01T12:00:00Z");
    let skipped = world.run("a", false).unwrap();
    let again = world.retry(skipped.id).unwrap();
    assert_eq!((again.state, again.reason), (Skipped, Some(Reason::OutsideWindow)));
    assert_ne!(again.scheduled_for, skipped.scheduled_for, "a schedule has one job for a moment");
    let forced = world.run("a", true).unwrap();
    world.report(Outcome::Succeeded);
    world.report(Outcome::Permanent);
    let outside = world.retry(forced.id).unwrap();
    assert_eq!((outside.state, outside.reason, outside.forced), (Skipped, Some(Reason::OutsideWindow), false));
    assert_eq!(world.task_states(), [Succeeded, Skipped, Skipped], "what was done stays done");
    world.now = at("2026-01-02T01:00:00Z");
    world.retry(skipped.id).unwrap();
    assert_eq!(world.task_states(), [Running, Pending, Pending]);
}

#[test]
fn a_retry_runs_the_plan_of_the_job_though_the_schedule_was_edited_or_deleted() {
    let (mut world, original) = world_with_a_failed_job();
    world.patch("a", json!({"tasks":["SECURITY_SCAN"]})).unwrap();
    let job = world.retry(original.id).unwrap();
    assert_eq!(job.definition, original.definition);
    world.report(Outcome::Permanent);
    world.decide(|step| step.delete_schedule(&operator(), &id("a"), &Precondition::None)).unwrap();
    let orphan = world.retry(job.id).unwrap();
    assert_eq!(orphan.state, Running);
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    assert_eq!(world.last_job().state, Succeeded);
}

#[test]
fn a_retry_waits_for_a_slot_like_any_job() {
    let (mut world, original) = world_with_a_failed_job();
    world.create(json!({"id":"b","name":"B","cron_expression":"0 0 1 1 *","tasks":["CUSTOM"]}));
    world.run("b", false).unwrap();
    let waiting = world.retry(original.id).unwrap();
    assert_eq!(waiting.state, Pending);
    world.decide(|step| step.cancel_job(&operator(), waiting.id)).unwrap();
    assert_eq!(world.task_states(), [Succeeded, Skipped, Skipped]);
    assert_eq!(world.last_job().state, Cancelled);
}

#[test]
fn a_job_that_was_cancelled_after_its_last_task_has_nothing_left_and_its_retry_succeeds_at_once() {
    let mut world = World::new("2026-01-01T02:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","tasks":["CUSTOM"]}));
    let job = world.run("a", false).unwrap();
    world.decide(|step| step.cancel_job(&operator(), job.id)).unwrap();
    world.report(Outcome::Succeeded);
    assert_eq!((world.last_job().state, world.task_states()), (Cancelled, vec![Succeeded]));
    let retry = world.retry(job.id).unwrap();
    assert_eq!((retry.state, retry.progress_pct()), (Succeeded, 100));
    assert!(world.under_way.is_empty());
    assert_eq!(world.schedule("a").run.last_run_state, Some(Succeeded));
}

#[test]
fn rows_from_before_there_were_retries_still_load() {
    let (_, original) = world_with_a_failed_job();
    let mut row = serde_json::to_value(original.as_ref()).unwrap();
    // Left out where there is none; null as long as it was not.
    assert!(row.as_object_mut().unwrap().insert("retry_of".to_owned(), json!(null)).is_none());
    assert_eq!(&serde_json::from_value::<Job>(row).unwrap(), original.as_ref());
    assert_eq!(&serde_json::from_value::<Job>(serde_json::to_value(original.as_ref()).unwrap()).unwrap(), original.as_ref());
}
