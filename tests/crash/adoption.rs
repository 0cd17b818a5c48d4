//! Work that goes on inside the target while the service is gone: killed or ended in order, it is waited for again and never asked
//! for twice.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::sandbox::{Sandbox, SandboxConfig, SandboxVersion};
use tokio::net::TcpListener;

use crate::files::Files;
use crate::service::{Service, until};

/// An asynchronous query, with its own way of being cancelled.
const RECIPE: &str = r#"
[custom_endpoints.purge]
method = "POST"
path = "/v2/jobs"
body = { query = "FOR s IN sessions REMOVE s IN sessions" }
success = { statuses = [202] }
poll = { handle = "/job_id", path = "/v2/jobs/{handle}", state = "/status", succeeded = ["completed"], failed = ["failed"], interval = "50ms" }
cancel = { method = "DELETE", path = "/v2/jobs/{handle}" }
"#;

async fn sandbox() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let config = SandboxConfig { version: SandboxVersion::V2026, ..SandboxConfig::default() };
    Sandbox::start(listener, config, std::future::pending()).await.expect("a sandbox").0
}

/// Starts the service and a job whose work the target holds; returns the job's id once its handle is stored.
async fn with_accepted_work(files: &Files, sandbox: &Sandbox) -> (Service, String) {
    let mut service = Service::spawn(files);
    service.ready().await;
    let plan = json!({"id": "s", "name": "S", "cron_expression": "0 0 1 1 *",
        "tasks": [{"task_type": "CUSTOM", "parameters": {"endpoint": "purge"}}, "LOG_ROTATION"]});
    let created = service.client().send(Method::POST, "/schedules", "", Some(plan)).await;
    assert_eq!(created.expect("an answer").0, 201);
    let run = service.client().send(Method::POST, "/schedules/s/run", "", Some(json!({}))).await.expect("an answer");
    assert_eq!(run.0, 202);
    let id = newest(&service).await["id"].as_str().expect("an id").to_owned();
    until("the handle", async || (!newest(&service).await["tasks"][0]["handle"].is_null()).then_some(())).await;
    assert_eq!(sandbox.operations().len(), 1);
    (service, id)
}

async fn newest(service: &Service) -> Value {
    service.jobs().await.first().cloned().unwrap_or_default()
}

async fn ended(service: &Service) -> Value {
    until("the end of the job", async || Some(newest(service).await).filter(|job| !job["finished_at"].is_null())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accepted_work_is_waited_for_after_a_kill_and_after_an_end_in_order() {
    for in_order in [false, true] {
        let sandbox = sandbox().await;
        let files = Files::with(&sandbox.base_url(), &format!("server.shutdown_grace = \"0s\"\n{RECIPE}"));
        let hold = sandbox.hold_work();
        let (mut service, id) = with_accepted_work(&files, &sandbox).await;
        if in_order {
            assert!(service.terminate().success());
        } else {
            service.kill();
        }
        assert!(sandbox.requests().iter().all(|request| request.method != Method::DELETE), "it was not asked to stop");

        let mut service = Service::spawn(&files);
        service.ready().await;
        let job = newest(&service).await;
        assert_eq!((job["id"].as_str(), job["state"].as_str()), (Some(id.as_str()), Some("RUNNING")), "{job}");
        hold.release();
        let job = ended(&service).await;
        assert_eq!((&job["state"], &job["tasks"][0]["attempts"]), (&json!("SUCCEEDED"), &json!(1)), "{job}");
        assert_eq!(job["tasks"][0]["handle"], Value::Null);
        assert_eq!(sandbox.operations().len(), 1, "it was submitted once");
        assert!(service.terminate().success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adopted_work_can_be_cancelled_on_the_target() {
    let sandbox = sandbox().await;
    let files = Files::with(&sandbox.base_url(), RECIPE);
    let _hold = sandbox.hold_work();
    let (mut service, id) = with_accepted_work(&files, &sandbox).await;
    service.kill();
    let mut service = Service::spawn(&files);
    service.ready().await;
    let cancelled = service.client().send(Method::POST, &format!("/jobs/{id}/cancel"), "", None).await;
    assert_eq!(cancelled.expect("an answer").0, 202);
    let job = ended(&service).await;
    assert_eq!((&job["state"], &job["tasks"][0]["outcome"]), (&json!("CANCELLED"), &json!("UNKNOWN")), "{job}");
    let asked = || sandbox.requests().iter().filter(|request| request.method == Method::DELETE).count();
    until("the target to be asked to stop", async || (asked() == 1).then_some(())).await;
    assert!(service.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_that_the_target_has_forgotten_meanwhile_is_unknown() {
    let first = sandbox().await;
    let files = Files::with(&first.base_url(), RECIPE);
    let hold = first.hold_work();
    let (mut service, _) = with_accepted_work(&files, &first).await;
    service.kill();
    hold.release();
    // Another server of the same address would do; a stand-in that knows no operation is the same.
    first.script(themis_maintenance::sandbox::Fault::always(
        "/v2/jobs/",
        themis_maintenance::sandbox::FaultKind::status("404".parse().expect("a status")),
    ));
    let mut service = Service::spawn(&files);
    service.ready().await;
    let job = ended(&service).await;
    let task = &job["tasks"][0];
    assert_eq!(
        (&task["state"], &task["outcome"], &task["http_status"]),
        (&json!("FAILED"), &json!("UNKNOWN"), &json!(404)),
        "{job}"
    );
    assert_eq!(first.operations().len(), 1);
    tokio::time::timeout(Duration::from_secs(20), async { assert!(service.terminate().success()) }).await.expect("an end");
}
