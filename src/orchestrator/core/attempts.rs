//! Attempts at the calls of a task: what their reports do to the job, when the next one follows, and how they are stopped.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Map, Value};

use super::runs::end_items;
use super::{Effect, Step};
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobItem, JobState, JobTask, Outcome, Reason};
use crate::domain::ports::{AttemptReport, Checkpoint, TaskCall};
use crate::domain::principal::Caller;
use crate::domain::retry;
use crate::domain::task::MAX_ITEMS;

/// Which attempt is spoken of. Whoever speaks of one that is not under way any more (its job was ended by a shutdown) is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::orchestrator) struct AttemptId {
    pub job_id: JobId,
    pub task_index: usize,
    pub attempt: u32,
}

impl AttemptId {
    /// The attempt that a call is.
    pub fn of(call: &TaskCall) -> Self {
        Self { job_id: call.job_id, task_index: call.task_index, attempt: call.attempt }
    }
}

impl Step<'_> {
    /// An attempt gave its verdict. `jitter` is a random number in `[0, 1)` for the backoff.
    pub fn attempt_reported(&mut self, id: AttemptId, report: AttemptReport, jitter: f64) {
        let Some(job) = self.under_way(id) else { return };
        self.note_contact(&job.target, report.answered, report.error_message.as_deref());
        let index = id.task_index;
        let mut next = Job::clone(&job);
        let (idempotent, retry_after, outcome) = (report.idempotent, report.retry_after, report.outcome);
        let discovered = report.discovered.clone();
        note_report(&mut next.tasks[index], report);
        if let Some(found) = discovered.filter(|_| outcome == Outcome::Succeeded) {
            self.take_discovery(job, next, index, found);
        } else if outcome == Outcome::Succeeded {
            self.end_call(job, next, index, JobState::Succeeded);
        } else if let Some(who) = next.cancel_requested_by.clone() {
            let message = format!("cancelled by {who}");
            self.stop_task(&mut next, index, false, message, "the job was cancelled");
            self.next_task(job, next);
        } else if let Some(delay) = self.retry_delay(&next, index, outcome, idempotent, retry_after, jitter) {
            next.tasks[index].retry_at = Some(self.now + delay);
            self.put_job(Some(job), next);
        } else {
            self.end_call(job, next, index, JobState::Failed);
        }
    }

    /// A call of a task has ended. For most tasks it is their only one.
    fn end_call(&mut self, job: Arc<Job>, mut next: Job, index: usize, state: JobState) {
        let task = &mut next.tasks[index];
        task.checkpoint = Checkpoint::default();
        task.progress_pct = None;
        let Some(item) = task.running_item_mut() else {
            self.end_task(&mut next, index, state);
            self.after_task(job, next, index);
            return;
        };
        item.end(state, self.now);
        if state == JobState::Failed && next.definition.halt_on_task_failure {
            end_items(task, "an earlier call failed and the schedule halts on failure", self.now);
        }
        self.next_item(job, next, index);
    }

    /// An attempt found out what there is to do: these calls take the place of the one that asked.
    fn take_discovery(&mut self, job: Arc<Job>, mut next: Job, index: usize, found: Vec<Map<String, Value>>) {
        let task = &mut next.tasks[index];
        let item = task.running_item();
        let others = task.items.len().saturating_sub(usize::from(item.is_some()));
        if others + found.len() > MAX_ITEMS {
            let message = format!("there are {} calls to make, and a task makes at most {MAX_ITEMS}", others + found.len());
            note_report(task, AttemptReport { error_message: Some(message), ..AttemptReport::of(Outcome::Permanent) });
            self.end_call(job, next, index, JobState::Failed);
            return;
        }
        let calls = found.into_iter().map(JobItem::waiting);
        match item {
            Some(item) => drop(task.items.splice(item..=item, calls)),
            None => task.items = calls.collect(),
        }
        task.checkpoint = Checkpoint::default();
        self.next_item(job, next, index);
    }

    /// An attempt leaves something for a later one.
    pub fn checkpoint_reported(&mut self, id: AttemptId, checkpoint: Checkpoint) {
        let Some(job) = self.under_way(id) else { return };
        let mut next = Job::clone(&job);
        next.tasks[id.task_index].checkpoint = checkpoint;
        self.put_job(Some(job), next);
    }

    /// The target says how far it is, 0–100.
    pub fn progress_reported(&mut self, id: AttemptId, percent: u8) {
        let Some(job) = self.under_way(id) else { return };
        if job.tasks[id.task_index].progress_pct != Some(percent) {
            let mut next = Job::clone(&job);
            next.tasks[id.task_index].progress_pct = Some(percent);
            self.put_job(Some(job), next);
        }
    }

    /// An attempt was stopped: on request, or because the window closed.
    pub fn attempt_stopped(&mut self, id: AttemptId, sent: bool) {
        let Some(job) = self.under_way(id) else { return };
        let mut next = Job::clone(&job);
        let by = match &next.cancel_requested_by {
            Some(who) => who.clone(),
            None => "the end of the window".to_owned(),
        };
        let rest = if next.cancel_requested_by.is_some() { "the job was cancelled" } else { "the window had closed" };
        self.stop_task(&mut next, id.task_index, sent, stopped_message(&by, sent), rest);
        if next.cancel_requested_by.is_none() && next.aborting {
            self.end_aborted(job, next, id.task_index);
        } else {
            self.next_task(job, next);
        }
    }

    /// Cancels a job that waits at once, and one that runs when its call has stopped.
    pub(super) fn request_cancel(&mut self, job: &Arc<Job>, caller: &Caller) {
        let mut next = Job::clone(job);
        if next.cancel_requested_by.is_some() {
            return;
        }
        next.cancel_requested_by = Some(caller.subject.clone());
        if next.has_attempt_under_way() {
            self.put_job(Some(Arc::clone(job)), next);
            self.effects.push(Effect::StopAttempt(job.id));
            return;
        }
        if let Some(index) = next.running_task() {
            let message = format!("cancelled by {} before the next attempt", caller.subject);
            self.stop_task(&mut next, index, false, message, "the job was cancelled");
        }
        self.end_cancelled(Arc::clone(job), next);
    }

    /// The window closed on a job that is not to run beyond it.
    pub(super) fn abort(&mut self, job: &Arc<Job>) {
        let mut next = Job::clone(job);
        next.aborting = true;
        if next.has_attempt_under_way() {
            self.put_job(Some(Arc::clone(job)), next);
            self.effects.push(Effect::StopAttempt(job.id));
        } else if let Some(index) = next.running_task() {
            let message = "the window closed before the next attempt".to_owned();
            self.stop_task(&mut next, index, false, message, "the window had closed");
            self.end_aborted(Arc::clone(job), next, index);
        }
    }

    fn end_aborted(&mut self, before: Arc<Job>, mut next: Job, index: usize) {
        self.skip_rest(&mut next, "the window had closed");
        let message = format!("the window {} closed while task '{}' ran", next.definition.window, next.tasks[index].name);
        self.end_job(before, next, JobState::Cancelled, Some(Reason::WindowClosed), Some(message));
    }

    /// The next attempt is due. The window and freezes bind it as they bind a task.
    pub(super) fn retry(&mut self, job: &Arc<Job>, index: usize) {
        let mut next = Job::clone(job);
        let Some(bar) = self.barred(&next) else {
            self.start_attempt(Arc::clone(job), next, index);
            return;
        };
        let task = &mut next.tasks[index];
        if let Some(item) = task.running_item_mut() {
            item.end(JobState::Failed, self.now);
            end_items(task, bar.rest, self.now);
        }
        self.end_task(&mut next, index, JobState::Failed);
        self.skip_rest(&mut next, bar.rest);
        let message = bar.before(&format!("the next attempt at task '{}'", next.tasks[index].name));
        self.end_job(Arc::clone(job), next, JobState::Cancelled, Some(bar.reason), Some(message));
    }

    /// How long to wait before the next attempt; `None` when there is to be none.
    fn retry_delay(
        &self,
        job: &Job,
        index: usize,
        outcome: Outcome,
        idempotent: bool,
        retry_after: Option<Duration>,
        jitter: f64,
    ) -> Option<TimeDelta> {
        let repeatable = outcome == Outcome::Transient || (outcome == Outcome::Unknown && idempotent);
        let task = &job.tasks[index];
        let spec = &job.definition.tasks[task.position];
        let max_attempts = u32::from(spec.max_attempts.unwrap_or(job.definition.max_attempts));
        let attempts = task.attempts_at_call();
        if !repeatable || attempts >= max_attempts {
            return None;
        }
        let delay = TimeDelta::from_std(retry::delay_after(attempts, jitter, retry_after)).ok()?;
        let in_time = job.window_while_running().is_none_or(|window| {
            window.contains(self.now) && window.closes_after(self.now).is_none_or(|closes| self.now + delay < closes)
        });
        in_time.then_some(delay)
    }

    /// The job, if exactly this attempt is under way.
    fn under_way(&self, id: AttemptId) -> Option<Arc<Job>> {
        let job = self.state.jobs.get(&id.job_id).filter(|job| job.state == JobState::Running)?;
        let task = job.tasks.get(id.task_index)?;
        (task.state == JobState::Running && task.attempts == id.attempt && task.retry_at.is_none()).then(|| Arc::clone(job))
    }
}

/// Writes down what an attempt reported: at the call that it was about, and at the task.
fn note_report(task: &mut JobTask, report: AttemptReport) {
    let AttemptReport { outcome, http_status, error_message, result_summary, .. } = report;
    if let Some(item) = task.running_item_mut() {
        item.http_status = http_status;
        item.outcome = Some(outcome);
        item.error_message = error_message.clone();
        item.result_summary = result_summary.clone();
    }
    task.http_status = http_status;
    task.outcome = Some(outcome);
    task.error_message = error_message;
    task.result_summary = result_summary;
    // The next attempt asks anew, but compares with what was there before the first.
    task.checkpoint = Checkpoint { handle: None, accepted_at: None, captured: std::mem::take(&mut task.checkpoint.captured) };
    task.progress_pct = None;
}

/// What a call that was stopped says of itself.
pub(super) fn stopped_message(by: &str, sent: bool) -> String {
    let fate = if sent {
        "its request had been sent: it may have been carried out, or may go on inside the target"
    } else {
        "its request had not been sent"
    };
    format!("stopped by {by}; {fate}")
}
