//! The end in order: readiness off, grace, what is left recorded, everything written out.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, until};

async fn with_a_held_job(grace: &str) -> (TestApp, String, themis_maintenance::sandbox::HoldGuard) {
    let app = TestApp::builder().with(&format!("server.shutdown_grace = \"{grace}\"")).start().await;
    let hold = app.sandbox.hold(None, "/maintenance");
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION","CACHE_WARM"]})).await;
    let job = app.post("/schedules/s/run", json!({})).await.expect(202);
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    let id = job["id"].as_str().expect("an id").to_owned();
    (app, id, hold)
}

#[tokio::test]
async fn running_jobs_get_their_grace_and_readiness_is_off_meanwhile() {
    let (mut app, job, hold) = with_a_held_job("60s").await;
    let ending = tokio::spawn(app.take_running().shutdown());
    let ready = || Answer::of(app.client().get(format!("{}/readyz", app.base())));
    until("readiness to go off", || async { (ready().await.status == 503).then_some(()) }).await;
    assert_eq!(app.post("/schedules/s/run", json!({})).await.expect(503)["code"], "stopping");
    assert_eq!(app.get(&format!("/jobs/{job}")).await.expect(200)["state"], "RUNNING");
    hold.release();
    ending.await.unwrap();
    app.restart_after_end().await;
    assert_eq!(app.get(&format!("/jobs/{job}")).await.expect(200)["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn what_is_left_after_the_grace_is_stored_as_cancelled() {
    let (mut app, job, hold) = with_a_held_job("0s").await;
    app.stop().await;
    drop(hold);
    app.restart_after_end().await;
    let job = app.get(&format!("/jobs/{job}")).await.expect(200);
    assert_eq!((&job["state"], &job["reason"]), (&json!("CANCELLED"), &json!("SHUTDOWN")));
    assert_eq!((&job["tasks"][0]["state"], &job["tasks"][0]["outcome"]), (&json!("CANCELLED"), &json!("UNKNOWN")));
    assert_eq!((&job["tasks"][1]["state"], &job["tasks"][1]["outcome"]), (&json!("SKIPPED"), &Value::Null));
    app.stop().await;
    let verified = themis_maintenance::audit::verify_file(app.file("audit.jsonl")).expect("a whole chain");
    assert_eq!(verified.lines, 5, "created, run, pending, running, cancelled: {verified}");
}

#[tokio::test]
async fn a_shutdown_waits_until_the_end_of_running_jobs_is_stored() {
    let (mut app, job, hold) = with_a_held_job("0s").await;
    let mut running = app.take_running();
    // As `serve` does: wait for a failure until a signal comes, then shut down.
    tokio::select! {
        biased;
        error = running.failed() => panic!("{error}"),
        () = std::future::ready(()) => {}
    }
    running.shutdown().await;
    drop(hold);
    // The database is free again, and holds the end.
    app.restart_after_end().await;
    assert_eq!(app.get(&format!("/jobs/{job}")).await.expect(200)["reason"], "SHUTDOWN");
    app.stop().await;
}
