//! The routes for the machinery around the service.

use axum::http::StatusCode;
use secrecy::SecretString;
use serde_json::json;

use super::support::{TestService, empty, request};
use crate::http::{HttpSettings, openapi_json};

#[tokio::test]
async fn livez_and_readyz_answer_without_a_token_and_in_spite_of_a_bad_one() {
    let service = TestService::new();
    for (path, status) in [("/livez", "alive"), ("/readyz", "ready")] {
        let answer = service.send(empty(request("GET", path).header("authorization", "Bearer rubbish"))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json(), json!({"status": status}));
    }
}

#[tokio::test]
async fn readyz_is_503_while_the_service_is_not_ready() {
    let service = TestService::new();
    service.state.handle.set_ready_for_tests(false);
    let answer = service.send(empty(request("GET", "/readyz"))).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "not_ready"));
    assert_eq!(service.send(empty(request("GET", "/livez"))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let service = TestService::new();
    let answer = service.send(empty(request("GET", "/metrics").header("authorization", "Bearer rubbish"))).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "up 1\n"));
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4");
}

#[tokio::test]
async fn metrics_can_want_a_token() {
    let settings = HttpSettings { metrics_token: Some(SecretString::from("scrape-me")), ..HttpSettings::default() };
    let service = TestService::with(settings, &[], 16);
    for authorization in [None, Some("Bearer scrape-m"), Some("Bearer scrape-me2"), Some("Basic scrape-me")] {
        let mut builder = request("GET", "/metrics");
        if let Some(value) = authorization {
            builder = builder.header("authorization", value);
        }
        let answer = service.send(empty(builder)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization:?}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        answer.code();
    }
    let answer = service.send(empty(request("GET", "/metrics").header("authorization", "bearer scrape-me"))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_can_live_on_a_listener_of_their_own() {
    let settings = HttpSettings { serve_metrics: false, ..HttpSettings::default() };
    let service = TestService::with(settings, &[], 16);
    assert_eq!(service.send(empty(request("GET", "/metrics"))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(service.send_to_metrics_listener(empty(request("GET", "/metrics"))).await.status, StatusCode::OK);
    let other = service.send_to_metrics_listener(empty(request("GET", "/livez"))).await;
    assert_eq!((other.status, other.code().as_str()), (StatusCode::NOT_FOUND, "route_not_found"));
}

#[tokio::test]
async fn the_document_is_served_as_it_is_printed() {
    let service = TestService::new();
    let answer = service.send(empty(request("GET", "/api-docs/openapi.json"))).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.body, openapi_json());
}

#[tokio::test]
async fn the_viewer_is_served_with_its_assets_and_asks_nobody_else() {
    let service = TestService::new();
    let answer = service.send(empty(request("GET", "/swagger-ui"))).await;
    assert!(answer.status.is_redirection());
    assert_eq!(answer.header("location"), "/swagger-ui/");
    let page = service.send(empty(request("GET", "/swagger-ui/"))).await;
    assert!(page.body.contains("swagger-ui"), "{}", page.body);
    for asset in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let answer = service.send(empty(request("GET", &format!("/swagger-ui/{asset}")))).await;
        assert_eq!(answer.status, StatusCode::OK, "{asset}");
    }
    let initializer = service.send(empty(request("GET", "/swagger-ui/swagger-initializer.js"))).await.body;
    assert!(
        initializer.contains("/api-docs/openapi.json") && initializer.contains("\"validatorUrl\": \"none\""),
        "{initializer}"
    );
    assert!(!page.body.contains("http://") && !page.body.contains("https://") && !initializer.contains("https://"));
    let missing = service.send(empty(request("GET", "/swagger-ui/nothing.js"))).await;
    assert_eq!((missing.status, missing.code().as_str()), (StatusCode::NOT_FOUND, "route_not_found"));
}
