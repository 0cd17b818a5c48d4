//! Schedules fire, and the record says what came of it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{TestApp, until};

fn states(jobs: &[Value]) -> Vec<(&str, Option<&str>, &str)> {
    jobs.iter()
        .map(|job| {
            (job["state"].as_str().unwrap_or_default(), job["reason"].as_str(), job["trigger"].as_str().unwrap_or_default())
        })
        .collect()
}

#[tokio::test]
async fn a_schedule_fires_and_its_tasks_are_carried_out_on_the_target() {
    let mut app = TestApp::start().await;
    let created = app
        .create(json!({"id":"often","name":"Often","cron_expression":"*/10 * * * * *","tasks":["WAL_ARCHIVING",{"task_type":"INDEX_REBUILD","parameters":{"table":"orders","column":"status"}}]}))
        .await;
    assert_eq!(created["next_run_at"], "2026-01-05T02:00:10.000Z");
    app.clock.advance(TimeDelta::seconds(10));
    let jobs = app.jobs_of("often", 1).await;
    let job = app.ended(jobs[0]["id"].as_str().unwrap()).await;
    assert_eq!(states(std::slice::from_ref(&job)), [("SUCCEEDED", None, "CRON")]);
    assert_eq!(job["scheduled_for"], "2026-01-05T02:00:10.000Z");
    assert_eq!((&job["progress_pct"], &job["schedule_name"], &job["target"]), (&json!(100), &json!("Often"), &json!("default")));
    let rebuild = &job["tasks"][1];
    assert_eq!(
        (&rebuild["name"], &rebuild["http_status"], &rebuild["outcome"]),
        (&json!("INDEX_REBUILD"), &json!(200), &json!("SUCCEEDED"))
    );
    assert!(rebuild["result_summary"]["entry_count"].as_u64().unwrap() > 0, "{rebuild}");
    let called: Vec<String> =
        app.sandbox.requests().iter().filter(|request| request.method == "POST").map(|request| request.path.clone()).collect();
    assert_eq!(called, ["/maintenance/wal-archiving", "/index/rebuild"]);

    let schedule = app.get("/schedules/often").await.expect(200);
    assert_eq!((&schedule["last_run_state"], &schedule["last_job_id"]), (&json!("SUCCEEDED"), &job["id"]));
    assert_eq!((&schedule["next_run_at"], &schedule["version"]), (&json!("2026-01-05T02:00:20.000Z"), &json!(1)));
    app.stop().await;
}

#[tokio::test]
async fn a_fire_outside_the_window_leaves_a_skipped_job() {
    let mut app = TestApp::start().await;
    let created = app.create(json!({"id":"late","name":"Late","cron_expression":"0 6 * * *","window_start_hour":1,"window_end_hour":5,"tasks":["WAL_ARCHIVING"]})).await;
    assert!(created["warnings"][0].as_str().unwrap().contains("never falls inside the window"), "{created}");
    app.clock.set("2026-01-05T06:00:00Z");
    let jobs = app.jobs_of("late", 1).await;
    assert_eq!(states(&jobs), [("SKIPPED", Some("OUTSIDE_WINDOW"), "CRON")]);
    assert_eq!((&jobs[0]["started_at"], &jobs[0]["tasks"][0]["state"]), (&Value::Null, &json!("SKIPPED")));
    assert!(app.sandbox.requests().iter().all(|request| request.method != "POST"));
    app.stop().await;
}

#[tokio::test]
async fn two_schedules_never_grind_one_target_together() {
    let mut app = TestApp::start().await;
    let hold = app.sandbox.hold(None, "/maintenance");
    for name in ["a", "b"] {
        app.create(json!({"id":name,"name":name,"cron_expression":"0 3 * * *","tasks":["LOG_ROTATION"]})).await;
    }
    app.clock.set("2026-01-05T03:00:00Z");
    let active = |state: &'static str| {
        let app = &app;
        move || async move {
            let page = app.get(&format!("/jobs?state={state}")).await.expect(200);
            (page["count"] == 1).then(|| page["jobs"][0].clone())
        }
    };
    until("one running job", active("RUNNING")).await;
    let waiting = until("one waiting job", active("PENDING")).await;
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path == "/maintenance/log-rotation")).await;
    assert_eq!(app.sandbox.in_flight(), 1);
    hold.release();
    app.ended(waiting["id"].as_str().unwrap()).await;
    assert_eq!(app.sandbox.max_in_flight(), 1);
    app.stop().await;
}

#[tokio::test]
async fn fires_that_were_missed_while_the_machine_slept_become_one_row_and_one_job() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"hourly","name":"Hourly","cron_expression":"@hourly","tasks":["LOG_ROTATION"]})).await;
    app.clock.set("2026-01-05T06:30:00Z");
    let jobs = app.jobs_of("hourly", 2).await;
    assert!(jobs.iter().any(|job| job["trigger"] == "CATCH_UP" && job["scheduled_for"] == "2026-01-05T06:00:00.000Z"));
    let missed = jobs.iter().find(|job| job["reason"] == "MISFIRED").expect("a misfired row");
    assert!(missed["error_message"].as_str().unwrap().starts_with("3 fires were missed"), "{missed}");
    app.stop().await;
}
