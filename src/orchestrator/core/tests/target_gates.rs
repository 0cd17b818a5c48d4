//! Targets that do not answer, and targets that say not now.

use serde_json::json;

use super::*;
use crate::domain::target_state::Breaker;
use JobState::{Pending, Running, Skipped};

/// Four schedules on one target, with a window from 1 to 5.
fn world_on(target: &str) -> World {
    let mut world = World::new("2026-01-01T02:00:00Z");
    for name in ["a", "b", "c", "d"] {
        world.create(json!({"id":name,"name":name,"cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,
            "tasks":["CUSTOM"],"target":target,"max_attempts":1}));
    }
    world
}

fn unanswered() -> AttemptReport {
    AttemptReport { answered: Some(false), ..report(Outcome::Transient) }
}

fn answered(outcome: Outcome) -> AttemptReport {
    AttemptReport { answered: Some(true), ..report(outcome) }
}

/// Runs `a` and `b`, which get no answer: the breaker of `default` opens.
fn with_an_open_breaker() -> World {
    let mut world = world_on("default");
    for name in ["a", "b"] {
        world.run(name, false).unwrap();
        let call = world.under_way.remove(0);
        world.report_on(&call, unanswered());
    }
    world
}

fn breaker(world: &World) -> Breaker {
    world.state.target("default").map_or(Breaker::Closed, |target| target.breaker)
}

#[test]
fn jobs_wait_while_the_breaker_is_open_and_start_when_the_target_answers() {
    let mut world = with_an_open_breaker();
    assert_eq!(breaker(&world), Breaker::Open);
    assert_eq!(world.run("c", false).unwrap().state, Pending);
    world.tick_at("2026-01-01T02:00:09.999Z");
    assert!(world.asked.is_empty() && world.under_way.is_empty());
    world.tick_at("2026-01-01T02:00:10Z");
    assert_eq!((breaker(&world), std::mem::take(&mut world.asked)), (Breaker::HalfOpen, vec!["default".to_owned()]));
    assert_eq!(world.last_job().state, Pending, "nothing starts before the answer");
    world.decide(|step| step.target_answered("default", &TargetAnswer::Ready));
    assert_eq!((breaker(&world), world.last_job().state), (Breaker::Closed, Running));
    assert_eq!(world.state.target("default"), None, "nothing is out of the ordinary any more");
}

#[test]
fn a_vain_question_is_followed_by_a_longer_wait() {
    let mut world = with_an_open_breaker();
    for (asked_at, next) in [("2026-01-01T02:00:10Z", "2026-01-01T02:00:30Z"), ("2026-01-01T02:00:30Z", "2026-01-01T02:01:10Z")] {
        world.tick_at(asked_at);
        assert_eq!(std::mem::take(&mut world.asked), ["default"]);
        world.decide(|step| step.target_answered("default", &TargetAnswer::Unreachable("refused".to_owned())));
        assert_eq!((breaker(&world), world.state.next_due()), (Breaker::Open, Some(at(next))));
    }
}

#[test]
fn a_job_that_waits_for_an_open_breaker_until_its_window_ends_says_so() {
    let mut world = with_an_open_breaker();
    world.run("c", false).unwrap();
    world.tick_at("2026-01-01T05:00:00Z");
    let job = world.last_job();
    assert_eq!((job.state, job.reason), (Skipped, Some(Reason::QueueTimeout)));
    let message = job.error_message.clone().unwrap();
    assert!(message.contains("target 'default'") && message.contains("it failed"), "{message}");
}

#[test]
fn without_a_window_the_queue_timeout_ends_the_wait() {
    let mut world = with_an_open_breaker();
    world.patch("c", json!({"enforce_window": false})).unwrap();
    world.run("c", false).unwrap();
    for (now, state) in [("2026-01-01T02:59:00Z", Pending), ("2026-01-01T03:05:00Z", Skipped)] {
        world.tick_at(now);
        for target in std::mem::take(&mut world.asked) {
            world.decide(|step| step.target_answered(&target, &TargetAnswer::Unreachable("refused".to_owned())));
        }
        assert_eq!(world.last_job().state, state, "{now}");
    }
    assert_eq!(world.last_job().reason, Some(Reason::QueueTimeout));
}

#[test]
fn any_answer_of_a_running_job_closes_the_breaker() {
    let mut world = world_on("wide");
    for name in ["a", "b"] {
        world.run(name, false).unwrap();
    }
    let still_running = world.under_way.remove(0);
    let failing = world.under_way.remove(0);
    world.report_on(&failing, unanswered());
    world.run("c", false).unwrap();
    let failing = world.under_way.remove(0);
    world.report_on(&failing, unanswered());
    let open = |world: &World| world.state.target("wide").is_some();
    assert!(open(&world));
    assert_eq!(world.run("d", false).unwrap().state, Pending);
    world.report_on(&still_running, answered(Outcome::Permanent));
    world.tick();
    assert!(!open(&world));
    assert_eq!(world.last_job().state, Running);
}

#[test]
fn failures_with_an_answer_between_them_and_failures_of_our_own_do_not_open_it() {
    let mut world = world_on("default");
    for (name, report) in
        [("a", unanswered()), ("b", answered(Outcome::Permanent)), ("c", unanswered()), ("d", report(Outcome::Permanent))]
    {
        world.run(name, false).unwrap();
        let call = world.under_way.remove(0);
        world.report_on(&call, report);
        assert_eq!(breaker(&world), Breaker::Closed);
    }
}

#[test]
fn a_target_with_checks_is_asked_before_each_job() {
    let mut world = world_on("guarded");
    assert_eq!(world.run("a", false).unwrap().state, Pending);
    assert_eq!(world.run("b", false).unwrap().state, Pending);
    assert_eq!(std::mem::take(&mut world.asked), ["guarded"], "one question at a time");
    world.decide(|step| step.target_answered("guarded", &TargetAnswer::Ready));
    assert_eq!(world.jobs().iter().map(|job| job.state).collect::<Vec<_>>(), [Running, Pending]);
    assert!(world.asked.is_empty(), "there is no slot for the second");
    world.report(Outcome::Succeeded);
    assert_eq!(std::mem::take(&mut world.asked), ["guarded"]);
    world.decide(|step| step.target_answered("guarded", &TargetAnswer::Ready));
    assert_eq!(world.last_job().state, Running);
    world.report(Outcome::Succeeded);
    assert_eq!((world.asked.len(), world.state.target("guarded")), (0, None));
}

#[test]
fn a_check_that_says_no_puts_the_job_off_and_the_last_word_is_kept() {
    let mut world = world_on("guarded");
    world.run("a", false).unwrap();
    let postpone = || TargetAnswer::Postpone("compaction is behind".to_owned());
    world.asked.clear();
    world.decide(|step| step.target_answered("guarded", &postpone()));
    assert_eq!(world.last_job().state, Pending);
    assert_eq!(world.state.next_due(), Some(at("2026-01-01T02:00:30Z")));
    world.tick_at("2026-01-01T02:00:29Z");
    assert!(world.asked.is_empty());
    world.tick_at("2026-01-01T02:00:30Z");
    assert_eq!(std::mem::take(&mut world.asked), ["guarded"]);
    world.decide(|step| step.target_answered("guarded", &postpone()));
    world.now = at("2026-01-01T05:00:00Z");
    world.tick();
    let job = world.last_job();
    assert_eq!((job.state, job.reason), (Skipped, Some(Reason::QueueTimeout)));
    assert!(job.error_message.as_deref().unwrap().contains("compaction is behind"));
    world.tick_at("2026-01-01T05:01:00Z");
    assert_eq!(world.state.target("guarded"), None, "nobody waits, so nothing is remembered");
}

#[test]
fn an_answer_that_nobody_asked_for_changes_nothing() {
    let mut world = with_an_open_breaker();
    let before = world.state.clone();
    world.decide(|step| step.target_answered("default", &TargetAnswer::Ready));
    world.decide(|step| step.target_answered("wide", &TargetAnswer::Postpone("no".to_owned())));
    assert_eq!(world.state, before);
}
