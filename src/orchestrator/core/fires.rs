//! Fires: from a schedule's next time to a job that waits or was skipped; missed fires; the clock that goes back.

use std::sync::Arc;

use chrono::TimeDelta;

use super::Step;
use super::state::Due;
use crate::domain::cron;
use crate::domain::holds::Hold;
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::{Job, JobState, JobTask, Reason, Trigger};
use crate::domain::schedule::{MisfirePolicy, Schedule, ScheduleDefinition};
use crate::domain::task;
use crate::domain::time::{Timestamp, format_timestamp};

/// A running service never counts a fire as missed before it is this late, however short the configured grace: a timer wakes late
/// by milliseconds, and a storm of fires takes a second or two.
const ALWAYS_ON_TIME: TimeDelta = TimeDelta::seconds(60);

/// Which fires count as missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lateness {
    /// The service was running: a fire within the misfire grace is on time.
    Running,
    /// The service was not running: every fire before its start was missed.
    Restarted,
}

impl Step<'_> {
    /// Deals with up to `limit` things that are due, so that a storm of fires does not hold up everybody else; says with how many.
    pub fn tick(&mut self, limit: usize) -> usize {
        let mut dealt_with = 0;
        while dealt_with < limit
            && let Some(due) = self.first_due()
        {
            match due {
                Due::PauseEnds(place) => self.pause_ends(&place),
                Due::Fire(id) => self.fire(&id, Lateness::Running),
                Due::Job(id) => self.job_due(id),
                Due::Target(name) => self.target_due(&name),
            }
            dealt_with += 1;
        }
        self.admit();
        dealt_with
    }

    /// After a restart: jobs whose window closed while they waited.
    pub fn end_waits_that_are_over(&mut self) {
        let due = self.state.due.iter().take_while(|(at, _)| *at <= self.now);
        let jobs: Vec<JobId> = due.filter_map(|(_, due)| if let Due::Job(id) = due { Some(*id) } else { None }).collect();
        jobs.into_iter().for_each(|id| self.job_due(id));
    }

    /// After a restart: every fire that lies in the past was missed.
    pub fn catch_up_after_restart(&mut self) {
        let late: Vec<ScheduleId> = self
            .state
            .schedules
            .values()
            .filter(|schedule| schedule.run.next_run_at.is_some_and(|at| at <= self.now))
            .map(|schedule| schedule.id.clone())
            .collect();
        for id in late {
            self.fire(&id, Lateness::Restarted);
        }
    }

    /// After the wall clock went back: schedules whose next time now lies further ahead than their expression says are set anew.
    /// Fires that already have a job do not get another.
    pub fn rearm(&mut self) {
        let schedules: Vec<Arc<Schedule>> =
            self.state.schedules.values().filter(|schedule| schedule.definition.enabled).cloned().collect();
        for schedule in schedules {
            let next = schedule.definition.cron.next_after(self.now);
            if next.is_some() && (schedule.run.next_run_at.is_none() || next < schedule.run.next_run_at) {
                self.put_run_state(&schedule, |run| run.next_run_at = next);
            }
        }
    }

    fn first_due(&self) -> Option<Due> {
        let mut due = self.state.due.iter().take_while(|(at, _)| *at <= self.now).map(|(_, due)| due);
        due.find(|due| !self.state.draining || matches!(due, Due::Job(_))).cloned()
    }

    fn fire(&mut self, id: &ScheduleId, lateness: Lateness) {
        let Some(schedule) = self.state.schedules.get(id).cloned() else { return };
        let Some(first) = schedule.run.next_run_at.filter(|at| *at <= self.now) else { return };
        let expression = &schedule.definition.cron;
        let (further, last) = expression.matches_between(first, self.now);
        let latest = last.unwrap_or(first);
        let next = expression.next_after(self.now);
        let now = self.now;
        self.put_run_state(&schedule, |run| {
            run.next_run_at = next;
            run.skip_next.take_if(|skip| skip.scheduled_for <= now);
        });

        let age = cron::lateness(latest, self.now);
        let on_time = lateness == Lateness::Running && age <= self.rules.misfire_grace.max(ALWAYS_ON_TIME);
        let makes_up = schedule.definition.misfire_policy == MisfirePolicy::RunOnce && self.may_catch_up(&schedule, latest, age);
        let trigger = match (on_time, makes_up) {
            (true, _) => Some(Trigger::Cron),
            (false, true) => Some(Trigger::CatchUp),
            (false, false) => None,
        };
        let missed = further + u64::from(trigger.is_none());
        if missed > 0 {
            self.record_missed(&schedule, first, missed);
        }
        let Some(trigger) = trigger else { return };
        let jobs = self.new_fire(&schedule, trigger, latest);
        if on_time && !jobs.is_empty() {
            self.lateness.push(age);
        }
        for job in jobs {
            // By the schedule as it was: what it was told to leave out has been taken off it above.
            let hold = self.state.holds.on_fire(&schedule, &job.target, latest, self.now);
            self.queue_or_skip(job, hold);
        }
    }

    /// The jobs of a fire, one for each target; without those that it has already.
    fn new_fire(&self, schedule: &Schedule, trigger: Trigger, scheduled_for: Timestamp) -> Vec<Job> {
        let targets = schedule.definition.target.resolve(&self.rules.catalog);
        let left = targets.into_iter().filter(|target| !self.state.has_fired(&schedule.id, scheduled_for, target));
        self.new_jobs(schedule, &left.collect::<Vec<_>>(), trigger, scheduled_for)
    }

    /// The latest missed fire is made up for when it is young enough, or its window is still open. A whole-day window never
    /// closes; a window that does not bind cannot stay open, so then only the age counts.
    fn may_catch_up(&self, schedule: &Schedule, latest: Timestamp, age: TimeDelta) -> bool {
        let definition = &schedule.definition;
        let still_open = definition.enforce_window
            && (definition.window.is_whole_day()
                || definition.window.closes_after(latest).is_some_and(|closes| self.now < closes));
        age < self.rules.misfire_grace || still_open
    }

    /// One job for each target stands for all missed fires; it is scheduled for the first of them.
    fn record_missed(&mut self, schedule: &Arc<Schedule>, first: Timestamp, missed: u64) {
        let fires = if missed == 1 { "1 fire was missed".to_owned() } else { format!("{missed} fires were missed") };
        for job in self.new_fire(schedule, Trigger::Cron, first) {
            let message = format!("{fires}, the first at {}", format_timestamp(first));
            self.put_skipped(None, job, Reason::Misfired, message);
        }
    }

    /// New jobs of one fire, one for each target, that have not been put into the state yet.
    pub(super) fn new_jobs(&self, schedule: &Schedule, targets: &[&str], trigger: Trigger, scheduled_for: Timestamp) -> Vec<Job> {
        let definition = &schedule.definition;
        let names = task::resolved_names(&definition.tasks);
        let order = task::execution_order(&definition.tasks).unwrap_or_else(|_| (0..definition.tasks.len()).collect());
        let waiting =
            |&position: &usize| JobTask::waiting(names[position].clone(), definition.tasks[position].task_type, position);
        let mut jobs: Vec<Job> = Vec::with_capacity(targets.len());
        for target in targets {
            let tasks = order.iter().map(waiting).collect();
            let plan = (schedule.id.clone(), Arc::clone(definition));
            let job = self.job_of(plan, (*target).to_owned(), tasks, trigger, scheduled_for);
            jobs.push(Job { first_of_fire: jobs.first().map(|first| first.id), ..job });
        }
        jobs
    }

    /// A job that waits, of a plan and its tasks.
    pub(super) fn job_of(
        &self,
        (schedule_id, definition): (ScheduleId, Arc<ScheduleDefinition>),
        target: String,
        tasks: Vec<JobTask>,
        trigger: Trigger,
        scheduled_for: Timestamp,
    ) -> Job {
        Job {
            id: JobId(self.ids.new_uuid(self.now)),
            schedule_id,
            tasks,
            definition,
            target,
            first_of_fire: None,
            trigger,
            scheduled_for,
            state: JobState::Pending,
            reason: None,
            error_message: None,
            requested_by: None,
            retry_of: None,
            forced: false,
            created_at: self.now,
            started_at: None,
            finished_at: None,
            cancel_requested_by: None,
            aborting: false,
        }
    }

    /// Outside the window, paused or frozen: skipped. Another job of the schedule is active: skipped. Otherwise it waits for a slot.
    pub(super) fn queue_or_skip(&mut self, job: Job, hold: Option<Hold>) {
        if let Some(window) = job.binding_window().filter(|window| !window.contains(self.now)) {
            let message = window.excludes(self.now);
            self.put_skipped(None, job, Reason::OutsideWindow, message);
        } else if let Some(Hold { reason, message }) = hold {
            self.put_skipped(None, job, reason, message);
        } else if let Some(active) = self.blocking_job(&job.schedule_id, &job.target) {
            let message = format!("job {active} of this schedule was still active");
            self.put_skipped(None, job, Reason::Overlap, message);
        } else {
            self.put_job(None, job);
        }
    }

    /// The active job of a schedule beside which none may run on a target: one on the same target, or one that an earlier version of
    /// the schedule left on a target that is not its any more.
    pub(super) fn blocking_job(&self, schedule: &ScheduleId, target: &str) -> Option<JobId> {
        let current = self.state.schedules.get(schedule).map(|schedule| &schedule.definition.target);
        let is_current = |target: &str| current.is_some_and(|targets| targets.includes(target, &self.rules.catalog));
        let mut active = self.state.active_jobs(schedule);
        active.find(|job| job.target == target || !is_current(&job.target)).map(|job| job.id)
    }
}
