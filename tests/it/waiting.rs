//! Waiting for the end of a job, following it, and what its document says of how it stands.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, LIMIT, TestApp, WRITE, until};

fn schedule(id: &str) -> Value {
    json!({"id": id, "name": id, "cron_expression": "0 0 1 1 *", "tasks": ["LOG_ROTATION"]})
}

/// A service on which no request may take a fifth of a second, with a schedule `s` whose call is held.
async fn held(more: &str) -> (TestApp, themis_maintenance::sandbox::HoldGuard) {
    let quick = "server.request_timeout = \"200ms\"\nserver.write_timeout = \"200ms\"\nserver.idle_timeout = \"400ms\"";
    let app = TestApp::builder().with(&format!("{quick}\n{more}")).start().await;
    let hold = app.sandbox.hold(None, "/maintenance");
    app.create(schedule("s")).await;
    (app, hold)
}

fn id(job: &Value) -> String {
    job["id"].as_str().expect("an id").to_owned()
}

async fn watched(app: &TestApp, jobs: usize) {
    until("waits", || async { (app.running().handle().view().watched_jobs() == jobs).then_some(()) }).await;
}

#[tokio::test]
async fn a_run_that_is_waited_for_is_answered_with_its_end() {
    let mut app = TestApp::start().await;
    app.create(schedule("s")).await;
    let answer = Answer::of(app.request_as(WRITE, Method::POST, "/schedules/s/run?wait=60")).await;
    assert!(answer.header("location").ends_with(answer.json["id"].as_str().expect("an id")));
    let job = answer.expect(202);
    assert_eq!((&job["state"], &job["explanation"]), (&json!("SUCCEEDED"), &json!("Succeeded: 1 of 1 task in 0 ms.")));
    let outside = json!({"id": "o", "name": "O", "cron_expression": "0 0 1 1 *", "tasks": ["LOG_ROTATION"],
        "window_start_hour": 5, "window_end_hour": 6});
    app.create(outside).await;
    let skipped = app.post("/schedules/o/run?wait=60", json!({})).await.expect(202);
    assert_eq!(skipped["explanation"], "Skipped: it was 02:00 UTC and the window is 05:00–06:00 UTC.");
    app.stop().await;
}

#[tokio::test]
async fn a_wait_outlasts_every_timeout_of_the_listener_and_is_no_slow_request() {
    let (mut app, hold) = held("").await;
    let running = app.post("/schedules/s/run?wait=2", json!({})).await.expect(202);
    assert_eq!(running["state"], "RUNNING");
    assert_eq!(running["explanation"], "Running: task 'LOG_ROTATION', attempt 1 of 3; 0 % of the job is done.");
    let path = format!("/jobs/{}?wait=60", id(&running));
    let release = async {
        watched(&app, 1).await;
        hold.release();
    };
    let (answer, ()) = tokio::join!(app.get(&path), release);
    assert_eq!(answer.expect(200)["state"], "SUCCEEDED");
    let page = app.metrics().await;
    let sum = page.lines().find(|line| line.starts_with("http_request_duration_seconds_sum{") && line.contains("/run"));
    let seconds: f64 = sum
        .and_then(|line| line.rsplit(' ').next())
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no sum in\n{page}"));
    assert!(seconds < 1.0, "{seconds}: two seconds were waited on purpose");
    app.stop().await;
}

#[tokio::test]
async fn a_replayed_run_waits_for_the_same_job() {
    let (mut app, hold) = held("").await;
    let run = |wait: u32| {
        let request = app.request_as(WRITE, Method::POST, &format!("/schedules/s/run?wait={wait}"));
        Answer::of(request.header("idempotency-key", "once"))
    };
    let first = run(0).await.expect(202);
    let release = async {
        watched(&app, 1).await;
        hold.release();
    };
    let (second, ()) = tokio::join!(run(60), release);
    assert_eq!(second.header("idempotency-replayed"), "true");
    let second = second.expect(202);
    assert_eq!((&second["id"], &second["state"]), (&first["id"], &json!("SUCCEEDED")));
    assert_eq!(app.jobs_of("s", 1).await.len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_place_back() {
    let (mut app, hold) = held("").await;
    let job = id(&app.post("/schedules/s/run", json!({})).await.expect(202));
    for path in [format!("/jobs/{job}?wait=300"), format!("/jobs/{job}/events")] {
        let request = app.request(Method::GET, &path).send();
        let waiting = tokio::spawn(async move { request.await?.text().await });
        watched(&app, 1).await;
        waiting.abort();
        watched(&app, 0).await;
    }
    hold.release();
    app.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_waits_and_streams_at_once_and_lets_the_job_end() {
    let (mut app, hold) = held("server.shutdown_grace = \"60s\"").await;
    let job = id(&app.post("/schedules/s/run", json!({})).await.expect(202));
    let wait = tokio::spawn(Answer::of(app.request(Method::GET, &format!("/jobs/{job}?wait=300"))));
    let stream = tokio::spawn(Answer::of(app.request(Method::GET, &format!("/jobs/{job}/events"))));
    watched(&app, 1).await;
    until("both", || async { (app.metric("maintenance_http_connections{listener=\"api\"}").await >= 3.0).then_some(()) }).await;
    let ending = tokio::spawn(app.take_running().shutdown());
    let wait = tokio::time::timeout(LIMIT, wait).await.expect("in time").expect("no panic").expect(200);
    assert_eq!(wait["state"], "RUNNING");
    let stream = tokio::time::timeout(LIMIT, stream).await.expect("in time").expect("no panic");
    assert_eq!((stream.status.as_u16(), stream.text.matches("event: job").count()), (200, 1), "{}", stream.text);
    hold.release();
    tokio::time::timeout(LIMIT, ending).await.expect("in time").expect("no panic");
    app.restart_after_end().await;
    assert_eq!(app.get(&format!("/jobs/{job}")).await.expect(200)["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn a_stream_follows_a_job_from_its_wait_to_its_end() {
    let (mut app, hold) = held("").await;
    app.create(schedule("t")).await;
    let first = app.post("/schedules/s/run", json!({})).await.expect(202);
    let waiting = app.post("/schedules/t/run", json!({})).await.expect(202);
    assert_eq!(waiting["explanation"], "Waiting for another job on target 'default' (1 of 1 runs).");
    let path = format!("/jobs/{}/events", id(&waiting));
    let mut response = app.request(Method::GET, &path).send().await.expect("an answer");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut text = String::from_utf8(response.chunk().await.expect("a piece").expect("an event").to_vec()).expect("UTF-8");
    assert!(text.starts_with("event: job\nid: 1\ndata: {\"id\":"), "{text}");
    // Longer than anything else may take here.
    let quiet = tokio::time::timeout(Duration::from_millis(1500), response.chunk()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    hold.release();
    while let Some(piece) = tokio::time::timeout(LIMIT, response.chunk()).await.expect("in time").expect("a piece") {
        text.push_str(std::str::from_utf8(&piece).expect("UTF-8"));
    }
    let last = text.trim_end().rsplit_once("\ndata: ").expect("an event").1;
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&last["id"], &last["state"]), (&waiting["id"], &json!("SUCCEEDED")));
    assert_eq!(last, app.get(&format!("/jobs/{}", id(&waiting))).await.expect(200));
    assert_eq!(app.ended(&id(&first)).await["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn a_wait_ends_when_the_schedule_of_a_waiting_job_is_deleted() {
    let (mut app, hold) = held("").await;
    app.create(schedule("t")).await;
    app.post("/schedules/s/run", json!({})).await.expect(202);
    let waiting = async { app.post("/schedules/t/run?wait=60", json!({})).await.expect(202) };
    let delete = async {
        watched(&app, 1).await;
        app.delete("/schedules/t").await.expect(204);
    };
    let (job, ()) = tokio::join!(waiting, delete);
    assert_eq!((&job["state"], &job["reason"]), (&json!("SKIPPED"), &json!("SCHEDULE_DELETED")));
    assert_eq!(job["explanation"], "Skipped: the schedule was deleted while the job waited.");
    hold.release();
    app.stop().await;
}

#[tokio::test]
async fn every_list_and_every_answer_explains_its_jobs() {
    let (mut app, hold) = held("orchestrator.max_concurrent_jobs = 1\ntargets.other.base_url = \"http://127.0.0.1:9\"").await;
    let mut elsewhere = schedule("t");
    elsewhere["target"] = json!("other");
    app.create(elsewhere).await;
    let first = id(&app.post("/schedules/s/run", json!({})).await.expect(202));
    let second = id(&app.post("/schedules/t/run", json!({})).await.expect(202));
    let page = app.get("/jobs").await.expect(200);
    let said: Vec<&str> = page["jobs"].as_array().unwrap().iter().map(|job| job["explanation"].as_str().unwrap()).collect();
    assert_eq!(said[0], "Waiting for a slot of the service (1 of 1 runs).");
    assert!(said[1].starts_with("Running: task 'LOG_ROTATION'"), "{said:?}");
    let cancelled = app.post(&format!("/jobs/{second}/cancel"), json!({})).await.expect(202);
    assert_eq!(cancelled["explanation"], "Cancelled by tester.");
    let stopping = app.post(&format!("/jobs/{first}/cancel"), json!({})).await.expect(202);
    let expected = "Running: task 'LOG_ROTATION' is being stopped, because tester has cancelled the job.";
    assert_eq!(stopping["explanation"], expected);
    hold.release();
    app.ended(&first).await;
    let retry = app.post(&format!("/jobs/{first}/retry"), json!({})).await.expect(202);
    assert!(retry["explanation"].as_str().unwrap().ends_with('.'), "{retry}");
    app.stop().await;
}
