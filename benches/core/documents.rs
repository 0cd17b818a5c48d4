//! Documents, through the router with all its layers: authorisation, the view, the document, headers, metrics. `livez` is what
//! every answer costs.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use divan::Bencher;
use http_body::Body as _;
use jsonwebtoken::{EncodingKey, Header};
use secrecy::SecretString;
use serde_json::json;
use themis_maintenance::audit::NoAudit;
use themis_maintenance::config::RateLimitConfig;
use themis_maintenance::http::{
    HttpMetrics, HttpParts, HttpSettings, HttpState, RateLimits, TokenVerifier, VerificationKey, VerifierSettings, router,
};
use themis_maintenance::orchestrator::HealthRegistry;
use themis_maintenance::telemetry::Metrics;
use tower::ServiceExt;

use super::rig::{Rig, begin, ids};

const SECRET: &str = "a secret that is long enough for the benchmark of documents";
const SCHEDULES: usize = 65_536;
const PATHS: [&str; 5] = [
    "/livez",
    "/api/v1/maintenance/schedules/schedule-012345",
    "/api/v1/maintenance/schedules?limit=100",
    "/api/v1/maintenance/jobs?limit=100",
    "/api/v1/maintenance/health",
];

struct Counted(Metrics);

impl HttpMetrics for Counted {
    fn http_request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        self.0.http_request(method, route, status, seconds);
    }

    fn rate_limited(&self, _limit: &'static str) {}

    fn connections(&self, _listener: &'static str, _open: usize) {}

    fn connections_full(&self, _listener: &'static str) {}

    fn connection_refused(&self, _listener: &'static str, _reason: &'static str) {}

    fn certificate_expiry(&self, _listener: &'static str, _seconds: f64) {}

    fn render(&self) -> String {
        String::new()
    }
}

#[divan::bench(args = PATHS)]
fn get(bencher: Bencher<'_, '_>, path: &str) {
    let rig = Rig::with(SCHEDULES);
    let key = VerificationKey::Hs256(SecretString::from(SECRET));
    let rate_limits = RateLimitConfig::default();
    let state = HttpState::new(HttpParts {
        handle: rig.handle.clone(),
        health: HealthRegistry::new(rig.clock.clone()),
        verifier: Arc::new(TokenVerifier::new(VerifierSettings { keys: vec![key], ..VerifierSettings::default() }).unwrap()),
        audit: Arc::new(NoAudit),
        ids: ids(),
        metrics: Arc::new(Counted(rig.metrics.clone())),
        rate_limits: Arc::new(RateLimits::new(&rate_limits)),
        settings: HttpSettings { rate_limits, ..HttpSettings::default() },
    });
    let claims = json!({"sub": "bench", "scope": "maintenance:read", "exp": begin().timestamp() + 3_600});
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    let service = router(state);
    let request = || Request::get(path).header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
    bencher.with_inputs(|| (service.clone(), request())).bench_local_values(|(service, request)| {
        let answer = rig.runtime.block_on(service.oneshot(request)).unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        // Whole already: nothing of it is made while it is sent.
        answer.body().size_hint().exact().unwrap()
    });
}
