//! The end of a window: what is not started because it would not fit, and what becomes of a job that is under way.

use serde_json::json;

use super::*;
use JobState::{Cancelled, Failed, Running, Skipped, Succeeded};

fn world_with(extra: Value) -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    let mut document = json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,
        "tasks":["LOG_ROTATION","CACHE_WARM"]});
    document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    world.create(document);
    world
}

/// A run in which each task takes as many minutes.
fn run_for(world: &mut World, minutes: &[i64]) {
    world.run("a", false).unwrap();
    for minutes in minutes {
        world.now += TimeDelta::minutes(*minutes);
        world.report(Outcome::Succeeded);
    }
}

#[test]
fn the_last_durations_of_each_task_are_kept() {
    let mut world = world_with(json!({}));
    for n in 1..=12 {
        run_for(&mut world, &[n, 1]);
        world.now = at("2026-01-01T02:00:00Z") + TimeDelta::days(n);
    }
    let kept = &world.schedule("a").run.durations_ms;
    let expected: Vec<u64> = (3..=12).map(|minutes| minutes * 60_000).collect();
    assert_eq!(kept["LOG_ROTATION"], expected);
    assert_eq!(kept["CACHE_WARM"], [60_000; 10]);
    world.patch("a", json!({"tasks":["CACHE_WARM"]})).unwrap();
    run_for(&mut world, &[1]);
    assert_eq!(
        world.schedule("a").run.durations_ms.keys().collect::<Vec<_>>(),
        ["CACHE_WARM"],
        "tasks that are gone are forgotten"
    );
}

#[test]
fn a_task_that_would_not_end_in_time_is_not_started() {
    let mut world = world_with(json!({"fit_check": true}));
    run_for(&mut world, &[10, 30]);
    world.now = at("2026-01-02T04:25:00Z");
    run_for(&mut world, &[8]);
    assert_eq!(world.task_states(), [Succeeded, Skipped]);
    let job = world.last_job();
    assert_eq!((job.state, job.reason), (Cancelled, Some(Reason::WindowClosed)));
    assert_eq!(
        job.error_message.as_deref(),
        Some(
            "task 'CACHE_WARM' was not started: lately it took up to 30 min 0 s, and the window 01:00–05:00 UTC closes in 27 min 0 s"
        )
    );
    world.now = at("2026-01-03T04:00:00Z");
    run_for(&mut world, &[8, 1]);
    assert_eq!(world.last_job().state, Succeeded, "with enough time it is started");
}

#[test]
fn without_the_check_or_any_experience_a_task_is_started_to_the_last_minute() {
    for (fit_check, runs) in [(false, 1), (true, 0)] {
        let mut world = world_with(json!({"fit_check": fit_check}));
        (0..runs).for_each(|_| run_for(&mut world, &[60, 60]));
        world.now = at("2026-01-02T04:59:00Z");
        world.run("a", false).unwrap();
        assert_eq!(world.last_job().state, Running);
    }
}

#[test]
fn a_check_that_can_never_matter_is_warned_of() {
    let world = world_with(json!({"fit_check": true, "on_window_close": "run_to_completion"}));
    let warnings = world.schedule("a").definition.warnings(&world.rules.catalog);
    assert!(warnings.iter().any(|warning| warning.starts_with("fit_check has no effect")), "{warnings:?}");
}

#[test]
fn a_job_that_may_run_to_completion_is_not_bound_once_it_has_started() {
    let mut world = world_with(json!({"on_window_close": "RUN_TO_COMPLETION", "max_attempts": 3}));
    world.run("a", false).unwrap();
    world.now = at("2026-01-01T04:59:59.900Z");
    world.report(Outcome::Transient);
    world.tick_at("2026-01-01T05:00:10Z");
    world.report(Outcome::Succeeded);
    assert_eq!(world.task_states(), [Succeeded, Running]);
    world.report(Outcome::Succeeded);
    assert_eq!(world.states(), [(Succeeded, None)]);
    assert_eq!(world.run("a", false).unwrap().reason, Some(Reason::OutsideWindow), "its start is bound");
}

#[test]
fn a_running_task_is_stopped_at_the_windows_end_where_the_schedule_says_so() {
    let mut world = world_with(json!({"on_window_close": "ABORT_RUNNING_TASK"}));
    world.run("a", false).unwrap();
    assert_eq!(world.state.next_due(), Some(at("2026-01-01T05:00:00Z")));
    world.tick_at("2026-01-01T04:59:59.999Z");
    assert!(world.stops.is_empty());
    world.tick_at("2026-01-01T05:00:00Z");
    assert_eq!(world.stops.len(), 1);
    world.tick_at("2026-01-01T05:00:01Z");
    assert_eq!((world.stops.len(), world.state.next_due()), (1, Some(at("2027-01-01T00:00:00Z"))), "once; the next fire follows");
    let call = world.under_way.remove(0);
    world.decide(|step| step.attempt_stopped(AttemptId::of(&call), true));
    let job = world.last_job();
    assert_eq!((job.state, job.reason), (Cancelled, Some(Reason::WindowClosed)));
    assert_eq!((world.task_states(), job.tasks[0].outcome), (vec![Cancelled, Skipped], Some(Outcome::Unknown)));
    assert_eq!(job.error_message.as_deref(), Some("the window 01:00–05:00 UTC closed while task 'LOG_ROTATION' ran"));
}

#[test]
fn a_task_that_ends_while_it_is_being_stopped_has_ended() {
    let mut world = world_with(json!({"on_window_close": "ABORT_RUNNING_TASK"}));
    world.run("a", false).unwrap();
    world.tick_at("2026-01-01T05:00:00Z");
    world.report(Outcome::Succeeded);
    assert_eq!(world.task_states(), [Succeeded, Skipped]);
    assert_eq!(world.states(), [(Cancelled, Some(Reason::WindowClosed))]);
}

#[test]
fn a_job_that_waits_for_its_next_attempt_is_ended_at_the_windows_end() {
    let mut world = world_with(json!({"on_window_close": "ABORT_RUNNING_TASK"}));
    world.run("a", false).unwrap();
    world.now = at("2026-01-01T04:59:59Z");
    world.report(Outcome::Transient);
    assert!(world.last_job().tasks[0].retry_at.is_some());
    world.now = at("2026-01-01T05:00:00Z");
    world.tick();
    assert!(matches!(world.task_states()[0], Cancelled | Failed));
    assert_eq!(world.states(), [(Cancelled, Some(Reason::WindowClosed))]);
}

#[test]
fn a_forced_run_is_not_stopped() {
    let mut world = world_with(json!({"on_window_close": "ABORT_RUNNING_TASK"}));
    world.run("a", true).unwrap();
    world.tick_at("2026-01-01T06:00:00Z");
    assert_eq!((world.last_job().state, world.stops.len()), (Running, 0));
}
