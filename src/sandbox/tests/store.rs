//! Status, entities, backup, changefeed and the maintenance route.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{SandboxConfig, answer, client, get, ok, post, start};
use crate::domain::task::TaskType;
use crate::sandbox::Sandbox;

async fn put(sandbox: &Sandbox, key: &str, body: Value) -> (u16, Value) {
    answer(client().put(format!("{}/entities/{key}", sandbox.base_url())).json(&body)).await
}

#[tokio::test]
async fn health_is_always_healthy_and_stats_alone_tell() {
    let sandbox = start(SandboxConfig::default()).await;
    let stats = ok(get(&sandbox, "/stats")).await;
    assert!(stats["storage"]["raw_stats"].is_string());
    assert!(stats["storage"].get("error").is_none());
    let fields = ["uptime_seconds", "total_requests", "total_errors", "queries_per_second", "threads"];
    for field in fields {
        assert!(stats["server"][field].is_number(), "{field}");
    }

    sandbox.close_store();
    let stats = ok(get(&sandbox, "/stats")).await;
    assert_eq!(stats["storage"], json!({"error": "Database not open"}));
    let mut health = ok(get(&sandbox, "/health")).await;
    assert!(health["uptime_seconds"].take().is_u64());
    assert_eq!(health, json!({"database": "themis", "status": "healthy", "uptime_seconds": null, "version": "0.1.0"}));
}

#[tokio::test]
async fn stats_count_requests_and_errors() {
    let sandbox = start(SandboxConfig::default()).await;
    get(&sandbox, "/nowhere").send().await.unwrap();
    let server = &ok(get(&sandbox, "/stats")).await["server"];
    assert_eq!((&server["total_requests"], &server["total_errors"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn entities_are_stored_indexed_and_read_back() {
    let sandbox = start(SandboxConfig::default()).await;
    let blob = r#"{"status":"open"}"#;
    let stored = put(&sandbox, "orders:new", json!({"blob": blob})).await;
    assert_eq!(stored, (201, json!({"success": true, "key": "orders:new", "blob_size": blob.len()})));
    assert_eq!(ok(get(&sandbox, "/entities/orders:new")).await, json!({"key": "orders:new", "blob": blob}));
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(251));
    assert_eq!(sandbox.index_entry_count("orders", "customer_id+status"), Some(250));

    put(&sandbox, "orders:new", json!({"blob": "{}"})).await;
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(250));

    let (status, body) = answer(get(&sandbox, "/entities/orders:none")).await;
    assert_eq!((status, &body["status_code"]), (404, &json!(404)));
    for body in [json!({}), json!({"blob": 1}), json!({"blob": "[]"})] {
        assert_eq!(put(&sandbox, "orders:x", body).await.0, 400);
    }
    assert_eq!(put(&sandbox, "orders", json!({"blob": "{}"})).await.0, 400);
    sandbox.close_store();
    assert_eq!(answer(get(&sandbox, "/entities/orders:o1")).await.0, 500);
    assert_eq!(put(&sandbox, "orders:x", json!({"blob": "{}"})).await.0, 500);
}

#[tokio::test]
async fn a_backup_needs_a_directory_that_is_not_there() {
    let sandbox = start(SandboxConfig::default()).await;
    let body = r#"{"directory":"/backups/a"}"#;
    assert_eq!(ok(post(&sandbox, "/admin/backup", body)).await, json!({"status": "ok", "directory": "/backups/a"}));
    let (status, again) = answer(post(&sandbox, "/admin/backup", body)).await;
    assert_eq!((status, &again["error"]), (500, &json!(true)));

    let made = ok(post(&sandbox, "/admin/backup", "{}")).await;
    let made = made["directory"].as_str().unwrap();
    let epoch = made.strip_prefix("./data/backup_").unwrap();
    assert!(epoch.parse::<u64>().is_ok(), "{made}");
    assert_eq!(sandbox.backups(), [made, "/backups/a"]);
    assert!(!std::path::Path::new(made).exists());

    sandbox.close_store();
    let elsewhere = r#"{"directory":"/backups/b"}"#;
    assert_eq!(answer(post(&sandbox, "/admin/backup", elsewhere)).await.0, 500);
}

#[tokio::test]
async fn a_restore_replaces_the_data_and_is_counted() {
    let sandbox = start(SandboxConfig::default()).await;
    let body = r#"{"directory":"/backups/a"}"#;
    ok(post(&sandbox, "/admin/backup", body)).await;
    put(&sandbox, "orders:new", json!({"blob": "{}"})).await;
    ok(post(&sandbox, "/admin/restore", body)).await;
    assert_eq!(answer(get(&sandbox, "/entities/orders:new")).await.0, 404);
    ok(get(&sandbox, "/entities/orders:o1")).await;
    assert_eq!(sandbox.restores(), 1);

    let elsewhere = r#"{"directory":"/nowhere"}"#;
    assert_eq!(answer(post(&sandbox, "/admin/restore", elsewhere)).await.0, 500);
    assert_eq!(answer(get(&sandbox, "/entities/orders:o1")).await.0, 404);
    assert_eq!(sandbox.restores(), 2);
}

#[tokio::test]
async fn retention_deletes_the_events_before_a_sequence_number() {
    let sandbox = start(SandboxConfig { seed: false, ..SandboxConfig::default() }).await;
    for n in 0..5 {
        put(&sandbox, &format!("t:{n}"), json!({"blob": "{}"})).await;
    }
    let stats = json!({"latest_sequence": 5, "total_events": 5, "total_size_bytes": 10});
    assert_eq!(ok(get(&sandbox, "/changefeed/stats")).await, stats);

    let retain = |body: &str| post(&sandbox, "/changefeed/retention", body);
    assert_eq!(ok(retain(r#"{"before_sequence":3}"#)).await, json!({"deleted": 2, "before_sequence": 3}));
    for body in ["{}", r#"{"before_sequence":"3"}"#, r#"{"before_sequence":1.5}"#, r#"{"before_sequence":null}"#] {
        assert_eq!(answer(retain(body)).await.0, 400, "{body}");
    }
    let all = ok(retain(r#"{"before_sequence":-1}"#)).await;
    assert_eq!(all, json!({"deleted": 3, "before_sequence": u64::MAX}));
    let stats = json!({"latest_sequence": 5, "total_events": 0, "total_size_bytes": 0});
    assert_eq!(ok(get(&sandbox, "/changefeed/stats")).await, stats);
}

#[tokio::test]
async fn every_task_type_has_a_conventional_call() {
    let sandbox = start(SandboxConfig { task_delay: Duration::from_millis(2), ..SandboxConfig::default() }).await;
    for task_type in TaskType::ALL {
        let path = format!("/maintenance/{}", task_type.kebab_case());
        let body = ok(post(&sandbox, &path, "{}")).await;
        assert_eq!((&body["success"], &body["task_type"]), (&json!(true), &json!(task_type.as_str())));
        assert_eq!(body["items_processed"], 350);
        assert!(body["duration_ms"].as_u64().unwrap() >= 2);
    }
    sandbox.close_store();
    let (status, body) = answer(post(&sandbox, "/maintenance/wal-archiving", "{}")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, json!({"error": true, "message": "Database not open", "status_code": 503}));
    for unknown in ["vacuum", "WAL_ARCHIVING", "wal_archiving"] {
        let path = format!("/maintenance/{unknown}");
        assert_eq!(answer(post(&sandbox, &path, "{}")).await.0, 404);
    }
}
