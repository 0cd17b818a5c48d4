//! Stored rows: one that cannot be read is set aside and counted, its neighbours load, and one that can be read is the same once it is
//! written again. An input is a line with a table's name, and the body of a row; for an entity, the row has the id that its body names.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use proptest::prelude::*;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tempfile::TempDir;
use themis_maintenance::domain::audit::EncodedEvent;
use themis_maintenance::domain::ports::{Change, OutboxCommit, Store as _, StoredState};
use themis_maintenance::domain::schedule::Schedule;
use themis_maintenance::storage::SqliteStore;
use tokio::runtime::Runtime;

use crate::driver::{Fuzz, Verdict};

const WORDS: &[&str] = &[
    "id",
    "definition",
    "version",
    "created_at",
    "run",
    "durations_ms",
    "next_run_at",
    "cron",
    "frequency",
    "tasks",
    "task_type",
    "plain",
    "window",
    "start_hour",
    "target",
    "group",
    "max_attempts",
    "state",
    "reason",
    "trigger",
    "scheduled_for",
    "tasks",
    "outcome",
    "attempts",
    "checkpoint",
    "answer",
    "digest",
    "caller",
    "event_id",
    "actor",
    "before",
    "after",
    "outcome",
    "PENDING",
    "RUNNING",
    "SUCCEEDED",
    "CRON",
    "schedules",
    "jobs",
    "idempotency_keys",
    "audit_outbox",
    "run_states",
    "schedule_id",
    "last_run_state",
    "pauses",
    "freezes",
    "pause",
    "skip_next",
    "labels",
    "paused_by",
    "until",
    "0 2 * * *",
    "+262142-12-31T23:59:59Z",
    "-262143-01-01T00:00:00Z",
    "2026-01-01T00:00:00Z",
    "\u{1e}",
    "\u{1f}",
    "\u{1e}intact\u{1f}{}",
    "{}",
    "null",
    "00000000-0000-0000-0000-000000000007",
    "intact",
];
/// With another id, the row beside the one that is tried.
const NEIGHBOUR: &str = include_str!("corpus/stored-row/schedule");
const TABLES: [&str; 6] = ["schedules", "jobs", "idempotency_keys", "audit_outbox", "pauses", "freezes"];
/// Of the neighbour; what is read of it becomes part of another row.
const RUN_STATES: &str = "run_states";
const EMPTY: &str = "DELETE FROM schedules; DELETE FROM run_states; DELETE FROM jobs; DELETE FROM idempotency_keys; DELETE FROM audit_outbox; DELETE FROM pauses; DELETE FROM freezes";

#[test]
fn a_row_is_read_as_it_was_written_or_set_aside() {
    Fuzz { name: "stored-row", words: WORDS, generated }.run(|| {
        let database = Database::new();
        move |input| database.runtime.block_on(database.judge(input))
    });
}

/// Audit events: the one kind of row in which there is any JSON.
fn generated() -> BoxedStrategy<Vec<u8>> {
    let leaf = prop_oneof![
        any::<f64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(Value::Null)
    ];
    let any_json = leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,4}", inner, 0..4).prop_map(|members| json!(members))
        ]
    });
    (any_json.clone(), any_json, "[ -~\\r\\n\\t]{0,12}").prop_map(|(before, after, text)| {
        let event = json!({
            "event_id": "00000000-0000-0000-0000-000000000007", "time": "2026-01-01T00:00:00.123Z", "actor": text, "action": "a", "object": "o",
            "outcome": "SUCCEEDED", "request_id": null, "before": before, "after": after, "detail": text,
        });
        format!("audit_outbox\n{event}").into_bytes()
    }).boxed()
}

/// A store, and a second way into its file.
struct Database {
    runtime: Runtime,
    store: SqliteStore,
    direct: SqlitePool,
    _folder: TempDir,
}

impl Database {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.db");
        let (store, direct) = runtime.block_on(async {
            let store = SqliteStore::open(&path).await.expect("a store");
            (store, direct(&path).await)
        });
        Self { runtime, store, direct, _folder: folder }
    }

    async fn judge(&self, input: &[u8]) -> Verdict {
        let line_end = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let is_of = |table: &str| table.as_bytes() == &input[..line_end];
        if is_of(RUN_STATES) {
            return self.judge_run_state(&input[line_end + 1..]).await;
        }
        let Some(table) = TABLES.into_iter().find(|table| is_of(table)) else {
            return Ok("no table".into());
        };
        let body = &input[line_end + 1..];
        self.insert_neighbour().await?;
        self.insert(table, &id_of(table, body), body).await?;

        let loaded = self.store.load().await.context("one row keeps the others from being loaded")?;
        ensure!(loaded.schedules.iter().any(|schedule| schedule.id.as_str() == "intact"), "the neighbour is not loaded");
        let read = count(&loaded) - 1;
        ensure!(read as u64 + loaded.damaged_rows == 1, "{read} rows are loaded, and {} set aside, of one", loaded.damaged_rows);
        if read == 0 {
            let kept: Vec<u8> = sqlx::query_scalar("SELECT CAST(body AS BLOB) FROM damaged_rows").fetch_one(&self.direct).await?;
            ensure!(kept == body, "what is set aside is not what was stored: {}", kept.escape_ascii());
            let again = self.store.load().await?;
            ensure!(count(&again) == 1 && again.damaged_rows == 1, "it is set aside once more");
            return Ok(format!("{table}: damaged"));
        }
        self.execute(EMPTY).await?;
        for job in &loaded.jobs {
            let known = job.definition.tasks.len();
            ensure!(job.tasks.iter().all(|task| task.position < known), "a job has a task that its definition does not know");
        }
        let (changes, events) = changes(&loaded);
        let outbox = OutboxCommit { first_position: 7, events: &events, written_up_to: None };
        self.store.commit(&changes, outbox).await.context("what was read cannot be written")?;
        let again = self.store.load().await?;
        let same =
            again.jobs == loaded.jobs && again.idempotency == loaded.idempotency && again.audit_outbox == loaded.audit_outbox;
        let same = same && again.pauses == loaded.pauses && again.freezes == loaded.freezes;
        let mut schedules = [loaded.schedules, again.schedules.clone()];
        schedules.iter_mut().for_each(|list| list.sort_by(|one, other| one.id.cmp(&other.id)));
        ensure!(
            same && schedules[0] == schedules[1] && again.damaged_rows == 0,
            "written and read again it is another one: {again:?}"
        );
        let state = again.jobs.first().map_or("", |job| job.state.as_str());
        Ok(format!("{table}: read, {state}"))
    }

    /// A run state is read and written again as it was, or set aside with its schedule.
    async fn judge_run_state(&self, body: &[u8]) -> Verdict {
        self.insert_neighbour().await?;
        let without = self.store.load().await?.schedules;
        self.insert(RUN_STATES, "intact", body).await?;
        let loaded = self.store.load().await.context("one row keeps the others from being loaded")?;
        let [schedule] = &loaded.schedules[..] else {
            let damaged = loaded.damaged_rows;
            ensure!(loaded.schedules.is_empty() && damaged == 2, "{damaged} rows are set aside of a schedule and its run state");
            return Ok("run_states: damaged".into());
        };
        ensure!(loaded.damaged_rows == 0, "it is used and set aside");
        let fired = Schedule { definition: Arc::clone(&without[0].definition), ..schedule.clone() };
        let change = Change::Schedule { before: Some(Arc::new(without[0].clone())), after: Some(Arc::new(fired)) };
        self.store.commit(&[change], OutboxCommit::default()).await.context("what was read cannot be written")?;
        let again = self.store.load().await?;
        ensure!(&again.schedules[..] == std::slice::from_ref(schedule), "written and read again it is another one: {again:?}");
        Ok("run_states: read".into())
    }

    /// Nothing but a schedule that can be read.
    async fn insert_neighbour(&self) -> anyhow::Result<()> {
        self.execute(EMPTY).await?;
        self.execute("DELETE FROM damaged_rows").await?;
        let neighbour = NEIGHBOUR.split_once('\n').context("a table")?.1.replace("\"tried\"", "\"intact\"");
        self.insert("schedules", "intact", neighbour.as_bytes()).await
    }

    async fn execute(&self, statements: &'static str) -> anyhow::Result<()> {
        sqlx::raw_sql(statements).execute(&self.direct).await?;
        Ok(())
    }

    /// Writes a row as a damaged disk might leave it: whatever the bytes are, they count as text.
    async fn insert(&self, table: &str, id: &str, body: &[u8]) -> anyhow::Result<()> {
        let statement = match table {
            "schedules" => "INSERT INTO schedules (id, version, body) VALUES (?1, 1, CAST(?2 AS TEXT))",
            "jobs" => {
                "INSERT INTO jobs (id, schedule_id, scheduled_for, target, state, body) VALUES (?1, 'a', 1, 'default', 'PENDING', CAST(?2 AS TEXT))"
            }
            RUN_STATES => "INSERT INTO run_states (id, body) VALUES (?1, CAST(?2 AS TEXT))",
            "pauses" => "INSERT INTO pauses (id, body) VALUES (?1, CAST(?2 AS TEXT))",
            "freezes" => "INSERT INTO freezes (id, body) VALUES (?1, CAST(?2 AS TEXT))",
            "idempotency_keys" => "INSERT INTO idempotency_keys (id, body) VALUES (?1, CAST(?2 AS TEXT))",
            _ => "INSERT INTO audit_outbox (position, event_id, event) VALUES (7, ?1, CAST(?2 AS TEXT))",
        };
        sqlx::query(statement).bind(id).bind(body).execute(&self.direct).await?;
        Ok(())
    }
}

async fn direct(path: &Path) -> SqlitePool {
    // What is tried is reading: nothing has to survive.
    let options = SqliteConnectOptions::new().filename(path).pragma("synchronous", "off");
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("a second connection")
}

/// The id that the body names, as the store would have written it.
fn id_of(table: &str, body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    // A row has an id of its own: that of the neighbour is taken.
    let text = |value: &Value| value.as_str().filter(|id| *id != "intact").unwrap_or("tried").to_owned();
    match table {
        "idempotency_keys" => json!(["caller", "operation", "key"].map(|part| text(&body["id"][part]))).to_string(),
        "audit_outbox" => text(&body["event_id"]),
        "pauses" => body["target"].as_str().map_or_else(|| "targets".to_owned(), |name| format!("target/{name}")),
        _ => text(&body["id"]),
    }
}

fn count(state: &StoredState) -> usize {
    let entities = state.schedules.len() + state.jobs.len() + state.idempotency.len() + state.audit_outbox.len();
    entities + state.pauses.len() + state.freezes.len()
}

fn changes(state: &StoredState) -> (Vec<Change>, Vec<EncodedEvent>) {
    let schedules =
        state.schedules.iter().map(|schedule| Change::Schedule { before: None, after: Some(Arc::new(schedule.clone())) });
    let jobs = state.jobs.iter().map(|job| Change::Job { before: None, after: Some(Arc::new(job.clone())) });
    let answers =
        state.idempotency.iter().map(|record| Change::Idempotency { before: None, after: Some(Arc::new(record.clone())) });
    let pauses = state.pauses.iter().map(|(place, pause)| Change::Pause {
        place: place.clone(),
        before: None,
        after: Some(Arc::new(pause.clone())),
    });
    let freezes = state.freezes.iter().map(|freeze| Change::Freeze { before: None, after: Some(Arc::new(freeze.clone())) });
    (
        schedules.chain(jobs).chain(answers).chain(pauses).chain(freezes).collect(),
        state.audit_outbox.iter().filter_map(|entry| entry.event.as_ref().map(EncodedEvent::from)).collect(),
    )
}
