//! The way in for operators: routes, authorisation, errors and the OpenAPI document of the HTTP API.
//!
//! A handler extracts, calls one method of the orchestrator's handle or view, and converts; everything else happens around it.
//! The layers, outermost first: `observe` (request id, log line, metrics, headers), `cors` (where configured), `audited` (refused
//! writes, denied reads), `throttle` (by address), `render` (every error becomes one RFC 9457 document), `limits` (panics, timeout,
//! body size).
//! Below all of them is `server`: connections, TLS, and what a connection may cost.
//!
//! Invariants:
//! - Authorisation is the first extractor of every handler: 401 comes before 403, and 403 before anything that depends on the
//!   rest of the request, so that nobody without the scope learns which ids exist.
//! - Every error leaves through the one table in `problem`, and says nothing of the inside.
//! - What an unknown query parameter would have meant is not guessed: it is refused.
//!
//! Must not be added here: rules about schedules and jobs. They are checked in `domain`, and asked for through the handle.

mod audited;
mod auth;
mod body_timeout;
mod buckets;
mod client_address;
mod context;
mod cors;
mod document;
mod dto;
mod extract;
mod headers;
mod health_page;
mod job_events;
mod limits;
mod observe;
mod openapi;
mod patience;
mod problem;
mod rate_limits;
mod render;
mod replayed;
mod routes;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod throttle;
mod waiting;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub use auth::keys::{KeyError, VerificationKey};
pub use auth::verifier::TokenVerifier;
pub use auth::{
    AuthKeysProbe, FetchError, KeyMetrics, KeyRing, KeyRingSettings, KeyRingStatus, KeySetSource, TokenError, VerifierSettings,
    key_set_source,
};
pub use openapi::{DocumentedOperation, openapi, openapi_json, operations};
pub use problem::{Problem, ProblemKind};
pub use rate_limits::RateLimits;
pub use server::{HttpServer, ListenerSettings, ServerError};
pub use state::{HttpMetrics, HttpParts, HttpSettings, HttpState};

/// Where the API lives. Everything below it needs a token.
pub const BASE_PATH: &str = "/api/v1/maintenance";

/// The whole service: the API, the operations routes, the document and its viewer, with all layers.
pub fn router(state: HttpState) -> Router {
    let (api, _) = routes::documented().split_for_parts();
    let routes = api.merge(routes::undocumented(state.settings.serve_metrics));
    layered(routes, state)
}

/// Only `/metrics`, for a listener of its own.
pub fn metrics_router(state: HttpState) -> Router {
    layered(routes::metrics_only(), state)
}

/// Puts the layers around the routes, the outermost first. They are one layer for the router, which would clone and box all that is
/// below a layer at each of them, and for each request.
fn layered(routes: Router<HttpState>, state: HttpState) -> Router {
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(state.clone(), observe::observe))
        .option_layer(cors::layer(&state.settings.allowed_origins))
        .layer(middleware::from_fn_with_state(audited::Auditing::new(state.clone()), audited::refusals))
        .layer(middleware::from_fn_with_state(state.clone(), throttle::by_address))
        .layer(middleware::from_fn(render::problems))
        .layer(CatchPanicLayer::custom(limits::panicked))
        .layer(middleware::from_fn_with_state(state.clone(), limits::timeout))
        .layer(DefaultBodyLimit::max(state.settings.max_body_bytes));
    routes.layer(layers).with_state(state)
}
