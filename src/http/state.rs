//! What the handlers work with.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::auth::verifier::TokenVerifier;
use crate::domain::ports::{AuditSink, IdSource};
use crate::domain::time::Timestamp;
use crate::orchestrator::{HealthRegistry, OrchestratorHandle};

/// Limits of the server and who may read the metrics.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The largest request body in bytes; a larger one is 413.
    pub max_body_bytes: usize,
    /// How long a request may take, its body included; after that the answer is 503.
    pub request_timeout: Duration,
    /// When set, `/metrics` wants this bearer token.
    pub metrics_token: Option<SecretString>,
    /// False when `/metrics` has a listener of its own.
    pub serve_metrics: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { max_body_bytes: 256 * 1024, request_timeout: Duration::from_secs(30), metrics_token: None, serve_metrics: true }
    }
}

/// Where requests are counted, and what `/metrics` answers.
pub trait HttpMetrics: Send + Sync + 'static {
    /// Counts one request. `method` and `route` come from closed sets; `seconds` is from the first byte of the request to the
    /// start of the answer.
    fn http_request(&self, method: &str, route: &str, status: u16, seconds: f64);

    /// All metrics of the process in the Prometheus text format.
    fn render(&self) -> String;
}

/// Everything the handlers and layers share. Cheap to clone.
#[derive(Clone)]
pub struct HttpState {
    /// The commands and the read view.
    pub handle: OrchestratorHandle,
    /// The modules' last signals.
    pub health: HealthRegistry,
    /// Judges bearer tokens.
    pub verifier: Arc<TokenVerifier>,
    /// Where refused writes are recorded.
    pub audit: Arc<dyn AuditSink>,
    /// Makes request ids.
    pub ids: Arc<dyn IdSource>,
    /// Counts requests.
    pub metrics: Arc<dyn HttpMetrics>,
    /// Limits.
    pub settings: HttpSettings,
}

impl HttpState {
    /// The time by the clock that the rules use.
    pub(super) fn now(&self) -> Timestamp {
        self.handle.clock().now()
    }
}
