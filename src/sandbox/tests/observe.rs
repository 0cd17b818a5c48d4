//! Holds, recorded requests and requests in flight.

use axum::http::Method;
use serde_json::json;

use super::{SandboxConfig, get, ok, post, start, within_limit};

#[tokio::test]
async fn requests_are_recorded_with_all_that_was_sent() {
    let sandbox = start(SandboxConfig::default()).await;
    let request = post(&sandbox, "/index/reindex?x=1", r#"{"table":"orders"}"#);
    let request = request.bearer_auth("very-secret").header("Idempotency-Key", "k1");
    request.send().await.unwrap();
    let requests = sandbox.requests();
    let [recorded] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((&recorded.method, recorded.sequence), (&Method::POST, 1));
    assert_eq!(recorded.path, "/index/reindex?x=1");
    assert_eq!(recorded.json(), Some(json!({"table": "orders"})));
    assert_eq!(recorded.header("idempotency-key"), Some("k1"));
    assert_eq!(recorded.header("authorization"), Some("Bearer very-secret"));
    assert_eq!((recorded.status, recorded.ended), (Some(404), true));
    assert!(!format!("{recorded:?}").contains("very-secret"));

    sandbox.clear_requests();
    assert!(sandbox.requests().is_empty());
    ok(get(&sandbox, "/health")).await;
    assert_eq!(sandbox.requests()[0].sequence, 2);
}

#[tokio::test]
async fn old_requests_make_room() {
    let sandbox = start(SandboxConfig::default()).await;
    let megabyte = "x".repeat(1024 * 1024);
    for _ in 0..20 {
        post(&sandbox, "/nowhere", &megabyte).send().await.unwrap();
    }
    let requests = sandbox.requests();
    assert_eq!((requests.len(), requests[15].sequence), (16, 20));
}

#[tokio::test]
async fn a_hold_makes_matching_requests_wait_until_its_release() {
    let sandbox = start(SandboxConfig::default()).await;
    let first = sandbox.hold(Some(Method::GET), "/health");
    let second = sandbox.hold(None, "/hea");
    let waiting: Vec<_> = (0..3).map(|_| tokio::spawn(get(&sandbox, "/health").send())).collect();
    within_limit(sandbox.wait_for_requests(|requests| requests.len() == 3)).await;
    ok(get(&sandbox, "/stats")).await;
    assert_eq!((sandbox.in_flight(), sandbox.max_in_flight()), (3, 4));

    first.release();
    ok(get(&sandbox, "/stats")).await;
    assert_eq!(sandbox.in_flight(), 3, "the second hold keeps them");
    drop(second);
    for request in waiting {
        let response = within_limit(request).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
    }
    within_limit(sandbox.wait_for_requests(|requests| requests.iter().all(|request| request.ended))).await;
    assert_eq!((sandbox.in_flight(), sandbox.max_in_flight()), (0, 4));
    ok(get(&sandbox, "/health")).await;
    sandbox.clear_requests();
    assert_eq!(sandbox.max_in_flight(), 0);
}

#[tokio::test]
async fn a_hold_lets_faults_wait_too() {
    let sandbox = start(SandboxConfig::default()).await;
    let hold = sandbox.hold(None, "/health");
    let kind = crate::sandbox::FaultKind::Garbage;
    sandbox.script(crate::sandbox::Fault::times(1, "/health", kind));
    let waiting = tokio::spawn(get(&sandbox, "/health").send());
    within_limit(sandbox.wait_for_requests(|requests| requests.len() == 1)).await;
    assert_eq!(sandbox.faults().len(), 1);
    hold.release();
    within_limit(waiting).await.unwrap().unwrap();
    assert!(sandbox.faults().is_empty());
}
