//! The work that a 2026 server takes on and reports on later: repair scans, runs of its own maintenance, AQL jobs.
//!
//! One registry holds them all. They live as long as the sandbox, so a caller that was restarted finds its handle again. An
//! operation goes on whether or not anybody asks for it; cancelling and the end of the sandbox are all that stops it.
//!
//! Nothing is done only once for an `Idempotency-Key`: the sources that were read do not look at one. The key is recorded, so
//! that a test sees who submitted twice.

use std::collections::{HashMap, VecDeque};

use axum::http::StatusCode;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::answer::Refusal;

/// The oldest that have ended are forgotten beyond this many; a sandbox that runs for days must not grow.
const MAX_OPERATIONS: usize = 4096;

/// What an operation does, and so which routes know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// `POST /v1/admin/repair/scan`.
    RepairScan,
    /// `POST /api/v1/maintenance/schedules/{id}/run`.
    Maintenance,
    /// `POST /v2/jobs`.
    Query,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// It was accepted.
    Queued,
    /// It is being worked on.
    Running,
    /// It ended well.
    Succeeded,
    /// It ended with an error message.
    Failed,
    /// It was cancelled before it ended.
    Cancelled,
}

impl OperationState {
    /// Whether it will not change any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One operation as it stands.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// The handle that its caller was given.
    pub id: String,
    /// What it is about: the names of the tasks that the server understood, the query, or the body of the repair scan.
    pub about: String,
    /// How far it is.
    pub state: OperationState,
    /// From 0 to 100.
    pub progress_percent: u8,
    /// Why it failed.
    pub error_message: Option<String>,
    /// The `Idempotency-Key` of the request that submitted it.
    pub idempotency_key: Option<String>,
    /// How many operations of this kind were submitted with this key; without a key it is 1.
    pub submitted: usize,
}

struct Entry {
    operation: Operation,
    /// What it ends with, if a test has scripted its failure.
    failure: Option<String>,
    cancelled: CancellationToken,
}

#[derive(Default)]
struct List {
    entries: VecDeque<Entry>,
    /// How many of the next operations fail, and with which message.
    failures: VecDeque<(u32, String)>,
}

impl List {
    fn find(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.operation.id == id)
    }

    fn next_failure(&mut self) -> Option<String> {
        let (times, message) = self.failures.front_mut()?;
        let message = message.clone();
        *times -= 1;
        if *times == 0 {
            self.failures.pop_front();
        }
        Some(message)
    }
}

/// All operations of one sandbox.
pub(super) struct Operations {
    list: Mutex<List>,
    /// Carries nothing; a change of it means that the list has changed.
    changed: watch::Sender<()>,
}

impl Default for Operations {
    fn default() -> Self {
        Self { list: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Operations {
    /// Takes an operation on: its id, and the token that is cancelled when it is. The caller has it worked on.
    pub(super) fn submit(
        &self,
        kind: OperationKind,
        about: String,
        idempotency_key: Option<String>,
    ) -> Result<(String, CancellationToken), Refusal> {
        let mut list = self.list.lock();
        if list.entries.len() >= MAX_OPERATIONS {
            let ended = list.entries.iter().position(|entry| entry.operation.state.has_ended());
            let too_many = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "Too many jobs".to_owned());
            list.entries.remove(ended.ok_or_else(too_many)?);
        }
        let (id, cancelled) = (Uuid::now_v7().to_string(), CancellationToken::new());
        let failure = list.next_failure();
        let operation = Operation {
            kind,
            id: id.clone(),
            about,
            state: OperationState::Queued,
            progress_percent: 0,
            error_message: None,
            idempotency_key,
            submitted: 1,
        };
        list.entries.push_back(Entry { operation, failure, cancelled: cancelled.clone() });
        drop(list);
        self.changed.send_replace(());
        Ok((id, cancelled))
    }

    /// Notes that an operation is being worked on.
    pub(super) fn begin(&self, id: &str) {
        self.change(id, |entry| entry.operation.state = OperationState::Running);
    }

    /// What a test has scripted that an operation fails with.
    pub(super) fn scripted_failure(&self, id: &str) -> Option<String> {
        self.list.lock().find(id)?.failure.clone()
    }

    /// Ends an operation, with what it failed with or well.
    pub(super) fn end(&self, id: &str, failure: Option<String>) {
        self.change(id, |entry| match failure {
            None => {
                entry.operation.state = OperationState::Succeeded;
                entry.operation.progress_percent = 100;
            }
            Some(message) => {
                entry.operation.state = OperationState::Failed;
                entry.operation.error_message = Some(message);
            }
        });
    }

    /// Cancels an operation: as it stands afterwards, or as it ended if it was over before.
    pub(super) fn cancel(&self, kind: OperationKind, id: &str) -> Option<Result<Operation, Operation>> {
        let mut list = self.list.lock();
        let entry = list.find(id).filter(|entry| entry.operation.kind == kind)?;
        if entry.operation.state.has_ended() {
            return Some(Err(entry.operation.clone()));
        }
        entry.operation.state = OperationState::Cancelled;
        entry.cancelled.cancel();
        let operation = entry.operation.clone();
        drop(list);
        self.changed.send_replace(());
        Some(Ok(operation))
    }

    /// An operation of this kind.
    pub(super) fn find(&self, kind: OperationKind, id: &str) -> Option<Operation> {
        let mut list = self.list.lock();
        list.find(id).map(|entry| entry.operation.clone()).filter(|operation| operation.kind == kind)
    }

    /// All that are known, oldest first.
    pub(super) fn list(&self) -> Vec<Operation> {
        let mut operations: Vec<Operation> = self.list.lock().entries.iter().map(|entry| entry.operation.clone()).collect();
        let mut submitted: HashMap<(OperationKind, String), usize> = HashMap::new();
        for operation in &operations {
            if let Some(key) = &operation.idempotency_key {
                *submitted.entry((operation.kind, key.clone())).or_default() += 1;
            }
        }
        for operation in &mut operations {
            if let Some(key) = &operation.idempotency_key {
                operation.submitted = submitted[&(operation.kind, key.clone())];
            }
        }
        operations
    }

    /// How many are known.
    pub(super) fn count(&self) -> usize {
        self.list.lock().entries.len()
    }

    pub(super) fn fail_next(&self, times: u32, message: String) {
        if times > 0 {
            self.list.lock().failures.push_back((times, message));
        }
    }

    /// Sets the progress of all that have not ended.
    pub(super) fn set_progress(&self, percent: u8) {
        for entry in &mut self.list.lock().entries {
            if !entry.operation.state.has_ended() {
                entry.operation.progress_percent = percent.min(100);
            }
        }
        self.changed.send_replace(());
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Changes an operation, unless it has ended: an end is final.
    fn change(&self, id: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.list.lock().find(id).filter(|entry| !entry.operation.state.has_ended()) {
            change(entry);
        }
        self.changed.send_replace(());
    }
}
