//! The life of a schedule over the API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

fn documented() -> Value {
    json!({"id":"nightly-index-rebuild","name":"Nightly Index Rebuild","cron_expression":"0 2 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["INDEX_REBUILD","STATISTICS_UPDATE"],"halt_on_task_failure":true,"enabled":true})
}

#[tokio::test]
async fn the_documented_schedule_comes_back_as_it_was_sent() {
    let mut app = TestApp::start().await;
    let answer = app.post("/schedules", documented()).await;
    assert_eq!(answer.header("location"), "/api/v1/maintenance/schedules/nightly-index-rebuild");
    let etag = answer.header("etag").to_owned();
    let created = answer.expect(201);
    for (field, value) in documented().as_object().unwrap() {
        assert_eq!(&created[field], value, "{field}");
    }
    for (field, value) in [
        ("created_by", json!("tester")),
        ("version", json!(1)),
        ("frequency", json!("CUSTOM")),
        ("description", json!("")),
        ("last_run_at", Value::Null),
        ("target", json!("default")),
    ] {
        assert_eq!(created[field], value, "{field}");
    }
    let read = app.get("/schedules/nightly-index-rebuild").await;
    assert_eq!(read.header("etag"), etag);
    assert_eq!(read.expect(200), created);
    assert_eq!(app.post("/schedules", documented()).await.expect(409)["code"], "id_taken");
    app.stop().await;
}

#[tokio::test]
async fn what_was_read_can_be_sent_back_and_changes_nothing() {
    let mut app = TestApp::start().await;
    let created = app.create(json!({"id":"x","name":"X","frequency":"WEEKLY","window_start_hour":3,"window_end_hour":4,"tasks":["custom",{"task_type":"cache_warm","depends_on":["CUSTOM"],"parameters":{"a":null}}]})).await;
    assert_eq!(created["tasks"][0], "CUSTOM");
    assert_eq!(created["cron_expression"], "0 3 * * 0");
    let again = app.put("/schedules/x", created.clone()).await.expect(200);
    assert_eq!(again, created);
    app.stop().await;
}

#[tokio::test]
async fn every_broken_rule_is_listed_and_nothing_changes() {
    let mut app = TestApp::start().await;
    let answer = app
        .post("/schedules", json!({"id":"../x","name":"a\u{7}b","cron_expression":"* * * * * *","window_start_hour":25,"enabled":"yes","tasks":["NOPE",{"task_type":"CUSTOM","colour":1}],"target":"mars","surprise":1}))
        .await;
    let mut fields = answer.fields();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["cron_expression", "enabled", "id", "name", "surprise", "target", "tasks[0]", "tasks[1].colour", "window_start_hour"]
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
    answer.expect(422);
    assert_eq!(app.get("/schedules").await.expect(200), json!({"schedules":[],"count":0,"next_cursor":null}));
    app.stop().await;
}

#[tokio::test]
async fn if_match_guards_against_lost_updates() {
    let mut app = TestApp::start().await;
    app.create(documented()).await;
    let path = "/schedules/nightly-index-rebuild";
    let etag = app.get(path).await.header("etag").to_owned();
    let patch = |etag: &str| app.request(Method::PATCH, path).header("if-match", etag).json(&json!({"name":"New"}));
    let patched = Answer::of(patch(&etag)).await;
    assert_ne!(patched.header("etag"), etag);
    assert_eq!(patched.expect(200)["version"], 2);
    assert_eq!(Answer::of(patch(&etag)).await.expect(412)["code"], "precondition_failed");
    Answer::of(app.request(Method::DELETE, path).header("if-match", etag)).await.expect(412);
    app.delete(path).await.expect(204);
    app.get(path).await.expect(404);
    app.put(path, documented()).await.expect(404);
    app.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_over_inserts_and_deletes() {
    let mut app = TestApp::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        app.create(json!({"id":name,"name":name,"cron_expression":"@daily","tasks":["CUSTOM"],"enabled":name != "c"})).await;
    }
    let first = app.get("/schedules?limit=2").await.expect(200);
    assert_eq!((&first["count"], &first["schedules"][1]["id"]), (&json!(2), &json!("b")));
    app.delete("/schedules/b").await.expect(204);
    app.create(json!({"id":"bb","name":"bb","cron_expression":"@daily","tasks":["CUSTOM"]})).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&format!("/schedules?limit=2&enabled=true&cursor={cursor}")).await.expect(200);
    let ids: Vec<&str> =
        second["schedules"].as_array().unwrap().iter().map(|schedule| schedule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["bb", "d"]);
    app.get("/schedules?cursor=nonsense").await.expect(400);
    app.get("/schedules?limit=0").await.expect(400);
    app.get("/schedules?colour=red").await.expect(400);
    app.stop().await;
}

#[tokio::test]
async fn enable_and_disable_are_idempotent() {
    let mut app = TestApp::start().await;
    app.create(documented()).await;
    let path = "/schedules/nightly-index-rebuild";
    for version in [2, 2] {
        let disabled = app.post(&format!("{path}/disable"), json!({})).await.expect(200);
        assert_eq!(
            (&disabled["enabled"], &disabled["next_run_at"], &disabled["version"]),
            (&json!(false), &Value::Null, &json!(version))
        );
    }
    let enabled = Answer::of(app.request(Method::POST, &format!("{path}/enable"))).await.expect(200);
    assert_eq!((&enabled["next_run_at"], &enabled["version"]), (&json!("2026-01-06T02:00:00.000Z"), &json!(3)));
    app.stop().await;
}
