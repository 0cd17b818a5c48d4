//! What the handlers work with.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use axum::http::HeaderMap;
use tokio::sync::Mutex;

use super::auth::bearer_token;
use super::auth::verifier::TokenVerifier;
use super::health_page::HealthPage;
use super::rate_limits::RateLimits;
use crate::config::RateLimitConfig;
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
    /// How long no byte of a body may come; after that the answer is 408.
    pub body_timeout: Duration,
    /// How deep a JSON body may be nested; deeper is 400.
    pub max_json_depth: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Origins of web pages that may read answers.
    pub allowed_origins: Vec<String>,
    /// How often may be asked; what was used of it is in [`HttpParts::rate_limits`].
    pub rate_limits: RateLimitConfig,
    /// When set, `/metrics` wants this bearer token.
    pub metrics_token: Option<SecretString>,
    /// False when `/metrics` has a listener of its own.
    pub serve_metrics: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 256 * 1024,
            request_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(10),
            max_json_depth: 32,
            trusted_proxies: Vec::new(),
            allowed_origins: Vec::new(),
            rate_limits: RateLimitConfig::default(),
            metrics_token: None,
            serve_metrics: true,
        }
    }
}

/// Where requests are counted, and what `/metrics` answers.
pub trait HttpMetrics: Send + Sync + 'static {
    /// Counts one request. `method` and `route` come from closed sets; `seconds` is from the first byte of the request to the
    /// start of the answer, without the time in which it waited for a job's end because that was asked for.
    fn http_request(&self, method: &str, route: &str, status: u16, seconds: f64);

    /// Counts a request that was refused for `address` or `principal`.
    fn rate_limited(&self, limit: &'static str);

    /// A listener has so many connections now.
    fn connections(&self, listener: &'static str, open: usize);

    /// A listener has as many connections as it may have.
    fn connections_full(&self, listener: &'static str);

    /// A listener closed a connection at once, for `address`: that has as many as it may have.
    fn connection_refused(&self, listener: &'static str, reason: &'static str);

    /// The certificate that a listener shows expires then, in seconds since 1970.
    fn certificate_expiry(&self, listener: &'static str, seconds: f64);

    /// All metrics of the process in the Prometheus text format.
    fn render(&self) -> String;
}

/// Everything the handlers and layers share. One pointer, because each layer takes a copy for each request.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

struct Shared {
    parts: HttpParts,
    /// Whose turn it is to have the metrics page made.
    metrics_turn: Mutex<()>,
    health_page: HealthPage,
}

/// What a state is made of.
pub struct HttpParts {
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
    /// What was used of the rate limits.
    pub rate_limits: Arc<RateLimits>,
    /// Limits.
    pub settings: HttpSettings,
}

impl Deref for HttpState {
    type Target = HttpParts;

    fn deref(&self) -> &HttpParts {
        &self.0.parts
    }
}

impl HttpState {
    /// Shares the parts.
    pub fn new(parts: HttpParts) -> Self {
        Self(Arc::new(Shared { parts, metrics_turn: Mutex::default(), health_page: HealthPage::default() }))
    }

    /// Whose turn it is to have the metrics page made.
    pub(super) fn metrics_turn(&self) -> &Mutex<()> {
        &self.0.metrics_turn
    }

    /// The modules' part of the health report, as it was written last.
    pub(super) fn health_page(&self) -> &HealthPage {
        &self.0.health_page
    }

    /// Whether the request's token was accepted lately and still counts; no signature is verified.
    pub(super) fn knows_bearer(&self, headers: &HeaderMap) -> bool {
        bearer_token(headers).is_ok_and(|token| self.verifier.remembers(token, self.now()))
    }

    /// The time by the clock that the rules use.
    pub(super) fn now(&self) -> Timestamp {
        self.handle.clock().now()
    }
}
