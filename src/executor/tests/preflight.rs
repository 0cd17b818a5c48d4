//! Asking a target whether a job may start on it.

use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::server::{Reply, Server};
use super::*;
use crate::config::{Expected, MetricRule, PreflightCheck};
use crate::domain::ports::TargetAnswer;
use crate::domain::recipe::RenderedCall;

fn check(path: &str, expected: Expected) -> PreflightCheck {
    PreflightCheck { call: RenderedCall { method: Method::Get, path: path.to_owned(), body: None }, expected }
}

fn open_store() -> PreflightCheck {
    check("/stats", Expected::Json(rule("/storage/error", Test::Absent)))
}

fn at_most(name: &str, most: f64) -> MetricRule {
    MetricRule { name: name.to_owned(), labels: BTreeMap::new(), at_least: None, at_most: Some(most) }
}

fn metrics(rules: Vec<MetricRule>) -> PreflightCheck {
    check("/metrics", Expected::Metrics(rules))
}

fn page(text: &str) -> Reply {
    Reply::Answer(200, "content-type: text/plain; version=0.0.4\r\n", text.to_owned())
}

fn bench(server: &Server, preflight: Vec<PreflightCheck>) -> Bench {
    Bench::with_settings(TargetSettings { preflight, ..settings(&server.url("")) }, recipe())
}

async fn ask(reply: Reply, check: PreflightCheck) -> TargetAnswer {
    let server = Server::start([reply]).await;
    bench(&server, vec![check]).executor.ask("default").await
}

fn postponed(words: &str) -> TargetAnswer {
    TargetAnswer::Postpone(format!("pre-flight check GET {words}"))
}

#[track_caller]
fn unreachable_words(answer: TargetAnswer) -> String {
    match answer {
        TargetAnswer::Unreachable(words) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn without_checks_any_answer_is_a_sign_of_life() {
    for reply in [
        Reply::json(200, json!({"status": "healthy"})),
        Reply::json(500, json!({})),
        Reply::json(403, json!({})),
        Reply::json(429, json!({})),
        Reply::Answer(301, "location: /v1/health\r\n", String::new()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal".to_vec()),
    ] {
        let server = Server::start([reply]).await;
        assert_eq!(bench(&server, vec![]).executor.ask("default").await, TargetAnswer::Ready);
        assert_eq!(server.lines(), ["GET /health"]);
    }
    let server = Server::start([Reply::hang_up()]).await;
    let bench = bench(&server, vec![]);
    let words = unreachable_words(bench.executor.ask("default").await);
    assert!(words.starts_with(&format!("GET /health: no answer from {} within 10s (", server.url(""))), "{words}");
    assert_eq!(bench.counted(), [Outcome::Unknown]);
    assert_eq!(bench.executor.ask("nobody").await, TargetAnswer::Ready, "its jobs say what is wrong");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_not_there_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    for (preflight, label) in [(vec![], "GET /health"), (vec![open_store()], "pre-flight check GET /stats")] {
        let settings = TargetSettings { preflight, ..settings(&format!("http://{address}")) };
        let bench = Bench::with_settings(settings, recipe());
        let words = unreachable_words(bench.executor.ask("default").await);
        let expected = format!("{label}: no connection to http://{address} (Connection refused (os error 111))");
        assert_eq!(words, expected);
        assert_eq!(bench.counted(), [Outcome::Transient]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_keeps_silent_is_unreachable_after_ten_seconds() {
    let server = Server::start([Reply::silence()]).await;
    let bench = bench(&server, vec![open_store()]);
    let executor = Arc::clone(&bench.executor);
    let asked = tokio::spawn(async move { executor.ask("default").await });
    server.requests_arrived(1).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let words = unreachable_words(asked.await.expect("no panic"));
    let expected = format!("pre-flight check GET /stats: no answer from {} within 10s (the timeout was reached)", server.url(""));
    assert_eq!(words, expected);
}

#[tokio::test(start_paused = true)]
async fn all_checks_are_made_in_their_order_up_to_the_first_that_says_no() {
    let open = Reply::json(200, json!({"storage": {}}));
    let server = Server::start([open, page("a 5"), page("a 7")]).await;
    let checks = vec![open_store(), metrics(vec![at_most("a", 6.0)]), metrics(vec![at_most("a", 6.0)]), open_store()];
    let bench = bench(&server, checks);
    assert_eq!(bench.executor.ask("default").await, postponed("/metrics: a must be at most 6, but it is 7"));
    assert_eq!(server.lines(), ["GET /stats", "GET /metrics", "GET /metrics"]);
    let accepts = server.received().iter().map(|received| received.header("accept").map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(accepts[0].as_deref(), Some("application/json"));
    assert_eq!(accepts[1].as_deref(), Some("text/plain; version=0.0.4"));
    assert_eq!(bench.counted(), [Outcome::Succeeded; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_hold_is_said_in_words() {
    let closed = Reply::json(200, json!({"storage": {"error": "Database not open"}}));
    let expected = postponed("/stats answered 200: /storage/error must be absent, but it is \"Database not open\"");
    assert_eq!(ask(closed, open_store()).await, expected);
    assert_eq!(ask(Reply::json(503, json!({"message": "busy"})), open_store()).await, postponed("/stats answered 503: busy"));
    let found = ask(Reply::json(401, json!({"error": "missing_authorization"})), metrics(vec![at_most("a", 1.0)])).await;
    assert_eq!(found, postponed("/metrics answered 401: missing_authorization"));
}

#[tokio::test(start_paused = true)]
async fn every_chosen_series_has_to_keep_the_bounds() {
    let pending = || at_most("rocksdb_pending_compaction_bytes", 1e9);
    let default = |rule: MetricRule| MetricRule { labels: BTreeMap::from([("cf".to_owned(), "default".to_owned())]), ..rule };
    let least = || MetricRule { at_least: Some(2.0), at_most: None, ..at_most("b", 0.0) };
    let series = "rocksdb_pending_compaction_bytes{cf=\"default\",level=\"0\"} 5\nrocksdb_pending_compaction_bytes{cf=\"x\"} 2e9";
    for (rule, text, words) in [
        (pending(), "rocksdb_pending_compaction_bytes 1000000000", None),
        (
            pending(),
            "rocksdb_pending_compaction_bytes 5000000000",
            Some("rocksdb_pending_compaction_bytes must be at most 1000000000, but it is 5000000000"),
        ),
        (pending(), series, Some("rocksdb_pending_compaction_bytes{cf=\"x\"} must be at most 1000000000, but it is 2000000000")),
        (default(pending()), series, None),
        (pending(), "other 1", Some("there is no metric rocksdb_pending_compaction_bytes")),
        (default(least()), "b 5\nb{cf=\"y\"} 5", Some("there is no metric b{cf=\"default\"}")),
        (least(), "b 1.5", Some("b must be at least 2, but it is 1.5")),
        (least(), "b NaN", Some("b must be at least 2, but it is NaN")),
        (
            pending(),
            "rocksdb_pending_compaction_bytes +Inf",
            Some("rocksdb_pending_compaction_bytes must be at most 1000000000, but it is inf"),
        ),
        (least(), "b 5\n<html>", Some("the answer is not in Prometheus's text format (line 2)")),
    ] {
        let expected = words.map_or(TargetAnswer::Ready, |words| postponed(&format!("/metrics: {words}")));
        assert_eq!(ask(page(text), metrics(vec![rule])).await, expected, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_page_of_metrics_puts_the_job_off() {
    let rules = || metrics(vec![at_most("a", 1.0)]);
    let json = ask(Reply::json(200, json!({"a": 1})), rules()).await;
    assert_eq!(json, postponed("/metrics: the answer is JSON, not metrics in Prometheus's text format"));
    let long = ask(page(&"a 1\n".repeat(300_000)), rules()).await;
    assert_eq!(long, postponed("/metrics: the answer is larger than 1048576 bytes and cannot be checked"));
    let bytes = ask(Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()), rules()).await;
    assert_eq!(bytes, postponed("/metrics: the answer is not in UTF-8"));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_read_puts_off_and_does_not_make_unreachable() {
    let server = Server::start([Reply::json(200, json!({}))]).await;
    let token_file = Some("/nowhere/token".into());
    let with = |preflight| TargetSettings { token_file: token_file.clone(), preflight, ..settings(&server.url("")) };
    let bench = Bench::with_settings(with(vec![open_store()]), recipe());
    let words = "/stats: token file '/nowhere/token' cannot be read: No such file or directory (os error 2)";
    assert_eq!(bench.executor.ask("default").await, postponed(words));
    let bench = Bench::with_settings(with(vec![]), recipe());
    assert_eq!(bench.executor.ask("default").await, TargetAnswer::Ready, "the job's own calls say what is wrong");
    assert!(server.lines().is_empty() && bench.counted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn questions_pass_the_rate_limiter_within_their_time() {
    let server = Server::start([Reply::json(200, json!({"storage": {}}))]).await;
    let settings = TargetSettings { requests_per_minute: 1, preflight: vec![open_store()], ..settings(&server.url("")) };
    let bench = Bench::with_settings(settings, recipe());
    assert_eq!(bench.executor.ask("default").await, TargetAnswer::Ready);
    let mut second = pin!(bench.executor.ask("default"));
    tokio::select! {
        biased;
        answer = &mut second => unreachable!("it has to wait: {answer:?}"),
        () = tokio::task::yield_now() => {}
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    let words = "/stats could not be made within 10s: the target's rate limit is used up, or it asked to be left alone";
    assert_eq!(second.await, postponed(words));
    assert_eq!(server.lines().len(), 1);
}
