use serde_json::json;

use super::*;
use crate::domain::job::Trigger;

const PENDING: (JobState, Option<Reason>) = (JobState::Pending, None);
const RUNNING: (JobState, Option<Reason>) = (JobState::Running, None);

#[test]
fn a_fire_inside_the_window_runs_and_sets_the_next_time() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    let created = world.create(
        json!({"id":"a","name":"A","cron_expression":"0 2 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["CUSTOM"]}),
    );
    assert_eq!(created.run.next_run_at, Some(at("2026-01-01T02:00:00Z")));
    world.tick_at("2026-01-01T01:59:59.999Z");
    assert_eq!(world.states(), []);
    world.tick_at("2026-01-01T02:00:00.004Z");
    assert_eq!(world.states(), [RUNNING]);
    let job = world.last_job();
    assert_eq!((job.trigger, job.scheduled_for), (Trigger::Cron, at("2026-01-01T02:00:00Z")));
    let run = world.schedule("a").run.clone();
    assert_eq!((run.next_run_at, run.last_job_id), (Some(at("2026-01-02T02:00:00Z")), Some(job.id)));
    assert_eq!((run.last_run_at, run.last_run_state), (Some(world.now), Some(JobState::Running)));
    assert_eq!(world.schedule("a").version, 1);
}

#[test]
fn a_fire_outside_the_window_is_skipped_and_does_not_hide_the_last_run() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 6 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["CUSTOM", "CUSTOM"]}));
    world.tick_at("2026-01-01T06:00:00Z");
    let job = world.last_job();
    assert_eq!(world.states(), [(JobState::Skipped, Some(Reason::OutsideWindow))]);
    assert_eq!((job.started_at, job.finished_at), (None, Some(world.now)));
    assert_eq!(world.task_states(), [JobState::Skipped, JobState::Skipped]);
    assert!(job.error_message.as_deref().unwrap().contains("01:00–05:00 UTC"));
    assert_eq!(world.schedule("a").run.last_job_id, None);
}

#[test]
fn an_unenforced_window_does_not_bind() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 6 * * *","window_start_hour":1,"window_end_hour":5,"enforce_window":false,"tasks":["CUSTOM"]}));
    world.tick_at("2026-01-01T06:00:00Z");
    assert_eq!(world.states(), [RUNNING]);
}

#[test]
fn a_fire_while_a_job_is_active_is_an_overlap() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"*/10 * * * * *","tasks":["CUSTOM"]}));
    world.tick_at("2026-01-01T00:00:10Z");
    world.tick_at("2026-01-01T00:00:20Z");
    assert_eq!(world.states(), [RUNNING, (JobState::Skipped, Some(Reason::Overlap))]);
}

#[test]
fn one_job_at_a_time_per_target_oldest_fire_first() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    for name in ["c", "a", "b"] {
        let second = match name {
            "c" => 10,
            "a" => 20,
            _ => 30,
        };
        world.create(json!({"id":name,"name":name,"cron_expression":format!("{second} 0 * * * *"),"tasks":["CUSTOM"]}));
    }
    world.tick_at("2026-01-01T00:00:30Z");
    assert_eq!(world.states(), [RUNNING, PENDING, PENDING]);
    assert_eq!(world.schedule("a").run.last_run_at, None);
    world.report(Outcome::Succeeded);
    let running: Vec<String> =
        world.jobs().iter().filter(|job| job.state == JobState::Running).map(|job| job.schedule_id.to_string()).collect();
    assert_eq!(running, ["a"]);
}

#[test]
fn a_job_that_waits_past_its_window_is_skipped() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"long","name":"L","cron_expression":"0 1 * * *","tasks":["CUSTOM"]}));
    world.create(
        json!({"id":"a","name":"A","cron_expression":"59 1 * * *","window_start_hour":1,"window_end_hour":2,"tasks":["CUSTOM"]}),
    );
    world.tick_at("2026-01-01T01:59:00Z");
    assert_eq!(world.states(), [RUNNING, PENDING]);
    world.tick_at("2026-01-01T02:00:00Z");
    assert_eq!(world.states(), [RUNNING, (JobState::Skipped, Some(Reason::WindowClosed))]);
}

#[test]
fn fires_missed_while_the_service_slept_become_one_row_and_one_catch_up() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["CUSTOM"]}));
    world.tick_at("2026-01-01T05:30:00Z");
    assert_eq!(world.states(), [(JobState::Skipped, Some(Reason::Misfired)), RUNNING]);
    let jobs = world.jobs();
    assert!(jobs[0].error_message.as_deref().unwrap().starts_with("4 fires were missed"));
    assert_eq!((jobs[1].trigger, jobs[1].scheduled_for), (Trigger::CatchUp, at("2026-01-01T05:00:00Z")));
    assert_eq!(world.schedule("a").run.next_run_at, Some(at("2026-01-01T06:00:00Z")));
}

#[test]
fn the_policy_skip_makes_nothing_up() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 * * * *","misfire_policy":"SKIP","tasks":["CUSTOM"]}));
    world.tick_at("2026-01-01T05:30:00Z");
    assert_eq!(world.states(), [(JobState::Skipped, Some(Reason::Misfired))]);
    assert!(world.last_job().error_message.as_deref().unwrap().starts_with("5 fires were missed"));
}

#[test]
fn a_missed_fire_is_made_up_for_only_while_it_is_young_or_its_window_is_open() {
    for (now, enforce, expected) in [
        ("2026-01-01T04:59:00Z", true, RUNNING),
        ("2026-01-01T05:01:00Z", true, (JobState::Skipped, Some(Reason::Misfired))),
        ("2026-01-02T01:30:00Z", true, (JobState::Skipped, Some(Reason::Misfired))),
        ("2026-01-01T03:00:00Z", false, (JobState::Skipped, Some(Reason::Misfired))),
        ("2026-01-01T02:00:59Z", false, RUNNING),
    ] {
        let mut world = World::new("2026-01-01T00:00:00Z");
        world.create(json!({"id":"a","name":"A","cron_expression":"0 2 * * *","window_start_hour":1,"window_end_hour":5,"enforce_window":enforce,"tasks":["CUSTOM"]}));
        world.now = at(now);
        world.decide(|step| step.recover());
        assert_eq!(world.states(), [expected], "{now}");
    }
}

#[test]
fn a_fire_found_at_a_restart_is_a_catch_up_however_young() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 2 * * *","misfire_policy":"SKIP","tasks":["CUSTOM"]}));
    world.create(json!({"id":"b","name":"B","cron_expression":"0 2 * * *","tasks":["CUSTOM"]}));
    world.now = at("2026-01-01T02:00:01Z");
    world.decide(|step| step.recover());
    assert_eq!(world.states(), [(JobState::Skipped, Some(Reason::Misfired)), RUNNING]);
    assert_eq!(world.last_job().trigger, Trigger::CatchUp);
}

#[test]
fn a_clock_that_goes_back_strands_no_schedule_and_repeats_no_fire() {
    let mut world = World::new("2026-06-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["CUSTOM"]}));
    world.tick_at("2026-06-01T01:00:00Z");
    world.report(Outcome::Succeeded);
    world.now = at("2026-06-01T00:30:00Z");
    world.decide(|step| step.rearm());
    assert_eq!(world.schedule("a").run.next_run_at, Some(at("2026-06-01T01:00:00Z")));
    world.tick_at("2026-06-01T01:00:00Z");
    assert_eq!(world.jobs().len(), 1);
    assert_eq!(world.schedule("a").run.next_run_at, Some(at("2026-06-01T02:00:00Z")));
}

#[test]
fn nothing_new_starts_while_draining() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 * * * *","tasks":["CUSTOM"]}));
    world.decide(|step| step.state.drain());
    world.tick_at("2026-01-01T01:00:00Z");
    assert_eq!(world.states(), []);
    assert_eq!(world.state.next_due(), None);
}

#[test]
fn a_run_asked_for_in_the_millisecond_of_a_fire_does_not_swallow_the_fire() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"a","name":"A","cron_expression":"0 2 * * *","tasks":["CUSTOM"]}));
    world.now = at("2026-01-01T02:00:00Z");
    let run = world.run("a", false).unwrap();
    world.tick();
    assert_eq!(run.scheduled_for, at("2026-01-01T02:00:00.001Z"));
    assert_eq!(world.states(), [RUNNING, (JobState::Skipped, Some(Reason::Overlap))]);
    assert_eq!(world.last_job().scheduled_for, at("2026-01-01T02:00:00Z"));
}

#[test]
fn a_running_service_is_on_time_however_short_the_grace() {
    for policy in ["RUN_ONCE", "SKIP"] {
        let mut world = World::new("2026-01-01T00:00:00Z");
        world.rules.misfire_grace = TimeDelta::zero();
        world.create(json!({"id":"a","name":"A","cron_expression":"0 2 * * *","misfire_policy":policy,"enforce_window":false,"tasks":["CUSTOM"]}));
        world.tick_at("2026-01-01T02:00:00.001Z");
        assert_eq!(world.states(), [RUNNING], "{policy}");
        assert_eq!(world.last_job().trigger, Trigger::Cron);
    }
}

#[test]
fn a_job_that_waited_when_the_service_ended_does_not_run_in_a_later_nights_window() {
    let mut world = World::new("2026-01-01T00:00:00Z");
    world.create(json!({"id":"long","name":"L","cron_expression":"0 1 * * *","tasks":["CUSTOM"]}));
    world.create(
        json!({"id":"a","name":"A","cron_expression":"50 1 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["CUSTOM"]}),
    );
    world.tick_at("2026-01-01T01:50:00Z");
    assert_eq!(world.states(), [RUNNING, PENDING]);
    world.now = at("2026-01-02T01:10:00Z");
    world.decide(|step| step.recover());
    assert_eq!(world.states()[1], (JobState::Skipped, Some(Reason::WindowClosed)));
}
