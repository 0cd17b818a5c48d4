//! Changes as rows, and rows as what they were.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::audit::AuditEvent;
use crate::domain::fields::printable;
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::{IdempotencyId, IdempotencyRecord};
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::Job;
use crate::domain::pause::{Pause, PausePlace};
use crate::domain::ports::{Change, OutboxEntry};
use crate::domain::schedule::{RunState, Schedule};

/// What a commit writes: of several changes to one entity the last, by the order of their ids.
pub(super) struct Rows<'a> {
    pub new_schedules: Vec<&'a Schedule>,
    /// Those that were edited.
    pub schedules: Vec<&'a Schedule>,
    /// Those of which only the run state changed.
    pub runs: Vec<RunRow<'a>>,
    pub new_jobs: Vec<&'a Job>,
    pub jobs: Vec<&'a Job>,
    pub answers: Vec<&'a IdempotencyRecord>,
    pub pauses: Vec<PauseRow>,
    pub freezes: Vec<&'a Freeze>,
    /// Ids to delete and names to note, as JSON arrays of a bounded length; none where there is nothing.
    pub deleted_schedules: Vec<String>,
    /// Run states that are not newer than their schedule any more, or have no schedule any more.
    pub deleted_runs: Vec<String>,
    pub deleted_jobs: Vec<String>,
    pub deleted_answers: Vec<String>,
    pub deleted_pauses: Vec<String>,
    pub deleted_freezes: Vec<String>,
    pub bundles: Vec<String>,
}

impl<'a> Rows<'a> {
    pub fn of(changes: &'a [Change]) -> Result<Self, serde_json::Error> {
        let mut schedules: BTreeMap<&str, Ends<Schedule>> = BTreeMap::new();
        let mut jobs: BTreeMap<JobId, Ends<Job>> = BTreeMap::new();
        let mut answers = BTreeMap::new();
        let (mut pauses, mut freezes) = (BTreeMap::new(), BTreeMap::new());
        let mut bundles = Vec::new();
        for change in changes {
            match change {
                Change::Schedule { before, after } => {
                    for schedule in before.iter().chain(after) {
                        let ends = schedules.entry(schedule.id.as_str()).or_insert((before.as_deref(), None));
                        ends.1 = after.as_deref();
                    }
                }
                Change::Job { before, after } => {
                    for job in before.iter().chain(after) {
                        let ends = jobs.entry(job.id).or_insert((before.as_deref(), None));
                        ends.1 = after.as_deref();
                    }
                }
                Change::Idempotency { before, after } => {
                    for record in before.iter().chain(after) {
                        answers.insert(&record.id, after.as_deref());
                    }
                }
                Change::Pause { place, after, .. } => drop(pauses.insert(place, after.as_deref())),
                Change::Freeze { before, after } => {
                    for freeze in before.iter().chain(after) {
                        freezes.insert(freeze.id, after.as_deref());
                    }
                }
                Change::BundleInstalled { name } => bundles.push(name.as_str()),
                // Found out anew by every service.
                Change::Target { .. } => {}
            }
        }
        let (mut new_schedules, mut edited, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut deleted_schedules, mut deleted_runs) = (Vec::new(), Vec::new());
        for (id, ends) in schedules {
            match ends {
                (Some(before), Some(after)) if after.differs_at_most_in_run_state(before) => runs.push(RunRow::of(after)),
                (None, after) => new_schedules.extend(after),
                (Some(_), after) => {
                    edited.extend(after);
                    deleted_schedules.extend(after.is_none().then_some(id));
                    deleted_runs.push(id);
                }
            }
        }
        let (mut new_jobs, mut changed, mut deleted_jobs) = (Vec::new(), Vec::new(), Vec::new());
        for (id, ends) in jobs {
            match ends {
                (None, after) => new_jobs.extend(after),
                (Some(_), Some(after)) => changed.push(after),
                (Some(_), None) => deleted_jobs.push(id.to_string()),
            }
        }
        let deleted_answers: Vec<String> =
            answers.iter().filter(|(_, after)| after.is_none()).map(|(id, _)| answer_id(id)).collect::<Result<_, _>>()?;
        let deleted_pauses: Vec<String> =
            pauses.iter().filter(|(_, after)| after.is_none()).map(|(place, _)| place.object()).collect();
        let deleted_freezes: Vec<String> =
            freezes.iter().filter(|(_, after)| after.is_none()).map(|(id, _)| id.to_string()).collect();
        let pauses = pauses.into_iter().filter_map(|(place, pause)| Some(PauseRow::new(place, pause?)));
        Ok(Self {
            pauses: pauses.collect(),
            freezes: freezes.into_values().flatten().collect(),
            deleted_pauses: array(&deleted_pauses)?,
            deleted_freezes: array(&deleted_freezes)?,
            new_schedules,
            schedules: edited,
            runs,
            new_jobs,
            jobs: changed,
            answers: answers.into_values().flatten().collect(),
            deleted_schedules: array(&deleted_schedules)?,
            deleted_runs: array(&deleted_runs)?,
            deleted_jobs: array(&deleted_jobs)?,
            deleted_answers: array(&deleted_answers)?,
            bundles: array(&bundles)?,
        })
    }
}

/// An entity as it was before the first change of a commit, and as it is after the last.
type Ends<'a, T> = (Option<&'a T>, Option<&'a T>);

/// What a schedule's runs left behind, as a row.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::storage) struct RunRow<'a> {
    pub schedule_id: ScheduleId,
    pub run: Cow<'a, RunState>,
}

impl<'a> RunRow<'a> {
    fn of(schedule: &'a Schedule) -> Self {
        Self { schedule_id: schedule.id.clone(), run: Cow::Borrowed(&schedule.run) }
    }
}

/// A pause as a row: of a target, or of all.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::storage) struct PauseRow {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(flatten)]
    pause: Pause,
}

impl PauseRow {
    fn new(place: &PausePlace, pause: &Pause) -> Self {
        let target = if let PausePlace::Target(name) = place { Some(name.clone()) } else { None };
        Self { target, pause: pause.clone() }
    }

    /// The pause, and what it is of.
    pub fn into_parts(self) -> (PausePlace, Pause) {
        (self.target.map_or(PausePlace::All, PausePlace::Target), self.pause)
    }
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

impl Entity for RunRow<'static> {
    fn row_id(&self) -> Result<String, serde_json::Error> {
        Ok(self.schedule_id.to_string())
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

impl Entity for PauseRow {
    fn row_id(&self) -> Result<String, serde_json::Error> {
        let place = self.target.clone().map_or(PausePlace::All, PausePlace::Target);
        Ok(place.object())
    }
}

impl Entity for Freeze {
    fn row_id(&self) -> Result<String, serde_json::Error> {
        Ok(self.id.to_string())
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

/// Three texts as one that no three others make.
pub(super) fn answer_id(id: &IdempotencyId) -> Result<String, serde_json::Error> {
    let IdempotencyId { caller, operation, key } = id;
    serde_json::to_string(&[caller, operation, key])
}

/// Ids of one statement. A batch has some hundreds of changes; what is decided at a start can be a hundred thousand, and a value in
/// SQLite has a limit.
const IDS_PER_STATEMENT: usize = 1000;

fn array<T: Serialize>(ids: &[T]) -> Result<Vec<String>, serde_json::Error> {
    ids.chunks(IDS_PER_STATEMENT).map(serde_json::to_string).collect()
}
