//! What soak tests stand on: faults at random, and what was the most of something.

use std::time::Duration;

use super::{SandboxConfig, get, ok, post, start, within_limit};
use crate::sandbox::{Fault, FaultKind, Sandbox};

async fn met(seed: u64) -> Vec<bool> {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.script_randomly(seed, 0.3, [FaultKind::Garbage, FaultKind::HangUp]);
    let mut met = Vec::new();
    for _ in 0..60 {
        let answer = get(&sandbox, "/health").send().await;
        met.push(match answer {
            Ok(answer) => answer.json::<serde_json::Value>().await.is_err(),
            Err(_) => true,
        });
    }
    assert_eq!(sandbox.faults_met(), met.iter().filter(|met| **met).count() as u64);
    met
}

#[tokio::test]
async fn random_faults_are_the_same_for_the_same_seed() {
    let first = met(1).await;
    assert_eq!(first, met(1).await);
    assert_ne!(first, met(2).await);
    assert!((6..30).contains(&first.iter().filter(|met| **met).count()), "{first:?}");
}

#[tokio::test]
async fn scripted_faults_come_before_random_ones_and_both_are_cleared() {
    let sandbox = start(SandboxConfig::default()).await;
    sandbox.script_randomly(1, 1.0, [FaultKind::HangUp]);
    sandbox.script(Fault::times(1, "/health", FaultKind::RateLimited { retry_after_seconds: 1 }));
    assert_eq!(get(&sandbox, "/health").send().await.unwrap().status(), 429);
    assert!(get(&sandbox, "/health").send().await.is_err());
    // the control routes meet none
    ok(get(&sandbox, "/sandbox")).await;
    sandbox.clear_faults();
    ok(get(&sandbox, "/health")).await;
    assert_eq!(sandbox.faults_met(), 2);
}

#[tokio::test]
async fn random_faults_can_be_had_over_http() {
    let sandbox = start(SandboxConfig::default()).await;
    let body = r#"{"seed":1,"share":1.0,"kinds":[{"kind":"rate_limited","retry_after_seconds":2}]}"#;
    assert_eq!(post(&sandbox, "/sandbox/faults/random", body).send().await.unwrap().status(), 204);
    assert_eq!(get(&sandbox, "/health").send().await.unwrap().status(), 429);
    for bad in ["{}", r#"{"seed":1,"share":1.0,"kinds":[{"kind":"fire"}]}"#] {
        assert_eq!(post(&sandbox, "/sandbox/faults/random", bad).send().await.unwrap().status(), 400);
    }
}

async fn until_so_many_wait(sandbox: &Sandbox, count: usize) {
    within_limit(sandbox.wait_for_requests(|requests| requests.iter().filter(|request| !request.ended).count() == count)).await;
}

#[tokio::test]
async fn changing_requests_are_counted_apart_from_reading_ones() {
    let sandbox = start(SandboxConfig::default()).await;
    let hold = sandbox.hold(None, "");
    let rebuild = || post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#);
    let requests = [get(&sandbox, "/health"), get(&sandbox, "/stats"), rebuild(), rebuild()];
    let requests = requests.map(|request| tokio::spawn(request.send()));
    until_so_many_wait(&sandbox, 4).await;
    hold.release();
    for request in requests {
        within_limit(request).await.unwrap().unwrap();
    }
    assert_eq!((sandbox.max_in_flight(), sandbox.max_changing_in_flight()), (4, 2));
    until_so_many_wait(&sandbox, 0).await;
    sandbox.clear_requests();
    ok(rebuild()).await;
    ok(rebuild()).await;
    assert_eq!(sandbox.max_changing_in_flight(), 1, "one after the other");
}

#[tokio::test]
async fn arrivals_are_counted_in_every_stretch() {
    let sandbox = start(SandboxConfig::default()).await;
    assert_eq!(sandbox.max_requests_in_any(Duration::from_secs(60)), 0);
    for _ in 0..5 {
        ok(get(&sandbox, "/health")).await;
    }
    assert_eq!(sandbox.max_requests_in_any(Duration::from_secs(60)), 5);
    sandbox.clear_requests();
    assert_eq!(sandbox.max_requests_in_any(Duration::from_secs(60)), 0);
}

#[tokio::test]
async fn the_most_work_counts_what_was_abandoned() {
    let sandbox = start(SandboxConfig::default()).await;
    let work = sandbox.hold_work();
    for n in 1..=3 {
        let rebuild = tokio::spawn(post(&sandbox, "/index/reindex", r#"{"table":"orders"}"#).send());
        within_limit(sandbox.wait_for_work(|count| count == n)).await;
        rebuild.abort();
        until_so_many_wait(&sandbox, 0).await;
    }
    assert_eq!((sandbox.max_changing_in_flight(), sandbox.max_in_flight_work()), (1, 3));
    work.release();
    within_limit(sandbox.wait_for_work(|count| count == 0)).await;
    sandbox.clear_requests();
    assert_eq!(sandbox.max_in_flight_work(), 0);
}
