//! Work that an earlier attempt, perhaps before a restart, left with the target.

use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::{Check, Poll};
use crate::executor::clocks::wall_clock;

fn polled() -> Recipe {
    let poll = Poll {
        handle: "/job_id".into(),
        call: call(Method::Get, "/jobs/{handle}", Body::None),
        state: "/state".into(),
        succeeded: vec![json!("succeeded")],
        failed: vec![json!("failed")],
        interval: Duration::ZERO,
        backoff: 1.0,
        max_interval: Duration::from_secs(60),
        deadline: Duration::from_secs(3600),
        progress: Some("/percent".into()),
        success: SuccessRule::default(),
    };
    let check = Check { call: call(Method::Get, "/stats", Body::None), success: SuccessRule::default(), settles: false };
    Recipe { success: SuccessRule::default(), poll: Some(poll), verify: vec![check], ..recipe() }
}

fn state(state: &str, percent: u64) -> Reply {
    Reply::json(200, json!({"state": state, "percent": percent}))
}

/// A bench whose task was accepted so long ago.
fn adopted(server: &Server, recipe: Recipe, ago: Duration) -> Bench {
    let mut bench = Bench::new(server, recipe);
    bench.task.checkpoint =
        Checkpoint { handle: Some(json!("j")), accepted_at: Some(wall_clock() - ago), ..Checkpoint::default() };
    bench
}

#[tokio::test(start_paused = true)]
async fn accepted_work_is_waited_for_and_not_asked_for_again() {
    let server = Server::start([state("running", 10), Reply::json(202, json!({"state": "succeeded"})), state("", 0)]).await;
    let bench = adopted(&server, polled(), Duration::from_secs(60));
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.http_status, report.answered), (Outcome::Succeeded, Some(202), Some(true)), "{report:?}");
    assert_eq!(server.lines(), ["GET /jobs/j", "GET /jobs/j", "GET /stats"]);
    assert!(bench.trace.was_sent(), "whoever stops it has to know");
    assert_eq!(bench.trace.handle(), Some(json!("j")));
}

#[tokio::test(start_paused = true)]
async fn after_the_deadline_it_is_asked_once() {
    let server = Server::start([state("running", 10)]).await;
    let report = adopted(&server, polled(), Duration::from_secs(7200)).attempt().await;
    assert_eq!((report.outcome, report.http_status, server.lines().len()), (Outcome::Unknown, Some(200), 1));
    assert!(
        message(&report).contains("did not end within the timeout (GET /jobs/j said last: /state is \"running\")"),
        "{report:?}"
    );

    let server = Server::start([state("succeeded", 100)]).await;
    let report = adopted(&server, polled(), Duration::from_secs(7200)).attempt().await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(server.lines(), ["GET /jobs/j", "GET /stats"], "what ended in time is verified all the same");
}

#[tokio::test(start_paused = true)]
async fn a_tasks_own_timeout_stands_in_place_of_the_deadline() {
    let server = Server::start([state("running", 10)]).await;
    let mut bench = adopted(&server, polled(), Duration::from_secs(60));
    bench.task.timeout = Some(Duration::from_secs(30));
    assert_eq!((bench.attempt().await.outcome, server.lines().len()), (Outcome::Unknown, 1));
}

#[tokio::test(start_paused = true)]
async fn work_that_failed_meanwhile_or_is_forgotten_is_said() {
    for (reply, outcome, status) in [
        (state("failed", 10), Outcome::Permanent, 200),
        (Reply::json(404, json!({})), Outcome::Unknown, 404),
        (Reply::json(301, json!({})), Outcome::Unknown, 301),
    ] {
        let server = Server::start([reply]).await;
        let report = adopted(&server, polled(), Duration::ZERO).attempt().await;
        assert_eq!((report.outcome, report.http_status), (outcome, Some(status)), "{report:?}");
        assert_eq!(server.lines(), ["GET /jobs/j"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_recipe_that_does_not_poll_any_more_leaves_it_unknown() {
    let server = Server::start([state("succeeded", 100)]).await;
    let report = adopted(&server, recipe(), Duration::ZERO).attempt().await;
    assert_eq!((report.outcome, report.answered), (Outcome::Unknown, None));
    assert!(message(&report).contains("was accepted with the handle \"j\", but its recipe has no poll table"), "{report:?}");
    assert!(server.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_handle_is_stored_before_the_first_poll_and_progress_is_passed_on() {
    let accepted = Reply::json(202, json!({"job_id": 7}));
    let server = Server::start([accepted, state("running", 40), state("running", 140), state("succeeded", 100)]).await;
    let (bench, kept) = Bench::new(&server, polled()).watched();
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
    let checkpoints = kept.checkpoints();
    let (checkpoint, requests) = &checkpoints[0];
    assert_eq!((checkpoints.len(), &checkpoint.handle, *requests), (1, &Some(json!(7)), 1));
    let age = wall_clock() - checkpoint.accepted_at.expect("a time");
    assert!(age.num_seconds().abs() < 600, "{age}");
    assert_eq!(kept.progress(), [40], "140 is nonsense");
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_too_long_to_store_is_none() {
    let server = Server::start([Reply::json(202, json!({"job_id": "x".repeat(5000)}))]).await;
    let report = Bench::new(&server, polled()).attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert!(message(&report).contains("there is no handle at /job_id"), "{report:?}");
}
