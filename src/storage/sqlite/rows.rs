//! Changes as rows: JSON arrays that one statement each writes.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::audit::AuditEvent;
use crate::domain::fields::printable;
use crate::domain::idempotency::{IdempotencyId, IdempotencyRecord};
use crate::domain::job::Job;
use crate::domain::ports::{Change, OutboxCommit, OutboxEntry};
use crate::domain::schedule::Schedule;

/// What a commit writes, as JSON arrays of a bounded length; none where there is nothing.
pub(super) struct Rows {
    pub schedules: Vec<String>,
    pub deleted_schedules: Vec<String>,
    pub jobs: Vec<String>,
    pub deleted_jobs: Vec<String>,
    pub answers: Vec<String>,
    pub deleted_answers: Vec<String>,
    pub bundles: Vec<String>,
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
    target: &'a str,
    state: &'a str,
    body: String,
}

impl Rows {
    pub fn of(changes: &[Change]) -> Result<Self, serde_json::Error> {
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
                // Found out anew by every service.
                Change::Target { .. } => {}
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
        target: &job.target,
        state: job.state.as_str(),
        body: serde_json::to_string(job)?,
    })
}

/// What is stored whole in a row of its own.
pub(in crate::storage) trait Entity: DeserializeOwned + Send + 'static {
    /// The id of its row.
    fn row_id(&self) -> Result<String, serde_json::Error>;

    /// Why it cannot be worked with, although it has the right form.
    fn fault(&self) -> Option<String> {
        None
    }
}

impl Entity for Schedule {
    fn row_id(&self) -> Result<String, serde_json::Error> {
        Ok(self.id.to_string())
    }
}

impl Entity for Job {
    fn row_id(&self) -> Result<String, serde_json::Error> {
        Ok(self.id.to_string())
    }

    /// What a task is told stands at its position in the definition: the rules take it for granted that it is there.
    fn fault(&self) -> Option<String> {
        let stray = self.tasks.iter().find(|task| task.position >= self.definition.tasks.len())?;
        Some(format!("the task '{}' is none of the definition's", printable(&stray.name)))
    }
}

impl Entity for IdempotencyRecord {
    fn row_id(&self) -> Result<String, serde_json::Error> {
        answer_id(&self.id)
    }
}

/// Reads a row. Its body has to name the row's id: under another one it would stand beside the entity whose id it is, and no change or
/// removal would ever meet the row.
///
/// # Errors
/// Says in words what is wrong with the row.
pub(in crate::storage) fn entity<T: Entity>(id: &[u8], body: &[u8]) -> Result<T, String> {
    let entity: T = json(body)?;
    let own = entity.row_id().map_err(|error| error.to_string())?;
    if own.as_bytes() != id {
        return Err(format!("the body is that of {}", printable(&own)));
    }
    entity.fault().map_or(Ok(entity), Err)
}

/// Reads the bytes of a text, which need not be one on a damaged disk.
pub(in crate::storage) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct OutboxRow {
    position: u64,
    event_id: Uuid,
    event: String,
}

pub(super) fn outbox_rows(outbox: OutboxCommit<'_>) -> Result<Vec<String>, serde_json::Error> {
    let row = |(position, event): (u64, &AuditEvent)| {
        Ok(OutboxRow { position, event_id: event.event_id, event: serde_json::to_string(event)? })
    };
    let rows: Vec<OutboxRow> = (outbox.first_position..).zip(outbox.events).map(row).collect::<Result<_, serde_json::Error>>()?;
    array(&rows)
}

pub(super) fn outbox_entry(position: i64, event_id: &[u8], body: Option<&[u8]>) -> Result<OutboxEntry, String> {
    let words = |error: &dyn std::error::Error| error.to_string();
    let entry = OutboxEntry {
        position: u64::try_from(position).map_err(|error| words(&error))?,
        event_id: Uuid::try_parse_ascii(event_id).map_err(|error| words(&error))?,
        event: body.map(json::<AuditEvent>).transpose()?,
    };
    match &entry.event {
        // The trail is searched for the one id and given the other: the event would be appended at every start.
        Some(event) if event.event_id != entry.event_id => Err(format!("the body is that of {}", event.event_id)),
        _ => Ok(entry),
    }
}

/// A position as SQLite keeps it. Positions count up from 1 and do not come near the limit.
pub(super) fn signed(position: u64) -> i64 {
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

/// Rows of one statement. A batch has some hundreds of changes; what is decided at a start can be a hundred thousand, and a value in
/// SQLite has a limit.
const ROWS_PER_STATEMENT: usize = 1000;

fn array<T: Serialize>(rows: &[T]) -> Result<Vec<String>, serde_json::Error> {
    rows.chunks(ROWS_PER_STATEMENT).map(serde_json::to_string).collect()
}
