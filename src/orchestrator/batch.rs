//! What is decided together and committed together, and how messages become part of it.

use super::core::{AuditRecord, Decided, Operation, Step};
use super::error::CommandError;
use super::message::{AttemptNews, Command, Reply, Report};
use super::view::{Contact, ReadView};
use crate::domain::audit::EncodedEvent;
use crate::domain::ports::TargetAnswer;
use crate::domain::time::Timestamp;

/// Messages decided and committed together. Large enough that waiting writers share a commit, small enough that the first of them
/// does not wait long for the last.
pub(super) const BATCH: usize = 256;
/// Due things dealt with in one batch, for the same reason.
pub(super) const DUE_PER_BATCH: usize = 128;

/// What a batch owes its callers: each reply is sent after the commit, and says 503 if there was none.
pub(super) type PendingReply = Box<dyn FnOnce(bool) + Send>;

/// A batch in the making, or on its way to the store.
#[derive(Default)]
pub(super) struct Batch {
    pub decided: Decided,
    pub replies: Vec<PendingReply>,
    /// What was told and decided; told again if it cannot be committed.
    pub reports: Vec<Report>,
    /// Messages in it.
    pub messages: usize,
    /// Due things dealt with in it.
    pub due: usize,
    /// The next run times were set anew in it.
    pub rearmed: bool,
    /// There is more to prune.
    pub prune_again: bool,
    /// The actor is to end after it.
    pub stop: bool,
}

impl Batch {
    /// True before anything is decided in it: what is due comes with a message, too.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// True when it takes no more of what is due, or of messages, and there is something to commit.
    pub fn is_full(&self) -> bool {
        (self.messages >= BATCH || self.due >= DUE_PER_BATCH) && !self.decided.changes.is_empty()
    }

    /// Its audit events as they are kept.
    pub fn encoded_events(&self) -> Vec<EncodedEvent> {
        self.decided.audit.iter().map(AuditRecord::encoded).collect()
    }
}

pub(super) fn decide_report(step: &mut Step<'_>, report: &Report) {
    match report {
        Report::Target { name, answer } => step.target_answered(name, answer),
        Report::Attempt { id, news } => match news {
            AttemptNews::Reported(report) => {
                let jitter = step.ids.unit_random();
                step.attempt_reported(*id, report.clone(), jitter);
            }
            AttemptNews::Stopped { sent } => step.attempt_stopped(*id, *sent),
            AttemptNews::Checkpoint { checkpoint, .. } => step.checkpoint_reported(*id, checkpoint.clone()),
            AttemptNews::Progress(percent) => step.progress_reported(*id, *percent),
        },
    }
}

/// What the reports tell of their targets.
pub(super) fn contacts(reports: &[Report], view: &ReadView, at: Timestamp) -> Vec<(String, Contact)> {
    let contact = |report: &Report| match report {
        Report::Target { name, answer } => {
            let (answered, message) = match answer {
                TargetAnswer::Ready => (true, None),
                TargetAnswer::Postpone(why) => (true, Some(why.clone())),
                TargetAnswer::Unreachable(why) => (false, Some(why.clone())),
            };
            Some((name.clone(), Contact { at, answered, http_status: None, message }))
        }
        Report::Attempt { id, news: AttemptNews::Reported(report) } => {
            let (answered, message) = (report.answered?, report.error_message.clone());
            Some((view.job(id.job_id)?.target.clone(), Contact { at, answered, http_status: report.http_status, message }))
        }
        Report::Attempt { .. } => None,
    };
    reports.iter().filter_map(contact).collect()
}

/// Tells who waits for it that a report is durable.
pub(super) fn acknowledge(report: &Report) {
    if let Report::Attempt { news: AttemptNews::Checkpoint { kept, .. }, .. } = report {
        kept.notify_one();
    }
}

pub(super) fn decide_command(step: &mut Step<'_>, command: Command) -> PendingReply {
    if step.state.is_draining() && !matches!(command, Command::CancelJob { .. }) {
        return Box::new(move |_| command.refuse(CommandError::Stopped));
    }
    match command {
        Command::CreateSchedule { caller, input, idempotency, reply } => {
            let operation = Operation { name: "create_schedule", object: "" };
            let create = |step: &mut Step<'_>| step.create_schedule(&caller, *input?);
            answer(reply, step.alone(|step| step.once(&caller, operation, idempotency, create)))
        }
        Command::TryCreateSchedule { caller, input, reply } => {
            answer(reply, step.tried(|step| step.create_schedule(&caller, *input)))
        }
        Command::ReplaceSchedule { caller, id, input, precondition, dry_run, reply } => {
            let replace = |step: &mut Step<'_>| step.replace_schedule(&caller, &id, *input, &precondition);
            answer(reply, if dry_run { step.tried(replace) } else { step.alone(replace) })
        }
        Command::PatchSchedule { caller, id, patch, prepared, precondition, reply } => {
            answer(reply, step.alone(|step| step.patch_schedule(&caller, &id, &patch, prepared, &precondition)))
        }
        Command::DeleteSchedule { caller, id, precondition, reply } => {
            answer(reply, step.alone(|step| step.delete_schedule(&caller, &id, &precondition)))
        }
        Command::SetEnabled { caller, id, enabled, precondition, reply } => {
            answer(reply, step.alone(|step| step.set_enabled(&caller, &id, enabled, &precondition)))
        }
        Command::RunSchedule { caller, id, force, only, idempotency, reply } => {
            let operation = Operation { name: "run_schedule", object: &format!("schedule/{id}") };
            let run = |step: &mut Step<'_>| step.run_schedule(&caller, &id, force, only.as_deref());
            answer(reply, step.alone(|step| step.once(&caller, operation, idempotency, run)))
        }
        Command::RetryJob { caller, id, idempotency, reply } => {
            let operation = Operation { name: "retry_job", object: &format!("job/{id}") };
            let retry = |step: &mut Step<'_>| step.retry_job(&caller, id);
            answer(reply, step.alone(|step| step.once(&caller, operation, idempotency, retry)))
        }
        Command::HoldSchedule { caller, id, hold, reply } => {
            answer(reply, step.alone(|step| step.hold_schedule(&caller, &id, hold)))
        }
        Command::HoldTargets { caller, target, input, reply } => {
            answer(reply, step.alone(|step| step.hold_targets(&caller, target, input)))
        }
        Command::CreateFreeze { caller, input, reply } => answer(reply, step.alone(|step| step.create_freeze(&caller, input))),
        Command::DeleteFreeze { caller, id, reply } => answer(reply, step.alone(|step| step.delete_freeze(&caller, id))),
        Command::CancelJob { caller, id, reply } => answer(reply, step.alone(|step| step.cancel_job(&caller, id))),
    }
}

/// The reply to send once it is known whether the batch was committed. A refusal stands either way.
fn answer<T: Send + 'static>(reply: Reply<T>, result: Result<T, CommandError>) -> PendingReply {
    Box::new(move |committed| {
        let result = if committed { result } else { result.and(Err(CommandError::StoreUnavailable)) };
        // A caller that has gone away is ignored: what it asked for was done and is on record.
        let _ = reply.send(result);
    })
}
