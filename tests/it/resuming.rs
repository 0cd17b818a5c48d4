//! Retries: a job that does what another one left undone.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::domain::job::Outcome;
use themis_maintenance::domain::ports::{AttemptReport, AttemptTrace, TaskCall, TaskExecutor};
use themis_maintenance::sandbox::{Fault, FaultKind};

use crate::support::{Answer, TestApp};

/// A service whose second of three steps fails as often as the fault says, and the job that failed.
async fn with_a_failed_job(app: &TestApp, times: u32) -> Value {
    let failure = FaultKind::status("500".parse().expect("a status"));
    app.sandbox.script(Fault::times(times, "/maintenance/cache-warm", failure));
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","halt_on_task_failure":true,"max_attempts":1,
        "tasks":["LOG_ROTATION","CACHE_WARM","SECURITY_SCAN"]}))
        .await;
    let job = app.run("s").await;
    assert_eq!((states(&job), &job["retry_of"]), (vec!["SUCCEEDED", "FAILED", "SKIPPED"], &Value::Null));
    job
}

fn states(job: &Value) -> Vec<&str> {
    job["tasks"].as_array().expect("a list").iter().map(|task| task["state"].as_str().expect("a state")).collect()
}

async fn retry(app: &TestApp, job: &Value) -> Answer {
    let path = format!("/jobs/{}/retry", job["id"].as_str().expect("an id"));
    Answer::of(app.request(Method::POST, &path)).await
}

#[tokio::test]
async fn a_retry_carries_out_what_is_left_and_nothing_twice() {
    let mut app = TestApp::start().await;
    let failed = with_a_failed_job(&app, 1).await;
    let succeeded = app.metric("maintenance_tasks_succeeded_total{task_type=\"LOG_ROTATION\"}").await;
    let answer = retry(&app, &failed).await;
    let made = answer.json["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/maintenance/jobs/{made}"));
    assert_eq!(answer.json["retry_of"], failed["id"]);
    assert_eq!(answer.json["tasks"][0], failed["tasks"][0]);
    let job = app.ended(answer.expect(202)["id"].as_str().unwrap()).await;
    assert_eq!((&job["state"], states(&job)), (&json!("SUCCEEDED"), vec!["SUCCEEDED"; 3]));
    assert_eq!((&job["trigger"], &job["requested_by"], &job["forced"]), (&json!("MANUAL"), &json!("tester"), &json!(false)));
    assert_eq!(job["tasks"][0], failed["tasks"][0], "what was done stands as it was");
    assert_eq!(app.metric("maintenance_tasks_succeeded_total{task_type=\"LOG_ROTATION\"}").await, succeeded);
    let schedule = app.get("/schedules/s").await.expect(200);
    assert_eq!((&schedule["last_job_id"], &schedule["last_run_state"]), (&job["id"], &json!("SUCCEEDED")));
    assert_eq!(app.get(&format!("/jobs/{}", failed["id"].as_str().unwrap())).await.expect(200), failed);
    app.stop().await;
}

#[tokio::test]
async fn a_retry_goes_on_after_a_restart_and_after_its_schedule_was_deleted() {
    let mut app = TestApp::start().await;
    let failed = with_a_failed_job(&app, 2).await;
    let again = retry(&app, &failed).await.expect(202);
    let again = app.ended(again["id"].as_str().unwrap()).await;
    assert_eq!(states(&again), ["SUCCEEDED", "FAILED", "SKIPPED"]);
    app.restart().await;
    app.delete("/schedules/s").await.expect(204);
    let last = retry(&app, &again).await.expect(202);
    assert_eq!(last["retry_of"], again["id"]);
    let last = app.ended(last["id"].as_str().unwrap()).await;
    assert_eq!((&last["state"], &last["schedule_name"]), (&json!("SUCCEEDED"), &json!("S")));
    app.stop().await;
}

#[tokio::test]
async fn jobs_that_are_active_done_or_unknown_cannot_be_retried() {
    let mut app = TestApp::start().await;
    let failed = with_a_failed_job(&app, 1).await;
    let hold = app.sandbox.hold(None, "/maintenance/cache-warm");
    let active = retry(&app, &failed).await.expect(202);
    assert_eq!(retry(&app, &active).await.expect(409)["code"], "job_active");
    assert_eq!(retry(&app, &failed).await.expect(409)["code"], "job_active", "another job of the schedule is active");
    hold.release();
    let done = app.ended(active["id"].as_str().unwrap()).await;
    assert_eq!(retry(&app, &done).await.expect(409)["code"], "job_succeeded");
    let unknown = json!({"id": "01890a5d-ac96-774b-bcce-b302099a8057"});
    assert_eq!(retry(&app, &unknown).await.expect(404)["code"], "job_not_found");
    let path = format!("/jobs/{}/retry", failed["id"].as_str().unwrap());
    let refused = Answer::of(app.request_as("maintenance:read", Method::POST, &path)).await;
    assert_eq!(refused.expect(403)["code"], "insufficient_scope");
    app.stop().await;
}

#[tokio::test]
async fn outside_the_window_a_retry_is_made_and_skipped() {
    let mut app = TestApp::builder().at("2026-01-05T12:00:00Z").start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 2 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["LOG_ROTATION"]})).await;
    let skipped = app.post("/schedules/s/run", json!({})).await.expect(202);
    assert_eq!(skipped["reason"], "OUTSIDE_WINDOW");
    let again = retry(&app, &skipped).await.expect(202);
    assert_eq!((&again["state"], &again["reason"]), (&json!("SKIPPED"), &json!("OUTSIDE_WINDOW")));
    assert_eq!((&again["retry_of"], states(&again)), (&skipped["id"], vec!["SKIPPED"]));
    app.patch("/schedules/s", json!({"enabled": false})).await.expect(200);
    app.clock.set("2026-01-06T01:30:00Z");
    let inside = retry(&app, &skipped).await.expect(202);
    assert_eq!(app.ended(inside["id"].as_str().unwrap()).await["state"], "SUCCEEDED");
    app.stop().await;
}

/// Writes down which tasks it was asked for; those named `bad` fail the first time.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

#[async_trait]
impl TaskExecutor for Recorder {
    async fn attempt(&self, call: &TaskCall, _: &AttemptTrace) -> AttemptReport {
        let mut called = self.0.lock().expect("no test panics while it holds this");
        let fails = call.task_name == "bad" && !called.contains(&call.task_name);
        called.push(call.task_name.clone());
        AttemptReport {
            error_message: fails.then(|| "the first time it fails".to_owned()),
            ..AttemptReport::of(if fails { Outcome::Permanent } else { Outcome::Succeeded })
        }
    }

    async fn cancel(&self, _: &TaskCall, _: &AttemptTrace) {}
}

#[tokio::test]
async fn a_retry_asks_the_target_for_no_task_that_succeeded() {
    let recorder = Arc::new(Recorder::default());
    let mut app = TestApp::builder().executor(Arc::clone(&recorder) as Arc<dyn TaskExecutor>).start().await;
    let task = |name: &str, depends_on: Value| json!({"task_type":"LOG_ROTATION","name":name,"depends_on":depends_on});
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":[
        task("first", json!([])), task("bad", json!(["first"])), task("after bad", json!(["bad", "first"])), task("free", json!([])),
    ]}))
    .await;
    let failed = app.run("s").await;
    assert_eq!(states(&failed), ["SUCCEEDED", "FAILED", "SKIPPED", "SUCCEEDED"]);
    let job = retry(&app, &failed).await.expect(202);
    assert_eq!(app.ended(job["id"].as_str().unwrap()).await["state"], "SUCCEEDED");
    assert_eq!(*recorder.0.lock().unwrap(), ["first", "bad", "free", "bad", "after bad"]);
    app.stop().await;
}
