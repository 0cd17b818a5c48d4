//! What was acknowledged is there after a restart.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn schedules_jobs_and_bundle_markers_survive() {
    let mut app = TestApp::builder().with("orchestrator.bundles = [\"daily\", \"weekly\"]").start().await;
    let weekly = app.get("/schedules/weekly-maintenance").await.expect(200);
    assert_eq!(weekly["enabled"], false);
    app.delete("/schedules/daily-maintenance").await.expect(204);
    let created = app.create(json!({"id":"s","name":"S","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"]})).await;
    let job = app.run("s").await;
    app.restart().await;
    assert_eq!(app.get(&format!("/jobs/{}", job["id"].as_str().unwrap())).await.expect(200), job);
    let read = app.get("/schedules/s").await.expect(200);
    assert_eq!(
        (&read["version"], &read["created_at"], &read["next_run_at"]),
        (&created["version"], &created["created_at"], &created["next_run_at"])
    );
    assert_eq!(read["last_job_id"], job["id"]);
    app.get("/schedules/daily-maintenance").await.expect(404);
    app.stop().await;
}

#[tokio::test]
async fn a_fire_that_fell_into_the_pause_is_made_up_for() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 4 * * *","window_start_hour":3,"window_end_hour":6,"tasks":["LOG_ROTATION"]})).await;
    app.stop().await;
    app.clock.advance(TimeDelta::hours(3));
    app.restart_after_end().await;
    let jobs = app.jobs_of("s", 1).await;
    assert_eq!((&jobs[0]["trigger"], &jobs[0]["scheduled_for"]), (&json!("CATCH_UP"), &json!("2026-01-05T04:00:00.000Z")));
    assert_eq!(app.ended(jobs[0]["id"].as_str().unwrap()).await["state"], "SUCCEEDED");
    app.stop().await;
}
