//! Keeps everything in one SQLite file: WAL, `synchronous=FULL`, one writer.
//!
//! A commit is one transaction with few statements, whatever the number of changes: each writes many rows, so that a batch of hundreds
//! costs little more than one row. Of several changes to one entity only the last is written.

mod checkpoint;
mod reading;
pub(super) mod rows;
#[cfg(test)]
mod tests;
mod writing;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use self::checkpoint::{Checkpointer, KEPT_BYTES, WRITER_PAGES};
use self::rows::{PauseRow, signed};
use self::writing::Written;
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::IdempotencyRecord;
use crate::domain::job::Job;
use crate::domain::ports::{Change, OutboxCommit, Prepared, Store, StoreError, StoredState};

/// Every version of the schema.
pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/storage/migrations");

/// A commit writes each page that it touches with two calls of the system, so that one with larger pages than the usual 4096 bytes takes
/// less time, also when it is of a single row. A file that was made with other pages keeps them.
const PAGE_BYTES: u32 = 8192;

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
    checkpointer: Checkpointer,
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
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", WRITER_PAGES)
            .pragma("journal_size_limit", KEPT_BYTES)
            // What a statement keeps to be able to take itself back stays in memory; its file would be one more to write.
            .pragma("temp_store", "MEMORY");
        // One connection: there is one writer, and everything is read once, at the start. Another one is for checkpoints.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(database)?;
        MIGRATIONS.run(&pool).await.map_err(|source| match source {
            sqlx::migrate::MigrateError::VersionMissing(version) => OpenError::Newer { path: path.to_owned(), version },
            source => OpenError::Migrate { path: path.to_owned(), source },
        })?;
        Ok(Self { pool, checkpointer: Checkpointer::start(options), _lock: lock })
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        changes: &[Change],
        written: Written,
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
        written.put(transaction, outbox).await?;
        if changes.iter().all(|change| matches!(change, Change::Target { .. })) {
            // Nothing of it is stored, and still it has to be known whether the file can be written.
            sqlx::query("UPDATE write_check SET counts = counts + 1").execute(&mut **transaction).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<StoredState, StoreError> {
        let load = async {
            let bundles: Vec<(Vec<u8>,)> =
                sqlx::query_as("SELECT CAST(name AS BLOB) FROM installed_bundles").fetch_all(&self.pool).await?;
            Ok(StoredState {
                schedules: self.read_schedules().await?,
                jobs: self.read::<Job>("jobs").await?,
                idempotency: self.read::<IdempotencyRecord>("idempotency_keys").await?,
                pauses: self.read::<PauseRow>("pauses").await?.into_iter().map(PauseRow::into_parts).collect(),
                freezes: self.read::<Freeze>("freezes").await?,
                installed_bundles: bundles.into_iter().map(|(name,)| String::from_utf8_lossy(&name).into_owned()).collect(),
                audit_outbox: self.read_outbox().await?,
                damaged_rows: self.count_damaged().await?,
            })
        };
        load.await.map_err(|error: sqlx::Error| StoreError::NotApplied(error.to_string()))
    }

    async fn commit(&self, changes: &[Change], outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        self.commit_prepared(changes, self.prepare(changes), outbox).await
    }

    fn prepare(&self, changes: &[Change]) -> Prepared {
        Prepared::new(Written::of(changes))
    }

    async fn commit_prepared(&self, changes: &[Change], prepared: Prepared, outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        let not_applied = |error: sqlx::Error| StoreError::NotApplied(error.to_string());
        let written = prepared.into_made().unwrap_or_else(|| Written::of(changes));
        let written = written.map_err(|error| not_applied(sqlx::Error::Encode(error.into())))?;
        let bytes = written.bytes() + outbox.events.iter().map(|event| event.json().len() as u64).sum::<u64>();
        let mut transaction = self.pool.begin().await.map_err(not_applied)?;
        self.write(&mut transaction, changes, written, outbox).await.map_err(not_applied)?;
        // From here on a failure does not tell whether the transaction is in the file.
        transaction.commit().await.map_err(|error| StoreError::PerhapsApplied(error.to_string()))?;
        self.checkpointer.committed(bytes);
        Ok(())
    }

    async fn close(&self) {
        self.checkpointer.end().await;
        self.pool.close().await;
    }
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
