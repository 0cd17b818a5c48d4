//! What all requests of one sandbox share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::http::HeaderMap;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::{NOT_OPEN, Refusal};
use super::clock;
use super::config::SandboxConfig;
use super::fault::Faults;
use super::hold::Holds;
use super::limit::RateLimit;
use super::listener::Door;
use super::operation::{OperationKind, Operations};
use super::record::Recorder;
use super::replication::Replication;
use super::schedule::Schedules;
use super::store::Store;
use super::work::Work;

/// The state behind an `Arc`. Locks are held for moments only, never over an await.
pub(super) struct Shared {
    pub(super) config: SandboxConfig,
    pub(super) address: SocketAddr,
    /// Closes and opens the listener.
    pub(super) door: Door,
    pub(super) started: Instant,
    pub(super) store: Mutex<Store>,
    pub(super) faults: Faults,
    pub(super) holds: Holds,
    pub(super) recorder: Arc<Recorder>,
    pub(super) rate_limit: RateLimit,
    /// Cancelled when the sandbox begins to end.
    pub(super) stop: CancellationToken,
    pub(super) work: Work,
    /// What a server of 2026 works on and reports on later.
    pub(super) operations: Operations,
    pub(super) schedules: Mutex<Schedules>,
    pub(super) replication: Mutex<Replication>,
    /// What `/metrics` says is waiting, beside what work is in progress.
    pub(super) pending_compaction_bytes: AtomicU64,
}

impl Shared {
    pub(super) fn new(config: SandboxConfig, address: SocketAddr, door: Door) -> Self {
        let mut store = Store::default();
        if config.seed {
            store.seed();
        }
        Self {
            address,
            door,
            started: clock::instant(),
            store: Mutex::new(store),
            faults: Faults::default(),
            holds: Holds::default(),
            recorder: Arc::default(),
            rate_limit: RateLimit::new(config.rate_limit_per_minute),
            stop: CancellationToken::new(),
            work: Work::default(),
            operations: Operations::default(),
            schedules: Mutex::default(),
            replication: Mutex::new(config.replication),
            pending_compaction_bytes: AtomicU64::new(0),
            config,
        }
    }

    /// Takes the delay and then finishes, whether or not the caller is still there; a sandbox that stops does not finish.
    pub(super) async fn take_time(self: &Arc<Self>, finish: impl FnOnce(&Self) + Send + 'static) -> Result<(), Refusal> {
        let shared = Arc::clone(self);
        let work = async move {
            tokio::select! {
                () = shared.stop.cancelled() => {}
                () = shared.time_of_work() => finish(&shared),
            }
        };
        self.work.perform(work).await
    }

    /// Takes an operation on, and answers its id at once. It takes the delay, and ends as a test has scripted; the effect happens
    /// if it ends well. While the store is closed it fails.
    pub(super) fn begin_operation(
        self: &Arc<Self>,
        kind: OperationKind,
        about: String,
        headers: &HeaderMap,
        effect: impl FnOnce(&Self) + Send + 'static,
    ) -> Result<String, Refusal> {
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
        let (id, cancelled) = self.operations.submit(kind, about, key)?;
        let (shared, handle) = (Arc::clone(self), id.clone());
        let work = async move {
            shared.operations.begin(&id);
            tokio::select! {
                // What was cancelled must not end in another way.
                biased;
                () = shared.stop.cancelled() => {}
                () = cancelled.cancelled() => {}
                () = shared.time_of_work() => {
                    let closed = !shared.store.lock().is_open();
                    let failure = shared.operations.scripted_failure(&id).or(closed.then(|| NOT_OPEN.to_owned()));
                    // Whoever sees it succeeded sees its effect too.
                    if failure.is_none() {
                        effect(&shared);
                    }
                    shared.operations.end(&id, failure);
                }
            }
        };
        // The registry of work owns the task and waits for it at the end.
        drop(self.work.begin(work));
        Ok(handle)
    }

    async fn time_of_work(&self) {
        tokio::time::sleep(self.config.task_delay).await;
        self.work.held().await;
    }

    pub(super) fn uptime_seconds(&self) -> u64 {
        clock::instant().saturating_duration_since(self.started).as_secs()
    }
}
