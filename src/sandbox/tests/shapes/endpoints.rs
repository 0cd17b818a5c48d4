//! The rows of the table of endpoints that were measured.

use serde_json::Value;

use super::{assert_shape, exchange};
use crate::sandbox::tests::{client, get, post, start};
use crate::sandbox::{Sandbox, SandboxConfig};

async fn server() -> Sandbox {
    start(SandboxConfig::default()).await
}

fn index_stats(sandbox: &Sandbox, body: &str) -> reqwest::RequestBuilder {
    get(sandbox, "/index/stats").body(body.to_owned())
}

#[tokio::test]
async fn health() {
    let sandbox = server().await;
    assert_shape("health", &[exchange(get(&sandbox, "/health")).await]);
}

#[tokio::test]
async fn stats() {
    let sandbox = server().await;
    let open = exchange(get(&sandbox, "/stats")).await;
    sandbox.close_store();
    assert_shape("stats", &[open, exchange(get(&sandbox, "/stats")).await]);
}

#[tokio::test]
async fn metrics() {
    let sandbox = server().await;
    let mut answer = exchange(get(&sandbox, "/metrics")).await;
    let lines = answer["body"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let series = lines.filter(|line| !line.starts_with('#')).map(|line| {
        let (series, value) = line.split_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        Value::from(format!("{series} [number]"))
    });
    answer["body"] = series.collect();
    assert_shape("metrics", &[answer]);
}

#[tokio::test]
async fn index_rebuild() {
    let sandbox = server().await;
    let mut exchanges = Vec::new();
    for body in [
        r#"{"table":"orders","column":"status"}"#,
        r#"{"table":"orders","column":"customer_id+status"}"#,
        r#"{"table":"orders"}"#,
        r#"{"column":"status"}"#,
    ] {
        exchanges.push(exchange(post(&sandbox, "/index/rebuild", body)).await);
    }
    assert_shape("index_rebuild", &exchanges);
}

#[tokio::test]
async fn index_reindex() {
    let sandbox = server().await;
    let whole = exchange(post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#)).await;
    assert_shape("index_reindex", &[whole, exchange(post(&sandbox, "/index/reindex", "{}")).await]);
}

#[tokio::test]
async fn index_statistics() {
    let sandbox = server().await;
    let mut exchanges = Vec::new();
    for body in [
        r#"{"table":"orders"}"#,
        r#"{"table":"orders","column":"status"}"#,
        r#"{"table":"nothing"}"#,
        r#"{"table":"orders","column":"nothing"}"#,
        r#"{"table":"nothing","column":"nothing"}"#,
    ] {
        exchanges.push(exchange(index_stats(&sandbox, body)).await);
    }
    assert_shape("index_stats", &exchanges);
}

#[tokio::test]
async fn index_create() {
    let sandbox = server().await;
    let mut exchanges = Vec::new();
    for body in [
        r#"{"table":"customers","column":"name"}"#,
        r#"{"table":"customers","columns":["name","email"],"unique":true}"#,
        r#"{"table":"orders","column":"total","type":"range"}"#,
        r#"{"table":"orders","column":"note","type":"fulltext"}"#,
        r#"{"table":"orders"}"#,
    ] {
        exchanges.push(exchange(post(&sandbox, "/index/create", body)).await);
    }
    // rows that are there are not in it
    exchanges.push(exchange(index_stats(&sandbox, r#"{"table":"customers","column":"name"}"#)).await);
    assert_shape("index_create", &exchanges);
}

#[tokio::test]
async fn entities() {
    let sandbox = server().await;
    let entity = |key: &str| format!("{}/entities/{key}", sandbox.base_url());
    let write = client().put(entity("orders:o1")).body(r#"{"blob":"{\"status\":\"paid\"}"}"#);
    let exchanges: [Value; 3] = [
        exchange(write).await,
        exchange(get(&sandbox, "/entities/orders:o1")).await,
        exchange(get(&sandbox, "/entities/orders:nothing")).await,
    ];
    assert_shape("entities", &exchanges);
}

#[tokio::test]
async fn admin_backup() {
    let sandbox = server().await;
    let mut exchanges = Vec::new();
    for body in [r#"{"directory":"/backups/monday"}"#, r#"{"directory":"/backups/monday"}"#, "{}"] {
        exchanges.push(exchange(post(&sandbox, "/admin/backup", body)).await);
    }
    assert_shape("admin_backup", &exchanges);
}

#[tokio::test]
async fn admin_restore() {
    let sandbox = server().await;
    let everything = post(&sandbox, "/admin/restore", r#"{"directory":"/backups/never-made"}"#);
    let destroyed = exchange(everything).await;
    let afterwards = exchange(index_stats(&sandbox, r#"{"table":"orders"}"#)).await;
    assert_shape("admin_restore", &[destroyed, afterwards]);
}

#[tokio::test]
async fn changefeed_stats() {
    let sandbox = server().await;
    assert_shape("changefeed_stats", &[exchange(get(&sandbox, "/changefeed/stats")).await]);
}

#[tokio::test]
async fn changefeed_retention() {
    let sandbox = server().await;
    let mut exchanges = Vec::new();
    for body in [r#"{"before_sequence":101}"#, r#"{"before_sequence":"102"}"#, "{}", r#"{"before_sequence":-1}"#] {
        exchanges.push(exchange(post(&sandbox, "/changefeed/retention", body)).await);
        exchanges.push(exchange(get(&sandbox, "/changefeed/stats")).await);
    }
    assert_shape("changefeed_retention", &exchanges);
}
