//! The whole exposition, line by line.

use std::collections::BTreeSet;

use super::catalogue::SCRAPED;
use super::*;

fn label_sets() -> LabelSets {
    LabelSets {
        frequencies: vec!["DAILY", "CUSTOM"],
        triggers: vec!["CRON", "MANUAL"],
        reasons: vec!["HALTED", "OVERLAP"],
        task_types: vec!["INDEX_REBUILD", "CUSTOM"],
        targets: vec!["default".to_owned(), "other \"one\"".to_owned()],
        outcomes: vec!["SUCCEEDED", "UNKNOWN"],
        modules: vec!["store".to_owned()],
        key_sets: vec!["partner".to_owned()],
        key_outcomes: vec!["success", "failure"],
        http_routes: vec![("GET".to_owned(), "/livez".to_owned(), 200)],
        listeners: vec!["api"],
    }
}

fn render(metrics: &Metrics) -> String {
    metrics.render(std::iter::empty())
}

/// The samples whose value is `value`, names and labels only.
fn samples_at<'a>(text: &'a str, value: &str) -> BTreeSet<&'a str> {
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    samples.filter(|sample| sample.1 == value).map(|sample| sample.0).collect()
}

#[test]
fn every_series_exists_at_zero_from_the_first_scrape() {
    let text = render(&Metrics::new(label_sets()));
    let zero = samples_at(&text, "0");
    for series in [
        r#"maintenance_schedules{enabled="true"}"#,
        r#"maintenance_schedules{enabled="false"}"#,
        r#"maintenance_schedules_created_total{frequency="DAILY"}"#,
        "maintenance_schedules_deleted_total",
        r#"maintenance_jobs_triggered_total{trigger="MANUAL"}"#,
        "maintenance_jobs_succeeded_total",
        r#"maintenance_jobs_failed_total{reason="TASK_FAILED"}"#,
        r#"maintenance_jobs_failed_total{reason="HALTED"}"#,
        r#"maintenance_jobs_cancelled_total{reason="HALTED"}"#,
        r#"maintenance_jobs_skipped_total{reason="OVERLAP"}"#,
        r#"maintenance_jobs_active{state="PENDING"}"#,
        r#"maintenance_jobs_active{state="RUNNING"}"#,
        r#"maintenance_tasks_succeeded_total{task_type="INDEX_REBUILD"}"#,
        r#"maintenance_tasks_failed_total{task_type="CUSTOM"}"#,
        r#"maintenance_target_requests_total{target="default",outcome="UNKNOWN"}"#,
        r#"maintenance_target_requests_total{target="other \"one\"",outcome="SUCCEEDED"}"#,
        r#"maintenance_auth_key_set_age_seconds{issuer="partner"}"#,
        r#"maintenance_auth_key_refreshes_total{issuer="partner",outcome="success"}"#,
        r#"maintenance_auth_key_refreshes_total{issuer="partner",outcome="failure"}"#,
        "maintenance_jobs_pruned_total",
        "maintenance_mailbox_depth",
        r#"maintenance_http_connections{listener="api"}"#,
        r#"maintenance_http_connections_full_total{listener="api"}"#,
        r#"maintenance_http_connections_refused_total{listener="api",reason="address"}"#,
        r#"maintenance_http_rate_limited_total{limit="principal"}"#,
        r#"http_requests_total{method="GET",route="/livez",status="200"}"#,
        "maintenance_job_duration_seconds_count",
        "maintenance_job_duration_seconds_sum",
        r#"maintenance_job_duration_seconds_bucket{le="+Inf"}"#,
        r#"maintenance_task_duration_seconds_count{task_type="INDEX_REBUILD"}"#,
        r#"maintenance_task_duration_seconds_bucket{task_type="CUSTOM",le="3600"}"#,
        "maintenance_fire_lateness_seconds_count",
        "maintenance_store_commit_duration_seconds_count",
        r#"http_request_duration_seconds_count{method="GET",route="/livez",status="200"}"#,
    ] {
        assert!(zero.contains(series), "{series} is missing in\n{text}");
    }
    assert_eq!(samples_at(&text, "-1"), BTreeSet::from([r#"maintenance_health_module_status{module="store"}"#]));
}

#[test]
fn every_declared_metric_has_its_help_and_type_once() {
    let metrics = Metrics::new(label_sets());
    // The one that is absent until there is something to tell.
    metrics.set_certificate_expiry("api", 1.0);
    let text = render(&metrics);
    for metric in RECORDED.iter().chain(SCRAPED) {
        let help = format!("# HELP {} {}", metric.name, metric.help);
        let kind = format!("# TYPE {} {}", metric.name, metric.kind.as_str());
        assert_eq!(text.lines().filter(|line| *line == help).count(), 1, "{help}");
        assert_eq!(text.lines().filter(|line| *line == kind).count(), 1, "{kind}");
    }
    let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(types, RECORDED.len() + SCRAPED.len(), "a metric that nobody declared");
}

#[test]
fn each_method_moves_its_own_series() {
    let metrics = Metrics::new(label_sets());
    metrics.schedule_created("DAILY");
    metrics.schedule_deleted();
    metrics.job_triggered("CRON");
    metrics.job_succeeded();
    metrics.job_failed(TASK_FAILED);
    metrics.job_cancelled("HALTED");
    metrics.job_skipped("OVERLAP");
    metrics.job_duration(1000.0);
    metrics.task_succeeded("CUSTOM");
    metrics.task_failed("INDEX_REBUILD");
    metrics.task_duration("CUSTOM", 20_000.0);
    metrics.fire_lateness(100.0);
    metrics.jobs_pruned(1);
    metrics.target_request("default", "SUCCEEDED");
    metrics.store_commit(10.0);
    metrics.http_request("GET", "/livez", 200, 100.0);
    metrics.set_module_status("store", 1.0);
    let moved: BTreeSet<String> = samples_at(&render(&metrics), "1").into_iter().map(str::to_owned).collect();
    let expected = [
        r#"http_request_duration_seconds_bucket{method="GET",route="/livez",status="200",le="+Inf"}"#,
        r#"http_request_duration_seconds_count{method="GET",route="/livez",status="200"}"#,
        r#"http_requests_total{method="GET",route="/livez",status="200"}"#,
        r#"maintenance_fire_lateness_seconds_bucket{le="+Inf"}"#,
        "maintenance_fire_lateness_seconds_count",
        r#"maintenance_health_module_status{module="store"}"#,
        r#"maintenance_job_duration_seconds_bucket{le="+Inf"}"#,
        r#"maintenance_job_duration_seconds_bucket{le="14400"}"#,
        r#"maintenance_job_duration_seconds_bucket{le="1800"}"#,
        r#"maintenance_job_duration_seconds_bucket{le="3600"}"#,
        r#"maintenance_job_duration_seconds_bucket{le="7200"}"#,
        "maintenance_job_duration_seconds_count",
        r#"maintenance_jobs_cancelled_total{reason="HALTED"}"#,
        r#"maintenance_jobs_failed_total{reason="TASK_FAILED"}"#,
        "maintenance_jobs_pruned_total",
        r#"maintenance_jobs_skipped_total{reason="OVERLAP"}"#,
        "maintenance_jobs_succeeded_total",
        r#"maintenance_jobs_triggered_total{trigger="CRON"}"#,
        r#"maintenance_schedules_created_total{frequency="DAILY"}"#,
        "maintenance_schedules_deleted_total",
        r#"maintenance_store_commit_duration_seconds_bucket{le="+Inf"}"#,
        "maintenance_store_commit_duration_seconds_count",
        r#"maintenance_target_requests_total{target="default",outcome="SUCCEEDED"}"#,
        r#"maintenance_task_duration_seconds_bucket{task_type="CUSTOM",le="+Inf"}"#,
        r#"maintenance_task_duration_seconds_count{task_type="CUSTOM"}"#,
        r#"maintenance_tasks_failed_total{task_type="INDEX_REBUILD"}"#,
        r#"maintenance_tasks_succeeded_total{task_type="CUSTOM"}"#,
    ];
    assert_eq!(moved, expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn gauges_follow_the_last_value() {
    let metrics = Metrics::new(label_sets());
    metrics.set_schedules(41, 42);
    metrics.set_jobs_active(43, 44);
    metrics.set_mailbox_depth(99);
    metrics.set_mailbox_depth(45);
    let text = render(&metrics);
    for line in [
        r#"maintenance_schedules{enabled="true"} 41"#,
        r#"maintenance_schedules{enabled="false"} 42"#,
        r#"maintenance_jobs_active{state="PENDING"} 43"#,
        r#"maintenance_jobs_active{state="RUNNING"} 44"#,
        "maintenance_mailbox_depth 45",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn unforeseen_label_values_get_a_series_and_unusual_methods_share_one() {
    let metrics = Metrics::new(LabelSets::default());
    metrics.job_failed("NEVER_HEARD_OF");
    metrics.http_request("BREW", "/pot/{id}", 418, 0.1);
    metrics.http_request("WHEN", "/pot/{id}", 418, 0.1);
    let text = render(&metrics);
    assert!(samples_at(&text, "1").contains(r#"maintenance_jobs_failed_total{reason="NEVER_HEARD_OF"}"#), "{text}");
    assert!(samples_at(&text, "2").contains(r#"http_requests_total{method="OTHER",route="/pot/{id}",status="418"}"#), "{text}");
}

#[test]
fn a_deleted_schedule_leaves_no_series() {
    let metrics = Metrics::new(label_sets());
    let with = metrics.render([("nightly", 5.0, Some(6.0))].into_iter());
    assert!(with.contains(r#"maintenance_schedule_last_success_timestamp_seconds{schedule_id="nightly"} 5"#));
    assert!(with.contains(r#"maintenance_schedule_next_run_timestamp_seconds{schedule_id="nightly"} 6"#));
    assert!(!render(&metrics).contains("nightly"));
}

#[test]
fn two_services_in_one_process_do_not_share_series() {
    let (one, other) = (Metrics::new(label_sets()), Metrics::new(label_sets()));
    one.clone().job_succeeded();
    assert!(samples_at(&render(&one), "1").contains("maintenance_jobs_succeeded_total"));
    assert!(samples_at(&render(&other), "0").contains("maintenance_jobs_succeeded_total"));
}

#[test]
fn upkeep_loses_no_sample() {
    let metrics = Metrics::new(label_sets());
    metrics.job_duration(2.0);
    metrics.upkeep();
    metrics.job_duration(3.0);
    let text = render(&metrics);
    assert!(text.lines().any(|line| line == "maintenance_job_duration_seconds_sum 5"), "{text}");
}
