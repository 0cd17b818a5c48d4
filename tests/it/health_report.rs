//! The health report: its shape, its verdict, and probes that answer, fail, or do not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use themis_maintenance::domain::health::{HealthSignal, HealthStatus};
use themis_maintenance::domain::ports::HealthProbe;
use themis_maintenance::sandbox::{Fault, FaultKind};

use crate::support::{Answer, TestApp, until};

/// What a probe does when it is asked.
#[derive(Clone, Copy)]
enum Conduct {
    Says(HealthStatus),
    Panics,
    Hangs,
}

struct Scripted {
    conduct: Mutex<Conduct>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(conduct: Conduct) -> Arc<Self> {
        Arc::new(Self { conduct: Mutex::new(conduct), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl HealthProbe for Scripted {
    async fn check(&self) -> HealthSignal {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let conduct = *self.conduct.lock();
        match conduct {
            Conduct::Says(status) => HealthSignal::new(status, "as scripted").with_detail("answer", 42),
            Conduct::Panics => panic!("scripted"),
            Conduct::Hangs => std::future::pending().await,
        }
    }
}

fn module<'a>(report: &'a Value, name: &str) -> &'a Value {
    let modules = report["modules"].as_array().expect("a list");
    modules.iter().find(|module| module["module_name"] == name).unwrap_or_else(|| panic!("{name} in {report}"))
}

async fn report(app: &TestApp) -> Value {
    app.get("/health").await.expect(200)
}

/// The report once `wanted` holds for it.
async fn report_when(app: &TestApp, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let wanted = &wanted;
    until(what, || async move {
        let report = report(app).await;
        wanted(&report).then_some(report)
    })
    .await
}

/// The report once all probes have answered since the store was loaded; the clock stands meanwhile.
async fn settled(app: &TestApp) -> Value {
    report_when(app, "the first answers of all probes", |report| report["overall_status"] == "HEALTHY").await
}

/// Moves the clock and has every module looked at anew, after the orchestrator has seen the new time.
async fn move_on(app: &TestApp, by: TimeDelta) {
    app.clock.advance(by);
    app.running().handle().heartbeat();
    // Messages are handled in order, so the heartbeat is done when this is.
    app.delete("/schedules/none").await.expect(404);
    app.running().health().look_again();
}

#[tokio::test]
async fn the_report_of_a_healthy_service_has_every_field() {
    let mut app = TestApp::start().await;
    let report = settled(&app).await;
    let members: Vec<&String> = report.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "overall_status",
            "generated_at",
            "active_jobs",
            "total_schedules",
            "enabled_schedules",
            "succeeded_jobs_24h",
            "failed_jobs_24h",
            "modules"
        ]
    );
    assert_eq!(
        (&report["overall_status"], &report["generated_at"]),
        (&json!("HEALTHY"), &json!("2026-01-05T02:00:00.000Z")),
        "{report}"
    );
    let names: Vec<&str> =
        report["modules"].as_array().unwrap().iter().map(|module| module["module_name"].as_str().unwrap()).collect();
    for name in ["orchestrator", "store", "audit", "ticker", "targets", "themisdb"] {
        let module = module(&report, name);
        assert_eq!(
            (&module["status"], &module["checked_at"]),
            (&json!("HEALTHY"), &json!("2026-01-05T02:00:00.000Z")),
            "{name} of {names:?}"
        );
        assert!(module["details"].is_object() && !module["message"].as_str().unwrap().is_empty(), "{module}");
        assert_eq!(module.as_object().unwrap().len(), 5);
    }
    app.get("/health?verbose=1").await.expect(400);
    app.stop().await;
}

#[tokio::test]
async fn the_worst_module_decides_and_the_answer_is_200_all_the_same() {
    let mut app = TestApp::start().await;
    settled(&app).await;
    let probe = Scripted::new(Conduct::Hangs);
    // A minute, so that it is still under way when it is looked at.
    app.running().health().register_with(
        "extra",
        Arc::clone(&probe) as Arc<dyn HealthProbe>,
        Duration::from_secs(1),
        Duration::from_secs(60),
    );
    let unknown = report(&app).await;
    assert_eq!(
        (&module(&unknown, "extra")["status"], &module(&unknown, "extra")["checked_at"]),
        (&json!("UNKNOWN"), &Value::Null)
    );
    assert_eq!(unknown["overall_status"], "DEGRADED", "what is not known is not healthy");
    for (conduct, status, overall) in [
        (Conduct::Says(HealthStatus::Healthy), "HEALTHY", "HEALTHY"),
        (Conduct::Says(HealthStatus::Degraded), "DEGRADED", "DEGRADED"),
        (Conduct::Says(HealthStatus::Unhealthy), "UNHEALTHY", "UNHEALTHY"),
        (Conduct::Says(HealthStatus::Unknown), "UNKNOWN", "DEGRADED"),
        (Conduct::Panics, "UNHEALTHY", "UNHEALTHY"),
        (Conduct::Hangs, "UNHEALTHY", "UNHEALTHY"),
        (Conduct::Says(HealthStatus::Healthy), "HEALTHY", "HEALTHY"),
    ] {
        // One of the same name takes the other's place.
        let probe = Scripted::new(conduct);
        let timeout = Duration::from_millis(50);
        app.running().health().register_with(
            "extra",
            Arc::clone(&probe) as Arc<dyn HealthProbe>,
            Duration::from_secs(1),
            timeout,
        );
        app.running().health().refresh().await;
        let report = report_when(&app, "the probe's answer", |report| !module(report, "extra")["checked_at"].is_null()).await;
        assert_eq!(
            (&module(&report, "extra")["status"], &report["overall_status"]),
            (&json!(status), &json!(overall)),
            "{report}"
        );
        if let Conduct::Says(_) = conduct {
            assert_eq!(module(&report, "extra")["details"], json!({"answer":42}));
        }
        let listed = report["modules"].as_array().unwrap().iter().filter(|module| module["module_name"] == "extra").count();
        assert_eq!(listed, 1);
        let series = "maintenance_health_module_status{module=\"extra\"}";
        let expected = match status {
            "HEALTHY" => 1.0,
            "DEGRADED" => 0.5,
            "UNHEALTHY" => 0.0,
            _ => -1.0,
        };
        assert_eq!(app.metric(series).await, expected, "{status}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_probe_is_asked_again_when_its_interval_is_over_and_not_before() {
    let mut app = TestApp::start().await;
    let probe = Scripted::new(Conduct::Says(HealthStatus::Healthy));
    app.running().health().register_health_probe("extra", Arc::clone(&probe) as Arc<dyn HealthProbe>);
    app.running().health().refresh().await;
    until("the first question", || async { (probe.asked.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    app.clock.advance(TimeDelta::milliseconds(14_999));
    app.running().health().refresh().await;
    assert_eq!(probe.asked.load(Ordering::SeqCst), 1);
    *probe.conduct.lock() = Conduct::Says(HealthStatus::Degraded);
    app.clock.advance(TimeDelta::milliseconds(1));
    let report = report_when(&app, "the second answer", |report| module(report, "extra")["status"] == "DEGRADED").await;
    assert_eq!(module(&report, "extra")["checked_at"], "2026-01-05T02:00:15.000Z");
    assert_eq!(probe.asked.load(Ordering::SeqCst), 2);
    app.stop().await;
}

#[tokio::test]
async fn a_probe_that_was_replaced_does_not_speak_for_its_successor() {
    let mut app = TestApp::start().await;
    let (old, new) = (Scripted::new(Conduct::Hangs), Scripted::new(Conduct::Says(HealthStatus::Healthy)));
    let registry = app.running().health().clone();
    registry.register_with("extra", Arc::clone(&old) as Arc<dyn HealthProbe>, Duration::from_secs(1), Duration::from_millis(300));
    let refresh = tokio::spawn({
        let registry = registry.clone();
        async move { registry.refresh().await }
    });
    until("the question", || async { (old.asked.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    registry.register_health_probe("extra", Arc::clone(&new) as Arc<dyn HealthProbe>);
    registry.refresh().await;
    report_when(&app, "the new probe's answer", |report| module(report, "extra")["status"] == "HEALTHY").await;
    // By now the old one has run into its timeout.
    refresh.await.unwrap();
    registry.refresh().await;
    assert_eq!(module(&report(&app).await, "extra")["status"], "HEALTHY");
    app.stop().await;
}

#[tokio::test]
async fn a_report_does_not_wait_for_a_probe_that_hangs() {
    let mut app = TestApp::start().await;
    let probe = Scripted::new(Conduct::Hangs);
    app.running().health().register_with(
        "extra",
        Arc::clone(&probe) as Arc<dyn HealthProbe>,
        Duration::from_secs(1),
        Duration::from_secs(600),
    );
    until("the question", || async { (probe.asked.load(Ordering::SeqCst) == 1).then_some(()) }).await;
    let report = report(&app).await;
    assert_eq!(module(&report, "extra")["status"], "UNKNOWN");
    app.stop().await;
}

#[tokio::test]
async fn a_server_whose_store_is_closed_is_unhealthy_though_it_says_healthy() {
    let mut app = TestApp::start().await;
    settled(&app).await;
    app.sandbox.close_store();
    let claim = Answer::of(app.client().request(Method::GET, format!("{}/health", app.sandbox.base_url()))).await;
    assert_eq!(claim.json["status"], "healthy");
    move_on(&app, TimeDelta::seconds(15)).await;
    let report =
        report_when(&app, "the closed store to be seen", |report| module(report, "themisdb")["status"] == "UNHEALTHY").await;
    assert_eq!(report["overall_status"], "UNHEALTHY");
    assert!(module(&report, "themisdb")["message"].as_str().unwrap().contains("Database not open"), "{report}");
    app.sandbox.open_store();
    move_on(&app, TimeDelta::seconds(15)).await;
    report_when(&app, "the store to be open again", |report| report["overall_status"] == "HEALTHY").await;
    app.stop().await;
}

#[tokio::test]
async fn jobs_count_for_24_hours() {
    let mut app = TestApp::start().await;
    settled(&app).await;
    app.sandbox.script(Fault::always("/maintenance/cache-warm", FaultKind::status("500".parse().unwrap())));
    for (id, task, enabled) in [("good", "LOG_ROTATION", true), ("bad", "CACHE_WARM", false)] {
        app.create(json!({"id":id,"name":id,"cron_expression":"0 0 1 1 *","tasks":[task],"enabled":enabled})).await;
    }
    assert_eq!(app.run("good").await["state"], "SUCCEEDED");
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(app.run("bad").await["state"], "FAILED");
    assert_eq!(app.run("good").await["state"], "SUCCEEDED");
    let figures = |report: &Value| {
        ["succeeded_jobs_24h", "failed_jobs_24h", "total_schedules", "enabled_schedules", "active_jobs"]
            .map(|name| report[name].as_u64().unwrap())
    };
    let now = report(&app).await;
    assert_eq!((figures(&now), &now["overall_status"]), ([2, 1, 2, 1, 0], &json!("DEGRADED")));
    app.clock.advance(TimeDelta::hours(23) + TimeDelta::milliseconds(1));
    assert_eq!(figures(&report(&app).await)[..2], [1, 1]);
    move_on(&app, TimeDelta::hours(1)).await;
    assert_eq!(figures(&report(&app).await)[..2], [0, 0]);
    report_when(&app, "the failure to be forgotten", |report| report["overall_status"] == "HEALTHY").await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let job = app.post("/schedules/good/run", json!({})).await.expect(202);
    assert_eq!(report(&app).await["active_jobs"], 1);
    hold.release();
    app.ended(job["id"].as_str().unwrap()).await;
    app.stop().await;
}
