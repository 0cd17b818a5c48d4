//! The control routes.

use serde_json::json;

use super::{SandboxConfig, answer, client, get, ok, post, start};

#[tokio::test]
async fn faults_can_be_scripted_over_http() {
    let sandbox = start(SandboxConfig::default()).await;
    let kinds = [
        json!({"kind": "status", "status": 418, "body": {"a": 1}, "headers": {"x-a": "b"}}),
        json!({"kind": "delay", "milliseconds": 5}),
        json!({"kind": "hang_up"}),
        json!({"kind": "hang_up_after_work"}),
        json!({"kind": "hang_up_after_headers"}),
        json!({"kind": "no_answer"}),
        json!({"kind": "huge_body", "bytes": 99}),
        json!({"kind": "garbage"}),
        json!({"kind": "rate_limited", "retry_after_seconds": 3}),
        json!({"kind": "redirect", "location": "/v1"}),
    ];
    for kind in &kinds {
        let fault = json!({"method": "GET", "path_prefix": "/health", "times": 1, "fault": kind});
        let (status, echoed) = answer(post(&sandbox, "/sandbox/faults", &fault.to_string())).await;
        assert_eq!((status, echoed), (201, fault));
    }
    let state = ok(get(&sandbox, "/sandbox")).await;
    let listed: Vec<_> = state["faults"].as_array().unwrap().iter().map(|fault| &fault["fault"]).collect();
    assert_eq!(listed, kinds.iter().collect::<Vec<_>>());

    let response = get(&sandbox, "/health").send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-a"]), (418, &"b".parse().unwrap()));

    let url = format!("{}/sandbox/faults", sandbox.base_url());
    assert_eq!(client().delete(url).send().await.unwrap().status(), 204);
    assert!(sandbox.faults().is_empty());
}

#[tokio::test]
async fn a_short_fault_is_enough() {
    let sandbox = start(SandboxConfig::default()).await;
    let fault = r#"{"fault":{"kind":"status","status":503}}"#;
    let (status, _) = answer(post(&sandbox, "/sandbox/faults", fault)).await;
    assert_eq!(status, 201);
    let usual = json!({"error": true, "message": "Service Unavailable", "status_code": 503});
    assert_eq!(answer(get(&sandbox, "/anything")).await, (503, usual));
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused() {
    let sandbox = start(SandboxConfig::default()).await;
    for fault in [
        "",
        "{}",
        r#"{"fault":{"kind":"fire"}}"#,
        r#"{"fault":{"kind":"garbage"},"tims":1}"#,
        r#"{"fault":{"kind":"delay","seconds":1}}"#,
        r#"{"fault":{"kind":"status","status":99}}"#,
        r#"{"fault":{"kind":"status","status":100}}"#,
        r#"{"fault":{"kind":"status","status":500,"headers":{"a b":"c"}}}"#,
        r#"{"method":"G E T","fault":{"kind":"garbage"}}"#,
    ] {
        let (status, _) = answer(post(&sandbox, "/sandbox/faults", fault)).await;
        assert_eq!(status, 400, "{fault}");
    }
    assert!(sandbox.faults().is_empty());
}

#[tokio::test]
async fn the_store_closes_and_opens_over_http() {
    let sandbox = start(SandboxConfig::default()).await;
    ok(post(&sandbox, "/sandbox/store", r#"{"open":false}"#)).await;
    assert!(!sandbox.store_is_open());
    let stats = ok(get(&sandbox, "/stats")).await;
    assert_eq!(stats["storage"]["error"], "Database not open");
    ok(post(&sandbox, "/sandbox/store", r#"{"open":true}"#)).await;
    assert!(sandbox.store_is_open());
    let (status, _) = answer(post(&sandbox, "/sandbox/store", "{}")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn requests_are_shown_without_tokens_and_without_the_control_routes() {
    let sandbox = start(SandboxConfig { rate_limit_per_minute: Some(1), ..SandboxConfig::default() }).await;
    post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#).bearer_auth("very-secret").send().await.unwrap();
    for _ in 0..3 {
        ok(get(&sandbox, "/sandbox?x")).await;
    }
    let shown = ok(get(&sandbox, "/sandbox/requests")).await;
    assert_eq!(shown.as_array().unwrap().len(), 1);
    let request = &shown[0];
    assert_eq!((&request["method"], &request["path"]), (&json!("POST"), &json!("/index/reindex")));
    assert_eq!((&request["body"], &request["status"]), (&json!({"table": "orders"}), &json!(200)));
    assert!(!shown.to_string().contains("very-secret"));

    let url = format!("{}/sandbox/requests", sandbox.base_url());
    assert_eq!(client().delete(url).send().await.unwrap().status(), 204);
    assert!(sandbox.requests().is_empty());
}

#[tokio::test]
async fn the_state_shows_tables_and_counts() {
    let sandbox = start(SandboxConfig::default()).await;
    ok(get(&sandbox, "/health")).await;
    let state = ok(get(&sandbox, "/sandbox")).await;
    let tables: Vec<_> = state["tables"].as_array().unwrap().iter().map(|table| (&table["name"], &table["rows"])).collect();
    assert_eq!(tables, [(&json!("customers"), &json!(100)), (&json!("orders"), &json!(250))]);
    assert_eq!(state["store"]["open"], true);
    assert_eq!(state["requests"], json!({"total": 1, "errors": 0, "in_flight": 0, "max_in_flight": 1}));
    assert_eq!(state["restores"], 0);
}
