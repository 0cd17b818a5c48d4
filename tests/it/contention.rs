//! Many callers at once: of those who want the same thing exactly one gets it, and the others are told.

use std::collections::HashSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const CALLERS: usize = 40;

/// Sends all requests at the same time.
async fn at_once(requests: impl IntoIterator<Item = RequestBuilder>) -> Vec<Answer> {
    let mut calls = tokio::task::JoinSet::new();
    for request in requests {
        calls.spawn(Answer::of(request));
    }
    calls.join_all().await
}

fn counted(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

fn document(name: &str) -> Value {
    json!({"id":"s","name":name,"cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})
}

#[tokio::test]
async fn one_caller_gets_the_id() {
    let mut app = TestApp::start().await;
    let create = |number: usize| app.request(Method::POST, "/schedules").json(&document(&number.to_string()));
    let answers = at_once((0..CALLERS).map(create)).await;
    assert_eq!((counted(&answers, 201), counted(&answers, 409)), (1, CALLERS - 1));
    let created = answers.iter().find(|answer| answer.status == 201).unwrap();
    assert_eq!(app.get("/schedules/s").await.json, created.json);
    app.stop().await;
}

#[tokio::test]
async fn one_caller_changes_the_version_that_all_have_read() {
    let mut app = TestApp::start().await;
    app.create(document("S")).await;
    let etag = app.get("/schedules/s").await.header("etag").to_owned();
    let patch = |number: usize| {
        app.request(Method::PATCH, "/schedules/s").header("if-match", &etag).json(&json!({"name":number.to_string()}))
    };
    let answers = at_once((0..CALLERS).map(patch)).await;
    assert_eq!((counted(&answers, 200), counted(&answers, 412)), (1, CALLERS - 1));
    let now = app.get("/schedules/s").await.expect(200);
    assert_eq!(
        (&now["version"], &now["name"]),
        (&json!(2), &answers.iter().find(|answer| answer.status == 200).unwrap().json["name"])
    );
    app.stop().await;
}

#[tokio::test]
async fn edits_without_a_condition_follow_each_other_and_none_is_lost() {
    let mut app = TestApp::start().await;
    app.create(document("S")).await;
    let patch = |number: usize| app.request(Method::PATCH, "/schedules/s").json(&json!({"name":format!("name {number}")}));
    let answers = at_once((0..CALLERS).map(patch)).await;
    assert_eq!(counted(&answers, 200), CALLERS);
    let versions: HashSet<u64> = answers.iter().map(|answer| answer.json["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, (2..=CALLERS as u64 + 1).collect());
    let last = answers.iter().max_by_key(|answer| answer.json["version"].as_u64()).unwrap();
    app.restart().await;
    assert_eq!(app.get("/schedules/s").await.json, last.json);
    app.stop().await;
}

#[tokio::test]
async fn one_run_is_started_and_one_cancel_is_enough() {
    let mut app = TestApp::start().await;
    app.create(document("S")).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let answers = at_once((0..CALLERS).map(|_| app.request(Method::POST, "/schedules/s/run"))).await;
    assert_eq!((counted(&answers, 202), counted(&answers, 409)), (1, CALLERS - 1));
    let job = answers.iter().find(|answer| answer.status == 202).unwrap().json["id"].as_str().unwrap().to_owned();
    let answers = at_once((0..CALLERS).map(|_| app.request(Method::POST, &format!("/jobs/{job}/cancel")))).await;
    assert_eq!(counted(&answers, 202) + counted(&answers, 409), CALLERS);
    assert!(counted(&answers, 202) >= 1);
    assert_eq!(app.ended(&job).await["state"], "CANCELLED");
    assert_eq!(app.metric("maintenance_jobs_cancelled_total{reason=\"CANCELLED_BY_OPERATOR\"}").await, 1.0);
    hold.release();
    app.stop().await;
}

#[tokio::test]
async fn one_caller_deletes() {
    let mut app = TestApp::start().await;
    app.create(document("S")).await;
    let answers = at_once((0..CALLERS).map(|_| app.request(Method::DELETE, "/schedules/s"))).await;
    assert_eq!((counted(&answers, 204), counted(&answers, 404)), (1, CALLERS - 1));
    assert_eq!(app.metric("maintenance_schedules_deleted_total").await, 1.0);
    app.stop().await;
}
