//! An orchestrator whose time stands still until it is moved, whose store forgets, and whose targets do everything at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use parking_lot::Mutex;
use serde_json::{Value, json};
use themis_maintenance::audit::NoAudit;
use themis_maintenance::domain::access::Access;
use themis_maintenance::domain::catalog::{Catalog, TargetCatalog};
use themis_maintenance::domain::ids::ScheduleId;
use themis_maintenance::domain::job::Outcome;
use themis_maintenance::domain::ports::{
    AttemptReport, AttemptTrace, Change, Clock, IdSource, OutboxCommit, Store, StoreError, StoredState, TaskCall, TaskExecutor,
};
use themis_maintenance::domain::principal::Caller;
use themis_maintenance::domain::schedule::{RunState, Schedule};
use themis_maintenance::domain::schedule_input;
use themis_maintenance::domain::time::Timestamp;
use themis_maintenance::orchestrator::{Orchestrator, OrchestratorHandle, Ports, Rules};
use themis_maintenance::telemetry::{LabelSets, Metrics};
use themis_maintenance::ticker::SystemIds;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// When everything begins.
pub fn begin() -> Timestamp {
    DateTime::from_timestamp(1_769_911_200, 0).unwrap()
}

/// As operators write them; `often` fires every ten seconds, the others in a year.
pub fn document(number: usize, often: bool) -> Value {
    json!({
        "id": format!("schedule-{number:06}"),
        "name": format!("Maintenance of shard {number}"),
        "cron_expression": if often { "*/10 * * * * *" } else { "0 2 1 1 *" },
        "tasks": ["METRICS_COLLECTION", {"task_type": "INDEX_REBUILD", "parameters": {"table": format!("t{number}"), "column": "a"}}],
    })
}

pub fn caller() -> Caller {
    Caller { subject: "bench".to_owned(), request_id: None, address: None, access: Access::UNLIMITED }
}

/// Everything on one thread, so that a figure is the work and not the waking of threads.
pub struct Rig {
    pub runtime: Runtime,
    pub handle: OrchestratorHandle,
    pub clock: Arc<HandClock>,
    pub metrics: Metrics,
}

impl Rig {
    /// With so many schedules, of which the first fires often.
    pub fn with(schedules: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let clock = Arc::new(HandClock { milliseconds: AtomicI64::new(begin().timestamp_millis()), moved: Notify::new() });
        let catalog = Arc::new(Catalog::new(BTreeMap::from([("default".to_owned(), TargetCatalog::default())])));
        let stored = StoredState {
            schedules: (0..schedules).map(|number| stored(&document(number, number == 0), &catalog)).collect(),
            ..StoredState::default()
        };
        let ports = Ports {
            store: Arc::new(Forgetful(Mutex::new(Some(stored)))),
            executor: Arc::new(AtOnce),
            audit: Arc::new(NoAudit),
            clock: clock.clone(),
            ids: Arc::new(SystemIds::default()),
        };
        let rules = Rules {
            max_concurrent_jobs: 8,
            max_schedules: 1_000_000,
            job_retention: TimeDelta::hours(24),
            misfire_grace: TimeDelta::seconds(60),
            queue_timeout: TimeDelta::hours(1),
            catalog,
        };
        let metrics = Metrics::new(LabelSets::default());
        let (handle, actor) = Orchestrator::new(rules, Vec::new(), ports, metrics.clone());
        runtime.spawn(async move { actor.run().await.unwrap() });
        runtime.block_on(handle.started());
        Self { runtime, handle, clock, metrics }
    }

    /// Lets the actor work until something is so.
    pub fn until(&self, mut so: impl FnMut() -> bool) {
        self.runtime.block_on(async {
            while !so() {
                tokio::task::yield_now().await;
            }
        });
    }
}

fn stored(document: &Value, catalog: &Catalog) -> Schedule {
    let input = schedule_input::parse(document, catalog, begin()).unwrap();
    let next_run_at = input.definition.cron.next_after(begin());
    Schedule {
        id: ScheduleId::parse(document["id"].as_str().unwrap()).unwrap(),
        definition: Arc::new(input.definition),
        version: 1,
        created_at: begin(),
        updated_at: begin(),
        created_by: "bench".into(),
        updated_by: "bench".into(),
        run: RunState { next_run_at, ..RunState::default() },
    }
}

/// Moved by hand.
pub struct HandClock {
    milliseconds: AtomicI64,
    moved: Notify,
}

impl HandClock {
    pub fn forward(&self, by: TimeDelta) {
        self.milliseconds.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        DateTime::from_timestamp_millis(self.milliseconds.load(Ordering::Relaxed)).unwrap()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        // On one thread nothing moves between the look and the wait.
        while self.now() < deadline {
            self.moved.notified().await;
        }
    }
}

struct Forgetful(Mutex<Option<StoredState>>);

#[async_trait]
impl Store for Forgetful {
    async fn load(&self) -> Result<StoredState, StoreError> {
        Ok(self.0.lock().take().unwrap_or_default())
    }

    async fn commit(&self, _changes: &[Change], _outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}

struct AtOnce;

#[async_trait]
impl TaskExecutor for AtOnce {
    async fn attempt(&self, _call: &TaskCall, _trace: &AttemptTrace) -> AttemptReport {
        AttemptReport::of(Outcome::Succeeded)
    }

    async fn cancel(&self, _call: &TaskCall, _trace: &AttemptTrace) {}
}

/// The time by the rig's clock is that of the ids, too.
pub fn ids() -> Arc<dyn IdSource> {
    Arc::new(SystemIds::default())
}
