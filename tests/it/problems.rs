//! Requests that lead nowhere, what every error looks like, and the request id.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, raw};

const API: &str = "/api/v1/maintenance";

/// Asserts that an answer is a whole problem document (RFC 9457), and gives its code.
#[track_caller]
fn code(answer: &Answer) -> &str {
    assert_eq!(answer.header("content-type"), "application/problem+json", "{answer:?}");
    let members: Vec<&str> = answer.json.as_object().expect("an object").keys().map(String::as_str).collect();
    for name in ["type", "title", "status", "detail", "instance", "code", "request_id", "errors"] {
        assert!(members.contains(&name), "{name} in {}", answer.text);
    }
    assert_eq!(answer.json["status"], answer.status.as_u16());
    assert_eq!(answer.json["request_id"], answer.header("x-request-id"));
    assert!(answer.json["errors"].is_array() && !answer.json["title"].as_str().expect("text").is_empty(), "{}", answer.text);
    assert!(
        answer.json["type"].as_str().expect("text").ends_with(&answer.json["code"].as_str().expect("text").replace('_', "-"))
    );
    answer.json["code"].as_str().expect("text")
}

fn bearer(app: &TestApp) -> String {
    format!("Authorization: Bearer {}", app.token("maintenance:admin"))
}

/// Every path of the document with its methods.
fn paths() -> Vec<(String, Vec<String>)> {
    let document: Value = serde_json::from_str(&themis_maintenance::http::openapi_json()).expect("JSON");
    let methods = |item: &Value| item.as_object().expect("an object").keys().map(|name| name.to_uppercase()).collect();
    document["paths"].as_object().expect("an object").iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn an_unknown_route_is_404() {
    let mut app = TestApp::start().await;
    let token = bearer(&app);
    for path in [
        "/",
        "/nothing",
        API,
        "/api/v1/maintenance/",
        "/api/v1/maintenance/nothing",
        "/api/v2/maintenance/schedules",
        "//livez",
        "/livez/",
        "/LIVEZ",
    ] {
        for headers in [&[][..], &[token.as_str()]] {
            let answer = raw(&app, "GET", path, headers, b"").await;
            assert_eq!((answer.status.as_u16(), code(&answer)), (404, "route_not_found"), "{path}");
            assert_eq!(answer.json["instance"], path);
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn a_trailing_slash_is_another_path_and_leads_nowhere() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"@daily","tasks":["CUSTOM"]})).await;
    let token = bearer(&app);
    for (path, methods) in paths() {
        for method in methods {
            let answer = raw(&app, &method, &format!("{}/", path.replace("{id}", "s")), &[&token], b"").await;
            assert_eq!((answer.status.as_u16(), code(&answer)), (404, "route_not_found"), "{method} {path}/");
        }
    }
    app.get("/schedules/s").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_405_with_allow_on_every_path() {
    let mut app = TestApp::start().await;
    for (path, methods) in paths() {
        let mut expected = methods.clone();
        if methods.contains(&"GET".to_owned()) {
            expected.push("HEAD".to_owned());
        }
        expected.sort();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "FOO"] {
            if expected.iter().any(|known| known == method) {
                continue;
            }
            let answer = raw(&app, method, &path.replace("{id}", "s"), &[], b"").await;
            assert_eq!((answer.status.as_u16(), code(&answer)), (405, "method_not_allowed"), "{method} {path}");
            let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, expected, "{method} {path}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"@daily","tasks":["CUSTOM"]})).await;
    let token = bearer(&app);
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/api-docs/openapi.json", 200),
        ("/api/v1/maintenance/schedules", 200),
        ("/api/v1/maintenance/schedules/s", 200),
        ("/api/v1/maintenance/schedules/unknown", 404),
        ("/api/v1/maintenance/jobs", 200),
        ("/api/v1/maintenance/health", 200),
        ("/nothing", 404),
        ("/api/v1/maintenance/schedules/s/run", 405),
    ] {
        let answer = raw(&app, "HEAD", path, &[&token], b"").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{path}");
    }
    let answer = raw(&app, "HEAD", "/api/v1/maintenance/schedules", &[], b"").await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate"), answer.text.as_str()), (401, "Bearer", ""));
    app.stop().await;
}

#[tokio::test]
async fn an_encoded_id_is_never_another_route() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"@daily","tasks":["CUSTOM"]})).await;
    let token = bearer(&app);
    for id in [
        "%2e%2e",
        "%2E%2E",
        "..",
        ".",
        "%2e",
        "%2F",
        "s%2Fenable",
        "s%2fdisable",
        "%2e%2e%2fhealth",
        "..%2fjobs",
        "%00",
        "s%00",
        "%0a",
        "%0d%0aX: y",
        "%ff",
        "%",
        "%zz",
        "%2",
        "s%20",
        "%20s",
        "s;a=b",
        "%25",
        "%252e%252e",
        "s\\..",
        "%5c",
        "",
        "*",
        "%c0%ae",
    ] {
        for (method, suffix) in
            [("GET", ""), ("PUT", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/enable"), ("POST", "/disable"), ("POST", "/run")]
        {
            let target = format!("{API}/schedules/{}{suffix}", id.replace(' ', ""));
            let answer =
                raw(&app, method, &target, &[&token, "Content-Type: application/json", "Content-Length: 2"], b"{}").await;
            assert!(answer.status.is_client_error(), "{method} {target}: {answer:?}");
        }
        for (method, suffix) in [("GET", ""), ("POST", "/cancel")] {
            let target = format!("{API}/jobs/{}{suffix}", id.replace(' ', ""));
            let answer = raw(&app, method, &target, &[&token], b"").await;
            assert!(answer.status.is_client_error(), "{method} {target}: {answer:?}");
        }
    }
    let schedule = app.get("/schedules/s").await.expect(200);
    assert_eq!((&schedule["version"], &schedule["enabled"], &schedule["last_job_id"]), (&json!(1), &json!(true), &Value::Null));
    // An encoded letter is that letter.
    let answer = raw(&app, "GET", "/api/v1/maintenance/schedules/%73", &[&token], b"").await;
    assert_eq!(answer.expect(200)["id"], "s");
    app.stop().await;
}

#[tokio::test]
async fn every_kind_of_error_is_a_whole_problem_document() {
    let mut app = TestApp::start().await;
    app.create(json!({"id":"s","name":"S","cron_expression":"@daily","tasks":["CUSTOM"]})).await;
    let json = |body: &str| {
        let request = app.request(Method::POST, "/schedules").header("content-type", "application/json");
        Answer::of(request.body(body.to_owned()))
    };
    let bare = |method: Method, path: &str| Answer::of(app.client().request(method, format!("{}{path}", app.base())));
    for (answer, status, expected) in [
        (json("{").await, 400, "malformed_json"),
        (json("").await, 400, "missing_body"),
        (app.get("/jobs?page=1").await, 400, "invalid_parameter"),
        (app.get("/schedules/s?page=1").await, 400, "invalid_parameter"),
        (Answer::of(app.request(Method::DELETE, "/schedules/s").header("if-match", "s")).await, 400, "invalid_header"),
        (bare(Method::GET, "/api/v1/maintenance/schedules").await, 401, "missing_token"),
        (Answer::of(app.request_as("maintenance:read", Method::DELETE, "/schedules/s")).await, 403, "insufficient_scope"),
        (bare(Method::GET, "/nothing").await, 404, "route_not_found"),
        (app.get("/schedules/unknown").await, 404, "schedule_not_found"),
        (app.get("/jobs/019b8be1-f500-7000-8000-000000000000").await, 404, "job_not_found"),
        (app.get("/jobs/nonsense").await, 404, "job_not_found"),
        (bare(Method::DELETE, "/livez").await, 405, "method_not_allowed"),
        (json(r#"{"id":"s","name":"S","cron_expression":"@daily","tasks":["CUSTOM"]}"#).await, 409, "id_taken"),
        (Answer::of(app.request(Method::DELETE, "/schedules/s").header("if-match", "\"x\"")).await, 412, "precondition_failed"),
        (json(&" ".repeat(300_000)).await, 413, "body_too_large"),
        (Answer::of(app.request(Method::POST, "/schedules").body("x")).await, 415, "unsupported_media_type"),
        (json("{}").await, 422, "validation_failed"),
    ] {
        assert_eq!((answer.status.as_u16(), code(&answer)), (status, expected), "{}", answer.text);
        assert_eq!(answer.header("retry-after"), "");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced_on_success_and_on_error() {
    let mut app = TestApp::start().await;
    let token = bearer(&app);
    let longest = "x".repeat(256);
    for (path, headers) in [
        ("/livez", vec![]),
        ("/nothing", vec![]),
        ("/api/v1/maintenance/schedules", vec![token.as_str()]),
        ("/api/v1/maintenance/schedules", vec![]),
    ] {
        for id in ["a", "trace/42:x=y", longest.as_str(), "!#$%&()*+,-./:;<=>?@[]^_{|}~\\"] {
            let line = format!("X-Request-Id: {id}");
            let answer = raw(&app, "GET", path, &[headers.clone(), vec![&line]].concat(), b"").await;
            assert_eq!(answer.header("x-request-id"), id, "{path}");
        }
        let too_long = "x".repeat(257);
        for id in [too_long.as_str(), "", "a b", "a\tb", "\"a\"", "it's", "`a`", "ä"] {
            let line = format!("X-Request-Id: {id}");
            let answer = raw(&app, "GET", path, &[headers.clone(), vec![&line]].concat(), b"").await;
            let given = answer.header("x-request-id");
            assert_eq!((given.len(), given.matches('-').count()), (36, 4), "{path} {id:?} {given}");
        }
        let twice = [headers.clone(), vec!["X-Request-Id: a", "X-Request-Id: b"]].concat();
        assert_eq!(raw(&app, "GET", path, &twice, b"").await.header("x-request-id").len(), 36);
        let none = raw(&app, "GET", path, &headers, b"").await;
        let other = raw(&app, "GET", path, &headers, b"").await;
        assert_ne!(none.header("x-request-id"), other.header("x-request-id"));
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_there_for_now_is_503_with_retry_after() {
    let mut app = TestApp::builder().with("server.shutdown_grace = \"60s\"").start().await;
    let hold = app.sandbox.hold(None, "/maintenance");
    app.create(json!({"id":"s","name":"S","cron_expression":"0 0 1 1 *","tasks":["LOG_ROTATION"]})).await;
    app.post("/schedules/s/run", json!({})).await.expect(202);
    app.sandbox.wait_for_requests(|seen| seen.iter().any(|request| request.path.starts_with("/maintenance"))).await;
    let ending = tokio::spawn(app.take_running().shutdown());
    let ready = || Answer::of(app.client().get(format!("{}/readyz", app.base())));
    let answer = crate::support::until("readiness to go off", || async {
        let answer = ready().await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    assert_eq!(code(&answer), "not_ready");
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    let answer = app.post("/schedules/s/run", json!({})).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (503, "stopping"));
    assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    hold.release();
    ending.await.unwrap();
}
