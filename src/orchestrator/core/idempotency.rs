//! One effect per idempotency key: the first answer is kept with the change that it speaks of, and given again.

use std::sync::Arc;

use super::Step;
use super::commands::schedule_object;
use crate::domain::audit::{AuditEvent, AuditOutcome};
use crate::domain::idempotency::{Answered, IdempotencyId, IdempotencyRecord, IdempotentRequest, Recordable, RecordedAnswer};
use crate::domain::ports::Change;
use crate::domain::principal::Caller;
use crate::orchestrator::error::CommandError;

/// What a key belongs to beside its caller: an operation, and the object that its path names.
#[derive(Debug, Clone, Copy)]
pub(in crate::orchestrator) struct Operation<'a> {
    /// The operation's id.
    pub name: &'a str,
    /// `schedule/ID` or `job/ID`; empty where the path names nothing.
    pub object: &'a str,
}

impl Step<'_> {
    /// Decides a command, or gives the answer that was given under its key. Only what succeeds is kept: a request that was refused
    /// has changed nothing, and can be tried again under its key.
    pub fn once<T: Recordable>(
        &mut self,
        caller: &Caller,
        operation: Operation<'_>,
        request: Option<IdempotentRequest>,
        decide: impl FnOnce(&mut Self) -> Result<Arc<T>, CommandError>,
    ) -> Result<Answered<T>, CommandError> {
        let Some(IdempotentRequest { key, digest }) = request else {
            return decide(self).map(|value| Answered { value, replayed: false });
        };
        let name = format!("{} {}", operation.name, operation.object).trim_end().to_owned();
        let id = IdempotencyId { caller: caller.subject.clone(), operation: name, key };
        let earlier = self.state.idempotency.get(&id).cloned();
        if let Some(record) = earlier.as_ref().filter(|record| self.now < record.expires_at()) {
            if record.digest != digest {
                return Err(CommandError::IdempotencyKeyReused);
            }
            if let Some(value) = T::replay(&record.answer) {
                if !value.is_within(&caller.access, &self.rules.catalog) {
                    return Err(CommandError::OutsideAccess);
                }
                self.audit_replay(caller, operation, &record.answer);
                return Ok(Answered { value, replayed: true });
            }
        }
        let value = decide(self)?;
        let record = IdempotencyRecord { id, digest, answer: T::record(&value), created_at: self.now };
        self.push(Change::Idempotency { before: earlier, after: Some(Arc::new(record)) });
        Ok(Answered { value, replayed: false })
    }

    /// Forgets answers that have been kept for long enough, oldest first, at most `limit`; true when more are left.
    pub(super) fn prune_answers(&mut self, limit: usize) -> bool {
        let expired: Vec<Arc<IdempotencyRecord>> = self
            .state
            .answers_by_expiry
            .iter()
            .take_while(|(expires_at, _)| *expires_at <= self.now)
            .filter_map(|(_, id)| self.state.idempotency.get(id).cloned())
            .take(limit + 1)
            .collect();
        for record in expired.iter().take(limit) {
            self.push(Change::Idempotency { before: Some(Arc::clone(record)), after: None });
        }
        expired.len() > limit
    }

    fn audit_replay(&mut self, caller: &Caller, operation: Operation<'_>, answer: &RecordedAnswer) {
        let object = match answer {
            RecordedAnswer::Schedule(schedule) => schedule_object(&schedule.id),
            RecordedAnswer::Job(_) => operation.object.to_owned(),
        };
        self.record(AuditEvent {
            event_id: self.ids.new_uuid(self.now),
            time: self.now,
            actor: caller.subject.clone(),
            action: operation.name.to_owned(),
            object,
            outcome: AuditOutcome::Unchanged,
            request_id: caller.request_id.clone(),
            address: caller.address,
            before: None,
            after: None,
            detail: Some("the first answer under the idempotency key was given again".to_owned()),
        });
    }
}
