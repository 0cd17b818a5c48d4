//! For the machinery around the service: is it alive, is it ready, how does it do. Without a token; one that is sent is not read.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http::auth::bearer_token;
use crate::http::dto::health::ProbeAnswer;
use crate::http::openapi::problem_sets;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;

/// The text format of Prometheus.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4";

/// Is the process alive
///
/// 200 for as long as it answers at all; says nothing of the store or the targets.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operations",
    responses((status = 200, description = "It answers.", body = ProbeAnswer, example = json!({"status": "alive"}))),
)]
pub(super) async fn livez() -> Json<ProbeAnswer> {
    Json(ProbeAnswer { status: "alive" })
}

/// Is the service ready
///
/// 503 until the store is loaded, and while the service shuts down.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses(
        (status = 200, description = "It takes requests.", body = ProbeAnswer, example = json!({"status": "ready"})),
        problem_sets::ReadinessProblems,
    ),
)]
pub(super) async fn readyz(State(state): State<HttpState>) -> Result<Json<ProbeAnswer>, Problem> {
    if state.handle.is_ready() {
        return Ok(Json(ProbeAnswer { status: "ready" }));
    }
    Err(Problem::new(ProblemKind::NotReady, "the store is not loaded yet, or the service is shutting down"))
}

/// Read the metrics
///
/// In the Prometheus text format. The configuration can move it to a listener of its own, or ask for a token.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    responses(
        (status = 200, description = "All metrics.", body = String, content_type = "text/plain; version=0.0.4"),
        problem_sets::MetricsProblems,
    ),
)]
pub(super) async fn metrics(State(state): State<HttpState>, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some(token) = &state.settings.metrics_token {
        check_metrics_token(&headers, token)?;
    }
    // One page at a time: it looks at every schedule, and anybody may ask for it.
    let _turn = state.metrics_turn().lock().await;
    Ok(([(CONTENT_TYPE, PROMETHEUS_TEXT)], state.metrics.render()).into_response())
}

fn check_metrics_token(headers: &HeaderMap, expected: &SecretString) -> Result<(), Problem> {
    let given = Sha256::digest(bearer_token(headers)?.as_bytes());
    let expected = Sha256::digest(expected.expose_secret().as_bytes());
    // Over digests, which hide the length, and without an early end: the time tells nothing of the token.
    if given.ct_eq(&expected).into() {
        return Ok(());
    }
    let challenge = "Bearer error=\"invalid_token\"";
    Err(Problem::new(ProblemKind::InvalidToken, "this is not the metrics token").with_challenge(challenge))
}
