//! The registry of health probes and their last signals.
//!
//! Probes run in the background, each on its own interval and under a timeout; a request reads the last signals and never waits.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::domain::health::{DEFAULT_PROBE_INTERVAL, DEFAULT_PROBE_TIMEOUT, HealthSignal, HealthStatus};
use crate::domain::ports::{Clock, HealthProbe};
use crate::domain::time::Timestamp;

/// A module's last signal.
#[derive(Debug, Clone)]
pub struct ModuleHealth {
    /// The probe's name.
    pub module_name: String,
    /// What it said last; `UNKNOWN` before its first answer.
    pub signal: HealthSignal,
    /// When it said so.
    pub checked_at: Option<Timestamp>,
}

/// All probes and their last signals. Cheap to clone.
#[derive(Clone)]
pub struct HealthRegistry {
    modules: Arc<RwLock<Modules>>,
    clock: Arc<dyn Clock>,
    refreshes: TaskTracker,
    closing: CancellationToken,
}

#[derive(Default)]
struct Modules {
    all: Vec<Module>,
    /// Their last signals as readers have them; none once one of them has changed.
    signals: Option<Arc<[ModuleHealth]>>,
}

struct Module {
    probe: Arc<dyn HealthProbe>,
    interval: Duration,
    timeout: Duration,
    due: Option<Timestamp>,
    running: bool,
    last: ModuleHealth,
}

impl HealthRegistry {
    /// An empty registry.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { modules: Arc::default(), clock, refreshes: TaskTracker::new(), closing: CancellationToken::new() }
    }

    /// Adds a module with the usual interval and timeout; one of the same name is replaced.
    pub fn register_health_probe(&self, name: impl Into<String>, probe: Arc<dyn HealthProbe>) {
        self.register_with(name, probe, DEFAULT_PROBE_INTERVAL, DEFAULT_PROBE_TIMEOUT);
    }

    /// Adds a module; one of the same name is replaced.
    pub fn register_with(&self, name: impl Into<String>, probe: Arc<dyn HealthProbe>, interval: Duration, timeout: Duration) {
        let name = name.into();
        let signal = HealthSignal::new(HealthStatus::Unknown, "has not been checked yet");
        let last = ModuleHealth { module_name: name.clone(), signal, checked_at: None };
        let module = Module { probe, interval, timeout, due: None, running: false, last };
        let mut modules = self.modules.write();
        modules.signals = None;
        match modules.all.iter_mut().find(|module| module.last.module_name == name) {
            Some(existing) => *existing = module,
            None => modules.all.push(module),
        }
    }

    /// The last signals, in the order of registration. The same pointer as long as none of them changes.
    pub fn modules(&self) -> Arc<[ModuleHealth]> {
        if let Some(signals) = &self.modules.read().signals {
            return Arc::clone(signals);
        }
        let Modules { all, signals } = &mut *self.modules.write();
        let anew = || all.iter().map(|module| module.last.clone()).collect();
        Arc::clone(signals.get_or_insert_with(anew))
    }

    /// Starts a refresh in the background. Refreshes may overlap: every module has its own interval and is never looked at twice at
    /// once.
    pub fn spawn_refresh(&self) {
        if !self.refreshes.is_closed() {
            let registry = self.clone();
            self.refreshes.spawn(async move { registry.closing.run_until_cancelled(registry.refresh()).await });
        }
    }

    /// Starts a refresh of every module, due or not: something has changed. A probe that is under way is run again at the next one.
    pub fn look_again(&self) {
        self.modules.write().all.iter_mut().for_each(|module| module.due = None);
        self.spawn_refresh();
    }

    /// Starts no more refreshes and breaks off those under way: a probe that hangs must not hold up the end.
    pub async fn close(&self) {
        self.refreshes.close();
        self.closing.cancel();
        self.refreshes.wait().await;
    }

    /// Runs every probe that is due, side by side, and keeps what they say. A probe that is still under way is not run again.
    pub async fn refresh(&self) {
        let now = self.clock.now();
        let due: Vec<_> = {
            let mut modules = self.modules.write();
            let due = modules
                .all
                .iter_mut()
                .filter(|module| !module.running && module.due.is_none_or(|due| due <= now || due > now + module.interval));
            due.map(|module| {
                module.running = true;
                module.due = Some(now + module.interval);
                (module.last.module_name.clone(), Arc::clone(&module.probe), module.timeout)
            })
            .collect()
        };
        let mut checks = tokio::task::JoinSet::new();
        for (name, probe, timeout) in due {
            let registry = self.clone();
            checks.spawn(async move { registry.check(name, probe, timeout).await });
        }
        checks.join_all().await;
    }

    async fn check(&self, name: String, probe: Arc<dyn HealthProbe>, timeout: Duration) {
        // In its own task, so that a probe that panics is an unhealthy module and not a registry that stands still.
        let asked = Arc::clone(&probe);
        let mut check = AbortOnDropHandle::new(tokio::spawn(async move { asked.check().await }));
        let signal = match tokio::time::timeout(timeout, &mut check).await {
            Ok(Ok(signal)) => signal,
            Ok(Err(_)) => HealthSignal::new(HealthStatus::Unhealthy, "the probe itself failed (a bug; see the log)"),
            Err(_) => {
                check.abort();
                HealthSignal::new(HealthStatus::Unhealthy, format!("did not answer within {} ms", timeout.as_millis()))
            }
        };
        let mut modules = self.modules.write();
        // Another probe may have taken the name meanwhile, and this one does not speak for it.
        if let Some(module) = modules.all.iter_mut().find(|module| Arc::ptr_eq(&module.probe, &probe)) {
            if module.last.signal.status != signal.status {
                tracing::info!(module = %name, from = %module.last.signal.status, to = %signal.status, why = %signal.message, "health changed");
            }
            module.running = false;
            module.last = ModuleHealth { module_name: name, signal, checked_at: Some(self.clock.now()) };
            modules.signals = None;
        }
    }
}
