//! What GET handlers read: a locked copy of the committed state, which the actor updates after every commit.
//!
//! Readers hold the lock for the time it takes to clone some `Arc`s and never wait for the actor; the actor holds it while it
//! applies one batch. Only committed changes get here.

mod figures;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use chrono::TimeDelta;
use parking_lot::RwLock;

pub(super) use self::figures::Load;
pub use self::figures::{Contact, Counts, JobKey, JobQuery, Page, QueueLengths, ScheduleQuery};
use super::sorted::Sorted;
use super::watch::{JobWatch, Watchers};
use crate::domain::access::Access;
use crate::domain::catalog::Catalog;
use crate::domain::holds::Holds;
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::{Job, JobState};
use crate::domain::ports::Change;
use crate::domain::schedule::Schedule;
use crate::domain::target_state::TargetState;
use crate::domain::time::Timestamp;

/// How far back `succeeded_jobs_24h` and `failed_jobs_24h` look.
const RECENT: TimeDelta = TimeDelta::hours(24);

/// A shared, read-locked view of the committed state. Cheap to clone.
#[derive(Clone, Default)]
pub struct ReadView {
    inner: Arc<RwLock<Inner>>,
    watchers: Watchers,
}

#[derive(Default)]
struct Inner {
    schedules: BTreeMap<ScheduleId, Arc<Schedule>>,
    enabled_schedules: usize,
    paused_schedules: usize,
    jobs: BTreeMap<JobKey, Arc<Job>>,
    created_at: HashMap<JobId, Timestamp>,
    jobs_of_schedule: HashMap<ScheduleId, Sorted<JobKey>>,
    by_state: HashMap<JobState, BTreeSet<JobKey>>,
    /// Ends of jobs that succeeded and that failed.
    succeeded: BTreeSet<JobKey>,
    failed: BTreeSet<JobKey>,
    /// Targets of which something is out of the ordinary.
    targets: BTreeMap<String, Arc<TargetState>>,
    /// Pauses and freezes.
    holds: Arc<Holds>,
    /// Jobs that wait and run, by target.
    queues: BTreeMap<String, QueueLengths>,
    /// What targets answered last.
    contacts: BTreeMap<String, Contact>,
}

impl ReadView {
    /// One schedule.
    pub fn schedule(&self, id: &ScheduleId) -> Option<Arc<Schedule>> {
        self.inner.read().schedules.get(id).cloned()
    }

    /// A target's state, when something is out of the ordinary.
    pub fn target(&self, name: &str) -> Option<Arc<TargetState>> {
        self.inner.read().targets.get(name).cloned()
    }

    /// Pauses and freezes.
    pub fn holds(&self) -> Arc<Holds> {
        Arc::clone(&self.inner.read().holds)
    }

    /// A target's jobs that wait and run, and what it answered last.
    pub fn target_work(&self, name: &str) -> (QueueLengths, Option<Contact>) {
        let inner = self.inner.read();
        (inner.queues.get(name).copied().unwrap_or_default(), inner.contacts.get(name).cloned())
    }

    /// Schedules in order of their ids; `catalog` knows the members of groups.
    pub fn schedules(&self, query: &ScheduleQuery, catalog: &Catalog) -> Page<Arc<Schedule>, ScheduleId> {
        let inner = self.inner.read();
        let from = query.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = |schedule: &Schedule| {
            query.enabled.is_none_or(|enabled| schedule.definition.enabled == enabled)
                && query.target.as_ref().is_none_or(|target| schedule.definition.target.includes(target, catalog))
                && query.labels.selects(&schedule.definition.labels)
                && schedule.is_within(&query.access, catalog)
        };
        let found = inner.schedules.range::<ScheduleId, _>((from, Bound::Unbounded)).map(|(_, schedule)| schedule);
        page(found.filter(|schedule| wanted(schedule)).cloned(), query.limit, |schedule| schedule.id.clone())
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Option<Arc<Job>> {
        let inner = self.inner.read();
        inner.jobs.get(&(*inner.created_at.get(&id)?, id)).cloned()
    }

    /// One job, with all that becomes of it from now on.
    pub fn watch(&self, id: JobId) -> Option<JobWatch> {
        self.watchers.join(id, || self.job(id))
    }

    /// How many jobs somebody waits for.
    pub fn watched_jobs(&self) -> usize {
        self.watchers.len()
    }

    /// Ends all waits, now and from now on.
    pub(super) fn end_watches(&self) {
        self.watchers.close();
    }

    /// What waiting jobs wait for.
    pub(super) fn load(&self) -> Load {
        let inner = self.inner.read();
        let running = inner.in_state(JobState::Running).len();
        Load { running, queues: inner.queues.clone(), targets: inner.targets.clone() }
    }

    /// Jobs, newest first.
    pub fn jobs(&self, query: &JobQuery) -> Page<Arc<Job>, JobKey> {
        let inner = self.inner.read();
        let before = query.before.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (Bound::Unbounded, before);
        let wanted = |job: &Job| {
            query.state.is_none_or(|state| job.state == state)
                && query.active.is_none_or(|active| job.is_active() == active)
                && query.schedule_id.as_ref().is_none_or(|id| job.schedule_id == *id)
                && query.target.as_ref().is_none_or(|target| job.target == *target)
                && query.fire_id.is_none_or(|id| job.fire_id() == id)
                && job.is_within(&query.access)
        };
        // The jobs of a fire are of one schedule, that of its first job.
        let first_of_fire = query.fire_id.map(|id| inner.created_at.get(&id).and_then(|at| inner.jobs.get(&(*at, id))));
        let schedule_id = match (&query.schedule_id, first_of_fire) {
            (None, Some(Some(first))) => Some(&first.schedule_id),
            (schedule_id, _) => schedule_id.as_ref(),
        };
        // The smallest index that holds all wanted jobs; the filter above does the rest.
        let keys: Box<dyn Iterator<Item = &JobKey> + '_> = match (schedule_id, query.state, query.active) {
            (Some(id), _, _) => match inner.jobs_of_schedule.get(id) {
                Some(keys) => Box::new(keys.before(query.before.as_ref()).rev()),
                None => Box::new(std::iter::empty()),
            },
            (None, Some(state), _) => Box::new(inner.in_state(state).range(range).rev()),
            (None, None, Some(true)) => {
                let [pending, running] =
                    [JobState::Pending, JobState::Running].map(|state| inner.in_state(state).range(range).rev());
                Box::new(merged(pending, running))
            }
            _ => Box::new(inner.jobs.range(range).rev().map(|(key, _)| key)),
        };
        let found = keys.filter_map(|key| inner.jobs.get(key)).filter(|job| wanted(job)).cloned();
        page(found, query.limit, |job| job_key(job))
    }

    /// All schedules' ids, last success and next run, for the gauges; at most `limit`, in order of their ids.
    pub fn schedule_times(&self, limit: usize) -> Vec<(ScheduleId, Option<Timestamp>, Option<Timestamp>)> {
        let inner = self.inner.read();
        let times = |schedule: &Arc<Schedule>| (schedule.id.clone(), schedule.run.last_success_at, schedule.run.next_run_at);
        inner.schedules.values().take(limit).map(times).collect()
    }

    /// The figures as they are at `now`.
    pub fn counts(&self, now: Timestamp) -> Counts {
        let inner = self.inner.read();
        let since = (now - RECENT, JobId(uuid::Uuid::nil()));
        Counts {
            total_schedules: inner.schedules.len(),
            enabled_schedules: inner.enabled_schedules,
            paused_schedules: inner.paused_schedules,
            pending_jobs: inner.in_state(JobState::Pending).len(),
            running_jobs: inner.in_state(JobState::Running).len(),
            // Jobs are pruned after a day, as a rule, so the few older ones are quicker counted than the others.
            succeeded_jobs_24h: inner.succeeded.len() - inner.succeeded.range(..since).count(),
            failed_jobs_24h: inner.failed.len() - inner.failed.range(..since).count(),
        }
    }

    /// The figures of what a limited caller may see. Looks at every schedule and job, which the figures of all do not.
    pub fn counts_within(&self, now: Timestamp, access: &Access, catalog: &Catalog) -> Counts {
        if access.is_unlimited() {
            return self.counts(now);
        }
        let inner = self.inner.read();
        let mut counts = Counts::default();
        for schedule in inner.schedules.values().filter(|schedule| schedule.is_within(access, catalog)) {
            counts.total_schedules += 1;
            counts.enabled_schedules += usize::from(schedule.definition.enabled);
            counts.paused_schedules += usize::from(schedule.run.pause.is_some());
        }
        for job in inner.jobs.values().filter(|job| job.is_within(access)) {
            let recent = job.finished_at.is_some_and(|at| at >= now - RECENT);
            match job.state {
                JobState::Pending => counts.pending_jobs += 1,
                JobState::Running => counts.running_jobs += 1,
                JobState::Succeeded => counts.succeeded_jobs_24h += usize::from(recent),
                JobState::Failed => counts.failed_jobs_24h += usize::from(recent),
                JobState::Cancelled | JobState::Skipped => {}
            }
        }
        counts
    }

    /// Shows a state as it was loaded, in place of all that was there.
    pub(super) fn reset<'a>(
        &self,
        schedules: impl Iterator<Item = &'a Arc<Schedule>>,
        jobs: impl Iterator<Item = &'a Arc<Job>>,
        holds: Holds,
    ) {
        let mut fresh = Inner { holds: Arc::new(holds), ..Inner::default() };
        // Made at once, of what stands in order already.
        let counted = schedules.inspect(|schedule| fresh.count_schedule(schedule));
        fresh.schedules = counted.map(|schedule| (schedule.id.clone(), Arc::clone(schedule))).collect();
        jobs.for_each(|job| fresh.replace_job(None, Some(job)));
        let mut inner = self.inner.write();
        fresh.targets = std::mem::take(&mut inner.targets);
        fresh.contacts = std::mem::take(&mut inner.contacts);
        *inner = fresh;
        drop(inner);
        self.watchers.tell_all(|id| self.job(id));
    }

    /// Applies committed changes, all under one lock.
    pub(super) fn publish(&self, changes: &[Change]) {
        let mut inner = self.inner.write();
        for change in changes {
            match change {
                Change::Schedule { before, after } => inner.replace_schedule(before.as_deref(), after.as_ref()),
                Change::Job { before, after } => inner.replace_job(before.as_deref(), after.as_ref()),
                Change::Target { name, after: Some(target), .. } => {
                    inner.targets.insert(name.clone(), Arc::clone(target));
                }
                Change::Target { name, after: None, .. } => drop(inner.targets.remove(name)),
                Change::Pause { place, after, .. } => Arc::make_mut(&mut inner.holds).set_pause(place, after.clone()),
                Change::Freeze { before, after } => {
                    let id = before.iter().chain(after).map(|freeze| freeze.id).next();
                    id.iter().for_each(|id| Arc::make_mut(&mut inner.holds).set_freeze(*id, after.clone()));
                }
                Change::Idempotency { .. } | Change::BundleInstalled { .. } => {}
            }
        }
        drop(inner);
        self.watchers.tell(changes);
    }

    /// Notes what targets answered.
    pub(super) fn note_contacts(&self, contacts: Vec<(String, Contact)>) {
        if !contacts.is_empty() {
            self.inner.write().contacts.extend(contacts);
        }
    }
}

impl Inner {
    fn replace_schedule(&mut self, before: Option<&Schedule>, after: Option<&Arc<Schedule>>) {
        if let Some(before) = before {
            if after.is_none() {
                self.schedules.remove(&before.id);
            }
            self.enabled_schedules -= usize::from(before.definition.enabled);
            self.paused_schedules -= usize::from(before.run.pause.is_some());
        }
        if let Some(after) = after {
            self.schedules.insert(after.id.clone(), Arc::clone(after));
            self.count_schedule(after);
        }
    }

    fn count_schedule(&mut self, schedule: &Schedule) {
        self.enabled_schedules += usize::from(schedule.definition.enabled);
        self.paused_schedules += usize::from(schedule.run.pause.is_some());
    }

    fn replace_job(&mut self, before: Option<&Job>, after: Option<&Arc<Job>>) {
        if let Some(before) = before {
            let key = job_key(before);
            self.jobs.remove(&key);
            self.created_at.remove(&before.id);
            if self.jobs_of_schedule.get_mut(&before.schedule_id).is_some_and(|keys| keys.remove(&key)) {
                self.jobs_of_schedule.remove(&before.schedule_id);
            }
            if let Some(keys) = self.by_state.get_mut(&before.state) {
                keys.remove(&key);
            }
            if let Some((ends, end)) = self.ends(before) {
                ends.remove(&end);
            }
            self.count(before, |length| *length -= 1);
        }
        if let Some(after) = after {
            let key = job_key(after);
            self.jobs.insert(key, Arc::clone(after));
            self.created_at.insert(after.id, after.created_at);
            self.jobs_of_schedule.entry(after.schedule_id.clone()).or_default().insert(key);
            self.by_state.entry(after.state).or_default().insert(key);
            if let Some((ends, end)) = self.ends(after) {
                ends.insert(end);
            }
            self.count(after, |length| *length += 1);
        }
    }

    /// Counts a job in or out of its target's queue.
    fn count(&mut self, job: &Job, count: impl FnOnce(&mut usize)) {
        if !job.is_active() {
            return;
        }
        if !self.queues.contains_key(&job.target) {
            self.queues.insert(job.target.clone(), QueueLengths::default());
        }
        if let Some(queue) = self.queues.get_mut(&job.target) {
            count(if job.state == JobState::Pending { &mut queue.pending } else { &mut queue.running });
        }
    }

    fn in_state(&self, state: JobState) -> &BTreeSet<JobKey> {
        static NONE: BTreeSet<JobKey> = BTreeSet::new();
        self.by_state.get(&state).unwrap_or(&NONE)
    }

    fn ends(&mut self, job: &Job) -> Option<(&mut BTreeSet<JobKey>, JobKey)> {
        let end = (job.finished_at?, job.id);
        match job.state {
            JobState::Succeeded => Some((&mut self.succeeded, end)),
            JobState::Failed => Some((&mut self.failed, end)),
            _ => None,
        }
    }
}

fn job_key(job: &Job) -> JobKey {
    (job.created_at, job.id)
}

/// Two descending sequences as one.
fn merged<'a>(
    one: impl Iterator<Item = &'a JobKey> + 'a,
    other: impl Iterator<Item = &'a JobKey> + 'a,
) -> impl Iterator<Item = &'a JobKey> + 'a {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(first), Some(second)) if first >= second => one.next(),
        (Some(_), None) => one.next(),
        _ => other.next(),
    })
}

fn page<T, K>(found: impl Iterator<Item = T>, limit: usize, key: impl Fn(&T) -> K) -> Page<T, K> {
    let mut items: Vec<T> = found.take(limit.saturating_add(1)).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(key) } else { None };
    Page { items, next }
}
