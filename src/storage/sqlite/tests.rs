use super::*;
use crate::domain::audit::{AuditEvent, AuditOutcome, EncodedEvent};
use crate::domain::catalog::{Catalog, TargetCatalog};
use crate::domain::idempotency::{IdempotencyId, RecordedAnswer};
use crate::domain::ids::{FreezeId, JobId, ScheduleId};
use crate::domain::job::{JobState, JobTask, Trigger};
use crate::domain::pause::{Pause, PausePlace};
use crate::domain::ports::OutboxEntry;
use crate::domain::schedule::{RunState, Schedule};
use crate::domain::schedule_input;
use crate::domain::task::TaskType;
use crate::domain::time::Timestamp;
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

fn now() -> Timestamp {
    "2026-01-01T00:00:00.123Z".parse().unwrap()
}

fn schedule(id: &str) -> Schedule {
    let catalog = Catalog::new([("default".to_owned(), TargetCatalog::default())].into());
    let document = json!({"name":"N","cron_expression":"0 2 * * *","tasks":["CUSTOM",{"task_type":"CACHE_WARM","parameters":{"a":[1.5,null]}}]});
    Schedule {
        id: ScheduleId::parse(id).unwrap(),
        definition: Arc::new(schedule_input::parse(&document, &catalog, now()).unwrap().definition),
        version: 1,
        created_at: now(),
        updated_at: now(),
        created_by: "somebody".into(),
        updated_by: "somebody".into(),
        run: RunState { next_run_at: Some(now()), ..RunState::default() },
    }
}

fn job(number: u128, schedule: &Schedule) -> Job {
    Job {
        id: JobId(Uuid::from_u128(number)),
        schedule_id: schedule.id.clone(),
        definition: Arc::clone(&schedule.definition),
        target: schedule.definition.target.first().to_owned(),
        first_of_fire: None,
        trigger: Trigger::Cron,
        scheduled_for: now(),
        state: JobState::Pending,
        reason: None,
        error_message: None,
        requested_by: None,
        forced: false,
        created_at: now(),
        started_at: None,
        finished_at: None,
        cancel_requested_by: None,
        aborting: false,
        retry_of: None,
        tasks: Vec::new(),
    }
}

async fn commit(store: &SqliteStore, changes: &[Change]) -> Result<(), StoreError> {
    store.commit(changes, OutboxCommit::default()).await
}

fn event(number: u128) -> AuditEvent {
    AuditEvent {
        event_id: Uuid::from_u128(number),
        time: now(),
        actor: "ann\u{0}\u{e9}".into(),
        action: "create_schedule".into(),
        object: "schedule/a".into(),
        outcome: AuditOutcome::Succeeded,
        request_id: None,
        address: None,
        before: None,
        after: Some(json!({"b": 1.5, "a": [null, ""]})),
        detail: Some(String::new()),
    }
}

#[tokio::test]
async fn audit_events_are_kept_with_their_commit_until_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let events = [event(1), event(2), event(3)];
    let encoded: Vec<EncodedEvent> = events.iter().map(EncodedEvent::from).collect();
    let add = OutboxCommit { first_position: 1, events: &encoded, written_up_to: None };
    store.commit(&[put(&schedule("a"))], add).await.unwrap();
    let entry = |number: u128, event| OutboxEntry { position: number as u64, event_id: Uuid::from_u128(number), event };
    let kept = |loaded: StoredState| loaded.audit_outbox;
    let all: Vec<_> = events.iter().map(|event| entry(event.event_id.as_u128(), Some(event.clone()))).collect();
    assert_eq!(kept(store.load().await.unwrap()), all);
    let more = [EncodedEvent::from(&event(4))];
    let add = OutboxCommit { first_position: 4, events: &more, written_up_to: Some(3) };
    store.commit(&[], add).await.unwrap();
    assert_eq!(kept(store.load().await.unwrap()), [entry(3, None), entry(4, Some(event(4)))]);
    // A commit that is refused keeps no event either.
    commit(&store, &[put_job(&job(1, &schedule("a")))]).await.unwrap();
    let refused = OutboxCommit { first_position: 5, events: &encoded, written_up_to: Some(4) };
    store.commit(&[put_job(&job(2, &schedule("a")))], refused).await.unwrap_err();
    assert_eq!(kept(store.load().await.unwrap()).len(), 2);
}

fn put(schedule: &Schedule) -> Change {
    Change::Schedule { before: None, after: Some(Arc::new(schedule.clone())) }
}

fn put_job(job: &Job) -> Change {
    Change::Job { before: None, after: Some(Arc::new(job.clone())) }
}

#[tokio::test]
async fn what_was_committed_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/maintenance.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let (a, b) = (schedule("a"), schedule("b"));
    let edited = Schedule { version: 2, ..a.clone() };
    let edit = Change::Schedule { before: Some(Arc::new(a.clone())), after: Some(Arc::new(edited.clone())) };
    let delete = Change::Schedule { before: Some(Arc::new(b.clone())), after: None };
    let bundle = Change::BundleInstalled { name: "daily".into() };
    commit(&store, &[put(&a), put(&b), edit, bundle, put_job(&job(1, &a))]).await.unwrap();
    commit(&store, &[delete]).await.unwrap();
    commit(&store, &[]).await.unwrap();
    store.close().await;
    drop(store);

    let loaded = SqliteStore::open(&path).await.unwrap().load().await.unwrap();
    assert_eq!(loaded.schedules, [edited]);
    assert_eq!(loaded.jobs, [job(1, &a)]);
    assert_eq!(loaded.installed_bundles, ["daily"]);
}

#[tokio::test]
async fn a_fire_has_one_job_whoever_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let a = schedule("a");
    commit(&store, &[put_job(&job(1, &a))]).await.unwrap();
    let error = commit(&store, &[put(&a), put_job(&job(2, &a))]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotApplied(_)), "{error}");
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.jobs.len(), loaded.schedules.len()), (1, 0), "none of the refused batch is there");
}

#[tokio::test]
async fn a_fire_has_a_job_on_each_target() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let a = schedule("a");
    let other = Job { target: "other".to_owned(), first_of_fire: Some(job(1, &a).id), ..job(2, &a) };
    commit(&store, &[put_job(&job(1, &a)), put_job(&other)]).await.unwrap();
    assert_eq!(store.load().await.unwrap().jobs, [job(1, &a), other]);
}

/// Rows as they were written before schedules could have several targets: without the fields that came with them.
#[tokio::test]
async fn what_an_earlier_version_stored_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let earlier =
        sqlx::migrate::Migrator { migrations: MIGRATIONS.migrations[..3].to_vec().into(), ..sqlx::migrate::Migrator::DEFAULT };
    earlier.run(&pool).await.unwrap();
    let (a, pending) = (schedule("a"), job(1, &schedule("a")));
    let without = |mut value: serde_json::Value, fields: &[&str]| {
        let definition = value["definition"].as_object_mut().unwrap();
        ["fit_check", "on_window_close"].iter().for_each(|field| assert!(definition.shift_remove(*field).is_some()));
        fields.iter().for_each(|field| assert!(value.as_object_mut().unwrap().shift_remove(*field).is_some(), "{field}"));
        value.to_string()
    };
    let insert = "INSERT INTO jobs (id, schedule_id, scheduled_for, state, body) VALUES (?1, 'a', ?2, 'PENDING', ?3)";
    let mut body = serde_json::to_value(&pending).unwrap();
    // What a job did not have was null then, and is left out now.
    for field in ["reason", "error_message", "requested_by", "started_at", "finished_at", "cancel_requested_by"] {
        assert!(body.as_object_mut().unwrap().insert(field.to_owned(), json!(null)).is_none(), "{field}");
    }
    let body = without(body, &["target", "aborting"]);
    sqlx::query(insert).bind(pending.id.to_string()).bind(now().timestamp_millis()).bind(body).execute(&pool).await.unwrap();
    sqlx::query(insert).bind("damaged").bind(7).bind("{").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO schedules (id, version, body) VALUES ('a', 1, ?1)")
        .bind(without(serde_json::to_value(&a).unwrap(), &[]))
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;

    let store = SqliteStore::open(&path).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.schedules, loaded.damaged_rows), (vec![a.clone()], 1));
    let jobs: Vec<Job> = loaded.jobs.into_iter().map(Job::adopt_defaults).collect();
    assert_eq!(jobs, [pending]);
    let same_fire = commit(&store, &[put_job(&job(2, &a))]).await.unwrap_err();
    assert!(matches!(same_fire, StoreError::NotApplied(_)), "its target counts: {same_fire}");
}

#[tokio::test]
async fn answers_are_kept_under_whose_key_it_is_until_they_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let record = |caller: &str, operation: &str, digest: &str| {
        let id = IdempotencyId { caller: caller.to_owned(), operation: operation.to_owned(), key: "k".to_owned() };
        let answer = RecordedAnswer::Schedule(Arc::new(schedule("a")));
        Arc::new(IdempotencyRecord { id, digest: digest.to_owned(), answer, created_at: now() })
    };
    let put = |record: &Arc<IdempotencyRecord>| Change::Idempotency { before: None, after: Some(Arc::clone(record)) };
    let (one, other) = (record("a\",\"b", "c", "1"), record("a", "b\",\"c", "2"));
    store.commit(&[put(&one), put(&other)], OutboxCommit::default()).await.unwrap();
    let newer = record("a", "b\",\"c", "3");
    store
        .commit(&[Change::Idempotency { before: Some(other), after: Some(Arc::clone(&newer)) }], OutboxCommit::default())
        .await
        .unwrap();
    let mut loaded = store.load().await.unwrap().idempotency;
    loaded.sort_by(|a, b| a.digest.cmp(&b.digest));
    assert_eq!(loaded, [IdempotencyRecord::clone(&one), IdempotencyRecord::clone(&newer)]);
    store.commit(&[Change::Idempotency { before: Some(one), after: None }], OutboxCommit::default()).await.unwrap();
    assert_eq!(store.load().await.unwrap().idempotency, [IdempotencyRecord::clone(&newer)]);
    sqlx::query("UPDATE idempotency_keys SET body = '{'").execute(&store.pool).await.unwrap();
    assert!(store.load().await.unwrap().idempotency.is_empty(), "a damaged answer is set aside");
    assert!(store.load().await.unwrap().idempotency.is_empty());
}

#[tokio::test]
async fn a_second_process_finds_the_file_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let _store = SqliteStore::open(&path).await.unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::InUse(_))));
}

#[tokio::test]
async fn a_newer_schema_and_a_file_that_is_no_database_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = SqliteStore::open(&path).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (9000, 'later', CURRENT_TIMESTAMP, true, x'00', 0)")
        .execute(&store.pool)
        .await
        .unwrap();
    store.close().await;
    drop(store);
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::Newer { version: 9000, .. })));
    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database, whatever it is called, and it is long enough to be one").unwrap();
    assert!(matches!(SqliteStore::open(&text).await, Err(OpenError::Database { .. })));
}

#[tokio::test]
async fn a_row_that_is_no_text_or_of_another_entity_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let all = ["a", "b", "c", "d", "e"].map(schedule);
    let stray = Job { tasks: vec![JobTask::waiting("x".into(), TaskType::Custom, 7)], ..job(1, &all[0]) };
    let changes: Vec<Change> =
        all.iter().map(put).chain([put_job(&stray), put_job(&Job { target: "other".into(), ..job(2, &all[0]) })]).collect();
    commit(&store, &changes).await.unwrap();
    for damage in [
        "UPDATE schedules SET body = replace(body, 'somebody', CAST(x'ff' AS TEXT)) WHERE id = 'a'",
        // What once told rows and their parts from each other.
        "UPDATE schedules SET body = '{' || char(30) || 'f' || char(31) || replace(body, '\"b\"', '\"f\"') WHERE id = 'b'",
        "UPDATE schedules SET body = replace(body, '\"c\"', '\"e\"') WHERE id = 'c'",
        "UPDATE schedules SET body = replace(body, '\"start_hour\":0', '\"start_hour\":24') WHERE id = 'd'",
    ] {
        assert_eq!(sqlx::query(damage).execute(&store.pool).await.unwrap().rows_affected(), 1, "{damage}");
    }
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.schedules, loaded.damaged_rows), (vec![schedule("e")], 5));
    assert_eq!(loaded.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [JobId(Uuid::from_u128(2))]);
}

#[tokio::test]
async fn a_damaged_row_is_set_aside_and_the_rest_loads() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    commit(&store, &[put(&schedule("a")), put(&schedule("b"))]).await.unwrap();
    sqlx::query("UPDATE schedules SET body = '{\"half\":' WHERE id = 'a'").execute(&store.pool).await.unwrap();
    assert_eq!(store.load().await.unwrap().schedules, [schedule("b")]);
    let (kept,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM damaged_rows WHERE id = 'a'").fetch_one(&store.pool).await.unwrap();
    assert_eq!(kept, 1);
    let again = store.load().await.unwrap();
    assert_eq!((again.schedules.len(), again.damaged_rows), (1, 1));
}

#[tokio::test]
async fn many_pages_of_rows_come_in_order_and_a_damaged_one_at_a_boundary_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let id = |number: usize| format!("s{number:05}");
    let rows = 2 * reading::PAGE_ROWS + 1;
    // Written in another order.
    let changes: Vec<Change> = (0..rows).rev().map(|number| put(&schedule(&id(number)))).collect();
    commit(&store, &changes).await.unwrap();
    let damaged = reading::PAGE_ROWS - 1;
    sqlx::query("UPDATE schedules SET body = '' WHERE id = ?1").bind(id(damaged)).execute(&store.pool).await.unwrap();
    let loaded = store.load().await.unwrap();
    let ids = loaded.schedules.iter().map(|schedule| schedule.id.as_str().to_owned());
    assert!(ids.eq((0..rows).filter(|number| *number != damaged).map(id)));
    assert_eq!(loaded.damaged_rows, 1);
}

#[tokio::test]
async fn a_new_file_has_our_pages_and_an_old_one_keeps_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for (name, made_with, kept) in [("new.db", None, PAGE_BYTES), ("old.db", Some(4096), 4096)] {
        let path = folder.path().join(name);
        if let Some(bytes) = made_with {
            let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true).page_size(bytes);
            let pool = SqlitePool::connect_with(options.journal_mode(SqliteJournalMode::Wal)).await.unwrap();
            MIGRATIONS.run(&pool).await.unwrap();
            pool.close().await;
        }
        let store = SqliteStore::open(&path).await.unwrap();
        commit(&store, &[put(&schedule("a"))]).await.unwrap();
        let (bytes,): (u32,) = sqlx::query_as("PRAGMA page_size").fetch_one(&store.pool).await.unwrap();
        assert_eq!((bytes, store.load().await.unwrap().schedules.len()), (kept, 1), "{name}");
    }
}

#[tokio::test]
async fn a_run_state_is_written_alone_and_is_never_older_than_its_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let change = |before: &Schedule, after: &Schedule| Change::Schedule {
        before: Some(Arc::new(before.clone())),
        after: Some(Arc::new(after.clone())),
    };
    let ran = |schedule: &Schedule, hours: i64| {
        let next_run_at = Some(now() + chrono::TimeDelta::hours(hours));
        Schedule { run: RunState { next_run_at, ..schedule.run.clone() }, ..schedule.clone() }
    };
    let rows = async || -> (i64, i64) {
        let rows = "SELECT (SELECT count(*) FROM run_states), (SELECT count(*) FROM schedules WHERE body LIKE '%2026-01-01T00:00:00.123Z\"}}')";
        sqlx::query_as(rows).fetch_one(&store.pool).await.unwrap()
    };
    let (new, fired) = (schedule("a"), ran(&schedule("a"), 24));
    let fired = Schedule { definition: Arc::clone(&new.definition), ..fired };
    commit(&store, &[put(&new)]).await.unwrap();
    commit(&store, &[change(&new, &ran(&new, 1)), change(&ran(&new, 1), &fired)]).await.unwrap();
    assert_eq!(rows().await, (1, 1), "the schedule itself is as it was written first");
    assert_eq!(store.load().await.unwrap().schedules, std::slice::from_ref(&fired));
    // An edit, and a fire in the same commit: both are in the schedule's row.
    let edited = Schedule { version: 2, ..fired.clone() };
    let latest = ran(&edited, 48);
    commit(&store, &[change(&fired, &edited), change(&edited, &latest)]).await.unwrap();
    assert_eq!((rows().await, store.load().await.unwrap().schedules), ((0, 0), vec![latest.clone()]));
    // Nothing of it is left for the next of its name, whether that comes in the same commit or later.
    commit(&store, &[change(&latest, &ran(&latest, 72))]).await.unwrap();
    let delete = |schedule: &Schedule| Change::Schedule { before: Some(Arc::new(schedule.clone())), after: None };
    let next = Schedule { created_by: "somebody else".into(), ..new.clone() };
    commit(&store, &[delete(&ran(&latest, 72)), put(&next)]).await.unwrap();
    assert_eq!((rows().await.0, store.load().await.unwrap().schedules), (0, vec![next.clone()]));
    commit(&store, &[change(&next, &ran(&next, 1))]).await.unwrap();
    commit(&store, &[delete(&ran(&next, 1))]).await.unwrap();
    assert_eq!(rows().await.0, 0);
}

/// As its own row has it, it would be as it was before it was paused.
#[tokio::test]
async fn a_schedule_whose_run_state_is_damaged_is_set_aside_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let new = schedule("a");
    let fired = Schedule { run: RunState { last_success_at: Some(now()), ..RunState::default() }, ..new.clone() };
    commit(&store, &[put(&new), put(&schedule("b"))]).await.unwrap();
    commit(&store, &[Change::Schedule { before: Some(Arc::new(new)), after: Some(Arc::new(fired)) }]).await.unwrap();
    assert_eq!(sqlx::query("UPDATE run_states SET body = '{'").execute(&store.pool).await.unwrap().rows_affected(), 1);
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.schedules, loaded.damaged_rows), (vec![schedule("b")], 2));
    assert_eq!(store.load().await.unwrap().schedules, [schedule("b")]);
}

#[tokio::test]
async fn a_run_state_without_its_schedule_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let (new, run) = (schedule("a"), RunState { last_success_at: Some(now()), ..RunState::default() });
    let fired = Schedule { run, ..new.clone() };
    commit(&store, &[put(&new), put(&schedule("b"))]).await.unwrap();
    commit(&store, &[Change::Schedule { before: Some(Arc::new(new.clone())), after: Some(Arc::new(fired.clone())) }])
        .await
        .unwrap();
    crate::storage::check(&path).await.unwrap();
    sqlx::query("UPDATE schedules SET body = '{' WHERE id = 'a'").execute(&store.pool).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.schedules, loaded.damaged_rows), (vec![schedule("b")], 2));
    sqlx::query("INSERT INTO run_states VALUES ('b', '{\"schedule_id\":\"b\",\"run\":{}}'), ('c', '{}')")
        .execute(&store.pool)
        .await
        .unwrap();
    let unsound = crate::storage::check(&path).await.unwrap_err().to_string();
    assert!(unsound.ends_with("run state of c: there is no such schedule"), "{unsound}");
    let loaded = store.load().await.unwrap();
    assert_eq!((&loaded.schedules[0].run, loaded.damaged_rows), (&RunState::default(), 3));
}

#[tokio::test]
async fn pauses_and_freezes_are_kept_until_they_are_taken_away_and_a_damaged_one_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("m.db")).await.unwrap();
    let pause =
        |reason: &str| Arc::new(Pause { paused_by: "ann".into(), paused_at: now(), reason: reason.into(), until: Some(now()) });
    let put_pause = |place: PausePlace, after| Change::Pause { place, before: None, after };
    let target = PausePlace::Target("eu".to_owned());
    let freeze = |number: u128| {
        let (created_by, reason) = ("ann".to_owned(), "x".to_owned());
        Arc::new(Freeze {
            id: FreezeId(Uuid::from_u128(number)),
            from: now(),
            to: now(),
            targets: vec!["eu".into()],
            reason,
            created_by,
            created_at: now(),
        })
    };
    let put_freeze = |freeze: &Arc<Freeze>| Change::Freeze { before: None, after: Some(Arc::clone(freeze)) };
    let changes = [
        put_pause(PausePlace::All, Some(pause("first"))),
        put_pause(PausePlace::All, Some(pause("last"))),
        put_pause(target.clone(), Some(pause("of eu"))),
        put_freeze(&freeze(1)),
        put_freeze(&freeze(2)),
    ];
    commit(&store, &changes).await.unwrap();
    let mut loaded = store.load().await.unwrap();
    loaded.pauses.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(loaded.pauses, [(PausePlace::All, (*pause("last")).clone()), (target.clone(), (*pause("of eu")).clone())]);
    assert_eq!(loaded.freezes, [(*freeze(1)).clone(), (*freeze(2)).clone()]);

    let gone = [put_pause(PausePlace::All, None), Change::Freeze { before: Some(freeze(1)), after: None }];
    commit(&store, &gone).await.unwrap();
    sqlx::query("UPDATE pauses SET body = '{}'").execute(&store.pool).await.unwrap();
    let loaded = store.load().await.unwrap();
    assert_eq!((loaded.pauses.len(), loaded.freezes.len(), loaded.damaged_rows), (0, 1, 1));
}
