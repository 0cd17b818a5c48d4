//! A 429 holds all calls to the target, and nothing but these.

use std::time::Duration;

use serde_json::json;

use super::server::{Reply, Server};
use super::*;
use crate::domain::health::HealthStatus;
use crate::domain::ports::HealthProbe;
use crate::executor::ThemisDbProbe;

const REFUSED: &str = "POST /index/rebuild";

/// Makes an attempt that is refused, then another; says how long the second was held, in seconds, as the server saw it.
async fn seconds_held(refusal: Reply) -> u64 {
    let server = Server::start([refusal, Reply::json(200, json!({"success": true}))]).await;
    let bench = Bench::new(&server, recipe());
    assert_eq!(bench.attempt().await.http_status, Some(429));
    assert_eq!(server.lines(), [REFUSED]);
    let start = crate::executor::clocks::instant();
    assert_eq!(bench.attempt_while_time_passes().await.outcome, Outcome::Succeeded);
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn the_next_call_waits_for_as_long_as_the_target_asks() {
    let asked = |header| Reply::Answer(429, header, String::new());
    assert_eq!(seconds_held(asked("retry-after: 7\r\n")).await, 7);
    assert_eq!(seconds_held(asked("")).await, 1, "where it does not say for how long");
    assert_eq!(seconds_held(asked("retry-after: 0\r\n")).await, 0);
    assert_eq!(seconds_held(Reply::json(429, json!({"retry_after_seconds": 3}))).await, 3);
    assert_eq!(seconds_held(asked("retry-after: 86400\r\n")).await, 60, "a day would hold every job");
}

#[tokio::test(start_paused = true)]
async fn probes_do_not_rest() {
    let refusal = Reply::Answer(429, "retry-after: 50\r\n", String::new());
    let server = Server::start([refusal, Reply::json(200, json!({"storage": {}}))]).await;
    let bench = Bench::new(&server, recipe());
    bench.attempt().await;
    let signal = ThemisDbProbe::new(settings(&server.url(""))).expect("a probe").check().await;
    assert_eq!((signal.status, server.lines().len()), (HealthStatus::Healthy, 2));
}

#[tokio::test(start_paused = true)]
async fn other_refusals_hold_nobody() {
    let refusal = Reply::Answer(503, "retry-after: 50\r\n", String::new());
    let server = Server::start([refusal, Reply::json(200, json!({"success": true}))]).await;
    let bench = Bench::new(&server, recipe());
    let report = bench.attempt().await;
    assert_eq!((report.http_status, report.retry_after), (Some(503), Some(Duration::from_secs(50))));
    assert_eq!(bench.attempt().await.outcome, Outcome::Succeeded);
}
