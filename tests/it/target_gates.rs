//! A target that does not answer is left alone, and its jobs wait: seen in jobs, health and metrics.

use serde_json::{Value, json};

use crate::support::{TestApp, until};

/// A service whose target is a port on which nobody listens, until `listener` does.
async fn with_a_dead_target() -> (TestApp, std::net::SocketAddr) {
    let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let configuration = format!("targets.dead.base_url = \"http://{address}\"");
    let app = TestApp::builder().with(&configuration).start().await;
    for name in ["a", "b", "c"] {
        app.create(json!({"id":name,"name":name,"cron_expression":"0 0 1 1 *","window_start_hour":1,"window_end_hour":5,
            "tasks":vec!["LOG_ROTATION"; 3],"target":"dead","max_attempts":1}))
            .await;
    }
    (app, address)
}

async fn targets_module(app: &TestApp, status: &str) -> Value {
    until("the health of the targets", || async {
        app.running().health().look_again();
        let report = app.get("/health").await.expect(200);
        let modules = report["modules"].as_array().expect("a list").clone();
        modules.into_iter().find(|module| module["module_name"] == "targets" && module["status"] == status)
    })
    .await
}

#[tokio::test]
async fn jobs_wait_for_a_target_that_does_not_answer_and_start_when_it_does() {
    let (mut app, address) = with_a_dead_target().await;
    assert_eq!(targets_module(&app, "HEALTHY").await["details"]["dead"]["breaker"], "CLOSED");
    for name in ["a", "b"] {
        let job = app.run(name).await;
        assert_eq!((&job["state"], &job["tasks"][2]["outcome"]), (&json!("FAILED"), &json!("TRANSIENT")));
    }
    let module = targets_module(&app, "DEGRADED").await;
    assert_eq!((&module["details"]["dead"]["breaker"], &module["details"]["dead"]["failures"]), (&json!("OPEN"), &json!(6)));
    assert!(module["message"].as_str().expect("a message").contains("'dead' does not answer"), "{module}");
    assert_eq!(app.metric("maintenance_target_breaker_state{target=\"dead\"}").await, 1.0);
    assert_eq!(app.metric("maintenance_target_breaker_opened_total{target=\"dead\"}").await, 1.0);

    let waiting = app.post("/schedules/c/run", json!({})).await.expect(202);
    assert_eq!(waiting["state"], "PENDING");
    app.create(json!({"id":"other","name":"O","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})).await;
    assert_eq!(app.run("other").await["state"], "SUCCEEDED", "other targets are not concerned");

    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free again");
    let config = themis_maintenance::sandbox::SandboxConfig::default();
    let _revived =
        themis_maintenance::sandbox::Sandbox::start(listener, config, std::future::pending()).await.expect("a sandbox");
    app.clock.advance(chrono::TimeDelta::seconds(10));
    assert_eq!(app.ended(waiting["id"].as_str().expect("an id")).await["state"], "SUCCEEDED");
    assert_eq!(app.metric("maintenance_target_breaker_state{target=\"dead\"}").await, 0.0);
    targets_module(&app, "HEALTHY").await;
    app.stop().await;
}

#[tokio::test]
async fn a_job_that_waits_in_vain_until_its_window_ends_is_skipped_with_the_reason() {
    let (mut app, _) = with_a_dead_target().await;
    app.run("a").await;
    app.run("b").await;
    let waiting = app.post("/schedules/c/run", json!({})).await.expect(202);
    app.clock.set("2026-01-05T05:00:00Z");
    let job = app.ended(waiting["id"].as_str().expect("an id")).await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("SKIPPED"), &json!("QUEUE_TIMEOUT")));
    let message = job["error_message"].as_str().expect("a message");
    assert!(message.contains("target 'dead'") && message.contains("no connection"), "{message}");
    assert_eq!(app.metric("maintenance_jobs_skipped_total{reason=\"QUEUE_TIMEOUT\"}").await, 1.0);
    app.stop().await;
}
