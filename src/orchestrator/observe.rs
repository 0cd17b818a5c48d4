//! What committed changes mean for metrics and log.

use crate::domain::freeze::Freeze;
use crate::domain::job::{Job, JobState, JobTask};
use crate::domain::pause::{Pause, PausePlace};
use crate::domain::ports::Change;
use crate::domain::schedule::Schedule;
use crate::domain::target_state::{Breaker, TargetState};
use crate::domain::time::{Timestamp, format_timestamp};
use crate::telemetry::Metrics;

/// Counts and logs every committed change.
pub(super) fn changes(metrics: &Metrics, changes: &[Change]) {
    let mut pruned = 0;
    for change in changes {
        match change {
            Change::Schedule { before, after } => schedule(metrics, before.as_deref(), after.as_deref()),
            Change::Job { before, after: Some(after) } => job(metrics, before.as_deref(), after),
            Change::Job { after: None, .. } => pruned += 1,
            Change::Idempotency { .. } => {}
            Change::Target { name, before, after } => target(metrics, name, before.as_deref(), after.as_deref()),
            Change::Pause { place, before, after } => pause(place, before.as_deref(), after.as_deref()),
            Change::Freeze { before, after } => freeze(before.as_deref(), after.as_deref()),
            Change::BundleInstalled { name } => tracing::info!(bundle = %name, "bundle installed"),
        }
    }
    if pruned > 0 {
        metrics.jobs_pruned(pruned);
        tracing::debug!(pruned, "jobs pruned");
    }
}

fn pause(place: &PausePlace, before: Option<&Pause>, after: Option<&Pause>) {
    // Texts of callers are written as texts, in quotes.
    let place = place.to_string();
    match (before, after) {
        (before, Some(after)) if before != Some(after) => {
            let (by, reason, until) = (after.paused_by.as_str(), after.reason.as_str(), after.until.map(format_timestamp));
            tracing::warn!(place, by, until, reason, "paused");
        }
        (Some(before), None) => tracing::info!(place, reason = before.reason.as_str(), "resumed"),
        _ => {}
    }
}

fn freeze(before: Option<&Freeze>, after: Option<&Freeze>) {
    let Some(freeze) = after.or(before) else { return };
    let (from, to, targets) = (format_timestamp(freeze.from), format_timestamp(freeze.to), freeze.targets.join(","));
    let (freeze_id, by, reason) = (freeze.id, freeze.created_by.as_str(), freeze.reason.as_str());
    if after.is_some() {
        tracing::info!(%freeze_id, by, from, to, targets, reason, "freeze made");
    } else {
        tracing::info!(%freeze_id, from, to, targets, reason, "freeze removed");
    }
}

fn target(metrics: &Metrics, name: &str, before: Option<&TargetState>, after: Option<&TargetState>) {
    let breaker = |target: Option<&TargetState>| target.map_or(Breaker::Closed, |target| target.breaker);
    let reason = after.and_then(|target| target.reason.as_deref());
    match (breaker(before), breaker(after)) {
        (Breaker::Closed, Breaker::Open) => {
            metrics.target_breaker_opened(name);
            tracing::error!(target_name = name, reason, "the target does not answer: its jobs wait");
        }
        (Breaker::Open | Breaker::HalfOpen, Breaker::Closed) => {
            tracing::info!(target_name = name, "the target answers again: its jobs start");
        }
        (Breaker::HalfOpen, Breaker::Open) => tracing::warn!(target_name = name, reason, "the target still does not answer"),
        _ => {
            let is_shut = |target: Option<&TargetState>| target.is_some_and(TargetState::is_shut);
            match (is_shut(before), is_shut(after)) {
                (false, true) => tracing::warn!(target_name = name, reason, "the target's jobs are put off"),
                (true, false) => tracing::info!(target_name = name, "the target's jobs start again"),
                _ => {}
            }
        }
    }
}

fn schedule(metrics: &Metrics, before: Option<&Schedule>, after: Option<&Schedule>) {
    match (before, after) {
        (None, Some(created)) => {
            metrics.schedule_created(created.definition.frequency.as_str());
            tracing::info!(schedule_id = %created.id, by = %created.created_by, "schedule created");
        }
        (Some(deleted), None) => {
            metrics.schedule_deleted();
            tracing::info!(schedule_id = %deleted.id, "schedule deleted");
        }
        (Some(before), Some(after)) if before.version != after.version => {
            tracing::info!(schedule_id = %after.id, version = after.version, by = %after.updated_by, "schedule changed");
        }
        _ => {}
    }
    if let Some(after) = after {
        holds_of_schedule(before, after);
    }
}

/// Every fire changes its schedule: nothing is put into words unless there is something to say.
fn holds_of_schedule(before: Option<&Schedule>, after: &Schedule) {
    let earlier = before.and_then(|schedule| schedule.run.pause.as_deref());
    let later = after.run.pause.as_deref();
    if earlier != later {
        pause(&PausePlace::Schedule(after.id.clone()), earlier, later);
    }
    let earlier = before.and_then(|schedule| schedule.run.skip_next.as_ref());
    if let Some(skip) = after.run.skip_next.as_ref().filter(|skip| earlier != Some(*skip)) {
        let (schedule_id, scheduled_for) = (&after.id, format_timestamp(skip.scheduled_for));
        tracing::info!(%schedule_id, scheduled_for, by = skip.requested_by.as_str(), reason = skip.reason.as_str(), "next fire left out");
    }
}

fn job(metrics: &Metrics, before: Option<&Job>, after: &Job) {
    if before.is_none() {
        metrics.job_triggered(after.trigger.as_str());
    }
    for (index, task) in after.tasks.iter().enumerate() {
        let earlier = before.map(|job| &job.tasks[index]);
        // What a retry takes over was counted when it was done.
        let taken_over = earlier.is_none() && task.state == JobState::Succeeded;
        if !taken_over && earlier.is_none_or(|earlier| earlier != task) {
            self::task(metrics, after, earlier, task);
        }
    }
    if before.is_some_and(|before| before.state == after.state) {
        return;
    }
    let reason = after.reason.map_or("TASK_FAILED", |reason| reason.as_str());
    match after.state {
        JobState::Pending | JobState::Running => {}
        JobState::Succeeded => metrics.job_succeeded(),
        JobState::Failed => metrics.job_failed(reason),
        JobState::Cancelled => metrics.job_cancelled(reason),
        JobState::Skipped => metrics.job_skipped(reason),
    }
    if let (Some(started), Some(finished)) = (after.started_at, after.finished_at) {
        metrics.job_duration(seconds(started, finished));
    }
    log_job(after);
}

fn log_job(job: &Job) {
    let (job_id, schedule_id, target_name, trigger) = (job.id, &job.schedule_id, &job.target, job.trigger);
    let reason = job.reason.map(|reason| reason.as_str());
    let message = job.error_message.as_deref();
    match job.state {
        JobState::Failed => tracing::error!(%job_id, %schedule_id, %target_name, %trigger, reason, why = message, "job failed"),
        JobState::Cancelled => {
            tracing::warn!(%job_id, %schedule_id, %target_name, %trigger, reason, why = message, "job cancelled")
        }
        JobState::Skipped => tracing::info!(%job_id, %schedule_id, %target_name, %trigger, reason, why = message, "job skipped"),
        JobState::Pending => tracing::info!(%job_id, %schedule_id, %target_name, %trigger, "job waits"),
        JobState::Running => tracing::info!(%job_id, %schedule_id, %target_name, %trigger, "job started"),
        JobState::Succeeded => {
            tracing::info!(%job_id, %schedule_id, %target_name, %trigger, duration_ms = job.duration_ms(), "job succeeded")
        }
    }
}

fn task(metrics: &Metrics, job: &Job, before: Option<&JobTask>, after: &JobTask) {
    let (job_id, task, task_type, attempt) = (job.id, &after.name, after.task_type, after.attempts);
    if let Some(retry_at) = after.retry_at {
        let message = after.error_message.as_deref();
        tracing::warn!(%job_id, task, %task_type, attempt, %retry_at, why = message, "attempt failed; another one follows");
    }
    if before.is_some_and(|before| before.state == after.state) {
        return;
    }
    match after.state {
        JobState::Succeeded => {
            metrics.task_succeeded(task_type.as_str());
            tracing::info!(%job_id, task, %task_type, attempt, http_status = after.http_status, "task succeeded");
        }
        JobState::Failed => {
            metrics.task_failed(task_type.as_str());
            let outcome = after.outcome.map(|outcome| outcome.as_str());
            let message = after.error_message.as_deref();
            tracing::warn!(%job_id, task, %task_type, attempt, outcome, http_status = after.http_status, why = message, "task failed");
        }
        JobState::Running => tracing::debug!(%job_id, task, %task_type, attempt, "task started"),
        JobState::Pending | JobState::Cancelled | JobState::Skipped => {}
    }
    if let (Some(started), Some(finished)) = (after.started_at, after.finished_at) {
        metrics.task_duration(task_type.as_str(), seconds(started, finished));
    }
}

fn seconds(start: Timestamp, end: Timestamp) -> f64 {
    (end - start).as_seconds_f64().max(0.0)
}
