//! The invariants of the module's documentation, after every step of random histories.

use std::collections::{BTreeSet, HashMap, HashSet};

use proptest::prelude::*;
use serde_json::json;

use super::holds::pause;
use super::*;
use crate::domain::idempotency::KEPT_FOR;
use crate::domain::pause::{PauseInput, PausePlace};
use crate::domain::ports::{Change, Checkpoint};
use crate::domain::schedule::OnWindowClose;
use crate::orchestrator::message::ScheduleHold;

#[derive(Debug, Clone)]
enum Input {
    Create { slot: u8, cron: u8, window: (u8, u8), enforce: bool, halt: bool, target: u8, tasks: u8, skip: bool, close: u8 },
    Patch { slot: u8, cron: u8, enabled: Option<bool> },
    Delete { slot: u8 },
    Run { slot: u8, force: bool },
    RunKeyed { slot: u8, key: u8, force: bool },
    Retry { nth: u8 },
    Cancel { nth: u8 },
    Advance { seconds: u32 },
    StepBack { seconds: u16 },
    Report { nth: u8, outcome: u8, idempotent: bool, answered: Option<bool> },
    Discover { nth: u8, found: u8 },
    Checkpoint { nth: u8, handle: bool },
    Progress { nth: u8, percent: u8 },
    Answer { nth: u8, answer: u8 },
    Stopped { nth: u8, sent: bool },
    HoldSchedule { slot: u8, how: u8, seconds: u32 },
    HoldTargets { target: u8, seconds: Option<u32> },
    Freeze { target: u8, from: u32, seconds: u32 },
    Prune,
    Restart,
    FailedCommit(Box<Input>),
}

fn input() -> impl Strategy<Value = Input> {
    let slot = 0..5_u8;
    let leaf = prop_oneof![
        3 => (slot.clone(), 0..5_u8, (0..24_u8, 0..24_u8), any::<bool>(), any::<bool>(), 0..5_u8, 1..5_u8, any::<bool>(), 0..6_u8)
            .prop_map(|(slot, cron, window, enforce, halt, target, tasks, skip, close)| Input::Create { slot, cron, window, enforce, halt, target, tasks, skip, close }),
        2 => (slot.clone(), 0..5_u8, any::<Option<bool>>()).prop_map(|(slot, cron, enabled)| Input::Patch { slot, cron, enabled }),
        1 => slot.clone().prop_map(|slot| Input::Delete { slot }),
        2 => (slot.clone(), 0..2_u8, any::<bool>()).prop_map(|(slot, key, force)| Input::RunKeyed { slot, key, force }),
        4 => any::<u8>().prop_map(|nth| Input::Retry { nth }),
        3 => (slot, any::<bool>()).prop_map(|(slot, force)| Input::Run { slot, force }),
        2 => any::<u8>().prop_map(|nth| Input::Cancel { nth }),
        6 => prop_oneof![0..30_u32, 0..7200_u32, 0..400_000_u32].prop_map(|seconds| Input::Advance { seconds }),
        1 => any::<u16>().prop_map(|seconds| Input::StepBack { seconds }),
        8 => (any::<u8>(), 0..4_u8, any::<bool>(), any::<Option<bool>>())
            .prop_map(|(nth, outcome, idempotent, answered)| Input::Report { nth, outcome, idempotent, answered }),
        1 => (any::<u8>(), 0..4_u8).prop_map(|(nth, found)| Input::Discover { nth, found }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(nth, handle)| Input::Checkpoint { nth, handle }),
        1 => (any::<u8>(), 0..101_u8).prop_map(|(nth, percent)| Input::Progress { nth, percent }),
        4 => (any::<u8>(), 0..3_u8).prop_map(|(nth, answer)| Input::Answer { nth, answer }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(nth, sent)| Input::Stopped { nth, sent }),
        1 => (0..5_u8, 0..4_u8, 0..40_000_u32).prop_map(|(slot, how, seconds)| Input::HoldSchedule { slot, how, seconds }),
        1 => (0..4_u8, prop::option::of(0..40_000_u32)).prop_map(|(target, seconds)| Input::HoldTargets { target, seconds }),
        1 => (0..4_u8, 0..40_000_u32, 1..40_000_u32).prop_map(|(target, from, seconds)| Input::Freeze { target, from, seconds }),
        1 => Just(Input::Prune),
        1 => Just(Input::Restart),
    ];
    prop_oneof![9 => leaf.clone(), 1 => leaf.prop_map(|input| Input::FailedCommit(Box::new(input)))]
}

const CRONS: [&str; 5] = ["*/10 * * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "0 0 1 1 *"];

fn apply(world: &mut World, input: &Input) {
    let slot_id = |slot: &u8| format!("s{slot}");
    match input {
        Input::Create { slot, cron, window, enforce, halt, target, tasks, skip, close } => {
            let mut document = json!({
                "id": slot_id(slot), "name": "n", "cron_expression": CRONS[usize::from(*cron)],
                "window_start_hour": window.0, "window_end_hour": window.1, "enforce_window": enforce, "halt_on_task_failure": halt,
                "tasks": vec![json!("CUSTOM"); usize::from(*tasks)], "misfire_policy": if *skip { "SKIP" } else { "RUN_ONCE" },
                "on_window_close": OnWindowClose::ALL[usize::from(close % 3)], "fit_check": *close > 2,
            });
            match target {
                0 => document["target_group"] = json!("all"),
                1 => document["targets"] = json!(["wide", "default"]),
                target => document["target"] = json!(["default", "wide", "guarded"][usize::from(target - 2)]),
            }
            if *tasks == 4 {
                document["tasks"] = json!([{"task_type": "CUSTOM", "parameters": [{"n": 1}, {"n": 2}]}, "CUSTOM"]);
            }
            let _ = world.try_create(document);
        }
        Input::Patch { slot, cron, enabled } => {
            let mut patch = json!({"cron_expression": CRONS[usize::from(*cron)]});
            if let Some(enabled) = enabled {
                patch["enabled"] = json!(enabled);
            }
            let _ = world.patch(&slot_id(slot), patch);
        }
        Input::Delete { slot } => {
            let _ = world.decide(|step| step.delete_schedule(&operator(), &id(&slot_id(slot)), &Precondition::None));
        }
        Input::Run { slot, force } => {
            let _ = world.run(&slot_id(slot), *force);
        }
        Input::RunKeyed { slot, key, force } => run_keyed(world, &slot_id(slot), &key.to_string(), *force),
        Input::Retry { nth } => {
            let jobs = world.jobs();
            if let Some(job) = jobs.get(usize::from(*nth) % jobs.len().max(1)) {
                let schedule = world.state.schedules.get(&job.schedule_id).cloned();
                let current = schedule.as_ref().map(|schedule| schedule.definition.target.resolve(&world.rules.catalog));
                let blocks = |other: &Job| {
                    other.target == job.target
                        || !current.as_ref().is_some_and(|targets| targets.contains(&other.target.as_str()))
                };
                let busy = jobs.iter().any(|other| other.schedule_id == job.schedule_id && other.is_active() && blocks(other));
                let refused = world.retry(job.id).is_err();
                assert_eq!(refused, busy || job.state == JobState::Succeeded, "what is left undone can be retried");
            }
        }
        Input::Cancel { nth } => {
            let active: Vec<JobId> = world.jobs().iter().filter(|job| job.is_active()).map(|job| job.id).collect();
            if let Some(job) = active.get(usize::from(*nth) % active.len().max(1)) {
                world.decide(|step| step.cancel_job(&operator(), *job)).unwrap();
            }
        }
        Input::Advance { seconds } => {
            world.now += TimeDelta::seconds(i64::from(*seconds));
            world.tick();
        }
        Input::StepBack { seconds } => {
            world.now -= TimeDelta::seconds(i64::from(*seconds));
            world.decide(|step| step.rearm());
        }
        Input::Report { nth, outcome, idempotent, answered } => {
            if !world.under_way.is_empty() {
                let call = world.under_way.remove(usize::from(*nth) % world.under_way.len());
                let outcome = Outcome::ALL[usize::from(*outcome)];
                world.report_on(&call, AttemptReport { idempotent: *idempotent, answered: *answered, ..report(outcome) });
            }
        }
        Input::Discover { nth, found } => {
            if !world.under_way.is_empty() {
                let call = world.under_way.remove(usize::from(*nth) % world.under_way.len());
                let found = (0..*found).map(|n| json!({ "n": n }).as_object().cloned().unwrap()).collect();
                world.report_on(&call, AttemptReport { discovered: Some(found), ..report(Outcome::Succeeded) });
            }
        }
        Input::Checkpoint { nth, handle } => {
            if let Some(call) = world.under_way.get(usize::from(*nth) % world.under_way.len().max(1)).cloned() {
                let kept = Checkpoint { handle: handle.then(|| json!("h")), ..Checkpoint::default() };
                world.decide(|step| step.checkpoint_reported(AttemptId::of(&call), kept));
            }
        }
        Input::Progress { nth, percent } => {
            if let Some(call) = world.under_way.get(usize::from(*nth) % world.under_way.len().max(1)).cloned() {
                world.decide(|step| step.progress_reported(AttemptId::of(&call), *percent));
            }
        }
        Input::Answer { nth, answer } => {
            if !world.asked.is_empty() {
                let target = world.asked.remove(usize::from(*nth) % world.asked.len());
                let answer = match answer {
                    0 => TargetAnswer::Ready,
                    1 => TargetAnswer::Postpone("not now".to_owned()),
                    _ => TargetAnswer::Unreachable("refused".to_owned()),
                };
                world.decide(|step| step.target_answered(&target, &answer));
            }
        }
        Input::Stopped { nth, sent } => {
            if !world.stops.is_empty() {
                let job = world.stops.remove(usize::from(*nth) % world.stops.len());
                if let Some(position) = world.under_way.iter().position(|call| call.job_id == job) {
                    let call = world.under_way.remove(position);
                    world.decide(|step| step.attempt_stopped(AttemptId::of(&call), *sent));
                }
            }
        }
        Input::HoldSchedule { slot, how, seconds } => {
            let until = Some(world.now + TimeDelta::seconds(i64::from(*seconds) + 1));
            let hold = match how {
                0 => ScheduleHold::Pause(PauseInput { until, ..pause(None) }),
                1 => ScheduleHold::Pause(pause(None)),
                2 => ScheduleHold::Resume,
                _ => ScheduleHold::SkipNext(String::new()),
            };
            let _ = world.hold(&slot_id(slot), hold);
        }
        Input::HoldTargets { target, seconds } => {
            let until = seconds.map(|seconds| world.now + TimeDelta::seconds(i64::from(seconds) + 1));
            let input = until.map(|until| PauseInput { until: Some(until), ..pause(None) });
            world.hold_targets(hold_target(*target), input).unwrap();
        }
        Input::Freeze { target, from, seconds } => {
            let from = world.now + TimeDelta::seconds(i64::from(*from));
            let targets: Vec<&str> = hold_target(*target).into_iter().collect();
            let _ = world.freeze(from, from + TimeDelta::seconds(i64::from(*seconds)), &targets);
        }
        Input::Prune => {
            world.decide(|step| step.prune(2));
            let World { answers, state, now, .. } = world;
            answers.retain(|(schedule, key), (expires_at, _)| {
                let kept = state.idempotency.keys().any(|id| id.key == *key && id.operation.ends_with(schedule.as_str()));
                assert!(kept || *expires_at <= *now, "an answer is kept for a day");
                kept
            });
        }
        Input::Restart => {
            world.restart();
        }
        Input::FailedCommit(input) => {
            let before = (world.state.clone(), world.under_way.clone(), world.stops.clone(), world.now);
            let mut changes: Vec<Change> = Vec::new();
            // Everything that `apply` decides goes through `World::decide`; here the same is decided in a step that is undone.
            let mut copy = World {
                state: before.0.clone(),
                rules: world.rules.clone(),
                ids: CountingIds(AtomicU64::new(1 << 40)),
                now: world.now,
                under_way: before.1.clone(),
                stops: before.2.clone(),
                asked: world.asked.clone(),
                answers: world.answers.clone(),
            };
            if !matches!(**input, Input::Restart) {
                apply(&mut copy, input);
                changes.extend(difference(&before.0, &copy.state));
                copy.state.undo(&changes);
                copy.state.draining = before.0.draining;
                assert_eq!(copy.state, before.0, "undo restores the state exactly");
            }
        }
    }
}

/// One of the targets, or `None` for all.
fn hold_target(number: u8) -> Option<&'static str> {
    [None, Some("default"), Some("wide"), Some("guarded")][usize::from(number)]
}

/// The changes that lead from one state to another.
fn difference(from: &State, to: &State) -> Vec<Change> {
    let mut changes = Vec::new();
    for id in from.schedules.keys().chain(to.schedules.keys()).collect::<HashSet<_>>() {
        let (before, after) = (from.schedules.get(id).cloned(), to.schedules.get(id).cloned());
        if before != after {
            changes.push(Change::Schedule { before, after });
        }
    }
    for id in from.jobs.keys().chain(to.jobs.keys()).collect::<HashSet<_>>() {
        let (before, after) = (from.jobs.get(id).cloned(), to.jobs.get(id).cloned());
        if before != after {
            changes.push(Change::Job { before, after });
        }
    }
    for id in from.idempotency.keys().chain(to.idempotency.keys()).collect::<HashSet<_>>() {
        let (before, after) = (from.idempotency.get(id).cloned(), to.idempotency.get(id).cloned());
        if before != after {
            changes.push(Change::Idempotency { before, after });
        }
    }
    for name in from.targets.keys().chain(to.targets.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (from.targets.get(name).cloned(), to.targets.get(name).cloned());
        if before != after {
            changes.push(Change::Target { name: name.clone(), before, after });
        }
    }
    for place in
        [PausePlace::All].into_iter().chain((1..4).filter_map(|number| Some(PausePlace::Target(hold_target(number)?.to_owned()))))
    {
        let pause = |state: &State| match &place {
            PausePlace::Target(name) => state.holds.of_target(name).cloned(),
            _ => state.holds.of_all().cloned(),
        };
        let (before, after) = (pause(from), pause(to));
        if before != after {
            changes.push(Change::Pause { place, before, after });
        }
    }
    for freeze in from.holds.freezes().chain(to.holds.freezes()).map(|freeze| freeze.id).collect::<BTreeSet<_>>() {
        let (before, after) = (from.holds.freeze(freeze).cloned(), to.holds.freeze(freeze).cloned());
        if before != after {
            changes.push(Change::Freeze { before, after });
        }
    }
    changes
}

/// Runs a schedule under a key, whose body is whether it is forced, and holds the answer against those that were given before.
fn run_keyed(world: &mut World, schedule: &str, key: &str, force: bool) {
    let name = (schedule.to_owned(), key.to_owned());
    let earlier = world.answers.get(&name).filter(|(expires_at, _)| world.now < *expires_at).map(|(_, first)| first.clone());
    let before = world.state.clone();
    let operation = Operation { name: "run_schedule", object: schedule };
    let request = Some(request(key, &force.to_string()));
    let run = |step: &mut Step<'_>| step.run_schedule(&operator(), &id(schedule), force, None);
    let result = world.decide(|step| step.alone(|step| step.once(&operator(), operation, request, run)));
    match (earlier, result) {
        (Some(first), Ok(answered)) => {
            assert_eq!((answered.replayed, &answered.value), (true, &first), "a key has one answer");
            assert_eq!(answered.value.forced, force, "an answer is for its body alone");
            assert_eq!(world.state, before, "a key has one effect");
        }
        (Some(first), Err(_)) => {
            assert_ne!(first.forced, force, "only another body is refused");
            assert_eq!(world.state, before);
        }
        (None, Ok(answered)) => {
            assert!(!answered.replayed && world.state.jobs.contains_key(&answered.value.id));
            world.answers.insert(name, (world.now + KEPT_FOR, answered.value));
        }
        (None, Err(_)) => assert_eq!(world.state, before, "a refused request leaves nothing behind"),
    }
}

fn check(world: &World, seen: &mut HashMap<JobId, Arc<Job>>, started: &mut HashSet<(JobId, usize, u32)>, held: bool) {
    let state = &world.state;
    let mut fires = HashSet::new();
    let mut active = HashSet::new();
    let mut running: HashMap<&str, usize> = HashMap::new();
    for job in state.jobs.values() {
        assert!(fires.insert((&job.schedule_id, job.scheduled_for, &job.target)), "a fire starts at most one job on a target");
        if job.is_active() {
            assert!(active.insert((&job.schedule_id, &job.target)), "a schedule has at most one active job on a target");
        }
        if job.state == JobState::Running {
            *running.entry(&job.target).or_default() += 1;
            let task = &job.tasks[job.running_task().expect("a running job has a running task")];
            let under_way = world.under_way.iter().any(|call| call.job_id == job.id && call.attempt == task.attempts);
            assert!(under_way || task.retry_at.is_some(), "a running job has an attempt under way or waits for one");
        } else {
            assert!(job.running_task().is_none(), "no task runs in a job that does not");
        }
        for task in &job.tasks {
            let running = task.items.iter().filter(|item| item.state == JobState::Running).count();
            assert_eq!(
                running,
                usize::from(task.state == JobState::Running && !task.items.is_empty()),
                "calls follow each other"
            );
            assert!(
                !task.state.is_terminal() || task.items.iter().all(|item| item.state.is_terminal()),
                "a task ends with its calls"
            );
            assert!(task.state == JobState::Running || task.checkpoint.is_empty(), "only a running task waits for something");
        }
        assert!(job.progress_pct() <= 100);
        if job.state.is_terminal() {
            assert!(job.finished_at.is_some());
            assert!(job.tasks.iter().all(|task| task.state.is_terminal()), "the tasks of an ended job have ended");
        }
        if let Some(earlier) = seen.get(&job.id).filter(|earlier| earlier.state.is_terminal()) {
            assert_eq!(earlier, job, "a terminal state is never left");
        }
        if let Some(original) = job.retry_of.map(|id| &seen[&id]) {
            for (done, taken_over) in original.tasks.iter().zip(&job.tasks).filter(|(task, _)| task.state == JobState::Succeeded)
            {
                assert_eq!(done, taken_over, "a retry takes over what succeeded as it ended");
            }
        }
        seen.insert(job.id, Arc::clone(job));
    }
    assert!(running.values().sum::<usize>() <= world.rules.max_concurrent_jobs);
    for (target, count) in running {
        assert!(count <= world.rules.catalog.max_concurrent_jobs(target), "a target runs no more jobs than it may");
    }
    for call in &world.under_way {
        if !started.insert((call.job_id, call.task_index, call.attempt)) {
            continue;
        }
        let mut ancestor = seen.get(&call.job_id).and_then(|job| job.retry_of);
        while let Some(original) = ancestor.map(|id| &seen[&id]) {
            assert_ne!(original.tasks[call.task_index].state, JobState::Succeeded, "a task that succeeded is never run again");
            ancestor = original.retry_of;
        }
        let Some(job) = state.jobs.get(&call.job_id) else { continue };
        let adopted = call.checkpoint.handle.is_some();
        if let Some(window) = job.window_while_running().filter(|_| !adopted) {
            assert!(window.contains(world.now), "no task starts outside a window that binds");
        }
        if !adopted {
            assert!(state.holds.freeze_of(&job.target, world.now).is_none(), "no task starts on a frozen target");
            let starts_job = job.started_at == Some(world.now) && call.attempt == 1 && call.task_index == 0;
            // A job that started in this very step before the pause was asked for goes on.
            let paused = state.holds.on_target(&job.target, world.now).is_some();
            assert!(!(starts_job && paused && held), "no job starts on a paused target");
        }
    }
    for schedule in state.schedules.values() {
        match schedule.run.next_run_at {
            None => assert!(!schedule.definition.enabled, "an enabled schedule has a next run"),
            Some(next) => {
                assert!(schedule.definition.enabled, "a disabled schedule has no next run");
                let cron = &schedule.definition.cron;
                assert_eq!(cron.next_after(next - TimeDelta::milliseconds(1)), Some(next), "the next run is a match");
            }
        }
    }
    for (name, target) in &state.targets {
        assert_eq!(target.asking, world.asked.contains(name), "a target is asked when it is said to be, and once");
        let asked_later = target.asking || target.ask_at.is_some();
        assert!(
            !target.is_shut() || asked_later || state.queues.get(name).is_some_and(|queue| !queue.pending.is_empty()),
            "a shut target is asked again"
        );
        assert!(!target.cleared, "a clearance is for the job that starts now");
    }
    assert!(world.asked.iter().all(|name| state.targets.contains_key(name)));
    let mut rebuilt = State::restore(stored(state));
    let known = state.targets().into_iter().map(|(name, target)| Change::Target { name, before: None, after: Some(target) });
    known.for_each(|change| rebuilt.apply(&change));
    rebuilt.draining = state.draining;
    assert_eq!(&rebuilt, state, "every index is a function of the entities");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_invariants_hold_after_every_step(history in prop::collection::vec(input(), 1..60)) {
        let mut world = World::new("2026-01-01T00:00:00Z");
        let (mut seen, mut started) = (HashMap::new(), HashSet::new());
        for input in &history {
            // Whether it is the pause itself, which lets go on what runs.
            let held = !matches!(input, Input::HoldTargets { .. });
            apply(&mut world, input);
            // As the actor does at the end of every batch.
            world.decide(|step| step.admit());
            check(&world, &mut seen, &mut started, held);
        }
    }
}
