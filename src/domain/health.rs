//! Health: one signal per module, and the verdict over all.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::vocabulary::wire_enum;

wire_enum! {
    /// How well a module is.
    HealthStatus {
        /// As it should be.
        Healthy = "HEALTHY",
        /// Works, but not as it should.
        Degraded = "DEGRADED",
        /// Does not work.
        Unhealthy = "UNHEALTHY",
        /// Not heard of yet.
        Unknown = "UNKNOWN",
    }
}

/// How often a probe looks where nothing else is said.
pub const DEFAULT_PROBE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a probe may take where nothing else is said.
pub const DEFAULT_PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Modules that the service registers for itself; a configured probe must not stand in their place.
pub const OWN_MODULES: [&str; 7] = ["orchestrator", "store", "audit", "ticker", "targets", "pauses", "auth_keys"];

/// What a probe says of its module.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthSignal {
    /// The verdict.
    pub status: HealthStatus,
    /// One sentence for a person.
    pub message: String,
    /// Figures behind the verdict.
    pub details: Map<String, Value>,
}

impl HealthSignal {
    /// A signal without details.
    pub fn new(status: HealthStatus, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), details: Map::new() }
    }

    /// Adds one figure.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// The verdict over all: UNHEALTHY if any module is; else DEGRADED if any is DEGRADED or UNKNOWN, or a job failed in the last
/// 24 hours; else HEALTHY.
pub fn overall(modules: impl IntoIterator<Item = HealthStatus>, failed_jobs_24h: usize) -> HealthStatus {
    let mut degraded = failed_jobs_24h > 0;
    for status in modules {
        match status {
            HealthStatus::Unhealthy => return HealthStatus::Unhealthy,
            HealthStatus::Degraded | HealthStatus::Unknown => degraded = true,
            HealthStatus::Healthy => {}
        }
    }
    if degraded { HealthStatus::Degraded } else { HealthStatus::Healthy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthStatus::{Degraded, Healthy, Unhealthy, Unknown};

    #[test]
    fn the_worst_module_decides() {
        assert_eq!(overall([], 0), Healthy);
        assert_eq!(overall([Healthy, Healthy], 0), Healthy);
        assert_eq!(overall([Healthy, Unknown], 0), Degraded);
        assert_eq!(overall([Degraded, Healthy], 0), Degraded);
        assert_eq!(overall([Healthy], 1), Degraded);
        assert_eq!(overall([Degraded, Unhealthy], 5), Unhealthy);
    }
}
