//! Looks into the service's database while it runs: what it has committed, and nothing else, is there for another process to see.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use themis_maintenance::domain::time::Timestamp;
use themis_maintenance::telemetry::Stopwatch;

use super::data::DATABASE;

/// Between two looks; the resolution of the times that are measured so.
const LOOK: Duration = Duration::from_millis(3);
/// Longer than anything here takes.
const PATIENCE: f64 = 120.0;

pub struct Database(SqlitePool);

impl Database {
    pub async fn open(folder: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(folder.join(DATABASE)).read_only(true);
        Self(SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap())
    }

    async fn figure(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar::<_, Option<i64>>(statement).fetch_one(&self.0).await.unwrap().unwrap_or_default()
    }

    /// Waits until so many jobs were committed. Rows are only added, so the last one's number is their count; to find it takes no time.
    pub async fn jobs_committed(&self, count: usize) -> bool {
        self.until("SELECT max(rowid) FROM jobs", count).await
    }

    /// Waits until so many jobs have ended well. Looks at every job, so only for a few.
    pub async fn jobs_succeeded(&self, count: usize) -> bool {
        self.until("SELECT count(*) FROM jobs WHERE state = 'SUCCEEDED'", count).await
    }

    async fn until(&self, statement: &'static str, count: usize) -> bool {
        let stopwatch = Stopwatch::start();
        while (self.figure(statement).await as usize) < count {
            if stopwatch.seconds() > PATIENCE {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// Jobs, and different pairs of schedule and time among them.
    pub async fn jobs_and_fires(&self) -> (usize, usize) {
        let jobs = self.figure("SELECT count(*) FROM jobs").await;
        let fires = self.figure("SELECT count(*) FROM (SELECT DISTINCT schedule_id, scheduled_for FROM jobs)").await;
        (jobs as usize, fires as usize)
    }

    /// When each job was due, made and over, in the order of their fires.
    pub async fn times(&self) -> Vec<JobTimes> {
        let statement = "SELECT scheduled_for, body ->> 'created_at', body ->> 'finished_at' FROM jobs ORDER BY scheduled_for";
        let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(statement).fetch_all(&self.0).await.unwrap();
        let read = |(due, made, over): (i64, String, Option<String>)| JobTimes {
            due: DateTime::from_timestamp_millis(due).unwrap(),
            made: instant(&made),
            over: over.as_deref().map(instant),
        };
        rows.into_iter().map(read).collect()
    }
}

pub struct JobTimes {
    pub due: Timestamp,
    pub made: Timestamp,
    pub over: Option<Timestamp>,
}

fn instant(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}
