//! A router with nobody behind it, and tokens to call it with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Builder;
use axum::http::{HeaderMap, Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::domain::audit::{AuditEvent, EncodedEvent};
use crate::domain::catalog::{Catalog, TargetCatalog};
use crate::domain::ports::{AuditSink, Change, Clock, IdSource, OutboxEntry};
use crate::domain::schedule_input;
use crate::domain::time::Timestamp;
use crate::http::{
    HttpMetrics, HttpParts, HttpSettings, HttpState, RateLimits, TokenVerifier, VerificationKey, VerifierSettings,
    metrics_router, router,
};
use crate::orchestrator::{HealthRegistry, OrchestratorHandle};

/// The secret of the tests' tokens.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Where the API is.
pub const API: &str = "/api/v1/maintenance";

/// The time by the tests' clock.
pub fn now() -> Timestamp {
    "2026-01-31T02:00:00Z".parse().expect("a time")
}

struct FixedClock;

#[async_trait]
impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

struct FixedIds;

impl IdSource for FixedIds {
    fn new_uuid(&self, _: Timestamp) -> Uuid {
        Uuid::from_u128(42)
    }

    fn unit_random(&self) -> f64 {
        0.5
    }
}

#[derive(Default)]
struct Recorder {
    audit: Mutex<Vec<AuditEvent>>,
    requests: Mutex<Vec<(String, String, u16)>>,
    limited: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl AuditSink for Recorder {
    async fn record(&self, events: Vec<EncodedEvent>) {
        self.audit.lock().extend(events.iter().map(EncodedEvent::decoded));
    }

    async fn flush(&self) -> bool {
        true
    }

    async fn reconcile(&self, _outbox: Vec<OutboxEntry>) -> usize {
        0
    }
}

impl HttpMetrics for Recorder {
    fn http_request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        assert!(seconds >= 0.0);
        self.requests.lock().push((method.to_owned(), route.to_owned(), status));
    }

    fn rate_limited(&self, limit: &'static str) {
        self.limited.lock().push(limit);
    }

    fn connections(&self, _listener: &'static str, _open: usize) {}

    fn connections_full(&self, _listener: &'static str) {}

    fn connection_refused(&self, _listener: &'static str, _reason: &'static str) {}

    fn certificate_expiry(&self, _listener: &'static str, _seconds: f64) {}

    fn render(&self) -> String {
        "up 1\n".to_owned()
    }
}

/// The service under test.
pub struct TestService {
    pub state: HttpState,
    recorder: Arc<Recorder>,
    _mailbox: Box<dyn Send + Sync>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("visible ASCII"))
    }

    /// Asserts that this is a complete problem document, and gives its code.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let document = self.json();
        let mut members: Vec<&str> = document.as_object().expect("an object").keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["code", "detail", "errors", "instance", "request_id", "status", "title", "type"]);
        assert_eq!(document["status"], self.status.as_u16());
        assert_eq!(document["request_id"], self.header("x-request-id"));
        let code = document["code"].as_str().expect("a code");
        assert_eq!(document["type"], format!("urn:themis-maintenance:problem:{}", code.replace('_', "-")));
        code.to_owned()
    }
}

impl TestService {
    pub fn new() -> Self {
        Self::with(HttpSettings::default(), &[], 16)
    }

    /// A service whose view shows one schedule, `nightly`.
    pub fn with_a_schedule() -> Self {
        Self::with(HttpSettings::default(), &[nightly()], 16)
    }

    pub fn with(settings: HttpSettings, committed: &[Change], capacity: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(FixedClock);
        let (handle, mailbox) = OrchestratorHandle::for_tests(catalog(), Arc::clone(&clock), committed, capacity);
        let recorder = Arc::new(Recorder::default());
        let keys = vec![VerificationKey::Hs256(SecretString::from(SECRET))];
        let verifier = TokenVerifier::new(VerifierSettings { keys, ..VerifierSettings::default() }).expect("a good key");
        let state = HttpState::new(HttpParts {
            handle,
            health: HealthRegistry::new(clock),
            verifier: Arc::new(verifier),
            audit: recorder.clone(),
            ids: Arc::new(FixedIds),
            metrics: recorder.clone(),
            rate_limits: Arc::new(RateLimits::new(&settings.rate_limits)),
            settings,
        });
        Self { state, recorder, _mailbox: Box::new(mailbox) }
    }

    pub fn router(&self) -> Router {
        router(self.state.clone())
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        send(self.router(), request).await
    }

    pub async fn send_to_metrics_listener(&self, request: Request<Body>) -> Answer {
        send(metrics_router(self.state.clone()), request).await
    }

    /// Sends a request with a token of this scope and a JSON body.
    pub async fn call(&self, method: &str, path: &str, scope: &str, body: &str) -> Answer {
        let request = authorized(method, path, scope).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub fn audited(&self) -> Vec<AuditEvent> {
        self.recorder.audit.lock().clone()
    }

    pub fn limited(&self) -> Vec<&'static str> {
        self.recorder.limited.lock().clone()
    }

    pub fn counted(&self) -> Vec<(String, String, u16)> {
        self.recorder.requests.lock().clone()
    }
}

/// Sends a request to any router.
pub async fn send(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.expect("a router always answers");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub fn request(method: &str, path: &str) -> Builder {
    Request::builder().method(method).uri(path)
}

pub fn authorized(method: &str, path: &str, scope: &str) -> Builder {
    let claims = json!({"sub": "alice", "exp": now().timestamp() + 60, "scope": scope});
    request(method, path).header("authorization", format!("Bearer {}", token(&claims)))
}

pub fn empty(builder: Builder) -> Request<Body> {
    builder.body(Body::empty()).expect("a request")
}

/// An HS256 token with these claims.
pub fn token(claims: &Value) -> String {
    signed(Algorithm::HS256, claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}

pub fn signed(algorithm: Algorithm, claims: &Value, key: &EncodingKey) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, key).expect("a token")
}

fn catalog() -> Catalog {
    Catalog::new([("default".to_owned(), TargetCatalog::default())].into())
}

fn nightly() -> Change {
    use crate::domain::ids::ScheduleId;
    use crate::domain::schedule::{RunState, Schedule};
    let document = json!({
        "name": "Nightly",
        "cron_expression": "0 2 * * *",
        "tasks": ["INDEX_REBUILD", {"task_type": "custom", "name": "x", "parameters": {"endpoint": "y"}}],
    });
    let input = schedule_input::parse(&document, &catalog(), now()).expect("a schedule");
    let schedule = Schedule {
        id: ScheduleId::parse("nightly").expect("an id"),
        definition: Arc::new(input.definition),
        version: 1,
        created_at: now(),
        updated_at: now(),
        created_by: "alice".to_owned(),
        updated_by: "alice".to_owned(),
        run: RunState { next_run_at: Some(now()), ..RunState::default() },
    };
    Change::Schedule { before: None, after: Some(Arc::new(schedule)) }
}

/// Settings under which a request that has to wait for anything times out at once.
pub fn no_patience() -> HttpSettings {
    HttpSettings { request_timeout: Duration::ZERO, ..HttpSettings::default() }
}
