//! What a batch leaves for the audit trail.

use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::domain::audit::{AuditEvent, AuditOutcome, EncodedEvent};
use crate::domain::ids::ScheduleId;
use crate::domain::job::{Job, JobState, Reason, Trigger};
use crate::domain::time::{Timestamp, serde_millis};

/// One event. A job's transitions are the most by far, and are put into words only when they are encoded, which another core does.
#[derive(Debug, Clone)]
pub(in crate::orchestrator) enum AuditRecord {
    /// A command, or what the service did by itself.
    Said(Box<AuditEvent>),
    /// A job came to another state.
    Transition(Transition),
}

/// A job before and after its state changed.
#[derive(Debug, Clone)]
pub(in crate::orchestrator) struct Transition {
    pub event_id: Uuid,
    pub at: Timestamp,
    /// `None` when it is new.
    pub before: Option<Arc<Job>>,
    pub after: Arc<Job>,
}

/// A job as it stands in the audit trail.
#[derive(Serialize)]
struct JobRecord<'a> {
    state: JobState,
    reason: Option<Reason>,
    schedule_id: &'a ScheduleId,
    target: &'a str,
    trigger: Trigger,
    #[serde(with = "serde_millis")]
    scheduled_for: Timestamp,
}

impl<'a> JobRecord<'a> {
    fn of(job: &'a Job) -> Self {
        let Job { state, reason, schedule_id, target, trigger, scheduled_for, .. } = job;
        let (state, reason, trigger, scheduled_for) = (*state, *reason, *trigger, *scheduled_for);
        Self { state, reason, schedule_id, target, trigger, scheduled_for }
    }
}

impl From<AuditEvent> for AuditRecord {
    fn from(event: AuditEvent) -> Self {
        Self::Said(Box::new(event))
    }
}

impl AuditRecord {
    /// The event as it is kept.
    pub fn encoded(&self) -> EncodedEvent {
        match self {
            Self::Said(event) => EncodedEvent::from(&**event),
            Self::Transition(transition) => transition.encoded(),
        }
    }
}

impl Transition {
    fn encoded(&self) -> EncodedEvent {
        let Self { event_id, at, before, after } = self;
        let canceller = after.cancel_requested_by.as_ref().filter(|_| after.state == JobState::Cancelled);
        let operator = canceller.or(after.requested_by.as_ref());
        EncodedEvent::from(&AuditEvent {
            event_id: *event_id,
            time: *at,
            actor: operator.cloned().unwrap_or_else(|| "system:scheduler".to_owned()),
            action: format!("job.{}", after.state.as_str().to_ascii_lowercase()),
            object: format!("job/{}", after.id),
            outcome: AuditOutcome::Succeeded,
            request_id: None,
            address: None,
            before: before.as_deref().map(JobRecord::of),
            after: Some(JobRecord::of(after)),
            detail: after.error_message.clone(),
        })
    }
}
