//! Runs by hand, cancellation, failures: what the job's record says.

use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::sandbox::{Fault, FaultKind, SandboxConfig};

use crate::support::{Answer, TestApp, WRITE};

fn one_task(task: Value) -> Value {
    json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":[task],"max_attempts":1})
}

#[tokio::test]
async fn a_rebuild_of_a_table_that_does_not_exist_fails_though_the_server_claims_success() {
    let mut app = TestApp::start().await;
    app.create(one_task(json!({"task_type":"INDEX_REBUILD","parameters":{"table":"nowhere","column":"c"}}))).await;
    let job = app.run("s").await;
    assert_eq!((&job["state"], &job["reason"], &job["trigger"]), (&json!("FAILED"), &Value::Null, &json!("MANUAL")));
    assert_eq!((&job["requested_by"], &job["tasks"][0]["outcome"]), (&json!("tester"), &json!("PERMANENT")));
    let message = job["tasks"][0]["error_message"].as_str().unwrap();
    assert!(message.contains("/index/stats") && message.contains("/type"), "{message}");
    app.stop().await;
}

#[tokio::test]
async fn a_closed_store_fails_the_task_though_the_server_claims_success() {
    let mut app = TestApp::start().await;
    app.create(one_task(json!({"task_type":"METRICS_COLLECTION"}))).await;
    app.sandbox.close_store();
    let job = app.run("s").await;
    assert_eq!(job["state"], "FAILED");
    assert!(job["tasks"][0]["error_message"].as_str().unwrap().contains("/storage/error"), "{job}");
    app.sandbox.open_store();
    assert_eq!(app.run("s").await["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn halt_on_failure_skips_the_rest() {
    let mut app = TestApp::start().await;
    app.sandbox.script(Fault::always("/maintenance/cache-warm", FaultKind::status("500".parse().unwrap())));
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","halt_on_task_failure":true,"tasks":["LOG_ROTATION","CACHE_WARM","SECURITY_SCAN"]})).await;
    let job = app.run("s").await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("FAILED"), &json!("HALTED")));
    let states: Vec<&str> = job["tasks"].as_array().unwrap().iter().map(|task| task["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["SUCCEEDED", "FAILED", "SKIPPED"]);
    assert_eq!(app.metric("maintenance_jobs_failed_total{reason=\"HALTED\"}").await, 1.0);
    app.stop().await;
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_unknown_and_is_not_repeated() {
    let mut app = TestApp::start().await;
    app.sandbox.script(Fault::always("/index/rebuild", FaultKind::HangUp));
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","max_attempts":3,"tasks":[{"task_type":"INDEX_REBUILD","parameters":{"table":"orders","column":"status"}}]})).await;
    let job = app.run("s").await;
    assert_eq!(
        (&job["state"], &job["tasks"][0]["outcome"], &job["tasks"][0]["attempts"]),
        (&json!("FAILED"), &json!("UNKNOWN"), &json!(1))
    );
    let sent = app.sandbox.requests().iter().filter(|request| request.path == "/index/rebuild").count();
    assert_eq!(sent, 1);
    app.stop().await;
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_time_it_asks_for() {
    let mut app = TestApp::start().await;
    app.sandbox.script(Fault::times(1, "/maintenance", FaultKind::RateLimited { retry_after_seconds: 7 }));
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})).await;
    let job = app.post("/schedules/s/run", json!({})).await.expect(202);
    let id = job["id"].as_str().unwrap();
    app.job_when(id, |job| job["tasks"][0]["outcome"] == "TRANSIENT").await;
    app.clock.set("2026-01-05T02:00:06.999Z");
    assert_eq!(app.get(&format!("/jobs/{id}")).await.expect(200)["tasks"][0]["attempts"], 1);
    app.clock.set("2026-01-05T02:00:07Z");
    let job = app.ended(id).await;
    assert_eq!((&job["state"], &job["tasks"][0]["attempts"]), (&json!("SUCCEEDED"), &json!(2)));
    let calls = app.sandbox.requests();
    let keys: Vec<&str> = calls.iter().filter_map(|request| request.header("idempotency-key")).collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    app.stop().await;
}

#[tokio::test]
async fn cancel_stops_a_running_job() {
    let mut app = TestApp::start().await;
    let hold = app.sandbox.hold(None, "/maintenance");
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION","CACHE_WARM"]})).await;
    let job = app.post("/schedules/s/run", json!({})).await.expect(202);
    let id = job["id"].as_str().unwrap();
    assert_eq!(app.post("/schedules/s/run", json!({})).await.expect(409)["code"], "job_active");
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    app.post(&format!("/jobs/{id}/cancel"), json!({})).await.expect(202);
    let job = app.ended(id).await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("CANCELLED"), &json!("CANCELLED_BY_OPERATOR")));
    assert_eq!((&job["tasks"][0]["state"], &job["tasks"][0]["outcome"]), (&json!("CANCELLED"), &json!("UNKNOWN")));
    assert_eq!(job["tasks"][1]["state"], "SKIPPED");
    app.post(&format!("/jobs/{id}/cancel"), json!({})).await.expect(409);
    hold.release();
    app.stop().await;
}

#[tokio::test]
async fn force_needs_admin_and_bypasses_only_the_window() {
    let mut app = TestApp::builder().at("2026-01-05T12:00:00Z").start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 2 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["LOG_ROTATION"],"enabled":false})).await;
    let skipped = app.post("/schedules/s/run", json!({})).await.expect(202);
    assert_eq!((&skipped["state"], &skipped["reason"]), (&json!("SKIPPED"), &json!("OUTSIDE_WINDOW")));
    let forced = app.request_as(WRITE, Method::POST, "/schedules/s/run").json(&json!({"force":true}));
    let refused = Answer::of(forced).await;
    assert!(refused.json["detail"].as_str().unwrap().contains("maintenance:admin"), "{}", refused.text);
    refused.expect(403);
    let job = app.post("/schedules/s/run", json!({"force":true})).await.expect(202);
    assert_eq!(job["forced"], true);
    assert_eq!(app.ended(job["id"].as_str().unwrap()).await["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn a_task_type_without_an_endpoint_is_accepted_with_a_warning_and_fails_saying_which_key_to_set() {
    let mut app = TestApp::builder().with("endpoints.LOG_ROTATION = { disabled = true }").start().await;
    let created = app.create(one_task(json!("LOG_ROTATION"))).await;
    assert!(created["warnings"][0].as_str().unwrap().contains("[endpoints.LOG_ROTATION]"), "{created}");
    let job = app.run("s").await;
    assert_eq!(job["state"], "FAILED");
    assert!(job["tasks"][0]["error_message"].as_str().unwrap().contains("[endpoints.LOG_ROTATION]"), "{job}");
    app.stop().await;
}

#[tokio::test]
async fn the_targets_token_goes_along_and_a_negative_sequence_never_leaves() {
    let sandbox = SandboxConfig { admin_token: Some("themis-admin".to_owned()), ..SandboxConfig::default() };
    let mut app = TestApp::builder().sandbox(sandbox).with("targets.default.token = \"themis-admin\"").start().await;
    let retention = |sequence: i64| json!({"task_type":"RETENTION_ENFORCEMENT","parameters":{"before_sequence":sequence}});
    app.create(json!({"id":"good","name":"G","cron_expression":"@yearly","tasks":[retention(0)]})).await;
    app.create(json!({"id":"bad","name":"B","cron_expression":"@yearly","tasks":[retention(-1)]})).await;
    assert_eq!(app.run("good").await["state"], "SUCCEEDED");
    app.sandbox.clear_requests();
    let job = app.run("bad").await;
    assert_eq!((&job["state"], &job["tasks"][0]["outcome"]), (&json!("FAILED"), &json!("PERMANENT")));
    assert!(app.sandbox.requests().iter().all(|request| request.method != "POST"));
    app.stop().await;
}
