//! The metrics page: every metric of the contract from the first scrape, counters that move, series that come and go.

use std::collections::HashSet;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use themis_maintenance::sandbox::{Fault, FaultKind};

use crate::support::{Answer, TestApp, raw, until};

const REASONS: [&str; 14] = [
    "PAUSED",
    "FROZEN",
    "SKIPPED_BY_OPERATOR",
    "OUTSIDE_WINDOW",
    "OVERLAP",
    "MISFIRED",
    "SCHEDULE_DISABLED",
    "SCHEDULE_DELETED",
    "QUEUE_TIMEOUT",
    "WINDOW_CLOSED",
    "HALTED",
    "CANCELLED_BY_OPERATOR",
    "SHUTDOWN",
    "INTERRUPTED",
];

/// Every series that a fresh service has to show.
fn expected_series() -> Vec<String> {
    let types = themis_maintenance::domain::task::TaskType::ALL.map(|task_type| task_type.as_str());
    let labelled = |name: &str, label: &str, values: &[&str]| {
        values.iter().map(|value| format!("{name}{{{label}=\"{value}\"}}")).collect::<Vec<_>>()
    };
    let mut series = [
        labelled("maintenance_schedules", "enabled", &["true", "false"]),
        labelled("maintenance_schedules_created_total", "frequency", &["DAILY", "WEEKLY", "MONTHLY", "QUARTERLY", "CUSTOM"]),
        labelled("maintenance_jobs_triggered_total", "trigger", &["CRON", "MANUAL", "CATCH_UP"]),
        labelled("maintenance_jobs_failed_total", "reason", &REASONS),
        labelled("maintenance_jobs_cancelled_total", "reason", &REASONS),
        labelled("maintenance_jobs_skipped_total", "reason", &REASONS),
        labelled("maintenance_http_connections_full_total", "listener", &["api", "metrics"]),
        labelled("maintenance_http_rate_limited_total", "limit", &["address", "principal"]),
        labelled("maintenance_paused", "scope", &["all", "target", "schedule"]),
        labelled("maintenance_freezes", "state", &["active", "planned"]),
        labelled("maintenance_jobs_active", "state", &["PENDING", "RUNNING"]),
        labelled("maintenance_tasks_succeeded_total", "task_type", &types),
        labelled("maintenance_tasks_failed_total", "task_type", &types),
        labelled("maintenance_task_duration_seconds_count", "task_type", &types),
        labelled("maintenance_task_duration_seconds_sum", "task_type", &types),
    ]
    .concat();
    for outcome in ["SUCCEEDED", "TRANSIENT", "PERMANENT", "UNKNOWN"] {
        series.push(format!("maintenance_target_requests_total{{target=\"default\",outcome=\"{outcome}\"}}"));
    }
    for listener in ["api", "metrics"] {
        series.push(format!("maintenance_http_connections_refused_total{{listener=\"{listener}\",reason=\"address\"}}"));
    }
    for name in ["breaker_state", "breaker_opened_total", "postponed"] {
        series.push(format!("maintenance_target_{name}{{target=\"default\"}}"));
    }
    for name in [
        "maintenance_schedules_deleted_total",
        "maintenance_jobs_succeeded_total",
        "maintenance_jobs_pruned_total",
        "maintenance_mailbox_depth",
        "maintenance_job_duration_seconds_count",
        "maintenance_fire_lateness_seconds_count",
    ] {
        series.push(name.to_owned());
    }
    series
}

const METRICS: [(&str, &str); 32] = [
    ("maintenance_paused", "gauge"),
    ("maintenance_freezes", "gauge"),
    ("maintenance_schedules", "gauge"),
    ("maintenance_schedules_created_total", "counter"),
    ("maintenance_schedules_deleted_total", "counter"),
    ("maintenance_jobs_triggered_total", "counter"),
    ("maintenance_jobs_succeeded_total", "counter"),
    ("maintenance_jobs_failed_total", "counter"),
    ("maintenance_jobs_cancelled_total", "counter"),
    ("maintenance_jobs_skipped_total", "counter"),
    ("maintenance_jobs_active", "gauge"),
    ("maintenance_tasks_succeeded_total", "counter"),
    ("maintenance_tasks_failed_total", "counter"),
    ("maintenance_task_duration_seconds", "histogram"),
    ("maintenance_job_duration_seconds", "histogram"),
    ("maintenance_fire_lateness_seconds", "histogram"),
    ("maintenance_jobs_pruned_total", "counter"),
    ("maintenance_health_module_status", "gauge"),
    ("maintenance_target_requests_total", "counter"),
    ("maintenance_target_breaker_state", "gauge"),
    ("maintenance_target_breaker_opened_total", "counter"),
    ("maintenance_target_postponed", "gauge"),
    ("maintenance_store_commit_duration_seconds", "histogram"),
    ("maintenance_mailbox_depth", "gauge"),
    ("maintenance_schedule_last_success_timestamp_seconds", "gauge"),
    ("maintenance_schedule_next_run_timestamp_seconds", "gauge"),
    ("http_requests_total", "counter"),
    ("http_request_duration_seconds", "histogram"),
    ("maintenance_http_connections", "gauge"),
    ("maintenance_http_connections_full_total", "counter"),
    ("maintenance_http_connections_refused_total", "counter"),
    ("maintenance_http_rate_limited_total", "counter"),
];

#[tokio::test]
async fn a_fresh_service_shows_every_series_at_zero() {
    let mut app = TestApp::start().await;
    let answer = Answer::of(app.client().get(format!("{}/metrics", app.base()))).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{}", answer.header("content-type"));
    let lines: Vec<&str> = answer.text.lines().collect();
    for (name, kind) in METRICS {
        assert_eq!(lines.iter().filter(|line| **line == format!("# TYPE {name} {kind}")).count(), 1, "{name}");
        assert_eq!(lines.iter().filter(|line| line.starts_with(&format!("# HELP {name} "))).count(), 1, "{name}");
    }
    for series in expected_series() {
        assert!(lines.contains(&format!("{series} 0").as_str()), "{series} in\n{}", answer.text);
    }
    for module in ["orchestrator", "store", "audit", "ticker", "targets", "themisdb"] {
        let series = format!("maintenance_health_module_status{{module=\"{module}\"}} ");
        assert!(lines.iter().any(|line| line.starts_with(&series)), "{series}");
    }
    for (method, route, status) in
        [("POST", "/schedules", 201), ("DELETE", "/schedules/{id}", 204), ("POST", "/jobs/{id}/cancel", 202)]
    {
        let series =
            format!("http_requests_total{{method=\"{method}\",route=\"/api/v1/maintenance{route}\",status=\"{status}\"}} 0");
        assert!(lines.contains(&series.as_str()), "{series} in\n{}", answer.text);
    }
    // No series twice, and no sample without its TYPE.
    let samples: Vec<&str> = lines
        .iter()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(samples.iter().collect::<HashSet<_>>().len(), samples.len());
    for sample in samples {
        let name = sample.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        assert!(METRICS.iter().any(|(known, _)| *known == name || *known == base), "{sample}");
    }
    app.stop().await;
}

#[tokio::test]
async fn series_of_a_schedule_come_and_go_with_it() {
    let mut app = TestApp::start().await;
    let next = |id: &str| format!("maintenance_schedule_next_run_timestamp_seconds{{schedule_id=\"{id}\"}}");
    let success = |id: &str| format!("maintenance_schedule_last_success_timestamp_seconds{{schedule_id=\"{id}\"}}");
    assert!(!app.metrics().await.contains("schedule_id="));
    app.create(json!({"id":"s","name":"S","cron_expression":"0 3 * * *","tasks":["LOG_ROTATION"]})).await;
    assert_eq!((app.metric(&success("s")).await, app.metric(&next("s")).await), (0.0, 1_767_582_000.0));
    assert_eq!(app.metric("maintenance_schedules{enabled=\"true\"}").await, 1.0);
    app.run("s").await;
    assert_eq!(app.metric(&success("s")).await, 1_767_578_400.0);
    app.post("/schedules/s/disable", json!({})).await.expect(200);
    assert!(!app.metrics().await.contains(&next("s")), "a disabled schedule has no next run");
    assert_eq!(app.metric("maintenance_schedules{enabled=\"false\"}").await, 1.0);
    app.delete("/schedules/s").await.expect(204);
    assert!(!app.metrics().await.contains("schedule_id="));
    app.stop().await;
}

#[tokio::test]
async fn series_of_schedules_are_capped() {
    let mut app = TestApp::builder().with("metrics.max_schedule_series = 2").start().await;
    for id in ["a", "b", "c", "d"] {
        app.create(json!({"id":id,"name":id,"cron_expression":"0 3 * * *","tasks":["LOG_ROTATION"]})).await;
    }
    let page = app.metrics().await;
    assert_eq!(page.matches("maintenance_schedule_next_run_timestamp_seconds{").count(), 2);
    assert_eq!(page.matches("maintenance_schedule_last_success_timestamp_seconds{").count(), 2);
    assert_eq!(app.metric("maintenance_schedules{enabled=\"true\"}").await, 4.0);
    app.stop().await;
}

#[tokio::test]
async fn counters_move_with_what_happens() {
    let mut app = TestApp::start().await;
    app.sandbox.script(Fault::always("/maintenance/cache-warm", FaultKind::status("500".parse().unwrap())));
    app.create(json!({"id":"good","name":"S","cron_expression":"0 3 * * *","tasks":["LOG_ROTATION"]})).await;
    app.create(json!({"id":"bad","name":"S","frequency":"WEEKLY","tasks":["CACHE_WARM"]})).await;
    app.create(json!({"id":"halting","name":"S","cron_expression":"0 0 1 1 *","tasks":["CACHE_WARM","LOG_ROTATION"],"halt_on_task_failure":true})).await;
    app.create(json!({"id":"late","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"],"window_start_hour":10,"window_end_hour":11})).await;
    for id in ["good", "bad", "halting"] {
        app.run(id).await;
    }
    app.post("/schedules/late/run", json!({})).await.expect(202);
    let hold = app.sandbox.hold(None, "/maintenance");
    let held = app.post("/schedules/good/run", json!({})).await.expect(202);
    // On the same target, so it waits.
    let waiting = app.post("/schedules/bad/run", json!({})).await.expect(202);
    assert_eq!(app.metric("maintenance_jobs_active{state=\"RUNNING\"}").await, 1.0);
    assert_eq!(app.metric("maintenance_jobs_active{state=\"PENDING\"}").await, 1.0);
    for job in [&waiting, &held] {
        let id = job["id"].as_str().unwrap();
        app.post(&format!("/jobs/{id}/cancel"), json!({})).await.expect(202);
        app.ended(id).await;
    }
    hold.release();
    app.clock.set("2026-01-05T03:00:00.500Z");
    app.jobs_of("good", 3).await;
    until("the fire's job", || async { (app.metric("maintenance_jobs_succeeded_total").await == 2.0).then_some(()) }).await;
    app.delete("/schedules/late").await.expect(204);
    for (series, value) in [
        ("maintenance_schedules_created_total{frequency=\"CUSTOM\"}", 3.0),
        ("maintenance_schedules_created_total{frequency=\"WEEKLY\"}", 1.0),
        ("maintenance_schedules_deleted_total", 1.0),
        ("maintenance_jobs_triggered_total{trigger=\"MANUAL\"}", 6.0),
        ("maintenance_jobs_triggered_total{trigger=\"CRON\"}", 1.0),
        ("maintenance_jobs_failed_total{reason=\"TASK_FAILED\"}", 1.0),
        ("maintenance_jobs_failed_total{reason=\"HALTED\"}", 1.0),
        ("maintenance_jobs_skipped_total{reason=\"OUTSIDE_WINDOW\"}", 1.0),
        ("maintenance_jobs_cancelled_total{reason=\"CANCELLED_BY_OPERATOR\"}", 2.0),
        ("maintenance_jobs_active{state=\"RUNNING\"}", 0.0),
        ("maintenance_jobs_active{state=\"PENDING\"}", 0.0),
        ("maintenance_tasks_succeeded_total{task_type=\"LOG_ROTATION\"}", 2.0),
        ("maintenance_tasks_failed_total{task_type=\"CACHE_WARM\"}", 2.0),
        ("maintenance_task_duration_seconds_count{task_type=\"CACHE_WARM\"}", 2.0),
        ("maintenance_fire_lateness_seconds_count", 1.0),
        ("maintenance_fire_lateness_seconds_sum", 0.5),
        ("maintenance_target_requests_total{target=\"default\",outcome=\"SUCCEEDED\"}", 2.0),
        ("maintenance_target_requests_total{target=\"default\",outcome=\"PERMANENT\"}", 2.0),
        ("maintenance_jobs_pruned_total", 0.0),
    ] {
        assert_eq!(app.metric(series).await, value, "{series}");
    }
    assert!(app.metric("maintenance_store_commit_duration_seconds_count").await >= 6.0);
    app.clock.advance(TimeDelta::hours(25));
    app.running().handle().prune();
    until("pruning", || async { (app.metric("maintenance_jobs_pruned_total").await >= 7.0).then_some(()) }).await;
    app.stop().await;
}

#[tokio::test]
async fn requests_are_counted_by_the_route_that_matched() {
    let mut app = TestApp::start().await;
    for id in 0..20 {
        app.get(&format!("/schedules/unknown-{id}")).await.expect(404);
        Answer::of(app.client().get(format!("{}/no/such/route/{id}", app.base()))).await.expect(404);
    }
    raw(&app, "BREW", "/livez", &[], b"").await.expect(405);
    let page = app.metrics().await;
    assert!(!page.contains("unknown-") && !page.contains("no/such") && !page.contains("BREW"), "{page}");
    let of = |method: &str, route: &str, status: u16| {
        format!("http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
    };
    assert_eq!(app.metric(&of("GET", "/api/v1/maintenance/schedules/{id}", 404)).await, 20.0);
    assert_eq!(app.metric(&of("GET", "unmatched", 404)).await, 20.0);
    assert_eq!(app.metric(&of("OTHER", "/livez", 405)).await, 1.0);
    app.stop().await;
}

#[tokio::test]
async fn the_page_can_move_to_a_listener_of_its_own() {
    let mut app = TestApp::builder().with("metrics.listen = \"127.0.0.1:0\"").start().await;
    Answer::of(app.client().get(format!("{}/metrics", app.base()))).await.expect(404);
    let address = app.running().metrics_address().expect("a listener");
    let there = |path: &str| Answer::of(app.client().get(format!("http://{address}{path}")));
    assert!(there("/metrics").await.text.contains("maintenance_schedules{"));
    for path in ["/livez", "/api/v1/maintenance/schedules", "/"] {
        assert_eq!(there(path).await.status, 404, "{path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn the_page_can_want_a_token() {
    let mut app = TestApp::builder().with("metrics.token = \"a token for the scraper, long enough\"").start().await;
    let ask = |token: Option<&str>| {
        let request = app.client().request(Method::GET, format!("{}/metrics", app.base()));
        Answer::of(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    };
    for token in [None, Some("x"), Some("a token for the scraper, long enough!"), Some(app.token("maintenance:admin").as_str())] {
        let answer = ask(token).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (401, "application/problem+json"), "{token:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        assert!(!answer.text.contains("maintenance_schedules"));
    }
    assert!(ask(Some("a token for the scraper, long enough")).await.text.contains("maintenance_schedules{"));
    app.stop().await;
}
