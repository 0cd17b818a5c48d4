//! A commit under way.

use tokio_util::task::AbortOnDropHandle;

use super::batch::Batch;
use super::outbox::OutboxPosition;
use crate::domain::audit::EncodedEvent;
use crate::domain::ports::StoreError;

/// A batch on its way to the store.
pub(super) type Commit = AbortOnDropHandle<Committed>;

/// A batch that was on its way to the store.
pub(super) struct Committed {
    pub batch: Batch,
    /// Its events.
    pub events: Vec<EncodedEvent>,
    /// Where in the outbox they are.
    pub position: OutboxPosition,
    pub result: Result<(), StoreError>,
    /// How long it took.
    pub seconds: f64,
}

/// Waits for a commit; for ever when there is none.
pub(super) async fn committed(commit: &mut Option<Commit>) -> Committed {
    let Some(commit) = commit else { return std::future::pending().await };
    commit.await.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // Only the end of the runtime stops it.
        Err(_) => unreachable!("nobody stops a commit"),
    })
}
