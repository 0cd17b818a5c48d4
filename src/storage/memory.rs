//! Keeps nothing: for tests, and for those who want no file.

use async_trait::async_trait;

use crate::domain::ports::{Change, OutboxCommit, Store, StoreError, StoredState};

/// A store that forgets. What is acknowledged is lost with the process.
#[derive(Debug, Default)]
pub struct MemoryStore;

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self) -> Result<StoredState, StoreError> {
        Ok(StoredState::default())
    }

    async fn commit(&self, _changes: &[Change], _outbox: OutboxCommit<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) {}
}
