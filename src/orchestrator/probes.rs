//! What the orchestrator says of its own health: whether the loop turns, and whether the store can be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use parking_lot::RwLock;
use serde_json::json;
use tokio::sync::watch;

use super::handle::OrchestratorHandle;
use crate::domain::access::Access;
use crate::domain::health::{HealthSignal, HealthStatus};
use crate::domain::pause::PausePlace;
use crate::domain::ports::HealthProbe;
use crate::domain::target_state::{Breaker, TargetState};
use crate::domain::time::{Timestamp, format_timestamp};

/// The heartbeat comes every second; a loop that has not turned for this long is stuck.
const LONGEST_PAUSE_MS: i64 = 10_000;

/// What the actor leaves for the probes to read.
#[derive(Debug, Default)]
pub(super) struct ActorStatus {
    loaded: AtomicBool,
    /// Turns true once, when everything is in place.
    started: watch::Sender<bool>,
    last_turn_ms: AtomicI64,
    /// Messages that were decided and wait for the commit before theirs.
    decided: AtomicUsize,
    store_fault: RwLock<Option<String>>,
    damaged_rows: AtomicU64,
}

impl ActorStatus {
    pub fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    pub fn set_started(&self) {
        self.started.send_replace(true);
    }

    /// Returns once [`ActorStatus::set_started`] was called.
    pub async fn started(&self) {
        // The sender is ours, so there is no error to come.
        let _ = self.started.subscribe().wait_for(|started| *started).await;
    }

    /// To be called when nothing is being committed: a commit that hangs is a loop that stands still.
    pub fn turned(&self, now: Timestamp) {
        self.last_turn_ms.store(now.timestamp_millis(), Ordering::Relaxed);
    }

    pub fn set_decided(&self, messages: usize) {
        self.decided.store(messages, Ordering::Relaxed);
    }

    pub fn decided(&self) -> usize {
        self.decided.load(Ordering::Relaxed)
    }

    pub fn set_store_fault(&self, fault: Option<String>) {
        // Most commits succeed: look before taking the lock for writing.
        if fault.is_some() || self.store_fault.read().is_some() {
            *self.store_fault.write() = fault;
        }
    }

    pub fn set_damaged_rows(&self, count: u64) {
        self.damaged_rows.store(count, Ordering::Relaxed);
    }

    pub fn store_fault(&self) -> Option<String> {
        self.store_fault.read().clone()
    }
}

/// Whether the loop turns.
pub struct OrchestratorProbe(pub OrchestratorHandle);

#[async_trait]
impl HealthProbe for OrchestratorProbe {
    async fn check(&self) -> HealthSignal {
        let handle = &self.0;
        let capacity = handle.mailbox.max_capacity();
        let depth = handle.mailbox_depth();
        let counts = handle.view.counts(handle.clock.now());
        let pause = handle.clock.now().timestamp_millis() - handle.status.last_turn_ms.load(Ordering::Relaxed);
        let signal = if !handle.is_ready() {
            HealthSignal::new(HealthStatus::Degraded, "loading the store, or shutting down")
        } else if pause > LONGEST_PAUSE_MS {
            HealthSignal::new(HealthStatus::Unhealthy, format!("the loop has not turned for {} s", pause / 1000))
        } else if depth * 10 > capacity * 8 {
            HealthSignal::new(HealthStatus::Degraded, "the mailbox is nearly full: more commands come in than can be committed")
        } else {
            HealthSignal::new(HealthStatus::Healthy, "schedules fire and commands are taken")
        };
        signal
            .with_detail("mailbox_depth", depth)
            .with_detail("mailbox_capacity", capacity)
            .with_detail("pending_jobs", counts.pending_jobs)
            .with_detail("running_jobs", counts.running_jobs)
    }
}

/// Whether the store could be written last time.
pub struct StoreProbe(pub OrchestratorHandle);

#[async_trait]
impl HealthProbe for StoreProbe {
    async fn check(&self) -> HealthSignal {
        let damaged = self.0.status.damaged_rows.load(Ordering::Relaxed);
        let signal = match self.0.status.store_fault() {
            Some(fault) => HealthSignal::new(
                HealthStatus::Unhealthy,
                format!("cannot be written; nothing is started or changed until it can: {fault}"),
            ),
            None if damaged > 0 => HealthSignal::new(
                HealthStatus::Degraded,
                format!(
                    "can be written, but {damaged} of its rows could not be read and are set aside in the table damaged_rows"
                ),
            ),
            None => HealthSignal::new(HealthStatus::Healthy, "can be written"),
        };
        signal.with_detail("damaged_rows", damaged)
    }
}

/// Whether jobs can start on every target, and whether each is who it says it is.
pub struct TargetsProbe(pub OrchestratorHandle);

#[async_trait]
impl HealthProbe for TargetsProbe {
    async fn check(&self) -> HealthSignal {
        targets_signal(&self.0, &Access::UNLIMITED)
    }
}

/// What [`TargetsProbe`] says to a caller of this access: of the others no word.
pub fn targets_signal(handle: &OrchestratorHandle, access: &Access) -> HealthSignal {
    let (catalog, view) = (&handle.catalog, &handle.view);
    let mut complaints = Vec::new();
    let mut details = serde_json::Map::new();
    for name in catalog.target_names().filter(|name| access.allows_target(name)) {
        let state = view.target(name);
        let state = state.as_deref();
        let breaker = state.map_or(Breaker::Closed, |state| state.breaker);
        let why = state.and_then(|state| state.reason.as_deref()).unwrap_or("no reason given");
        if breaker != Breaker::Closed {
            complaints.push(format!("'{name}' does not answer, and its jobs wait: {why}"));
        } else if state.is_some_and(TargetState::is_shut) {
            complaints.push(format!("jobs on '{name}' are put off: {why}"));
        }
        let insecure = catalog.target(name).is_some_and(|target| target.insecure);
        if insecure {
            complaints.push(format!("the certificate of '{name}' is not verified (tls.insecure_skip_verify)"));
        }
        details.insert(
            name.to_owned(),
            json!({
                "breaker": breaker,
                "failures": state.map_or(0, |state| state.failures),
                "jobs_wait_since": state.and_then(|state| state.shut_since).map(format_timestamp),
                "asked_again_at": state.and_then(|state| state.ask_at).map(format_timestamp),
                "insecure": insecure,
            }),
        );
    }
    let signal = match complaints.as_slice() {
        [] => HealthSignal::new(HealthStatus::Healthy, "every target answers, and lets jobs start"),
        complaints => HealthSignal::new(HealthStatus::Degraded, complaints.join("; ")),
    };
    HealthSignal { details, ..signal }
}

/// What is paused or frozen. Somebody wants it so: no illness, but good to see in a report.
pub struct PausesProbe(pub OrchestratorHandle);

#[async_trait]
impl HealthProbe for PausesProbe {
    async fn check(&self) -> HealthSignal {
        let schedules = self.0.view.counts(self.0.clock.now()).paused_schedules;
        pauses_signal(&self.0, &Access::UNLIMITED, schedules)
    }
}

/// What [`PausesProbe`] says to a caller of this access, who may see so many paused schedules.
pub fn pauses_signal(handle: &OrchestratorHandle, access: &Access, schedules: usize) -> HealthSignal {
    let (holds, now) = (handle.view.holds(), handle.clock.now());
    let mut words: Vec<String> = Vec::new();
    words.extend(holds.of_all().filter(|pause| pause.holds_at(now)).map(|pause| pause.explain(&PausePlace::All)));
    let targets = holds.targets().filter(|(name, pause)| access.allows_target(name) && pause.holds_at(now));
    let targets: Vec<String> = targets.map(|(name, pause)| pause.explain(&PausePlace::Target(name.to_owned()))).collect();
    let paused_targets = targets.len();
    words.extend(targets);
    if schedules > 0 {
        words.push(if schedules == 1 { "1 schedule is paused".to_owned() } else { format!("{schedules} schedules are paused") });
    }
    let visible = || holds.freezes().filter(|freeze| freeze.is_visible_to(access));
    let active: Vec<String> = visible().filter(|freeze| freeze.holds_at(now)).map(|freeze| freeze.words(access)).collect();
    let (frozen, planned) = (active.len(), visible().filter(|freeze| now < freeze.from).count());
    words.extend(active);
    let message = if words.is_empty() { "nothing is paused or frozen".to_owned() } else { words.join("; ") };
    HealthSignal::new(HealthStatus::Healthy, message)
        .with_detail("all_paused", holds.of_all().is_some_and(|pause| pause.holds_at(now)))
        .with_detail("paused_targets", paused_targets)
        .with_detail("paused_schedules", schedules)
        .with_detail("active_freezes", frozen)
        .with_detail("planned_freezes", planned)
}

pub(super) type SharedStatus = Arc<ActorStatus>;
