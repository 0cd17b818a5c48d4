//! Tasks that make several calls: given as a list, taken from the target's defaults, or found by a discovery.

use serde_json::{Map, json};

use super::*;
use crate::domain::job::JobItem;
use JobState::{Cancelled, Failed, Running, Skipped, Succeeded};

fn world_with(extra: Value) -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    let mut document = json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,
        "tasks":[{"task_type":"INDEX_REBUILD","parameters":[{"n":1},{"n":2},{"n":3}]},"LOG_ROTATION"]});
    document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    world.create(document);
    world.run("a", false).unwrap();
    world
}

fn items(world: &World) -> Vec<JobItem> {
    world.last_job().tasks[0].items.clone()
}

fn item_states(world: &World) -> Vec<JobState> {
    items(world).iter().map(|item| item.state).collect()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn one_call_is_made_for_each_object_in_order() {
    let mut world = world_with(json!({}));
    for n in 1..=3 {
        assert_eq!(world.under_way.len(), 1);
        assert_eq!(world.last_job().progress_pct(), [0, 16, 33][n - 1]);
        let call = world.report(Outcome::Succeeded);
        assert_eq!((call.item, &call.parameters), (Some(n - 1), &object(json!({"n": n}))));
        assert!(call.idempotency_key().ends_with(&format!("-0-{}", n - 1)));
    }
    let task = world.last_job().tasks[0].clone();
    assert_eq!((task.state, task.attempts, task.outcome), (Succeeded, 3, Some(Outcome::Succeeded)));
    assert_eq!(task.result_summary, Some(json!({"calls": 3, "succeeded": 3, "failed": 0})));
    world.report(Outcome::Succeeded);
    assert_eq!(world.states(), [(Succeeded, None)]);
}

#[test]
fn without_halt_all_calls_are_made_and_the_first_failure_is_named() {
    let mut world = world_with(json!({}));
    world.report(Outcome::Succeeded);
    world.report(Outcome::Permanent);
    world.report(Outcome::Succeeded);
    assert_eq!(item_states(&world), [Succeeded, Failed, Succeeded]);
    let task = world.last_job().tasks[0].clone();
    assert_eq!((task.state, task.outcome), (Failed, Some(Outcome::Permanent)));
    assert_eq!(task.error_message.as_deref(), Some("1 of 3 calls failed; the first was number 2 ({\"n\":2}): it failed"));
    assert_eq!(world.task_states(), [Failed, Running]);
}

#[test]
fn with_halt_the_first_failed_call_is_the_last() {
    let mut world = world_with(json!({"halt_on_task_failure": true}));
    world.report(Outcome::Permanent);
    assert_eq!(item_states(&world), [Failed, Skipped, Skipped]);
    assert_eq!(world.states(), [(Failed, Some(Reason::Halted))]);
    let message = world.last_job().error_message.clone().unwrap();
    assert!(message.contains("1 of 3 calls failed, 2 were not made"), "{message}");
}

#[test]
fn each_call_has_its_own_attempts() {
    let mut world = world_with(json!({"max_attempts": 2}));
    world.report(Outcome::Transient);
    world.tick_at("2026-01-01T02:00:01Z");
    world.report(Outcome::Succeeded);
    assert_eq!(world.report(Outcome::Transient).item, Some(1));
    world.tick_at("2026-01-01T02:00:02Z");
    assert_eq!(world.report(Outcome::Transient).item, Some(1));
    assert_eq!(items(&world).iter().map(|item| item.attempts).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(item_states(&world), [Succeeded, Failed, Running]);
    assert_eq!(world.last_job().tasks[0].attempts, 5);
}

#[test]
fn the_window_binds_every_call() {
    let mut world = world_with(json!({}));
    world.now = at("2026-01-01T05:00:00Z");
    world.report(Outcome::Succeeded);
    assert_eq!(item_states(&world), [Succeeded, Skipped, Skipped]);
    assert_eq!(world.task_states(), [Cancelled, Skipped]);
    assert_eq!(world.states(), [(Cancelled, Some(Reason::WindowClosed))]);
}

#[test]
fn cancelling_stops_the_call_under_way_and_skips_the_others() {
    let mut world = world_with(json!({}));
    world.report(Outcome::Succeeded);
    let id = world.last_job().id;
    world.decide(|step| step.cancel_job(&operator(), id)).unwrap();
    let call = world.under_way.remove(0);
    world.decide(|step| step.attempt_stopped(AttemptId::of(&call), true));
    assert_eq!(item_states(&world), [Succeeded, Cancelled, Skipped]);
    assert_eq!(items(&world)[1].outcome, Some(Outcome::Unknown));
    assert_eq!(world.states(), [(Cancelled, Some(Reason::CancelledByOperator))]);
}

#[test]
fn a_retry_makes_only_the_calls_that_are_left() {
    let mut world = world_with(json!({}));
    world.report(Outcome::Succeeded);
    world.report(Outcome::Permanent);
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    let failed = world.last_job();
    world.retry(failed.id).unwrap();
    assert_eq!(item_states(&world), [Succeeded, Running, Succeeded]);
    assert_eq!(world.report(Outcome::Succeeded).item, Some(1));
    assert_eq!((world.under_way.len(), world.last_job().state), (0, Succeeded));
}

#[test]
fn a_job_that_was_interrupted_knows_which_call_it_was_at() {
    let mut world = world_with(json!({}));
    world.report(Outcome::Succeeded);
    world.restart();
    assert_eq!(item_states(&world), [Succeeded, Failed, Skipped]);
    assert_eq!(items(&world)[1].outcome, Some(Outcome::Unknown));
    assert_eq!(world.states(), [(Failed, Some(Reason::Interrupted))]);
}

fn discovered(list: &[Value]) -> AttemptReport {
    AttemptReport { discovered: Some(list.iter().cloned().map(object).collect()), ..report(Outcome::Succeeded) }
}

#[test]
fn what_a_discovery_finds_is_done_call_by_call() {
    let mut world = world_with(json!({"tasks":[{"task_type":"INDEX_REBUILD","parameters":{"table":"t","column":"*"}}]}));
    let asking = world.under_way.remove(0);
    assert_eq!(asking.item, None);
    world.report_on(&asking, discovered(&[json!({"column":"x"}), json!({"column":"y"})]));
    assert_eq!(item_states(&world), [Running, JobState::Pending]);
    assert_eq!(world.report(Outcome::Succeeded).parameters, object(json!({"column":"x"})));
    assert_eq!(world.report(Outcome::Succeeded).parameters, object(json!({"column":"y"})));
    assert_eq!(world.states(), [(Succeeded, None)]);
}

#[test]
fn a_discovery_within_a_list_takes_the_place_of_the_call_that_asked() {
    let mut world = world_with(json!({}));
    world.report(Outcome::Succeeded);
    let asking = world.under_way.remove(0);
    world.report_on(&asking, discovered(&[json!({"n":"2a"}), json!({"n":"2b"})]));
    let order: Vec<Value> = items(&world).iter().map(|item| item.parameters["n"].clone()).collect();
    assert_eq!(order, [json!(1), json!("2a"), json!("2b"), json!(3)]);
    assert_eq!(item_states(&world), [Succeeded, Running, JobState::Pending, JobState::Pending]);
}

#[test]
fn a_discovery_of_too_much_fails() {
    let mut world = world_with(json!({"tasks":[{"task_type":"INDEX_REBUILD","parameters":{"column":"*"}}]}));
    let asking = world.under_way.remove(0);
    let many: Vec<Value> = (0..257).map(|n| json!({"n": n})).collect();
    world.report_on(&asking, discovered(&many));
    assert_eq!(world.states(), [(Failed, None)]);
    let message = world.last_job().error_message.clone().unwrap();
    assert!(message.contains("257 calls") && message.contains("at most 256"), "{message}");
}
