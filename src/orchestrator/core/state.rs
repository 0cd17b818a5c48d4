//! Schedules, jobs and the indices over them. Every index is a function of the entities, so applying a change is removing what
//! was there before and adding what is there after, and undoing it is the reverse.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::catalog::Catalog;
use crate::domain::holds::Holds;
use crate::domain::idempotency::{IdempotencyId, IdempotencyRecord};
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::{Job, JobState};
use crate::domain::pause::{Pause, PausePlace};
use crate::domain::ports::{Change, TaskCall};
use crate::domain::schedule::Schedule;
use crate::domain::target_state::TargetState;
use crate::domain::time::Timestamp;
use crate::orchestrator::sorted::Sorted;

/// Something that has to be looked at when its time comes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::orchestrator) enum Due {
    /// A pause ends by itself. Before fires: a fire at that moment runs.
    PauseEnds(PausePlace),
    /// A running job's next attempt or the moment at which it is stopped, or the end of a waiting job's window. Before fires: a job
    /// that ends makes room.
    Job(JobId),
    /// A target is to be asked whether jobs may start on it.
    Target(String),
    /// A schedule's next fire.
    Fire(ScheduleId),
}

/// One target's waiting jobs, oldest fire first, and the number of its running ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TargetQueue {
    pub pending: BTreeSet<(Timestamp, JobId)>,
    pub running: usize,
}

/// A few jobs: nearly always one, and there are as many of these as schedules.
type Jobs = Sorted<JobId>;

#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::orchestrator) struct State {
    pub(super) schedules: BTreeMap<ScheduleId, Arc<Schedule>>,
    pub(super) jobs: BTreeMap<JobId, Arc<Job>>,
    pub(super) installed_bundles: BTreeSet<String>,
    /// Answers by the key under which they were given.
    pub(super) idempotency: BTreeMap<IdempotencyId, Arc<IdempotencyRecord>>,
    pub(super) answers_by_expiry: BTreeSet<(Timestamp, IdempotencyId)>,
    pub(super) due: BTreeSet<(Timestamp, Due)>,
    pub(super) active: HashMap<ScheduleId, Jobs>,
    /// Fires that have jobs, one on each target.
    pub(super) fires: HashMap<(ScheduleId, Timestamp), Jobs>,
    pub(super) ended: BTreeSet<(Timestamp, JobId)>,
    pub(super) queues: BTreeMap<String, TargetQueue>,
    pub(super) running: usize,
    /// Pauses and freezes.
    pub(super) holds: Holds,
    /// Targets of which something is out of the ordinary. Not stored.
    pub(super) targets: BTreeMap<String, Arc<TargetState>>,
    /// Set at shutdown: nothing new starts.
    pub(super) draining: bool,
}

impl State {
    /// The earliest time at which something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let first = self.due.iter().find(|(_, due)| !self.draining || matches!(due, Due::Job(_)));
        first.map(|(at, _)| *at)
    }

    /// All schedules.
    pub fn schedules(&self) -> impl Iterator<Item = &Arc<Schedule>> {
        self.schedules.values()
    }

    /// All jobs.
    pub fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.jobs.values()
    }

    /// Pauses and freezes.
    pub fn holds(&self) -> &Holds {
        &self.holds
    }

    /// A target as it is known.
    pub fn target(&self, name: &str) -> Option<&Arc<TargetState>> {
        self.targets.get(name)
    }

    /// What is known of all targets, to be carried over when the stored part of the state is read again.
    pub fn targets(&self) -> Vec<(String, Arc<TargetState>)> {
        self.targets.iter().map(|(name, target)| (name.clone(), Arc::clone(target))).collect()
    }

    /// A schedule's jobs that wait or run.
    pub fn active_jobs(&self, schedule: &ScheduleId) -> impl Iterator<Item = &Arc<Job>> {
        self.active.get(schedule).into_iter().flat_map(Jobs::iter).filter_map(|id| self.jobs.get(id))
    }

    /// The jobs of the fire that a job came of, itself included.
    pub fn jobs_of_fire(&self, job: &Job) -> impl Iterator<Item = &Arc<Job>> {
        let fire = self.fires.get(&(job.schedule_id.clone(), job.scheduled_for));
        fire.into_iter().flat_map(Jobs::iter).filter_map(|id| self.jobs.get(id))
    }

    /// True when a fire has a job on a target.
    pub fn has_fired(&self, schedule: &ScheduleId, scheduled_for: Timestamp, target: &str) -> bool {
        let fire = self.fires.get(&(schedule.clone(), scheduled_for));
        fire.into_iter().flat_map(Jobs::iter).filter_map(|id| self.jobs.get(id)).any(|job| job.target == target)
    }

    /// From now on nothing new starts; running jobs go on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// True once nothing new is to start.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// The attempts that should be under way.
    pub fn attempts_under_way(&self, catalog: &Catalog) -> impl Iterator<Item = TaskCall> {
        self.jobs.values().filter(|job| job.state == JobState::Running).filter_map(|job| {
            let index = job.running_task().filter(|&index| job.tasks[index].retry_at.is_none())?;
            Some(task_call(job, index, catalog))
        })
    }

    /// Jobs under way.
    pub fn running_jobs(&self) -> usize {
        self.running
    }

    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Schedule { before, after } => {
                before.iter().for_each(|schedule| self.forget_schedule(schedule));
                match (before, after) {
                    (_, Some(schedule)) => self.put_schedule(schedule),
                    (Some(schedule), None) => drop(self.schedules.remove(&schedule.id)),
                    (None, None) => {}
                }
            }
            Change::Job { before, after } => {
                before.iter().for_each(|job| self.remove_job(job));
                after.iter().for_each(|job| self.insert_job(job));
            }
            Change::Idempotency { before, after } => {
                before.iter().for_each(|record| self.remove_answer(record));
                after.iter().for_each(|record| self.insert_answer(record));
            }
            Change::Target { name, before, after } => {
                if let Some(at) = before.as_ref().and_then(|target| target.ask_at) {
                    self.due.remove(&(at, Due::Target(name.clone())));
                }
                match after {
                    Some(target) => {
                        self.due.extend(target.ask_at.map(|at| (at, Due::Target(name.clone()))));
                        self.targets.insert(name.clone(), Arc::clone(target));
                    }
                    None => drop(self.targets.remove(name)),
                }
            }
            Change::Pause { place, before, after } => {
                let due = |pause: &Option<Arc<Pause>>| {
                    let until = pause.as_ref().and_then(|pause| pause.until)?;
                    Some((until, Due::PauseEnds(place.clone())))
                };
                if let Some(due) = due(before) {
                    self.due.remove(&due);
                }
                self.due.extend(due(after));
                self.holds.set_pause(place, after.clone());
            }
            Change::Freeze { before, after } => {
                before.iter().for_each(|freeze| self.holds.set_freeze(freeze.id, None));
                after.iter().for_each(|freeze| self.holds.set_freeze(freeze.id, Some(Arc::clone(freeze))));
            }
            Change::BundleInstalled { name } => {
                self.installed_bundles.insert(name.clone());
            }
        }
    }

    /// Takes changes back that could not be committed.
    pub fn undo(&mut self, changes: &[Change]) {
        for change in changes.iter().rev() {
            match change {
                Change::Schedule { before, after } => {
                    self.apply(&Change::Schedule { before: after.clone(), after: before.clone() })
                }
                Change::Job { before, after } => self.apply(&Change::Job { before: after.clone(), after: before.clone() }),
                Change::Idempotency { before, after } => {
                    self.apply(&Change::Idempotency { before: after.clone(), after: before.clone() })
                }
                Change::Pause { place, before, after } => {
                    self.apply(&Change::Pause { place: place.clone(), before: after.clone(), after: before.clone() });
                }
                Change::Freeze { before, after } => {
                    self.apply(&Change::Freeze { before: after.clone(), after: before.clone() });
                }
                Change::Target { name, before, after } => {
                    self.apply(&Change::Target { name: name.clone(), before: after.clone(), after: before.clone() });
                }
                Change::BundleInstalled { name } => {
                    self.installed_bundles.remove(name);
                }
            }
        }
    }

    /// A state of nothing but schedules. A tree that is made of many at once takes a fraction of what it takes to insert each.
    pub(super) fn of_schedules(schedules: Vec<Arc<Schedule>>) -> Self {
        Self {
            due: schedules.iter().flat_map(|schedule| schedule_due(schedule)).collect(),
            schedules: schedules.into_iter().map(|schedule| (schedule.id.clone(), schedule)).collect(),
            ..Self::default()
        }
    }

    fn put_schedule(&mut self, schedule: &Arc<Schedule>) {
        self.due.extend(schedule_due(schedule));
        self.schedules.insert(schedule.id.clone(), Arc::clone(schedule));
    }

    /// Nothing of it is due any more.
    fn forget_schedule(&mut self, schedule: &Schedule) {
        for due in schedule_due(schedule) {
            self.due.remove(&due);
        }
    }

    fn insert_job(&mut self, job: &Arc<Job>) {
        if let Some(at) = job_due(job) {
            self.due.insert((at, Due::Job(job.id)));
        }
        match job.state {
            JobState::Pending => {
                self.queue(job).pending.insert((job.scheduled_for, job.id));
            }
            JobState::Running => {
                self.queue(job).running += 1;
                self.running += 1;
            }
            _ => {
                self.ended.insert((ended_at(job), job.id));
            }
        }
        if job.is_active() {
            self.active.entry(job.schedule_id.clone()).or_default().insert(job.id);
        }
        self.fires.entry((job.schedule_id.clone(), job.scheduled_for)).or_default().insert(job.id);
        self.jobs.insert(job.id, Arc::clone(job));
    }

    fn remove_job(&mut self, job: &Job) {
        if let Some(at) = job_due(job) {
            self.due.remove(&(at, Due::Job(job.id)));
        }
        match job.state {
            JobState::Pending => {
                self.queue(job).pending.remove(&(job.scheduled_for, job.id));
            }
            JobState::Running => {
                self.queue(job).running -= 1;
                self.running -= 1;
            }
            _ => {
                self.ended.remove(&(ended_at(job), job.id));
            }
        }
        if self.queues.get(&job.target).is_some_and(|queue| *queue == TargetQueue::default()) {
            self.queues.remove(&job.target);
        }
        if self.active.get_mut(&job.schedule_id).is_some_and(|active| active.remove(&job.id)) {
            self.active.remove(&job.schedule_id);
        }
        let fire = (job.schedule_id.clone(), job.scheduled_for);
        if self.fires.get_mut(&fire).is_some_and(|jobs| jobs.remove(&job.id)) {
            self.fires.remove(&fire);
        }
        self.jobs.remove(&job.id);
    }

    fn insert_answer(&mut self, record: &Arc<IdempotencyRecord>) {
        self.answers_by_expiry.insert((record.expires_at(), record.id.clone()));
        self.idempotency.insert(record.id.clone(), Arc::clone(record));
    }

    fn remove_answer(&mut self, record: &IdempotencyRecord) {
        self.answers_by_expiry.remove(&(record.expires_at(), record.id.clone()));
        self.idempotency.remove(&record.id);
    }

    fn queue(&mut self, job: &Job) -> &mut TargetQueue {
        self.queues.entry(job.target.clone()).or_default()
    }
}

/// A schedule's next fire, and the end of its pause where that comes by itself.
fn schedule_due(schedule: &Schedule) -> impl Iterator<Item = (Timestamp, Due)> {
    let fire = schedule.run.next_run_at.map(|at| (at, Due::Fire(schedule.id.clone())));
    let until = schedule.run.pause.as_ref().and_then(|pause| pause.until);
    let pause_ends = until.map(|until| (until, Due::PauseEnds(PausePlace::Schedule(schedule.id.clone()))));
    fire.into_iter().chain(pause_ends)
}

/// When a job has to be looked at though nothing reports: its next attempt, the moment at which it is stopped, or the end of the
/// window in which it waits.
fn job_due(job: &Job) -> Option<Timestamp> {
    match job.state {
        JobState::Pending => job.binding_window()?.closes_after(job.created_at),
        JobState::Running => job.tasks.iter().find_map(|task| task.retry_at).into_iter().chain(job.abort_at()).min(),
        _ => None,
    }
}

/// The attempt at task `index` that the job's record speaks of.
pub(super) fn task_call(job: &Job, index: usize, catalog: &Catalog) -> TaskCall {
    let task = &job.tasks[index];
    let spec = &job.definition.tasks[task.position];
    let item = task.running_item();
    let parameters = match item {
        Some(item) => task.items[item].parameters.clone(),
        None => catalog.parameters(&job.target, spec).each().first().cloned().unwrap_or_default(),
    };
    TaskCall {
        job_id: job.id,
        task_index: index,
        task_name: task.name.clone(),
        attempt: task.attempts,
        target: job.target.clone(),
        item,
        task_type: task.task_type,
        parameters,
        timeout: spec.timeout_seconds.map(|seconds| Duration::from_secs(seconds.into())),
        checkpoint: task.checkpoint.clone(),
    }
}

fn ended_at(job: &Job) -> Timestamp {
    job.finished_at.unwrap_or(job.created_at)
}
