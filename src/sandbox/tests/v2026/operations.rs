//! Work that is submitted, asked for and cancelled.

use serde_json::{Value, json};

use super::server_of_2026;
use crate::sandbox::tests::{answer, client, get, ok, post, stoppable, within_limit};
use crate::sandbox::{Fault, FaultKind, Operation, OperationKind, OperationState, Sandbox, SandboxConfig, SandboxVersion};

async fn accepted(request: reqwest::RequestBuilder) -> Value {
    let (status, body) = answer(request).await;
    assert_eq!(status, 202, "{body}");
    body
}

/// Submits an AQL job, and answers where it is.
async fn query(sandbox: &Sandbox) -> String {
    let job = accepted(post(sandbox, "/v2/jobs", r#"{"query":"FOR o IN orders RETURN o"}"#)).await;
    format!("/v2/jobs/{}", job["job_id"].as_str().unwrap())
}

fn delete(sandbox: &Sandbox, path: &str) -> reqwest::RequestBuilder {
    client().delete(format!("{}{path}", sandbox.base_url()))
}

async fn all_ended(sandbox: &Sandbox) {
    within_limit(sandbox.wait_for_operations(|all| all.iter().all(|operation| operation.state.has_ended()))).await;
}

async fn all_running(sandbox: &Sandbox) {
    let running = |operation: &Operation| operation.state == OperationState::Running;
    within_limit(sandbox.wait_for_operations(|all| all.iter().all(running))).await;
}

#[tokio::test]
async fn a_repair_scan_is_queued_and_completes() {
    let sandbox = server_of_2026().await;
    let hold = sandbox.hold_work();
    let queued = accepted(post(&sandbox, "/v1/admin/repair/scan", "{}")).await;
    assert_eq!(queued["status"], "queued");
    let path = format!("/v1/admin/repair/jobs/{}", queued["job_id"].as_str().unwrap());
    let running = ok(get(&sandbox, &path)).await;
    assert_eq!((&running["completed"], &running["success"]), (&json!(false), &json!(false)));
    hold.release();
    all_ended(&sandbox).await;
    let done = ok(get(&sandbox, &path)).await;
    let expected = json!({
        "job_id": queued["job_id"], "completed": true, "success": true,
        "documents_scanned": 350, "documents_failed": 0, "error_message": "",
    });
    assert_eq!(done, expected);
}

#[tokio::test]
async fn operations_end_as_scripted() {
    let sandbox = server_of_2026().await;
    sandbox.fail_next_operations(2, "disk full");
    let scan = accepted(post(&sandbox, "/v1/admin/repair/scan", "{}")).await;
    let (failed, fine) = (query(&sandbox).await, query(&sandbox).await);
    all_ended(&sandbox).await;
    let scan = ok(get(&sandbox, &format!("/v1/admin/repair/jobs/{}", scan["job_id"].as_str().unwrap()))).await;
    assert_eq!((&scan["completed"], &scan["success"]), (&json!(true), &json!(false)));
    assert_eq!((&scan["documents_failed"], &scan["error_message"]), (&json!(1), &json!("disk full")));
    let failed = ok(get(&sandbox, &failed)).await;
    assert_eq!((&failed["status"], &failed["error_message"]), (&json!("failed"), &json!("disk full")));
    assert_eq!(ok(get(&sandbox, &fine)).await["status"], "completed");
}

#[tokio::test]
async fn operations_fail_while_the_store_is_closed() {
    let sandbox = server_of_2026().await;
    sandbox.close_store();
    let job = query(&sandbox).await;
    all_ended(&sandbox).await;
    let job = ok(get(&sandbox, &job)).await;
    assert_eq!((&job["status"], &job["error_message"]), (&json!("failed"), &json!("Database not open")));
}

/// Makes a schedule of this task and runs it: the path of the job.
async fn maintenance(sandbox: &Sandbox, task: &str) -> String {
    let schedule = json!({"name": "from outside", "tasks": [task], "enabled": false, "enforce_window": false});
    let path = "/api/v1/maintenance/schedules";
    let (status, made) = answer(post(sandbox, path, &schedule.to_string())).await;
    assert_eq!(status, 201);
    let run = post(sandbox, &format!("{path}/{}/run", made["id"].as_str().unwrap()), "{}");
    format!("/api/v1/maintenance/jobs/{}", accepted(run).await["id"].as_str().unwrap())
}

#[tokio::test]
async fn its_own_maintenance_runs_a_schedule_and_shows_the_job() {
    let sandbox = server_of_2026().await;
    sandbox.set_pending_compaction_bytes(5_000_000);
    let hold = sandbox.hold_work();
    let path = maintenance(&sandbox, "storage_compaction").await;
    all_running(&sandbox).await;
    sandbox.set_operation_progress(40);
    let running = ok(get(&sandbox, &path)).await;
    assert_eq!((&running["state"], &running["progress_pct"]), (&json!("running"), &json!(40)));
    hold.release();
    all_ended(&sandbox).await;
    let done = ok(get(&sandbox, &path)).await;
    assert_eq!((&done["state"], &done["progress_pct"]), (&json!("succeeded"), &json!(100)));
    within_limit(sandbox.wait_for_work(|count| count == 0)).await;
    let metrics = get(&sandbox, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\nrocksdb_pending_compaction_bytes 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_task_that_its_maintenance_does_not_know_silently_becomes_another() {
    let sandbox = server_of_2026().await;
    sandbox.set_pending_compaction_bytes(1);
    for task in ["STORAGE_COMPACTION", "compaction", "mvcc_cleanup"] {
        maintenance(&sandbox, task).await;
    }
    all_ended(&sandbox).await;
    let about: Vec<_> = sandbox.operations().into_iter().map(|operation| operation.about).collect();
    assert_eq!(about, ["metrics_collection", "metrics_collection", "mvcc_cleanup"]);
    let metrics = get(&sandbox, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(!metrics.contains("rocksdb_pending_compaction_bytes 0\n"), "nothing was compacted");
}

#[tokio::test]
async fn a_schedule_needs_a_name_and_tasks() {
    let sandbox = server_of_2026().await;
    for bad in ["{}", r#"{"name":"x"}"#, r#"{"name":"x","tasks":[]}"#, r#"{"name":"x","tasks":[1]}"#, r#"{"tasks":["a"]}"#] {
        assert_eq!(answer(post(&sandbox, "/api/v1/maintenance/schedules", bad)).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_query_is_cancelled_once_and_an_end_is_final() {
    let sandbox = server_of_2026().await;
    let hold = sandbox.hold_work();
    let job = query(&sandbox).await;
    all_running(&sandbox).await;
    assert_eq!(ok(get(&sandbox, &job)).await["status"], "running");
    assert_eq!(ok(delete(&sandbox, &job)).await["status"], "cancelled");
    within_limit(sandbox.wait_for_work(|count| count == 0)).await;
    hold.release();
    assert_eq!(ok(get(&sandbox, &job)).await["status"], "cancelled");
    let (status, body) = answer(delete(&sandbox, &job)).await;
    assert_eq!((status, &body["message"]), (409, &json!("Job is already cancelled")));

    let job = query(&sandbox).await;
    all_ended(&sandbox).await;
    assert_eq!(answer(delete(&sandbox, &job)).await.0, 409);
    assert_eq!(ok(get(&sandbox, &job)).await["status"], "completed");
}

#[tokio::test]
async fn a_handle_is_known_only_where_it_was_given() {
    let sandbox = server_of_2026().await;
    let job = query(&sandbox).await;
    let id = job.trim_start_matches("/v2/jobs/");
    for path in [format!("/v1/admin/repair/jobs/{id}"), format!("/api/v1/maintenance/jobs/{id}"), "/v2/jobs/x".to_owned()] {
        assert_eq!(answer(get(&sandbox, &path)).await.0, 404, "{path}");
    }
    assert_eq!(answer(delete(&sandbox, "/v2/jobs/x")).await.0, 404);
    assert_eq!(answer(post(&sandbox, "/api/v1/maintenance/schedules/x/run", "{}")).await.0, 404);
}

#[tokio::test]
async fn a_lost_answer_leaves_an_operation_and_a_second_request_makes_another() {
    let sandbox = server_of_2026().await;
    sandbox.script(Fault::times(1, "/v2/jobs", FaultKind::HangUp));
    sandbox.script(Fault::times(1, "/v2/jobs", FaultKind::HangUpAfterWork));
    let submit = || post(&sandbox, "/v2/jobs", r#"{"query":"q"}"#).header("Idempotency-Key", "job-1");
    assert!(submit().send().await.is_err());
    assert!(sandbox.operations().is_empty());
    assert!(submit().send().await.is_err());
    assert_eq!(sandbox.operations().len(), 1);
    accepted(submit()).await;
    query(&sandbox).await;
    all_ended(&sandbox).await;
    let operations = sandbox.operations();
    let keys: Vec<_> = operations.iter().map(|operation| (operation.idempotency_key.as_deref(), operation.submitted)).collect();
    assert_eq!(keys, [(Some("job-1"), 2), (Some("job-1"), 2), (None, 1)]);
    assert!(operations.iter().all(|operation| operation.kind == OperationKind::Query));
}

#[tokio::test]
async fn the_end_of_the_server_does_not_wait_for_operations() {
    let config = SandboxConfig { version: SandboxVersion::V2026, ..SandboxConfig::default() };
    let (sandbox, stop, server) = stoppable(config).await;
    let _hold = sandbox.hold_work();
    query(&sandbox).await;
    stop.send(()).unwrap();
    within_limit(server).await.unwrap();
    assert_eq!(sandbox.work_in_progress(), 0);
}

#[tokio::test]
async fn the_oldest_that_have_ended_are_forgotten() {
    let operations = crate::sandbox::operation::Operations::default();
    let submit = || operations.submit(OperationKind::Query, String::new(), None).map(|(id, _)| id);
    let first = submit().ok().unwrap();
    let ended = submit().ok().unwrap();
    operations.end(&ended, None);
    while operations.count() < 4096 {
        assert!(submit().is_ok());
    }
    assert!(submit().is_ok());
    assert!(operations.find(OperationKind::Query, &ended).is_none());
    assert!(operations.find(OperationKind::Query, &first).is_some());
    assert!(submit().is_err(), "what has not ended is not forgotten");
}

#[tokio::test]
async fn operations_are_steered_and_shown_over_http() {
    let sandbox = server_of_2026().await;
    let steer = |body: &str| post(&sandbox, "/sandbox/operations", body);
    assert_eq!(steer(r#"{"fail_next":1,"message":"no"}"#).send().await.unwrap().status(), 204);
    assert_eq!(steer(r#"{"fail":1}"#).send().await.unwrap().status(), 400);
    let hold = sandbox.hold_work();
    query(&sandbox).await;
    all_running(&sandbox).await;
    assert_eq!(steer(r#"{"progress_percent":55}"#).send().await.unwrap().status(), 204);
    let shown = ok(get(&sandbox, "/sandbox/operations")).await;
    assert_eq!((&shown[0]["kind"], &shown[0]["state"]), (&json!("query"), &json!("running")));
    assert_eq!(shown[0]["progress_percent"], 55);
    hold.release();
    all_ended(&sandbox).await;
    assert_eq!(ok(get(&sandbox, "/sandbox/operations")).await[0]["error_message"], "no");
    let state = ok(get(&sandbox, "/sandbox")).await;
    assert_eq!((&state["version"], &state["operations"]), (&json!("2026"), &json!(1)));
    assert_eq!(state["replication"], "healthy");
}
