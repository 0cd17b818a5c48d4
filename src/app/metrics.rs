//! Joins the metrics with those who count and with what a scrape shows.

use crate::domain::health::HealthStatus;
use crate::domain::job::{Outcome, Reason, Trigger};
use crate::domain::ports::Clock;
use crate::domain::schedule::Frequency;
use crate::domain::target_state::Breaker;
use crate::domain::task::TaskType;
use crate::executor::RequestMetrics;
use crate::http::{self, DocumentedOperation, HttpMetrics, KeyRing, TokenVerifier};
use crate::orchestrator::{HealthRegistry, OrchestratorHandle};
use crate::telemetry::{LabelSets, Metrics};
use std::sync::Arc;

/// The listener of the API, in labels and in the log.
pub(super) const API_LISTENER: &str = "api";
/// The listener that only serves `/metrics`.
pub(super) const METRICS_LISTENER: &str = "metrics";

/// All labels that can occur, so that every series is there from the first scrape.
pub(super) fn label_sets(
    targets: Vec<String>,
    modules: Vec<String>,
    key_sets: Vec<String>,
    http_routes: Vec<(String, String, u16)>,
) -> LabelSets {
    LabelSets {
        frequencies: Frequency::ALL.iter().map(|value| value.as_str()).collect(),
        triggers: Trigger::ALL.iter().map(|value| value.as_str()).collect(),
        reasons: Reason::ALL.iter().map(|value| value.as_str()).collect(),
        task_types: TaskType::ALL.iter().map(|value| value.as_str()).collect(),
        outcomes: Outcome::ALL.iter().map(|value| value.as_str()).collect(),
        targets,
        modules,
        key_sets,
        key_outcomes: KeyRing::OUTCOMES.to_vec(),
        http_routes,
        listeners: vec![API_LISTENER, METRICS_LISTENER],
    }
}

/// Method, route and status of success of every operation, as the OpenAPI document lists them.
pub(super) fn routes_of_the_document() -> Vec<(String, String, u16)> {
    let route = |operation: &DocumentedOperation| (operation.method.to_string(), operation.route.clone(), operation.success);
    http::operations().iter().map(route).collect()
}

/// Counts requests in both directions, and reads the gauges off the view when somebody scrapes.
pub(super) struct AppMetrics {
    pub metrics: Metrics,
    pub handle: OrchestratorHandle,
    pub health: HealthRegistry,
    pub verifier: Arc<TokenVerifier>,
    pub clock: Arc<dyn Clock>,
    pub max_schedule_series: usize,
}

impl HttpMetrics for AppMetrics {
    fn http_request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        self.metrics.http_request(method, route, status, seconds);
    }

    fn rate_limited(&self, limit: &'static str) {
        self.metrics.http_rate_limited(limit);
    }

    fn connections(&self, listener: &'static str, open: usize) {
        self.metrics.set_http_connections(listener, open);
    }

    fn connections_full(&self, listener: &'static str) {
        self.metrics.http_connections_full(listener);
    }

    fn connection_refused(&self, listener: &'static str, reason: &'static str) {
        self.metrics.http_connection_refused(listener, reason);
    }

    fn certificate_expiry(&self, listener: &'static str, seconds: f64) {
        self.metrics.set_certificate_expiry(listener, seconds);
    }

    fn render(&self) -> String {
        let counts = self.handle.view().counts(self.clock.now());
        self.metrics.set_schedules(counts.enabled_schedules, counts.total_schedules - counts.enabled_schedules);
        self.metrics.set_jobs_active(counts.pending_jobs, counts.running_jobs);
        self.metrics.set_mailbox_depth(self.handle.mailbox_depth());
        let (holds, now) = (self.handle.view().holds(), self.clock.now());
        let paused_targets = holds.targets().filter(|(_, pause)| pause.holds_at(now)).count();
        let all = usize::from(holds.of_all().is_some_and(|pause| pause.holds_at(now)));
        for (scope, paused) in [("all", all), ("target", paused_targets), ("schedule", counts.paused_schedules)] {
            self.metrics.set_paused(scope, paused);
        }
        let active = holds.freezes().filter(|freeze| freeze.holds_at(now)).count();
        let planned = holds.freezes().filter(|freeze| now < freeze.from).count();
        self.metrics.set_freezes(active, planned);
        for module in self.health.modules().iter() {
            self.metrics.set_module_status(&module.module_name, status_value(module.signal.status));
        }
        for target in self.handle.catalog().target_names() {
            let state = self.handle.view().target(target);
            let breaker = state.as_ref().map_or(Breaker::Closed, |state| state.breaker);
            self.metrics.set_target_breaker(target, breaker_value(breaker));
            self.metrics.set_target_postponed(target, breaker == Breaker::Closed && state.is_some_and(|state| state.is_shut()));
        }
        for ring in self.verifier.key_rings() {
            let status = ring.status();
            self.metrics.set_key_set_age(&status.issuer, status.age.as_secs_f64());
        }
        let times = self.handle.view().schedule_times(self.max_schedule_series);
        self.metrics.render(times.iter().map(|(id, last_success, next_run)| {
            let seconds = |at: &chrono::DateTime<chrono::Utc>| at.timestamp_millis() as f64 / 1000.0;
            (id.as_str(), last_success.as_ref().map_or(0.0, seconds), next_run.as_ref().map(seconds))
        }))
    }
}

/// How `maintenance_health_module_status` writes a status.
fn status_value(status: HealthStatus) -> f64 {
    match status {
        HealthStatus::Healthy => 1.0,
        HealthStatus::Degraded => 0.5,
        HealthStatus::Unhealthy => 0.0,
        HealthStatus::Unknown => -1.0,
    }
}

/// How `maintenance_target_breaker_state` writes a breaker.
fn breaker_value(breaker: Breaker) -> f64 {
    match breaker {
        Breaker::Closed => 0.0,
        Breaker::HalfOpen => 0.5,
        Breaker::Open => 1.0,
    }
}

/// Counts outgoing requests; apart from [`AppMetrics`], because the executor is made before the orchestrator.
pub(super) struct TargetMetrics(pub Metrics);

impl RequestMetrics for TargetMetrics {
    fn target_request(&self, target: &str, outcome: Outcome) {
        self.0.target_request(target, outcome.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_series() {
        let routes = routes_of_the_document();
        assert!(routes.contains(&("POST".to_owned(), "/api/v1/maintenance/schedules".to_owned(), 201)), "{routes:?}");
        assert!(routes.contains(&("DELETE".to_owned(), "/api/v1/maintenance/schedules/{id}".to_owned(), 204)), "{routes:?}");
        assert!(routes.len() >= 14);
    }
}
