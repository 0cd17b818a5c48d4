//! Refuses who asks too often: an address without an accepted token, and a principal with one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::BASE_PATH;
use super::context::RequestContext;
use super::problem::{Problem, ProblemKind};
use super::rate_limits::AddressKey;
use super::render;
use super::state::HttpState;

/// Paths that never count: whoever watches over the service asks them every few seconds, and they cost next to nothing.
const FREE_PATHS: [&str; 2] = ["/livez", "/readyz"];

/// Layer: refuses addresses that have asked too often without an accepted token. A client whose token was accepted before goes on, so
/// that whoever shares its address cannot shut it out; what it costs to know the token again is one digest.
pub(super) async fn by_address(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let context = request.extensions().get::<RequestContext>().cloned();
    let (Some(buckets), Some(address)) =
        (&state.rate_limits.addresses, context.as_ref().and_then(RequestContext::client_address).map(AddressKey::from))
    else {
        return next.run(request).await;
    };
    let path = request.uri().path();
    if FREE_PATHS.contains(&path) {
        return next.run(request).await;
    }
    let is_api = path.starts_with(BASE_PATH);
    // Whether a request to the API counts is known only when its token was judged; the bucket is looked at before that.
    let verdict = if is_api { buckets.look(&address) } else { buckets.take(&address) };
    if let Err(wait) = verdict
        && !(is_api && state.knows_bearer(request.headers()))
    {
        let problem = refusal(&state, "address", "this address", wait);
        return render::rendered(problem, path, context.as_ref().map(|context| &*context.request_id));
    }
    let response = next.run(request).await;
    // What is refused before any token was looked at, an unknown path below the base path for example, counts as a bad token does.
    let verified = context.as_ref().is_some_and(|context| context.subject().is_some());
    if is_api && !verified && response.status().is_client_error() {
        // When others were quicker and the bucket is empty by now, the next one will notice.
        let _ = buckets.take(&address);
    }
    response
}

/// Counts a request of a verified principal.
///
/// # Errors
/// 429 when there were too many.
pub(super) fn by_principal(state: &HttpState, subject: &str) -> Result<(), Problem> {
    let Some(buckets) = &state.rate_limits.principals else { return Ok(()) };
    buckets.take(&Arc::from(subject)).map_err(|wait| refusal(state, "principal", "this token's subject", wait))
}

fn refusal(state: &HttpState, limit: &'static str, who: &str, wait: Duration) -> Problem {
    state.metrics.rate_limited(limit);
    // Whole seconds are what the header can say; rounded up, so that the next try is not in vain.
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    Problem::new(ProblemKind::TooManyRequests, format!("{who} has asked too often; try again in {seconds} s"))
        .with_retry_after(seconds)
}
