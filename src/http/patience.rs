//! Time that a request was granted beyond what others have, because its caller asked for a wait.
//!
//! The handler grants it; the layer that keeps `request_timeout` and the connection that looks for stuck requests go by it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

/// Travels with the request as an extension; all clones are one. A connection has one for all of its requests, as there is one
/// under way at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Patience(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    granted_ms: AtomicU64,
    waited_us: AtomicU64,
}

impl Patience {
    /// That of a request; one of its own when it came over no connection.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// As [`Patience::of`], for those who come after, too.
    pub fn known(extensions: &mut Extensions) -> Self {
        extensions.get_or_insert_default::<Self>().clone()
    }

    /// The request may take so much longer.
    pub fn grant(&self, more: Duration) {
        self.0.granted_ms.fetch_add(u64::try_from(more.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How much longer than others the request may take.
    pub fn granted(&self) -> Duration {
        Duration::from_millis(self.0.granted_ms.load(Ordering::Relaxed))
    }

    /// Notes how long it was waited on purpose.
    pub fn note_wait(&self, seconds: f64) {
        let micros = Duration::try_from_secs_f64(seconds).map_or(0, |waited| waited.as_micros());
        self.0.waited_us.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many seconds it was waited on purpose, if it was.
    pub fn waited(&self) -> Option<f64> {
        let waited = Duration::from_micros(self.0.waited_us.load(Ordering::Relaxed));
        (!waited.is_zero()).then_some(waited.as_secs_f64())
    }

    /// The next request begins, and was granted nothing.
    pub fn renew(&self) {
        self.0.granted_ms.store(0, Ordering::Relaxed);
        self.0.waited_us.store(0, Ordering::Relaxed);
    }
}

impl<S: Sync> FromRequestParts<S> for Patience {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}
