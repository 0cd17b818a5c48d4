//! `ctl` for schedules, jobs and health: what it asks, and how it prints the answers.

use serde_json::{Value, json};

use crate::support::{TestApp, ctl, said};

fn schedule(id: &str) -> Value {
    json!({"id":id,"name":id,"cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"],"window_start_hour":1,"window_end_hour":5})
}

#[tokio::test]
async fn schedules_are_listed_to_the_end_and_printed_in_three_ways() {
    let mut app = TestApp::start().await;
    for number in 0..7 {
        app.create(schedule(&format!("s{number}"))).await;
    }
    let table = said(&mut ctl(&app, &["schedules", "list"])).await.expect(0);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 8, "{table}");
    assert_eq!(lines[0], "ID  CRON       WINDOW  TARGET   STATE    NEXT RUN              LAST RUN  LAST STATE");
    assert_eq!(lines[1], "s0  0 4 * * *  01-05   default  enabled  2026-01-05T04:00:00Z  -         -");
    let json = said(&mut ctl(&app, &["schedules", "list", "--output", "json", "--limit", "3"])).await.json();
    assert_eq!((&json["count"], &json["schedules"][2]["id"]), (&json!(3), &json!("s2")));
    let yaml =
        said(&mut ctl(&app, &["schedules", "list", "-o", "yaml", "--enabled", "true", "--target", "default"])).await.expect(0);
    assert!(yaml.contains("cron_expression: 0 4 * * *") && yaml.ends_with("count: 7\n"), "{yaml}");
    app.stop().await;
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_read_page_by_page() {
    let mut app = TestApp::start().await;
    let ids: Vec<String> = (0..1003).map(|number| format!("s{number:04}")).collect();
    create_all(&app, &ids).await;
    let json = said(&mut ctl(&app, &["schedules", "list", "-o", "json"])).await.json();
    let found: Vec<&str> = json["schedules"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(found, ids);
    let limited = said(&mut ctl(&app, &["schedules", "list", "-o", "json", "--limit", "1001"])).await.json();
    assert_eq!(limited["count"], 1001);
    app.stop().await;
}

/// Creates schedules, many at a time.
async fn create_all(app: &TestApp, ids: &[String]) {
    let mut waiting = tokio::task::JoinSet::new();
    for id in ids {
        let request = app.request(reqwest::Method::POST, "/schedules").json(&schedule(id));
        waiting.spawn(async move { assert_eq!(request.send().await.expect("an answer").status(), 201) });
        if waiting.len() >= 32 {
            waiting.join_next().await.expect("one").expect("created");
        }
    }
    while let Some(done) = waiting.join_next().await {
        done.expect("created");
    }
}

#[tokio::test]
async fn a_schedule_is_shown_switched_and_deleted() {
    let mut app = TestApp::start().await;
    app.create(schedule("s")).await;
    let shown = said(&mut ctl(&app, &["schedules", "get", "s"])).await.expect(0);
    assert!(shown.contains("Id        s\n") && shown.contains("Tasks     LOG_ROTATION\n"), "{shown}");
    let shown = said(&mut ctl(&app, &["schedules", "disable", "s"])).await.expect(0);
    assert!(shown.contains("State    disabled\n"), "{shown}");
    assert_eq!(app.get("/schedules/s").await.expect(200)["enabled"], false);
    said(&mut ctl(&app, &["schedules", "enable", "s"])).await.expect(0);
    assert_eq!(app.get("/schedules/s").await.expect(200)["enabled"], true);
    let deleted = said(&mut ctl(&app, &["schedules", "delete", "s"])).await;
    assert_eq!((deleted.code, deleted.err.as_str()), (0, "deleted s\n"));
    app.get("/schedules/s").await.expect(404);
    app.stop().await;
}

#[tokio::test]
async fn jobs_are_listed_shown_cancelled_and_retried() {
    let mut app = TestApp::start().await;
    app.create(schedule("s")).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let job = app.post("/schedules/s/run", json!({})).await.expect(202);
    let id = job["id"].as_str().unwrap();
    let active = said(&mut ctl(&app, &["jobs", "list", "--active", "-o", "json"])).await.json();
    assert_eq!((&active["count"], &active["jobs"][0]["id"]), (&json!(1), &json!(id)));
    said(&mut ctl(&app, &["jobs", "cancel", id])).await.expect(0);
    drop(hold);
    assert_eq!(app.ended(id).await["state"], "CANCELLED");
    let shown = said(&mut ctl(&app, &["jobs", "get", id])).await.expect(0);
    assert!(shown.contains("State         CANCELLED") && shown.contains("\nTASK          STATE"), "{shown}");
    let retry = said(&mut ctl(&app, &["jobs", "retry", id, "-o", "json"])).await.json();
    assert_eq!(retry["retry_of"], id);
    assert_eq!(app.ended(retry["id"].as_str().unwrap()).await["state"], "SUCCEEDED");
    let again = said(&mut ctl(&app, &["jobs", "retry", retry["id"].as_str().unwrap()])).await;
    assert!(again.code == 1 && again.err.contains("(409)"), "{again:?}");
    let listed = said(&mut ctl(&app, &["jobs", "list", "--schedule", "s", "--state", "SUCCEEDED"])).await.expect(0);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    app.stop().await;
}

#[tokio::test]
async fn health_and_completions() {
    let mut app = TestApp::start().await;
    let health = said(&mut ctl(&app, &["health"])).await.expect(0);
    assert!(health.starts_with("Status ") && health.contains("\nMODULE") && health.contains("\nstore "), "{health}");
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&mut crate::support::bare(&["completions", shell])).await.expect(0);
        assert!(script.contains("skip-next") && script.contains("themis-maintenance"), "{shell}");
    }
    app.stop().await;
}
