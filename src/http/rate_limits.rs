//! How often may be asked: by an address without an accepted token, and by a principal with one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use governor::clock::DefaultClock;

use super::BASE_PATH;
use super::buckets::Buckets;
use super::context::RequestContext;
use super::problem::{Problem, ProblemKind};
use super::render;
use super::state::HttpState;
use crate::config::RateLimitConfig;

/// Paths that never count: whoever watches over the service asks them every few seconds, and they cost next to nothing.
const FREE_PATHS: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// The limits of `[server.rate_limits]`, with what was used of them.
pub struct RateLimits {
    addresses: Option<Buckets<AddressKey>>,
    principals: Option<Buckets<Arc<str>>>,
}

impl RateLimits {
    /// Nothing is used yet.
    pub fn new(config: &RateLimitConfig) -> Self {
        Self {
            addresses: config.address.map(|limit| Buckets::new(limit, DefaultClock::default())),
            principals: config.principal.map(|limit| Buckets::new(limit, DefaultClock::default())),
        }
    }

    /// Forgets who has not asked for a while. To be called every minute or so, for the memory's sake.
    pub fn forget_idle(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.forget_idle();
        }
        if let Some(principals) = &self.principals {
            principals.forget_idle();
        }
    }
}

/// A client: of an IPv6 address the first 64 bits, because one customer has all addresses that begin with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum AddressKey {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments().map(u64::from);
                Self::V6(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}

/// Layer: refuses addresses that have asked too often without an accepted token. A client whose token was accepted before goes on, so
/// that whoever shares its address cannot shut it out; what it costs to know the token again is one digest.
pub(super) async fn by_address(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let context = request.extensions().get::<RequestContext>();
    let (Some(buckets), Some(address)) =
        (&state.rate_limits.addresses, context.and_then(RequestContext::client_address).map(AddressKey::from))
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
        return render::rendered(problem, path, context.map(|context| &*context.request_id));
    }
    let response = next.run(request).await;
    if is_api && response.status() == StatusCode::UNAUTHORIZED {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn ipv6_addresses_count_by_their_first_64_bits() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
