//! Pauses, fires that are left out, freezes, targets and previews, over HTTP.

use serde_json::{Value, json};

use crate::support::TestApp;

async fn hourly(app: &TestApp) -> Value {
    app.create(json!({"id":"s","name":"S","cron_expression":"0 * * * *","tasks":["LOG_ROTATION"],"labels":{"team":"core"}})).await
}

/// The newest job of `s`, once there are so many.
async fn newest(app: &TestApp, at_least: usize) -> Value {
    app.jobs_of("s", at_least).await[0].clone()
}

#[tokio::test]
async fn a_paused_schedule_skips_its_fires_and_tells_everywhere_who_and_why() {
    let mut app = TestApp::builder().at("2026-01-05T00:30:00Z").start().await;
    let created = hourly(&app).await;
    let paused =
        app.post("/schedules/s/pause", json!({"reason":"index is rebuilt by hand","until":"2026-01-05T03:00:00+01:00"})).await;
    let paused = paused.expect(200);
    assert_eq!(paused["version"], created["version"]);
    assert_eq!(
        paused["pause"],
        json!({"paused_by":"tester","reason":"index is rebuilt by hand","paused_at":"2026-01-05T00:30:00.000Z","until":"2026-01-05T02:00:00.000Z"})
    );
    assert_eq!(app.get("/schedules").await.expect(200)["schedules"][0]["pause"], paused["pause"]);
    assert_eq!(app.metric(r#"maintenance_paused{scope="schedule"}"#).await, 1.0);

    app.clock.set("2026-01-05T01:00:00Z");
    let job = newest(&app, 1).await;
    assert_eq!((&job["state"], &job["reason"]), (&json!("SKIPPED"), &json!("PAUSED")));
    assert!(job["error_message"].as_str().is_some_and(|text| text.contains("paused by tester")), "{job}");
    app.restart().await;
    app.clock.set("2026-01-05T02:00:00Z");
    let job = newest(&app, 2).await;
    app.ended(job["id"].as_str().expect("an id")).await;
    assert_eq!(app.get("/schedules/s").await.expect(200)["pause"], Value::Null, "it ended by itself");
    assert_eq!(app.metric(r#"maintenance_jobs_skipped_total{reason="PAUSED"}"#).await, 0.0, "of this process");

    let lines = app.audit_lines(4).await;
    let actions: Vec<(&Value, &Value)> = lines.iter().map(|line| (&line["action"], &line["actor"])).collect();
    assert!(actions.contains(&(&json!("pause_schedule"), &json!("tester"))), "{actions:?}");
    assert!(actions.contains(&(&json!("resume_schedule"), &json!("system:pauses"))), "{actions:?}");
    app.stop().await;
}

#[tokio::test]
async fn one_fire_can_be_left_out() {
    let mut app = TestApp::builder().at("2026-01-05T00:30:00Z").start().await;
    hourly(&app).await;
    let skipping = app.post("/schedules/s/skip-next", json!({"reason":"done by hand"})).await.expect(200);
    assert_eq!(skipping["skip_next"]["scheduled_for"], "2026-01-05T01:00:00.000Z");
    let preview = app.get("/schedules/s/preview?count=2").await.expect(200);
    let verdicts: Vec<&Value> = preview["fires"].as_array().expect("fires").iter().map(|fire| &fire["verdict"]).collect();
    assert_eq!(verdicts, ["SKIPPED_BY_OPERATOR", "RUN"]);
    app.clock.set("2026-01-05T01:00:00Z");
    assert_eq!(newest(&app, 1).await["reason"], "SKIPPED_BY_OPERATOR");
    assert_eq!(app.get("/schedules/s").await.expect(200)["skip_next"], Value::Null);
    app.post("/schedules/s/disable", json!(null)).await;
    assert_eq!(app.post("/schedules/s/skip-next", json!({})).await.expect(409)["code"], "no_next_fire");
    app.stop().await;
}

#[tokio::test]
async fn targets_show_their_pauses_and_answers_and_are_paused_one_by_one_or_all() {
    let mut app = TestApp::builder().at("2026-01-05T00:30:00Z").start().await;
    hourly(&app).await;
    app.run("s").await;
    let targets = app.get("/targets").await.expect(200);
    let target = &targets["targets"][0];
    assert_eq!((&targets["count"], &targets["pause"], &target["name"]), (&json!(1), &Value::Null, &json!("default")));
    assert_eq!((&target["state"], &target["breaker"], &target["pending_jobs"]), (&json!("READY"), &json!("CLOSED"), &json!(0)));
    assert_eq!((&target["last_answer"]["answered"], &target["last_answer"]["http_status"]), (&json!(true), &json!(200)));

    let paused = app.post("/targets/default/pause", json!({"reason":"disk is replaced"})).await.expect(200);
    assert_eq!((&paused["state"], &paused["pause"]["until"]), (&json!("PAUSED"), &Value::Null));
    let skipped = app.post("/schedules/s/run", json!({"force": true})).await.expect(202);
    assert_eq!((&skipped["state"], &skipped["reason"]), (&json!("SKIPPED"), &json!("PAUSED")), "force is for the window alone");
    app.post("/pause", json!({"reason":"incident","until":"2026-01-05T02:30:00Z"})).await.expect(200);
    assert_eq!(app.post("/targets/default/resume", json!(null)).await.expect(200)["state"], "PAUSED", "all are paused");
    let health = app.get("/health").await.expect(200);
    assert!(health["modules"].as_array().expect("modules").iter().any(|module| module["module_name"] == "pauses"));
    for (scope, count) in [("all", 1.0), ("target", 0.0), ("schedule", 0.0)] {
        assert_eq!(app.metric(&format!("maintenance_paused{{scope=\"{scope}\"}}")).await, count, "{scope}");
    }
    app.create(json!({"id":"off","name":"O","frequency":"DAILY","tasks":["LOG_ROTATION"],"enabled":false})).await;
    app.create(json!({"id":"held","name":"H","frequency":"DAILY","tasks":["LOG_ROTATION"]})).await;
    app.post("/schedules/held/pause", json!({"reason":"x"})).await.expect(200);
    app.restart().await;
    for series in [
        r#"maintenance_schedules{enabled="true"} 2"#,
        r#"maintenance_schedules{enabled="false"} 1"#,
        r#"maintenance_paused{scope="schedule"} 1"#,
    ] {
        let (name, count) = series.split_once("} ").expect("a series");
        assert_eq!(app.metric(&format!("{name}}}")).await.to_string(), count, "{name}");
    }
    assert_eq!(app.get("/targets").await.expect(200)["pause"]["reason"], "incident");
    assert_eq!(app.post("/resume", json!(null)).await.expect(200)["pause"], Value::Null);
    assert_eq!(app.run("s").await["state"], "SUCCEEDED");
    assert_eq!(app.post("/targets/nowhere/pause", json!({"reason":"x"})).await.expect(404)["code"], "target_not_found");
    app.stop().await;
}

#[tokio::test]
async fn nothing_runs_in_a_freeze() {
    let mut app = TestApp::builder().at("2026-12-20T00:30:00Z").start().await;
    hourly(&app).await;
    let christmas = json!({"from":"2026-12-24T00:00:00Z","to":"2026-12-27T00:00:00Z","reason":"Christmas","targets":["default"]});
    let made = app.post("/freezes", christmas.clone()).await.expect(201);
    assert_eq!(app.get("/freezes").await.expect(200), json!({"freezes":[made],"count":1}));
    let preview = app.get("/schedules/s/preview?count=1&from=2026-12-24T00:00:00Z").await.expect(200);
    let fire = &preview["fires"][0];
    assert_eq!((&fire["scheduled_for"], &fire["verdict"]), (&json!("2026-12-24T00:00:00.000Z"), &json!("FROZEN")));
    assert!(fire["reason"].as_str().is_some_and(|text| text.ends_with("Christmas")), "{fire}");
    assert_eq!(app.metric(r#"maintenance_freezes{state="planned"}"#).await, 1.0);

    let overlapping = app.post("/freezes", json!({"from":"2026-12-26T23:00:00Z","to":"2026-12-28T00:00:00Z","reason":"x"})).await;
    assert_eq!(overlapping.expect(409)["code"], "freeze_overlaps");
    app.post("/schedules/s/disable", json!(null)).await;
    app.clock.set("2026-12-24T12:30:00Z");
    app.post("/schedules/s/enable", json!(null)).await;
    let job = app.post("/schedules/s/run", json!({"force": true})).await.expect(202);
    assert_eq!((&job["state"], &job["reason"]), (&json!("SKIPPED"), &json!("FROZEN")));
    assert_eq!(app.get("/targets").await.expect(200)["targets"][0]["state"], "FROZEN");
    app.restart().await;
    app.delete(&format!("/freezes/{}", made["id"].as_str().expect("an id"))).await.expect(204);
    assert_eq!(app.run("s").await["state"], "SUCCEEDED");
    app.stop().await;
}

#[tokio::test]
async fn a_dry_run_answers_as_the_write_would_and_changes_nothing() {
    let mut app = TestApp::builder().at("2026-01-05T00:30:00Z").start().await;
    let document = json!({"id":"s","name":"S","cron_expression":"0 * * * *","tasks":["LOG_ROTATION"],"window_start_hour":2,"window_end_hour":3});
    let trial = app.post("/schedules?dry_run=true", document.clone()).await.expect(200);
    assert_eq!(
        (&trial["id"], &trial["version"], &trial["next_run_at"]),
        (&json!("s"), &json!(1), &json!("2026-01-05T01:00:00.000Z"))
    );
    let verdicts: Vec<&Value> =
        trial["next_fires"].as_array().expect("fires").iter().take(3).map(|fire| &fire["verdict"]).collect();
    assert_eq!(verdicts, ["OUTSIDE_WINDOW", "RUN", "OUTSIDE_WINDOW"]);
    app.get("/schedules/s").await.expect(404);
    assert_eq!(app.post("/schedules?dry_run=true", trial.clone()).await.expect(200), trial, "what was answered can be sent back");
    assert_eq!(
        app.post("/schedules?dry_run=true", json!({"name":""})).await.expect(422)["errors"].as_array().map(Vec::len),
        Some(3)
    );

    let created = app.create(document.clone()).await;
    assert_eq!(app.post("/schedules?dry_run=true", document.clone()).await.expect(409)["code"], "id_taken");
    let other = json!({"name":"Other","cron_expression":"30 * * * *","tasks":["LOG_ROTATION"]});
    let trial = app.put("/schedules/s?dry_run=true", other).await.expect(200);
    assert_eq!((&trial["name"], &trial["version"]), (&json!("Other"), &json!(2)));
    assert_eq!(app.get("/schedules/s").await.expect(200), created);
    assert_eq!(app.post("/schedules?dry_run=perhaps", document).await.expect(400)["errors"][0]["field"], "dry_run");
    let lines = app.audit_lines(2).await;
    let done = lines.iter().filter(|line| line["outcome"] == "SUCCEEDED").count();
    assert_eq!(done, 1, "only what was done is recorded as done: {lines:?}");
    app.stop().await;
}

#[tokio::test]
async fn schedules_are_found_by_their_labels() {
    let mut app = TestApp::start().await;
    hourly(&app).await;
    app.create(json!({"id":"t","name":"T","frequency":"DAILY","tasks":["LOG_ROTATION"],"labels":{"team":"core","env":"prod"}}))
        .await;
    for (label, count) in [("team", 2), ("team=core", 2), ("team=core,env=prod", 1), ("env=", 0), ("none", 0)] {
        assert_eq!(app.get(&format!("/schedules?label={label}")).await.expect(200)["count"], count, "{label}");
    }
    assert_eq!(app.get("/schedules?label=,").await.expect(400)["errors"][0]["field"], "label");
    let patched = app.patch("/schedules/t", json!({"labels":{"env":null,"tier":"1"}})).await.expect(200);
    assert_eq!(patched["labels"], json!({"team":"core","tier":"1"}));
    assert_eq!(app.patch("/schedules/t", json!({"labels":{"-":"x"}})).await.expect(422)["errors"][0]["field"], "labels.-");
    app.stop().await;
}

#[tokio::test]
async fn bad_pauses_and_freezes_name_their_fields_and_change_nothing() {
    let mut app = TestApp::builder().at("2026-01-05T00:30:00Z").start().await;
    let created = hourly(&app).await;
    for (path, body, fields) in [
        ("/schedules/s/pause", json!({}), vec!["reason"]),
        ("/schedules/s/pause", json!({"reason":"x","until":"2026-01-05T00:30:00Z"}), vec!["until"]),
        ("/schedules/s/pause", json!({"reason":"x","until":"tomorrow","for":"1h"}), vec!["until", "for"]),
        ("/schedules/s/skip-next", json!({"count":2}), vec!["count"]),
        ("/targets/default/pause", json!({"reason":"","until":7}), vec!["until", "reason"]),
        ("/pause", json!({"until":"2020-01-01T00:00:00Z"}), vec!["reason", "until"]),
        ("/freezes", json!({"from":"2026-02-02T00:00:00Z","to":"2026-02-01T00:00:00Z","reason":"x"}), vec!["to"]),
        ("/freezes", json!({"from":"2025-02-02T00:00:00Z","to":"2025-02-03T00:00:00Z","reason":"x"}), vec!["to"]),
        (
            "/freezes",
            json!({"targets":["nowhere",1,"default","default"]}),
            vec!["from", "to", "targets[0]", "targets[1]", "targets[3]", "reason"],
        ),
    ] {
        let answer = app.post(path, body.clone()).await;
        let mut found: Vec<String> = answer.fields().into_iter().map(str::to_owned).collect();
        let mut fields = fields;
        found.sort();
        fields.sort_unstable();
        assert_eq!(found, fields, "{path} {body}");
        answer.expect(422);
    }
    for query in ["count=0", "count=101", "from=yesterday", "count=1&count=2", "to=x"] {
        app.get(&format!("/schedules/s/preview?{query}")).await.expect(400);
    }
    app.get("/schedules/none/preview").await.expect(404);
    app.post("/schedules/none/pause", json!({"reason":"x"})).await.expect(404);
    app.delete("/freezes/none").await.expect(404);
    assert_eq!(app.get("/schedules/s").await.expect(200), created);
    assert_eq!(app.get("/freezes").await.expect(200)["count"], 0);
    app.stop().await;
}
