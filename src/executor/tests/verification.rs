//! Read-only calls after success.

use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::Check;

fn success() -> Reply {
    Reply::json(200, json!({"success": true, "entry_count": 7}))
}

fn verified() -> Recipe {
    let stats = call(Method::Get, "/index/stats", Body::Template(json!({"table": "{table}"})));
    let index = Check { call: stats, success: rule("/type", Test::NotEquals("".into())), settles: true };
    let store =
        Check { call: call(Method::Get, "/stats", Body::None), success: rule("/storage/error", Test::Absent), settles: false };
    Recipe { verify: vec![index, store], summary: vec!["/entry_count".into()], ..recipe() }
}

#[tokio::test(start_paused = true)]
async fn all_verifications_are_made_in_order() {
    let server = Server::start([success(), Reply::json(200, json!({"type": "range"})), Reply::json(200, json!({}))]).await;
    let bench = Bench::new(&server, verified());
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.result_summary), (Outcome::Succeeded, Some(json!({"entry_count": 7}))));
    assert_eq!(server.lines(), ["POST /index/rebuild", "GET /index/stats", "GET /stats"]);
    assert_eq!(server.received()[1].body, r#"{"table":"users"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_verification_that_says_no_is_permanent_in_the_assertions_words() {
    let server = Server::start([success(), Reply::json(200, json!({"type": ""}))]).await;
    let report = Bench::new(&server, verified()).attempt().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(200)));
    let expected = "verification GET /index/stats answered 200: /type must be there and not \"\", but it is \"\"";
    assert_eq!(message(&report), expected);
    assert_eq!(report.result_summary, Some(json!({"entry_count": 7})), "what the target claimed is kept");

    let server = Server::start([success(), Reply::json(404, json!({"message": "Endpoint not found"}))]).await;
    let report = Bench::new(&server, verified()).attempt().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Permanent, Some(404)));
    assert_eq!(message(&report), "verification GET /index/stats answered 404: Endpoint not found");
}

#[tokio::test(start_paused = true)]
async fn a_verification_without_an_answer_is_repeated() {
    let busy = Reply::json(503, json!({}));
    let script = [success(), Reply::hang_up(), busy, Reply::json(200, json!({"type": "range"})), Reply::json(200, json!({}))];
    let server = Server::start(script).await;
    let bench = Bench::new(&server, verified());
    let report = bench.attempt_while_time_passes().await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
    assert_eq!(
        bench.counted(),
        [Outcome::Succeeded, Outcome::Unknown, Outcome::Transient, Outcome::Succeeded, Outcome::Succeeded]
    );
}

#[tokio::test(start_paused = true)]
async fn a_verification_that_gets_no_answer_at_all_is_unknown() {
    let server = Server::start([success(), Reply::hang_up()]).await;
    let bench = Bench::new(&server, verified());
    let report = bench.attempt_while_time_passes().await;
    assert_eq!((report.outcome, report.http_status), (Outcome::Unknown, Some(200)));
    assert!(message(&report).starts_with("POST /index/rebuild succeeded, but could not be verified: "), "{report:?}");
    assert_eq!(server.lines().len(), 4, "the main call once, the verification three times");

    let server = Server::start([success(), Reply::silence()]).await;
    let bench = Bench::new(&server, verified());
    let report = bench.attempt_while(&server, 2, Duration::from_secs(601)).await;
    assert_eq!(report.outcome, Outcome::Unknown, "{report:?}");
}
