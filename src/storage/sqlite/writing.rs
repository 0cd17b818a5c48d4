//! Writes the rows of a commit: many with one statement, because a statement costs a change of threads.
//!
//! A statement takes a power of two of rows, so that a few statements write any number and each of them is prepared once.

use std::sync::{Arc, LazyLock};

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, Transaction};

use super::rows::{Entity, PauseRow, Rows, answer_id, signed};
use crate::domain::audit::EncodedEvent;
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::IdempotencyRecord;
use crate::domain::job::Job;
use crate::domain::ports::OutboxCommit;
use crate::domain::schedule::Schedule;

/// Rows of the longest statement: 2 to the power of this. SQLite takes 32,766 values in one; beyond some hundred rows nothing is gained.
const LARGEST_POWER: u32 = 8;

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// One table's statements, the shortest first.
struct Statements(Vec<String>);

impl Statements {
    /// `into` names the table and its columns, `conflict` says what happens to a row that is there already.
    fn new(into: &str, columns: usize, conflict: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let statement =
            |power: u32| format!("INSERT INTO {into} VALUES {} {conflict}", vec![row.as_str(); 1_usize << power].join(", "));
        Self((0..=LARGEST_POWER).map(statement).collect())
    }

    /// The longest statement for at most so many rows, and how many it writes. There is at least one row.
    fn longest(&self, rows: usize) -> (usize, &str) {
        let power = rows.ilog2().min(LARGEST_POWER);
        (1 << power, &self.0[power as usize])
    }
}

static SCHEDULES: LazyLock<Statements> = LazyLock::new(|| {
    let conflict = "ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body";
    Statements::new("schedules (id, version, body)", 3, conflict)
});
static JOBS: LazyLock<Statements> = LazyLock::new(|| {
    let conflict = "ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body";
    Statements::new("jobs (id, schedule_id, scheduled_for, target, state, body)", 6, conflict)
});
static ANSWERS: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("idempotency_keys (id, body)", 2, "ON CONFLICT (id) DO UPDATE SET body = excluded.body"));
static PAUSES: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("pauses (id, body)", 2, "ON CONFLICT (id) DO UPDATE SET body = excluded.body"));
static FREEZES: LazyLock<Statements> =
    LazyLock::new(|| Statements::new("freezes (id, body)", 2, "ON CONFLICT (id) DO UPDATE SET body = excluded.body"));
static OUTBOX: LazyLock<Statements> = LazyLock::new(|| Statements::new("audit_outbox (position, event_id, event)", 3, ""));

/// What is written as a row: its values, in the order of its statement's columns.
trait Row {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error>;
}

impl Row for &Schedule {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error> {
        Ok(statement.bind(self.id.to_string()).bind(signed(self.version)).bind(serde_json::to_string(self)?))
    }
}

impl Row for &Job {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error> {
        let statement = statement.bind(self.id.to_string()).bind(self.schedule_id.to_string());
        let statement = statement.bind(self.scheduled_for.timestamp_millis()).bind(self.target.clone());
        Ok(statement.bind(self.state.as_str()).bind(serde_json::to_string(self)?))
    }
}

impl Row for &IdempotencyRecord {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error> {
        Ok(statement.bind(answer_id(&self.id)?).bind(serde_json::to_string(self)?))
    }
}

impl Row for PauseRow {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error> {
        Ok(statement.bind(self.row_id()?).bind(serde_json::to_string(self)?))
    }
}

impl Row for &Freeze {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error> {
        Ok(statement.bind(self.row_id()?).bind(serde_json::to_string(self)?))
    }
}

/// An event of the outbox and its position.
impl Row for (u64, &EncodedEvent) {
    fn bind<'q>(&self, statement: Statement<'q>) -> Result<Statement<'q>, serde_json::Error> {
        let (position, event) = self;
        Ok(statement.bind(signed(*position)).bind(event.event_id.to_string()).bind(Arc::clone(event.json())))
    }
}

/// Writes what is new or changed.
pub(super) async fn put(
    transaction: &mut Transaction<'_, Sqlite>,
    rows: &Rows<'_>,
    outbox: OutboxCommit<'_>,
) -> Result<(), sqlx::Error> {
    insert(transaction, &SCHEDULES, &rows.schedules).await?;
    insert(transaction, &JOBS, &rows.jobs).await?;
    insert(transaction, &ANSWERS, &rows.answers).await?;
    insert(transaction, &PAUSES, &rows.pauses).await?;
    insert(transaction, &FREEZES, &rows.freezes).await?;
    let events: Vec<(u64, &EncodedEvent)> = (outbox.first_position..).zip(outbox.events).collect();
    insert(transaction, &OUTBOX, &events).await
}

async fn insert<R: Row>(
    transaction: &mut Transaction<'_, Sqlite>,
    statements: &'static Statements,
    mut rows: &[R],
) -> Result<(), sqlx::Error> {
    while !rows.is_empty() {
        let (count, text) = statements.longest(rows.len());
        let (now, later) = rows.split_at(count);
        let bound = now.iter().try_fold(sqlx::query(text), |statement, row| row.bind(statement));
        bound.map_err(|error| sqlx::Error::Encode(error.into()))?.execute(&mut **transaction).await?;
        rows = later;
    }
    Ok(())
}
