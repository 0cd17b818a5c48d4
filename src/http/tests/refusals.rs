//! Requests that are refused before anybody asks the orchestrator.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::support::{API, TestService, authorized, empty, no_patience, request};
use crate::domain::audit::AuditOutcome;
use crate::http::HttpSettings;

const ADMIN: &str = "maintenance:admin";

#[tokio::test]
async fn an_unknown_route_is_404_without_a_token() {
    let service = TestService::new();
    for path in ["/", "/nothing", API, "/api/v1/maintenance/", "/api/v1/maintenance/nothing", "/api/v1/maintenance/schedules/"] {
        let answer = service.send(empty(request("GET", path))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.code(), "route_not_found", "{path}");
        assert_eq!(answer.json()["instance"], path);
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_says_which_ones_are_right() {
    let service = TestService::new();
    for (method, path, allowed) in [
        ("DELETE", "/api/v1/maintenance/schedules", "GET,HEAD,POST"),
        ("PUT", "/api/v1/maintenance/health", "GET,HEAD"),
        ("GET", "/api/v1/maintenance/schedules/x/enable", "POST"),
        ("POST", "/livez", "GET,HEAD"),
        ("TRACE", "/api/v1/maintenance/schedules/x", "DELETE,GET,HEAD,PATCH,PUT"),
    ] {
        let answer = service.send(empty(request(method, path))).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.code(), "method_not_allowed");
        let mut methods: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn ids_that_nothing_can_have_are_404_and_never_another_route() {
    let service = TestService::with_a_schedule();
    for id in [
        "%2e%2e",
        "..",
        "a%2Fenable",
        "nightly%2Fenable",
        "%00",
        "%ff",
        "a%20b",
        "%2e%2e%2fhealth",
        &"x".repeat(257),
        "a..b",
        "%C3%A4",
    ] {
        for (method, suffix) in [("GET", ""), ("POST", "/enable"), ("POST", "/run"), ("DELETE", "")] {
            let answer = service.call(method, &format!("{API}/schedules/{id}{suffix}"), ADMIN, "").await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {id}{suffix}: {answer:?}");
            assert_eq!(answer.code(), "schedule_not_found", "{id}");
        }
    }
    for id in ["x", "%2e%2e", "123", "01890a5d-ac96-774b-bcce-b302099a805", "%ff"] {
        let answer = service.call("GET", &format!("{API}/jobs/{id}"), ADMIN, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "job_not_found"), "{id}");
        let answer = service.call("POST", &format!("{API}/jobs/{id}/cancel"), ADMIN, "").await;
        assert_eq!(answer.code(), "job_not_found", "{id}");
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_415() {
    let service = TestService::new();
    let url = format!("{API}/schedules");
    for content_type in [Some("text/plain"), Some("application/merge-patch+json"), Some("application/json; charset=latin1"), None]
    {
        let mut builder = authorized("POST", &url, ADMIN);
        if let Some(content_type) = content_type {
            builder = builder.header("content-type", content_type);
        }
        let answer = service.send(builder.body(Body::from("{}")).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
        assert_eq!(answer.code(), "unsupported_media_type");
    }
    let answer = service.send(empty(authorized("POST", &url, ADMIN))).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_body_that_is_missing_or_no_json_is_400() {
    let service = TestService::with_a_schedule();
    for (method, path) in [("POST", "/schedules"), ("PUT", "/schedules/nightly"), ("PATCH", "/schedules/nightly")] {
        let url = format!("{API}{path}");
        let answer = service.call(method, &url, ADMIN, "").await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "missing_body"), "{method}");
        for body in ["{", "{\"name\":\"a\",\"name\":\"b\"}", "nonsense", &"[".repeat(1000)] {
            let answer = service.call(method, &url, ADMIN, body).await;
            assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "malformed_json"), "{method} {body}");
            assert!(answer.json()["detail"].as_str().expect("a detail").contains("line 1 column"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_its_length_is_announced_or_not() {
    let settings = HttpSettings { max_body_bytes: 1000, ..HttpSettings::default() };
    let service = TestService::with(settings, &[], 16);
    let text = format!("{{\"description\":\"{}\"}}", "x".repeat(1000));
    for path in ["/schedules", "/schedules/nightly/run"] {
        let answer = service.call("POST", &format!("{API}{path}"), ADMIN, &text).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"), "{path}");

        let announced = authorized("POST", &format!("{API}{path}"), ADMIN)
            .header("content-type", "application/json")
            .header("content-length", "1001")
            .body(Body::from("{}"))
            .expect("a request");
        assert_eq!(service.send(announced).await.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[tokio::test]
async fn broken_rules_are_all_listed() {
    let service = TestService::new();
    let body = json!({"name": " ", "cron_expression": "x", "tasks": ["NOPE"], "zzz": 1}).to_string();
    let answer = service.call("POST", &format!("{API}/schedules"), "maintenance:write", &body).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "validation_failed"));
    let document = answer.json();
    let mut fields: Vec<&str> =
        document["errors"].as_array().expect("errors").iter().map(|error| error["field"].as_str().expect("a field")).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["cron_expression", "name", "tasks[0]", "zzz"]);
}

#[tokio::test]
async fn a_forced_run_needs_the_admin_scope_and_a_sound_body() {
    let service = TestService::with_a_schedule();
    let url = format!("{API}/schedules/nightly/run");
    let answer = service.call("POST", &url, "maintenance:write", r#"{"force":true}"#).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "insufficient_scope"));
    assert!(answer.json()["detail"].as_str().expect("a detail").contains("maintenance:admin"));
    for body in [r#"{"force":1}"#, r#"{"forced":true}"#, "[]", "null"] {
        let answer = service.call("POST", &url, ADMIN, body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
}

#[tokio::test]
async fn an_unreadable_if_match_is_400() {
    let service = TestService::with_a_schedule();
    for (method, suffix) in [("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable")] {
        let request = authorized(method, &format!("{API}/schedules/nightly{suffix}"), ADMIN)
            .header("content-type", "application/json")
            .header("if-match", "nightly:1")
            .body(Body::from("{}"))
            .expect("a request");
        let answer = service.send(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "invalid_header"), "{method}{suffix}");
    }
}

#[tokio::test]
async fn wrong_query_parameters_are_400_and_named() {
    let service = TestService::new();
    for (url, field) in [
        ("/schedules?limit=0", "limit"),
        ("/schedules?enabled=1", "enabled"),
        ("/schedules?cursor=!", "cursor"),
        ("/jobs?state=done", "state"),
        ("/jobs?limit=501", "limit"),
        ("/jobs?limit=1&limit=2", "limit"),
        ("/jobs?page=2", "page"),
    ] {
        let answer = service.call("GET", &format!("{API}{url}"), "maintenance:read", "").await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "invalid_parameter"), "{url}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{url}");
    }
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_503() {
    let service = TestService::with(no_patience(), &[], 16);
    let answer = service.call("DELETE", &format!("{API}/schedules/nightly"), ADMIN, "").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "request_timeout"));
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_full_mailbox_is_503_with_retry_after() {
    let service = TestService::with(no_patience(), &[], 1);
    let first = service.call("DELETE", &format!("{API}/schedules/nightly"), ADMIN, "").await;
    assert_eq!(first.code(), "request_timeout");
    let second = service.call("DELETE", &format!("{API}/schedules/nightly"), ADMIN, "").await;
    assert_eq!((second.status, second.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    assert_eq!(second.header("retry-after"), "1");
}

#[tokio::test]
async fn refused_writes_are_audited_with_who_what_and_why() {
    let service = TestService::with(no_patience(), &[], 16);
    service.send(empty(request("DELETE", &format!("{API}/schedules/nightly")))).await;
    service.call("DELETE", &format!("{API}/schedules/nightly"), "maintenance:write", "").await;
    service.call("POST", &format!("{API}/schedules"), "maintenance:write", "{}").await;
    service.call("POST", &format!("{API}/jobs/01890a5d-ac96-774b-bcce-b302099a8057/cancel"), "maintenance:write", "").await;
    service.call("POST", &format!("{API}/nothing"), "maintenance:write", "").await;
    service.call("GET", &format!("{API}/schedules/unknown"), "maintenance:write", "").await;
    service.send(empty(request("POST", "/nothing"))).await;

    let events = service.audited();
    let told: Vec<Value> =
        events.iter().map(|event| json!([event.actor, event.action, event.object, event.outcome, event.detail])).collect();
    let expected = [
        json!(["anonymous", "delete_schedule", "schedule/nightly", AuditOutcome::Denied, "missing_token"]),
        json!(["alice", "delete_schedule", "schedule/nightly", AuditOutcome::Denied, "insufficient_scope"]),
        json!(["alice", "create_schedule", "/api/v1/maintenance/schedules", AuditOutcome::Rejected, "validation_failed"]),
        json!(["alice", "cancel_job", "job/01890a5d-ac96-774b-bcce-b302099a8057", AuditOutcome::Failed, "request_timeout"]),
        json!(["anonymous", "unknown_operation", "/api/v1/maintenance/nothing", AuditOutcome::Rejected, "route_not_found"]),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event.request_id.is_some() && event.time == super::support::now()));
}
