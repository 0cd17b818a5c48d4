//! What goes over the wire.

use std::pin::pin;
use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::recipe::Check;

fn success() -> Reply {
    Reply::json(200, json!({"success": true}))
}

#[tokio::test(start_paused = true)]
async fn the_main_call_carries_its_headers_and_an_exact_length() {
    let server = Server::start([success()]).await;
    let bench = Bench::new(&server, recipe());
    bench.attempt().await;
    let received = &server.received()[0];
    assert_eq!(received.line, "POST /index/rebuild");
    assert_eq!(received.body, r#"{"table":"users","column":"age"}"#);
    for (name, value) in [
        ("content-length", "32"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("user-agent", concat!("themis-maintenance/", env!("CARGO_PKG_VERSION"))),
        ("idempotency-key", "01900000-0000-7000-8000-0000000000ab-2"),
        ("traceparent", "00-019000000000700080000000000000ab-0000000200000003-01"),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    for absent in ["transfer-encoding", "authorization", "expect"] {
        assert_eq!(received.header(absent), None, "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_main_call_has_an_idempotency_key() {
    let server = Server::start([success()]).await;
    let check = Check { call: call(Method::Get, "/stats", Body::None), success: SuccessRule::default(), settles: true };
    let bench = Bench::new(&server, Recipe { verify: vec![check], ..recipe() });
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
    let received = server.received();
    assert!(received[0].header("idempotency-key").is_some());
    assert_eq!(received[1].header("idempotency-key"), None);
    assert_eq!(received[1].header("traceparent"), received[0].header("traceparent"));
}

#[tokio::test(start_paused = true)]
async fn a_get_can_have_a_body_and_a_post_can_have_none() {
    let server = Server::start([success()]).await;
    for (method, body, length, content) in [
        (Method::Get, Body::Parameters, Some("32"), r#"{"table":"users","column":"age"}"#),
        (Method::Get, Body::None, None, ""),
        (Method::Delete, Body::None, None, ""),
        (Method::Post, Body::None, Some("0"), ""),
        (Method::Put, Body::Template(json!({})), Some("2"), "{}"),
        (Method::Patch, Body::Template(json!({"job": "{job_id}", "task": "{task_name}"})), None, "{\"job\":\"01900000-0000-7000"),
    ] {
        let bench = Bench::new(&server, Recipe { call: call(method, "/index/stats", body), ..recipe() });
        let report = bench.attempt().await;
        assert_eq!(report.outcome, Outcome::Succeeded, "{report:?}");
        let received = server.received().pop().expect("a request");
        assert_eq!(received.line, format!("{} /index/stats", method.as_str()));
        assert!(received.body.starts_with(content) && received.body.is_empty() == content.is_empty(), "{received:?}");
        assert_eq!(received.header("content-type").is_some(), !content.is_empty());
        assert_eq!(received.header("transfer-encoding"), None);
        if method != Method::Patch {
            assert_eq!(received.header("content-length"), length, "{received:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_path_is_the_bases_prefix_and_the_rendered_path() {
    let server = Server::start([success()]).await;
    for (base, line) in [("", "POST /x/users"), ("/", "POST /x/users"), ("/themis/", "POST /themis/x/users")] {
        let recipe = Recipe { call: call(Method::Post, "/x/{table}", Body::Parameters), ..recipe() };
        let bench = Bench::with_settings(settings(&server.url(base)), recipe);
        bench.attempt().await;
        assert_eq!(server.lines().pop().as_deref(), Some(line));
    }
    let sneaky = Recipe { call: call(Method::Post, "/admin/x/%2e%2e/backup", Body::None), ..recipe() };
    let bench = Bench::new(&server, sneaky);
    let report = bench.attempt().await;
    assert_eq!(report.outcome, Outcome::Permanent);
    assert!(message(&report).contains("the path would be changed on its way"), "{report:?}");
    assert_eq!(server.lines().len(), 3);
}

/// Parameters stand in paths, encoded, and in bodies; in no header.
#[tokio::test(start_paused = true)]
async fn a_parameter_with_line_breaks_adds_no_header_and_no_request() {
    let server = Server::start([success()]).await;
    let mut bench = Bench::new(&server, Recipe { call: call(Method::Post, "/x/{table}/y", Body::Parameters), ..recipe() });
    let mut usual = None;
    for (table, segment) in [
        ("users", "users"),
        ("a HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET /admin", "a%20HTTP%2F1.1%0D%0AX-Evil%3A%201%0D%0A%0D%0AGET%20%2Fadmin"),
        ("../\0\\?#", "..%2F%00%5C%3F%23"),
    ] {
        bench.task.parameters.insert("table".to_owned(), table.into());
        bench.task.parameters.insert("column".to_owned(), table.into());
        assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
        let received = server.received().pop().expect("a request");
        assert_eq!(received.line, format!("POST /x/{segment}/y"));
        assert_eq!(received.body, json!({"column": table}).to_string());
        let without_length = |(name, _): &&(String, String)| name != "content-length";
        let headers: Vec<_> = received.headers.iter().filter(without_length).cloned().collect();
        assert_eq!(*usual.get_or_insert_with(|| headers.clone()), headers);
    }
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_rate_limit_does_not_count_towards_the_timeout() {
    let server = Server::start([success()]).await;
    let settings = TargetSettings { requests_per_minute: 1, ..settings(&server.url("")) };
    let bench = Bench::with_settings(settings, Recipe { timeout: Duration::from_secs(5), ..recipe() });
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);

    let mut second = pin!(bench.attempt());
    // Its first turn brings it to the limiter.
    tokio::select! {
        biased;
        report = &mut second => unreachable!("it has to wait for a minute: {report:?}"),
        () = tokio::task::yield_now() => {}
    }
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(second.await.outcome, Outcome::Succeeded);
    assert_eq!(server.lines().len(), 2);
}

#[test]
fn settings_that_could_never_work_are_refused() {
    let refuse = |settings: Vec<TargetSettings>| {
        let error = HttpExecutor::new(settings, Arc::default(), Arc::new(Counted::default())).err().expect("refused");
        error.to_string()
    };
    let good = settings("http://127.0.0.1:1");
    assert_eq!(refuse(vec![good.clone(), good.clone()]), "target 'default' is there twice");
    let none = TargetSettings { requests_per_minute: 0, ..good };
    assert_eq!(refuse(vec![none]), "target 'default': requests_per_minute must be at least 1");
    let credentials = refuse(vec![settings("http://root:hunter2@127.0.0.1:1")]);
    assert!(credentials.starts_with("target 'default': the URL must be") && !credentials.contains("hunter2"));
}
