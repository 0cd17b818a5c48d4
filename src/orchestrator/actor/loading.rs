//! Takes over what is stored: at the start, and again after a commit of which it is not known whether it was applied.

use super::super::core::State;
use super::{Orchestrator, STORE_RETRY};
use crate::domain::ports::{Change, OutboxEntry, StoreError, TaskCall};
use crate::domain::time::Timestamp;

impl Orchestrator {
    /// Takes over what is stored; returns the audit outbox.
    pub(super) async fn load(&mut self) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut stored = self.ports.store.load().await?;
        let audit_outbox = std::mem::take(&mut stored.audit_outbox);
        self.handle.status.set_damaged_rows(stored.damaged_rows);
        let state = State::restore(stored);
        self.handle.view.reset(state.schedules(), state.jobs(), state.holds().clone());
        self.state = state;
        Ok(audit_outbox)
    }

    /// After a commit that was perhaps applied: reads what is really stored. True when that worked.
    pub(super) async fn reload(&mut self, now: Timestamp) -> bool {
        let (draining, targets) = (self.state.is_draining(), self.state.targets());
        let audit_outbox = match self.load().await {
            Ok(audit_outbox) => audit_outbox,
            Err(error) => {
                tracing::error!(%error, "the store cannot be read again after a commit with an unknown outcome");
                self.retry_store_at = Some(now + STORE_RETRY);
                self.handle.status.set_store_fault(Some(error.to_string()));
                return false;
            }
        };
        self.must_reload = false;
        self.outbox.restore_later(audit_outbox).await;
        // Not stored, so whatever the commit came to it is as it was.
        targets
            .into_iter()
            .for_each(|(name, target)| self.state.apply(&Change::Target { name, before: None, after: Some(target) }));
        if draining {
            self.state.drain();
        }
        // What was committed but never performed: attempts that nobody started.
        let calls: Vec<TaskCall> =
            self.state.attempts_under_way(&self.rules.catalog).filter(|call| !self.attempts.knows(call)).collect();
        calls.into_iter().for_each(|call| self.attempts.start(call));
        // And attempts that nobody stopped. To stop one that has been stopped does nothing.
        let stopping = self.state.jobs().filter(|job| job.is_active() && (job.cancel_requested_by.is_some() || job.aborting));
        stopping.for_each(|job| self.attempts.stop(job.id));
        true
    }
}
