//! Writes the rows of a commit: many with one statement, because a statement costs a change of threads.
//!
//! A statement takes a power of two of rows, so that a few statements write any number and each of them is prepared once.

use std::sync::{Arc, LazyLock};

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, Transaction};

use super::rows::{Entity, PauseRow, Rows, RunRow, answer_id, signed};
use crate::domain::audit::EncodedEvent;
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::IdempotencyRecord;
use crate::domain::job::Job;
use crate::domain::ports::{Change, OutboxCommit};
use crate::domain::schedule::Schedule;

/// Rows of the longest statement: 2 to the power of this. SQLite takes 32,766 values in one; beyond some hundred rows nothing is gained.
const LARGEST_POWER: u32 = 8;

type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// One table's statements, the shortest first.
struct Statements {
    columns: usize,
    texts: Vec<String>,
}

impl Statements {
    /// `into` names the table and its columns, `conflict` says what happens to a row that is there already. A statement without it that
    /// fails leaves what it has done: the transaction that it belongs to is rolled back anyway, and SQLite need not keep every page as
    /// it was before.
    fn new(into: &str, columns: usize, conflict: &str) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let statement = |power: u32| {
            format!("INSERT OR FAIL INTO {into} VALUES {} {conflict}", vec![row.as_str(); 1_usize << power].join(", "))
        };
        Self { columns, texts: (0..=LARGEST_POWER).map(statement).collect() }
    }

    /// Of a table with nothing but ids and bodies.
    fn of_bodies(table: &str) -> Self {
        Self::new(&format!("{table} (id, body)"), 2, "ON CONFLICT (id) DO UPDATE SET body = excluded.body")
    }

    /// The longest statement for at most so many rows, and how many it writes. There is at least one row.
    fn longest(&self, rows: usize) -> (usize, &str) {
        let power = rows.ilog2().min(LARGEST_POWER);
        (1 << power, &self.texts[power as usize])
    }
}

const SCHEDULE_COLUMNS: &str = "schedules (id, version, body)";
const JOB_COLUMNS: &str = "jobs (id, schedule_id, scheduled_for, target, state, body)";

static NEW_SCHEDULES: LazyLock<Statements> = LazyLock::new(|| Statements::new(SCHEDULE_COLUMNS, 3, ""));
static SCHEDULES: LazyLock<Statements> = LazyLock::new(|| {
    let conflict = "ON CONFLICT (id) DO UPDATE SET version = excluded.version, body = excluded.body";
    Statements::new(SCHEDULE_COLUMNS, 3, conflict)
});
static RUNS: LazyLock<Statements> = LazyLock::new(|| Statements::of_bodies("run_states"));
static NEW_JOBS: LazyLock<Statements> = LazyLock::new(|| Statements::new(JOB_COLUMNS, 6, ""));
static JOBS: LazyLock<Statements> = LazyLock::new(|| {
    let conflict = "ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body";
    Statements::new(JOB_COLUMNS, 6, conflict)
});
static ANSWERS: LazyLock<Statements> = LazyLock::new(|| Statements::of_bodies("idempotency_keys"));
static PAUSES: LazyLock<Statements> = LazyLock::new(|| Statements::of_bodies("pauses"));
static FREEZES: LazyLock<Statements> = LazyLock::new(|| Statements::of_bodies("freezes"));
static OUTBOX: LazyLock<Statements> = LazyLock::new(|| Statements::new("audit_outbox (position, event_id, event)", 3, ""));

/// What most bodies need, so that they are not moved while they are written.
const USUAL_BODY_BYTES: usize = 1024;

fn body(entity: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
    serde_json::to_writer(&mut body, entity)?;
    String::from_utf8(body).map_err(serde::ser::Error::custom)
}

/// A value of a row.
enum Cell {
    Text(String),
    Shared(Arc<str>),
    Number(i64),
}

impl Cell {
    fn bind<'q>(self, statement: Statement<'q>) -> Statement<'q> {
        match self {
            Self::Text(text) => statement.bind(text),
            Self::Shared(text) => statement.bind(text),
            Self::Number(number) => statement.bind(number),
        }
    }
}

/// What is written as a row.
trait Row {
    /// Adds its values, in the order of its statement's columns.
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error>;
}

fn id_and_body(id: String, entity: &impl serde::Serialize, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
    cells.extend([Cell::Text(id), Cell::Text(body(entity)?)]);
    Ok(())
}

impl Row for &Schedule {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        cells.extend([Cell::Text(self.id.to_string()), Cell::Number(signed(self.version)), Cell::Text(body(self)?)]);
        Ok(())
    }
}

impl Row for RunRow<'_> {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        id_and_body(self.schedule_id.to_string(), self, cells)
    }
}

impl Row for &Job {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        cells.extend([
            Cell::Text(self.id.to_string()),
            Cell::Text(self.schedule_id.to_string()),
            Cell::Number(self.scheduled_for.timestamp_millis()),
            Cell::Text(self.target.clone()),
            Cell::Text(self.state.as_str().to_owned()),
            Cell::Text(body(self)?),
        ]);
        Ok(())
    }
}

impl Row for &IdempotencyRecord {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        id_and_body(answer_id(&self.id)?, self, cells)
    }
}

impl Row for PauseRow {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        id_and_body(self.row_id()?, self, cells)
    }
}

impl Row for &Freeze {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        id_and_body(self.row_id()?, self, cells)
    }
}

/// An event of the outbox and its position.
impl Row for (u64, &EncodedEvent) {
    fn write(&self, cells: &mut Vec<Cell>) -> Result<(), serde_json::Error> {
        let (position, event) = self;
        let event_id = Cell::Text(event.event_id.to_string());
        cells.extend([Cell::Number(signed(*position)), event_id, Cell::Shared(Arc::clone(event.json()))]);
        Ok(())
    }
}

/// New or changed rows of one table, value by value.
struct TableRows {
    statements: &'static Statements,
    cells: Vec<Cell>,
}

impl TableRows {
    fn of<R: Row>(statements: &'static Statements, rows: &[R]) -> Result<Self, serde_json::Error> {
        let mut cells = Vec::with_capacity(rows.len() * statements.columns);
        rows.iter().try_for_each(|row| row.write(&mut cells))?;
        Ok(Self { statements, cells })
    }

    async fn insert(self, transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
        let Self { statements, cells } = self;
        let mut rows = cells.len() / statements.columns;
        let mut cells = cells.into_iter();
        while rows > 0 {
            let (count, text) = statements.longest(rows);
            let values = cells.by_ref().take(count * statements.columns);
            let statement = values.fold(sqlx::query(text), |statement, cell| cell.bind(statement));
            statement.execute(&mut **transaction).await?;
            rows -= count;
        }
        Ok(())
    }
}

/// The changes of a commit, written down: what is left to do is the database's.
pub(super) struct Written {
    /// Statements, each with the ids or names that it is about.
    statements: Vec<(&'static str, String)>,
    tables: Vec<TableRows>,
}

impl Written {
    pub fn of(changes: &[Change]) -> Result<Self, serde_json::Error> {
        let rows = Rows::of(changes)?;
        let tables = vec![
            TableRows::of(&NEW_SCHEDULES, &rows.new_schedules)?,
            TableRows::of(&SCHEDULES, &rows.schedules)?,
            TableRows::of(&RUNS, &rows.runs)?,
            TableRows::of(&NEW_JOBS, &rows.new_jobs)?,
            TableRows::of(&JOBS, &rows.jobs)?,
            TableRows::of(&ANSWERS, &rows.answers)?,
            TableRows::of(&PAUSES, &rows.pauses)?,
            TableRows::of(&FREEZES, &rows.freezes)?,
        ];
        let statements = [
            ("DELETE FROM schedules WHERE id IN (SELECT value FROM json_each(?1))", rows.deleted_schedules),
            ("DELETE FROM run_states WHERE id IN (SELECT value FROM json_each(?1))", rows.deleted_runs),
            ("DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(?1))", rows.deleted_jobs),
            ("DELETE FROM idempotency_keys WHERE id IN (SELECT value FROM json_each(?1))", rows.deleted_answers),
            ("DELETE FROM pauses WHERE id IN (SELECT value FROM json_each(?1))", rows.deleted_pauses),
            ("DELETE FROM freezes WHERE id IN (SELECT value FROM json_each(?1))", rows.deleted_freezes),
            ("INSERT OR IGNORE INTO installed_bundles (name) SELECT value FROM json_each(?1)", rows.bundles),
        ];
        let statements = statements.into_iter().flat_map(|(text, chunks)| chunks.into_iter().map(move |chunk| (text, chunk)));
        Ok(Self { statements: statements.collect(), tables })
    }

    /// About how much it is: most of it is text.
    pub fn bytes(&self) -> u64 {
        let length = |cell: &Cell| if let Cell::Text(text) = cell { text.len() } else { 0 };
        self.tables.iter().flat_map(|table| &table.cells).map(length).sum::<usize>() as u64
    }

    /// Puts them into the database, and events into the outbox.
    pub async fn put(self, transaction: &mut Transaction<'_, Sqlite>, outbox: OutboxCommit<'_>) -> Result<(), sqlx::Error> {
        for (statement, ids) in self.statements {
            sqlx::query(statement).bind(ids).execute(&mut **transaction).await?;
        }
        for table in self.tables {
            table.insert(transaction).await?;
        }
        let events: Vec<(u64, &EncodedEvent)> = (outbox.first_position..).zip(outbox.events).collect();
        let events = TableRows::of(&OUTBOX, &events).map_err(|error| sqlx::Error::Encode(error.into()))?;
        events.insert(transaction).await
    }
}
