//! Schedules that run on several targets: one job for each, all of them one fire.

use serde_json::json;

use super::*;
use JobState::{Failed, Pending, Running, Skipped, Succeeded};

fn world_with(extra: Value) -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    let mut document = json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["CUSTOM"],"targets":["default","wide"]});
    document.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    document.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    world.create(document);
    world
}

fn targets(world: &World) -> Vec<String> {
    world.jobs().iter().map(|job| job.target.clone()).collect()
}

#[test]
fn a_fire_makes_one_job_for_each_target_and_they_are_one_fire() {
    let mut world = world_with(json!({}));
    world.tick_at("2026-01-01T03:00:00Z");
    assert_eq!(targets(&world), ["default", "wide"]);
    let jobs = world.jobs();
    assert_eq!((jobs[0].fire_id(), jobs[1].fire_id()), (jobs[0].id, jobs[0].id));
    assert!(jobs.iter().all(|job| job.state == Running && job.scheduled_for == at("2026-01-01T03:00:00Z")));
    assert_eq!(world.under_way.iter().map(|call| call.target.as_str()).collect::<Vec<_>>(), ["default", "wide"]);
}

#[test]
fn a_target_that_is_not_done_keeps_only_itself_from_the_next_fire() {
    let mut world = world_with(json!({}));
    world.tick_at("2026-01-01T03:00:00Z");
    world.report(Outcome::Succeeded);
    world.tick_at("2026-01-01T04:00:00Z");
    let states: Vec<_> = world.jobs().iter().map(|job| (job.target.clone(), job.state, job.reason)).collect();
    assert_eq!(states[2..], [("default".to_owned(), Running, None), ("wide".to_owned(), Skipped, Some(Reason::Overlap))]);
}

#[test]
fn the_last_run_is_the_whole_fire() {
    let mut world = world_with(json!({}));
    world.tick_at("2026-01-01T03:00:00Z");
    let last = |world: &World| world.schedule("a").run.last_run_state;
    world.report(Outcome::Permanent);
    assert_eq!(last(&world), Some(Running), "one of the two still runs");
    world.report(Outcome::Succeeded);
    assert_eq!((last(&world), world.schedule("a").run.last_success_at), (Some(Failed), None));
    world.tick_at("2026-01-01T04:00:00Z");
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    assert_eq!((last(&world), world.schedule("a").run.last_success_at), (Some(Succeeded), Some(world.now)));
}

#[test]
fn a_group_is_its_members_and_one_that_is_gone_fails_by_name() {
    let mut world = world_with(json!({"targets": null, "target_group": "all"}));
    world.tick_at("2026-01-01T03:00:00Z");
    assert_eq!(targets(&world), ["default", "wide", "guarded"]);
    let mut world = world_with(json!({"targets": null, "target_group": "all"}));
    world.rules.catalog = Arc::new(Catalog::default());
    world.tick_at("2026-01-01T03:00:00Z");
    assert_eq!(targets(&world), ["all"]);
}

#[test]
fn a_run_by_hand_is_on_all_targets_or_on_one() {
    let mut world = world_with(json!({}));
    let first = world.run("a", false).unwrap();
    assert_eq!((targets(&world), first.fire_id()), (vec!["default".to_owned(), "wide".to_owned()], first.id));
    assert!(matches!(world.run("a", false), Err(CommandError::JobActive(active)) if active == first.id));
    world.report(Outcome::Succeeded);
    let only =
        |world: &mut World, target: &str| world.decide(|step| step.run_schedule(&operator(), &id("a"), false, Some(target)));
    assert_eq!(only(&mut world, "default").unwrap().target, "default", "the other target's job is not in the way");
    assert!(matches!(only(&mut world, "wide"), Err(CommandError::JobActive(_))));
    assert!(matches!(only(&mut world, "guarded"), Err(CommandError::Invalid(errors)) if errors[0].field == "target"));
}

#[test]
fn missed_fires_are_recorded_for_each_target() {
    let mut world = world_with(json!({"misfire_policy": "SKIP"}));
    world.now = at("2026-01-01T05:30:00Z");
    world.restart();
    let states: Vec<_> = world.jobs().iter().map(|job| (job.target.clone(), job.state, job.reason)).collect();
    let missed = |target: &str| (target.to_owned(), Skipped, Some(Reason::Misfired));
    assert_eq!(states, [missed("default"), missed("wide")]);
}

#[test]
fn disabling_drops_every_job_that_waits() {
    let mut world = world_with(json!({"targets": ["default", "guarded"]}));
    world.tick_at("2026-01-01T03:00:00Z");
    assert_eq!(world.jobs()[1].state, Pending);
    world.patch("a", json!({"enabled": false})).unwrap();
    assert_eq!(world.states(), [(Running, None), (Skipped, Some(Reason::ScheduleDisabled))]);
}

#[test]
fn a_job_left_on_a_target_that_is_not_the_schedules_any_more_is_in_the_way() {
    let mut world = world_with(json!({"targets": null, "target": "wide"}));
    world.run("a", false).unwrap();
    world.patch("a", json!({"target": "default"})).unwrap();
    assert!(matches!(world.run("a", false), Err(CommandError::JobActive(_))));
    world.tick_at("2026-01-01T03:00:00Z");
    assert_eq!(world.last_job().reason, Some(Reason::Overlap));
}

#[test]
fn where_it_runs_is_said_in_one_way() {
    let mut world = world_with(json!({}));
    for (document, field) in [
        (json!({"target":"default","targets":["wide"]}), "targets"),
        (json!({"targets":[]}), "targets"),
        (json!({"targets":["default","default"]}), "targets[1]"),
        (json!({"targets":["nowhere"]}), "targets[0]"),
        (json!({"targets":[1]}), "targets[0]"),
        (json!({"target_group":"none"}), "target_group"),
        (json!({"target_group":5}), "target_group"),
        (json!({"target_group":""}), "target_group"),
        (json!({"target":""}), "target"),
    ] {
        let mut whole = json!({"name":"n","cron_expression":"0 * * * *","tasks":["CUSTOM"]});
        whole.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
        let Err(CommandError::Invalid(errors)) = world.try_create(whole) else { panic!("{document}") };
        assert_eq!(errors[0].field, field, "{document}: {errors:?}");
    }
    world.patch("a", json!({"target": "wide"})).unwrap();
    assert_eq!(world.schedule("a").definition.to_document()["target"], "wide");
    world.patch("a", json!({"target_group": "all"})).unwrap();
    world.patch("a", json!({"target_group": null})).unwrap();
    assert_eq!(world.schedule("a").definition.to_document()["target"], "default", "null is the default again");
}
