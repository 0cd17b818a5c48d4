//! What durability costs: acknowledged creates per second with 1, 16 and 64 waiting clients, beside one commit for each row in the
//! same run; and how long a start takes with 10,000 and 65,536 stored schedules.
//!
//! `cargo bench --bench durable` prints a table. The figures of one run may be compared with each other, those of two runs may not.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;
use themis_maintenance::audit::NoAudit;
use themis_maintenance::domain::access::Access;
use themis_maintenance::domain::catalog::{Catalog, TargetCatalog};
use themis_maintenance::domain::ids::{JobId, ScheduleId};
use themis_maintenance::domain::job::{Job, JobState, Trigger};
use themis_maintenance::domain::ports::{
    AttemptReport, AttemptTrace, Change, Clock, IdSource, OutboxCommit, Store, TaskCall, TaskExecutor,
};
use themis_maintenance::domain::principal::Caller;
use themis_maintenance::domain::schedule::{RunState, Schedule};
use themis_maintenance::domain::schedule_input;
use themis_maintenance::orchestrator::view::JobQuery;
use themis_maintenance::orchestrator::{Orchestrator, OrchestratorHandle, Ports, Rules};
use themis_maintenance::storage::SqliteStore;
use themis_maintenance::telemetry::{LabelSets, Metrics, Stopwatch};
use themis_maintenance::ticker::{SystemClock, SystemIds};
use tokio::task::JoinHandle;

/// Rows of each measurement of writes.
const CREATES: usize = 4_000;
/// Rows of the measurement with one commit each; fewer, because each costs a write to the disk.
const ALONE: usize = 1_000;

struct NoExecutor;

#[async_trait::async_trait]
impl TaskExecutor for NoExecutor {
    async fn attempt(&self, _call: &TaskCall, _trace: &AttemptTrace) -> AttemptReport {
        unreachable!("nothing fires in this benchmark")
    }

    async fn cancel(&self, _call: &TaskCall, _trace: &AttemptTrace) {}
}

fn catalog() -> Arc<Catalog> {
    Arc::new(Catalog::new(BTreeMap::from([("default".to_owned(), TargetCatalog::default())])))
}

fn document(number: usize) -> serde_json::Value {
    json!({"id": format!("schedule-{number}"), "name": "A schedule", "cron_expression": "0 2 1 1 *", "tasks": ["INDEX_REBUILD", "STATISTICS_UPDATE"]})
}

fn schedule(number: usize) -> Schedule {
    let now = SystemClock.now();
    let input = schedule_input::parse(&document(number), &catalog(), now).unwrap();
    let next_run_at = input.definition.cron.next_after(now);
    Schedule {
        id: ScheduleId::from_uuid(SystemIds::default().new_uuid(now)),
        definition: Arc::new(input.definition),
        version: 1,
        created_at: now,
        updated_at: now,
        created_by: "bench".into(),
        updated_by: "bench".into(),
        run: RunState { next_run_at, ..RunState::default() },
    }
}

async fn orchestrator(path: &Path) -> (OrchestratorHandle, JoinHandle<()>) {
    let ports = Ports {
        store: Arc::new(SqliteStore::open(path).await.unwrap()),
        executor: Arc::new(NoExecutor),
        audit: Arc::new(NoAudit),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds::default()),
    };
    let rules = Rules {
        max_concurrent_jobs: 8,
        max_schedules: 1_000_000,
        job_retention: TimeDelta::hours(24),
        misfire_grace: TimeDelta::seconds(60),
        queue_timeout: TimeDelta::hours(1),
        catalog: catalog(),
    };
    let (handle, actor) = Orchestrator::new(rules, Vec::new(), ports, Metrics::new(LabelSets::default()));
    let task = tokio::spawn(async move { actor.run().await.unwrap() });
    while !handle.is_ready() {
        tokio::task::yield_now().await;
    }
    (handle, task)
}

/// Creates per second with so many clients, each of which waits for its answer before it asks again.
async fn creates_per_second(clients: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let (handle, actor) = orchestrator(&folder.path().join("bench.db")).await;
    let stopwatch = Stopwatch::start();
    let workers: Vec<_> = (0..clients)
        .map(|client| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for number in (client..CREATES).step_by(clients) {
                    let caller =
                        Caller { subject: "bench".to_owned(), request_id: None, address: None, access: Access::UNLIMITED };
                    handle.create_schedule(caller, &document(number), None).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let rate = CREATES as f64 / stopwatch.seconds();
    handle.stop().await;
    actor.await.unwrap();
    rate
}

/// Rows per second when every row has a commit of its own.
async fn alone_per_second() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("bench.db")).await.unwrap();
    let changes: Vec<Change> =
        (0..ALONE).map(|number| Change::Schedule { before: None, after: Some(Arc::new(schedule(number))) }).collect();
    let stopwatch = Stopwatch::start();
    for change in &changes {
        store.commit(std::slice::from_ref(change), OutboxCommit::default()).await.unwrap();
    }
    let rate = ALONE as f64 / stopwatch.seconds();
    store.close().await;
    rate
}

/// Milliseconds from opening the file to readiness.
async fn start_milliseconds(schedules: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let changes: Vec<Change> =
        (0..schedules).map(|number| Change::Schedule { before: None, after: Some(Arc::new(schedule(number))) }).collect();
    for chunk in changes.chunks(1_000) {
        store.commit(chunk, OutboxCommit::default()).await.unwrap();
    }
    store.close().await;
    drop((store, changes));
    let stopwatch = Stopwatch::start();
    let (handle, actor) = orchestrator(&path).await;
    let milliseconds = stopwatch.seconds() * 1000.0;
    assert_eq!(handle.view().counts(SystemClock.now()).total_schedules, schedules);
    handle.stop().await;
    actor.await.unwrap();
    milliseconds
}

/// A job of a schedule that succeeded longer ago than jobs are kept.
fn old_job(schedule: &Schedule, number: usize) -> Job {
    let ended = SystemClock.now() - TimeDelta::hours(25);
    Job {
        id: JobId(SystemIds::default().new_uuid(ended)),
        schedule_id: schedule.id.clone(),
        definition: Arc::clone(&schedule.definition),
        target: schedule.definition.target.first().to_owned(),
        first_of_fire: None,
        trigger: Trigger::Cron,
        scheduled_for: ended + TimeDelta::milliseconds(number as i64),
        state: JobState::Succeeded,
        reason: None,
        error_message: None,
        requested_by: None,
        forced: false,
        created_at: ended,
        started_at: Some(ended),
        finished_at: Some(ended),
        cancel_requested_by: None,
        aborting: false,
        retry_of: None,
        tasks: Vec::new(),
    }
}

/// Seconds to prune so many jobs, and the slowest of the creates that went on beside it, in milliseconds.
async fn prune_beside_a_writer(jobs: usize) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let owner = schedule(0);
    let changes: Vec<Change> =
        (0..jobs).map(|number| Change::Job { before: None, after: Some(Arc::new(old_job(&owner, number))) }).collect();
    for chunk in changes.chunks(1_000) {
        store.commit(chunk, OutboxCommit::default()).await.unwrap();
    }
    store.close().await;
    drop((store, changes));
    let (handle, actor) = orchestrator(&path).await;
    let stopwatch = Stopwatch::start();
    handle.prune();
    let (mut slowest, mut number) = (0.0_f64, 0);
    while !handle.view().jobs(&JobQuery { limit: 1, ..JobQuery::default() }).items.is_empty() {
        let one = Stopwatch::start();
        let caller = Caller { subject: "bench".to_owned(), request_id: None, address: None, access: Access::UNLIMITED };
        handle.create_schedule(caller, &document(number), None).await.unwrap();
        slowest = slowest.max(one.seconds());
        number += 1;
    }
    let seconds = stopwatch.seconds();
    handle.stop().await;
    actor.await.unwrap();
    (seconds, slowest * 1000.0)
}

#[tokio::main]
async fn main() {
    // `cargo test --benches` and `--test` only ask whether it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("{:<44} {:>12} {:>8}", "durable creates", "per second", "ratio");
    let alone = alone_per_second().await;
    println!("{:<44} {alone:>12.0} {:>8.2}", "one commit each, one after another", 1.0);
    for clients in [1, 16, 64] {
        let rate = creates_per_second(clients).await;
        println!("{:<44} {rate:>12.0} {:>8.2}", format!("{clients} waiting clients"), rate / alone);
    }
    println!("\n{:<44} {:>12}", "start, until ready", "ms");
    for schedules in [10_000, 65_536] {
        println!("{:<44} {:>12.0}", format!("{schedules} stored schedules"), start_milliseconds(schedules).await);
    }
    let (seconds, slowest) = prune_beside_a_writer(20_000).await;
    println!("\n20,000 jobs pruned in {seconds:.2} s; slowest create meanwhile: {slowest:.1} ms");
}
