//! The service's files: configuration, and what a kill left of the database.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use themis_maintenance::cli::{TokenRequest, issue};
use themis_maintenance::config::{Mode, load};
use themis_maintenance::domain::job::{Job, JobState};
use themis_maintenance::domain::ports::Clock;
use themis_maintenance::domain::principal::Scope;
use themis_maintenance::domain::schedule::Schedule;
use themis_maintenance::ticker::SystemClock;
use uuid::Uuid;

const SECRET: &str = "auth.hs256_secret = \"a secret that is long enough for a test of the service\"\n";

pub struct Files {
    folder: TempDir,
}

/// What the database holds at a moment at which nobody writes it.
pub struct Snapshot {
    jobs: HashMap<String, Job>,
    /// Jobs that were under way.
    pub running: Vec<Job>,
    /// Audit events that are not known to be in the trail; `None` for the mark.
    pub outbox: Vec<Option<String>>,
}

impl Files {
    pub fn new(target: &str) -> Self {
        Self::with(target, "")
    }

    /// The same with more configuration, as TOML that ends with whole tables.
    pub fn with(target: &str, more: &str) -> Self {
        let files = Self { folder: tempfile::tempdir().expect("a folder") };
        let text = format!(
            "{SECRET}server.listen = \"127.0.0.1:0\"\nstorage.url = \"sqlite:{}\"\naudit.file = {:?}\n\
             audit.max_bytes = 65536\ntelemetry.log_format = \"json\"\n\
             targets.default = {{ base_url = \"{target}\", requests_per_minute = 60000 }}\n\
             targets.wide = {{ base_url = \"{target}\", requests_per_minute = 60000, max_concurrent_jobs = 4 }}\n{more}",
            files.path("maintenance.db").display(),
            files.audit(),
        );
        std::fs::write(files.path("test.toml"), text).expect("a written file");
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The current file of the audit trail; so short that kills come while a new one begins, too.
    pub fn audit(&self) -> PathBuf {
        self.path("audit.jsonl")
    }

    /// The sandbox's recipes, and the test's own settings.
    pub fn configuration(&self) -> [PathBuf; 2] {
        [Path::new(env!("CARGO_MANIFEST_DIR")).join("config/sandbox.toml"), self.path("test.toml")]
    }

    /// Reads a copy of the database, so that the service itself has to repair what the kill left, and checks that it is whole.
    pub async fn snapshot(&self) -> Snapshot {
        let copy = tempfile::tempdir().expect("a folder");
        let name = "maintenance.db";
        if !self.path(name).exists() {
            return Snapshot { jobs: HashMap::new(), running: Vec::new(), outbox: Vec::new() };
        }
        for part in [name, "maintenance.db-wal"].into_iter().filter(|part| self.path(part).exists()) {
            std::fs::copy(self.path(part), copy.path().join(part)).expect("a copy");
        }
        let options = SqliteConnectOptions::new().filename(copy.path().join(name));
        let mut database = SqliteConnection::connect_with(&options).await.expect("a database");
        let (verdict,): (String,) = sqlx::query_as("PRAGMA integrity_check").fetch_one(&mut database).await.expect("a verdict");
        assert_eq!(verdict, "ok");
        let rows = "SELECT schedules.body, run_states.body FROM schedules LEFT JOIN run_states USING (id)";
        let schedules: Vec<(String, Option<String>)> = sqlx::query_as(rows).fetch_all(&mut database).await.expect("schedules");
        let jobs: Vec<(String,)> = sqlx::query_as("SELECT body FROM jobs").fetch_all(&mut database).await.expect("jobs");
        let outbox: Vec<(Option<String>,)> =
            sqlx::query_as("SELECT event FROM audit_outbox ORDER BY position").fetch_all(&mut database).await.expect("events");
        database.close().await.expect("closed");
        let schedules = schedules.iter().map(|(body, run)| schedule(body, run.as_deref())).collect();
        let jobs: Vec<Job> = jobs.iter().map(|(body,)| serde_json::from_str(body).expect("a job")).collect();
        check_whole(schedules, &jobs);
        let running = jobs.iter().filter(|job| job.state == JobState::Running).cloned().collect();
        let jobs = jobs.into_iter().map(|job| (job.id.to_string(), job)).collect();
        Snapshot { jobs, running, outbox: outbox.into_iter().map(|(event,)| event).collect() }
    }
}

/// A schedule as it stands in its two rows.
fn schedule(body: &str, run: Option<&str>) -> Schedule {
    let schedule: Schedule = serde_json::from_str(body).expect("a schedule");
    let Some(run) = run else { return schedule };
    let run: Value = serde_json::from_str(run).expect("a run state");
    Schedule { run: serde_json::from_value(run["run"].clone()).expect("a run state"), ..schedule }
}

/// A fire has one job, and what is written in one commit belongs together.
fn check_whole(schedules: Vec<Schedule>, jobs: &[Job]) {
    let mut fires = HashSet::new();
    for job in jobs {
        assert!(fires.insert((job.schedule_id.to_string(), job.scheduled_for)), "two jobs of one fire: {job:?}");
        let running_tasks = job.tasks.iter().filter(|task| task.state == JobState::Running).count();
        assert_eq!(running_tasks, usize::from(job.state == JobState::Running), "{job:?}");
        let has_schedule = schedules.iter().any(|schedule| schedule.id == job.schedule_id);
        assert!(has_schedule || job.state != JobState::Pending, "it waits without a schedule: {job:?}");
    }
    for schedule in schedules {
        if let Some(id) = schedule.run.last_job_id {
            let job = jobs.iter().find(|job| job.id == id).unwrap_or_else(|| panic!("the last job of {schedule:?}"));
            assert_eq!(schedule.run.last_run_state, Some(job.state), "{schedule:?}\n{job:?}");
        }
    }
}

impl Snapshot {
    /// Compares with the jobs that the service shows after its next start.
    pub fn check_against(&self, shown: &[Value]) {
        let shown: HashMap<&str, &Value> = shown.iter().map(|job| (job["id"].as_str().expect("an id"), job)).collect();
        for (id, job) in &self.jobs {
            let now = shown.get(id.as_str()).unwrap_or_else(|| panic!("job {id} is gone: {job:?}"));
            match job.state {
                JobState::Pending => {}
                JobState::Running => {
                    assert_eq!((&now["state"], &now["reason"]), (&"FAILED".into(), &"INTERRUPTED".into()), "{now}");
                    let index = job.running_task().expect("a task under way");
                    let task = &now["tasks"][index];
                    assert_eq!((&task["state"], &task["outcome"]), (&"FAILED".into(), &"UNKNOWN".into()), "{now}");
                }
                ended => assert_eq!(now["state"], ended.as_str(), "it had ended: {now}"),
            }
        }
    }
}

/// A token of an admin.
pub fn token() -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), SECRET).expect("a written file");
    let config = load(&[file.path().to_owned()], [], Mode::Serve).expect("a configuration");
    let request =
        TokenRequest { subject: "crash".to_owned(), scopes: vec![Scope::Admin], ttl: Duration::from_secs(3600), access: None };
    issue(&config.auth, &request, SystemClock.now(), Uuid::from_u128(1)).expect("a token")
}
