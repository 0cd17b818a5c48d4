//! Why a command was not carried out. `http` holds the one table from these to statuses.

use crate::domain::fields::FieldError;
use crate::domain::ids::{FreezeId, JobId, ScheduleId};
use crate::domain::time::{Timestamp, format_timestamp};

/// Why a command was not carried out. Nothing has changed then, unless a variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// Rules of the schedule table are broken; all of them are listed.
    #[error("{} broken", if .0.len() == 1 { "a rule is".to_owned() } else { format!("{} rules are", .0.len()) })]
    Invalid(Vec<FieldError>),
    /// No schedule has this id.
    #[error("there is no schedule '{0}'")]
    ScheduleNotFound(ScheduleId),
    /// No job has this id: it never existed, or it ended more than the retention time ago.
    #[error("there is no job '{0}'; jobs are kept for a limited time after their end")]
    JobNotFound(JobId),
    /// The caller's token is limited to other targets or schedules; whether the object exists is not said.
    #[error("this is outside the targets and schedules that the token is limited to")]
    OutsideAccess,
    /// No configured target has this name.
    #[error("there is no target '{0}'")]
    TargetNotFound(String),
    /// No freeze has this id: it never existed, was removed, or is long over.
    #[error("there is no freeze '{0}'")]
    FreezeNotFound(FreezeId),
    /// Another freeze is about one of its targets at some moment.
    #[error("freeze '{id}' from {} to {} overlaps it; remove that one, or let one begin when the other ends", format_timestamp(*.from), format_timestamp(*.to))]
    FreezeOverlaps {
        /// The other one.
        id: FreezeId,
        /// Its first moment.
        from: Timestamp,
        /// The first moment after it.
        to: Timestamp,
    },
    /// So many freezes are kept already.
    #[error("there are already {0} freezes; remove some that are not needed")]
    TooManyFreezes(usize),
    /// There is no fire to leave out.
    #[error("schedule '{0}' is disabled: there is no next fire")]
    NoNextFire(ScheduleId),
    /// Another schedule has this id.
    #[error("there is already a schedule '{0}'")]
    IdTaken(ScheduleId),
    /// `If-Match` does not name the current version.
    #[error("the schedule has changed since: its ETag is {current}")]
    PreconditionFailed {
        /// The entity tag as it is now.
        current: String,
    },
    /// The schedule has a job that waits or runs.
    #[error("job '{0}' of this schedule is active")]
    JobActive(JobId),
    /// The job has already ended.
    #[error("job '{0}' is already over")]
    JobOver(JobId),
    /// The job has succeeded: nothing of it is left to do.
    #[error("job '{0}' has succeeded; to do all of it again, run its schedule")]
    JobSucceeded(JobId),
    /// The idempotency key was used for a request with another body.
    #[error("this idempotency key was used for another body; a new request needs a new key")]
    IdempotencyKeyReused,
    /// The configured number of schedules is reached.
    #[error("there are already {0} schedules, the configured maximum (orchestrator.max_schedules)")]
    TooManySchedules(usize),
    /// More commands wait than the mailbox holds; try again soon.
    #[error("too many requests are waiting; try again")]
    Busy,
    /// The service is shutting down.
    #[error("the service is shutting down")]
    Stopped,
    /// The store could not be written; the state is as it was.
    #[error("the store cannot be written")]
    StoreUnavailable,
}
