//! Callers who are limited to some targets or schedules: what is outside is forbidden to change, and not even said to exist.

use serde_json::json;

use super::*;

fn limited(claim: Value) -> Caller {
    Caller { subject: "limited".to_owned(), access: Access::from_claim(Some(&claim)), ..operator() }
}

fn document(id: &str, target: Value) -> Value {
    let mut document = json!({"id": id, "name": id, "cron_expression": "0 0 1 1 *", "tasks": ["CUSTOM"]});
    document.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
    document
}

/// Schedules `mine` on `wide`, `theirs` on `default`, `both` on the two, and `all` on the group.
fn world() -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    world.create(document("mine", json!({"target": "wide"})));
    world.create(document("theirs", json!({"target": "default"})));
    world.create(document("both", json!({"targets": ["wide", "default"]})));
    world.create(document("all", json!({"target_group": "all"})));
    world
}

fn input(world: &World, document: &Value) -> schedule_input::ScheduleInput {
    schedule_input::parse(document, &world.rules.catalog, world.now).unwrap()
}

fn is_outside<T: std::fmt::Debug>(result: Result<T, CommandError>) -> bool {
    matches!(result, Err(CommandError::OutsideAccess))
}

#[test]
fn every_write_to_what_is_outside_or_does_not_exist_is_refused_and_changes_nothing() {
    let mut world = world();
    world.run("theirs", false).unwrap();
    let (theirs, unknown) = (world.last_job().id, JobId(Uuid::from_u128(4711)));
    let before = world.state.clone();
    let caller = limited(json!(["wide"]));
    for name in ["theirs", "both", "all", "nothing"] {
        let id = id(name);
        let definition = input(&world, &document(name, json!({"target": "wide"})));
        assert!(is_outside(world.decide(|step| step.replace_schedule(&caller, &id, definition, &Precondition::None))), "{name}");
        let patch = json!({"name": "x"});
        assert!(is_outside(world.decide(|step| step.patch_schedule(&caller, &id, &patch, None, &Precondition::None))), "{name}");
        assert!(is_outside(world.decide(|step| step.set_enabled(&caller, &id, false, &Precondition::None))), "{name}");
        assert!(is_outside(world.decide(|step| step.delete_schedule(&caller, &id, &Precondition::None))), "{name}");
        assert!(is_outside(world.decide(|step| step.run_schedule(&caller, &id, true, Some("wide")))), "{name}");
    }
    for id in [theirs, unknown] {
        assert!(is_outside(world.decide(|step| step.cancel_job(&caller, id))));
        assert!(is_outside(world.decide(|step| step.retry_job(&caller, id))));
    }
    assert_eq!(world.state, before);
}

#[test]
fn nobody_makes_or_moves_a_schedule_outside_their_limits() {
    let mut world = world();
    let before = world.state.clone();
    let caller = limited(json!(["wide"]));
    for outside in [json!({"target": "default"}), json!({"targets": ["wide", "default"]}), json!({"target_group": "all"})] {
        let created = input(&world, &document("new", outside.clone()));
        assert!(is_outside(world.decide(|step| step.create_schedule(&caller, created))));
        let moved = input(&world, &document("mine", outside.clone()));
        let mine = id("mine");
        assert!(is_outside(world.decide(|step| step.replace_schedule(&caller, &mine, moved, &Precondition::None))));
    }
    assert_eq!(world.state, before);
}

#[test]
fn an_id_that_is_taken_outside_is_forbidden_and_one_inside_is_taken() {
    let mut world = world();
    let caller = limited(json!(["wide"]));
    let taken = input(&world, &document("theirs", json!({"target": "wide"})));
    assert!(is_outside(world.decide(|step| step.create_schedule(&caller, taken))));
    let taken = input(&world, &document("mine", json!({"target": "wide"})));
    assert!(matches!(world.decide(|step| step.create_schedule(&caller, taken)), Err(CommandError::IdTaken(_))));
}

#[test]
fn inside_their_limits_callers_do_as_others() {
    let mut world = world();
    let caller = limited(json!(["target:wide", "schedule:mi*", "schedule:new"]));
    let created = input(&world, &document("new", json!({"target": "wide"})));
    world.decide(|step| step.create_schedule(&caller, created)).unwrap();
    let (mine, new) = (id("mine"), id("new"));
    world.decide(|step| step.patch_schedule(&caller, &mine, &json!({"name": "M"}), None, &Precondition::None)).unwrap();
    let job = world.decide(|step| step.run_schedule(&caller, &mine, false, None)).unwrap();
    world.decide(|step| step.cancel_job(&caller, job.id)).unwrap();
    world.decide(|step| step.delete_schedule(&caller, &new, &Precondition::None)).unwrap();
    let other = input(&world, &document("other", json!({"target": "wide"})));
    assert!(is_outside(world.decide(|step| step.create_schedule(&caller, other))), "its id is outside");
}

#[test]
fn an_answer_is_not_given_again_to_a_caller_whose_limits_have_changed_since() {
    let mut world = world();
    let key = |access| Caller { subject: "ci".to_owned(), access, ..operator() };
    world.run_keyed(&key(Access::UNLIMITED), "theirs", "k", "body").unwrap();
    let limited = key(Access::from_claim(Some(&json!(["wide"]))));
    assert!(is_outside(world.run_keyed(&limited, "theirs", "k", "body")));
    assert!(world.run_keyed(&key(Access::UNLIMITED), "theirs", "k", "body").unwrap().replayed);
}
