//! Routing, error bodies, tokens, the rate limit and the body limit.

use reqwest::header::RETRY_AFTER;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{SandboxConfig, answer, get, ok, post, start, within_limit};
use crate::sandbox::Sandbox;

async fn guarded() -> Sandbox {
    start(SandboxConfig {
        admin_token: Some("admin-secret".into()),
        readonly_token: Some("reader-secret".into()),
        analyst_token: Some("analyst-secret".into()),
        ..SandboxConfig::default()
    })
    .await
}

#[tokio::test]
async fn only_the_exact_path_and_method_are_a_route() {
    let sandbox = start(SandboxConfig::default()).await;
    let not_found = json!({"error": true, "message": "Endpoint not found", "status_code": 404});
    for path in ["/health?deep=1", "/health/", "/stats?", "/", "/v1/health", "/maintenance", "/maintenance/no-such-type"] {
        assert_eq!(answer(get(&sandbox, path)).await, (404, not_found.clone()), "{path}");
    }
    assert_eq!(answer(post(&sandbox, "/health", "{}")).await, (404, not_found.clone()));
    assert_eq!(answer(get(&sandbox, "/index/rebuild")).await, (404, not_found));
}

#[tokio::test]
async fn a_post_without_a_json_object_is_400() {
    let sandbox = start(SandboxConfig::default()).await;
    let paths = [
        "/index/create",
        "/index/rebuild",
        "/index/reindex",
        "/admin/backup",
        "/admin/restore",
        "/changefeed/retention",
        "/maintenance/log-rotation",
    ];
    for path in paths {
        for body in ["", "[]", "{"] {
            let (status, body) = answer(post(&sandbox, path, body)).await;
            assert_eq!(status, 400, "{path}");
            assert_eq!((&body["error"], &body["status_code"]), (&json!(true), &json!(400)));
            assert!(body["message"].is_string());
        }
    }
    assert_eq!(sandbox.restores(), 0);
}

#[tokio::test]
async fn without_tokens_everything_is_open() {
    let sandbox = start(SandboxConfig::default()).await;
    ok(get(&sandbox, "/changefeed/stats")).await;
    let metrics = get(&sandbox, "/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), 200);
    let content_type = metrics.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(content_type.starts_with("text/plain"), "{content_type}");
    let text = metrics.text().await.unwrap();
    for name in ["process_uptime_seconds", "vccdb_requests_total", "rocksdb_pending_compaction_bytes"] {
        assert!(text.contains(&format!("\n{name} ")), "{name} in {text}");
    }
}

#[tokio::test]
async fn with_tokens_metrics_and_changefeed_ask_for_them() {
    let sandbox = guarded().await;
    for path in ["/metrics", "/changefeed/stats"] {
        let (status, body) = answer(get(&sandbox, path)).await;
        assert_eq!((status, &body["error"]), (401, &json!("missing_authorization")), "{path}");
        let (status, body) = answer(get(&sandbox, path).bearer_auth("wrong")).await;
        assert_eq!((status, &body["error"]), (403, &json!("forbidden")), "{path}");
    }
    let (status, _) = answer(post(&sandbox, "/changefeed/retention", r#"{"before_sequence":1}"#)).await;
    assert_eq!(status, 401);
    ok(get(&sandbox, "/changefeed/stats").bearer_auth("admin-secret")).await;
    for token in ["admin-secret", "reader-secret", "analyst-secret"] {
        let metrics = get(&sandbox, "/metrics").bearer_auth(token).send().await;
        assert_eq!(metrics.unwrap().status(), 200);
    }
    for token in ["reader-secret", "analyst-secret"] {
        let (status, _) = answer(get(&sandbox, "/changefeed/stats").bearer_auth(token)).await;
        assert_eq!(status, 403);
    }
}

#[tokio::test]
async fn with_tokens_index_and_admin_routes_still_check_nothing() {
    let sandbox = guarded().await;
    ok(get(&sandbox, "/health")).await;
    ok(get(&sandbox, "/stats").bearer_auth("wrong")).await;
    ok(post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#)).await;
    ok(post(&sandbox, "/admin/backup", "{}")).await;
}

#[tokio::test]
async fn the_rate_limit_counts_health_and_each_token_for_itself() {
    let sandbox = start(SandboxConfig { rate_limit_per_minute: Some(3), ..SandboxConfig::default() }).await;
    for _ in 0..3 {
        ok(get(&sandbox, "/health")).await;
    }
    let refused = get(&sandbox, "/health").send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["error"], "Too Many Requests");
    assert_eq!(body["retry_after_seconds"], 1);

    ok(get(&sandbox, "/health").bearer_auth("another")).await;
    ok(get(&sandbox, "/sandbox")).await;
}

#[test]
fn the_rate_limit_refills_over_a_minute() {
    let limit = crate::sandbox::limit::RateLimit::new(Some(2));
    let begin = crate::sandbox::clock::instant();
    let after = |seconds| begin + std::time::Duration::from_secs(seconds);
    assert!(limit.admit("", begin) && limit.admit("", begin));
    assert!(!limit.admit("", after(29)));
    assert!(limit.admit("", after(31)));
    assert!(!limit.admit("", after(32)));
}

#[tokio::test]
async fn a_body_over_one_megabyte_resets_the_connection() {
    let sandbox = start(SandboxConfig::default()).await;
    let largest = format!(r#"{{"table":"{}"}}"#, "x".repeat(1024 * 1024 - 12));
    assert_eq!(largest.len(), 1024 * 1024);
    ok(post(&sandbox, "/index/reindex", &largest)).await;

    let too_large = format!("{largest} ");
    let error = post(&sandbox, "/index/reindex", &too_large).send().await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    within_limit(sandbox.wait_for_requests(|requests| requests.len() == 2 && requests[1].ended && requests[1].status.is_none()))
        .await;
}

#[tokio::test]
async fn a_chunked_body_over_one_megabyte_resets_too() {
    let sandbox = start(SandboxConfig::default()).await;
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    let head = "POST /admin/backup HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 512 * 1024, "x".repeat(512 * 1024));
    let mut outcome = Ok(());
    for _ in 0..3 {
        outcome = outcome.and(stream.write_all(chunk.as_bytes()).await);
    }
    let mut read = Vec::new();
    let outcome = outcome.and(within_limit(stream.read_to_end(&mut read)).await.map(|_| ()));
    assert!(outcome.is_err(), "the end was orderly");
    assert!(read.is_empty());
}
