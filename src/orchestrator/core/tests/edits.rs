use serde_json::json;

use super::*;

fn nightly() -> Value {
    json!({"id":"a","name":"A","frequency":"DAILY","window_start_hour":1,"window_end_hour":5,"tasks":["CUSTOM"]})
}

#[test]
fn a_put_of_what_is_there_changes_nothing() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    let created = world.create(nightly());
    let mut document = created.definition.to_document();
    document["id"] = json!("a");
    document["version"] = json!(17);
    let input = schedule_input::parse(&document, &world.rules.catalog, world.now).unwrap();
    let before = world.state.clone();
    let answer = world.decide(|step| step.replace_schedule(&operator(), &id("a"), input, &Precondition::None)).unwrap();
    assert_eq!(answer, created);
    assert_eq!(world.state, before);
}

#[test]
fn a_patch_of_the_start_hour_of_a_preset_derives_the_expression_anew() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(nightly());
    let patched = world.patch("a", json!({"window_start_hour":3})).unwrap();
    assert_eq!(patched.definition.cron.as_str(), "0 3 * * *");
    assert_eq!((patched.version, patched.run.next_run_at), (2, Some(at("2026-01-01T03:00:00Z"))));
    assert_ne!(patched.etag(), "\"a:1\"");
}

#[test]
fn presets_and_expressions_in_patches() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(nightly());
    let error = world.patch("a", json!({"cron_expression":"0 4 * * *"})).unwrap_err();
    assert!(matches!(error, CommandError::Invalid(errors) if errors[0].field == "cron_expression"));
    let custom = world.patch("a", json!({"frequency":"CUSTOM"})).unwrap();
    assert_eq!(custom.definition.cron.as_str(), "0 1 * * *");
    let custom = world.patch("a", json!({"cron_expression":"30 4 * * *"})).unwrap();
    assert_eq!(custom.definition.cron.as_str(), "30 4 * * *");
    let weekly = world.patch("a", json!({"frequency":"weekly"})).unwrap();
    assert_eq!(weekly.definition.cron.as_str(), "0 1 * * 0");
    let nothing = world.patch("a", json!({})).unwrap();
    assert_eq!(nothing.version, weekly.version);
}

#[test]
fn a_rejected_patch_changes_nothing_and_lists_every_mistake() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(nightly());
    let before = world.state.clone();
    let error = world.patch("a", json!({"name":" ","window_end_hour":25,"tasks":["NOPE"],"colour":null,"id":"b"})).unwrap_err();
    let CommandError::Invalid(errors) = error else { panic!("{error:?}") };
    let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["name", "window_end_hour", "tasks[0]", "colour"]);
    assert!(world.patch("a", json!({"id":"b"})).is_err());
    assert!(world.patch("a", json!([1])).is_err());
    assert_eq!(world.state, before);
}

#[test]
fn if_match_guards_every_edit() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(nightly());
    let stale = Precondition::OneOf(vec!["\"a:7\"".to_owned()]);
    let error = world.decide(|step| step.set_enabled(&operator(), &id("a"), false, &stale)).unwrap_err();
    assert!(matches!(error, CommandError::PreconditionFailed { current } if current == "\"a:1\""));
    let current = Precondition::OneOf(vec!["\"x\"".to_owned(), "\"a:1\"".to_owned()]);
    assert_eq!(world.decide(|step| step.set_enabled(&operator(), &id("a"), false, &current)).unwrap().version, 2);
}

#[test]
fn disable_and_delete_drop_the_waiting_job_and_leave_the_running_one() {
    for (delete, reason) in [(false, Reason::ScheduleDisabled), (true, Reason::ScheduleDeleted)] {
        let mut world = World::new("2026-01-01T02:00:00Z");
        world.create(nightly());
        world.create(json!({"id":"b","name":"B","frequency":"DAILY","tasks":["CUSTOM"]}));
        world.run("a", false).unwrap();
        world.run("b", false).unwrap();
        for name in ["a", "b"] {
            if delete {
                world.decide(|step| step.delete_schedule(&operator(), &id(name), &Precondition::None)).unwrap();
            } else {
                let disabled = world.decide(|step| step.set_enabled(&operator(), &id(name), false, &Precondition::None)).unwrap();
                assert_eq!(disabled.run.next_run_at, None);
            }
        }
        assert_eq!(world.states(), [(JobState::Running, None), (JobState::Skipped, Some(reason))]);
        world.report(Outcome::Succeeded);
        assert_eq!(world.jobs()[0].state, JobState::Succeeded);
        if !delete {
            world.run("b", false).expect("a disabled schedule can be run by hand");
        }
    }
}

#[test]
fn enabling_again_forgets_the_fires_in_between() {
    let mut world = World::new("2026-01-01T00:30:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["CUSTOM"]}));
    world.patch("a", json!({"enabled":false})).unwrap();
    world.tick_at("2026-01-01T05:30:00Z");
    let enabled = world.patch("a", json!({"enabled":true})).unwrap();
    assert_eq!(enabled.run.next_run_at, Some(at("2026-01-01T06:00:00Z")));
    world.tick();
    assert_eq!(world.states(), []);
}

#[test]
fn ids_are_taken_once_and_made_when_absent() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(nightly());
    assert!(matches!(world.try_create(nightly()), Err(CommandError::IdTaken(_))));
    let made = world.create(json!({"name":"B","cron_expression":"@daily","tasks":["custom"]}));
    assert_eq!(made.id.as_str().len(), 36);
    for _ in 0..8 {
        world.create(json!({"name":"B","cron_expression":"@daily","tasks":["custom"]}));
    }
    assert!(matches!(
        world.try_create(json!({"name":"B","cron_expression":"@daily","tasks":["custom"]})),
        Err(CommandError::TooManySchedules(10))
    ));
}

#[test]
fn bundles_come_once_and_stay_away_once_deleted() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    let install = |world: &mut World| {
        let inputs = crate::orchestrator::bundles::inputs(&["daily".to_owned()], &world.rules.catalog, world.now).unwrap();
        world.decide(|step| inputs.into_iter().for_each(|(name, input)| step.install_bundle(&name, input)));
    };
    install(&mut world);
    assert!(!world.schedule("daily-maintenance").definition.enabled);
    world.decide(|step| step.delete_schedule(&operator(), &id("daily-maintenance"), &Precondition::None)).unwrap();
    install(&mut world);
    assert!(world.state.schedules.is_empty());
}
