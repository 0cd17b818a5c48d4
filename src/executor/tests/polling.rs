//! Work that goes on after the first answer.

use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::Poll;

fn accepted() -> Reply {
    Reply::json(202, json!({"job_id": "j 7", "status": "queued"}))
}

fn state(state: &str) -> Reply {
    Reply::json(200, json!({"state": state, "done": 5, "error_message": "disk full"}))
}

/// Interval zero: the clock stands still, and polls follow each other.
fn polled() -> Recipe {
    let poll = Poll {
        handle: "/job_id".into(),
        call: call(Method::Get, "/jobs/{handle}", Body::None),
        state: "/state".into(),
        succeeded: vec![json!("succeeded"), json!(1)],
        failed: vec![json!("failed")],
        interval: Duration::ZERO,
        backoff: 1.0,
        max_interval: Duration::from_secs(60),
        deadline: Duration::from_secs(600),
        progress: Some("/done".into()),
        success: rule("/done", Test::AtLeast(5.into())),
    };
    Recipe { success: SuccessRule::default(), poll: Some(poll), summary: vec!["/done".into()], ..recipe() }
}

#[tokio::test(start_paused = true)]
async fn polls_go_on_until_the_work_has_ended() {
    let server = Server::start([accepted(), state("queued"), state("running"), state("succeeded")]).await;
    let bench = Bench::new(&server, polled());
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.http_status, &report.error_message), (Outcome::Succeeded, Some(202), &None));
    assert_eq!(report.result_summary, Some(json!({"done": 5})), "out of the last answer");
    let poll = "GET /jobs/j%207";
    assert_eq!(server.lines(), ["POST /index/rebuild", poll, poll, poll]);
    assert_eq!(bench.trace.handle(), Some(json!("j 7")));
    assert_eq!(bench.counted(), [Outcome::Succeeded; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_number_is_a_state_too() {
    let server = Server::start([accepted(), Reply::json(200, json!({"state": 1.0, "done": 9}))]).await;
    assert_eq!(Bench::new(&server, polled()).attempt().await.outcome, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn work_that_failed_is_permanent() {
    let server = Server::start([accepted(), state("failed")]).await;
    let bench = Bench::new(&server, polled());
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(200)));
    let expected = "GET /jobs/j%207 answered 200: the work ended in state \"failed\" (it says: disk full)";
    assert_eq!(message(&report), expected);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_does_not_meet_the_polls_rule_is_permanent() {
    let server = Server::start([accepted(), Reply::json(200, json!({"state": "succeeded", "done": 4}))]).await;
    let report = Bench::new(&server, polled()).attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert_eq!(message(&report), "GET /jobs/j%207 answered 200: /done must be at least 5, but it is 4");
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_handle_is_permanent() {
    for answer in [json!({}), json!({"job_id": null}), json!({"job_id": {}})] {
        let server = Server::start([Reply::json(202, answer)]).await;
        let bench = Bench::new(&server, polled());
        let report = bench.attempt().await;
        assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(202)));
        assert!(message(&report).contains("there is no handle at /job_id"), "{report:?}");
        assert_eq!((server.lines().len(), bench.trace.handle()), (1, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_fails_is_repeated() {
    let failures = [Reply::hang_up(), Reply::json(503, json!({})), Reply::json(500, json!({})), Reply::json(401, json!({}))];
    let garbled = [Reply::Answer(200, "", "<html>".into()), Reply::json(200, json!({}))];
    let script = [accepted()].into_iter().chain(failures).chain(garbled).chain([state("succeeded")]);
    let server = Server::start(script).await;
    let bench = Bench::new(&server, polled());
    let report = bench.attempt().await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(
        bench.counted(),
        [
            Outcome::Succeeded,
            Outcome::Unknown,
            Outcome::Transient,
            Outcome::Permanent,
            Outcome::Permanent,
            Outcome::Succeeded,
            Outcome::Succeeded,
            Outcome::Succeeded
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_the_target_does_not_know_any_more_is_unknown_at_once() {
    for status in [301, 404, 410] {
        let server = Server::start([accepted(), Reply::json(status, json!({}))]).await;
        let report = Bench::new(&server, polled()).attempt().await;
        assert_eq!((report.outcome, report.http_status), (Outcome::Unknown, Some(status)));
        assert!(message(&report).starts_with("POST /index/rebuild was accepted, but its end cannot be seen: "), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_does_not_end_within_the_timeout_is_unknown_with_the_last_word() {
    for (poll, word) in [
        (state("running"), "(GET /jobs/j%207 said last: /state is \"running\")"),
        (Reply::json(500, json!({"message": "sick"})), "(GET /jobs/j%207 answered 500: sick)"),
        (Reply::silence(), "(GET /jobs/j%207 was sent, but no answer came"),
    ] {
        let silent = matches!(poll, Reply::Stall(_));
        let server = Server::start([accepted(), poll]).await;
        let bench = Bench::new(&server, polled());
        let requests = if silent { 2 } else { 5 };
        let report = bench.attempt_while(&server, requests, Duration::from_secs(601)).await;
        assert_eq!((report.outcome, report.http_status), (Outcome::Unknown, Some(202)), "{report:?}");
        assert!(message(&report).contains(word), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handle_is_in_the_trace_before_the_first_wait() {
    let server = Server::start([accepted()]).await;
    let mut recipe = polled();
    recipe.poll.as_mut().expect("a poll").interval = Duration::from_secs(3600);
    let bench = Bench::new(&server, recipe);
    let mut attempt = Box::pin(bench.attempt());
    while bench.trace.handle().is_none() {
        tokio::select! {
            biased;
            report = &mut attempt => unreachable!("it waits for an hour: {report:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(attempt);
    assert_eq!(bench.trace.handle(), Some(json!("j 7")));
    assert!(bench.trace.was_sent());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_cannot_end_in_time_is_not_begun() {
    use crate::executor::attempt::{deadline_after, wait_within};
    use crate::executor::clocks::instant;
    let start = instant();
    let deadline = deadline_after(Duration::from_secs(10));
    assert!(wait_within(Duration::from_secs(7), deadline).await);
    assert_eq!(start.elapsed().as_secs(), 7);
    assert!(!wait_within(Duration::MAX, deadline).await);
    assert_eq!(start.elapsed().as_secs(), 7);
}
