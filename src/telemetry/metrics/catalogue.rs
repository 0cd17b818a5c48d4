//! Every metric of the service: name, help, unit, labels and buckets. A dashboard reads from here and nowhere else.
//!
//! Names are in base units and carry them. To add a metric: declare it, list it in [`RECORDED`], give [`super::Metrics`] a
//! method.

use metrics::Unit;

/// One declared metric.
pub(super) struct Metric {
    /// Full name, unit and `_total` included.
    pub name: &'static str,
    /// One sentence for the person who reads the graph.
    pub help: &'static str,
    /// What the number counts.
    pub unit: Unit,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// How it behaves.
    pub kind: Kind,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts samples per bucket; upper bounds, ascending.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The word in the `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Maintenance takes from a second (statistics) to hours (compaction).
const WORK_BUCKETS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0];
/// A fire is milliseconds late, or as late as the machine was asleep.
const LATENESS_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0];
/// A commit is one fsync: a third of a millisecond on flash, tens of milliseconds on a disk.
const COMMIT_BUCKETS: &[f64] = &[0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// A read is well below a millisecond, a write is a commit. Few, because there is one set per method, route and status.
const HTTP_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

pub(super) const SCHEDULES: Metric = Metric {
    name: "maintenance_schedules",
    help: "Schedules by whether they fire.",
    unit: Unit::Count,
    labels: &["enabled"],
    kind: Kind::Gauge,
};
pub(super) const SCHEDULES_CREATED: Metric = Metric {
    name: "maintenance_schedules_created_total",
    help: "Schedules created.",
    unit: Unit::Count,
    labels: &["frequency"],
    kind: Kind::Counter,
};
pub(super) const SCHEDULES_DELETED: Metric = Metric {
    name: "maintenance_schedules_deleted_total",
    help: "Schedules deleted.",
    unit: Unit::Count,
    labels: &[],
    kind: Kind::Counter,
};
pub(super) const JOBS_TRIGGERED: Metric = Metric {
    name: "maintenance_jobs_triggered_total",
    help: "Jobs made, skipped ones included, by what made them.",
    unit: Unit::Count,
    labels: &["trigger"],
    kind: Kind::Counter,
};
pub(super) const JOBS_SUCCEEDED: Metric = Metric {
    name: "maintenance_jobs_succeeded_total",
    help: "Jobs that ended SUCCEEDED.",
    unit: Unit::Count,
    labels: &[],
    kind: Kind::Counter,
};
pub(super) const JOBS_FAILED: Metric = Metric {
    name: "maintenance_jobs_failed_total",
    help: "Jobs that ended FAILED, by reason; TASK_FAILED stands for a job that ran to its end and had a failed task.",
    unit: Unit::Count,
    labels: &["reason"],
    kind: Kind::Counter,
};
pub(super) const JOBS_CANCELLED: Metric = Metric {
    name: "maintenance_jobs_cancelled_total",
    help: "Jobs that ended CANCELLED, by reason.",
    unit: Unit::Count,
    labels: &["reason"],
    kind: Kind::Counter,
};
pub(super) const JOBS_SKIPPED: Metric = Metric {
    name: "maintenance_jobs_skipped_total",
    help: "Jobs that ended SKIPPED, by reason.",
    unit: Unit::Count,
    labels: &["reason"],
    kind: Kind::Counter,
};
pub(super) const JOBS_ACTIVE: Metric = Metric {
    name: "maintenance_jobs_active",
    help: "Jobs that wait for a slot (PENDING) or are under way (RUNNING).",
    unit: Unit::Count,
    labels: &["state"],
    kind: Kind::Gauge,
};
pub(super) const JOB_DURATION: Metric = Metric {
    name: "maintenance_job_duration_seconds",
    help: "Time from the start of a job's first task to the job's end.",
    unit: Unit::Seconds,
    labels: &[],
    kind: Kind::Histogram(WORK_BUCKETS),
};
pub(super) const TASKS_SUCCEEDED: Metric = Metric {
    name: "maintenance_tasks_succeeded_total",
    help: "Tasks that ended SUCCEEDED.",
    unit: Unit::Count,
    labels: &["task_type"],
    kind: Kind::Counter,
};
pub(super) const TASKS_FAILED: Metric = Metric {
    name: "maintenance_tasks_failed_total",
    help: "Tasks that ended FAILED, after their last attempt.",
    unit: Unit::Count,
    labels: &["task_type"],
    kind: Kind::Counter,
};
pub(super) const TASK_DURATION: Metric = Metric {
    name: "maintenance_task_duration_seconds",
    help: "Time from the start of a task's first attempt to the task's end, waits between attempts included.",
    unit: Unit::Seconds,
    labels: &["task_type"],
    kind: Kind::Histogram(WORK_BUCKETS),
};
pub(super) const FIRE_LATENESS: Metric = Metric {
    name: "maintenance_fire_lateness_seconds",
    help: "Time from the moment at which a cron expression matched to the moment at which the fire was handled.",
    unit: Unit::Seconds,
    labels: &[],
    kind: Kind::Histogram(LATENESS_BUCKETS),
};
pub(super) const JOBS_PRUNED: Metric = Metric {
    name: "maintenance_jobs_pruned_total",
    help: "Jobs removed because they ended longer ago than the retention time.",
    unit: Unit::Count,
    labels: &[],
    kind: Kind::Counter,
};
pub(super) const PAUSED: Metric = Metric {
    name: "maintenance_paused",
    help: "What somebody paused: all targets (0 or 1), single targets, schedules.",
    unit: Unit::Count,
    labels: &["scope"],
    kind: Kind::Gauge,
};
pub(super) const FREEZES: Metric = Metric {
    name: "maintenance_freezes",
    help: "Freezes that last now, and that are planned.",
    unit: Unit::Count,
    labels: &["state"],
    kind: Kind::Gauge,
};
pub(super) const MODULE_STATUS: Metric = Metric {
    name: "maintenance_health_module_status",
    help: "Last signal of a module's health probe: 1 HEALTHY, 0.5 DEGRADED, 0 UNHEALTHY, -1 UNKNOWN (not heard of yet).",
    unit: Unit::Count,
    labels: &["module"],
    kind: Kind::Gauge,
};
pub(super) const TARGET_REQUESTS: Metric = Metric {
    name: "maintenance_target_requests_total",
    help: "HTTP calls to targets (tasks, polls, verifications, cancels), by how they ended.",
    unit: Unit::Count,
    labels: &["target", "outcome"],
    kind: Kind::Counter,
};
pub(super) const TARGET_BREAKER: Metric = Metric {
    name: "maintenance_target_breaker_state",
    help: "A target's circuit breaker: 0 closed (jobs start), 0.5 half open (the target is being asked), 1 open (jobs wait).",
    unit: Unit::Count,
    labels: &["target"],
    kind: Kind::Gauge,
};
pub(super) const TARGET_BREAKER_OPENED: Metric = Metric {
    name: "maintenance_target_breaker_opened_total",
    help: "How often a target's circuit breaker opened because the target did not answer.",
    unit: Unit::Count,
    labels: &["target"],
    kind: Kind::Counter,
};
pub(super) const TARGET_POSTPONED: Metric = Metric {
    name: "maintenance_target_postponed",
    help: "1 while jobs wait because a pre-flight check of their target says not now, else 0.",
    unit: Unit::Count,
    labels: &["target"],
    kind: Kind::Gauge,
};
pub(super) const AUTH_KEY_SET_AGE: Metric = Metric {
    name: "maintenance_auth_key_set_age_seconds",
    help: "Time since an issuer's key set was last fetched; since the start while it never was.",
    unit: Unit::Seconds,
    labels: &["issuer"],
    kind: Kind::Gauge,
};
pub(super) const AUTH_KEY_REFRESHES: Metric = Metric {
    name: "maintenance_auth_key_refreshes_total",
    help: "Attempts to fetch an issuer's key set, by how they ended.",
    unit: Unit::Count,
    labels: &["issuer", "outcome"],
    kind: Kind::Counter,
};
pub(super) const STORE_COMMIT: Metric = Metric {
    name: "maintenance_store_commit_duration_seconds",
    help: "Time that one commit of the store took, failed ones included.",
    unit: Unit::Seconds,
    labels: &[],
    kind: Kind::Histogram(COMMIT_BUCKETS),
};
pub(super) const MAILBOX_DEPTH: Metric = Metric {
    name: "maintenance_mailbox_depth",
    help: "Messages that wait in the orchestrator's mailbox, or for the commit before theirs.",
    unit: Unit::Count,
    labels: &[],
    kind: Kind::Gauge,
};
pub(super) const HTTP_REQUESTS: Metric = Metric {
    name: "http_requests_total",
    help: "HTTP requests answered, by method, matched route and status.",
    unit: Unit::Count,
    labels: &["method", "route", "status"],
    kind: Kind::Counter,
};
pub(super) const HTTP_DURATION: Metric = Metric {
    name: "http_request_duration_seconds",
    help: "Time from the arrival of an HTTP request's head to the head of its answer, without a wait that it asked for.",
    unit: Unit::Seconds,
    labels: &["method", "route", "status"],
    kind: Kind::Histogram(HTTP_BUCKETS),
};
pub(super) const HTTP_CONNECTIONS: Metric = Metric {
    name: "maintenance_http_connections",
    help: "Open connections, by listener.",
    unit: Unit::Count,
    labels: &["listener"],
    kind: Kind::Gauge,
};
pub(super) const HTTP_CONNECTIONS_FULL: Metric = Metric {
    name: "maintenance_http_connections_full_total",
    help: "How often a listener had as many connections as it may have, so that an idle one ends for the next, or that has to wait.",
    unit: Unit::Count,
    labels: &["listener"],
    kind: Kind::Counter,
};
pub(super) const HTTP_CONNECTIONS_REFUSED: Metric = Metric {
    name: "maintenance_http_connections_refused_total",
    help: "Connections that a listener closed at once, by the reason: their address has as many as it may have.",
    unit: Unit::Count,
    labels: &["listener", "reason"],
    kind: Kind::Counter,
};
pub(super) const HTTP_RATE_LIMITED: Metric = Metric {
    name: "maintenance_http_rate_limited_total",
    help: "HTTP requests answered 429, by the limit that they ran into.",
    unit: Unit::Count,
    labels: &["limit"],
    kind: Kind::Counter,
};
pub(super) const CERTIFICATE_EXPIRY: Metric = Metric {
    name: "maintenance_tls_certificate_expiry_timestamp_seconds",
    help: "When the certificate that a listener shows expires, in seconds since 1970; absent for a listener without TLS.",
    unit: Unit::Seconds,
    labels: &["listener"],
    kind: Kind::Gauge,
};
/// Written at scrape time, see [`super::exposition`].
pub(super) const LAST_SUCCESS: Metric = Metric {
    name: "maintenance_schedule_last_success_timestamp_seconds",
    help: "When a job of the schedule last ended SUCCEEDED, in seconds since 1970; 0 if none has yet.",
    unit: Unit::Seconds,
    labels: &["schedule_id"],
    kind: Kind::Gauge,
};
/// Written at scrape time, see [`super::exposition`].
pub(super) const NEXT_RUN: Metric = Metric {
    name: "maintenance_schedule_next_run_timestamp_seconds",
    help: "When the schedule fires next, in seconds since 1970; absent while it is disabled.",
    unit: Unit::Seconds,
    labels: &["schedule_id"],
    kind: Kind::Gauge,
};

/// All metrics that are recorded as things happen.
pub(super) const RECORDED: &[&Metric] = &[
    &SCHEDULES,
    &SCHEDULES_CREATED,
    &SCHEDULES_DELETED,
    &JOBS_TRIGGERED,
    &JOBS_SUCCEEDED,
    &JOBS_FAILED,
    &JOBS_CANCELLED,
    &JOBS_SKIPPED,
    &JOBS_ACTIVE,
    &JOB_DURATION,
    &TASKS_SUCCEEDED,
    &TASKS_FAILED,
    &TASK_DURATION,
    &FIRE_LATENESS,
    &JOBS_PRUNED,
    &PAUSED,
    &FREEZES,
    &MODULE_STATUS,
    &TARGET_REQUESTS,
    &TARGET_BREAKER,
    &TARGET_BREAKER_OPENED,
    &TARGET_POSTPONED,
    &AUTH_KEY_SET_AGE,
    &AUTH_KEY_REFRESHES,
    &STORE_COMMIT,
    &MAILBOX_DEPTH,
    &HTTP_REQUESTS,
    &HTTP_DURATION,
    &HTTP_CONNECTIONS,
    &HTTP_CONNECTIONS_FULL,
    &HTTP_CONNECTIONS_REFUSED,
    &HTTP_RATE_LIMITED,
    &CERTIFICATE_EXPIRY,
];

/// All metrics that are written at scrape time, for the tests.
#[cfg(test)]
pub(super) const SCRAPED: &[&Metric] = &[&LAST_SUCCESS, &NEXT_RUN];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_metric_follows_the_naming_rules() {
        let mut names = HashSet::new();
        for metric in RECORDED.iter().chain(SCRAPED) {
            let name = metric.name;
            assert!(names.insert(name), "{name} is declared twice");
            assert!(metric.help.ends_with('.'), "{name} has no sentence as help");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}: counters and only they end in _total");
            assert_eq!(name.ends_with("_seconds"), metric.unit == Unit::Seconds, "{name}: the unit belongs into the name");
            if let Kind::Histogram(buckets) = metric.kind {
                assert!(buckets.is_sorted() && !buckets.is_empty(), "{name}: buckets ascend");
            }
        }
    }
}
