//! The real process, killed again and again in the middle of its work: what it acknowledged is there, nothing is half done, no
//! task is called twice, and the audit trail knows of everything.
//!
//! `THEMIS_CRASH_SEED` repeats a run's choices (not the timing of the machine), `THEMIS_CRASH_ROUNDS` makes it longer.

mod adoption;
mod audit;
mod backup;
mod calls;
mod disk_full;
mod files;
mod service;
mod worker;

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::json;
use themis_maintenance::sandbox::{Fault, FaultKind, Sandbox, SandboxConfig};
use tokio::net::TcpListener;

use audit::Trail;
use calls::Calls;
use files::Files;
use service::Service;
use worker::Worker;

/// Enough for the kill to fall into every phase of a write several times.
const ROUNDS: u64 = 50;
const WORKERS: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stderr, reason = "the seed, for whoever repeats the run")]
async fn whatever_was_acknowledged_survives_being_killed_at_any_moment() {
    let seed = setting("THEMIS_CRASH_SEED").unwrap_or_else(rand::random);
    let rounds = setting("THEMIS_CRASH_ROUNDS").unwrap_or(ROUNDS);
    eprintln!("THEMIS_CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let config = SandboxConfig { task_delay: Duration::from_millis(30), ..SandboxConfig::default() };
    let (sandbox, _) = Sandbox::start(listener, config, std::future::pending()).await.expect("a sandbox");
    let files = Files::new(&sandbox.base_url());
    let (mut trail, mut calls) = (Trail::new(files.audit()), Calls::default());
    let mut workers: Vec<Worker> = (0..WORKERS).map(|number| Worker::new(number, random.random())).collect();
    let (mut interrupted, mut acknowledged) = (0, 0);

    for round in 0..=rounds {
        let before = files.snapshot().await;
        interrupted += before.running.len();
        if random.random_ratio(1, 6) {
            // Killed while it starts: recovery has to bear that as well.
            let mut starting = Service::spawn(&files);
            pause(&mut random, 120).await;
            starting.kill();
        }
        let mut service = Service::spawn(&files);
        service.ready().await;
        let jobs = service.jobs().await;
        before.check_against(&jobs);
        for worker in &mut workers {
            acknowledged += worker.check(&service, &mut trail).await;
        }
        trail.check_jobs(&jobs).await;
        calls.read(&sandbox);
        calls.check(&service.jobs().await);
        if round == rounds {
            assert!(service.terminate().success(), "an end in order is exit code 0");
            break;
        }
        if random.random_ratio(1, 3) {
            sandbox.clear_faults();
            let (status, body) = (StatusCode::SERVICE_UNAVAILABLE, json!({}));
            sandbox.script(Fault::times(2, "/maintenance", FaultKind::Status { status, body, headers: HeaderMap::new() }));
        }
        let running: Vec<_> = workers.drain(..).map(|worker| tokio::spawn(worker.work(service.client()))).collect();
        pause(&mut random, 250).await;
        service.kill();
        for worker in running {
            workers.push(worker.await.expect("no panic"));
        }
    }

    let folder = files.audit().parent().expect("a folder").to_owned();
    let trail = themis_maintenance::audit::verify_trail(&[folder], themis_maintenance::audit::FirstLines::Required)
        .expect("an intact chain");
    let outbox = files.snapshot().await.outbox;
    assert!(outbox.iter().all(Option::is_none), "after an end in order nothing is left to be appended: {outbox:?}");
    eprintln!(
        "{rounds} kills, {acknowledged} acknowledged writes, {interrupted} interrupted jobs, {} audit lines in {} files",
        trail.lines.lines, trail.files
    );
    assert!(acknowledged > rounds && interrupted > 0 || rounds < 20, "the kills did not meet the service at work");
}

/// Waits for a random time: the kill has to come at a moment that nothing in the service decides.
async fn pause(random: &mut StdRng, up_to_millis: u64) {
    tokio::time::sleep(Duration::from_micros(random.random_range(0..up_to_millis * 1000))).await;
}

#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told something from outside")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}
