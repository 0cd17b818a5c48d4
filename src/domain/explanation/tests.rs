//! Every state and every reason, as people read them.

use chrono::TimeDelta;

use super::*;
use crate::domain::job::Outcome;
use crate::domain::sample::{job, made_at};

fn of(state: JobState, change: impl FnOnce(&mut Job)) -> String {
    around(state, Surroundings { max_running: 4, max_running_on_target: 1, ..Surroundings::default() }, change)
}

fn around(state: JobState, around: Surroundings, change: impl FnOnce(&mut Job)) -> String {
    let mut job = Job::clone(&job(1, state));
    change(&mut job);
    explain(&job, || around)
}

fn end(job: &mut Job, states: [JobState; 2], reason: Option<Reason>, message: &str) {
    for (task, state) in job.tasks.iter_mut().zip(states) {
        task.state = state;
    }
    job.reason = reason;
    job.error_message = (!message.is_empty()).then(|| message.to_owned());
}

fn surroundings() -> Surroundings {
    Surroundings { max_running: 4, max_running_on_target: 1, queue_timeout: TimeDelta::hours(1), ..Surroundings::default() }
}

fn shut(state: TargetState) -> Surroundings {
    Surroundings { target: Some(Arc::new(state)), ..surroundings() }
}

fn open() -> TargetState {
    TargetState {
        breaker: Breaker::Open,
        failures: 3,
        shut_since: Some(made_at() - TimeDelta::minutes(5)),
        reason: Some("connection refused".to_owned()),
        ask_at: Some(made_at() + TimeDelta::seconds(20)),
        ..TargetState::default()
    }
}

#[test]
fn a_job_that_succeeded_says_how_much_it_did_and_how_long_it_took() {
    use JobState::Succeeded;
    for (milliseconds, words) in
        [(0, "0 ms"), (999, "999 ms"), (1_250, "1.2 s"), (59_999, "59.9 s"), (125_000, "2 min 5 s"), (11_040_000, "3 h 4 min")]
    {
        let said = of(Succeeded, |job| {
            end(job, [Succeeded, Succeeded], None, "");
            job.started_at = Some(made_at());
            job.finished_at = Some(made_at() + TimeDelta::milliseconds(milliseconds));
        });
        assert_eq!(said, format!("Succeeded: 2 of 2 tasks in {words}."));
    }
    let alone = of(Succeeded, |job| {
        job.tasks.truncate(1);
        job.tasks[0].state = Succeeded;
    });
    assert_eq!(alone, "Succeeded: 1 of 1 task.");
}

#[test]
fn a_job_that_failed_names_the_first_task_that_did_and_its_attempts() {
    use JobState::{Failed, Skipped, Succeeded};
    let failed = |reason, attempts| {
        of(Failed, |job| {
            end(
                job,
                [Failed, if reason == Some(Reason::Halted) { Skipped } else { Succeeded }],
                reason,
                "task 'a' failed: refused",
            );
            job.tasks[0].attempts = attempts;
            job.tasks[0].error_message = Some("refused".to_owned());
        })
    };
    assert_eq!(failed(None, 1), "Failed (1 of 2 tasks succeeded): task 'a' failed: refused.");
    assert_eq!(failed(None, 3), "Failed (1 of 2 tasks succeeded): task 'a' failed after 3 attempts: refused.");
    assert_eq!(
        failed(Some(Reason::Halted), 3),
        "Failed (0 of 2 tasks succeeded; the schedule halts on failure): task 'a' failed after 3 attempts: refused."
    );
    let alone = of(Failed, |job| {
        job.tasks.truncate(1);
        job.tasks[0] =
            JobTask { state: Failed, attempts: 3, error_message: Some("It is full.".to_owned()), ..job.tasks[0].clone() };
    });
    assert_eq!(alone, "Failed: task 'a' failed after 3 attempts: It is full.");
    let interrupted =
        of(Failed, |job| end(job, [Failed, Skipped], Some(Reason::Interrupted), "the service ended while the job ran"));
    assert_eq!(interrupted, "Failed (0 of 2 tasks succeeded): the service ended while the job ran.");
}

#[test]
fn a_job_that_was_cancelled_says_by_whom_or_why() {
    use JobState::{Cancelled, Succeeded};
    let by_hand = of(Cancelled, |job| {
        end(job, [Succeeded, Cancelled], Some(Reason::CancelledByOperator), "cancelled by alice");
        job.cancel_requested_by = Some("alice".to_owned());
    });
    assert_eq!(by_hand, "Cancelled by alice (1 of 2 tasks succeeded).");
    for (reason, message) in [
        (Reason::WindowClosed, "the window 01:00–05:00 UTC closed before task 'b' could start"),
        (Reason::Shutdown, "the service was shut down before the job was done"),
    ] {
        let said = of(Cancelled, |job| end(job, [Succeeded, Cancelled], Some(reason), message));
        assert_eq!(said, format!("Cancelled (1 of 2 tasks succeeded): {message}."));
    }
}

#[test]
fn every_reason_has_words_with_and_without_those_of_the_job() {
    for reason in Reason::ALL {
        for state in [JobState::Skipped, JobState::Failed, JobState::Cancelled] {
            let general = of(state, |job| job.reason = Some(*reason));
            assert!(general.ends_with(&format!(": {}.", in_general(*reason))), "{general}");
            if state == JobState::Skipped {
                let own = of(state, |job| end(job, [state, state], Some(*reason), "3 fires were missed"));
                assert_eq!(own, "Skipped: 3 fires were missed.");
            }
        }
    }
}

#[test]
fn what_was_the_case_when_a_job_was_skipped_is_told_as_past() {
    use JobState::Skipped;
    let message = "it is 12:00 UTC and the window is 01:00–05:00 UTC";
    let said = of(Skipped, |job| end(job, [Skipped, Skipped], Some(Reason::OutsideWindow), message));
    assert_eq!(said, "Skipped: it was 12:00 UTC and the window is 01:00–05:00 UTC.");
}

#[test]
fn a_job_that_waits_says_for_what_and_until_when() {
    let until = "Waiting, until 2026-01-31T05:00:00.000Z at the latest,";
    let busy = Surroundings { running: 4, ..surroundings() };
    let taken = Surroundings { running: 2, running_on_target: 1, ..surroundings() };
    for (place, words) in [
        (surroundings(), "for its turn."),
        (Surroundings { has_preflight: true, ..surroundings() }, "for the pre-flight checks of target 'default'."),
        (busy, "for a slot of the service (4 of 4 run)."),
        (taken, "for another job on target 'default' (1 of 1 runs)."),
        (
            Surroundings { is_ending: true, ..surroundings() },
            "for the next start of the service: it is shutting down, and starts nothing more.",
        ),
    ] {
        assert_eq!(around(JobState::Pending, place, |_| {}), format!("{until} {words}"));
    }
    let endless = around(JobState::Pending, surroundings(), |job| job.forced = true);
    assert_eq!(endless, "Waiting for its turn.", "the window does not bind it");
}

#[test]
fn a_job_that_waits_for_a_shut_target_says_why_and_when_it_is_asked_again() {
    let said = |state| around(JobState::Pending, shut(state), |_| {});
    // The queue timeout comes before the window's end, and counts from when the job was made.
    let until = "Waiting, until 2026-01-31T03:00:00.000Z at the latest, for target 'default':";
    let since = "since 2026-01-31T01:55:00.000Z";
    let again = "it is asked again at 2026-01-31T02:00:20.000Z; connection refused.";
    assert_eq!(said(open()), format!("{until} its breaker is open {since}, {again}"));
    let half_open = TargetState { breaker: Breaker::HalfOpen, ask_at: None, asking: true, ..open() };
    assert_eq!(said(half_open), format!("{until} its breaker is open {since}, it is being asked again; connection refused."));
    let silent = TargetState { breaker: Breaker::Closed, failures: 1, ..open() };
    assert_eq!(said(silent), format!("{until} it has not answered {since}, {again}"));
    let postponed = TargetState {
        reason: Some("replication lags".to_owned()),
        ..TargetState { breaker: Breaker::Closed, failures: 0, ..open() }
    };
    assert_eq!(
        said(postponed),
        format!(
            "{until} a pre-flight check says not now {since}, it is asked again at 2026-01-31T02:00:20.000Z; replication lags."
        )
    );
    // A target of which something is known that keeps nobody waiting.
    assert!(said(TargetState { failures: 2, ..TargetState::default() }).ends_with("for its turn."));
}

fn first_runs(job: &mut Job) {
    job.tasks[0] = JobTask { state: JobState::Running, attempts: 1, progress_pct: Some(40), ..job.tasks[0].clone() };
}

#[test]
fn a_job_that_runs_says_which_task_which_attempt_and_how_far() {
    let first = of(JobState::Running, first_runs);
    assert_eq!(first, "Running: task 'a' (1 of 2), attempt 1 of 3; 20 % of the job is done.");
    let calls = of(JobState::Running, |job| {
        first_runs(job);
        let item = |state, attempts| crate::domain::job::JobItem {
            state,
            attempts,
            ..crate::domain::job::JobItem::waiting(Default::default())
        };
        job.tasks[0].items = vec![item(JobState::Succeeded, 3), item(JobState::Running, 2)];
        job.tasks[0].attempts = 5;
    });
    assert_eq!(calls, "Running: task 'a' (1 of 2), call 2 of 2, attempt 2 of 3; 35 % of the job is done.");
    let alone = of(JobState::Running, |job| {
        first_runs(job);
        job.tasks.truncate(1);
    });
    assert_eq!(alone, "Running: task 'a', attempt 1 of 3; 40 % of the job is done.");
    assert_eq!(of(JobState::Running, |_| {}), "Running.");
}

#[test]
fn a_job_that_waits_for_its_next_attempt_or_is_being_stopped_says_so() {
    let again = of(JobState::Running, |job| {
        first_runs(job);
        job.tasks[0].retry_at = Some(made_at() + TimeDelta::seconds(7));
        job.tasks[0].outcome = Some(Outcome::Transient);
        job.tasks[0].error_message = Some("it is busy".to_owned());
    });
    let expected =
        "Running: task 'a' (1 of 2) waits for attempt 2 of 3 at 2026-01-31T02:00:07.000Z; the last one failed: it is busy.";
    assert_eq!(again, expected);
    let cancelled = of(JobState::Running, |job| {
        first_runs(job);
        job.cancel_requested_by = Some("alice".to_owned());
    });
    assert_eq!(cancelled, "Running: task 'a' (1 of 2) is being stopped, because alice has cancelled the job.");
    let aborting = of(JobState::Running, |job| {
        first_runs(job);
        job.aborting = true;
    });
    assert_eq!(aborting, "Running: task 'a' (1 of 2) is being stopped, because the window has closed.");
}

#[test]
fn what_is_around_is_asked_for_only_when_a_job_waits() {
    for state in JobState::ALL.iter().filter(|state| **state != JobState::Pending) {
        explain(&job(1, *state), || unreachable!("{state} does not wait"));
    }
}
