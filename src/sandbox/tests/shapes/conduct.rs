//! What was measured of the server's conduct, as far as it shows in answers.

use super::{assert_shape, exchange};
use crate::sandbox::tests::{get, post, start, within_limit};
use crate::sandbox::{Fault, FaultKind, SandboxConfig};

#[tokio::test]
async fn exact_routing() {
    let sandbox = start(SandboxConfig::default()).await;
    let mut exchanges = Vec::new();
    for path in ["/health?deep=1", "/health/", "/nowhere"] {
        exchanges.push(exchange(get(&sandbox, path)).await);
    }
    assert_shape("exact_routing", &exchanges);
}

#[tokio::test]
async fn a_post_without_a_body() {
    let sandbox = start(SandboxConfig::default()).await;
    assert_shape("post_without_body", &[exchange(post(&sandbox, "/admin/backup", "")).await]);
}

#[tokio::test]
async fn denials() {
    let sandbox = start(SandboxConfig {
        admin_token: Some("admin-secret".into()),
        readonly_token: Some("reader-secret".into()),
        ..SandboxConfig::default()
    })
    .await;
    let ask = || get(&sandbox, "/changefeed/stats");
    let mut exchanges = vec![
        exchange(ask()).await,
        exchange(ask().bearer_auth("wrong")).await,
        exchange(ask().bearer_auth("reader-secret")).await,
        exchange(ask().bearer_auth("admin-secret")).await,
    ];
    sandbox.script(Fault::times(1, "/changefeed", FaultKind::policy_denied()));
    exchanges.push(exchange(ask().bearer_auth("admin-secret")).await);
    assert_shape("denials", &exchanges);
}

#[tokio::test]
async fn the_rate_limit() {
    let sandbox = start(SandboxConfig { rate_limit_per_minute: Some(1), ..SandboxConfig::default() }).await;
    let first = exchange(get(&sandbox, "/health")).await;
    assert_shape("rate_limit", &[first, exchange(get(&sandbox, "/health")).await]);
}

#[tokio::test]
async fn silent_successes() {
    let sandbox = start(SandboxConfig::default()).await;
    let rebuild = |table: &str| post(&sandbox, "/index/rebuild", &format!(r#"{{"table":"{table}","column":"status"}}"#));
    let reindex = |table: &str| post(&sandbox, "/index/reindex", &format!(r#"{{"table":"{table}"}}"#));
    let mut exchanges = vec![exchange(rebuild("nothing")).await, exchange(reindex("nothing")).await];
    sandbox.close_store();
    exchanges.push(exchange(rebuild("orders")).await);
    exchanges.push(exchange(reindex("orders")).await);
    exchanges.push(exchange(get(&sandbox, "/health")).await);
    assert_shape("silent_successes", &exchanges);
}

#[tokio::test]
async fn a_rebuild_deletes_first() {
    let sandbox = start(SandboxConfig::default()).await;
    let work = sandbox.hold_work();
    let body = r#"{"table":"orders","column":"status"}"#;
    let rebuild = tokio::spawn(exchange(post(&sandbox, "/index/rebuild", body)));
    within_limit(sandbox.wait_for_work(|count| count == 1)).await;
    let meanwhile = exchange(get(&sandbox, "/index/stats").body(body)).await;
    work.release();
    assert_shape("rebuild_deletes_first", &[meanwhile, within_limit(rebuild).await.unwrap()]);
}
