//! Jobs from their start to their end: the order of tasks and of their calls, windows, halt.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::state::task_call;
use super::{Effect, Step};
use crate::domain::fields::printable;
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobItem, JobState, JobTask, Outcome, Reason};
use crate::domain::ports::Checkpoint;
use crate::domain::schedule::RunState;
use crate::domain::task::{self, Parameters};
use crate::domain::time::{Timestamp, format_timestamp};

impl Step<'_> {
    /// Ends every running job for a shutdown. `sent` tells of which jobs a request had begun to leave. A job whose target has
    /// accepted work and said by which handle it is known goes on there, and is taken up again at the next start.
    pub fn stop_running(&mut self, sent: impl Fn(JobId) -> bool) {
        let running: Vec<Arc<Job>> = self.state.jobs.values().filter(|job| job.state == JobState::Running).cloned().collect();
        for job in running {
            if job.can_be_adopted() {
                self.effects.push(Effect::AbandonAttempt(job.id));
                continue;
            }
            let mut next = Job::clone(&job);
            if let Some(index) = next.running_task() {
                let waiting = next.tasks[index].retry_at.is_some();
                let sent = !waiting && sent(job.id);
                let message = super::attempts::stopped_message("the shutdown of the service", sent);
                self.stop_task(&mut next, index, sent, message, "the service was shut down");
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

    pub(super) fn start_job(&mut self, job: &Arc<Job>) {
        self.use_clearance(&job.target);
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
    pub(super) fn next_task(&mut self, before: Arc<Job>, mut next: Job) {
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
            if let Some(bar) = self.barred(&next) {
                let message = bar.before(&format!("task '{}' could start", next.tasks[index].name));
                self.skip_rest(&mut next, bar.rest);
                self.end_job(before, next, JobState::Cancelled, Some(bar.reason), Some(message));
                return;
            }
            if let Some(message) = self.does_not_fit(&next, index) {
                self.skip_rest(&mut next, "the window would have closed before its end");
                self.end_job(before, next, JobState::Cancelled, Some(Reason::WindowClosed), Some(message));
                return;
            }
            self.begin_task(&mut next, index);
            self.start_attempt(before, next, index);
            return;
        }
        let failure = first_failure(&next);
        let state = if failure.is_some() { JobState::Failed } else { JobState::Succeeded };
        self.end_job(before, next, state, None, failure);
    }

    /// Goes on with a task that makes several calls: the next of them, or the task's end.
    pub(super) fn next_item(&mut self, before: Arc<Job>, mut next: Job, index: usize) {
        if next.tasks[index].next_item().is_none() {
            summarise(&mut next.tasks[index]);
            let failed = next.tasks[index].items.iter().any(|item| item.state != JobState::Succeeded);
            self.end_task(&mut next, index, if failed { JobState::Failed } else { JobState::Succeeded });
            self.after_task(before, next, index);
        } else if next.cancel_requested_by.is_some() {
            let message = "the job was cancelled before all of its calls were made".to_owned();
            self.stop_task(&mut next, index, false, message, "the job was cancelled");
            self.next_task(before, next);
        } else if let Some(bar) = self.barred(&next) {
            let message = format!("{} before all of its calls were made", bar.event);
            let end = bar.before(&format!("task '{}' had made all of its calls", next.tasks[index].name));
            self.stop_task(&mut next, index, false, message, bar.rest);
            self.skip_rest(&mut next, bar.rest);
            self.end_job(before, next, JobState::Cancelled, Some(bar.reason), Some(end));
        } else {
            self.start_attempt(before, next, index);
        }
    }

    /// A task has ended: halt, or go on.
    pub(super) fn after_task(&mut self, before: Arc<Job>, mut next: Job, index: usize) {
        if next.tasks[index].state == JobState::Failed && next.definition.halt_on_task_failure {
            let message = first_failure(&next);
            self.skip_rest(&mut next, "an earlier task failed and the schedule halts on failure");
            self.end_job(before, next, JobState::Failed, Some(Reason::Halted), message);
            return;
        }
        self.next_task(before, next);
    }

    fn begin_task(&self, job: &mut Job, index: usize) {
        let spec = &job.definition.tasks[job.tasks[index].position];
        let parameters = self.rules.catalog.parameters(&job.target, spec);
        let task = &mut job.tasks[index];
        task.state = JobState::Running;
        task.started_at = Some(self.now);
        // A retry brings its calls along, and knows which of them succeeded.
        if let (Parameters::Many(list), true) = (parameters.as_ref(), task.items.is_empty()) {
            task.items = list.iter().cloned().map(JobItem::waiting).collect();
        }
    }

    pub(super) fn start_attempt(&mut self, before: Arc<Job>, mut next: Job, index: usize) {
        let task = &mut next.tasks[index];
        task.attempts += 1;
        task.retry_at = None;
        if let Some(item) = task.running_item().or_else(|| task.next_item()) {
            let item = &mut task.items[item];
            item.state = JobState::Running;
            item.started_at = item.started_at.or(Some(self.now));
            item.attempts += 1;
        }
        let call = task_call(&next, index, &self.rules.catalog);
        self.put_job(Some(before), next);
        self.effects.push(Effect::StartAttempt(Box::new(call)));
    }

    /// What keeps a job that is under way from touching its target once more: a window that has closed, or a freeze. A pause lets it go on.
    pub(super) fn barred(&self, job: &Job) -> Option<Bar> {
        if let Some(window) = job.window_while_running().filter(|window| !window.contains(self.now)) {
            let event = format!("the window {window} closed");
            return Some(Bar { reason: Reason::WindowClosed, rest: "the window had closed", event, why: None });
        }
        let freeze = self.state.holds.freeze_of(&job.target, self.now)?;
        let event = format!("the freeze of target '{}' began", job.target);
        Some(Bar { reason: Reason::Frozen, rest: "the target was frozen", event, why: Some(freeze.explain(&job.target)) })
    }

    /// Words for a task that would not end before the window does, judged by how long it took lately.
    fn does_not_fit(&self, job: &Job, index: usize) -> Option<String> {
        let closes = job.window_while_running().filter(|_| job.definition.fit_check)?.closes_after(self.now)?;
        let name = &job.tasks[index].name;
        let expected = self.state.schedules.get(&job.schedule_id)?.run.expected_duration(name)?;
        (self.now + expected > closes).then(|| {
            let left = closes - self.now;
            format!(
                "task '{name}' was not started: lately it took up to {}, and the window {} closes in {}",
                in_words(expected),
                job.definition.window,
                in_words(left)
            )
        })
    }

    pub(super) fn end_task(&self, job: &mut Job, index: usize, state: JobState) {
        let task = &mut job.tasks[index];
        task.state = state;
        task.retry_at = None;
        task.finished_at = Some(self.now);
        task.checkpoint = Checkpoint::default();
        task.progress_pct = None;
    }

    /// Ends a task whose call was stopped: CANCELLED, with the call under way and those that had not been made.
    pub(super) fn stop_task(&self, job: &mut Job, index: usize, sent: bool, message: String, rest: &str) {
        let unknown = sent.then_some(Outcome::Unknown);
        let task = &mut job.tasks[index];
        task.outcome = unknown.or(task.outcome);
        if let Some(item) = task.running_item_mut() {
            item.outcome = unknown.or(item.outcome);
            item.error_message = Some(message.clone());
            item.end(JobState::Cancelled, self.now);
        }
        end_items(task, rest, self.now);
        task.error_message = Some(message);
        self.end_task(job, index, JobState::Cancelled);
    }

    pub(super) fn skip_rest(&self, job: &mut Job, message: &str) {
        for index in 0..job.tasks.len() {
            if job.tasks[index].state == JobState::Pending {
                end_items(&mut job.tasks[index], message, self.now);
                job.tasks[index].error_message = Some(message.to_owned());
                self.end_task(job, index, JobState::Skipped);
            }
        }
    }

    pub(super) fn end_cancelled(&mut self, before: Arc<Job>, mut next: Job) {
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
        next.aborting = false;
        let job = self.put_job(Some(before), next);
        let Some(schedule) = self.state.schedules.get(&job.schedule_id).cloned() else { return };
        let fire = self.state_of_fire(&job);
        let is_last = schedule.run.last_job_id.is_some_and(|last| self.state.jobs_of_fire(&job).any(|other| other.id == last));
        let names = task::resolved_names(&schedule.definition.tasks);
        self.put_run_state(&schedule, |run| {
            keep_durations(run, &job, &names);
            if is_last {
                run.last_run_state = Some(fire);
                if fire == JobState::Succeeded {
                    run.last_success_at = job.finished_at;
                }
            }
        });
    }

    /// The jobs of a fire taken together: RUNNING while one of them has not ended, else the worst end of those that started.
    fn state_of_fire(&self, job: &Job) -> JobState {
        let states: Vec<JobState> = self.state.jobs_of_fire(job).map(|job| job.state).collect();
        if states.iter().any(|state| !state.is_terminal()) {
            return JobState::Running;
        }
        let worst = [JobState::Failed, JobState::Cancelled].into_iter().find(|state| states.contains(state));
        worst.unwrap_or(JobState::Succeeded)
    }
}

/// See [`Step::barred`].
pub(super) struct Bar {
    pub reason: Reason,
    /// What the tasks that do not run any more say of it.
    pub rest: &'static str,
    /// What has happened.
    pub event: String,
    why: Option<String>,
}

impl Bar {
    /// It happened before something could be done.
    pub fn before(&self, deed: &str) -> String {
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} before {deed}{why}", self.event)
    }
}

/// Keeps how long the tasks took that succeeded in this job; what a retry took over was kept before. Tasks that the schedule does not
/// have any more are forgotten.
fn keep_durations(run: &mut RunState, job: &Job, names: &[String]) {
    let in_this_job = |task: &&JobTask| task.state == JobState::Succeeded && task.started_at >= job.started_at;
    for task in job.tasks.iter().filter(in_this_job) {
        if let Some(duration) = task.duration_ms() {
            run.keep_duration(&task.name, duration);
        }
    }
    run.durations_ms.retain(|name, _| names.contains(name));
}

/// Skips the calls of a task that have not been made.
pub(super) fn end_items(task: &mut JobTask, message: &str, now: Timestamp) {
    for item in task.items.iter_mut().filter(|item| item.state == JobState::Pending) {
        item.error_message = Some(message.to_owned());
        item.end(JobState::Skipped, now);
    }
}

/// What a task of several calls says of itself: how many ended how, and the first failure.
fn summarise(task: &mut JobTask) {
    let count = |state: JobState| task.items.iter().filter(|item| item.state == state).count();
    let (total, failed, skipped) = (task.items.len(), count(JobState::Failed), count(JobState::Skipped));
    task.result_summary = Some(json!({ "calls": total, "succeeded": count(JobState::Succeeded), "failed": failed }));
    let first = task.items.iter().position(|item| item.state == JobState::Failed);
    let worst = first.map_or(task.items.last(), |index| task.items.get(index));
    task.http_status = worst.and_then(|item| item.http_status);
    task.outcome = worst.and_then(|item| item.outcome);
    task.error_message = first.map(|index| {
        let item = &task.items[index];
        let skipped = if skipped > 0 { format!(", {skipped} were not made") } else { String::new() };
        let why = item.error_message.as_deref().unwrap_or("no reason given");
        format!(
            "{failed} of {total} calls failed{skipped}; the first was number {} ({}): {why}",
            index + 1,
            parameters_in_words(item)
        )
    });
}

/// The parameters of a call, short enough for a message.
fn parameters_in_words(item: &JobItem) -> String {
    printable(&Value::Object(item.parameters.clone()).to_string())
}

fn unmet_dependency(job: &Job, index: usize) -> Option<&str> {
    let spec = &job.definition.tasks[job.tasks[index].position];
    let failed = |name: &&String| job.tasks.iter().any(|task| task.name == **name && task.state != JobState::Succeeded);
    spec.depends_on.iter().find(failed).map(String::as_str)
}

pub(super) fn first_failure(job: &Job) -> Option<String> {
    let task = job.tasks.iter().find(|task| task.state == JobState::Failed)?;
    Some(format!("task '{}' failed: {}", task.name, task.error_message.as_deref().unwrap_or("no reason given")))
}

/// A length of time for a message, to the second.
fn in_words(length: TimeDelta) -> String {
    let seconds = length.num_seconds();
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// What a job that was found running says of itself.
pub(super) fn interrupted_message(since: Option<Timestamp>) -> String {
    let since = since.map(|at| format!(" (started {})", format_timestamp(at))).unwrap_or_default();
    format!("the service ended while the job ran{since}; what its last call did is unknown")
}
