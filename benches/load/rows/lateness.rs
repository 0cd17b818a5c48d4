//! How late a single fire is when nothing else happens, from its second to the job, and to the call that reaches the target.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;

use super::super::common::Service;
use super::super::data;
use super::super::database::Database;
use super::super::table::{Extent, Table};
use super::super::targets::{CALLS, sandboxes, settings};

const BUDGET_MS: i64 = 5;

pub async fn measure(extent: &Extent, table: &mut Table) {
    let fires = extent.pick(12, 3);
    let first = data::second_in(3);
    let (task_type, path) = CALLS[0];
    let folder = data::folder_with(fires, |number| {
        let cron = data::once_at(first + TimeDelta::seconds(number as i64));
        json!({"id": data::id(number), "name": "One", "cron_expression": cron, "tasks": [task_type]})
    });
    let folder = folder.await;
    let targets = sandboxes(1, Duration::ZERO).await;
    let service = Service::start(folder.clone(), &settings(&targets, 1, 90)).await;
    let database = Database::open(folder.path()).await;
    // Nobody looks in between: the machine is idle.
    tokio::time::sleep(Duration::from_secs(fires as u64 + 4)).await;
    table.must("a single fire was lost", database.jobs_succeeded(fires).await);
    let times = database.times().await;
    let mut late: Vec<i64> = times.iter().map(|job| (job.made - job.due).num_milliseconds()).collect();
    late.sort_unstable();
    let calls = targets[0].requests().into_iter().filter(|request| request.path == path);
    let mut arrived: Vec<f64> =
        calls.zip(&times).map(|(request, job)| (request.received_at - job.due).as_seconds_f64() * 1000.0).collect();
    arrived.sort_by(f64::total_cmp);
    let worst = late.last().copied().unwrap_or(i64::MAX);
    let measured = format!("at most {worst} ms, mostly {} ms; {fires} fires", late[fires / 2]);
    table.judge("lateness of a single fire, idle machine", &format!("≤ {BUDGET_MS} ms"), &measured, worst <= BUDGET_MS);
    let measured = format!("after {:.1} ms, at most {:.1} ms", arrived[arrived.len() / 2], arrived.last().unwrap());
    table.tell("  its call reaches the target", &measured);
    table.broken(service.end().await);
}
