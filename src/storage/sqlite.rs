//! Keeps everything in one SQLite file: WAL, `synchronous=FULL`, one writer.
//!
//! A commit is one transaction with a fixed number of statements, whatever the number of changes: the rows go in as one JSON array,
//! so a batch of hundreds costs little more than one row. Of several changes to one entity only the last is written.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use uuid::Uuid;

use crate::domain::audit::AuditEvent;
use crate::domain::idempotency::{IdempotencyId, IdempotencyRecord};
use crate::domain::job::Job;
use crate::domain::ports::{Change, OutboxCommit, OutboxEntry, Store, StoreError, StoredState};
use crate::domain::schedule::Schedule;

/// Every version of the schema.
pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/storage/migrations");

/// Why a database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the lock file cannot be made.
    #[error("{} cannot be made", path.display())]
    Create {
        /// What was to be made.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the database open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file was written by a newer version.
    #[error("{} was written by a newer version of themis-maintenance (schema {version}); use that version, or another file", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema's version.
        version: i64,
    },
    /// SQLite says no.
    #[error("{} cannot be opened as a database", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// The schema cannot be brought up to date.
    #[error("the schema of {} cannot be brought up to date", path.display())]
    Migrate {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

/// A store in a SQLite file.
pub struct SqliteStore {
    pool: SqlitePool,
    /// Held for as long as the store lives: a second process finds it taken.
    _lock: File,
}

impl SqliteStore {
    /// Opens a database, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let database = |source| OpenError::Database { path: path.to_owned(), source };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        // One connection: there is one writer, and everything is read once, at the start.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(database)?;
        MIGRATIONS.run(&pool).await.map_err(|source| match source {
            sqlx::migrate::MigrateError::VersionMissing(version) => OpenError::Newer { path: path.to_owned(), version },
            source => OpenError::Migrate { path: path.to_owned(), source },
        })?;
        Ok(Self { pool, _lock: lock })
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        changes: &[Change],
        outbox: OutboxCommit<'_>,
    ) -> Result<(), sqlx::Error> {
        if let Some(position) = outbox.written_up_to.map(signed) {
            sqlx::query("DELETE FROM audit_outbox WHERE position < ?1").bind(position).execute(&mut **transaction).await?;
            // The last one that is written stays, without its event, as the mark at which the search in the trail ends.
            sqlx::query("UPDATE audit_outbox SET event = NULL WHERE position = ?1")
                .bind(position)
                .execute(&mut **transaction)
                .await?;
        }
        let events = outbox_rows(outbox).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let rows = Rows::of(changes).map_err(|error| sqlx::Error::Encode(error.into()))?;
        for (statement, rows) in [
            ("DELETE FROM schedules WHERE id IN (SELECT value FROM json_each(?1))", &rows.deleted_schedules),
            ("DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?1))", &rows.deleted_jobs),
            (
                "INSERT INTO schedules (id, version, body)
                 SELECT value ->> 'id', value ->> 'version', value ->> 'body' FROM json_each(?1) WHERE true
                 ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body",
                &rows.schedules,
            ),
            (
                "INSERT INTO jobs (id, schedule_id, scheduled_for, state, body)
                 SELECT value ->> 'id', value ->> 'schedule_id', value ->> 'scheduled_for', value ->> 'state', value ->> 'body'
                 FROM json_each(?1) WHERE true
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
                &rows.jobs,
            ),
            ("DELETE FROM idempotency_keys WHERE id IN (SELECT value FROM json_each(?1))", &rows.deleted_answers),
            (
                "INSERT INTO idempotency_keys (id, body) SELECT value ->> 'id', value ->> 'body' FROM json_each(?1) WHERE true
                 ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                &rows.answers,
            ),
            ("INSERT OR IGNORE INTO installed_bundles (name) SELECT value FROM json_each(?1)", &rows.bundles),
            (
                "INSERT INTO audit_outbox (position, event_id, event)
                 SELECT value ->> 'position', value ->> 'event_id', value ->> 'event' FROM json_each(?1)",
                &events,
            ),
        ] {
            if let Some(rows) = rows {
                sqlx::query(statement).bind(rows).execute(&mut **transaction).await?;
            }
        }
        if changes.is_empty() {
            sqlx::query("UPDATE write_check SET counts = counts + 1").execute(&mut **transaction).await?;
        }
        Ok(())
    }

    async fn read<T: DeserializeOwned>(&self, table: &str) -> Result<Vec<T>, sqlx::Error> {
        let query = match table {
            "jobs" => "SELECT id, body FROM jobs",
            "idempotency_keys" => "SELECT id, body FROM idempotency_keys",
            _ => "SELECT id, body FROM schedules",
        };
        let rows: Vec<(String, String)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        let mut entities = Vec::with_capacity(rows.len());
        for (id, body) in rows {
            match serde_json::from_str(&body) {
                Ok(entity) => entities.push(entity),
                Err(error) => {
                    tracing::error!(table, %id, %error, "a damaged row is set aside");
                    self.set_aside(table, &id, &body, &error.to_string()).await?;
                }
            }
        }
        Ok(entities)
    }

    async fn read_outbox(&self) -> Result<Vec<OutboxEntry>, sqlx::Error> {
        let query = "SELECT position, event_id, event FROM audit_outbox ORDER BY position";
        let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(query).fetch_all(&self.pool).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for (position, event_id, body) in rows {
            match outbox_entry(position, &event_id, body.as_deref()) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    tracing::error!(table = "audit_outbox", position, %error, "a damaged row is set aside");
                    self.set_aside("audit_outbox", &position.to_string(), body.as_deref().unwrap_or_default(), &error).await?;
                }
            }
        }
        Ok(entries)
    }

    async fn count_damaged(&self) -> Result<u64, sqlx::Error> {
        let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM damaged_rows").fetch_one(&self.pool).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn set_aside(&self, table: &str, id: &str, body: &str, error: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO damaged_rows (source, id, error, body) VALUES (?1, ?2, ?3, ?4)")
            .bind(table)
            .bind(id)
            .bind(error)
            .bind(body)
            .execute(&mut *transaction)
            .await?;
        let delete = match table {
            "jobs" => "DELETE FROM jobs WHERE id = ?1",
            "audit_outbox" => "DELETE FROM audit_outbox WHERE position = CAST(?1 AS INTEGER)",
            "idempotency_keys" => "DELETE FROM idempotency_keys WHERE id = ?1",
            _ => "DELETE FROM schedules WHERE id = ?1",
        };
        sqlx::query(delete).bind(id).execute(&mut *transaction).await?;
        transaction.commit().await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<StoredState, StoreError> {
        let load = async {
            let bundles: Vec<(String,)> = sqlx::query_as("SELECT name FROM installed_bundles").fetch_all(&self.pool).await?;
            Ok(StoredState {
                schedules: self.read::<Schedule>("schedules").await?,
                jobs: self.read::<Job>("jobs").await?,
                idempotency: self.read::<IdempotencyRecord>("idempotency_keys").await?,
                installed_bundles: bundles.into_iter().map(|(name,)| name).collect(),
                audit_outbox: self.read_outbox().await?,
                damaged_rows: self.count_damaged().await?,
            })
        };
        load.await.map_err(|error: sqlx::Error| StoreError::NotApplied(error.to_string()))
    }

    async fn commit(&self, changes: &[Change], outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        let not_applied = |error: sqlx::Error| StoreError::NotApplied(error.to_string());
        let mut transaction = self.pool.begin().await.map_err(not_applied)?;
        self.write(&mut transaction, changes, outbox).await.map_err(not_applied)?;
        // From here on a failure does not tell whether the transaction is in the file.
        transaction.commit().await.map_err(|error| StoreError::PerhapsApplied(error.to_string()))
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

/// What a commit writes, as JSON arrays; `None` where there is nothing.
struct Rows {
    schedules: Option<String>,
    deleted_schedules: Option<String>,
    jobs: Option<String>,
    deleted_jobs: Option<String>,
    answers: Option<String>,
    deleted_answers: Option<String>,
    bundles: Option<String>,
}

#[derive(Serialize)]
struct ScheduleRow<'a> {
    id: &'a str,
    version: u64,
    body: String,
}

#[derive(Serialize)]
struct AnswerRow {
    id: String,
    body: String,
}

#[derive(Serialize)]
struct JobRow<'a> {
    id: String,
    schedule_id: &'a str,
    scheduled_for: i64,
    state: &'a str,
    body: String,
}

impl Rows {
    fn of(changes: &[Change]) -> Result<Self, serde_json::Error> {
        let (mut schedules, mut jobs, mut answers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut bundles = Vec::new();
        for change in changes {
            match change {
                Change::Schedule { before, after } => {
                    for schedule in before.iter().chain(after) {
                        schedules.insert(schedule.id.as_str(), after.as_deref());
                    }
                }
                Change::Job { before, after } => {
                    for job in before.iter().chain(after) {
                        jobs.insert(job.id, after.as_deref());
                    }
                }
                Change::Idempotency { before, after } => {
                    for record in before.iter().chain(after) {
                        answers.insert(&record.id, after.as_deref());
                    }
                }
                Change::BundleInstalled { name } => bundles.push(name.as_str()),
            }
        }
        let schedule_rows: Vec<ScheduleRow<'_>> =
            schedules.values().flatten().map(|schedule| schedule_row(schedule)).collect::<Result<_, _>>()?;
        let job_rows: Vec<JobRow<'_>> = jobs.values().flatten().map(|job| job_row(job)).collect::<Result<_, _>>()?;
        let answer_rows: Vec<AnswerRow> =
            answers.values().flatten().map(|record| answer_row(record)).collect::<Result<_, _>>()?;
        let deleted_schedules: Vec<&str> = schedules.iter().filter(|(_, after)| after.is_none()).map(|(id, _)| *id).collect();
        let deleted_jobs: Vec<String> = jobs.iter().filter(|(_, after)| after.is_none()).map(|(id, _)| id.to_string()).collect();
        let deleted_answers: Vec<String> =
            answers.iter().filter(|(_, after)| after.is_none()).map(|(id, _)| answer_id(id)).collect::<Result<_, _>>()?;
        Ok(Self {
            schedules: array(&schedule_rows)?,
            deleted_schedules: array(&deleted_schedules)?,
            jobs: array(&job_rows)?,
            deleted_jobs: array(&deleted_jobs)?,
            answers: array(&answer_rows)?,
            deleted_answers: array(&deleted_answers)?,
            bundles: array(&bundles)?,
        })
    }
}

fn schedule_row(schedule: &Schedule) -> Result<ScheduleRow<'_>, serde_json::Error> {
    Ok(ScheduleRow { id: schedule.id.as_str(), version: schedule.version, body: serde_json::to_string(schedule)? })
}

fn job_row(job: &Job) -> Result<JobRow<'_>, serde_json::Error> {
    Ok(JobRow {
        id: job.id.to_string(),
        schedule_id: job.schedule_id.as_str(),
        scheduled_for: job.scheduled_for.timestamp_millis(),
        state: job.state.as_str(),
        body: serde_json::to_string(job)?,
    })
}

#[derive(Serialize)]
struct OutboxRow {
    position: u64,
    event_id: Uuid,
    event: String,
}

fn outbox_rows(outbox: OutboxCommit<'_>) -> Result<Option<String>, serde_json::Error> {
    let row = |(position, event): (u64, &AuditEvent)| {
        Ok(OutboxRow { position, event_id: event.event_id, event: serde_json::to_string(event)? })
    };
    let rows: Vec<OutboxRow> = (outbox.first_position..).zip(outbox.events).map(row).collect::<Result<_, serde_json::Error>>()?;
    array(&rows)
}

fn outbox_entry(position: i64, event_id: &str, body: Option<&str>) -> Result<OutboxEntry, String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    Ok(OutboxEntry {
        position: u64::try_from(position).map_err(|error| words(&error))?,
        event_id: Uuid::parse_str(event_id).map_err(|error| words(&error))?,
        event: body.map(serde_json::from_str).transpose().map_err(|error| words(&error))?,
    })
}

/// A position as SQLite keeps it. Positions count up from 1 and do not come near the limit.
fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn answer_row(record: &IdempotencyRecord) -> Result<AnswerRow, serde_json::Error> {
    Ok(AnswerRow { id: answer_id(&record.id)?, body: serde_json::to_string(record)? })
}

/// Three texts as one that no three others make.
fn answer_id(id: &IdempotencyId) -> Result<String, serde_json::Error> {
    let IdempotencyId { caller, operation, key } = id;
    serde_json::to_string(&[caller, operation, key])
}

fn array<T: Serialize>(rows: &[T]) -> Result<Option<String>, serde_json::Error> {
    if rows.is_empty() { Ok(None) } else { serde_json::to_string(rows).map(Some) }
}

/// Takes the lock file beside the database, so that one process owns it.
fn lock(path: &Path) -> Result<File, OpenError> {
    let create = |path: &Path, source| OpenError::Create { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| create(folder, source))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = File::create(&lock_path).map_err(|source| create(&lock_path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(create(&lock_path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::AuditOutcome;
    use crate::domain::catalog::{Catalog, TargetCatalog};
    use crate::domain::idempotency::RecordedAnswer;
    use crate::domain::ids::{JobId, ScheduleId};
    use crate::domain::job::{JobState, Trigger};
    use crate::domain::schedule::RunState;
    use crate::domain::schedule_input;
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
        let add = OutboxCommit { first_position: 1, events: &events, written_up_to: None };
        store.commit(&[put(&schedule("a"))], add).await.unwrap();
        let entry = |number: u128, event| OutboxEntry { position: number as u64, event_id: Uuid::from_u128(number), event };
        let kept = |loaded: StoredState| loaded.audit_outbox;
        let all: Vec<_> = events.iter().map(|event| entry(event.event_id.as_u128(), Some(event.clone()))).collect();
        assert_eq!(kept(store.load().await.unwrap()), all);
        let more = [event(4)];
        let add = OutboxCommit { first_position: 4, events: &more, written_up_to: Some(3) };
        store.commit(&[], add).await.unwrap();
        assert_eq!(kept(store.load().await.unwrap()), [entry(3, None), entry(4, Some(event(4)))]);
        // A commit that is refused keeps no event either.
        commit(&store, &[put_job(&job(1, &schedule("a")))]).await.unwrap();
        let refused = OutboxCommit { first_position: 5, events: &events, written_up_to: Some(4) };
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
}
