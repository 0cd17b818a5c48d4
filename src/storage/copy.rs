//! Copies of a database: made while the service runs, and checked before they are needed.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};

use super::sqlite::MIGRATIONS;
use super::sqlite::rows::{PauseRow, RunRow, entity, json};
use crate::domain::audit::AuditEvent;
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::IdempotencyRecord;
use crate::domain::job::Job;
use crate::domain::schedule::Schedule;

/// Why a copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something of that name.
    #[error("{} is there already; nothing is overwritten", .0.display())]
    Exists(PathBuf),
    /// The database is not there, or is none.
    #[error("{} cannot be read as a database", path.display())]
    Source {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: sqlx::Error,
    },
    /// The copy cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The copy.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Makes a consistent copy of a database. The service may have it open and go on writing: the copy holds what was committed when
/// it began. It appears under its name only when it is complete and on disk.
///
/// # Errors
/// When there is a file of that name, when the database cannot be read, and when the copy cannot be written.
pub async fn backup(database: &Path, copy: &Path) -> Result<(), BackupError> {
    if copy.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(copy.to_owned()));
    }
    let read_error = |source| BackupError::Source { path: database.to_owned(), source };
    let write_error = |source: Box<dyn std::error::Error + Send + Sync>| BackupError::Write { path: copy.to_owned(), source };
    let mut connection = open_read_only(database).await.map_err(read_error)?;
    // A file that is no database is found here, before anything is made.
    sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut connection).await.map_err(read_error)?;

    // In the copy's own folder, so that giving it its name is one step; removed again if anything fails.
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut unfinished_name = std::ffi::OsString::from(".");
    unfinished_name.push(copy.file_name().unwrap_or_default());
    unfinished_name.push(format!(".{}.part", std::process::id()));
    let unfinished = Unfinished(folder.join(unfinished_name));
    let target = unfinished.0.to_str().ok_or_else(|| write_error("its name is not UTF-8".into()))?;
    let copied = sqlx::query("VACUUM INTO ?1").bind(target).execute(&mut connection).await;
    copied.map_err(|error| write_error(error.into()))?;
    // A reader that cannot be closed leaves nothing behind.
    let _ = connection.close().await;
    publish(&unfinished.0, copy, folder).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => BackupError::Exists(copy.to_owned()),
        _ => write_error(error.into()),
    })
}

/// Brings a file to disk and gives it its name; unlike a rename, a link refuses a name that is taken.
fn publish(unfinished: &Path, copy: &Path, folder: &Path) -> std::io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    std::fs::hard_link(unfinished, copy)?;
    File::open(folder)?.sync_all()
}

struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What a sound copy holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSummary {
    schedules: usize,
    jobs: usize,
    /// Audit events that the trail may not have yet.
    events: usize,
    schema: i64,
}

impl std::fmt::Display for CheckSummary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { schedules, jobs, events, schema } = self;
        write!(formatter, "sound: {schedules} schedules, {jobs} jobs, {events} audit events kept, schema {schema}")
    }
}

/// What is wrong with a copy.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Not there, not readable, or not one of ours.
    #[error("cannot be read as a database of themis-maintenance: {0}")]
    Unreadable(#[from] sqlx::Error),
    /// SQLite finds it damaged.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// Of a later version, or a migration was broken off.
    #[error("has schema {0}, which this version does not know")]
    Schema(i64),
    /// Rows that the service would set aside.
    #[error("holds rows that cannot be read: {}", .0.join("; "))]
    Rows(Vec<String>),
}

/// How many bad rows are named; the first ones tell enough.
const NAMED_ROWS: usize = 10;

/// Checks a database that nobody writes: its structure, its schema, and every row. Nothing is changed.
///
/// # Errors
/// Says what is wrong first.
pub async fn check(file: &Path) -> Result<CheckSummary, CheckError> {
    let mut connection = open_read_only(file).await?;
    let verdicts = sqlx::query("PRAGMA integrity_check").fetch_all(&mut connection).await?;
    let verdicts: Vec<String> = verdicts.iter().take(NAMED_ROWS).map(|row| row.get(0)).collect();
    if verdicts != ["ok"] {
        return Err(CheckError::Damaged(verdicts.join("; ")));
    }
    let (schema, unfinished): (i64, i64) =
        sqlx::query_as("SELECT coalesce(max(version), 0), coalesce(sum(NOT success), 0) FROM _sqlx_migrations")
            .fetch_one(&mut connection)
            .await?;
    if unfinished > 0 || !MIGRATIONS.version_exists(schema) {
        return Err(CheckError::Schema(schema));
    }
    let mut bad = Vec::new();
    let schedules = parse(
        &mut connection,
        entity::<Schedule>,
        "SELECT CAST(id AS BLOB), CAST(body AS BLOB) FROM schedules",
        "schedule",
        &mut bad,
    )
    .await?;
    let jobs =
        parse(&mut connection, entity::<Job>, "SELECT CAST(id AS BLOB), CAST(body AS BLOB) FROM jobs", "job", &mut bad).await?;
    // A copy of an earlier version lacks the tables of later ones.
    let tables: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema").fetch_all(&mut connection).await?;
    let has = |name: &str| tables.iter().any(|(table,)| table == name);
    if has("idempotency_keys") {
        let rows = "SELECT CAST(id AS BLOB), CAST(body AS BLOB) FROM idempotency_keys";
        parse(&mut connection, entity::<IdempotencyRecord>, rows, "answer under the key", &mut bad).await?;
    }
    if has("freezes") {
        let rows = "SELECT CAST(id AS BLOB), CAST(body AS BLOB) FROM pauses";
        parse(&mut connection, entity::<PauseRow>, rows, "pause of", &mut bad).await?;
        let rows = "SELECT CAST(id AS BLOB), CAST(body AS BLOB) FROM freezes";
        parse(&mut connection, entity::<Freeze>, rows, "freeze", &mut bad).await?;
    }
    if has("run_states") {
        let rows = "SELECT CAST(id AS BLOB), CAST(body AS BLOB) FROM run_states";
        parse(&mut connection, entity::<RunRow<'static>>, rows, "run state of", &mut bad).await?;
        let orphans = "SELECT CAST(id AS BLOB), x'' FROM run_states WHERE id NOT IN (SELECT id FROM schedules)";
        let none = |_: &[u8], _: &[u8]| Err::<(), _>("there is no such schedule".to_owned());
        parse(&mut connection, none, orphans, "run state of", &mut bad).await?;
    }
    let mut events = 0;
    if has("audit_outbox") {
        let rows = "SELECT CAST(event_id AS BLOB), CAST(event AS BLOB) FROM audit_outbox WHERE event IS NOT NULL";
        events = parse(&mut connection, |_, body| json::<AuditEvent>(body), rows, "audit event", &mut bad).await?;
    }
    if bad.is_empty() { Ok(CheckSummary { schedules, jobs, events, schema }) } else { Err(CheckError::Rows(bad)) }
}

/// Reads every row; returns how many there are and adds those that cannot be read to `bad`.
async fn parse<T>(
    connection: &mut SqliteConnection,
    read: impl Fn(&[u8], &[u8]) -> Result<T, String>,
    query: &'static str,
    kind: &str,
    bad: &mut Vec<String>,
) -> Result<usize, sqlx::Error> {
    let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(query).fetch_all(connection).await?;
    for (id, body) in &rows {
        if let Err(error) = read(id, body)
            && bad.len() < NAMED_ROWS
        {
            bad.push(format!("{kind} {}: {error}", id.escape_ascii()));
        }
    }
    Ok(rows.len())
}

/// Without the lock that the service holds: who only reads does not have to own the file.
async fn open_read_only(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path).read_only(true)).await
}

#[cfg(test)]
mod tests;
