//! Routes that answer when they are done.

use serde_json::json;

use super::server_of_2026;
use crate::sandbox::Replication;
use crate::sandbox::tests::{answer, get, ok, post, within_limit};

#[tokio::test]
async fn statistics_are_of_a_table_that_is_there() {
    let sandbox = server_of_2026().await;
    let fresh = ok(post(&sandbox, "/api/v1/metadata/stats/orders", "{}")).await;
    let stats = json!({"table": "orders", "row_count": 250, "index_count": 3});
    assert_eq!(fresh, json!({"status": "success", "stats": stats}));
    let (status, body) = answer(post(&sandbox, "/api/v1/metadata/stats/nothing", "{}")).await;
    assert_eq!((status, body), (404, json!({"error": true, "message": "Table not found", "status_code": 404})));
}

#[tokio::test]
async fn a_warm_up_loads_at_most_what_it_is_told_to() {
    let sandbox = server_of_2026().await;
    let path = "/v1/admin/cache/warmup";
    let all = ok(post(&sandbox, path, r#"{"log_path":"/var/log/queries.log"}"#)).await;
    assert_eq!(all, json!({"status": "ok", "entries_loaded": 350}));
    let some = ok(post(&sandbox, path, r#"{"log_path":"x","max_entries":10}"#)).await;
    assert_eq!(some["entries_loaded"], 10);
    for bad in ["{}", r#"{"log_path":1}"#, r#"{"log_path":"x","max_entries":-1}"#] {
        assert_eq!(answer(post(&sandbox, path, bad)).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn replicas_are_as_they_are_told_to_be() {
    let sandbox = server_of_2026().await;
    let path = "/api/v1/replication/health";
    let healthy = ok(get(&sandbox, path)).await;
    assert_eq!((&healthy["overall_status"], &healthy["has_quorum"]), (&json!("HEALTHY"), &json!(true)));
    for (replication, has_quorum) in [(Replication::Degraded, true), (Replication::QuorumLost, false)] {
        sandbox.set_replication(replication);
        let report = ok(get(&sandbox, path)).await;
        assert_eq!((&report["overall_status"], &report["has_quorum"]), (&json!("DEGRADED"), &json!(has_quorum)));
    }
    ok(post(&sandbox, "/sandbox/replication", r#"{"state":"single_node"}"#)).await;
    let (status, body) = answer(get(&sandbox, path)).await;
    assert_eq!((status, &body["error"], &body["status_code"]), (503, &json!(true), &json!(503)));
    assert_eq!(answer(post(&sandbox, "/sandbox/replication", r#"{"state":"fine"}"#)).await.0, 400);
}

#[tokio::test]
async fn compaction_of_the_changefeed_keeps_the_last_event_of_each_entity() {
    let sandbox = server_of_2026().await;
    for status in ["open", "paid"] {
        sandbox.add_table("orders", [("o1".to_owned(), json!({"status": status}))]);
    }
    assert_eq!(ok(post(&sandbox, "/changefeed/compact", "{}")).await, json!({"events_deleted": 2}));
    assert_eq!(ok(post(&sandbox, "/changefeed/compact", "{}")).await, json!({"events_deleted": 0}));
    let stats = ok(get(&sandbox, "/changefeed/stats")).await;
    assert_eq!((&stats["latest_sequence"], &stats["total_events"]), (&json!(352), &json!(350)));
    assert_eq!(ok(post(&sandbox, "/changefeed/retention", r#"{"before_sequence":352}"#)).await["deleted"], 349);
}

#[tokio::test]
async fn a_closed_store_is_an_error() {
    let sandbox = server_of_2026().await;
    sandbox.close_store();
    for (path, body) in [
        ("/api/v1/metadata/stats/orders", "{}"),
        ("/v1/admin/cache/warmup", r#"{"log_path":"x"}"#),
        ("/changefeed/compact", "{}"),
    ] {
        let (status, body) = answer(post(&sandbox, path, body)).await;
        assert_eq!((status, &body["message"]), (500, &json!("Database not open")), "{path}");
    }
}

#[tokio::test]
async fn statistics_take_their_time() {
    let sandbox = server_of_2026().await;
    let hold = sandbox.hold_work();
    let request = tokio::spawn(post(&sandbox, "/api/v1/metadata/stats/orders", "{}").send());
    within_limit(sandbox.wait_for_work(|count| count == 1)).await;
    sandbox.close_store();
    hold.release();
    assert_eq!(within_limit(request).await.unwrap().unwrap().status(), 500);
}
