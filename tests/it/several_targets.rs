//! Schedules on several targets: one job for each, seen as one fire.

use serde_json::{Value, json};
use themis_maintenance::sandbox::{Sandbox, SandboxConfig};
use tokio::net::TcpListener;

use crate::support::TestApp;

/// One more ThemisDB stand-in, which ends with the test.
async fn sandbox() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Sandbox::start(listener, SandboxConfig::default(), std::future::pending()).await.expect("a sandbox").0
}

/// A service with the targets `default`, `east` and `west`.
async fn with_three_targets() -> (TestApp, [Sandbox; 2]) {
    let others = [sandbox().await, sandbox().await];
    let target = |name: &str, sandbox: &Sandbox| format!("[targets.{name}]\nbase_url = \"{}\"\n", sandbox.base_url());
    let configuration = format!("{}{}", target("east", &others[0]), target("west", &others[1]));
    (TestApp::builder().with(&configuration).start().await, others)
}

fn calls(sandbox: &Sandbox) -> usize {
    sandbox.requests().iter().filter(|request| request.path.starts_with("/maintenance/")).count()
}

fn of_each<'a>(jobs: &'a Value, field: &str) -> Vec<&'a Value> {
    jobs["jobs"].as_array().expect("a list").iter().map(|job| &job[field]).collect()
}

#[tokio::test]
async fn a_run_is_carried_out_on_every_target_and_shown_as_one_fire() {
    let (mut app, others) = with_three_targets().await;
    let created = app
        .create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"],"targets":["east","west"]}))
        .await;
    assert_eq!(
        (&created["target"], &created["targets"], &created["target_group"]),
        (&Value::Null, &json!(["east", "west"]), &Value::Null)
    );
    let first = app.run("s").await;
    assert_eq!((&first["target"], &first["fire_id"], &first["state"]), (&json!("east"), &first["id"], &json!("SUCCEEDED")));
    let fire = first["id"].as_str().expect("an id");
    let fire = format!("/jobs?fire_id={fire}");
    let second = app.get(&fire).await.expect(200)["jobs"].as_array().expect("a list")[0].clone();
    app.ended(second["id"].as_str().expect("an id")).await;
    let jobs = app.get(&fire).await.expect(200);
    assert_eq!((of_each(&jobs, "target"), &jobs["count"]), (vec![&json!("west"), &json!("east")], &json!(2)));
    assert_eq!(of_each(&jobs, "state"), ["SUCCEEDED", "SUCCEEDED"]);
    assert_eq!((calls(&others[0]), calls(&others[1]), calls(&app.sandbox)), (1, 1, 0));
    assert_eq!(app.get("/jobs?target=west").await.expect(200)["count"], 1);
    assert_eq!(app.get("/schedules?target=west").await.expect(200)["count"], 1);
    assert_eq!(app.get("/schedules?target=default").await.expect(200)["count"], 0);
    assert_eq!(app.get("/schedules/s").await.expect(200)["last_run_state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn a_fire_and_its_jobs_survive_a_restart() {
    let (mut app, others) = with_three_targets().await;
    let hold = others[1].hold(None, "/maintenance");
    app.create(json!({"id":"s","name":"S","cron_expression":"0 * * * *","tasks":["LOG_ROTATION"],"targets":["east","west"]}))
        .await;
    app.clock.set("2026-01-05T03:00:00Z");
    let jobs = app.jobs_of("s", 2).await;
    assert!(jobs.iter().all(|job| job["scheduled_for"] == "2026-01-05T03:00:00.000Z" && job["fire_id"] == jobs[1]["id"]));
    others[1].wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    app.ended(jobs[1]["id"].as_str().expect("an id")).await;
    app.restart().await;
    hold.release();
    let jobs = app.jobs_of("s", 2).await;
    let ends: Vec<_> = jobs.iter().map(|job| (&job["target"], &job["state"])).collect();
    assert_eq!(ends, [(&json!("west"), &json!("CANCELLED")), (&json!("east"), &json!("SUCCEEDED"))]);
    assert_eq!(app.get("/schedules/s").await.expect(200)["last_run_state"], "CANCELLED");
    app.stop().await;
}

#[tokio::test]
async fn a_run_on_one_target_leaves_the_others_alone() {
    let (mut app, others) = with_three_targets().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"],"targets":["east","west"]}))
        .await;
    let job = app.post("/schedules/s/run", json!({"target": "west"})).await.expect(202);
    assert_eq!(app.ended(job["id"].as_str().expect("an id")).await["target"], "west");
    assert_eq!((calls(&others[0]), calls(&others[1])), (0, 1));
    let refused = app.post("/schedules/s/run", json!({"target": "default"})).await;
    assert_eq!(refused.fields(), ["target"], "{}", refused.text);
    refused.expect(422);
    app.stop().await;
}

#[tokio::test]
async fn what_was_read_can_be_sent_back_and_the_targets_can_be_changed() {
    let (mut app, _others) = with_three_targets().await;
    let created = app
        .create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"],"targets":["east","west"]}))
        .await;
    assert_eq!(app.put("/schedules/s", created.clone()).await.expect(200)["version"], 1);
    let patched = app.patch("/schedules/s", json!({"target": "default"})).await.expect(200);
    assert_eq!((&patched["target"], &patched["targets"], &patched["version"]), (&json!("default"), &Value::Null, &json!(2)));
    let both = app.patch("/schedules/s", json!({"target": "default", "targets": ["east"]})).await;
    assert_eq!(both.fields(), ["targets"], "{}", both.text);
    both.expect(422);
    app.stop().await;
}
