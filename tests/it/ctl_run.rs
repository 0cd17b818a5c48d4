//! `ctl run --wait` and `ctl jobs follow`: the end of a job as an exit code, whatever happens to the connection.

use std::path::Path;

use serde_json::{Value, json};
use themis_maintenance::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use tokio::net::TcpListener;

use crate::support::{Proxy, TestApp, ctl, end, program, said, until};

async fn app_with(id: &str, target: Value) -> TestApp {
    let app = TestApp::start().await;
    create(&app, id, target).await;
    app
}

async fn create(app: &TestApp, id: &str, target: Value) {
    let mut document = json!({"id":id,"name":id,"cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"],"max_attempts":1});
    document.as_object_mut().expect("an object").extend(target.as_object().cloned().unwrap_or_default());
    app.create(document).await;
}

fn fail_rotation(app: &TestApp) {
    app.sandbox.script(Fault::always("/maintenance", FaultKind::status("500".parse().expect("a status"))));
}

#[tokio::test]
async fn the_exit_code_is_0_only_for_a_job_that_succeeded() {
    let mut app = app_with("s", json!({})).await;
    let done = said(&mut ctl(&app, &["run", "s", "--wait", "-o", "json"])).await;
    assert!(done.err.contains("task LOG_ROTATION SUCCEEDED") && done.err.contains(": s on default SUCCEEDED"), "{done:?}");
    let job = done.json();
    assert_eq!((&job["state"], &job["trigger"]), (&json!("SUCCEEDED"), &json!("MANUAL")));
    fail_rotation(&app);
    let failed = said(&mut ctl(&app, &["run", "s", "--wait"])).await;
    assert!(failed.code == 1 && failed.out.contains("FAILED") && failed.err.contains("ended FAILED\n"), "{failed:?}");
    create(&app, "late", json!({"window_start_hour": 10, "window_end_hour": 11})).await;
    let skipped = said(&mut ctl(&app, &["run", "late", "--wait"])).await;
    assert!(skipped.code == 1 && skipped.err.contains("ended SKIPPED OUTSIDE_WINDOW"), "{skipped:?}");
    app.sandbox.clear_faults();
    said(&mut ctl(&app, &["run", "late", "--wait", "--force"])).await.expect(0);
    let unknown = said(&mut ctl(&app, &["run", "gone", "--wait"])).await;
    assert!(unknown.code == 1 && unknown.err.contains("(404)"), "{unknown:?}");
    app.stop().await;
}

#[tokio::test]
async fn without_waiting_the_job_is_shown_as_it_is() {
    let mut app = app_with("s", json!({})).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let job = said(&mut ctl(&app, &["run", "s", "-o", "json"])).await.json();
    assert!(job["finished_at"].is_null(), "{job}");
    let id = job["id"].as_str().unwrap();
    let follower = ctl(&app, &["jobs", "follow", id]).spawn().unwrap();
    drop(hold);
    let followed = end(follower).await;
    assert!(followed.err.contains("SUCCEEDED"), "{followed:?}");
    assert!(followed.expect(0).contains("State         SUCCEEDED"));
    let over = said(&mut ctl(&app, &["jobs", "follow", id, "-o", "json"])).await.json();
    assert_eq!(over["id"], id);
    app.stop().await;
}

#[tokio::test]
async fn whoever_waits_too_long_is_told_and_the_job_goes_on() {
    let mut app = app_with("s", json!({})).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let late = said(&mut ctl(&app, &["run", "s", "--wait", "--timeout", "1s"])).await;
    let job = &app.jobs_of("s", 1).await[0];
    let id = job["id"].as_str().unwrap();
    assert!(late.code == 75 && late.err.contains(&format!("ctl jobs follow {id}")), "{late:?}");
    drop(hold);
    assert_eq!(app.ended(id).await["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn a_lost_connection_runs_nothing_twice() {
    let mut app = app_with("s", json!({})).await;
    let proxy = Proxy::to(&app).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    proxy.lose_answers(1);
    let waiting =
        ctl(&app, &["run", "s", "--wait", "--timeout", "1m"]).env("THEMIS_MAINTENANCE_URL", proxy.base()).spawn().unwrap();
    // The run is there, and whoever asked for it has not heard of it.
    proxy.lost(1).await;
    app.jobs_of("s", 1).await;
    // Asked again and answered; now it waits, and loses the connection once more.
    proxy.connections(2).await;
    app.sandbox.wait_for_requests(|requests| requests.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    proxy.lose_answers(1);
    proxy.cut();
    proxy.connections(3).await;
    drop(hold);
    let done = end(waiting).await;
    assert!(done.err.contains("asking again"), "{done:?}");
    assert!(done.expect(0).contains("SUCCEEDED"));
    assert_eq!(app.jobs_of("s", 1).await.len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_key_of_one_s_own_joins_the_run_that_is_there() {
    let mut app = app_with("s", json!({})).await;
    let words = ["run", "s", "--wait", "--idempotency-key", "pipeline-7", "-o", "json"];
    let first = said(&mut ctl(&app, &words)).await.json();
    let second = said(&mut ctl(&app, &words)).await.json();
    assert_eq!((&first["id"], &first["state"]), (&second["id"], &second["state"]));
    app.stop().await;
}

#[tokio::test]
async fn nobody_there_is_69_after_some_tries() {
    let mut app = app_with("s", json!({})).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let said = said(&mut ctl(&app, &["run", "s", "--wait", "--url", &closed])).await;
    assert!(said.code == 69 && said.err.contains("asking again"), "{said:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_run_on_several_targets_succeeds_when_it_does_on_each() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (east, _) = Sandbox::start(listener, SandboxConfig::default(), std::future::pending()).await.unwrap();
    let target = format!("[targets.east]\nbase_url = \"{}\"\n", east.base_url());
    let mut app = TestApp::builder().with(&target).start().await;
    create(&app, "s", json!({"targets": ["default", "east"]})).await;
    let both = said(&mut ctl(&app, &["run", "s", "--wait", "-o", "json"])).await.json();
    assert_eq!(both["count"], 2, "{both}");
    fail_rotation(&app);
    let half = said(&mut ctl(&app, &["run", "s", "--wait"])).await;
    assert!(half.code == 1 && half.err.contains("east SUCCEEDED") && half.err.contains("default FAILED"), "{half:?}");
    let one = said(&mut ctl(&app, &["run", "s", "--wait", "--target", "east", "-o", "json"])).await.json();
    assert_eq!((&one["target"], &one["state"]), (&json!("east"), &json!("SUCCEEDED")));
    app.stop().await;
}

#[tokio::test]
async fn the_pipeline_s_script_passes_the_end_on() {
    let mut app = app_with("s", json!({})).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/pipelines/run-and-wait.sh");
    let call = |words: &[&str]| {
        let mut command = program(&script);
        command.args(words).env("PATH", "/usr/bin:/bin").env("RUN_KEY", "pipeline-7");
        command.env("THEMIS_MAINTENANCE", env!("CARGO_BIN_EXE_themis-maintenance"));
        command.env("THEMIS_MAINTENANCE_URL", app.base()).env("THEMIS_MAINTENANCE_TOKEN", app.token("maintenance:write"));
        command
    };
    let done = said(&mut call(&["s"])).await.expect(0);
    assert!(done.ends_with("s: succeeded\n"), "{done}");
    // Repeated, it is the same run.
    said(&mut call(&["s", "5m"])).await.expect(0);
    assert_eq!(app.jobs_of("s", 1).await.len(), 1);
    fail_rotation(&app);
    let failed = said(call(&["s"]).env("RUN_KEY", "pipeline-8")).await;
    assert!(failed.code == 1 && failed.err.contains("exit code 1"), "{failed:?}");
    assert_eq!(said(&mut call(&[])).await.code, 64);
    until("two runs", || async { (app.jobs_of("s", 2).await.len() == 2).then_some(()) }).await;
    app.stop().await;
}
