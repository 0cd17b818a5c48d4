//! Registers the probes: those of the service itself, and those of the configuration.

use std::sync::Arc;

use super::AppError;
use super::targets::target_settings;
use crate::config::{Config, ProbeKind};
use crate::domain::health::DEFAULT_PROBE_TIMEOUT;
use crate::domain::ports::HealthProbe;
use crate::executor::{HttpProbe, ThemisDbProbe};
use crate::orchestrator::probes::{OrchestratorProbe, PausesProbe, StoreProbe, TargetsProbe};
use crate::orchestrator::{HealthRegistry, OrchestratorHandle};

/// The service's own modules are looked at more often than others: they cost nothing.
const OWN_INTERVAL: std::time::Duration = std::time::Duration::from_secs(2);

/// Registers the orchestrator's own.
pub(super) fn register_own(health: &HealthRegistry, handle: &OrchestratorHandle) {
    register_module(health, "orchestrator", Arc::new(OrchestratorProbe(handle.clone())));
    register_module(health, "store", Arc::new(StoreProbe(handle.clone())));
    register_module(health, "targets", Arc::new(TargetsProbe(handle.clone())));
    register_module(health, "pauses", Arc::new(PausesProbe(handle.clone())));
}

/// Registers a module of the service.
pub(super) fn register_module(health: &HealthRegistry, name: &str, probe: Arc<dyn HealthProbe>) {
    health.register_with(name, probe, OWN_INTERVAL, DEFAULT_PROBE_TIMEOUT);
}

/// Registers `[probes.*]`.
pub(super) fn register_configured(health: &HealthRegistry, config: &Config) -> Result<(), AppError> {
    for (name, probe) in &config.probes {
        let key = format!("probes.{name}");
        let check: Arc<dyn HealthProbe> = match &probe.kind {
            ProbeKind::ThemisDb { target } => {
                let settings = target_settings(target, &config.targets[target]);
                Arc::new(ThemisDbProbe::new(settings).map_err(|error| AppError::configuration(key, error))?)
            }
            ProbeKind::Http { url } => {
                Arc::new(HttpProbe::new(url.clone()).map_err(|error| AppError::configuration(key, error))?)
            }
        };
        health.register_with(name.clone(), check, probe.interval, probe.timeout);
    }
    Ok(())
}
