//! Ten minutes of fires, runs and pruning: memory has to stand still.

use std::time::Duration;

use serde_json::json;

use super::super::common::Service;
use super::super::data;
use super::super::sample::median;
use super::super::table::{Extent, Table};
use super::super::targets::{CALLS, sandboxes, settings};
use super::{metrics, series};

const SCHEDULES: usize = 500;
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_secs(2);
/// What the allocator keeps beside what is needed differs by so much from one moment to the next.
const SLACK: f64 = 1.05;

pub async fn measure(extent: &Extent, table: &mut Table) {
    if !extent.soak {
        return;
    }
    let targets = sandboxes(data::MOST_TARGETS, Duration::ZERO).await;
    let folder = data::folder_with(SCHEDULES, |number| {
        // Fifty fires a second: an expression may match every ten seconds.
        let cron = format!("{}/10 * * * * *", number % 10);
        let target = data::target(number % data::MOST_TARGETS);
        json!({"id": data::id(number), "name": "Often", "cron_expression": cron, "tasks": [CALLS[0].0], "target": target})
    });
    let folder = folder.await;
    let settings =
        format!("[orchestrator]\njob_retention = \"30s\"\nmax_concurrent_jobs = 80\n{}", settings(&targets, 4, 100_000));
    let service = Service::start(folder, &settings).await;
    let minutes = extent.pick(10, 1);
    let looks = minutes * 60 / LOOK.as_secs() as usize;
    let mut memory = Vec::with_capacity(looks);
    for _ in 0..looks {
        tokio::time::sleep(LOOK).await;
        memory.push(service.memory_mib());
    }
    let page = metrics(&service).await;
    let (ran, pruned) = (series(&page, "maintenance_jobs_succeeded_total"), series(&page, "maintenance_jobs_pruned_total"));
    // The first fifth fills what is kept; then the next fifth against the last.
    let fifth = |number: usize| median(memory[looks * number / 5..looks * (number + 1) / 5].to_vec());
    let (early, late) = (fifth(1), fifth(4));
    let measured = format!("{early:.1} MiB, then {late:.1} MiB; {ran} jobs ran, {pruned} were pruned");
    table.judge(&format!("memory over {minutes} minutes of fires and pruning"), "flat (≤ 5 %)", &measured, late <= early * SLACK);
    table.must("nothing ran in the soak", ran > 0.0);
    table.broken(service.end().await);
}
