//! Calls before the one that does the work, and the values that they leave.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::{Check, Selector, Step, SummaryEntry};
use crate::executor::answer::LONGEST_BODY;

fn capture(name: &str, selector: impl Into<Selector>) -> BTreeMap<String, Selector> {
    BTreeMap::from([(name.to_owned(), selector.into())])
}

fn stats(entries: u64) -> Reply {
    Reply::json(200, json!({"type": "range", "entry_count": entries}))
}

fn success() -> Reply {
    Reply::json(200, json!({"success": true}))
}

/// Counts the entries before, and wants no less after.
fn counted() -> Recipe {
    let stats = call(Method::Get, "/index/stats", Body::Template(json!({"column": "{column}"})));
    let step = Step {
        call: stats.clone(),
        success: rule("/type", Test::NotEquals("".into())),
        capture: capture("before", "/entry_count"),
        unless: None,
    };
    let check = Check { call: stats, success: rule("/entry_count", Test::AtLeast("{before}".into())), settles: false };
    Recipe { steps: vec![step], verify: vec![check], summary: vec![SummaryEntry::Captured("before".into())], ..recipe() }
}

/// Makes a plan unless there is one, and runs it.
fn planned() -> Recipe {
    let step = Step {
        call: call(Method::Post, "/plans", Body::Template(json!({"name": "{job_id}"}))),
        success: SuccessRule { statuses: vec![201], assertions: vec![] },
        capture: capture("plan_id", "/id"),
        unless: Some("plan_id".into()),
    };
    Recipe {
        steps: vec![step],
        call: call(Method::Post, "/plans/{plan_id}/run", Body::Template(json!({}))),
        summary: vec![SummaryEntry::Captured("plan_id".into())],
        on_unknown: Some("look at the plans".into()),
        ..recipe()
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_step_captures_is_stored_before_the_main_call_and_compared_after_it() {
    let server = Server::start([stats(250), success(), stats(250)]).await;
    let (bench, kept) = Bench::new(&server, counted()).watched();
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.result_summary), (Outcome::Succeeded, Some(json!({"before": 250}))));
    assert_eq!(server.lines(), ["GET /index/stats", "POST /index/rebuild", "GET /index/stats"]);
    let received = server.received();
    assert_eq!((received[0].body.as_str(), received[0].header("idempotency-key")), (r#"{"column":"age"}"#, None));
    let checkpoint = Checkpoint { captured: object(json!({"before": 250})), ..Checkpoint::default() };
    assert_eq!(kept.checkpoints(), [(checkpoint, 1)], "once, when one request had been made");

    let server = Server::start([stats(250), success(), stats(200)]).await;
    let report = Bench::new(&server, counted()).attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    let expected = "verification GET /index/stats answered 200: /entry_count must be at least 250 (before), but it is 200";
    assert_eq!(message(&report), expected);
}

/// Else the first attempt's damage would be the second one's measure.
#[tokio::test(start_paused = true)]
async fn the_values_before_the_first_attempt_are_those_that_count() {
    let server = Server::start([success(), stats(200)]).await;
    let (mut bench, kept) = Bench::new(&server, counted()).watched();
    bench.task.checkpoint.captured = object(json!({"before": 250, "of another recipe": 1}));
    let report = bench.attempt().await;
    assert!(message(&report).ends_with("must be at least 250 (before), but it is 200"), "{report:?}");
    assert_eq!(server.lines(), ["POST /index/rebuild", "GET /index/stats"]);
    assert_eq!(kept.checkpoints(), [], "nothing new to store");
}

#[tokio::test(start_paused = true)]
async fn a_parameter_does_not_stand_in_for_a_captured_value() {
    let server = Server::start([stats(250), success(), stats(200)]).await;
    let mut bench = Bench::new(&server, counted());
    bench.task.parameters.insert("before".into(), json!(1));
    let report = bench.attempt().await;
    assert!(message(&report).ends_with("must be at least 250 (before), but it is 200"), "{report:?}");
    assert_eq!(server.received()[1].body, r#"{"table":"users","column":"age"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_told_no_keeps_the_work_from_being_asked_for() {
    let huge = format!("{{\"type\":\"{}\"}}", "x".repeat(LONGEST_BODY));
    for (reply, outcome, words) in [
        (Reply::json(200, json!({"type": ""})), Outcome::Permanent, "answered 200: /type must be there and not \"\""),
        (Reply::Answer(200, "", "<html>".into()), Outcome::Permanent, "answered 200: the answer is not JSON"),
        (Reply::Answer(200, "", huge), Outcome::Permanent, "answered 200, but the answer is larger than"),
        (
            Reply::json(200, json!({"type": "x"})),
            Outcome::Permanent,
            "answered 200, but before cannot be taken out of it: /entry_count is missing",
        ),
        (Reply::json(200, json!({"type": "x", "entry_count": null})), Outcome::Permanent, "/entry_count is null"),
        (
            Reply::json(200, json!({"type": "x", "entry_count": "x".repeat(5000)})),
            Outcome::Permanent,
            "is larger than 4096 bytes",
        ),
        (Reply::json(301, json!({})), Outcome::Permanent, "answered 301: redirects are not followed"),
        (Reply::json(404, json!({"message": "Endpoint not found"})), Outcome::Permanent, "answered 404: Endpoint not found"),
        (Reply::json(503, json!({})), Outcome::Transient, "answered 503"),
        (Reply::Answer(429, "retry-after: 7\r\n", "{}".into()), Outcome::Transient, "answered 429"),
    ] {
        let retry_after = matches!(reply, Reply::Answer(429, ..)).then(|| Duration::from_secs(7));
        let server = Server::start([reply]).await;
        let bench = Bench::new(&server, counted());
        let report = bench.attempt().await;
        assert_eq!((report.outcome, report.retry_after), (outcome, retry_after), "{report:?}");
        assert!(message(&report).starts_with("before the call: GET /index/stats "), "{report:?}");
        assert!(message(&report).contains(words), "{report:?}");
        assert_eq!((server.lines().len(), bench.trace.was_sent(), report.answered), (1, false, Some(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_reading_step_is_asked_for_again_and_then_transient() {
    let server = Server::start([Reply::hang_up()]).await;
    let bench = Bench::new(&server, counted());
    let report = bench.attempt_while_time_passes().await;
    assert_eq!((report.outcome, report.answered, server.lines().len()), (Outcome::Transient, Some(false), 3), "{report:?}");
    assert!(message(&report).starts_with("before the call: GET /index/stats was sent, but no answer came ("), "{report:?}");

    let server = Server::start([Reply::hang_up(), Reply::hang_up(), stats(1), success(), stats(1)]).await;
    let report = Bench::new(&server, counted()).attempt_while_time_passes().await;
    assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_changes_something_has_a_key_and_is_made_once() {
    let server = Server::start([Reply::json(201, json!({"id": "p/1"})), success()]).await;
    let (bench, kept) = Bench::new(&server, planned()).watched();
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.result_summary), (Outcome::Succeeded, Some(json!({"plan_id": "p/1"}))));
    assert_eq!(server.lines(), ["POST /plans", "POST /plans/p%2F1/run"]);
    let keys: Vec<_> = server.received().iter().map(|received| received.header("idempotency-key").map(str::to_owned)).collect();
    let key = "01900000-0000-7000-8000-0000000000ab-2";
    assert_eq!(keys, [Some(format!("{key}-s1")), Some(key.to_owned())]);
    assert_eq!(kept.checkpoints().len(), 1);

    let server = Server::start([Reply::hang_up()]).await;
    let report = Bench::new(&server, planned()).attempt().await;
    assert_eq!((report.outcome, server.lines().len()), (Outcome::Unknown, 1));
    assert!(message(&report).starts_with("before the call: POST /plans was sent, but no answer came ("), "{report:?}");
    assert!(message(&report).ends_with("; look at the plans"), "{report:?}");

    let server = Server::start([Reply::json(201, json!({"id": "p"})), Reply::json(500, json!({}))]).await;
    let report = Bench::new(&server, planned()).attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert_eq!(report.result_summary, Some(json!({"plan_id": "p"})), "what was made is shown, though the work failed");
}

#[tokio::test(start_paused = true)]
async fn a_step_is_left_out_when_its_value_is_given() {
    let server = Server::start([success()]).await;
    let mut bench = Bench::new(&server, planned());
    bench.task.parameters.insert("plan_id".into(), json!("mine"));
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.result_summary), (Outcome::Succeeded, Some(json!({"plan_id": "mine"}))));
    bench.task.parameters.shift_remove("plan_id");
    bench.task.checkpoint.captured = object(json!({"plan_id": "made"}));
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
    assert_eq!(server.lines(), ["POST /plans/mine/run", "POST /plans/made/run"]);

    let server = Server::start([Reply::json(201, json!({"id": 7})), success()]).await;
    let mut bench = Bench::new(&server, planned());
    bench.task.parameters.insert("plan_id".into(), Value::Null);
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded, "null is no value");
    assert_eq!(server.lines(), ["POST /plans", "POST /plans/7/run"]);
}

#[tokio::test(start_paused = true)]
async fn no_captured_value_leads_to_restore() {
    let step = Step {
        call: call(Method::Get, "/where", Body::None),
        success: SuccessRule::default(),
        capture: capture("what", "/what"),
        unless: Some("what".into()),
    };
    let recipe = Recipe { steps: vec![step], call: call(Method::Post, "/admin/{what}", Body::None), ..recipe() };
    for what in ["restore", "Restore", "./restore", "x/../restore"] {
        let server = Server::start([Reply::json(200, json!({"what": what}))]).await;
        let mut bench = Bench::new(&server, recipe.clone());
        let report = bench.attempt().await;
        assert_eq!(report.outcome, Outcome::Permanent, "{report:?}");
        assert!(message(&report).contains("the call would reach /admin/restore"), "{report:?}");
        bench.task.parameters.insert("what".into(), json!(what));
        assert!(message(&bench.attempt().await).contains("/admin/restore"));
        assert_eq!(server.lines(), ["GET /where"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_out_of_the_main_answer_fills_the_calls_that_follow() {
    let server = Server::start([Reply::json(200, json!({"success": true, "run": 7})), Reply::json(200, json!({}))]).await;
    let check = Check { call: call(Method::Get, "/runs/{run}", Body::None), success: SuccessRule::default(), settles: true };
    let recipe = Recipe { capture: capture("run", "/run"), verify: vec![check], ..recipe() };
    assert_eq!(Bench::new(&server, recipe.clone()).attempt().await.outcome, Outcome::Succeeded);
    assert_eq!(server.lines(), ["POST /index/rebuild", "GET /runs/7"]);

    let server = Server::start([success()]).await;
    let report = Bench::new(&server, recipe).attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert_eq!(message(&report), "POST /index/rebuild answered 200, but run cannot be taken out of it: /run is missing");
}

#[tokio::test(start_paused = true)]
async fn an_unfit_parameter_is_noticed_before_any_step() {
    let server = Server::start([stats(1)]).await;
    let recipe = Recipe { call: call(Method::Post, "/index/{table}/{before}", Body::None), ..counted() };
    let mut bench = Bench::new(&server, recipe);
    bench.task.parameters.insert("table".into(), json!(".."));
    let report = bench.attempt().await;
    assert_eq!((report.outcome, report.answered), (Outcome::Permanent, None));
    assert!(message(&report).ends_with("parameter 'table' must not be empty, '.' or '..'"), "{report:?}");
    assert!(server.lines().is_empty());
}
