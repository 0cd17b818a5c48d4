//! Brings the log of the database into the database, beside the writer and on a connection of its own: whoever waits for a commit does
//! not wait for that, too.
//!
//! The log begins anew only when all of it has been brought over and nothing was written meanwhile. Where that never happens, because
//! the writer never rests, the writer does it itself once the log is long (`WRITER_PAGES`), and then there is little left to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// After so many commits, or so many bytes of rows, the log is brought over: some megabytes of pages either way.
const COMMITS: u64 = 64;
const BYTES: u64 = 4 << 20;
/// The length of the log at which the writer brings it over itself: 32 MiB, which a start reads in a moment; half of it in a file with
/// smaller pages.
pub(super) const WRITER_PAGES: &str = "4096";
/// What is kept of the log's file when it begins anew.
pub(super) const KEPT_BYTES: &str = "33554432";

pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    wanted: Notify,
    commits: AtomicU64,
    bytes: AtomicU64,
}

impl Checkpointer {
    /// Begins to wait for commits. Its connection is opened when there is something to do.
    pub fn start(options: SqliteConnectOptions) -> Self {
        let (shared, stop) = (Arc::<Shared>::default(), CancellationToken::new());
        let task = tokio::spawn(run(options, Arc::clone(&shared), stop.clone()));
        Self { shared, stop, task: Mutex::new(Some(task)) }
    }

    /// Notes a commit of so many bytes.
    pub fn committed(&self, bytes: u64) {
        let commits = self.shared.commits.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.shared.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if commits >= COMMITS || bytes >= BYTES {
            self.shared.commits.store(0, Ordering::Relaxed);
            self.shared.bytes.store(0, Ordering::Relaxed);
            self.shared.wanted.notify_one();
        }
    }

    /// Ends it and closes its connection. What is left of the log is brought over when the last connection is closed.
    pub async fn end(&self) {
        self.stop.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task {
            // It does not panic, and if it did nothing would be lost.
            let _ = task.await;
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn run(options: SqliteConnectOptions, shared: Arc<Shared>, stop: CancellationToken) {
    let mut connection: Option<SqliteConnection> = None;
    while stop.run_until_cancelled(shared.wanted.notified()).await.is_some() {
        if let Err(error) = checkpoint(&options, &mut connection).await {
            tracing::warn!(%error, "the log of the database cannot be brought into it, and grows until it can");
            connection = None;
        }
    }
    if let Some(connection) = connection {
        // The file is closed either way.
        let _ = connection.close().await;
    }
}

/// Brings over what can be without waiting for anybody.
async fn checkpoint(options: &SqliteConnectOptions, connection: &mut Option<SqliteConnection>) -> Result<(), sqlx::Error> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(options.connect().await?),
    };
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn after_some_commits_or_bytes_the_log_is_brought_over_while_the_writer_is_open() {
        for (commits, bytes) in [(COMMITS, 1), (1, BYTES)] {
            let folder = tempfile::tempdir().unwrap();
            let options = SqliteConnectOptions::new().filename(folder.path().join("m.db")).create_if_missing(true);
            let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal).pragma("wal_autocheckpoint", "0");
            let mut writer = options.connect().await.unwrap();
            sqlx::query("CREATE TABLE t (a)").execute(&mut writer).await.unwrap();
            let length = || std::fs::metadata(folder.path().join("m.db")).unwrap().len();
            let before = length();
            let checkpointer = Checkpointer::start(options.clone());
            (1..commits).for_each(|_| checkpointer.committed(bytes));
            tokio::task::yield_now().await;
            assert_eq!(length(), before, "not before there is enough");
            checkpointer.committed(bytes);
            let brought_over = async {
                while length() == before {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), brought_over).await.expect("a checkpoint");
            checkpointer.end().await;
            writer.close().await.unwrap();
        }
    }
}
