//! What happens to every request, whatever it asks for.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::support::{API, TestService, authorized, empty, request, send};
use crate::http::{HttpState, layered};

/// A router with the layers around handlers that misbehave.
fn misbehaving(service: &TestService) -> Router {
    async fn panics() -> &'static str {
        panic!("secret of the inside")
    }
    async fn fails() -> (StatusCode, &'static str) {
        (StatusCode::BAD_GATEWAY, "secret of the inside")
    }
    async fn teapot() -> (StatusCode, &'static str) {
        (StatusCode::IM_A_TEAPOT, "secret of the inside")
    }
    let routes: Router<HttpState> =
        Router::new().route("/panics", get(panics)).route("/fails", get(fails)).route("/teapot", get(teapot));
    layered(routes, service.state.clone())
}

#[tokio::test]
async fn a_panic_is_500_and_tells_nothing_of_the_inside() {
    let service = TestService::new();
    let answer = send(misbehaving(&service), empty(request("GET", "/panics").header("x-request-id", "abc"))).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"));
    assert_eq!(answer.header("x-request-id"), "abc");
    assert!(!answer.body.contains("secret"));
    assert_eq!(service.counted(), [("GET".to_owned(), "/panics".to_owned(), 500)]);
}

#[tokio::test]
async fn errors_that_are_not_ours_become_problems_without_their_text() {
    let service = TestService::new();
    for (path, status, code) in
        [("/fails", StatusCode::BAD_GATEWAY, "internal_error"), ("/teapot", StatusCode::IM_A_TEAPOT, "bad_request")]
    {
        let answer = send(misbehaving(&service), empty(request("GET", path))).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert!(!answer.body.contains("secret"));
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let service = TestService::new();
    for (method, path) in
        [("GET", "/nothing"), ("PUT", "/livez"), ("GET", "/livez"), ("GET", "/api/v1/maintenance/jobs"), ("GET", "/swagger-ui/")]
    {
        let answer = service.send(empty(request(method, path).header("x-request-id", "trace/1"))).await;
        assert_eq!(answer.header("x-request-id"), "trace/1", "{path}");
        let answer = service.send(empty(request(method, path).header("x-request-id", "not sane"))).await;
        assert_eq!(answer.header("x-request-id"), "00000000-0000-0000-0000-00000000002a", "{path}");
        let answer = service.send(empty(request(method, path))).await;
        assert_eq!(answer.header("x-request-id"), "00000000-0000-0000-0000-00000000002a", "{path}");
    }
}

#[tokio::test]
async fn answers_of_the_api_are_not_stored_and_no_answer_names_the_server() {
    let service = TestService::new();
    let api = service.send(empty(authorized("GET", &format!("{API}/health"), "maintenance:read"))).await;
    assert_eq!((api.status, api.header("cache-control")), (StatusCode::OK, "no-store"));
    let refused = service.send(empty(request("GET", &format!("{API}/health")))).await;
    assert_eq!(refused.header("cache-control"), "no-store");
    let other = service.send(empty(request("GET", "/livez"))).await;
    assert_eq!(other.header("cache-control"), "");
    for answer in [api, refused, other] {
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.headers.contains_key("server"));
    }
}

#[tokio::test]
async fn requests_are_counted_by_matched_route_and_known_method() {
    let service = TestService::new();
    service.send(empty(request("GET", "/api/v1/maintenance/schedules/a-b-c"))).await;
    service.send(empty(request("POST", "/livez"))).await;
    service.send(empty(request("BREW", "/nothing/at/all"))).await;
    let expected = [("GET", "/api/v1/maintenance/schedules/{id}", 401), ("POST", "/livez", 405), ("OTHER", "unmatched", 404)];
    let expected = expected.map(|(method, route, status)| (method.to_owned(), route.to_owned(), status));
    assert_eq!(service.counted(), expected);
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let service = TestService::new();
    for (path, status) in [("/livez", StatusCode::OK), ("/api/v1/maintenance/jobs", StatusCode::UNAUTHORIZED)] {
        let answer = service.send(empty(request("HEAD", path))).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""), "{path}");
        assert_ne!(answer.header("x-request-id"), "", "{path}");
    }
}
