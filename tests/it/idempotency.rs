//! One effect per `Idempotency-Key`, however often the request is sent.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::domain::ports::{Change, OutboxCommit, Store, StoreError, StoredState};
use tokio::sync::watch;

use crate::support::{Answer, TestApp, WRITE, request};

const REPLAYED: &str = "idempotency-replayed";

async fn keyed(app: &TestApp, key: &str, path: &str, body: &Value) -> Answer {
    Answer::of(app.request(Method::POST, path).header("idempotency-key", key).json(body)).await
}

fn nightly() -> Value {
    json!({"name":"S","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"]})
}

/// What a client sees of an answer.
fn seen(answer: &Answer) -> (u16, String, String, Value) {
    let headers = (answer.header("etag").to_owned(), answer.header("location").to_owned());
    (answer.status.as_u16(), headers.0, headers.1, answer.json.clone())
}

#[tokio::test]
async fn a_schedule_is_created_once_and_its_first_answer_outlives_edits_deletion_and_a_restart() {
    let mut app = TestApp::start().await;
    let first = keyed(&app, "k", "/schedules", &nightly()).await;
    assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (201, ""));
    let path = format!("/schedules/{}", first.json["id"].as_str().unwrap());
    app.patch(&path, json!({"name": "edited"})).await.expect(200);
    let second = keyed(&app, "k", "/schedules", &nightly()).await;
    assert_eq!(second.header(REPLAYED), "true");
    assert_eq!(seen(&second), seen(&first));
    app.delete(&path).await.expect(204);
    app.restart().await;
    let third = keyed(&app, "k", "/schedules", &nightly()).await;
    assert_eq!(third.header(REPLAYED), "true");
    assert_eq!(seen(&third), seen(&first));
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 0);
    app.stop().await;
}

#[tokio::test]
async fn a_run_and_a_retry_start_one_job_each() {
    let mut app = TestApp::start().await;
    app.sandbox.close_store();
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["METRICS_COLLECTION"]})).await;
    let run = keyed(&app, "k", "/schedules/s/run", &json!({})).await;
    let id = run.json["id"].as_str().unwrap();
    assert_eq!(app.ended(id).await["state"], "FAILED");
    let again = keyed(&app, "k", "/schedules/s/run", &json!({})).await;
    assert_eq!((again.header(REPLAYED), seen(&again)), ("true", seen(&run)), "the job as it was answered");
    app.sandbox.open_store();
    let retried = keyed(&app, "k", &format!("/jobs/{id}/retry"), &json!({})).await;
    assert_eq!((retried.status.as_u16(), retried.header(REPLAYED)), (202, ""), "the path is part of the key");
    app.ended(retried.json["id"].as_str().unwrap()).await;
    let twice = keyed(&app, "k", &format!("/jobs/{id}/retry"), &json!({})).await;
    assert_eq!((twice.header(REPLAYED), seen(&twice)), ("true", seen(&retried)));
    assert_eq!(app.jobs_of("s", 2).await.len(), 2);
    app.stop().await;
}

#[tokio::test]
async fn twins_that_arrive_together_have_one_effect() {
    let mut app = TestApp::start().await;
    let mut twins = tokio::task::JoinSet::new();
    for _ in 0..12 {
        twins.spawn(Answer::of(app.request(Method::POST, "/schedules").header("idempotency-key", "k").json(&nightly())));
    }
    let answers = twins.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.header(REPLAYED).is_empty()).count(), 1);
    for answer in &answers {
        assert_eq!(seen(answer), seen(&answers[0]));
    }
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 1);
    app.stop().await;
}

#[tokio::test]
async fn another_body_under_the_same_key_is_refused_but_the_same_body_may_be_written_otherwise() {
    let mut app = TestApp::start().await;
    let first = keyed(&app, "k", "/schedules", &json!({"name":"S","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"]})).await;
    let reordered = json!({"tasks":["LOG_ROTATION"],"cron_expression":"0 4 * * *","name":"S"});
    assert_eq!(seen(&keyed(&app, "k", "/schedules", &reordered).await), seen(&first));
    for other in [json!({"name":"T","cron_expression":"0 4 * * *","tasks":["LOG_ROTATION"]}), json!({"name": 1})] {
        assert_eq!(keyed(&app, "k", "/schedules", &other).await.expect(422)["code"], "idempotency_key_reused");
    }
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 1);
    app.stop().await;
}

#[tokio::test]
async fn a_key_belongs_to_its_caller() {
    let mut app = TestApp::start().await;
    keyed(&app, "k", "/schedules", &nightly()).await.expect(201);
    let token = app.token_of("somebody-else", WRITE);
    let call = request(app.client(), app.base(), Method::POST, "/api/v1/maintenance/schedules", Some(&token));
    let theirs = Answer::of(call.header("idempotency-key", "k").json(&nightly())).await;
    assert_eq!((theirs.status.as_u16(), theirs.header(REPLAYED)), (201, ""));
    assert_eq!(theirs.json["created_by"], "somebody-else");
    app.stop().await;
}

#[tokio::test]
async fn a_failure_is_not_kept_and_a_day_later_the_key_is_new() {
    let mut app = TestApp::start().await;
    let mut document = nightly();
    document["tasks"] = json!([]);
    assert_eq!(keyed(&app, "k", "/schedules", &document).await.expect(422)["code"], "validation_failed");
    let first = keyed(&app, "k", "/schedules", &nightly()).await;
    assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (201, ""));
    app.clock.advance(TimeDelta::hours(24));
    app.running().handle().prune();
    let next = keyed(&app, "k", "/schedules", &nightly()).await;
    assert_eq!((next.status.as_u16(), next.header(REPLAYED)), (201, ""));
    assert_ne!(next.json["id"], first.json["id"]);
    app.restart().await;
    assert_eq!(seen(&keyed(&app, "k", "/schedules", &nightly()).await), seen(&next));
    app.stop().await;
}

#[tokio::test]
async fn a_header_that_is_no_key_is_refused() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})).await;
    for path in ["/schedules", "/schedules/s/run", "/jobs/01890a5d-ac96-774b-bcce-b302099a8057/retry"] {
        for bad in ["", "a b", &"x".repeat(256)] {
            let refused = keyed(&app, bad, path, &json!({})).await;
            assert_eq!(refused.json["errors"][0]["field"], "Idempotency-Key", "{}", refused.text);
            assert_eq!(refused.expect(400)["code"], "invalid_header");
        }
    }
    app.stop().await;
}

/// A store that can be told to refuse writes.
struct Moody(watch::Receiver<bool>);

#[async_trait]
impl Store for Moody {
    async fn load(&self) -> Result<StoredState, StoreError> {
        Ok(StoredState::default())
    }

    async fn commit(&self, _: &[Change], _: OutboxCommit<'_>) -> Result<(), StoreError> {
        if *self.0.borrow() { Err(StoreError::NotApplied("refused".to_owned())) } else { Ok(()) }
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn an_answer_that_could_not_be_stored_is_not_kept_either() {
    let (refuse, mood) = watch::channel(false);
    let mut app = TestApp::builder().store(Arc::new(Moody(mood))).start().await;
    refuse.send_replace(true);
    assert_eq!(keyed(&app, "k", "/schedules", &nightly()).await.expect(503)["code"], "store_unavailable");
    refuse.send_replace(false);
    let first = keyed(&app, "k", "/schedules", &nightly()).await;
    assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (201, ""));
    app.stop().await;
}
