//! The shipped recipes against a server that lies, loses answers and refuses: the job's record is the true one.

use serde_json::{Value, json};
use themis_maintenance::sandbox::{Fault, FaultKind, Replication, SandboxConfig, SandboxVersion};

use crate::support::TestApp;

async fn app() -> TestApp {
    TestApp::start().await
}

/// Against a server of 2026, with its profile and without waits between polls.
async fn app_2026(more: &str) -> TestApp {
    let sandbox = SandboxConfig { version: SandboxVersion::V2026, ..SandboxConfig::default() };
    let configuration = format!("targets.default.profile = \"themisdb-2026\"\n{more}");
    TestApp::builder().sandbox(sandbox).with(&configuration).start().await
}

/// Runs one task to the end of its job; returns the task's record.
async fn run(app: &TestApp, task_type: &str, parameters: Value) -> Value {
    app.delete("/schedules/s").await;
    let task = json!({"task_type": task_type, "parameters": parameters});
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","max_attempts":1,"tasks":[task]})).await;
    let job = app.run("s").await;
    let task = job["tasks"][0].clone();
    let expected = if task["state"] == "SUCCEEDED" { "SUCCEEDED" } else { "FAILED" };
    assert_eq!(job["state"], expected, "{job}");
    task
}

#[track_caller]
fn assert_ended(task: &Value, state: &str, outcome: &str, words: &str) {
    assert_eq!((task["state"].as_str(), task["outcome"].as_str()), (Some(state), Some(outcome)), "{task}");
    assert!(task["error_message"].as_str().unwrap_or_default().contains(words), "{task}");
}

fn status(status: u16) -> FaultKind {
    FaultKind::status(status.try_into().expect("a status"))
}

/// Each shipped recipe of 2025 with its parameters and the path of the call that does the work.
fn measured() -> Vec<(&'static str, Value, &'static str)> {
    let index = json!({"table": "orders", "column": "status"});
    vec![
        ("INDEX_REBUILD", index.clone(), "/index/rebuild"),
        ("INDEX_OPTIMIZE", json!({"table": "orders"}), "/index/reindex"),
        ("INDEX_CONSISTENCY_CHECK", index, "/index/stats"),
        ("METRICS_COLLECTION", json!({}), "/stats"),
        ("BACKUP_VERIFICATION", json!({}), "/admin/backup"),
        ("RETENTION_ENFORCEMENT", json!({"before_sequence": 5}), "/changefeed/retention"),
    ]
}

#[tokio::test]
async fn every_measured_recipe_succeeds_on_a_server_that_is_well() {
    let mut app = app().await;
    for (task_type, parameters, _) in measured() {
        let task = run(&app, task_type, parameters).await;
        assert_ended(&task, "SUCCEEDED", "SUCCEEDED", "");
        assert!(task["result_summary"].is_object(), "{task}");
    }
    assert_eq!(app.sandbox.backups().len(), 1);
    assert_eq!(app.sandbox.restores(), 0);
    app.stop().await;
}

#[tokio::test]
async fn a_closed_store_fails_every_recipe_whatever_the_server_says() {
    let mut app = app().await;
    app.sandbox.close_store();
    for (task_type, parameters, _) in measured() {
        let task = run(&app, task_type, parameters).await;
        assert_ended(&task, "FAILED", "PERMANENT", "");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_fault_of_the_call_that_does_the_work_is_told_as_what_it_is() {
    let mut app = app().await;
    let redirect = FaultKind::Redirect("/v1/elsewhere".to_owned());
    for (fault, outcome, words) in [
        (status(500), "PERMANENT", "answered 500"),
        (status(503), "TRANSIENT", "answered 503"),
        (redirect, "PERMANENT", "redirects are not followed"),
        (FaultKind::Garbage, "PERMANENT", ""),
        (FaultKind::HugeBody(2 * 1024 * 1024), "PERMANENT", "larger than"),
        (FaultKind::policy_denied(), "PERMANENT", "403"),
    ] {
        for (task_type, parameters, path) in measured() {
            app.sandbox.script(Fault::always(path, fault.clone()));
            let task = run(&app, task_type, parameters).await;
            app.sandbox.clear_faults();
            assert_ended(&task, "FAILED", outcome, words);
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_unknown_says_what_to_check_and_is_not_repeated() {
    let mut app = app().await;
    for fault in [FaultKind::HangUp, FaultKind::HangUpAfterWork] {
        for (task_type, parameters, path, hint) in [
            ("INDEX_REBUILD", json!({"table": "orders", "column": "status"}), "/index/rebuild", "compare entry_count"),
            ("INDEX_OPTIMIZE", json!({"table": "orders"}), "/index/reindex", "stands still"),
            ("BACKUP_VERIFICATION", json!({}), "/admin/backup", "./data/backup_"),
            ("RETENTION_ENFORCEMENT", json!({"before_sequence": 5}), "/changefeed/retention", "/changefeed/stats"),
        ] {
            app.sandbox.clear_requests();
            app.sandbox.script(Fault::times(1, path, fault.clone()));
            let task = run(&app, task_type, parameters).await;
            assert_ended(&task, "FAILED", "UNKNOWN", hint);
            assert_eq!(app.sandbox.requests().iter().filter(|request| request.path == path).count(), 1, "{task_type}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_verification_that_tells_done_from_not_done_settles_a_lost_answer() {
    let recipe = r#"
        [custom_endpoints.store]
        method = "PUT"
        path = "/entities/marks:{mark}"
        body = { blob = "{blob}" }
        success = { statuses = [201] }
        verify = { path = "/entities/marks:{mark}", success = { assertions = [{ pointer = "/blob", matches = "done" }] } }
    "#;
    let mut app = TestApp::builder().with(recipe).start().await;
    let blob = json!({"done": true}).to_string();
    app.sandbox.script(Fault::times(1, "/entities", FaultKind::HangUpAfterWork));
    let task = run(&app, "CUSTOM", json!({"endpoint": "store", "mark": "a", "blob": blob})).await;
    assert_ended(&task, "SUCCEEDED", "SUCCEEDED", "");
    app.sandbox.script(Fault::times(1, "/entities", FaultKind::HangUp));
    let task = run(&app, "CUSTOM", json!({"endpoint": "store", "mark": "b", "blob": blob})).await;
    assert_ended(&task, "FAILED", "PERMANENT", "verification says that it was not carried out");
    app.stop().await;
}

#[tokio::test]
async fn a_rebuild_of_what_is_not_there_does_no_work_and_one_that_loses_entries_fails() {
    let mut app = app().await;
    for parameters in [json!({"table": "nowhere", "column": "c"}), json!({"table": "orders", "column": "nothing"})] {
        let task = run(&app, "INDEX_REBUILD", parameters).await;
        assert_ended(&task, "FAILED", "PERMANENT", "before the call: ");
    }
    assert!(app.sandbox.requests().iter().all(|request| request.path != "/index/rebuild"));
    let task = run(&app, "INDEX_OPTIMIZE", json!({"table": "nowhere"})).await;
    assert_ended(&task, "FAILED", "PERMANENT", "at least 1");
    app.sandbox.spoil_next_rebuild("orders", "status", 50);
    let task = run(&app, "INDEX_REBUILD", json!({"table": "orders", "column": "status"})).await;
    assert_ended(&task, "FAILED", "PERMANENT", "/entry_count must be at least 250");
    let task = run(&app, "INDEX_CONSISTENCY_CHECK", json!({"table": "orders", "column": "status", "min_entries": 201})).await;
    assert_ended(&task, "FAILED", "PERMANENT", "must be at least 201");
    app.stop().await;
}

#[tokio::test]
async fn a_star_is_every_index_of_the_table() {
    let mut app = app().await;
    let task = run(&app, "INDEX_REBUILD", json!({"table": "orders", "column": "*"})).await;
    assert_ended(&task, "SUCCEEDED", "SUCCEEDED", "");
    let columns: Vec<&str> = task["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["parameters"]["column"].as_str().expect("a column"))
        .collect();
    assert_eq!(columns, ["customer_id", "customer_id+status", "status"]);
    let task = run(&app, "INDEX_REBUILD", json!({"table": "nowhere", "column": "*"})).await;
    assert_ended(&task, "FAILED", "PERMANENT", "found no column");
    app.stop().await;
}

#[tokio::test]
async fn a_targets_default_parameters_make_a_plain_task_useful() {
    let defaults = "[targets.default.parameters]\nINDEX_REBUILD = [{ table = \"orders\", column = \"status\" }, { table = \"customers\", column = \"email\" }]";
    let mut app = TestApp::builder().with(defaults).start().await;
    let created = app.create(json!({"id":"p","name":"P","cron_expression":"0 0 1 1 *","tasks":["INDEX_REBUILD"]})).await;
    assert_eq!((&created["warnings"], &created["tasks"]), (&json!([]), &json!(["INDEX_REBUILD"])));
    let job = app.run("p").await;
    assert_eq!((&job["state"], job["tasks"][0]["items"].as_array().map(Vec::len)), (&json!("SUCCEEDED"), Some(2)), "{job}");
    app.stop().await;
}

/// The recipes of 2026 with parameters; `interval` of the polls is cut so that tests need not wait.
fn of_2026() -> Vec<(&'static str, Value)> {
    vec![
        ("STATISTICS_UPDATE", json!({"table": "orders"})),
        ("CACHE_WARM", json!({"log_path": "/var/log/queries"})),
        ("REPLICA_VALIDATION", json!({})),
        ("STORAGE_COMPACTION", json!({})),
        ("MVCC_CLEANUP", json!({})),
    ]
}

/// Without the waits of five seconds.
fn quick_polls() -> [(String, String); 3] {
    ["REPLICA_VALIDATION", "STORAGE_COMPACTION", "MVCC_CLEANUP"].map(|task_type| {
        (format!("THEMIS_MAINTENANCE__PROFILES__THEMISDB-2026__ENDPOINTS__{task_type}__POLL__INTERVAL"), "20ms".to_owned())
    })
}

#[tokio::test]
async fn every_recipe_of_2026_succeeds_on_a_server_that_is_well_and_fails_with_a_closed_store() {
    let mut app = TestApp::builder()
        .sandbox(SandboxConfig { version: SandboxVersion::V2026, ..SandboxConfig::default() })
        .with("targets.default.profile = \"themisdb-2026\"")
        .environment(quick_polls())
        .start()
        .await;
    for (task_type, parameters) in of_2026() {
        let task = run(&app, task_type, parameters).await;
        assert_ended(&task, "SUCCEEDED", "SUCCEEDED", "");
    }
    let task = run(&app, "STORAGE_COMPACTION", json!({})).await;
    let plan = task["result_summary"]["plan_id"].clone();
    assert!(plan.is_string(), "{task}");
    app.sandbox.clear_requests();
    run(&app, "STORAGE_COMPACTION", json!({ "plan_id": plan })).await;
    let plans = |path: &str| app.sandbox.requests().iter().filter(|request| request.path == path).count();
    assert_eq!(plans("/api/v1/maintenance/schedules"), 0, "a plan that is named is not made anew");

    app.sandbox.fail_next_operations(1, "disk full");
    let task = run(&app, "MVCC_CLEANUP", json!({})).await;
    assert_ended(&task, "FAILED", "PERMANENT", "failed");
    app.sandbox.close_store();
    for (task_type, parameters) in of_2026() {
        let task = run(&app, task_type, parameters).await;
        assert_eq!(task["state"], "FAILED", "{task}");
    }
    app.stop().await;
}

#[tokio::test]
async fn replicas_that_are_not_well_are_not_scanned() {
    let mut app = app_2026("").await;
    for (replication, outcome) in
        [(Replication::Degraded, "PERMANENT"), (Replication::QuorumLost, "PERMANENT"), (Replication::SingleNode, "TRANSIENT")]
    {
        app.sandbox.set_replication(replication);
        let task = run(&app, "REPLICA_VALIDATION", json!({})).await;
        assert_ended(&task, "FAILED", outcome, "before the call: ");
    }
    assert!(app.sandbox.operations().is_empty());
    app.stop().await;
}

#[tokio::test]
async fn a_server_of_2025_says_that_it_does_not_know_what_came_later() {
    let mut app = TestApp::builder().with("targets.default.profile = \"themisdb-2026\"").start().await;
    for (task_type, parameters) in of_2026() {
        let task = run(&app, task_type, parameters).await;
        assert_ended(&task, "FAILED", "PERMANENT", "404");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_preflight_check_puts_a_job_off_until_the_server_has_caught_up() {
    let check = "[[targets.default.preflight]]\npath = \"/metrics\"\n\
                 metrics = [{ name = \"rocksdb_pending_compaction_bytes\", at_most = 1000000 }]";
    let mut app = TestApp::builder().with(check).start().await;
    app.sandbox.set_pending_compaction_bytes(5_000_000);
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})).await;
    let job = app.post("/schedules/s/run", json!({})).await.expect(202);
    let id = job["id"].as_str().expect("an id");
    crate::support::until("the job to be put off", || async {
        (app.metric("maintenance_target_postponed{target=\"default\"}").await == 1.0).then_some(())
    })
    .await;
    assert_eq!(app.get(&format!("/jobs/{id}")).await.expect(200)["state"], "PENDING");
    app.sandbox.set_pending_compaction_bytes(0);
    app.clock.advance(chrono::TimeDelta::seconds(30));
    assert_eq!(app.ended(id).await["state"], "SUCCEEDED");
    app.stop().await;
}
