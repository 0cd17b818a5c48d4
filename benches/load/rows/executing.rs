//! A thousand jobs of three tasks on twenty targets, against the same calls made by a loop that does nothing else.

use std::time::Duration;

use serde_json::json;
use themis_maintenance::sandbox::Sandbox;
use themis_maintenance::telemetry::Stopwatch;
use tokio::task::JoinSet;

use super::super::common::Service;
use super::super::data;
use super::super::database::Database;
use super::super::table::{Extent, Table};
use super::super::targets::{CALLS, sandboxes, settings};

const RATIO_BUDGET: f64 = 1.2;
/// Jobs at a time on one target.
const AT_A_TIME: usize = 4;
/// What a quick maintenance call takes. Real ones take seconds and hide every cost of ours; with none at all the machine is the limit.
const DELAYS_MS: [u64; 2] = [20, 0];

pub async fn measure(extent: &Extent, table: &mut Table) {
    let (jobs, targets) = extent.pick((1_000, data::MOST_TARGETS), (60, 5));
    for delay in DELAYS_MS {
        let delay = Duration::from_millis(delay);
        let sandboxes = sandboxes(targets, delay).await;
        let bare = bare(&sandboxes, jobs / targets).await;
        let service = by_the_service(&sandboxes, jobs, table).await;
        let ratio = service / bare;
        let what = format!("{jobs} jobs of 3 calls of {} ms, {targets} targets, {AT_A_TIME} each", delay.as_millis());
        let measured = format!("{ratio:.2} × ({:.0} ms to {:.0} ms)", service * 1000.0, bare * 1000.0);
        table.judge(&what, &format!("≤ {RATIO_BUDGET} × a bare loop"), &measured, ratio <= RATIO_BUDGET);
    }
}

/// Seconds from the fire to the end of the last job.
async fn by_the_service(targets: &[Sandbox], jobs: usize, table: &mut Table) -> f64 {
    let second = data::second_in(4);
    let tasks = CALLS.map(|(task_type, _)| task_type);
    let folder = data::folder_with(jobs, |number| {
        let target = data::target(number % targets.len());
        json!({"id": data::id(number), "name": "Three", "cron_expression": data::once_at(second), "tasks": tasks, "target": target})
    });
    let folder = folder.await;
    let settings =
        format!("[orchestrator]\nmax_concurrent_jobs = {}\n{}", AT_A_TIME * targets.len(), settings(targets, AT_A_TIME, 100_000));
    let service = Service::start(folder.clone(), &settings).await;
    let database = Database::open(folder.path()).await;
    table.must("a job of three tasks did not succeed", database.jobs_succeeded(jobs).await);
    let last = database.times().await.iter().filter_map(|job| job.over).max().unwrap();
    table.broken(service.end().await);
    (last - second).as_seconds_f64()
}

/// Seconds that the calls take by themselves: as many at a time, and each job's one after the other.
async fn bare(targets: &[Sandbox], jobs_each: usize) -> f64 {
    // One client for each target, as the service has; made before the clock starts, since it reads the system's certificates.
    let clients: Vec<_> = targets.iter().map(|_| reqwest::Client::builder().no_proxy().build().unwrap()).collect();
    let stopwatch = Stopwatch::start();
    let mut workers = JoinSet::new();
    for (target, client) in targets.iter().zip(&clients) {
        for worker in 0..AT_A_TIME {
            let (base, client) = (target.base_url(), client.clone());
            workers.spawn(async move {
                for _ in (worker..jobs_each).step_by(AT_A_TIME) {
                    for (_, path) in CALLS {
                        let answer = client.post(format!("{base}{path}")).json(&json!({})).send().await.unwrap();
                        let answer: serde_json::Value = answer.error_for_status().unwrap().json().await.unwrap();
                        assert_eq!(answer["success"], true);
                    }
                }
            });
        }
    }
    while let Some(worker) = workers.join_next().await {
        worker.unwrap();
    }
    stopwatch.seconds()
}
