//! Rate limits, the client's address, headers and cross-origin requests, seen from the layers.

use std::net::IpAddr;
use std::num::NonZeroU32;

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::support::{API, TestService, authorized, empty, request};
use crate::config::{RateLimit, RateLimitConfig};
use crate::domain::audit::AuditOutcome;
use crate::http::HttpSettings;
use crate::http::client_address::Peer;

/// Two at once and then one an hour, so that no test is slow enough to meet a refill.
const TWO: Option<RateLimit> = Some(RateLimit { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() });

fn service(settings: HttpSettings) -> TestService {
    TestService::with(settings, &[], 16)
}

fn limited_by_address() -> TestService {
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
    service(HttpSettings {
        rate_limits: RateLimitConfig { address: TWO, principal: None },
        trusted_proxies,
        ..HttpSettings::default()
    })
}

fn from(peer: &str, mut request: Request<Body>) -> Request<Body> {
    let address: IpAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(Peer { address, secure: false });
    request
}

fn schedules() -> String {
    format!("{API}/schedules")
}

#[tokio::test]
async fn an_address_that_guesses_is_refused_before_its_token_is_looked_at() {
    let service = limited_by_address();
    let ask = |peer: &'static str, token: &'static str| {
        let request = request("GET", &schedules()).header("authorization", format!("Bearer {token}"));
        service.send(from(peer, empty(request)))
    };
    for _ in 0..2 {
        assert_eq!(ask("192.0.2.1", "guess").await.code(), "invalid_token");
    }
    let refused = ask("192.0.2.1", "guess").await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"));
    assert_eq!((refused.header("retry-after"), refused.header("cache-control")), ("1", "no-store"));
    assert_eq!(service.limited(), ["address"]);
    // Neither a write nor an unknown path gets through, and what is refused here for its number leaves no line but a write's first.
    let write = service.send(from("192.0.2.1", empty(request("POST", &schedules())))).await;
    let nowhere = service.send(from("192.0.2.1", empty(request("GET", "/nothing")))).await;
    assert_eq!((write.status.as_u16(), nowhere.status.as_u16()), (429, 429));
    let audited: Vec<_> = service.audited().iter().map(|event| event.outcome).collect();
    assert_eq!(audited, [AuditOutcome::Denied, AuditOutcome::Denied, AuditOutcome::Rejected]);
    // Others are not concerned, nor is whoever watches over the service.
    let good = authorized("GET", &schedules(), "maintenance:read");
    assert_eq!(service.send(from("192.0.2.2", empty(good))).await.status, StatusCode::OK);
    assert_eq!(service.send(from("192.0.2.1", empty(request("GET", "/livez")))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_refused_before_a_token_is_looked_at_counts_too() {
    let service = limited_by_address();
    for path in ["nowhere", "health"] {
        let answer = service.send(from("192.0.2.1", empty(request("POST", &format!("{API}/{path}"))))).await;
        assert!(matches!(answer.status.as_u16(), 404 | 405), "{answer:?}");
    }
    let refused = service.send(from("192.0.2.1", empty(request("POST", &format!("{API}/nowhere"))))).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_client_that_was_accepted_before_is_not_shut_out_by_its_neighbour() {
    let service = limited_by_address();
    let read = || authorized("GET", &schedules(), "maintenance:read");
    assert_eq!(service.send(from("192.0.2.1", empty(read()))).await.status, StatusCode::OK);
    for _ in 0..3 {
        service.send(from("192.0.2.1", empty(request("GET", &schedules())))).await;
    }
    assert_eq!(service.send(from("192.0.2.1", empty(read()))).await.status, StatusCode::OK);
    // To look at any other token would be the work that the guesses are refused for.
    let unknown = authorized("GET", &schedules(), "maintenance:write");
    assert_eq!(service.send(from("192.0.2.1", empty(unknown))).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn accepted_tokens_do_not_count_for_the_address() {
    let service = limited_by_address();
    for _ in 0..5 {
        let good = authorized("GET", &schedules(), "maintenance:read");
        assert_eq!(service.send(from("192.0.2.1", empty(good))).await.status, StatusCode::OK);
    }
    let forbidden = authorized("DELETE", &format!("{API}/schedules/x"), "maintenance:read");
    assert_eq!(service.send(from("192.0.2.1", empty(forbidden))).await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.send(from("192.0.2.1", empty(request("GET", "/nothing")))).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    let service = limited_by_address();
    let ask = |peer: &'static str, client: &'static str| {
        service.send(from(peer, empty(request("GET", "/nothing").header("x-forwarded-for", client))))
    };
    for _ in 0..2 {
        assert_eq!(ask("10.0.0.1", "192.0.2.1").await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(ask("10.0.0.1", "192.0.2.1").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask("10.0.0.1", "192.0.2.2").await.status, StatusCode::NOT_FOUND);
    // A stranger who claims another address each time is still one client.
    assert_eq!(ask("192.0.2.9", "198.51.100.1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask("192.0.2.9", "198.51.100.2").await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask("192.0.2.9", "198.51.100.3").await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_principal_is_limited_where_that_is_configured() {
    let rate_limits = RateLimitConfig { address: None, principal: TWO };
    let service = service(HttpSettings { rate_limits, ..HttpSettings::default() });
    let ask = || service.send(empty(authorized("GET", &schedules(), "maintenance:read")));
    assert_eq!((ask().await.status, ask().await.status), (StatusCode::OK, StatusCode::OK));
    let refused = ask().await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    assert_eq!((refused.code().as_str(), service.limited()), ("too_many_requests", vec!["principal"]));
}

#[tokio::test]
async fn every_answer_forbids_a_browser_what_it_need_not_do() {
    let service = TestService::new();
    for path in ["/livez", "/nothing", &schedules(), "/swagger-ui/", "/swagger-ui/swagger-ui-bundle.js", "/api-docs/openapi.json"]
    {
        let answer = service.send(empty(request("GET", path))).await;
        assert_eq!((answer.header("x-content-type-options"), answer.header("x-frame-options")), ("nosniff", "DENY"), "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(policy.contains("script-src 'self'"), path.starts_with("/swagger-ui"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && !answer.headers.contains_key("strict-transport-security"));
        assert_eq!(answer.header("cache-control") == "no-store", answer.status.is_client_error(), "{path}");
    }
    let mut secure = empty(request("GET", "/livez"));
    secure.extensions_mut().insert(Peer { address: "192.0.2.1".parse().expect("an address"), secure: true });
    assert!(service.send(secure).await.header("strict-transport-security").starts_with("max-age="));
}

#[tokio::test]
async fn the_viewer_page_needs_nothing_inline() {
    let page = TestService::new().send(empty(request("GET", "/swagger-ui/"))).await.body;
    assert!(page.contains("swagger-initializer.js") && !page.contains("<style") && !page.contains("style="), "{page}");
    assert!(page.split("<script").skip(1).all(|script| script.trim_start().starts_with("src=")), "{page}");
}

#[tokio::test]
async fn other_origins_are_let_in_only_where_they_are_configured_and_their_preflights_need_no_token() {
    let preflight = |origin: &str| {
        let ask = request("OPTIONS", &schedules()).header("origin", origin).header("access-control-request-method", "POST");
        empty(ask.header("access-control-request-headers", "authorization,idempotency-key"))
    };
    let closed = TestService::new().send(preflight("https://ops.example")).await;
    assert_eq!((closed.status, closed.header("access-control-allow-origin")), (StatusCode::METHOD_NOT_ALLOWED, ""));

    let allowed_origins = vec!["https://ops.example".to_owned()];
    let service = service(HttpSettings { allowed_origins, ..HttpSettings::default() });
    let answer = service.send(preflight("https://ops.example")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, "https://ops.example"));
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
    assert_eq!(answer.header("access-control-allow-credentials"), "");
    let stranger = service.send(preflight("https://evil.example")).await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
    let good = authorized("GET", &schedules(), "maintenance:read").header("origin", "https://ops.example");
    let answer = service.send(empty(good)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, "https://ops.example"));
    assert!(answer.header("access-control-expose-headers").contains("etag"));
    // A page has to be able to read why it was refused.
    let refused = service.send(empty(request("GET", &schedules()).header("origin", "https://ops.example"))).await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (StatusCode::UNAUTHORIZED, "https://ops.example")
    );
}

#[tokio::test]
async fn nobody_learns_the_version_without_a_token_but_from_the_document() {
    let service = TestService::new();
    for path in ["/livez", "/readyz", "/metrics", "/nothing", &schedules(), "/swagger-ui/"] {
        let answer = service.send(empty(request("GET", path))).await;
        assert!(!format!("{answer:?}").contains(env!("CARGO_PKG_VERSION")), "{path}");
    }
}
