//! Lost answers: whether the work was done is asked for, and what stays unknown says what to look at.

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::Check;

fn check(path: &str, settles: bool) -> Check {
    Check { call: call(Method::Get, path, Body::None), success: rule("/done", Test::Equals(true.into())), settles }
}

fn done(done: bool) -> Reply {
    Reply::json(200, json!({"done": done}))
}

async fn report_of(checks: Vec<Check>, replies: impl IntoIterator<Item = Reply>) -> (AttemptReport, Vec<String>) {
    let server = Server::start(replies).await;
    let recipe = Recipe { verify: checks, summary: vec!["/n".into()], on_unknown: Some("count the rows".into()), ..recipe() };
    let report = Bench::new(&server, recipe).attempt_while_time_passes().await;
    (report, server.lines())
}

#[tokio::test(start_paused = true)]
async fn work_that_verification_finds_done_succeeded() {
    let cut = Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"success\":true".to_vec());
    for (lost, status) in [(Reply::hang_up(), None), (cut, Some(200))] {
        let (report, lines) = report_of(vec![check("/a", false), check("/b", true)], [lost, done(true)]).await;
        let expected = AttemptReport {
            http_status: status,
            idempotent: true,
            answered: Some(true),
            ..AttemptReport::of(Outcome::Succeeded)
        };
        assert_eq!(report, expected);
        assert_eq!(lines, ["POST /index/rebuild", "GET /a", "GET /b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_verification_finds_not_done_failed() {
    let (report, lines) = report_of(vec![check("/a", true), check("/b", true)], [Reply::hang_up(), done(false)]).await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert!(message(&report).starts_with("POST /index/rebuild was sent, but no answer came ("), "{report:?}");
    let end = "verification says that it was not carried out: GET /a answered 200: /done must be true, but it is false";
    assert!(message(&report).ends_with(end), "{report:?}");
    assert_eq!(lines, ["POST /index/rebuild", "GET /a"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_proves_nothing_settles_nothing() {
    let (report, _) = report_of(vec![check("/a", false)], [Reply::hang_up(), done(true)]).await;
    assert_eq!(report.outcome, Outcome::Unknown);
    let end = "; verification cannot tell whether it was carried out; count the rows";
    assert!(message(&report).ends_with(end), "{report:?}");

    let (report, lines) =
        report_of(vec![check("/a", false), check("/b", true)], [Reply::hang_up(), done(false), done(true)]).await;
    assert_eq!(report.outcome, Outcome::Unknown);
    let words = "; verification does not settle it: GET /a answered 200: /done must be true, but it is false; count the rows";
    assert!(message(&report).ends_with(words), "{report:?}");
    assert_eq!(lines.len(), 3, "a later check might have said no");
}

#[tokio::test(start_paused = true)]
async fn a_verification_without_an_answer_settles_nothing_within_thirty_seconds() {
    for silence in [Reply::hang_up(), Reply::silence(), Reply::json(503, json!({}))] {
        let (report, lines) = report_of(vec![check("/a", true)], [Reply::hang_up(), silence]).await;
        assert_eq!(report.outcome, Outcome::Unknown, "{report:?}");
        assert!(message(&report).contains("; verification does not settle it: GET /a "), "{report:?}");
        assert!(message(&report).ends_with("; count the rows"), "{report:?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("POST")).count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_verification_the_recipes_words_stand_in_place_of_the_general_ones() {
    let (report, _) = report_of(vec![], [Reply::hang_up()]).await;
    assert_eq!(report.outcome, Outcome::Unknown);
    assert!(message(&report).ends_with("; count the rows") && !message(&report).contains("check there"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_left_is_not_asked_after() {
    let recipe = Recipe { verify: vec![check("/a", true)], ..recipe() };
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let bench = Bench::with_settings(settings(&format!("http://{closed}")), recipe);
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.answered), (Outcome::Transient, Some(false)), "{report:?}");
    assert_eq!(bench.counted().len(), 1);
}
