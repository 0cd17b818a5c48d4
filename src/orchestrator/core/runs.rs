//! Jobs from admission to their end: slots, the order of tasks, attempts and retries, halt, windows, cancellation.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::state::task_call;
use super::{Effect, Step};
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobState, Outcome, Reason};
use crate::domain::ports::AttemptReport;
use crate::domain::principal::Caller;
use crate::domain::retry;
use crate::domain::time::format_timestamp;

/// Jobs looked at in one admission; more than can run at once.
const ADMITTED_AT_ONCE: usize = 2048;

impl Step<'_> {
    /// Starts waiting jobs while there are slots: the oldest fire first, at most the target's number of jobs at a time.
    ///
    /// Looks at a bounded number of jobs: when a window closes on many, their due entries skip the rest, batch by batch.
    pub fn admit(&mut self) {
        for _ in 0..ADMITTED_AT_ONCE {
            if self.state.draining || self.state.running >= self.rules.max_concurrent_jobs {
                return;
            }
            let free = |(name, queue): &(&String, &super::state::TargetQueue)| {
                queue.running < self.rules.catalog.max_concurrent_jobs(name)
            };
            let oldest = self.state.queues.iter().filter(free).filter_map(|(_, queue)| queue.pending.first()).min();
            let Some(job) = oldest.and_then(|(_, id)| self.state.jobs.get(id)).cloned() else { return };
            match job.binding_window().filter(|window| !window.contains(self.now)) {
                Some(window) => self.skip_job(
                    &job,
                    Reason::WindowClosed,
                    format!("the window {window} closed while the job waited for a slot"),
                ),
                None => self.start_job(&job),
            }
        }
    }

    /// A due entry of a job: its next attempt, or the end of the window in which it waits.
    pub(super) fn job_due(&mut self, id: JobId) {
        let Some(job) = self.state.jobs.get(&id).cloned() else { return };
        if job.state == JobState::Pending {
            let window = job.definition.window;
            self.skip_job(&job, Reason::WindowClosed, format!("the window {window} closed while the job waited for a slot"));
        } else if let Some(index) = job.running_task() {
            self.retry(&job, index);
        }
    }

    /// An attempt gave its verdict. `jitter` is a random number in `[0, 1)` for the backoff. Reports on attempts that are not under
    /// way any more (their job was ended by a shutdown) are ignored.
    pub fn attempt_reported(&mut self, id: JobId, task_index: usize, attempt: u32, report: AttemptReport, jitter: f64) {
        let Some(job) = self.under_way(id, task_index, attempt) else { return };
        let mut next = Job::clone(&job);
        let task = &mut next.tasks[task_index];
        task.http_status = report.http_status;
        task.outcome = Some(report.outcome);
        task.error_message = report.error_message;
        task.result_summary = report.result_summary;
        if report.outcome == Outcome::Succeeded {
            self.end_task(&mut next, task_index, JobState::Succeeded);
        } else if let Some(who) = next.cancel_requested_by.clone() {
            next.tasks[task_index].error_message = Some(format!("cancelled by {who}"));
            self.end_task(&mut next, task_index, JobState::Cancelled);
        } else if let Some(delay) =
            self.retry_delay(&next, task_index, report.outcome, report.idempotent, report.retry_after, jitter)
        {
            next.tasks[task_index].retry_at = Some(self.now + delay);
            self.put_job(Some(job), next);
            return;
        } else {
            self.end_task(&mut next, task_index, JobState::Failed);
            if next.definition.halt_on_task_failure {
                let message = first_failure(&next);
                self.skip_rest(&mut next, "an earlier task failed and the schedule halts on failure");
                self.end_job(job, next, JobState::Failed, Some(Reason::Halted), message);
                return;
            }
        }
        self.next_task(job, next);
    }

    /// An attempt was stopped on request.
    pub fn attempt_stopped(&mut self, id: JobId, task_index: usize, attempt: u32, sent: bool) {
        let Some(job) = self.under_way(id, task_index, attempt) else { return };
        let mut next = Job::clone(&job);
        let task = &mut next.tasks[task_index];
        task.outcome = sent.then_some(Outcome::Unknown).or(task.outcome);
        let who = next.cancel_requested_by.clone().unwrap_or_default();
        next.tasks[task_index].error_message = Some(cancelled_message(&who, sent));
        self.end_task(&mut next, task_index, JobState::Cancelled);
        self.next_task(job, next);
    }

    /// Cancels a job that waits at once, and one that runs when its call has stopped.
    pub(super) fn request_cancel(&mut self, job: &Arc<Job>, caller: &Caller) {
        let mut next = Job::clone(job);
        if next.cancel_requested_by.is_some() {
            return;
        }
        next.cancel_requested_by = Some(caller.subject.clone());
        let under_way = next.running_task().filter(|&index| next.tasks[index].retry_at.is_none());
        if under_way.is_some() {
            self.put_job(Some(Arc::clone(job)), next);
            self.effects.push(Effect::StopAttempt(job.id));
            return;
        }
        if let Some(index) = next.running_task() {
            next.tasks[index].error_message = Some(format!("cancelled by {} before the next attempt", caller.subject));
            self.end_task(&mut next, index, JobState::Cancelled);
        }
        self.end_cancelled(Arc::clone(job), next);
    }

    /// Ends every running job for a shutdown. `sent` tells of which jobs a request had begun to leave.
    pub fn stop_running(&mut self, sent: impl Fn(JobId) -> bool) {
        let running: Vec<Arc<Job>> = self.state.jobs.values().filter(|job| job.state == JobState::Running).cloned().collect();
        for job in running {
            let mut next = Job::clone(&job);
            if let Some(index) = next.running_task() {
                let waiting = next.tasks[index].retry_at.is_some();
                let sent = !waiting && sent(job.id);
                let task = &mut next.tasks[index];
                task.outcome = sent.then_some(Outcome::Unknown).or(task.outcome);
                task.error_message = Some(cancelled_message("the shutdown of the service", sent));
                self.end_task(&mut next, index, JobState::Cancelled);
                if !waiting {
                    self.effects.push(Effect::StopAttempt(job.id));
                }
            }
            self.skip_rest(&mut next, "the service was shut down");
            let message = "the service was shut down before the job was done".to_owned();
            self.end_job(job, next, JobState::Cancelled, Some(Reason::Shutdown), Some(message));
        }
    }

    /// Skips a job that waits.
    pub(super) fn skip_job(&mut self, job: &Arc<Job>, reason: Reason, message: String) {
        self.put_skipped(Some(Arc::clone(job)), Job::clone(job), reason, message);
    }

    pub(super) fn put_skipped(&mut self, before: Option<Arc<Job>>, mut job: Job, reason: Reason, message: String) {
        self.skip_rest(&mut job, "the job did not run");
        job.state = JobState::Skipped;
        job.reason = Some(reason);
        job.error_message = Some(message);
        job.finished_at = Some(self.now);
        self.put_job(before, job);
    }

    fn start_job(&mut self, job: &Arc<Job>) {
        let mut next = Job::clone(job);
        next.state = JobState::Running;
        next.started_at = Some(self.now);
        if let Some(schedule) = self.state.schedules.get(&job.schedule_id).cloned() {
            let now = self.now;
            self.put_run_state(&schedule, |run| {
                run.last_run_at = Some(now);
                run.last_run_state = Some(JobState::Running);
                run.last_job_id = Some(job.id);
            });
        }
        self.next_task(Arc::clone(job), next);
    }

    /// Starts the next task, or ends the job: `before` is what the state holds, `next` the job in the making.
    fn next_task(&mut self, before: Arc<Job>, mut next: Job) {
        if next.cancel_requested_by.is_some() {
            self.end_cancelled(before, next);
            return;
        }
        while let Some(index) = next.tasks.iter().position(|task| task.state == JobState::Pending) {
            if let Some(missing) = unmet_dependency(&next, index) {
                next.tasks[index].error_message = Some(format!("task '{missing}', which it depends on, did not succeed"));
                self.end_task(&mut next, index, JobState::Skipped);
                continue;
            }
            if let Some(window) = next.binding_window().filter(|window| !window.contains(self.now)) {
                self.skip_rest(&mut next, "the window had closed");
                let message = format!("the window {window} closed before task '{}' could start", next.tasks[index].name);
                self.end_job(before, next, JobState::Cancelled, Some(Reason::WindowClosed), Some(message));
                return;
            }
            next.tasks[index].state = JobState::Running;
            next.tasks[index].started_at = Some(self.now);
            self.start_attempt(before, next, index);
            return;
        }
        let failure = first_failure(&next);
        let state = if failure.is_some() { JobState::Failed } else { JobState::Succeeded };
        self.end_job(before, next, state, None, failure);
    }

    fn start_attempt(&mut self, before: Arc<Job>, mut next: Job, index: usize) {
        let task = &mut next.tasks[index];
        task.attempts += 1;
        task.retry_at = None;
        let call = task_call(&next, index, &self.rules.catalog);
        self.put_job(Some(before), next);
        self.effects.push(Effect::StartAttempt(call));
    }

    /// The next attempt is due. The window binds it as it binds a task.
    fn retry(&mut self, job: &Arc<Job>, index: usize) {
        let mut next = Job::clone(job);
        if let Some(window) = next.binding_window().filter(|window| !window.contains(self.now)) {
            next.tasks[index].retry_at = None;
            self.end_task(&mut next, index, JobState::Failed);
            self.skip_rest(&mut next, "the window had closed");
            let message = format!("the window {window} closed before the next attempt at task '{}'", next.tasks[index].name);
            self.end_job(Arc::clone(job), next, JobState::Cancelled, Some(Reason::WindowClosed), Some(message));
        } else {
            self.start_attempt(Arc::clone(job), next, index);
        }
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
        if !repeatable || task.attempts >= max_attempts {
            return None;
        }
        let delay = TimeDelta::from_std(retry::delay_after(task.attempts, jitter, retry_after)).ok()?;
        let in_time = job.binding_window().is_none_or(|window| {
            window.contains(self.now) && window.closes_after(self.now).is_none_or(|closes| self.now + delay < closes)
        });
        in_time.then_some(delay)
    }

    /// The job, if exactly this attempt is under way.
    fn under_way(&self, id: JobId, task_index: usize, attempt: u32) -> Option<Arc<Job>> {
        let job = self.state.jobs.get(&id).filter(|job| job.state == JobState::Running)?;
        let task = job.tasks.get(task_index)?;
        (task.state == JobState::Running && task.attempts == attempt && task.retry_at.is_none()).then(|| Arc::clone(job))
    }

    fn end_task(&self, job: &mut Job, index: usize, state: JobState) {
        let task = &mut job.tasks[index];
        task.state = state;
        task.retry_at = None;
        task.finished_at = Some(self.now);
    }

    pub(super) fn skip_rest(&self, job: &mut Job, message: &str) {
        for index in 0..job.tasks.len() {
            if job.tasks[index].state == JobState::Pending {
                job.tasks[index].error_message = Some(message.to_owned());
                self.end_task(job, index, JobState::Skipped);
            }
        }
    }

    fn end_cancelled(&mut self, before: Arc<Job>, mut next: Job) {
        let who = next.cancel_requested_by.clone().unwrap_or_default();
        self.skip_rest(&mut next, "the job was cancelled");
        self.end_job(before, next, JobState::Cancelled, Some(Reason::CancelledByOperator), Some(format!("cancelled by {who}")));
    }

    /// Ends a job and keeps its end in its schedule, which may be gone, or another one of the same id.
    pub(super) fn end_job(
        &mut self,
        before: Arc<Job>,
        mut next: Job,
        state: JobState,
        reason: Option<Reason>,
        message: Option<String>,
    ) {
        next.state = state;
        next.reason = reason;
        next.error_message = message;
        next.finished_at = Some(self.now);
        let job = self.put_job(Some(before), next);
        if let Some(schedule) = self.state.schedules.get(&job.schedule_id).cloned()
            && schedule.run.last_job_id == Some(job.id)
        {
            self.put_run_state(&schedule, |run| {
                run.last_run_state = Some(state);
                if state == JobState::Succeeded {
                    run.last_success_at = job.finished_at;
                }
            });
        }
    }
}

fn unmet_dependency(job: &Job, index: usize) -> Option<&str> {
    let spec = &job.definition.tasks[job.tasks[index].position];
    let failed = |name: &&String| job.tasks.iter().any(|task| task.name == **name && task.state != JobState::Succeeded);
    spec.depends_on.iter().find(failed).map(String::as_str)
}

fn first_failure(job: &Job) -> Option<String> {
    let task = job.tasks.iter().find(|task| task.state == JobState::Failed)?;
    Some(format!("task '{}' failed: {}", task.name, task.error_message.as_deref().unwrap_or("no reason given")))
}

fn cancelled_message(by: &str, sent: bool) -> String {
    let fate = if sent {
        "its request had been sent: it may have been carried out, or may go on inside the target"
    } else {
        "its request had not been sent"
    };
    format!("stopped by {by}; {fate}")
}

/// What a job that was found running says of itself.
pub(super) fn interrupted_message(since: Option<crate::domain::time::Timestamp>) -> String {
    let since = since.map(|at| format!(" (started {})", format_timestamp(at))).unwrap_or_default();
    format!("the service ended while the job ran{since}; what its last call did is unknown")
}
