//! The rules: what a command, a fire or the end of an attempt does to schedules and jobs.
//!
//! Everything here is a function of (state, input, now). A [`Step`] gathers the changes and effects of one batch and applies each
//! change to the state at once, so that the next input of the batch sees it; if the batch cannot be committed, [`State::undo`]
//! takes the changes back. No clock, no I/O, no randomness: time, ids and jitter are inputs.
//!
//! Invariants, checked by property tests after every input (`tests.rs`): a fire starts at most one job; a schedule has at most one
//! active job; no task starts outside a window that binds; a terminal state is never left; a retry repeats no task
//! that succeeded; a key has one effect; undo restores the state exactly.

mod admission;
mod attempts;
mod commands;
mod fires;
mod holds;
mod idempotency;
mod lifecycle;
mod record;
mod runs;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

pub(super) use attempts::AttemptId;
pub(super) use idempotency::Operation;
pub(super) use record::AuditRecord;
use record::Transition;
pub(super) use state::State;

use crate::domain::audit::{AuditEvent, AuditOutcome};
use crate::domain::catalog::Catalog;
use crate::domain::ids::JobId;
use crate::domain::job::Job;
use crate::domain::ports::{Change, IdSource, TaskCall};
use crate::domain::principal::Caller;
use crate::domain::schedule::Schedule;
use crate::domain::time::Timestamp;

/// The configured figures that the rules need.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Most jobs that run at once, over all targets.
    pub max_concurrent_jobs: usize,
    /// Most schedules.
    pub max_schedules: usize,
    /// How long jobs are kept after their end.
    pub job_retention: TimeDelta,
    /// How late a fire may be and still count as on time.
    pub misfire_grace: TimeDelta,
    /// How long a job waits for a target that lets nothing start, when no window ends the wait sooner.
    pub queue_timeout: TimeDelta,
    /// Targets and recipes.
    pub catalog: Arc<Catalog>,
}

/// What has to be done outside once the changes are committed.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    /// Make this attempt.
    StartAttempt(Box<TaskCall>),
    /// Stop the attempt of this job that is under way.
    StopAttempt(JobId),
    /// Let go of the attempt of this job without stopping the work on the target.
    AbandonAttempt(JobId),
    /// Ask this target whether a job may start on it.
    AskTarget(String),
}

/// One batch in the making.
pub(super) struct Step<'a> {
    pub state: &'a mut State,
    pub rules: &'a Rules,
    pub ids: &'a dyn IdSource,
    pub now: Timestamp,
    pub changes: Vec<Change>,
    pub effects: Vec<Effect>,
    pub audit: Vec<AuditRecord>,
    /// How late the fires of this batch were.
    pub lateness: Vec<TimeDelta>,
}

/// What a batch came to: to be committed, then performed and recorded.
#[derive(Default)]
pub(super) struct Decided {
    pub changes: Vec<Change>,
    pub effects: Vec<Effect>,
    pub audit: Vec<AuditRecord>,
    pub lateness: Vec<TimeDelta>,
}

impl Decided {
    /// What was decided after it.
    pub fn extend(&mut self, later: Self) {
        self.changes.extend(later.changes);
        self.effects.extend(later.effects);
        self.audit.extend(later.audit);
        self.lateness.extend(later.lateness);
    }
}

impl<'a> Step<'a> {
    pub fn new(state: &'a mut State, rules: &'a Rules, ids: &'a dyn IdSource, now: Timestamp) -> Self {
        Self { state, rules, ids, now, changes: Vec::new(), effects: Vec::new(), audit: Vec::new(), lateness: Vec::new() }
    }

    /// Ends the batch.
    pub fn decided(self) -> Decided {
        Decided { changes: self.changes, effects: self.effects, audit: self.audit, lateness: self.lateness }
    }

    /// Decides one command so that it fails alone: what a refused one had begun is taken back.
    pub fn alone<T, E>(&mut self, decide: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let marks = self.marks();
        let result = decide(self);
        if result.is_err() {
            self.take_back(marks);
        }
        result
    }

    /// Decides one command to see what would come of it, and takes all of it back.
    pub fn tried<T, E>(&mut self, decide: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let marks = self.marks();
        let result = decide(self);
        self.take_back(marks);
        result
    }

    fn marks(&self) -> [usize; 3] {
        [self.changes.len(), self.effects.len(), self.audit.len()]
    }

    /// Takes back what was decided since.
    fn take_back(&mut self, [changes, effects, audit]: [usize; 3]) {
        let begun = self.changes.split_off(changes);
        self.state.undo(&begun);
        self.effects.truncate(effects);
        self.audit.truncate(audit);
    }

    fn put_schedule(&mut self, before: Option<Arc<Schedule>>, after: Option<Schedule>) -> Option<Arc<Schedule>> {
        let after = after.map(Arc::new);
        self.push(Change::Schedule { before, after: after.clone() });
        after
    }

    /// Changes a schedule's run state; not an edit.
    fn put_run_state(&mut self, before: &Arc<Schedule>, change: impl FnOnce(&mut crate::domain::schedule::RunState)) {
        let mut after = Schedule::clone(before);
        change(&mut after.run);
        if after.run != before.run {
            self.put_schedule(Some(Arc::clone(before)), Some(after));
        }
    }

    fn put_job(&mut self, before: Option<Arc<Job>>, after: Job) -> Arc<Job> {
        let after = Arc::new(after);
        if before.as_ref().is_none_or(|before| before.state != after.state) {
            let event_id = self.ids.new_uuid(self.now);
            let (before, after) = (before.clone(), Arc::clone(&after));
            self.audit.push(AuditRecord::Transition(Transition { event_id, at: self.now, before, after }));
        }
        self.push(Change::Job { before, after: Some(Arc::clone(&after)) });
        after
    }

    fn push(&mut self, change: Change) {
        self.state.apply(&change);
        self.changes.push(change);
    }

    fn record(&mut self, event: AuditEvent) {
        self.audit.push(event.into());
    }

    /// Records a command that was carried out.
    fn audit_command(&mut self, caller: &Caller, action: &str, object: String, before: Option<Value>, after: Option<Value>) {
        let outcome = if before == after { AuditOutcome::Unchanged } else { AuditOutcome::Succeeded };
        self.record(AuditEvent {
            event_id: self.ids.new_uuid(self.now),
            time: self.now,
            actor: caller.subject.clone(),
            action: action.to_owned(),
            object,
            outcome,
            request_id: caller.request_id.clone(),
            address: caller.address,
            before,
            after,
            detail: None,
        });
    }

    /// Records what the service did by itself.
    fn audit_own(
        &mut self,
        actor: &str,
        action: &str,
        object: String,
        (before, after): (Option<Value>, Option<Value>),
        detail: String,
    ) {
        self.record(AuditEvent {
            event_id: self.ids.new_uuid(self.now),
            time: self.now,
            actor: actor.to_owned(),
            action: action.to_owned(),
            object,
            outcome: AuditOutcome::Succeeded,
            request_id: None,
            address: None,
            before,
            after,
            detail: Some(detail),
        });
    }
}

/// A schedule as it stands in the audit trail.
fn schedule_record(schedule: &Schedule) -> Value {
    let mut document = schedule.definition.to_document();
    document["id"] = json!(schedule.id);
    document["cron_expression"] = json!(schedule.definition.cron);
    document["version"] = json!(schedule.version);
    document
}
