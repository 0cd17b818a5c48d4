//! The outermost layer: every request has an id, a span, one log line and a place in the metrics, however it ends.

use axum::extract::{MatchedPath, Request, State};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, Span, field};

use super::client_address::{Peer, client_address};
use super::context::{RequestContext, X_REQUEST_ID, sane_request_id};
use super::headers;
use super::patience::Patience;
use super::state::HttpState;
use crate::telemetry::{Stopwatch, method_label};

/// Routes that are asked every few seconds; their lines are for debugging only.
const QUIET_ROUTES: [&str; 3] = ["/livez", "/readyz", "/metrics"];
/// The route label of requests that match none.
pub(super) const UNMATCHED: &str = "unmatched";

/// Layer: see the module. Headers are never logged, so no token gets into the log.
pub(super) async fn observe(State(state): State<HttpState>, mut request: Request, next: Next) -> Response {
    let stopwatch = Stopwatch::start();
    let request_id = match sane_request_id(request.headers()) {
        Some(id) => id.to_owned(),
        None => state.ids.new_uuid(state.now()).to_string(),
    };
    let peer = request.extensions().get::<Peer>().copied();
    let client = peer.map(|peer| client_address(peer.address, request.headers(), &state.settings.trusted_proxies));
    let context = RequestContext::new(request_id, client);
    let method = method_label(request.method().as_str());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let kind = headers::Kind::new(request.uri().path(), peer.is_some_and(|peer| peer.secure));
    request.extensions_mut().insert(context.clone());
    let patience = Patience::known(request.extensions_mut());

    let span = request_span(&context, method, route);
    let mut response = next.run(request).instrument(span.clone()).await;

    let (seconds, waited) = (stopwatch.seconds(), patience.waited());
    let status = response.status().as_u16();
    if let Some(subject) = context.subject() {
        span.record("subject", subject);
    }
    // What somebody asked to wait for a job says nothing of how quick the service is.
    state.metrics.http_request(method, route, status, (seconds - waited.unwrap_or_default()).max(0.0));
    span.in_scope(|| log(route, status, seconds, waited));
    if let Ok(value) = HeaderValue::from_str(&context.request_id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    let status = response.status();
    headers::add(response.headers_mut(), status, kind);
    response
}

fn request_span(context: &RequestContext, method: &str, route: &str) -> Span {
    let request_id = &*context.request_id;
    let client = context.client_address().map(field::display);
    if is_quiet(route) {
        tracing::debug_span!("request", request_id, method, route, client, subject = field::Empty)
    } else {
        tracing::info_span!("request", request_id, method, route, client, subject = field::Empty)
    }
}

fn log(route: &str, status: u16, seconds: f64, waited: Option<f64>) {
    let latency_ms = milliseconds(seconds);
    // Part of the latency: on purpose, for the end of a job.
    let waited_ms = waited.map(milliseconds);
    if is_quiet(route) {
        tracing::debug!(status, latency_ms, "request served");
    } else {
        tracing::info!(status, latency_ms, waited_ms, "request served");
    }
}

/// Whole microseconds: more digits would be noise.
fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1_000_000.0).round() / 1000.0
}

fn is_quiet(route: &str) -> bool {
    QUIET_ROUTES.contains(&route)
}
