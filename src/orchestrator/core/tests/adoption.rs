//! Work that goes on inside the target: checkpoints, progress, and what a restart makes of it.

use serde_json::json;

use super::*;
use crate::domain::ports::Checkpoint;
use JobState::{Cancelled, Failed, Running, Succeeded};

fn world() -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,
        "tasks":["CUSTOM","CUSTOM"]}));
    world.run("a", false).unwrap();
    world
}

fn checkpoint() -> Checkpoint {
    let captured = json!({"before": 5}).as_object().cloned().unwrap();
    Checkpoint { handle: Some(json!("h-1")), accepted_at: Some(at("2026-01-01T02:00:00Z")), captured }
}

fn with_a_handle() -> World {
    let mut world = world();
    let call = world.under_way[0].clone();
    world.decide(|step| step.checkpoint_reported(AttemptId::of(&call), checkpoint()));
    world
}

#[test]
fn accepted_work_is_waited_for_again_after_a_restart_and_not_asked_for_twice() {
    let mut world = with_a_handle();
    world.restart();
    assert_eq!(world.states(), [(Running, None)]);
    let call = world.under_way[0].clone();
    assert_eq!((call.task_index, call.attempt, &call.checkpoint), (0, 1, &checkpoint()));
    world.report(Outcome::Succeeded);
    assert_eq!(world.task_states(), [Succeeded, Running]);
    assert!(world.under_way[0].checkpoint.is_empty(), "the next task begins anew");
    world.report(Outcome::Succeeded);
    assert_eq!(world.states(), [(Succeeded, None)]);
}

#[test]
fn without_a_handle_a_running_job_is_interrupted() {
    let mut world = world();
    let call = world.under_way[0].clone();
    let kept = Checkpoint { handle: None, accepted_at: None, ..checkpoint() };
    world.decide(|step| step.checkpoint_reported(AttemptId::of(&call), kept));
    world.restart();
    assert_eq!(world.states(), [(Failed, Some(Reason::Interrupted))]);
}

#[test]
fn a_shutdown_lets_go_of_accepted_work_and_stops_everything_else() {
    let mut world = with_a_handle();
    world.create(json!({"id":"b","name":"B","cron_expression":"0 0 1 1 *","tasks":["CUSTOM"],"target":"wide"}));
    world.run("b", false).unwrap();
    world.decide(|step| step.stop_running(|_| true));
    assert_eq!(world.states(), [(Running, None), (Cancelled, Some(Reason::Shutdown))]);
    assert!(world.under_way.iter().all(|call| call.target == "wide"), "the attempt was abandoned");
    assert_eq!(world.stops.len(), 1);
    world.restart();
    assert_eq!((world.under_way.len(), world.jobs()[0].state), (1, Running));
}

#[test]
fn a_cancel_that_was_not_finished_is_finished_after_a_restart() {
    let mut world = with_a_handle();
    let id = world.last_job().id;
    world.decide(|step| step.cancel_job(&operator(), id)).unwrap();
    world.restart();
    assert_eq!((world.under_way.len(), &world.stops), (1, &vec![id]));
    let call = world.under_way.remove(0);
    world.decide(|step| step.attempt_stopped(AttemptId::of(&call), true));
    assert_eq!(world.states(), [(Cancelled, Some(Reason::CancelledByOperator))]);
}

#[test]
fn the_next_attempt_knows_what_was_captured_and_asks_for_the_work_anew() {
    let mut world = with_a_handle();
    let call = world.under_way.remove(0);
    world.report_on(&call, AttemptReport { idempotent: true, ..report(Outcome::Unknown) });
    world.tick_at("2026-01-01T02:00:01Z");
    let next = world.under_way[0].clone();
    assert_eq!((next.attempt, &next.checkpoint.captured, &next.checkpoint.handle), (2, &checkpoint().captured, &None));
}

#[test]
fn the_targets_progress_is_part_of_the_jobs() {
    let mut world = with_a_handle();
    let call = AttemptId::of(&world.under_way[0]);
    for (told, shown) in [(50, 25), (100, 50)] {
        world.decide(|step| step.progress_reported(call, told));
        assert_eq!(world.last_job().progress_pct(), shown);
    }
    world.report(Outcome::Succeeded);
    assert_eq!(world.last_job().progress_pct(), 50);
}

#[test]
fn reports_on_attempts_that_are_over_are_ignored() {
    let mut world = with_a_handle();
    let old = AttemptId::of(&world.under_way[0]);
    world.report(Outcome::Succeeded);
    let before = world.state.clone();
    world.decide(|step| step.checkpoint_reported(old, checkpoint()));
    world.decide(|step| step.progress_reported(old, 10));
    assert_eq!(world.state, before);
}
