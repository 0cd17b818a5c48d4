//! The index routes.

use serde_json::json;

use super::{SandboxConfig, answer, get, ok, post, start, within_limit};
use crate::sandbox::{IndexKind, Sandbox};

fn stats(sandbox: &Sandbox, body: &str) -> reqwest::RequestBuilder {
    get(sandbox, "/index/stats").body(body.to_owned())
}

#[tokio::test]
async fn a_rebuild_answers_with_the_entries() {
    let sandbox = start(SandboxConfig::default()).await;
    let body = r#"{"table":"orders","column":"customer_id+status"}"#;
    let answered = ok(post(&sandbox, "/index/rebuild", body)).await;
    assert_eq!(
        answered,
        json!({
            "success": true,
            "table": "orders",
            "column": "customer_id+status",
            "entry_count": 250,
            "estimated_size_bytes": 12_000,
        })
    );
    for body in [r#"{"table":"orders"}"#, r#"{"column":"status"}"#, "{}"] {
        assert_eq!(answer(post(&sandbox, "/index/rebuild", body)).await.0, 400, "{body}");
    }
    assert_eq!(answer(post(&sandbox, "/index/rebuild", r#"{"table":1,"column":2}"#)).await.0, 400);
}

#[tokio::test]
async fn a_reindex_lists_every_index() {
    let sandbox = start(SandboxConfig::default()).await;
    let answered = ok(post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#)).await;
    assert_eq!(
        answered,
        json!({
            "success": true,
            "table": "orders",
            "indexes_rebuilt": 3,
            "indexes": [
                {"column": "customer_id", "type": "regular", "entry_count": 250},
                {"column": "customer_id+status", "type": "composite", "entry_count": 250},
                {"column": "status", "type": "regular", "entry_count": 250},
            ],
        })
    );
}

#[tokio::test]
async fn index_stats_take_their_question_from_the_body() {
    let sandbox = start(SandboxConfig::default()).await;
    let email = json!({
        "type": "regular",
        "table": "customers",
        "column": "email",
        "entry_count": 100,
        "estimated_size_bytes": 4_800,
        "unique": true,
    });
    assert_eq!(ok(stats(&sandbox, r#"{"table":"customers"}"#)).await, json!([email]));
    let one = r#"{"table":"customers","column":"email"}"#;
    assert_eq!(ok(stats(&sandbox, one)).await, email);
    assert_eq!(ok(stats(&sandbox, r#"{"table":"nowhere"}"#)).await, json!([]));
    let unknown = ok(stats(&sandbox, r#"{"table":"customers","column":"age"}"#)).await;
    assert_eq!((&unknown["type"], &unknown["entry_count"]), (&json!(""), &json!(0)));
    assert_eq!(answer(stats(&sandbox, "")).await.0, 400);
}

#[tokio::test]
async fn work_on_what_is_not_there_is_a_silent_success() {
    let sandbox = start(SandboxConfig::default()).await;
    for body in [r#"{"table":"nowhere","column":"id"}"#, r#"{"table":"orders","column":"colour"}"#] {
        let answered = ok(post(&sandbox, "/index/rebuild", body)).await;
        assert_eq!((&answered["success"], &answered["entry_count"]), (&json!(true), &json!(0)));
    }
    let answered = ok(post(&sandbox, "/index/reindex", r#"{"table":"nowhere"}"#)).await;
    assert_eq!(answered, json!({"success": true, "table": "nowhere", "indexes_rebuilt": 0, "indexes": []}));
    assert_eq!(ok(stats(&sandbox, r#"{"table":"nowhere"}"#)).await, json!([]), "and creates nothing");
}

#[tokio::test]
async fn a_closed_store_is_a_silent_success_too_and_keeps_its_data() {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.close_store();
    let body = r#"{"table":"orders","column":"status"}"#;
    let answered = ok(post(&sandbox, "/index/rebuild", body)).await;
    assert_eq!((&answered["success"], &answered["entry_count"]), (&json!(true), &json!(0)));
    let answered = ok(post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#)).await;
    assert_eq!((&answered["success"], &answered["indexes_rebuilt"]), (&json!(true), &json!(0)));
    assert_eq!(ok(stats(&sandbox, r#"{"table":"orders"}"#)).await, json!([]));
    sandbox.open_store();
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(250));
}

#[tokio::test]
async fn a_created_index_holds_only_the_rows_that_come_after_it() {
    let sandbox = start(SandboxConfig::default()).await;
    let created = ok(post(&sandbox, "/index/create", r#"{"table":"customers","column":"name"}"#)).await;
    assert_eq!(created, json!({"success": true, "table": "customers", "column": "name", "unique": false}));
    assert_eq!(sandbox.index_entry_count("customers", "name"), Some(0));
    sandbox.add_table("customers", [("new".to_owned(), json!({"name": "New"}))]);
    assert_eq!(sandbox.index_entry_count("customers", "name"), Some(1));
    assert_eq!(sandbox.index_entry_count("customers", "email"), Some(100));
    let body = r#"{"table":"customers","column":"name"}"#;
    assert_eq!(ok(post(&sandbox, "/index/rebuild", body)).await["entry_count"], 101);
}

#[tokio::test]
async fn the_other_kinds_of_index_can_be_created() {
    let sandbox = start(SandboxConfig::default()).await;
    let cases = [
        (
            r#"{"table":"t","columns":["a","b"],"unique":true}"#,
            json!({"success": true, "table": "t", "columns": ["a", "b"], "unique": true}),
        ),
        (r#"{"table":"t","column":"r","type":"range"}"#, json!({"success": true, "table": "t", "column": "r", "type": "range"})),
        (
            r#"{"table":"t","column":"f","type":"fulltext"}"#,
            json!({"success": true, "table": "t", "column": "f", "type": "fulltext"}),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(ok(post(&sandbox, "/index/create", body)).await, expected);
    }
    for body in [
        "{}",
        r#"{"table":"t"}"#,
        r#"{"table":"t","columns":[]}"#,
        r#"{"table":"t","columns":[1]}"#,
        r#"{"table":"t","column":"x","unique":1}"#,
    ] {
        assert_eq!(answer(post(&sandbox, "/index/create", body)).await.0, 400, "{body}");
    }
    let columns = ok(stats(&sandbox, r#"{"table":"t"}"#)).await;
    let kinds: Vec<_> = columns.as_array().unwrap().iter().map(|index| index["type"].clone()).collect();
    assert_eq!(kinds, ["composite", "fulltext", "range"]);
}

#[tokio::test]
async fn a_rebuild_repairs_a_damaged_index() {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.lose_index_entries("orders", "status", 40);
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(210));
    let body = r#"{"table":"orders","column":"status"}"#;
    assert_eq!(ok(post(&sandbox, "/index/rebuild", body)).await["entry_count"], 250);
}

#[tokio::test]
async fn an_index_set_up_by_a_test_is_filled() {
    let sandbox = start(SandboxConfig { seed: false, ..SandboxConfig::default() }).await;
    let rows = [json!({"a": 1}), json!({"a": null}), json!({"b": 2})];
    sandbox.add_table("t", rows.into_iter().enumerate().map(|(n, row)| (n.to_string(), row)));
    sandbox.add_index("t", "a", IndexKind::Range);
    assert_eq!(sandbox.index_entry_count("t", "a"), Some(1));
    assert_eq!(sandbox.index_entry_count("orders", "status"), None);
}

#[tokio::test]
async fn a_rebuild_empties_the_index_first_and_goes_on_when_abandoned() {
    let sandbox = start(SandboxConfig::default()).await;
    let hold = sandbox.hold_work();
    let body = r#"{"table":"orders","column":"status"}"#;
    let request = tokio::spawn(post(&sandbox, "/index/rebuild", body).send());
    within_limit(sandbox.wait_for_work(|count| count == 1)).await;
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(0));
    assert_eq!(sandbox.index_entry_count("orders", "customer_id"), Some(250));

    request.abort();
    within_limit(sandbox.wait_for_requests(|requests| requests[0].ended)).await;
    assert_eq!((sandbox.in_flight(), sandbox.work_in_progress()), (0, 1));
    hold.release();
    within_limit(sandbox.wait_for_work(|count| count == 0)).await;
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(250));
}

#[tokio::test]
async fn a_spoiled_rebuild_calls_itself_a_success() {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.spoil_next_rebuild("orders", "status", 30);
    let rebuild = || post(&sandbox, "/index/rebuild", r#"{"table":"orders","column":"status"}"#);
    let spoiled = ok(rebuild()).await;
    assert_eq!((&spoiled["success"], &spoiled["entry_count"]), (&json!(true), &json!(220)));
    assert_eq!(ok(rebuild()).await["entry_count"], 250);
}
