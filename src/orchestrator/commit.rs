//! A commit: written down, on its way to the store, and ended.
//!
//! A batch that follows another one closely is written down while that one is on its way, and sent as soon as it is known that the store
//! has it: the disk does not wait for the actor.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::batch::Batch;
use super::outbox::OutboxPosition;
use crate::domain::audit::EncodedEvent;
use crate::domain::ports::{Prepared, Store, StoreError};
use crate::telemetry::Stopwatch;

/// A batch on its way to the store, or waiting for the one before it to get there.
pub(super) struct Commit {
    /// Messages in it.
    pub messages: usize,
    task: AbortOnDropHandle<Committed>,
    /// Told where the next one's events stand once this one was applied; dropped when it was not.
    applied: Option<oneshot::Receiver<OutboxPosition>>,
}

/// A batch that was written down.
struct Sealed {
    batch: Batch,
    events: Vec<EncodedEvent>,
    prepared: Prepared,
}

/// A batch that was on its way to the store.
pub(super) struct Committed {
    pub batch: Batch,
    /// Its events.
    pub events: Vec<EncodedEvent>,
    /// Where in the outbox they are.
    pub position: OutboxPosition,
    pub result: Result<(), StoreError>,
    /// How long the store took, without writing it down.
    pub seconds: f64,
}

impl Sealed {
    fn of(batch: Batch, store: &dyn Store) -> Self {
        let events = batch.encoded_events();
        let prepared = store.prepare(&batch.decided.changes);
        Self { batch, events, prepared }
    }

    async fn committed(self, store: &dyn Store, position: OutboxPosition) -> Committed {
        let Self { batch, events, prepared } = self;
        let stopwatch = Stopwatch::start();
        let result = store.commit_prepared(&batch.decided.changes, prepared, position.commit(&events)).await;
        Committed { batch, events, position, result, seconds: stopwatch.seconds() }
    }

    /// It stays here, because the one before it failed.
    fn not_sent(self) -> Committed {
        let result = Err(StoreError::NotApplied("the commit before it failed".to_owned()));
        let Self { batch, events, prepared: _ } = self;
        Committed { batch, events, position: OutboxPosition::default(), result, seconds: 0.0 }
    }
}

impl Commit {
    /// Sends a batch to the store. In a task of its own: writing everything down is work that another core can do.
    pub fn begin(batch: Batch, store: Arc<dyn Store>, position: OutboxPosition) -> Self {
        Self::of(batch.messages, move |applied| async move {
            let committed = Sealed::of(batch, store.as_ref()).committed(store.as_ref(), position).await;
            committed.let_next_go(applied)
        })
    }

    /// Writes a batch down and sends it to the store once the commit before it is there. If that fails, so does this one, and nothing
    /// was sent. `written_up_to` is what it may remove from the outbox.
    pub fn follow(&mut self, batch: Batch, store: Arc<dyn Store>, written_up_to: Option<u64>) -> Self {
        let before = self.applied.take();
        Self::of(batch.messages, move |applied| async move {
            let sealed = Sealed::of(batch, store.as_ref());
            let position = match before {
                Some(before) => before.await.ok(),
                None => None,
            };
            let Some(position) = position else { return sealed.not_sent() };
            sealed.committed(store.as_ref(), position.with_written(written_up_to)).await.let_next_go(applied)
        })
    }

    fn of<F: Future<Output = Committed> + Send + 'static>(
        messages: usize,
        commit: impl FnOnce(oneshot::Sender<OutboxPosition>) -> F,
    ) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self { messages, task: AbortOnDropHandle::new(tokio::spawn(commit(sender))), applied: Some(receiver) }
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Committed {
        // Nothing but a panic keeps it from its end.
        (&mut self.task).await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }
}

impl Committed {
    /// Tells the next one, if there is one, that its turn has come.
    fn let_next_go(self, applied: oneshot::Sender<OutboxPosition>) -> Self {
        if self.result.is_ok() {
            let _ = applied.send(self.position.after(self.events.len()));
        }
        self
    }
}

/// Waits for a commit; for ever when there is none.
pub(super) async fn committed(commit: &mut Option<Commit>) -> Committed {
    match commit {
        Some(commit) => commit.ended().await,
        None => std::future::pending().await,
    }
}
