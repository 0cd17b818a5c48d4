//! Keeping what is decided: changes, commits, and what comes back at a start.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::audit::{AuditEvent, EncodedEvent};
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::IdempotencyRecord;
use crate::domain::job::Job;
use crate::domain::pause::{Pause, PausePlace};
use crate::domain::schedule::Schedule;
use crate::domain::target_state::TargetState;

/// One change to what is stored: the entity before and after. Reversing it is swapping the two.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A schedule was created (no before), edited, run, or deleted (no after).
    Schedule {
        /// As it was.
        before: Option<Arc<Schedule>>,
        /// As it is.
        after: Option<Arc<Schedule>>,
    },
    /// A job was made (no before), changed, or pruned (no after).
    Job {
        /// As it was.
        before: Option<Arc<Job>>,
        /// As it is.
        after: Option<Arc<Job>>,
    },
    /// An answer was recorded under an idempotency key (no before), replaced after it had expired, or forgotten (no after).
    Idempotency {
        /// As it was.
        before: Option<Arc<IdempotencyRecord>>,
        /// As it is.
        after: Option<Arc<IdempotencyRecord>>,
    },
    /// All targets or one were paused (no before), paused anew, or resumed (no after). A schedule's own pause is a change of the schedule.
    Pause {
        /// What is paused; never a schedule.
        place: PausePlace,
        /// As it was.
        before: Option<Arc<Pause>>,
        /// As it is.
        after: Option<Arc<Pause>>,
    },
    /// A freeze was made (no before) or removed (no after).
    Freeze {
        /// As it was.
        before: Option<Arc<Freeze>>,
        /// As it is.
        after: Option<Arc<Freeze>>,
    },
    /// What is known of a target has changed. Not stored: a service that starts asks anew.
    Target {
        /// The target's name.
        name: String,
        /// As it was; `None` when nothing was out of the ordinary.
        before: Option<Arc<TargetState>>,
        /// As it is.
        after: Option<Arc<TargetState>>,
    },
    /// A bundle was installed; it is never installed again.
    BundleInstalled {
        /// The bundle's name.
        name: String,
    },
}

/// All that was stored.
#[derive(Debug, Clone, Default)]
pub struct StoredState {
    /// In no particular order.
    pub schedules: Vec<Schedule>,
    /// In no particular order.
    pub jobs: Vec<Job>,
    /// In no particular order; some may have expired.
    pub idempotency: Vec<IdempotencyRecord>,
    /// What is paused apart from schedules, in no particular order.
    pub pauses: Vec<(PausePlace, Pause)>,
    /// In no particular order; some may be over.
    pub freezes: Vec<Freeze>,
    /// Names of the bundles that were installed at some time.
    pub installed_bundles: Vec<String>,
    /// Events of earlier commits that may be missing from the audit trail, in the order of their positions.
    pub audit_outbox: Vec<OutboxEntry>,
    /// How many rows could not be read, now or earlier, and were set aside.
    pub damaged_rows: u64,
}

/// An event that is kept with the changes it tells of until it is known to be in the audit trail.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEntry {
    /// Counts up from 1, in the order in which the events were committed.
    pub position: u64,
    /// The event's id.
    pub event_id: Uuid,
    /// The event; `None` once it is known to be in the trail. The last such entry stays, so that whoever looks for the others
    /// in the trail knows where to stop.
    pub event: Option<AuditEvent>,
}

/// What a commit does to the audit outbox.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutboxCommit<'a> {
    /// Position of the first of `events`.
    pub first_position: u64,
    /// To be kept, in this order.
    pub events: &'a [EncodedEvent],
    /// Every event up to this position is in the trail and on disk.
    pub written_up_to: Option<u64>,
}

/// Why the store did not do what it was asked for. The first question of every caller: was it applied?
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Certainly nothing of it was applied.
    #[error("not applied: {0}")]
    NotApplied(String),
    /// It may have been applied; the stored state has to be read again before anybody is answered.
    #[error("perhaps applied: {0}")]
    PerhapsApplied(String),
}

/// What a store has made of changes before it commits them; in what form is its own affair.
#[derive(Default)]
pub struct Prepared(Option<Box<dyn Any + Send>>);

impl Prepared {
    /// Something that the store will know again.
    pub fn new(made: impl Any + Send) -> Self {
        Self(Some(Box::new(made)))
    }

    /// What [`Prepared::new`] was given; `None` when nothing was prepared, or something else.
    pub fn into_made<T: Any>(self) -> Option<T> {
        Some(*self.0?.downcast().ok()?)
    }
}

/// Keeps schedules and jobs. One writer: the actor.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn load(&self) -> Result<StoredState, StoreError>;

    /// Applies all changes and those of the audit outbox in one transaction and makes them durable, or applies none. Without any,
    /// finds out whether the store can be written.
    ///
    /// # Errors
    /// Says whether the changes were certainly not or perhaps applied.
    async fn commit(&self, changes: &[Change], outbox: OutboxCommit<'_>) -> Result<(), StoreError>;

    /// Does what can be done for a commit before its turn comes, while the one before it is on its way to the disk. Nothing is kept of it
    /// that the next step does not bring.
    fn prepare(&self, _changes: &[Change]) -> Prepared {
        Prepared::default()
    }

    /// As [`Store::commit`], of changes that were prepared.
    ///
    /// # Errors
    /// As [`Store::commit`].
    async fn commit_prepared(&self, changes: &[Change], _prepared: Prepared, outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        self.commit(changes, outbox).await
    }

    /// Writes out what is buffered and closes; called once, last.
    async fn close(&self);
}
