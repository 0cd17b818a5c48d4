//! The published keys of one issuer: fetched, kept while the issuer does not answer, and fetched anew.
//!
//! Two things start a refresh: age, and a token with a key that is not there. However many ask, one refresh is under way, and one begins
//! at most every ten seconds, so that nobody can make this service a burden on the issuer by inventing keys. Ages are told by the clock port.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::key_source::KeySetSource;
use super::keys::name_of;
use crate::config::{KeySet, SetKey};
use crate::domain::ports::Clock;
use crate::domain::time::{Timestamp, to_delta};

/// At least so long from one refresh to the next, whoever asks.
const SHORTEST_PAUSE: TimeDelta = TimeDelta::seconds(10);
/// After a failed refresh, while there are keys, the next one is no later than this: the issuer may be back.
const LONGEST_RETRY: TimeDelta = TimeDelta::seconds(60);
/// How long a request waits for keys. An issuer answers within a fraction of a second, and a caller that is refused can come again.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// How long a refresh may take, discovery included.
const LONGEST_REFRESH: Duration = Duration::from_secs(10);
/// Of keys that cannot be used, so many are told of in one log line; the rest is counted.
const TOLD_KEYS: usize = 5;

/// Counts refreshes.
pub trait KeyMetrics: Send + Sync + 'static {
    /// A refresh ended; `outcome` is one of [`KeyRing::OUTCOMES`].
    fn key_set_refreshed(&self, issuer: &str, outcome: &'static str);
}

/// What a key ring works with.
pub struct KeyRingSettings {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// Where the keys come from.
    pub source: Arc<dyn KeySetSource>,
    /// Accepted algorithms by their JOSE names.
    pub algorithms: Vec<String>,
    /// How old the keys may grow.
    pub refresh: Duration,
    /// Tells ages.
    pub clock: Arc<dyn Clock>,
    /// Counts refreshes.
    pub metrics: Arc<dyn KeyMetrics>,
}

/// The published keys of one issuer.
pub struct KeyRing {
    settings: KeyRingSettings,
    made_at: Timestamp,
    keys: RwLock<Arc<PublishedKeys>>,
    state: Mutex<State>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

/// One document's keys.
#[derive(Default)]
pub(super) struct PublishedKeys {
    /// Another number for every other document.
    pub generation: u64,
    digest: Option<[u8; 32]>,
    keys: Vec<SetKey>,
}

impl PublishedKeys {
    /// The keys for an algorithm: those that have the token's name for its key, or all for a token that names none.
    pub fn find(&self, algorithm: Algorithm, kid: Option<&str>) -> Vec<&DecodingKey> {
        let fits = |key: &&SetKey| key.algorithm == algorithm && (kid.is_none() || key.kid.as_deref() == kid);
        self.keys.iter().filter(fits).map(|key| &key.key).collect()
    }
}

#[derive(Default)]
struct State {
    tried_at: Option<Timestamp>,
    succeeded_at: Option<Timestamp>,
    /// Why the last refresh failed, if it did.
    failure: Option<String>,
    /// Closed when the refresh is over that is or was under way.
    running: Option<watch::Receiver<()>>,
}

/// How a key ring is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRingStatus {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// How many keys there are.
    pub keys: usize,
    /// Time since the keys were last fetched; since the start while they never were, so that an alert on the age sees that, too.
    pub age: Duration,
    /// Why the last refresh failed, if it did.
    pub failure: Option<String>,
}

impl KeyRing {
    /// How a refresh can end.
    pub const OUTCOMES: [&'static str; 2] = [SUCCESS, FAILURE];

    /// A ring without keys. The first refresh is due at once.
    pub fn new(settings: KeyRingSettings) -> Arc<Self> {
        Arc::new(Self {
            made_at: settings.clock.now(),
            settings,
            keys: RwLock::default(),
            state: Mutex::default(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        })
    }

    /// Whether keys for this algorithm can be in the ring.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        let Self { settings: KeyRingSettings { algorithms, .. }, .. } = self;
        // A published document holds no secret, whatever the issuer accepts beside it.
        algorithm != Algorithm::HS256 && algorithms.iter().any(|accepted| accepted == name_of(algorithm))
    }

    /// The keys as they are now.
    pub(super) fn keys(&self) -> Arc<PublishedKeys> {
        Arc::clone(&self.keys.read())
    }

    /// How the ring is.
    pub fn status(&self) -> KeyRingStatus {
        let state = self.state.lock();
        let age = self.settings.clock.now() - state.succeeded_at.unwrap_or(self.made_at);
        KeyRingStatus {
            issuer: self.settings.issuer.clone(),
            keys: self.keys.read().keys.len(),
            // Zero when the clock was set back.
            age: age.to_std().unwrap_or_default(),
            failure: state.failure.clone(),
        }
    }

    /// Starts a refresh when the keys are old, or there are none yet.
    pub fn refresh_if_due(self: &Arc<Self>) {
        let has_keys = !self.keys.read().keys.is_empty();
        let refresh = to_delta(self.settings.refresh);
        let _running = self.join_or_start(|state| match state.failure {
            None if state.succeeded_at.is_some() => refresh,
            _ if has_keys => refresh.min(LONGEST_RETRY),
            _ => SHORTEST_PAUSE,
        });
    }

    /// Asks the issuer for a key that is not in the ring, unless that was just done. Waits for a refresh that is under way.
    pub(super) async fn ask_for_unknown_key(self: &Arc<Self>) {
        if let Some(mut running) = self.join_or_start(|_| SHORTEST_PAUSE) {
            // The refresh goes on without us; nothing is ever sent, so a change is the end.
            let _ = tokio::time::timeout(LONGEST_WAIT, running.changed()).await;
        }
    }

    /// Breaks a refresh off that is under way, and starts no more.
    pub async fn close(&self) {
        self.tasks.close();
        self.closing.cancel();
        self.tasks.wait().await;
    }

    /// Waits for the refresh that is under way, if there is one.
    #[cfg(test)]
    pub(in crate::http) async fn idle(&self) {
        let running = self.state.lock().running.clone();
        if let Some(mut running) = running {
            // Nothing is ever sent: a change is the end.
            let _ = running.changed().await;
        }
    }

    /// The refresh that is under way, or a new one if the last began longer ago than the pause.
    fn join_or_start(self: &Arc<Self>, pause: impl FnOnce(&State) -> TimeDelta) -> Option<watch::Receiver<()>> {
        let now = self.settings.clock.now();
        let mut state = self.state.lock();
        if let Some(running) = state.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        let pause = pause(&state);
        // A last try in the future is one from before the clock was set back.
        let is_due = state.tried_at.is_none_or(|tried_at| now < tried_at || now - tried_at >= pause);
        if !is_due || self.tasks.is_closed() {
            return None;
        }
        let (done, running) = watch::channel(());
        state.tried_at = Some(now);
        state.running = Some(running.clone());
        let ring = Arc::clone(self);
        self.tasks.spawn(async move {
            // A task of its own: a caller who goes away must not take the refresh from the others who wait for it.
            ring.closing.run_until_cancelled(ring.refresh()).await;
            drop(done);
        });
        Some(running)
    }

    async fn refresh(&self) {
        let fetched = tokio::time::timeout(LONGEST_REFRESH, self.settings.source.fetch()).await;
        let outcome = match fetched {
            Ok(Ok(document)) => self.take(&document),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LONGEST_REFRESH.as_secs())),
        };
        let issuer = self.settings.issuer.as_str();
        let label = if outcome.is_ok() { SUCCESS } else { FAILURE };
        self.settings.metrics.key_set_refreshed(issuer, label);
        let mut state = self.state.lock();
        match outcome {
            Ok(()) => {
                state.succeeded_at = Some(self.settings.clock.now());
                if state.failure.take().is_some() {
                    tracing::info!(issuer, "the key set can be had again");
                }
            }
            Err(reason) => {
                // Once for each reason: an issuer that is down is asked several times a minute.
                if state.failure.as_ref() != Some(&reason) {
                    tracing::warn!(issuer, reason, "the key set cannot be had; the last one counts, if there is one");
                }
                state.failure = Some(reason);
            }
        }
    }

    /// Puts a document's keys in the place of those before.
    fn take(&self, document: &[u8]) -> Result<(), String> {
        let digest: [u8; 32] = Sha256::digest(document).into();
        let before = self.keys();
        if before.digest == Some(digest) {
            return Ok(());
        }
        let set = KeySet::read(document, &self.settings.algorithms).map_err(|error| format!("the document {error}"))?;
        let issuer = self.settings.issuer.as_str();
        tracing::info!(issuer, keys = set.keys.len(), "the key set has changed");
        if !set.passed_over.is_empty() {
            let told = set.passed_over.iter().take(TOLD_KEYS).map(String::as_str).collect::<Vec<_>>().join("; ");
            tracing::warn!(issuer, count = set.passed_over.len(), keys = told, "keys of the set cannot be used");
        }
        let keys = PublishedKeys { generation: before.generation + 1, digest: Some(digest), keys: set.keys };
        *self.keys.write() = Arc::new(keys);
        Ok(())
    }
}

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";
