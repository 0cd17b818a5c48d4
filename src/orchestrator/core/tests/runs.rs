use serde_json::json;

use super::*;
use JobState::{Cancelled, Failed, Pending, Running, Skipped, Succeeded};

fn world_with(extra: Value) -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    let mut document = json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,"tasks":["LOG_ROTATION","CUSTOM","CACHE_WARM"]});
    document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    world.create(document);
    world
}

#[test]
fn tasks_run_one_after_another_to_success() {
    let mut world = world_with(json!({}));
    let job = world.run("a", false).unwrap();
    assert_eq!((job.state, job.requested_by.as_deref(), job.progress_pct()), (Running, Some("operator"), 0));
    for (done, progress) in [(1, 33), (2, 66)] {
        assert_eq!(world.under_way.len(), 1);
        world.report(Outcome::Succeeded);
        assert_eq!(world.last_job().progress_pct(), progress);
        assert_eq!(world.task_states().iter().filter(|state| **state == Succeeded).count(), done);
    }
    world.now = at("2026-01-01T02:00:05Z");
    world.report(Outcome::Succeeded);
    let job = world.last_job();
    assert_eq!((job.state, job.reason, job.duration_ms(), job.progress_pct()), (Succeeded, None, Some(5000), 100));
    let run = world.schedule("a").run.clone();
    assert_eq!((run.last_run_state, run.last_success_at), (Some(Succeeded), Some(world.now)));
}

#[test]
fn without_halt_all_tasks_run_and_the_job_fails_without_a_reason() {
    let mut world = world_with(json!({}));
    world.run("a", false).unwrap();
    world.report(Outcome::Permanent);
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    let job = world.last_job();
    assert_eq!((job.state, job.reason), (Failed, None));
    assert_eq!(job.error_message.as_deref(), Some("task 'LOG_ROTATION' failed: it failed"));
    assert_eq!(world.task_states(), [Failed, Succeeded, Succeeded]);
}

#[test]
fn with_halt_the_rest_is_skipped() {
    let mut world = world_with(json!({"halt_on_task_failure":true}));
    world.run("a", false).unwrap();
    world.report(Outcome::Succeeded);
    world.report(Outcome::Permanent);
    assert_eq!(world.states(), [(Failed, Some(Reason::Halted))]);
    assert_eq!(world.task_states(), [Succeeded, Failed, Skipped]);
    assert!(world.under_way.is_empty());
}

#[test]
fn a_task_whose_dependency_failed_is_skipped() {
    let mut world = world_with(json!({"tasks":[
        {"task_type":"CUSTOM","name":"last","depends_on":["second"]},
        {"task_type":"CUSTOM","name":"first"},
        {"task_type":"CUSTOM","name":"second","depends_on":["first"]},
        {"task_type":"CUSTOM","name":"free"},
    ]}));
    world.run("a", false).unwrap();
    let order: Vec<String> = world.last_job().tasks.iter().map(|task| task.name.clone()).collect();
    assert_eq!(order, ["first", "second", "last", "free"]);
    world.report(Outcome::Permanent);
    assert_eq!(world.task_states(), [Failed, Skipped, Skipped, Running]);
    world.report(Outcome::Succeeded);
    assert_eq!(world.states(), [(Failed, None)]);
}

#[test]
fn a_transient_failure_is_tried_again_with_backoff_up_to_the_limit() {
    let mut world = world_with(json!({"tasks":["CUSTOM"],"max_attempts":2}));
    world.run("a", false).unwrap();
    assert_eq!(world.report(Outcome::Transient).attempt, 1);
    assert_eq!(world.last_job().tasks[0].retry_at, Some(at("2026-01-01T02:00:00.500Z")));
    assert_eq!(world.state.next_due(), Some(at("2026-01-01T02:00:00.500Z")));
    world.tick_at("2026-01-01T02:00:00.499Z");
    assert!(world.under_way.is_empty());
    world.tick_at("2026-01-01T02:00:00.500Z");
    assert_eq!(world.report(Outcome::Transient).attempt, 2);
    assert_eq!(world.states(), [(Failed, None)]);
    assert_eq!((world.last_job().tasks[0].attempts, world.last_job().tasks[0].outcome), (2, Some(Outcome::Transient)));
}

#[test]
fn an_unknown_outcome_is_tried_again_only_where_that_is_safe() {
    for (idempotent, expected) in [(true, Running), (false, Failed)] {
        let mut world = world_with(json!({"tasks":["CUSTOM"]}));
        world.run("a", false).unwrap();
        let call = world.under_way.remove(0);
        world.report_on(&call, AttemptReport { idempotent, ..report(Outcome::Unknown) });
        assert_eq!(world.last_job().state, expected);
        assert_eq!(world.last_job().tasks[0].outcome, Some(Outcome::Unknown));
    }
}

#[test]
fn no_attempt_is_made_after_the_window_has_closed() {
    let mut world = world_with(json!({"tasks":["CUSTOM","CUSTOM"]}));
    world.run("a", false).unwrap();
    world.now = at("2026-01-01T04:59:59.900Z");
    world.report(Outcome::Transient);
    assert_eq!(world.task_states(), [Failed, Running], "a retry after the window's end is not waited for");
    world.now = at("2026-01-01T05:00:00Z");
    world.report(Outcome::Transient);
    assert_eq!(world.states(), [(Failed, None)]);
}

#[test]
fn a_window_that_closes_between_tasks_ends_the_job() {
    let mut world = world_with(json!({}));
    world.run("a", false).unwrap();
    world.now = at("2026-01-01T05:00:00Z");
    world.report(Outcome::Succeeded);
    assert_eq!(world.states(), [(Cancelled, Some(Reason::WindowClosed))]);
    assert_eq!(world.task_states(), [Succeeded, Skipped, Skipped]);
}

#[test]
fn a_forced_run_ignores_the_window_and_nothing_else() {
    let mut world = world_with(json!({"tasks":["CUSTOM"]}));
    world.now = at("2026-01-01T12:00:00Z");
    let job = world.run("a", false).unwrap();
    assert_eq!((job.state, job.reason), (Skipped, Some(Reason::OutsideWindow)));
    let job = world.run("a", true).unwrap();
    assert_eq!((job.state, job.forced), (Running, true));
    assert!(matches!(world.run("a", true), Err(CommandError::JobActive(active)) if active == job.id));
    world.report(Outcome::Succeeded);
    assert_eq!(world.last_job().state, Succeeded);
}

#[test]
fn cancel_stops_the_call_and_skips_the_rest() {
    let mut world = world_with(json!({}));
    let job = world.run("a", false).unwrap();
    let answer = world.decide(|step| step.cancel_job(&operator(), job.id)).unwrap();
    assert_eq!((answer.state, world.stops.as_slice()), (Running, &[job.id][..]));
    world.decide(|step| step.cancel_job(&operator(), job.id)).unwrap();
    assert_eq!(world.stops.len(), 1, "asking twice stops once");
    let call = world.under_way.remove(0);
    world.decide(|step| step.attempt_stopped(AttemptId::of(&call), true));
    assert_eq!(world.states(), [(Cancelled, Some(Reason::CancelledByOperator))]);
    assert_eq!(world.task_states(), [Cancelled, Skipped, Skipped]);
    assert_eq!(world.last_job().tasks[0].outcome, Some(Outcome::Unknown));
    assert!(matches!(world.decide(|step| step.cancel_job(&operator(), job.id)), Err(CommandError::JobOver(_))));
}

#[test]
fn cancel_of_a_job_that_waits_ends_it_at_once() {
    let mut world = world_with(json!({"tasks":["CUSTOM"]}));
    world.create(json!({"id":"b","name":"B","cron_expression":"0 0 1 1 *","tasks":["CUSTOM"]}));
    world.run("a", false).unwrap();
    let waiting = world.run("b", false).unwrap();
    assert_eq!(waiting.state, Pending);
    let cancelled = world.decide(|step| step.cancel_job(&operator(), waiting.id)).unwrap();
    assert_eq!((cancelled.state, cancelled.started_at), (Cancelled, None));
    world.report(Outcome::Transient);
    let between_attempts = world.jobs()[0].id;
    let cancelled = world.decide(|step| step.cancel_job(&operator(), between_attempts)).unwrap();
    assert_eq!(cancelled.state, Cancelled);
    assert_eq!(world.state.next_due().map(|at| at.format("%Y").to_string()).as_deref(), Some("2027"));
}

#[test]
fn a_late_report_on_an_ended_job_changes_nothing() {
    let mut world = world_with(json!({"tasks":["CUSTOM"]}));
    world.run("a", false).unwrap();
    world.decide(|step| step.stop_running(|_| true));
    assert_eq!(world.states(), [(Cancelled, Some(Reason::Shutdown))]);
    assert_eq!(world.last_job().tasks[0].outcome, Some(Outcome::Unknown));
    let before = world.state.clone();
    world.report(Outcome::Succeeded);
    assert_eq!(world.state, before);
}

#[test]
fn a_job_found_running_is_interrupted() {
    let mut world = world_with(json!({}));
    world.run("a", false).unwrap();
    world.report(Outcome::Succeeded);
    world.decide(|step| step.recover());
    assert_eq!(world.states(), [(Failed, Some(Reason::Interrupted))]);
    assert_eq!(world.task_states(), [Succeeded, Failed, Skipped]);
    assert_eq!(world.last_job().tasks[1].outcome, Some(Outcome::Unknown));
    assert_eq!(world.schedule("a").run.last_run_state, Some(Failed));
}

#[test]
fn jobs_are_pruned_a_day_after_their_end_and_the_schedule_keeps_its_last_run() {
    let mut world = world_with(json!({"tasks":["CUSTOM"]}));
    world.run("a", false).unwrap();
    world.report(Outcome::Succeeded);
    world.now = at("2026-01-02T02:00:00Z");
    assert!(!world.decide(|step| step.prune(10)));
    assert_eq!(world.jobs().len(), 1);
    world.now = at("2026-01-02T02:00:00.001Z");
    world.decide(|step| step.prune(10));
    assert_eq!(world.jobs().len(), 0);
    assert_eq!(world.schedule("a").run.last_run_state, Some(Succeeded));
}
