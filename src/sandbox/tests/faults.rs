//! Every kind of fault, as a client meets it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::header::{LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{SandboxConfig, answer, get, ok, post, start, within_limit};
use crate::sandbox::{Fault, FaultKind, Sandbox};

async fn faulty(kind: FaultKind) -> Sandbox {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.script(Fault::times(1, "/health", kind));
    sandbox
}

/// What a request brings back in bytes, until the server closes the connection.
async fn raw(sandbox: &Sandbox, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(sandbox.address()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut read = String::new();
    within_limit(stream.read_to_string(&mut read)).await?;
    Ok(read)
}

#[tokio::test]
async fn a_status_comes_with_its_body_and_headers_and_so_many_times() {
    let sandbox = start(SandboxConfig::default()).await;
    let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("7"))]);
    let body = json!({"why": "scripted"});
    let status = StatusCode::SERVICE_UNAVAILABLE;
    sandbox.script(Fault::times(2, "/health", FaultKind::Status { status, body: body.clone(), headers }));
    for left in [1, 0] {
        let response = get(&sandbox, "/health").send().await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "7");
        assert_eq!(response.json::<Value>().await.unwrap(), body);
        assert_eq!(sandbox.faults().len(), left);
    }
    ok(get(&sandbox, "/health")).await;
}

#[tokio::test]
async fn faults_are_matched_by_method_and_path_in_order() {
    let sandbox = start(SandboxConfig::default()).await;
    let status = |code| FaultKind::status(StatusCode::from_u16(code).unwrap());
    sandbox.script(Fault::times(0, "/", status(500)));
    sandbox.script(Fault::times(1, "/index", status(502)).on(Method::POST));
    sandbox.script(Fault::always("/index", status(504)));

    let (status, body) = answer(post(&sandbox, "/index/reindex", "{}")).await;
    assert_eq!(status, 502);
    assert_eq!(body, json!({"error": true, "message": "Bad Gateway", "status_code": 502}));
    assert_eq!(answer(post(&sandbox, "/index/reindex", "{}")).await.0, 504);
    assert_eq!(answer(get(&sandbox, "/index/stats")).await.0, 504);
    ok(get(&sandbox, "/health")).await;
    sandbox.clear_faults();
    assert_eq!(answer(get(&sandbox, "/index/stats")).await.0, 400);
}

#[tokio::test]
async fn a_delay_comes_before_the_usual_answer() {
    let delay = Duration::from_millis(60);
    let sandbox = faulty(FaultKind::Delay(delay)).await;
    let begin = crate::sandbox::clock::instant();
    assert_eq!(ok(get(&sandbox, "/health")).await["status"], "healthy");
    assert!(begin.elapsed() >= delay);
}

#[tokio::test]
async fn a_hang_up_reads_the_request_and_sends_nothing() {
    let sandbox = faulty(FaultKind::HangUp).await;
    let read = raw(&sandbox, "POST /health HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nfull");
    assert_eq!(read.await.unwrap(), "", "an orderly end, and nothing before it");
    let requests = sandbox.requests();
    assert_eq!(&requests[0].body[..], b"full");
    assert_eq!(requests[0].status, None);
    ok(get(&sandbox, "/health")).await;
}

#[tokio::test]
async fn a_hang_up_is_an_error_after_sending_to_the_client() {
    let sandbox = faulty(FaultKind::HangUp).await;
    let error = get(&sandbox, "/health").send().await.unwrap_err();
    assert!(error.is_request() && !error.is_connect() && !error.is_timeout());
}

#[tokio::test]
async fn a_hang_up_after_work_has_done_all_but_answer() {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.lose_index_entries("orders", "status", 10);
    let rebuild = || post(&sandbox, "/index/rebuild", r#"{"table":"orders","column":"status"}"#);
    sandbox.script(Fault::times(1, "/index", FaultKind::HangUp));
    sandbox.script(Fault::times(1, "/index", FaultKind::HangUpAfterWork));
    for (fault, entries) in [("before", 240), ("after", 250)] {
        let error = rebuild().send().await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && !error.is_timeout());
        assert_eq!(sandbox.index_entry_count("orders", "status"), Some(entries), "hung up {fault} the work");
    }
    assert!(sandbox.requests().iter().all(|request| request.ended && request.status.is_none()));
}

#[tokio::test]
async fn a_hang_up_after_work_waits_for_the_work() {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.script(Fault::always("/maintenance", FaultKind::HangUpAfterWork));
    let hold = sandbox.hold_work();
    let request = tokio::spawn(post(&sandbox, "/maintenance/cache-warm", "{}").send());
    within_limit(sandbox.wait_for_work(|count| count == 1)).await;
    assert_eq!(sandbox.in_flight(), 1);
    hold.release();
    assert!(within_limit(request).await.unwrap().is_err());
}

#[tokio::test]
async fn a_policy_says_no_with_a_word() {
    let sandbox = faulty(FaultKind::policy_denied()).await;
    let (status, body) = answer(get(&sandbox, "/health")).await;
    assert_eq!((status, &body["error"]), (403, &json!("policy_denied")));
}

#[tokio::test]
async fn a_server_that_starves_answers_nothing_until_less_goes_on() {
    let sandbox = start(SandboxConfig { starves_at: Some(2), ..SandboxConfig::default() }).await;
    let hold = sandbox.hold_work();
    let rebuilds: Vec<_> =
        (0..2).map(|_| tokio::spawn(post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#).send())).collect();
    within_limit(sandbox.wait_for_work(|count| count == 2)).await;
    let health = tokio::spawn(get(&sandbox, "/health").send());
    within_limit(sandbox.wait_for_requests(|requests| requests.len() == 3)).await;
    assert_eq!(sandbox.requests()[2].status, None);
    hold.release();
    for request in rebuilds.into_iter().chain([health]) {
        assert_eq!(within_limit(request).await.unwrap().unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_hang_up_after_the_headers_breaks_the_body_off() {
    let sandbox = faulty(FaultKind::HangUpAfterHeaders).await;
    let response = get(&sandbox, "/health").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.content_length(), Some(4096));
    let error = response.bytes().await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
}

#[tokio::test]
async fn no_answer_keeps_the_client_waiting_until_it_goes_away() {
    let sandbox = faulty(FaultKind::NoAnswer).await;
    let request = tokio::spawn(get(&sandbox, "/health").send());
    within_limit(sandbox.wait_for_requests(|requests| requests.len() == 1)).await;
    assert_eq!(sandbox.in_flight(), 1);
    request.abort();
    within_limit(sandbox.wait_for_requests(|requests| requests[0].ended)).await;
    assert_eq!(sandbox.requests()[0].status, None);
    assert_eq!(sandbox.in_flight(), 0);
}

#[tokio::test]
async fn a_huge_body_is_valid_json_of_that_length() {
    for bytes in [14, 100, 65_536 + 14, 3_000_000] {
        let sandbox = faulty(FaultKind::HugeBody(bytes)).await;
        let response = get(&sandbox, "/health").send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = response.bytes().await.unwrap();
        assert_eq!(body.len() as u64, bytes);
        let parsed: Value = serde_json::from_slice(&body).unwrap();
        assert!(parsed["padding"].is_string());
    }
}

#[tokio::test]
async fn garbage_says_that_it_is_json() {
    let sandbox = faulty(FaultKind::Garbage).await;
    let response = get(&sandbox, "/health").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.json::<Value>().await.is_err());
}

#[tokio::test]
async fn rate_limited_says_how_long() {
    let sandbox = faulty(FaultKind::RateLimited { retry_after_seconds: 9 }).await;
    let response = get(&sandbox, "/health").send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()[RETRY_AFTER], "9");
    assert_eq!(response.json::<Value>().await.unwrap()["retry_after_seconds"], 9);
}

#[tokio::test]
async fn a_redirect_points_elsewhere() {
    let sandbox = faulty(FaultKind::Redirect("http://127.0.0.1:1/v1".into())).await;
    let response = get(&sandbox, "/health").send().await.unwrap();
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()[LOCATION], "http://127.0.0.1:1/v1");
}
