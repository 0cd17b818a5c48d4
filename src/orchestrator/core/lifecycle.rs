//! Beginning and end: what was stored, bundles, pruning, draining.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::runs::{end_items, interrupted_message};
use super::state::{State, task_call};
use super::{Effect, Step};
use crate::domain::access::Access;
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::{Job, JobState, Outcome, Reason};
use crate::domain::ports::{Change, StoredState};
use crate::domain::principal::Caller;
use crate::domain::schedule::{Schedule, ScheduleDefinition};
use crate::domain::schedule_input::ScheduleInput;

/// Jobs of one plan share one definition, as they did when they were made: read from the store, each has a copy of its own.
fn share_definitions(schedules: &[Schedule], jobs: Vec<Job>) -> Vec<Job> {
    let mut jobs: Vec<Job> = jobs.into_iter().map(Job::adopt_defaults).collect();
    let mut known: HashMap<ScheduleId, Arc<ScheduleDefinition>> = HashMap::new();
    // Most schedules have no jobs: they fire once a day or less.
    let with_jobs: HashSet<&ScheduleId> = jobs.iter().map(|job| &job.schedule_id).collect();
    let schedules = schedules.iter().filter(|schedule| with_jobs.contains(&schedule.id));
    known.extend(schedules.map(|schedule| (schedule.id.clone(), Arc::clone(&schedule.definition))));
    for job in &mut jobs {
        let shared = known.entry(job.schedule_id.clone()).or_insert_with(|| Arc::clone(&job.definition));
        if **shared == *job.definition {
            job.definition = Arc::clone(shared);
        } else {
            // An older or newer plan than the last one seen; its neighbours in time are likely to have it too.
            *shared = Arc::clone(&job.definition);
        }
    }
    jobs
}

impl State {
    /// The state as it was stored, with nothing decided yet.
    pub fn restore(stored: StoredState) -> Self {
        // The outbox and the damaged rows are no state that anything is decided by.
        let StoredState { schedules, jobs, idempotency, pauses, freezes, installed_bundles, audit_outbox: _, damaged_rows: _ } =
            stored;
        let jobs =
            share_definitions(&schedules, jobs).into_iter().map(|job| Change::Job { before: None, after: Some(Arc::new(job)) });
        let answers = idempotency.into_iter().map(|record| Change::Idempotency { before: None, after: Some(Arc::new(record)) });
        let pauses = pauses.into_iter().map(|(place, pause)| Change::Pause { place, before: None, after: Some(Arc::new(pause)) });
        let freezes = freezes.into_iter().map(|freeze| Change::Freeze { before: None, after: Some(Arc::new(freeze)) });
        let bundles = installed_bundles.into_iter().map(|name| Change::BundleInstalled { name });
        let mut state = Self::of_schedules(schedules.into_iter().map(Arc::new).collect());
        jobs.chain(answers).chain(pauses).chain(freezes).chain(bundles).for_each(|change| state.apply(&change));
        state
    }
}

impl Step<'_> {
    /// After a restart: jobs that were running are over, but for those whose target goes on with what it accepted; waiting ones wait
    /// again, missed fires are dealt with.
    pub fn recover(&mut self) {
        let running: Vec<Arc<Job>> = self.state.jobs.values().filter(|job| job.state == JobState::Running).cloned().collect();
        for job in running {
            if job.can_be_adopted() {
                self.adopt(&job);
            } else {
                self.end_interrupted(job);
            }
        }
        // A job whose window closed meanwhile does not wait for the next night's.
        self.end_waits_that_are_over();
        self.catch_up_after_restart();
        self.admit();
    }

    /// Waits on for work that the target accepted before the service ended. Nothing is sent twice: the call carries the handle.
    fn adopt(&mut self, job: &Arc<Job>) {
        let Some(index) = job.running_task() else { return };
        let call = task_call(job, index, &self.rules.catalog);
        tracing::info!(job_id = %job.id, task = %call.task_name, "taken up again: the target accepted it before the service ended");
        self.effects.push(Effect::StartAttempt(Box::new(call)));
        if job.cancel_requested_by.is_some() || job.aborting {
            self.effects.push(Effect::StopAttempt(job.id));
        }
    }

    fn end_interrupted(&mut self, job: Arc<Job>) {
        let mut next = Job::clone(&job);
        if let Some(index) = next.running_task() {
            let message = "the service ended while this task ran; check on the target whether it was carried out";
            let task = &mut next.tasks[index];
            if let Some(item) = task.running_item_mut() {
                item.outcome = Some(Outcome::Unknown);
                item.error_message = Some(message.to_owned());
                item.end(JobState::Failed, self.now);
            }
            end_items(task, "the service ended before this call", self.now);
            task.outcome = Some(Outcome::Unknown);
            task.error_message = Some(message.to_owned());
            self.end_task(&mut next, index, JobState::Failed);
        }
        self.skip_rest(&mut next, "the service ended before this task");
        let message = interrupted_message(job.started_at);
        self.end_job(job, next, JobState::Failed, Some(Reason::Interrupted), Some(message));
    }

    /// Installs a bundle's schedule, unless that was done at some time before.
    pub fn install_bundle(&mut self, name: &str, input: ScheduleInput) {
        if self.state.installed_bundles.contains(name) {
            return;
        }
        let caller = Caller { subject: "system:bundles".to_owned(), request_id: None, address: None, access: Access::UNLIMITED };
        self.push(Change::BundleInstalled { name: name.to_owned() });
        // An operator's schedule of the same id is left alone.
        if let Err(error) = self.create_schedule(&caller, input) {
            tracing::warn!(bundle = name, %error, "bundle not installed");
        }
    }

    /// Removes what has been kept for long enough: jobs that ended longer ago than the retention time, answers under
    /// idempotency keys, and freezes that are over as long. Oldest first, at most `limit` of each; true when more are left.
    pub fn prune(&mut self, limit: usize) -> bool {
        let more_jobs = self.prune_jobs(limit);
        let more_answers = self.prune_answers(limit);
        self.prune_freezes();
        more_jobs || more_answers
    }

    fn prune_jobs(&mut self, limit: usize) -> bool {
        let before = self.now - self.rules.job_retention;
        let mut old = self.state.ended.iter().take_while(|(ended, _)| *ended < before).map(|(_, id)| *id);
        let pruned: Vec<JobId> = old.by_ref().take(limit).collect();
        let more = old.next().is_some();
        for id in &pruned {
            let job = self.state.jobs.get(id).cloned();
            self.push(Change::Job { before: job, after: None });
        }
        if !pruned.is_empty() {
            let detail = format!("{} jobs that ended before {before}", pruned.len());
            self.audit_own("system:retention", "prune_jobs", "jobs".to_owned(), (None, None), detail);
        }
        more
    }
}
