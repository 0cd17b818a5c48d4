//! Pauses, fires that are left out, freezes.

use serde_json::json;

use super::*;
use crate::domain::freeze::FreezeInput;
use crate::domain::ids::FreezeId;
use crate::domain::pause::PauseInput;
use crate::domain::preview::{Verdict, preview};
use crate::orchestrator::message::ScheduleHold;
use JobState::{Cancelled, Pending, Running, Skipped, Succeeded};

impl World {
    pub fn hold(&mut self, name: &str, hold: ScheduleHold) -> Result<Arc<Schedule>, CommandError> {
        self.decide(|step| step.alone(|step| step.hold_schedule(&operator(), &id(name), hold)))
    }

    pub fn hold_targets(&mut self, target: Option<&str>, input: Option<PauseInput>) -> Result<(), CommandError> {
        self.decide(|step| step.alone(|step| step.hold_targets(&operator(), target.map(str::to_owned), input)))
    }

    pub fn freeze(&mut self, from: Timestamp, to: Timestamp, targets: &[&str]) -> Result<FreezeId, CommandError> {
        let targets = targets.iter().map(|name| (*name).to_owned()).collect();
        let input = FreezeInput { from, to, targets, reason: "Christmas".to_owned() };
        self.decide(|step| step.alone(|step| step.create_freeze(&operator(), input))).map(|freeze| freeze.id)
    }
}

pub(super) fn pause(until: Option<&str>) -> PauseInput {
    PauseInput { reason: "disk is full".to_owned(), until: until.map(at) }
}

/// A schedule `a` that fires every hour on `default`.
fn hourly() -> World {
    let mut world = World::new("2026-01-01T00:30:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["LOG_ROTATION","CACHE_WARM"]}));
    world
}

/// What the fires up to a moment came to.
fn fires_until(world: &mut World, now: &str) -> Vec<(JobState, Option<Reason>)> {
    world.tick_at(now);
    world.states()
}

#[test]
fn fires_of_a_paused_schedule_are_skipped_until_its_time_has_come() {
    let mut world = hourly();
    let before = world.schedule("a");
    let paused = world.hold("a", ScheduleHold::Pause(pause(Some("2026-01-01T02:00:00Z")))).expect("paused");
    assert_eq!((paused.version, paused.etag()), (before.version, before.etag()), "no edit");
    assert_eq!(fires_until(&mut world, "2026-01-01T01:00:00Z"), [(Skipped, Some(Reason::Paused))]);
    let message = world.last_job().error_message.clone().unwrap_or_default();
    assert!(message.contains("schedule 'a' is paused by operator") && message.ends_with("disk is full"), "{message}");
    world.tick_at("2026-01-01T02:00:00Z");
    assert_eq!(world.schedule("a").run.pause, None, "it ended by itself");
    assert_eq!(world.last_job().state, Running, "the fire at the end of the pause runs");
}

#[test]
fn a_paused_schedule_can_be_run_by_hand_and_resumed() {
    let mut world = hourly();
    world.hold("a", ScheduleHold::Pause(pause(None))).expect("paused");
    assert_eq!(world.run("a", false).expect("a job").state, Running);
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    assert_eq!(fires_until(&mut world, "2026-01-01T01:00:00Z").pop(), Some((Skipped, Some(Reason::Paused))));
    assert_eq!(world.schedule("a").run.last_run_state, Some(Succeeded), "a skipped fire does not hide the last run");
    world.hold("a", ScheduleHold::Resume).expect("resumed");
    assert_eq!(fires_until(&mut world, "2026-01-01T02:00:00Z").pop(), Some((Running, None)));
}

#[test]
fn pausing_a_schedule_skips_its_fire_that_waits_and_leaves_the_one_that_runs() {
    let mut world = hourly();
    world.create(json!({"id":"b","name":"B","cron_expression":"0 * * * *","tasks":["LOG_ROTATION"]}));
    world.tick_at("2026-01-01T01:00:00Z");
    assert_eq!(world.states(), [(Running, None), (Pending, None)]);
    for name in ["a", "b"] {
        world.hold(name, ScheduleHold::Pause(pause(None))).expect("paused");
    }
    assert_eq!(world.states(), [(Running, None), (Skipped, Some(Reason::Paused))]);
}

#[test]
fn one_fire_is_left_out_and_the_next_one_runs() {
    let mut world = hourly();
    world.hold("a", ScheduleHold::SkipNext("by hand".to_owned())).expect("left out");
    let again = world.hold("a", ScheduleHold::SkipNext("by hand".to_owned())).expect("left out");
    assert_eq!(again.run.skip_next.as_ref().map(|skip| skip.scheduled_for), Some(at("2026-01-01T01:00:00Z")));
    assert_eq!(fires_until(&mut world, "2026-01-01T01:00:00Z"), [(Skipped, Some(Reason::SkippedByOperator))]);
    assert_eq!(world.schedule("a").run.skip_next, None);
    assert_eq!(fires_until(&mut world, "2026-01-01T02:00:00Z").pop(), Some((Running, None)));
}

#[test]
fn what_is_left_out_is_taken_back_by_resuming_and_by_another_timing() {
    let mut world = hourly();
    world.hold("a", ScheduleHold::SkipNext(String::new())).expect("left out");
    assert_eq!(world.hold("a", ScheduleHold::Resume).expect("resumed").run.skip_next, None);
    world.hold("a", ScheduleHold::SkipNext(String::new())).expect("left out");
    assert_eq!(world.patch("a", json!({"cron_expression":"5 * * * *"})).expect("patched").run.skip_next, None);
    world.patch("a", json!({"enabled": false})).expect("disabled");
    assert!(matches!(world.hold("a", ScheduleHold::SkipNext(String::new())), Err(CommandError::NoNextFire(_))));
}

#[test]
fn nothing_starts_on_a_paused_target_and_what_runs_goes_on() {
    let mut world = hourly();
    world.create(json!({"id":"b","name":"B","cron_expression":"0 * * * *","tasks":["LOG_ROTATION"]}));
    world.create(json!({"id":"c","name":"C","cron_expression":"0 * * * *","tasks":["LOG_ROTATION"],"target":"wide"}));
    world.tick_at("2026-01-01T01:00:00Z");
    world.hold_targets(Some("default"), Some(pause(Some("2026-01-01T02:00:00Z")))).expect("paused");
    let states: Vec<JobState> = world.jobs().iter().map(|job| job.state).collect();
    assert_eq!(states, [Running, Skipped, Running], "the job that waited is skipped, those that run go on");
    world.report(Outcome::Succeeded);
    world.report(Outcome::Succeeded);
    assert_eq!(
        world.run("b", true).map(|job| (job.state, job.reason)).ok(),
        Some((Skipped, Some(Reason::Paused))),
        "by hand, too"
    );
    world.restart();
    assert!(world.state.holds.of_target("default").is_some(), "it is stored");
    world.tick_at("2026-01-01T02:00:00Z");
    assert!(world.state.holds.is_empty(), "it ended by itself");
    assert!(world.jobs().iter().any(|job| job.target == "default" && job.state == Running));
}

#[test]
fn a_pause_of_all_is_one_of_its_own() {
    let mut world = hourly();
    world.hold_targets(None, Some(pause(None))).expect("paused");
    world.hold_targets(Some("default"), Some(pause(None))).expect("paused");
    world.hold_targets(Some("default"), None).expect("resumed");
    assert_eq!(fires_until(&mut world, "2026-01-01T01:00:00Z"), [(Skipped, Some(Reason::Paused))]);
    world.hold_targets(None, None).expect("resumed");
    assert_eq!(fires_until(&mut world, "2026-01-01T02:00:00Z").pop(), Some((Running, None)));
    assert!(matches!(world.hold_targets(Some("nowhere"), None), Err(CommandError::TargetNotFound(_))));
}

#[test]
fn a_freeze_stops_fires_runs_by_hand_and_jobs_before_their_next_task() {
    let mut world = hourly();
    world.freeze(at("2026-01-01T01:10:00Z"), at("2026-01-01T02:10:00Z"), &["default"]).expect("a freeze");
    world.tick_at("2026-01-01T01:00:00Z");
    world.now = at("2026-01-01T01:20:00Z");
    world.report(Outcome::Succeeded);
    let job = world.last_job();
    assert_eq!((job.state, job.reason), (Cancelled, Some(Reason::Frozen)));
    assert_eq!(world.task_states(), [Succeeded, Skipped]);
    let message = job.error_message.clone().unwrap_or_default();
    assert!(message.contains("began before task 'CACHE_WARM' could start") && message.ends_with("Christmas"), "{message}");
    assert_eq!(world.run("a", true).map(|job| job.reason).ok(), Some(Some(Reason::Frozen)), "force is for the window alone");
    assert_eq!(fires_until(&mut world, "2026-01-01T02:00:00Z").pop(), Some((Skipped, Some(Reason::Frozen))));
    assert_eq!(fires_until(&mut world, "2026-01-01T03:00:00Z").pop(), Some((Running, None)));
}

#[test]
fn an_attempt_that_waits_is_not_made_in_a_freeze() {
    let mut world = hourly();
    world.tick_at("2026-01-01T01:00:00Z");
    world.report(Outcome::Transient);
    world.freeze(at("2026-01-01T01:00:00Z"), at("2026-01-01T02:00:00Z"), &[]).expect("a freeze");
    world.tick_at("2026-01-01T01:01:00Z");
    assert_eq!(world.last_job().reason, Some(Reason::Frozen));
    assert!(world.under_way.is_empty());
}

#[test]
fn two_freezes_are_not_about_one_target_at_one_moment() {
    let mut world = hourly();
    let first = world.freeze(at("2026-02-01T00:00:00Z"), at("2026-02-03T00:00:00Z"), &["default"]).expect("a freeze");
    let again = |world: &mut World, from: &str, to: &str, targets: &[&str]| world.freeze(at(from), at(to), targets);
    for (from, to, targets) in [
        ("2026-02-02T00:00:00Z", "2026-02-04T00:00:00Z", ["default"].as_slice()),
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00.001Z", &[]),
    ] {
        let refused = again(&mut world, from, to, targets);
        assert!(matches!(refused, Err(CommandError::FreezeOverlaps { id, .. }) if id == first), "{refused:?}");
    }
    again(&mut world, "2026-02-03T00:00:00Z", "2026-02-04T00:00:00Z", &["default"]).expect("one ends where the other begins");
    again(&mut world, "2026-02-02T00:00:00Z", "2026-02-04T00:00:00Z", &["wide"]).expect("another target");
    world.decide(|step| step.delete_freeze(&operator(), first)).expect("removed");
    assert!(matches!(world.decide(|step| step.delete_freeze(&operator(), first)), Err(CommandError::FreezeNotFound(_))));
}

#[test]
fn freezes_that_are_long_over_are_forgotten() {
    let mut world = hourly();
    world.freeze(at("2026-01-01T00:00:00Z"), at("2026-01-01T01:00:00Z"), &[]).expect("a freeze");
    world.now = at("2026-01-02T01:00:00Z");
    world.decide(|step| step.prune(10));
    assert_eq!(world.state.holds.freezes().count(), 1, "as long as jobs are kept");
    world.now = at("2026-01-02T01:00:01Z");
    world.decide(|step| step.prune(10));
    assert!(world.state.holds.is_empty());
}

#[test]
fn a_trial_says_what_would_come_and_leaves_nothing_behind() {
    let mut world = hourly();
    let before = world.state.clone();
    let input = schedule_input::parse(
        &json!({"id":"b","name":"B","frequency":"DAILY","tasks":["CACHE_WARM"]}),
        &world.rules.catalog,
        world.now,
    );
    let tried = world.decide(|step| {
        let tried = step.tried(|step| step.create_schedule(&operator(), input.expect("an input")));
        assert!(step.changes.is_empty() && step.audit.is_empty() && step.effects.is_empty());
        tried
    });
    assert_eq!(tried.expect("a schedule").run.next_run_at, Some(at("2026-01-02T00:00:00Z")));
    assert_eq!(world.state, before);
    let taken = schedule_input::parse(
        &json!({"id":"a","name":"B","frequency":"DAILY","tasks":["CACHE_WARM"]}),
        &world.rules.catalog,
        world.now,
    );
    let refused = world.decide(|step| step.tried(|step| step.create_schedule(&operator(), taken.expect("an input"))));
    assert!(matches!(refused, Err(CommandError::IdTaken(_))));
}

#[test]
fn a_preview_says_what_the_fires_then_come_to() {
    let mut world = World::new("2026-01-01T00:30:00Z");
    world.create(
        json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["CACHE_WARM"],"window_start_hour":2,"window_end_hour":8,
        "targets":["default","wide"]}),
    );
    world.freeze(at("2026-01-01T03:00:00Z"), at("2026-01-01T04:00:00Z"), &[]).expect("a freeze");
    world.freeze(at("2026-01-01T04:00:00Z"), at("2026-01-01T05:00:00Z"), &["wide"]).expect("a freeze");
    world.hold_targets(None, Some(pause(Some("2026-01-01T03:00:00Z")))).expect("paused");
    let fires = preview(&world.schedule("a"), &world.rules.catalog, &world.state.holds, at("2026-01-01T01:00:00Z"), 5);
    let verdicts: Vec<Verdict> = fires.iter().map(|fire| fire.overall.verdict).collect();
    assert_eq!(verdicts, [Verdict::OutsideWindow, Verdict::Paused, Verdict::Frozen, Verdict::Run, Verdict::Run]);
    assert_eq!(fires[3].overall.reason.as_deref(), Some("it runs on 1 of 2 targets"));
    assert_eq!(fires[0].scheduled_for, at("2026-01-01T01:00:00Z"), "the first moment is part of it");
    for fire in fires {
        world.now = fire.scheduled_for;
        world.tick();
        for (target, judged) in fire.targets {
            let job = world
                .jobs()
                .into_iter()
                .find(|job| job.scheduled_for == fire.scheduled_for && job.target == target)
                .expect("a job");
            assert_eq!(job.reason.map_or("RUN", |reason| reason.as_str()), judged.verdict.as_str());
            assert_eq!(job.error_message, judged.reason);
        }
        while !world.under_way.is_empty() {
            world.report(Outcome::Succeeded);
        }
    }
    world.patch("a", json!({"enabled": false})).expect("disabled");
    let fires = preview(&world.schedule("a"), &world.rules.catalog, &world.state.holds, world.now, 2);
    assert!(fires.iter().all(|fire| fire.overall.verdict == Verdict::ScheduleDisabled));
}

#[test]
fn limited_callers_hold_only_what_is_theirs() {
    let mut world = hourly();
    let limited = Caller { access: Access::from_claim(Some(&json!("target:wide"))), ..operator() };
    let mut pause_as =
        |target: Option<&str>| world.decide(|step| step.hold_targets(&limited, target.map(str::to_owned), Some(pause(None))));
    for target in [None, Some("default"), Some("nowhere")] {
        assert!(matches!(pause_as(target), Err(CommandError::OutsideAccess)), "{target:?}");
    }
    pause_as(Some("wide")).expect("its own");
    let refused = world.decide(|step| step.hold_schedule(&limited, &id("a"), ScheduleHold::Resume));
    assert!(matches!(refused, Err(CommandError::OutsideAccess)));
    let of_schedules = Caller { access: Access::from_claim(Some(&json!("target:wide schedule:mine-*"))), ..operator() };
    let refused = world.decide(|step| step.hold_targets(&of_schedules, Some("wide".to_owned()), Some(pause(None))));
    assert!(matches!(refused, Err(CommandError::OutsideAccess)), "it would stop the schedules of others");
    let own = world.freeze(at("2026-02-01T00:00:00Z"), at("2026-02-02T00:00:00Z"), &["wide"]).expect("a freeze");
    let others = world.freeze(at("2026-03-01T00:00:00Z"), at("2026-03-02T00:00:00Z"), &[]).expect("a freeze");
    assert!(matches!(world.decide(|step| step.delete_freeze(&limited, others)), Err(CommandError::OutsideAccess)));
    world.decide(|step| step.delete_freeze(&limited, own)).expect("its own");
}

#[test]
fn a_fire_that_fell_into_a_pause_or_a_freeze_is_not_made_up_for_however_late_it_is_dealt_with() {
    for hold in ["schedule", "target", "freeze"] {
        for restarts in [true, false] {
            let mut world = hourly();
            let until = "2026-01-01T01:00:30Z";
            match hold {
                "schedule" => drop(world.hold("a", ScheduleHold::Pause(pause(Some(until)))).expect("paused")),
                "target" => world.hold_targets(Some("default"), Some(pause(Some(until)))).expect("paused"),
                _ => drop(world.freeze(at("2026-01-01T00:50:00Z"), at(until), &[]).expect("a freeze")),
            }
            world.now = at("2026-01-01T01:00:40Z");
            if restarts {
                world.restart();
            }
            world.tick();
            let reason = if hold == "freeze" { Reason::Frozen } else { Reason::Paused };
            assert_eq!(world.states(), [(Skipped, Some(reason))], "{hold}, {restarts}");
        }
    }
}

#[test]
fn a_pause_that_begins_after_a_fire_does_not_hold_it_once_it_is_over() {
    let mut world = hourly();
    world.now = at("2026-01-01T01:00:10Z");
    world.hold("a", ScheduleHold::Pause(pause(Some("2026-01-01T01:00:20Z")))).expect("paused");
    assert_eq!(fires_until(&mut world, "2026-01-01T01:00:30Z"), [(Running, None)]);
}

#[test]
fn nothing_starts_on_a_held_target_though_more_wait_than_are_skipped_at_once() {
    let mut world = hourly();
    world.rules.max_schedules = 3000;
    world.hold_targets(Some("default"), Some(pause(None))).expect("paused");
    for n in 0..2100 {
        world.create(
            json!({"id":format!("s{n}"),"name":"S","cron_expression":"0 0 1 1 *","tasks":["CACHE_WARM"],"target":"wide"}),
        );
    }
    world.hold_targets(Some("wide"), None).expect("resumed");
    for n in 0..2100 {
        world.run(&format!("s{n}"), false).expect("a job");
    }
    let running = |world: &World| world.jobs().iter().filter(|job| job.state == Running).count();
    let before = running(&world);
    world.hold_targets(Some("wide"), Some(pause(None))).expect("paused");
    while !world.under_way.is_empty() {
        world.report(Outcome::Succeeded);
    }
    world.tick();
    let started = world.jobs().iter().filter(|job| job.started_at.is_some()).count();
    assert_eq!((started, running(&world)), (before, 0), "only those that ran when it was paused");
}

#[test]
fn the_pause_of_a_target_that_is_gone_can_be_ended_and_a_freeze_that_is_over_is_in_nobodys_way() {
    let mut world = hourly();
    world.hold_targets(Some("wide"), Some(pause(None))).expect("paused");
    world.rules.catalog = Arc::new(Catalog::new([("default".to_owned(), TargetCatalog::default())].into()));
    world.hold_targets(Some("wide"), None).expect("resumed");
    assert!(world.state.holds.is_empty());
    world.freeze(at("2026-01-01T00:00:00Z"), at("2026-01-01T00:40:00Z"), &[]).expect("a freeze");
    world.now = at("2026-01-01T00:45:00Z");
    world.freeze(at("2026-01-01T00:10:00Z"), at("2026-01-01T02:00:00Z"), &[]).expect("another one");
}
