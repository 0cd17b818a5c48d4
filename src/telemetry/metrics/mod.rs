//! The metrics of one running service.
//!
//! Each [`Metrics`] has a recorder of its own and installs nothing globally, so that several services run side by side in one
//! process, as tests do. All series of the closed label sets are registered by the constructor and are at zero from then on.

mod catalogue;
mod exposition;
mod family;
mod labels;

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use catalogue::{Kind, RECORDED};
use family::Family;
pub use labels::LabelSets;

/// The `reason` of a failed job that has none: it ran to its end, and a task of it failed.
pub const TASK_FAILED: &str = "TASK_FAILED";

/// Methods that keep their name as a label; a client can send any word as a method.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A method as a label: its name, or `OTHER`.
pub fn method_label(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or("OTHER")
}

/// Records what happens and renders it for Prometheus. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    handle: PrometheusHandle,
    schedules: Family<Gauge>,
    schedules_created: Family<Counter>,
    schedules_deleted: Counter,
    jobs_triggered: Family<Counter>,
    jobs_succeeded: Counter,
    jobs_failed: Family<Counter>,
    jobs_cancelled: Family<Counter>,
    jobs_skipped: Family<Counter>,
    jobs_active: Family<Gauge>,
    job_duration: Histogram,
    tasks_succeeded: Family<Counter>,
    tasks_failed: Family<Counter>,
    task_duration: Family<Histogram>,
    fire_lateness: Histogram,
    jobs_pruned: Counter,
    paused: Family<Gauge>,
    freezes: Family<Gauge>,
    module_status: Family<Gauge>,
    target_requests: Family<Counter>,
    target_breaker: Family<Gauge>,
    target_breaker_opened: Family<Counter>,
    target_postponed: Family<Gauge>,
    key_set_age: Family<Gauge>,
    key_refreshes: Family<Counter>,
    store_commit: Histogram,
    mailbox_depth: Gauge,
    http_requests: Family<Counter>,
    http_duration: Family<Histogram>,
    http_connections: Family<Gauge>,
    http_connections_full: Family<Counter>,
    http_connections_refused: Family<Counter>,
    http_rate_limited: Family<Counter>,
    certificate_expiry: Family<Gauge>,
}

impl Metrics {
    /// A recorder that has every series of these label sets at zero; health modules begin as unknown.
    pub fn new(labels: LabelSets) -> Self {
        let LabelSets {
            frequencies,
            triggers,
            reasons,
            task_types,
            targets,
            outcomes,
            modules,
            key_sets,
            key_outcomes,
            http_routes,
            listeners,
        } = labels;
        let recorder = &Arc::new(build_recorder());
        let failed_reasons: Vec<&str> = reasons.iter().copied().chain([TASK_FAILED]).collect();
        let inner = Inner {
            handle: recorder.handle(),
            schedules: Family::with_values(&catalogue::SCHEDULES, recorder, &["true", "false"]),
            schedules_created: Family::with_values(&catalogue::SCHEDULES_CREATED, recorder, &frequencies),
            schedules_deleted: Family::new(&catalogue::SCHEDULES_DELETED, recorder).get(&[]),
            jobs_triggered: Family::with_values(&catalogue::JOBS_TRIGGERED, recorder, &triggers),
            jobs_succeeded: Family::new(&catalogue::JOBS_SUCCEEDED, recorder).get(&[]),
            jobs_failed: Family::with_values(&catalogue::JOBS_FAILED, recorder, &failed_reasons),
            jobs_cancelled: Family::with_values(&catalogue::JOBS_CANCELLED, recorder, &reasons),
            jobs_skipped: Family::with_values(&catalogue::JOBS_SKIPPED, recorder, &reasons),
            jobs_active: Family::with_values(&catalogue::JOBS_ACTIVE, recorder, &["PENDING", "RUNNING"]),
            job_duration: Family::new(&catalogue::JOB_DURATION, recorder).get(&[]),
            tasks_succeeded: Family::with_values(&catalogue::TASKS_SUCCEEDED, recorder, &task_types),
            tasks_failed: Family::with_values(&catalogue::TASKS_FAILED, recorder, &task_types),
            task_duration: Family::with_values(&catalogue::TASK_DURATION, recorder, &task_types),
            fire_lateness: Family::new(&catalogue::FIRE_LATENESS, recorder).get(&[]),
            jobs_pruned: Family::new(&catalogue::JOBS_PRUNED, recorder).get(&[]),
            paused: Family::with_values(&catalogue::PAUSED, recorder, &["all", "target", "schedule"]),
            freezes: Family::with_values(&catalogue::FREEZES, recorder, &["active", "planned"]),
            module_status: Family::new(&catalogue::MODULE_STATUS, recorder),
            target_requests: Family::new(&catalogue::TARGET_REQUESTS, recorder),
            target_breaker: Family::with_values(&catalogue::TARGET_BREAKER, recorder, &targets),
            target_breaker_opened: Family::with_values(&catalogue::TARGET_BREAKER_OPENED, recorder, &targets),
            target_postponed: Family::with_values(&catalogue::TARGET_POSTPONED, recorder, &targets),
            key_set_age: Family::with_values(&catalogue::AUTH_KEY_SET_AGE, recorder, &key_sets),
            key_refreshes: Family::new(&catalogue::AUTH_KEY_REFRESHES, recorder),
            store_commit: Family::new(&catalogue::STORE_COMMIT, recorder).get(&[]),
            mailbox_depth: Family::new(&catalogue::MAILBOX_DEPTH, recorder).get(&[]),
            http_requests: Family::new(&catalogue::HTTP_REQUESTS, recorder),
            http_duration: Family::new(&catalogue::HTTP_DURATION, recorder),
            http_connections: Family::with_values(&catalogue::HTTP_CONNECTIONS, recorder, &listeners),
            http_connections_full: Family::with_values(&catalogue::HTTP_CONNECTIONS_FULL, recorder, &listeners),
            http_connections_refused: Family::new(&catalogue::HTTP_CONNECTIONS_REFUSED, recorder),
            http_rate_limited: Family::with_values(&catalogue::HTTP_RATE_LIMITED, recorder, &["address", "principal"]),
            // Not at zero: 1970 would be an expired certificate to every alert.
            certificate_expiry: Family::new(&catalogue::CERTIFICATE_EXPIRY, recorder),
        };
        for module in &modules {
            inner.module_status.get(&[module]).set(-1.0);
        }
        for target in &targets {
            for outcome in &outcomes {
                inner.target_requests.ensure(&[target, outcome]);
            }
        }
        for issuer in &key_sets {
            for outcome in &key_outcomes {
                inner.key_refreshes.ensure(&[issuer, outcome]);
            }
        }
        for listener in &listeners {
            inner.http_connections_refused.ensure(&[listener, "address"]);
        }
        for (method, route, status) in &http_routes {
            let status = status.to_string();
            inner.http_requests.ensure(&[method, route, &status]);
            inner.http_duration.ensure(&[method, route, &status]);
        }
        Self { inner: Arc::new(inner) }
    }

    /// A schedule was created.
    pub fn schedule_created(&self, frequency: &str) {
        self.inner.schedules_created.get(&[frequency]).increment(1);
    }

    /// A schedule was deleted.
    pub fn schedule_deleted(&self) {
        self.inner.schedules_deleted.increment(1);
    }

    /// There are so many schedules now.
    pub fn set_schedules(&self, enabled: usize, disabled: usize) {
        self.inner.schedules.get(&["true"]).set(enabled as f64);
        self.inner.schedules.get(&["false"]).set(disabled as f64);
    }

    /// A job was made.
    pub fn job_triggered(&self, trigger: &str) {
        self.inner.jobs_triggered.get(&[trigger]).increment(1);
    }

    /// A job ended SUCCEEDED.
    pub fn job_succeeded(&self) {
        self.inner.jobs_succeeded.increment(1);
    }

    /// A job ended FAILED; [`TASK_FAILED`] for a job without a reason.
    pub fn job_failed(&self, reason: &str) {
        self.inner.jobs_failed.get(&[reason]).increment(1);
    }

    /// A job ended CANCELLED.
    pub fn job_cancelled(&self, reason: &str) {
        self.inner.jobs_cancelled.get(&[reason]).increment(1);
    }

    /// A job ended SKIPPED.
    pub fn job_skipped(&self, reason: &str) {
        self.inner.jobs_skipped.get(&[reason]).increment(1);
    }

    /// A job that ran took so long.
    pub fn job_duration(&self, seconds: f64) {
        self.inner.job_duration.record(seconds);
    }

    /// So many jobs wait and run now.
    pub fn set_jobs_active(&self, pending: usize, running: usize) {
        self.inner.jobs_active.get(&["PENDING"]).set(pending as f64);
        self.inner.jobs_active.get(&["RUNNING"]).set(running as f64);
    }

    /// So much is paused in this scope now: `all`, `target` or `schedule`.
    pub fn set_paused(&self, scope: &'static str, paused: usize) {
        self.inner.paused.get(&[scope]).set(paused as f64);
    }

    /// So many freezes last now, and so many are planned.
    pub fn set_freezes(&self, active: usize, planned: usize) {
        self.inner.freezes.get(&["active"]).set(active as f64);
        self.inner.freezes.get(&["planned"]).set(planned as f64);
    }

    /// A task ended SUCCEEDED.
    pub fn task_succeeded(&self, task_type: &str) {
        self.inner.tasks_succeeded.get(&[task_type]).increment(1);
    }

    /// A task ended FAILED.
    pub fn task_failed(&self, task_type: &str) {
        self.inner.tasks_failed.get(&[task_type]).increment(1);
    }

    /// A task that ran took so long.
    pub fn task_duration(&self, task_type: &str, seconds: f64) {
        self.inner.task_duration.get(&[task_type]).record(seconds);
    }

    /// A fire was handled so long after its time.
    pub fn fire_lateness(&self, seconds: f64) {
        self.inner.fire_lateness.record(seconds);
    }

    /// So many jobs were pruned.
    pub fn jobs_pruned(&self, n: u64) {
        self.inner.jobs_pruned.increment(n);
    }

    /// A module's last signal: 1 HEALTHY, 0.5 DEGRADED, 0 UNHEALTHY, -1 UNKNOWN.
    pub fn set_module_status(&self, module: &str, status: f64) {
        self.inner.module_status.get(&[module]).set(status);
    }

    /// An attempt on a target ended so.
    pub fn target_request(&self, target: &str, outcome: &str) {
        self.inner.target_requests.get(&[target, outcome]).increment(1);
    }

    /// A target's circuit breaker: 0 closed, 0.5 half open, 1 open.
    pub fn set_target_breaker(&self, target: &str, state: f64) {
        self.inner.target_breaker.get(&[target]).set(state);
    }

    /// A target's circuit breaker opened.
    pub fn target_breaker_opened(&self, target: &str) {
        self.inner.target_breaker_opened.get(&[target]).increment(1);
    }

    /// Whether jobs wait for a pre-flight check of their target.
    pub fn set_target_postponed(&self, target: &str, postponed: bool) {
        self.inner.target_postponed.get(&[target]).set(if postponed { 1.0 } else { 0.0 });
    }

    /// An issuer's key set was last fetched so long ago.
    pub fn set_key_set_age(&self, issuer: &str, seconds: f64) {
        self.inner.key_set_age.get(&[issuer]).set(seconds);
    }

    /// An attempt to fetch an issuer's key set ended so.
    pub fn key_set_refreshed(&self, issuer: &str, outcome: &str) {
        self.inner.key_refreshes.get(&[issuer, outcome]).increment(1);
    }

    /// A commit of the store took so long.
    pub fn store_commit(&self, seconds: f64) {
        self.inner.store_commit.record(seconds);
    }

    /// So many messages wait in the mailbox.
    pub fn set_mailbox_depth(&self, n: usize) {
        self.inner.mailbox_depth.set(n as f64);
    }

    /// A request was answered. `route` is the template that matched, never the path that was sent: a path would make a series for
    /// every id. An unusual method becomes `OTHER`.
    pub fn http_request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let method = method_label(method);
        let status = status.to_string();
        self.inner.http_requests.get(&[method, route, &status]).increment(1);
        self.inner.http_duration.get(&[method, route, &status]).record(seconds);
    }

    /// A listener has so many connections now.
    pub fn set_http_connections(&self, listener: &str, n: usize) {
        self.inner.http_connections.get(&[listener]).set(n as f64);
    }

    /// A listener has as many connections as it may have.
    pub fn http_connections_full(&self, listener: &str) {
        self.inner.http_connections_full.get(&[listener]).increment(1);
    }

    /// A listener closed a connection at once, for `address`.
    pub fn http_connection_refused(&self, listener: &str, reason: &str) {
        self.inner.http_connections_refused.get(&[listener, reason]).increment(1);
    }

    /// A request was refused for `address` or `principal`.
    pub fn http_rate_limited(&self, limit: &str) {
        self.inner.http_rate_limited.get(&[limit]).increment(1);
    }

    /// The certificate of a listener expires then, in seconds since 1970.
    pub fn set_certificate_expiry(&self, listener: &str, seconds: f64) {
        self.inner.certificate_expiry.get(&[listener]).set(seconds);
    }

    /// Everything in the Prometheus text format. `schedules` yields id, last success and next run of the schedules that exist
    /// now, both in seconds since 1970: 0 where none has succeeded yet, `None` where none is due.
    pub fn render<'a>(&self, schedules: impl Iterator<Item = (&'a str, f64, Option<f64>)>) -> String {
        let mut output = self.inner.handle.render();
        exposition::write_schedules(&mut output, schedules);
        output
    }

    /// Moves samples that have come in since into their buckets. To be called every few seconds: without it and without a scrape
    /// the samples pile up.
    pub fn upkeep(&self) {
        self.inner.handle.run_upkeep();
    }
}

fn build_recorder() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for metric in RECORDED {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .expect("a histogram has buckets; the catalogue's test checks it");
        }
    }
    let recorder = builder.build_recorder();
    for metric in RECORDED {
        let (name, unit, help) = (metric.name.into(), Some(metric.unit), metric.help.into());
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, unit, help),
            Kind::Gauge => recorder.describe_gauge(name, unit, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, unit, help),
        }
    }
    recorder
}

#[cfg(test)]
mod tests;
