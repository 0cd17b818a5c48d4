//! Schedules, made in the store before the service starts, as its API would have made them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{SubsecRound, TimeDelta};
use serde_json::{Value, json};
use tempfile::TempDir;
use themis_maintenance::domain::catalog::{Catalog, TargetCatalog};
use themis_maintenance::domain::ids::ScheduleId;
use themis_maintenance::domain::ports::{Change, Clock, OutboxCommit, Store};
use themis_maintenance::domain::schedule::{RunState, Schedule};
use themis_maintenance::domain::schedule_input;
use themis_maintenance::domain::time::Timestamp;
use themis_maintenance::storage::SqliteStore;
use themis_maintenance::ticker::SystemClock;

/// Where the service looks for its data, below its working directory.
pub const DATABASE: &str = "data/maintenance.db";
/// The API.
pub const API: &str = "/api/v1/maintenance";
/// Never while a benchmark runs, and not the same for all, so that they share their expressions as real ones do.
const LATER: TimeDelta = TimeDelta::hours(12);
/// Rows of one commit.
const CHUNK: usize = 4_096;

pub fn id(number: usize) -> String {
    format!("schedule-{number:06}")
}

/// A schedule as operators write them: a task that needs nothing to be said, and one that does.
pub fn document(number: usize, cron: &str) -> Value {
    json!({
        "id": id(number),
        "name": format!("Nightly maintenance of shard {number}"),
        "cron_expression": cron,
        "halt_on_task_failure": true,
        "tasks": [
            "METRICS_COLLECTION",
            {"task_type": "INDEX_REBUILD", "parameters": {"table": format!("orders_{number}"), "column": "status"}},
        ],
    })
}

/// A daily expression, one out of 240, that does not match soon.
pub fn later(number: usize) -> String {
    let at = SystemClock.now() + LATER + TimeDelta::minutes((number % 240) as i64);
    at.format("%-M %-H * * *").to_string()
}

/// An expression that matches in that second, and a day later again, as most do.
pub fn once_at(second: Timestamp) -> String {
    second.format("%-S %-M %-H * * *").to_string()
}

/// A whole second, so far from now.
pub fn second_in(seconds: u64) -> Timestamp {
    SystemClock.now().trunc_subsecs(0) + TimeDelta::seconds(seconds as i64 + 1)
}

/// A folder with so many schedules in its database; `describe` writes each.
pub async fn folder_with(count: usize, describe: impl Fn(usize) -> Value) -> Arc<TempDir> {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    fill(folder.path(), count, describe).await;
    folder
}

async fn fill(folder: &Path, count: usize, describe: impl Fn(usize) -> Value) {
    let store = SqliteStore::open(&folder.join(DATABASE)).await.unwrap();
    let targets = (0..=MOST_TARGETS).map(|number| (target(number), TargetCatalog::default()));
    let catalog = Catalog::new(BTreeMap::from_iter(targets));
    let mut changes = Vec::with_capacity(CHUNK);
    for number in 0..count {
        let after = Some(Arc::new(stored(&describe(number), &catalog)));
        changes.push(Change::Schedule { before: None, after });
        if changes.len() == CHUNK || number + 1 == count {
            store.commit(&changes, OutboxCommit::default()).await.unwrap();
            changes.clear();
        }
    }
    store.close().await;
}

fn stored(document: &Value, catalog: &Catalog) -> Schedule {
    let now = SystemClock.now();
    let input = schedule_input::parse(document, catalog, now).unwrap();
    let next_run_at = input.definition.cron.next_after(now);
    Schedule {
        id: ScheduleId::parse(document["id"].as_str().unwrap()).unwrap(),
        definition: Arc::new(input.definition),
        version: 1,
        created_at: now,
        updated_at: now,
        created_by: "bench".into(),
        updated_by: "bench".into(),
        run: RunState { next_run_at, ..RunState::default() },
    }
}

/// So many more targets than the default one there may be.
pub const MOST_TARGETS: usize = 20;

/// The name of a target; the first is the default one.
pub fn target(number: usize) -> String {
    if number == 0 { "default".to_owned() } else { format!("target-{number}") }
}
