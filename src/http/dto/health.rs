//! The health report, and the answers to the probes of an orchestrator such as Kubernetes.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::health::{HealthSignal, HealthStatus, overall};
use crate::domain::time::{Timestamp, serde_millis, serde_millis_option};
use crate::orchestrator::health::ModuleHealth;
use crate::orchestrator::view::Counts;

/// How well the service and the modules behind it are.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HealthReport {
    /// UNHEALTHY if any module is; else DEGRADED if any is DEGRADED or UNKNOWN, or a job failed in the last 24 hours; else HEALTHY.
    overall_status: HealthStatus,
    /// When the report was made.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    generated_at: DateTime<Utc>,
    /// Jobs that wait or run.
    active_jobs: usize,
    /// All schedules.
    total_schedules: usize,
    /// Those that fire.
    enabled_schedules: usize,
    /// Jobs that succeeded in the last 24 hours.
    succeeded_jobs_24h: usize,
    /// Jobs that failed in the last 24 hours.
    failed_jobs_24h: usize,
    /// The last signal of every module.
    #[schema(value_type = Vec<HealthModule<'static>>)]
    modules: Arc<RawValue>,
}

/// A module's last signal.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct HealthModule<'a> {
    /// The module's name.
    #[schema(example = "store")]
    module_name: &'a str,
    /// The verdict; UNKNOWN before the first check.
    status: HealthStatus,
    /// One sentence for a person.
    message: &'a str,
    /// When it was checked; null before the first check.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    checked_at: Option<DateTime<Utc>>,
    /// Figures behind the verdict.
    #[schema(value_type = BTreeMap<String, Value>)]
    details: &'a Map<String, Value>,
}

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ProbeAnswer {
    /// One word.
    #[schema(example = "ready")]
    pub status: &'static str,
}

impl HealthReport {
    /// The report as of `now`.
    pub fn new(now: Timestamp, counts: &Counts, modules: &ModulesDocument) -> Self {
        let Counts {
            total_schedules,
            enabled_schedules,
            paused_schedules: _,
            pending_jobs,
            running_jobs,
            succeeded_jobs_24h,
            failed_jobs_24h,
        } = counts;
        Self {
            overall_status: overall([modules.verdict], *failed_jobs_24h),
            generated_at: now,
            active_jobs: pending_jobs + running_jobs,
            total_schedules: *total_schedules,
            enabled_schedules: *enabled_schedules,
            succeeded_jobs_24h: *succeeded_jobs_24h,
            failed_jobs_24h: *failed_jobs_24h,
            modules: Arc::clone(&modules.json),
        }
    }
}

/// Modules as they stand in a report, and the verdict over them.
pub(in crate::http) struct ModulesDocument {
    verdict: HealthStatus,
    json: Arc<RawValue>,
}

impl ModulesDocument {
    /// The modules in this order.
    pub fn new<'a>(modules: impl Iterator<Item = &'a ModuleHealth> + Clone) -> Self {
        let verdict = overall(modules.clone().map(|module| module.signal.status), 0);
        let modules: Vec<HealthModule<'_>> = modules.map(HealthModule::from).collect();
        let json = to_raw_value(&modules).expect("modules have text keys, and memory takes every byte");
        Self { verdict, json: json.into() }
    }

    /// The array of modules.
    #[cfg(test)]
    pub fn json(&self) -> &str {
        self.json.get()
    }
}

impl<'a> From<&'a ModuleHealth> for HealthModule<'a> {
    fn from(module: &'a ModuleHealth) -> Self {
        let ModuleHealth { module_name, signal: HealthSignal { status, message, details }, checked_at } = module;
        Self { module_name, status: *status, message, checked_at: *checked_at, details }
    }
}
