use serde_json::json;

use super::*;
use crate::domain::audit::AuditOutcome;
use crate::domain::idempotency::{Answered, KEPT_FOR};
use crate::domain::ports::StoredState;

fn world() -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 0 1 1 *","tasks":["CUSTOM"]}));
    world
}

fn caller(subject: &str) -> Caller {
    Caller { subject: subject.to_owned(), ..operator() }
}

#[test]
fn the_second_request_gets_the_first_answer_and_does_nothing() {
    let mut world = world();
    let first = world.run_keyed(&operator(), "a", "k", "body").unwrap();
    assert!(!first.replayed);
    world.report(Outcome::Succeeded);
    let before = world.state.clone();
    let second = world.run_keyed(&operator(), "a", "k", "body").unwrap();
    assert_eq!(second, Answered { value: Arc::clone(&first.value), replayed: true });
    assert_eq!(second.value.state, JobState::Running, "the job as it was answered, not as it is");
    assert_eq!(world.state, before);
}

#[test]
fn a_replay_is_recorded_in_the_audit_trail_as_changing_nothing() {
    let mut world = world();
    world.run_keyed(&operator(), "a", "k", "body").unwrap();
    let mut step = Step::new(&mut world.state, &world.rules, &world.ids, world.now);
    let operation = Operation { name: "run_schedule", object: "schedule/a" };
    let request = Some(request("k", "body"));
    step.once(&operator(), operation, request, |step| step.run_schedule(&operator(), &id("a"), false, None)).unwrap();
    let decided = step.decided();
    assert!(decided.changes.is_empty() && decided.effects.is_empty());
    let [record] = &decided.audit[..] else { panic!("{:?}", decided.audit) };
    let event = record.encoded().decoded();
    assert_eq!((event.action.as_str(), event.object.as_str()), ("run_schedule", "schedule/a"));
    assert_eq!(event.outcome, AuditOutcome::Unchanged);
}

#[test]
fn the_same_key_with_another_body_is_refused_and_changes_nothing() {
    let mut world = world();
    world.run_keyed(&operator(), "a", "k", "body").unwrap();
    let before = world.state.clone();
    assert!(matches!(world.run_keyed(&operator(), "a", "k", "other"), Err(CommandError::IdempotencyKeyReused)));
    assert_eq!(world.state, before);
}

#[test]
fn a_key_belongs_to_its_caller_and_to_what_the_path_names() {
    let mut world = world();
    world.create(json!({"id":"b","name":"B","cron_expression":"0 0 1 1 *","tasks":["CUSTOM"]}));
    world.run_keyed(&operator(), "a", "k", "body").unwrap();
    assert!(!world.run_keyed(&operator(), "b", "k", "body").unwrap().replayed);
    world.report(Outcome::Succeeded);
    assert!(!world.run_keyed(&caller("other"), "a", "k", "other body").unwrap().replayed);
}

#[test]
fn a_refused_request_can_be_tried_again_under_its_key() {
    let mut world = world();
    world.run("a", false).unwrap();
    assert!(matches!(world.run_keyed(&operator(), "a", "k", "body"), Err(CommandError::JobActive(_))));
    assert!(world.state.idempotency.is_empty());
    world.report(Outcome::Succeeded);
    assert!(!world.run_keyed(&operator(), "a", "k", "other body").unwrap().replayed);
}

#[test]
fn after_a_day_a_key_is_new_whether_or_not_it_was_pruned() {
    let mut world = world();
    let first = world.run_keyed(&operator(), "a", "k", "body").unwrap();
    world.report(Outcome::Succeeded);
    world.now += KEPT_FOR - TimeDelta::milliseconds(1);
    assert!(world.run_keyed(&operator(), "a", "k", "body").unwrap().replayed);
    world.now += TimeDelta::milliseconds(1);
    let second = world.run_keyed(&operator(), "a", "k", "other body").unwrap();
    assert!(!second.replayed);
    assert_ne!(second.value.id, first.value.id);
    assert_eq!(world.state.idempotency.len(), 1);
    world.report(Outcome::Succeeded);
    world.now += KEPT_FOR;
    world.decide(|step| step.prune(9));
    assert!(world.state.idempotency.is_empty() && world.state.answers_by_expiry.is_empty());
}

#[test]
fn old_answers_are_forgotten_in_bounded_batches() {
    let mut world = world();
    let start = world.now;
    for key in ["1", "2", "3"] {
        world.run_keyed(&operator(), "a", key, "body").unwrap();
        world.report(Outcome::Succeeded);
        world.now += TimeDelta::milliseconds(1);
    }
    world.rules.job_retention = TimeDelta::days(30);
    world.now = start + KEPT_FOR - TimeDelta::milliseconds(1);
    assert!(!world.decide(|step| step.prune(2)));
    assert_eq!(world.state.idempotency.len(), 3, "nothing is old yet");
    world.now += TimeDelta::milliseconds(3);
    assert!(world.decide(|step| step.prune(2)), "one is left");
    assert_eq!(world.state.idempotency.len(), 1);
    assert!(!world.decide(|step| step.prune(2)));
    assert!(world.state.idempotency.is_empty());
}

#[test]
fn an_answer_outlives_a_restart_and_is_taken_back_with_its_change() {
    let mut world = world();
    let before = world.state.clone();
    let mut step = Step::new(&mut world.state, &world.rules, &world.ids, world.now);
    let operation = Operation { name: "run_schedule", object: "schedule/a" };
    let decide = |step: &mut Step<'_>| step.run_schedule(&operator(), &id("a"), false, None);
    let answered = step.once(&operator(), operation, Some(request("k", "body")), decide).unwrap();
    let decided = step.decided();
    let stored = StoredState {
        idempotency: world.state.idempotency.values().map(|record| record.as_ref().clone()).collect(),
        ..StoredState::default()
    };
    world.state.undo(&decided.changes);
    assert_eq!(world.state, before);
    world.state = State::restore(stored);
    let again = world.run_keyed(&operator(), "a", "k", "body").unwrap();
    assert_eq!(again, Answered { value: answered.value, replayed: true });
}
