//! Why a job was skipped, what it waits for, what it does, or how it ended: one sentence for people.
//!
//! Programs read the fields beside it; what it says may be worded anew at any time.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::TimeDelta;

use super::job::{Job, JobState, JobTask, Reason};
use super::target_state::{Breaker, TargetState};
use super::time::{Timestamp, format_timestamp};

/// What a waiting job waits for, as far as it is not in the job. Asked for only when a job waits.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The service ends, and starts nothing.
    pub is_ending: bool,
    /// Jobs under way.
    pub running: usize,
    /// How many there may be.
    pub max_running: usize,
    /// Jobs under way on the job's target.
    pub running_on_target: usize,
    /// How many there may be on it.
    pub max_running_on_target: usize,
    /// The target, when something about it is out of the ordinary.
    pub target: Option<Arc<TargetState>>,
    /// The target is asked before a job starts on it.
    pub has_preflight: bool,
    /// How long a job waits for a target that lets nothing start.
    pub queue_timeout: TimeDelta,
}

/// The sentence about a job.
pub fn explain(job: &Job, around: impl FnOnce() -> Surroundings) -> String {
    let text = match job.state {
        JobState::Pending => waiting(job, &around()),
        JobState::Running => running(job),
        JobState::Succeeded => succeeded(job),
        JobState::Failed => failed(job),
        JobState::Cancelled => cancelled(job),
        JobState::Skipped => skipped(job),
    };
    // Messages of libraries and targets may end like a sentence already.
    format!("{}.", text.trim_end_matches(['.', ' ', '\n']))
}

fn waiting(job: &Job, around: &Surroundings) -> String {
    let target = &job.target;
    let shut = around.target.as_deref().filter(|state| state.is_shut());
    let what = if around.is_ending {
        "for the next start of the service: it is shutting down, and starts nothing more".to_owned()
    } else if let Some(state) = shut {
        format!("for target '{target}': {}", shut_in_words(state))
    } else if around.running_on_target >= around.max_running_on_target {
        format!("for another job on target '{target}' ({})", of_jobs(around.running_on_target, around.max_running_on_target))
    } else if around.running >= around.max_running {
        format!("for a slot of the service ({})", of_jobs(around.running, around.max_running))
    } else if around.has_preflight {
        format!("for the pre-flight checks of target '{target}'")
    } else {
        "for its turn".to_owned()
    };
    match waits_until(job, shut, around) {
        Some(until) => format!("Waiting, until {} at the latest, {what}", format_timestamp(until)),
        None => format!("Waiting {what}"),
    }
}

fn of_jobs(running: usize, most: usize) -> String {
    let verb = if running == 1 { "runs" } else { "run" };
    format!("{running} of {most} {verb}")
}

fn shut_in_words(target: &TargetState) -> String {
    let since = target.shut_since.map(|at| format!(" since {}", format_timestamp(at))).unwrap_or_default();
    let next = match target.ask_at {
        Some(at) => format!("it is asked again at {}", format_timestamp(at)),
        None => "it is being asked again".to_owned(),
    };
    let reason = target.reason.as_deref().unwrap_or("it lets nothing start");
    match target.breaker {
        Breaker::Open | Breaker::HalfOpen => format!("its breaker is open{since}, {next}; {reason}"),
        // It did not answer the question, though not often enough to open the breaker.
        Breaker::Closed if target.failures > 0 => format!("it has not answered{since}, {next}; {reason}"),
        Breaker::Closed => format!("a pre-flight check says not now{since}, {next}; {reason}"),
    }
}

/// When the waiting ends whatever happens: the window closes, or the target has let nothing start for too long.
fn waits_until(job: &Job, shut: Option<&TargetState>, around: &Surroundings) -> Option<Timestamp> {
    let closes = job.binding_window().and_then(|window| window.closes_after(job.created_at));
    let since = shut.and_then(|target| target.shut_since);
    let given_up = since.and_then(|since| job.created_at.max(since).checked_add_signed(around.queue_timeout));
    closes.into_iter().chain(given_up).min()
}

fn running(job: &Job) -> String {
    let Some(index) = job.running_task() else { return "Running".to_owned() };
    let task = &job.tasks[index];
    let of = if job.tasks.len() > 1 { format!(" ({} of {})", index + 1, job.tasks.len()) } else { String::new() };
    let name = format!("task '{}'{of}{}", task.name, call_in_words(task));
    if let Some(who) = &job.cancel_requested_by {
        return format!("Running: {name} is being stopped, because {who} has cancelled the job");
    }
    if job.aborting {
        return format!("Running: {name} is being stopped, because the window has closed");
    }
    let (attempts, most) = (task.attempts_at_call(), max_attempts(job, task));
    match task.retry_at {
        Some(at) => {
            let after =
                task.error_message.as_deref().map(|message| format!("; the last one failed: {message}")).unwrap_or_default();
            format!("Running: {name} waits for attempt {} of {most} at {}{after}", attempts + 1, format_timestamp(at))
        }
        None => format!("Running: {name}, attempt {attempts} of {most}; {} % of the job is done", job.progress_pct()),
    }
}

fn call_in_words(task: &JobTask) -> String {
    let call = task.running_item().map(|index| format!(", call {} of {}", index + 1, task.items.len()));
    call.unwrap_or_default()
}

fn max_attempts(job: &Job, task: &JobTask) -> u32 {
    let own = job.definition.tasks.get(task.position).and_then(|spec| spec.max_attempts);
    own.unwrap_or(job.definition.max_attempts).into()
}

fn succeeded(job: &Job) -> String {
    let took = job.duration_ms().map(|took| format!(" in {}", length_in_words(took))).unwrap_or_default();
    format!("Succeeded: {}{took}", tasks_done(job))
}

fn failed(job: &Job) -> String {
    let halted = (job.reason == Some(Reason::Halted)).then_some("the schedule halts on failure");
    let rest = rest_in_words(job, halted);
    let own_words = job.reason.is_none_or(|reason| reason == Reason::Halted);
    match job.tasks.iter().find(|task| task.state == JobState::Failed).filter(|_| own_words) {
        Some(task) => {
            // Those of a task that makes several calls are spread over the calls.
            let times = if task.attempts > 1 && task.items.is_empty() {
                format!(" after {} attempts", task.attempts)
            } else {
                String::new()
            };
            let message = task.error_message.as_deref().unwrap_or("no reason given");
            format!("Failed{rest}: task '{}' failed{times}: {message}", task.name)
        }
        None => format!("Failed{rest}: {}", why(job)),
    }
}

fn cancelled(job: &Job) -> String {
    let rest = rest_in_words(job, None);
    match (job.reason, &job.cancel_requested_by) {
        (Some(Reason::CancelledByOperator), Some(who)) => format!("Cancelled by {who}{rest}"),
        _ => format!("Cancelled{rest}: {}", why(job)),
    }
}

fn skipped(job: &Job) -> String {
    match why(job).strip_prefix("it is ") {
        // Written down when it was.
        Some(rest) if job.reason == Some(Reason::OutsideWindow) => format!("Skipped: it was {rest}"),
        _ => format!("Skipped: {}", why(job)),
    }
}

/// What was done of a job of several tasks that did not come to its end.
fn rest_in_words(job: &Job, remark: Option<&str>) -> String {
    let done = (job.tasks.len() > 1).then(|| format!("{} succeeded", tasks_done(job)));
    let parts: Vec<&str> = done.as_deref().into_iter().chain(remark).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) }
}

fn tasks_done(job: &Job) -> String {
    let done = job.tasks.iter().filter(|task| task.state == JobState::Succeeded).count();
    format!("{done} of {} task{}", job.tasks.len(), if job.tasks.len() == 1 { "" } else { "s" })
}

/// The job's own words, else those for its reason.
fn why(job: &Job) -> &str {
    job.error_message.as_deref().unwrap_or_else(|| job.reason.map_or("no reason given", in_general))
}

/// What a reason means when a job says no more. A new one needs words here.
fn in_general(reason: Reason) -> &'static str {
    match reason {
        Reason::OutsideWindow => "the fire fell outside the window",
        Reason::Overlap => "another job of the schedule was active",
        Reason::Misfired => "fires were missed",
        Reason::ScheduleDisabled => "the schedule was disabled while the job waited",
        Reason::ScheduleDeleted => "the schedule was deleted while the job waited",
        Reason::QueueTimeout => "the job waited for its target for too long",
        Reason::WindowClosed => "the window closed before the job was done",
        Reason::Halted => "a task failed and the schedule halts on failure",
        Reason::CancelledByOperator => "an operator cancelled the job",
        Reason::Paused => "the schedule, its target, or everything was paused",
        Reason::Frozen => "the target was frozen",
        Reason::SkippedByOperator => "an operator asked to leave this fire out",
        Reason::Shutdown => "the service was shut down",
        Reason::Interrupted => "the service ended while the job ran",
    }
}

fn length_in_words(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match (milliseconds, seconds / 3600, seconds / 60) {
        (..1000, _, _) => format!("{milliseconds} ms"),
        (_, 0, 0) => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        (_, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (_, hours, minutes) => format!("{hours} h {} min", minutes % 60),
    }
}
