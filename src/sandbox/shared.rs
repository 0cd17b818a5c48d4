//! What all requests of one sandbox share.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Refusal;
use super::clock;
use super::config::SandboxConfig;
use super::fault::Faults;
use super::hold::Holds;
use super::limit::RateLimit;
use super::listener::Door;
use super::record::Recorder;
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

    async fn time_of_work(&self) {
        tokio::time::sleep(self.config.task_delay).await;
        self.work.held().await;
    }

    pub(super) fn uptime_seconds(&self) -> u64 {
        clock::instant().saturating_duration_since(self.started).as_secs()
    }
}
