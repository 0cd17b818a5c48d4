//! What the actor is told. Every command carries the oneshot of its exact reply.

use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

use super::core::AttemptId;
use super::error::CommandError;
use super::precondition::Precondition;
use crate::domain::freeze::{Freeze, FreezeInput};
use crate::domain::idempotency::{Answered, IdempotentRequest};
use crate::domain::ids::{FreezeId, JobId, ScheduleId};
use crate::domain::job::Job;
use crate::domain::pause::PauseInput;
use crate::domain::ports::{AttemptReport, Checkpoint, TargetAnswer};
use crate::domain::principal::Caller;
use crate::domain::schedule::Schedule;
use crate::domain::schedule_input::ScheduleInput;

/// Where the reply to a command goes. A caller that has gone away is ignored: what it asked for was done and is on record.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

pub(super) enum Message {
    /// Somebody asks for a change.
    Command(Command),
    /// An attempt or a target has something to say.
    Report(Report),
    /// Look at the clock: the heartbeat, or a due entry.
    Tick,
    /// Remove jobs that ended longer ago than the retention time.
    Prune,
    /// Shutdown, first phase: no new fires, no new jobs; running jobs go on. Answered when no job runs any more.
    Drain { drained: oneshot::Sender<()> },
    /// Shutdown, second phase: stop what still runs, record it, and end.
    Stop,
}

/// A patch applied to the version of a schedule that the caller saw, outside the loop. The actor applies it again only when the
/// schedule has changed since.
pub(super) struct Prepared {
    pub version: u64,
    pub input: Box<ScheduleInput>,
}

pub(super) enum Command {
    CreateSchedule {
        caller: Caller,
        /// What was read from the document; broken rules are told only if the key has no answer yet.
        input: Result<Box<ScheduleInput>, CommandError>,
        idempotency: Option<IdempotentRequest>,
        reply: Reply<Answered<Schedule>>,
    },
    /// Only says what would come of it.
    TryCreateSchedule {
        caller: Caller,
        input: Box<ScheduleInput>,
        reply: Reply<Arc<Schedule>>,
    },
    ReplaceSchedule {
        caller: Caller,
        id: ScheduleId,
        input: Box<ScheduleInput>,
        precondition: Precondition,
        /// Only says what would come of it.
        dry_run: bool,
        reply: Reply<Arc<Schedule>>,
    },
    PatchSchedule {
        caller: Caller,
        id: ScheduleId,
        patch: Value,
        prepared: Option<Prepared>,
        precondition: Precondition,
        reply: Reply<Arc<Schedule>>,
    },
    DeleteSchedule {
        caller: Caller,
        id: ScheduleId,
        precondition: Precondition,
        reply: Reply<()>,
    },
    SetEnabled {
        caller: Caller,
        id: ScheduleId,
        enabled: bool,
        precondition: Precondition,
        reply: Reply<Arc<Schedule>>,
    },
    RunSchedule {
        caller: Caller,
        id: ScheduleId,
        force: bool,
        only: Option<String>,
        idempotency: Option<IdempotentRequest>,
        reply: Reply<Answered<Job>>,
    },
    RetryJob {
        caller: Caller,
        id: JobId,
        idempotency: Option<IdempotentRequest>,
        reply: Reply<Answered<Job>>,
    },
    HoldSchedule {
        caller: Caller,
        id: ScheduleId,
        hold: ScheduleHold,
        reply: Reply<Arc<Schedule>>,
    },
    /// Pauses all targets or one; without an input resumes them.
    HoldTargets {
        caller: Caller,
        target: Option<String>,
        input: Option<PauseInput>,
        reply: Reply<()>,
    },
    CreateFreeze {
        caller: Caller,
        input: FreezeInput,
        reply: Reply<Arc<Freeze>>,
    },
    DeleteFreeze {
        caller: Caller,
        id: FreezeId,
        reply: Reply<()>,
    },
    CancelJob {
        caller: Caller,
        id: JobId,
        reply: Reply<Arc<Job>>,
    },
}

/// What can be asked for that holds a schedule back, or lets it go on.
pub(super) enum ScheduleHold {
    Pause(PauseInput),
    /// Ends a pause and takes back that a fire is left out.
    Resume,
    /// Leaves the next fire out, for this reason or without one.
    SkipNext(String),
}

/// What comes in from outside the loop. It is kept and told again when what it decides cannot be committed.
pub(super) enum Report {
    /// Of an attempt.
    Attempt { id: AttemptId, news: AttemptNews },
    /// Of a target that was asked whether a job may start on it.
    Target { name: String, answer: TargetAnswer },
}

/// What an attempt says.
pub(super) enum AttemptNews {
    /// The executor gave its verdict.
    Reported(AttemptReport),
    /// The attempt was stopped on request; `sent` says whether its request had begun to leave.
    Stopped { sent: bool },
    /// It leaves something for a later attempt, and waits until that is durable.
    Checkpoint { checkpoint: Checkpoint, kept: Arc<Notify> },
    /// How far the target says it is, 0–100.
    Progress(u8),
}

impl Command {
    /// Answers without doing anything.
    pub fn refuse(self, error: CommandError) {
        // A caller that has gone away needs no answer.
        match self {
            Self::CreateSchedule { reply, .. } => drop(reply.send(Err(error))),
            Self::TryCreateSchedule { reply, .. }
            | Self::ReplaceSchedule { reply, .. }
            | Self::PatchSchedule { reply, .. }
            | Self::SetEnabled { reply, .. }
            | Self::HoldSchedule { reply, .. } => drop(reply.send(Err(error))),
            Self::CreateFreeze { reply, .. } => drop(reply.send(Err(error))),
            Self::DeleteSchedule { reply, .. } | Self::HoldTargets { reply, .. } | Self::DeleteFreeze { reply, .. } => {
                drop(reply.send(Err(error)))
            }
            Self::RunSchedule { reply, .. } | Self::RetryJob { reply, .. } => drop(reply.send(Err(error))),
            Self::CancelJob { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}
