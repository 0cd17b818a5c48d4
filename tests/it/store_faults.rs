//! A store that cannot be written, or perhaps was: callers are told, nothing is half done, nothing starts, and it heals by itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sqlx::Connection;
use themis_maintenance::domain::ports::{Change, OutboxCommit, Store, StoreError, StoredState};
use themis_maintenance::storage::SqliteStore;
use tokio::sync::watch;

use crate::support::{Answer, TestApp, until};

/// What the store does to commits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Refuses before anything is written.
    Before,
    /// Writes, and says that it does not know. Once; then `Unreadable`.
    After,
    /// Does not write, and says that it does not know. Once; then `Unreadable`.
    Neither,
    /// Refuses, and cannot be read either.
    Unreadable,
    /// Waits until there is another fault.
    Slow,
}

struct FaultyStore {
    inner: SqliteStore,
    fault: watch::Sender<Fault>,
    commits: Mutex<usize>,
    _folder: tempfile::TempDir,
}

impl FaultyStore {
    async fn new() -> Arc<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = SqliteStore::open(&folder.path().join("maintenance.db")).await.expect("a store");
        Arc::new(Self { inner, fault: watch::Sender::new(Fault::None), commits: Mutex::new(0), _folder: folder })
    }

    fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    fn now(&self) -> Fault {
        *self.fault.borrow()
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn load(&self) -> Result<StoredState, StoreError> {
        match self.now() {
            Fault::Unreadable => Err(StoreError::NotApplied("cannot be read (test)".to_owned())),
            _ => self.inner.load().await,
        }
    }

    async fn commit(&self, changes: &[Change], outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        *self.commits.lock() += 1;
        let fault = *self.fault.subscribe().wait_for(|fault| *fault != Fault::Slow).await.expect("the store lives");
        match fault {
            Fault::Before | Fault::Unreadable => return Err(StoreError::NotApplied("disk full (test)".to_owned())),
            Fault::After => self.inner.commit(changes, outbox).await?,
            Fault::Neither => {}
            Fault::None | Fault::Slow => return self.inner.commit(changes, outbox).await,
        }
        self.set(Fault::Unreadable);
        Err(StoreError::PerhapsApplied("the disk said nothing (test)".to_owned()))
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

async fn with_store() -> (TestApp, Arc<FaultyStore>) {
    let store = FaultyStore::new().await;
    let app = TestApp::builder().store(Arc::clone(&store) as Arc<dyn Store>).start().await;
    (app, store)
}

fn document(id: &str) -> Value {
    json!({"id":id,"name":"S","cron_expression":"30 2 * * *","tasks":["LOG_ROTATION"]})
}

fn assert_unavailable(answer: Answer) {
    assert_eq!((answer.status.as_u16(), &answer.json["code"]), (503, &json!("store_unavailable")), "{}", answer.text);
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
}

async fn store_module(app: &TestApp) -> Value {
    let report = app.get("/health").await.expect(200);
    let modules = report["modules"].as_array().expect("a list").clone();
    modules.into_iter().find(|module| module["module_name"] == "store").expect("the module")
}

/// Moves the clock, so that the probes look again and the store is tried again, until the module is as wanted.
async fn store_becomes(app: &TestApp, status: &str) -> Value {
    until(&format!("the store to be {status}"), || async move {
        app.clock.advance(TimeDelta::seconds(2));
        app.running().health().refresh().await;
        let module = store_module(app).await;
        (module["status"] == status).then_some(module)
    })
    .await
}

#[tokio::test]
async fn writes_are_refused_reads_go_on_and_everything_is_as_it_was() {
    let (mut app, store) = with_store().await;
    let created = app.create(document("s")).await;
    store.set(Fault::Before);
    assert_unavailable(app.post("/schedules", document("t")).await);
    assert_unavailable(app.put("/schedules/s", json!({"name":"T","cron_expression":"30 3 * * *","tasks":["CACHE_WARM"]})).await);
    assert_unavailable(app.patch("/schedules/s", json!({"description":"other"})).await);
    assert_unavailable(app.post("/schedules/s/disable", json!({})).await);
    assert_unavailable(app.post("/schedules/s/run", json!({})).await);
    assert_unavailable(app.delete("/schedules/s").await);
    assert_eq!(app.get("/schedules/s").await.expect(200), created);
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 1);
    assert_eq!(app.get("/jobs").await.expect(200)["count"], 0);
    app.get("/schedules/t").await.expect(404);
    assert!(app.sandbox.requests().iter().all(|request| !request.path.starts_with("/maintenance")));
    // What is wrong is still told as that.
    assert_eq!(app.post("/schedules", json!({"name":""})).await.status, 422);

    let module = store_becomes(&app, "UNHEALTHY").await;
    assert!(module["message"].as_str().unwrap().contains("disk full (test)"), "{module}");
    assert_eq!(app.get("/health").await.expect(200)["overall_status"], "UNHEALTHY");
    store.set(Fault::None);
    store_becomes(&app, "HEALTHY").await;
    assert_eq!(app.patch("/schedules/s", json!({"description":"other"})).await.expect(200)["version"], 2);
    app.stop().await;
}

#[tokio::test]
async fn a_due_fire_waits_for_the_store_and_then_runs_once() {
    let (mut app, store) = with_store().await;
    app.create(document("s")).await;
    store.set(Fault::Before);
    let commits = *store.commits.lock();
    app.clock.set("2026-01-05T02:30:00Z");
    until("an attempt to store the fire", || async { (*store.commits.lock() > commits).then_some(()) }).await;
    store_becomes(&app, "UNHEALTHY").await;
    assert_eq!(app.get("/jobs").await.expect(200)["count"], 0);
    assert!(app.sandbox.requests().iter().all(|request| !request.path.starts_with("/maintenance")), "not stored, not started");
    store.set(Fault::None);
    store_becomes(&app, "HEALTHY").await;
    let jobs = app.jobs_of("s", 1).await;
    let job = app.ended(jobs[0]["id"].as_str().unwrap()).await;
    assert_eq!((&job["state"], &job["scheduled_for"]), (&json!("SUCCEEDED"), &json!("2026-01-05T02:30:00.000Z")));
    let calls = app.sandbox.requests().iter().filter(|request| request.path.starts_with("/maintenance")).count();
    assert_eq!((calls, app.jobs_of("s", 1).await.len()), (1, 1));
    app.stop().await;
}

#[tokio::test]
async fn the_end_of_a_task_is_kept_until_it_can_be_stored() {
    let (mut app, store) = with_store().await;
    app.create(document("s")).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    let job = app.post("/schedules/s/run", json!({})).await.expect(202);
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    store.set(Fault::Before);
    hold.release();
    store_becomes(&app, "UNHEALTHY").await;
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(app.get(&path).await.expect(200)["state"], "RUNNING");
    store.set(Fault::None);
    store_becomes(&app, "HEALTHY").await;
    let job = app.ended(job["id"].as_str().unwrap()).await;
    assert_eq!((&job["state"], &job["tasks"][0]["attempts"]), (&json!("SUCCEEDED"), &json!(1)));
    app.stop().await;
}

#[tokio::test]
async fn after_a_commit_that_was_perhaps_applied_the_store_decides() {
    for (fault, applied) in [(Fault::After, true), (Fault::Neither, false)] {
        let (mut app, store) = with_store().await;
        app.create(document("s")).await;
        store.set(fault);
        assert_unavailable(app.patch("/schedules/s", json!({"description":"other"})).await);
        // Until the store has been read again nobody is told anything but that.
        assert_unavailable(app.patch("/schedules/s", json!({"description":"third"})).await);
        assert_unavailable(app.patch("/schedules/none", json!({})).await);
        store.set(Fault::None);
        store_becomes(&app, "HEALTHY").await;
        let found = app.get("/schedules/s").await.expect(200);
        assert_eq!((found["version"] == 2, found["description"] == "other"), (applied, applied), "{fault:?}: {found}");
        app.stop().await;
        let trail = std::fs::read_to_string(app.file("audit.jsonl")).unwrap();
        let carried_out = trail.lines().filter(|line| line.contains("patch_schedule") && line.contains("SUCCEEDED")).count();
        assert_eq!(carried_out, usize::from(applied), "{fault:?}: {trail}");
    }
}

#[tokio::test]
async fn a_run_that_was_perhaps_stored_is_started_once_and_a_cancellation_is_carried_out() {
    let (mut app, store) = with_store().await;
    app.create(document("s")).await;
    let hold = app.sandbox.hold(None, "/maintenance");
    store.set(Fault::After);
    assert_unavailable(app.post("/schedules/s/run", json!({})).await);
    store.set(Fault::None);
    store_becomes(&app, "HEALTHY").await;
    let job = app.jobs_of("s", 1).await.remove(0);
    let id = job["id"].as_str().unwrap();
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    store.set(Fault::After);
    assert_unavailable(app.post(&format!("/jobs/{id}/cancel"), json!({})).await);
    store.set(Fault::None);
    store_becomes(&app, "HEALTHY").await;
    let job = app.ended(id).await;
    assert_eq!((&job["state"], &job["tasks"][0]["outcome"]), (&json!("CANCELLED"), &json!("UNKNOWN")), "{job}");
    let calls = app.sandbox.requests().iter().filter(|request| request.path.starts_with("/maintenance")).count();
    assert_eq!(calls, 1);
    hold.release();
    app.stop().await;
}

#[tokio::test]
async fn one_bad_command_of_a_batch_fails_alone() {
    let (mut app, store) = with_store().await;
    app.create(document("s")).await;
    let commits = *store.commits.lock();
    store.set(Fault::Slow);
    let first = tokio::spawn(Answer::of(app.request(reqwest::Method::POST, "/schedules").json(&document("first"))));
    until("a commit under way", || async { (*store.commits.lock() > commits).then_some(()) }).await;
    // These queue up behind it and are decided together.
    let others =
        ["t", "s", "u"].map(|id| tokio::spawn(Answer::of(app.request(reqwest::Method::POST, "/schedules").json(&document(id)))));
    until("three commands that wait", || async { (app.running().handle().mailbox_depth() >= 3).then_some(()) }).await;
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 1, "reads do not wait");
    store.set(Fault::None);
    assert_eq!(first.await.unwrap().status, 201);
    let [t, s, u] = others;
    let answers = [t.await.unwrap(), s.await.unwrap(), u.await.unwrap()];
    assert_eq!(answers.each_ref().map(|answer| answer.status.as_u16()), [201, 409, 201]);
    assert_eq!(app.get("/schedules").await.expect(200)["count"], 4);
    app.stop().await;
}

/// What waits behind a commit is decided as if that one had been applied already.
#[tokio::test]
async fn what_was_decided_behind_a_commit_that_failed_is_taken_back_with_it() {
    for (fault, left) in [(Fault::Before, &["s"][..]), (Fault::Neither, &["s"]), (Fault::After, &["first", "s"])] {
        let (mut app, store) = with_store().await;
        app.create(document("s")).await;
        let commits = *store.commits.lock();
        store.set(Fault::Slow);
        let post = |id: &str| tokio::spawn(Answer::of(app.request(reqwest::Method::POST, "/schedules").json(&document(id))));
        let first = post("first");
        until("a commit under way", || async { (*store.commits.lock() > commits).then_some(()) }).await;
        // The second of these two is told apart only by what the first commit does.
        let (other, again) = (post("t"), post("first"));
        let delete = tokio::spawn(Answer::of(app.request(reqwest::Method::DELETE, "/schedules/s")));
        until("three commands that wait", || async { (app.running().handle().mailbox_depth() >= 3).then_some(()) }).await;
        store.set(fault);
        for answer in [first, other, delete] {
            assert_unavailable(answer.await.unwrap());
        }
        assert_eq!(again.await.unwrap().status, 409, "a refusal stands");
        store.set(Fault::None);
        store_becomes(&app, "HEALTHY").await;
        let ids = |list: Value| -> Vec<String> {
            let items = list["schedules"].as_array().expect("a list").clone();
            items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
        };
        assert_eq!(ids(app.get("/schedules").await.expect(200)), left, "{fault:?}");
        app.create(document("t")).await;
        let events = std::fs::read_to_string(app.file("audit.jsonl")).expect("a trail");
        assert!(!events.contains("delete_schedule\",\"object\":\"schedule/s\",\"outcome\":\"SUCCEEDED"), "{events}");
        app.stop().await;
    }
}

/// A batch that is full is written down and sent as soon as the one before it is there, without being asked for again.
#[tokio::test]
async fn of_a_storm_whose_commit_failed_every_fire_is_stored_and_told_once() {
    const FIRES: usize = 300;
    for fault in [Fault::None, Fault::Before, Fault::Neither, Fault::After] {
        let (mut app, store) = with_store().await;
        for number in 0..FIRES {
            app.create(document(&format!("s{number}"))).await;
        }
        let commits = *store.commits.lock();
        store.set(Fault::Slow);
        app.clock.set("2026-01-05T02:30:00Z");
        until("a commit under way", || async { (*store.commits.lock() > commits).then_some(()) }).await;
        until("another batch behind it", || async { (app.running().handle().mailbox_depth() >= 1).then_some(()) }).await;
        store.set(fault);
        if fault != Fault::None {
            store_becomes(&app, "UNHEALTHY").await;
            store.set(Fault::None);
            store_becomes(&app, "HEALTHY").await;
        }
        let file = app.file("audit.jsonl");
        let told = || {
            let trail = std::fs::read_to_string(&file).expect("a trail");
            let lines = trail.lines().filter(|line| line.contains("\"action\":\"job.pending\""));
            lines
                .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["after"]["schedule_id"].to_string())
                .collect::<Vec<_>>()
        };
        until("all fires in the trail", || async { (told().len() >= FIRES).then_some(()) }).await;
        app.stop().await;
        let mut schedules = told();
        schedules.sort();
        schedules.dedup();
        assert_eq!((schedules.len(), told().len()), (FIRES, FIRES), "{fault:?}");
    }
}

#[tokio::test]
async fn rows_that_were_set_aside_show_in_the_health_report() {
    let mut app = TestApp::start().await;
    app.create(document("s")).await;
    app.create(document("damaged")).await;
    store_becomes(&app, "HEALTHY").await;
    app.stop().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(app.file("maintenance.db"));
    let mut database = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE schedules SET body = '{' WHERE id = 'damaged'").execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    // At every start, until a person has looked at them.
    for _ in 0..2 {
        app.restart_after_end().await;
        let module = store_becomes(&app, "DEGRADED").await;
        assert_eq!(module["details"]["damaged_rows"], 1, "{module}");
        assert_eq!(app.get("/schedules").await.expect(200)["count"], 1);
        app.stop().await;
    }
}

#[tokio::test]
async fn next_times_are_set_anew_after_a_clock_step_that_could_not_be_stored() {
    let (mut app, store) = with_store().await;
    app.create(document("s")).await;
    app.clock.set("2026-01-05T05:00:00Z");
    app.jobs_of("s", 1).await;
    assert_eq!(app.get("/schedules/s").await.expect(200)["next_run_at"], "2026-01-06T02:30:00.000Z");
    store.set(Fault::Before);
    let commits = *store.commits.lock();
    app.clock.set("2026-01-05T01:00:00Z");
    until("an attempt to store it", || async { (*store.commits.lock() > commits).then_some(()) }).await;
    store.set(Fault::None);
    until("the next time", || async {
        app.clock.advance(TimeDelta::seconds(1));
        (app.get("/schedules/s").await.expect(200)["next_run_at"] == "2026-01-05T02:30:00.000Z").then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_store_that_heals_during_the_shutdown_starts_nothing() {
    let store = FaultyStore::new().await;
    let configuration = "server.shutdown_grace = \"60s\"";
    let mut app = TestApp::builder().with(configuration).store(Arc::clone(&store) as Arc<dyn Store>).start().await;
    app.create(document("s")).await;
    store.set(Fault::Neither);
    assert_unavailable(app.post("/schedules/s/run", json!({})).await);
    let ending = tokio::spawn(app.take_running().shutdown());
    until("readiness to go off", || async {
        let ready = app.client().get(format!("{}/readyz", app.base())).send().await;
        // Who looks late finds nobody listening.
        ready.map_or(true, |answer| answer.status() == 503).then_some(())
    })
    .await;
    app.clock.set("2026-01-05T02:30:00Z");
    store.set(Fault::None);
    tokio::time::timeout(Duration::from_secs(20), ending).await.expect("it ends").expect("no panic");
    assert!(app.sandbox.requests().iter().all(|request| !request.path.starts_with("/maintenance")));
}
