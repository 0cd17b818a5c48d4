//! The routes of 2026. They were read in sources and not measured, so these tests hold what THEMISDB.md says of them, and what
//! the sandbox has decided where it is silent.

mod direct;
mod operations;

use serde_json::json;

use super::{SandboxConfig, answer, get, post, start};
use crate::sandbox::{Sandbox, SandboxVersion};

/// Method and path of every route, in a place where it answers.
const ROUTES: [(&str, &str); 11] = [
    ("POST", "/api/v1/metadata/stats/orders"),
    ("POST", "/v1/admin/cache/warmup"),
    ("GET", "/api/v1/replication/health"),
    ("POST", "/changefeed/compact"),
    ("POST", "/v1/admin/repair/scan"),
    ("GET", "/v1/admin/repair/jobs/x"),
    ("POST", "/api/v1/maintenance/schedules"),
    ("POST", "/api/v1/maintenance/schedules/x/run"),
    ("GET", "/api/v1/maintenance/jobs/x"),
    ("POST", "/v2/jobs"),
    ("GET", "/v2/jobs/x"),
];

async fn server_of_2026() -> Sandbox {
    start(SandboxConfig { version: SandboxVersion::V2026, ..SandboxConfig::default() }).await
}

fn request(sandbox: &Sandbox, method: &str, path: &str) -> reqwest::RequestBuilder {
    if method == "GET" { get(sandbox, path) } else { post(sandbox, path, "{}") }
}

#[tokio::test]
async fn a_server_of_2025_knows_none_of_them() {
    let sandbox = start(SandboxConfig::default()).await;
    let not_found = json!({"error": true, "message": "Endpoint not found", "status_code": 404});
    for (method, path) in ROUTES {
        assert_eq!(answer(request(&sandbox, method, path)).await, (404, not_found.clone()), "{path}");
    }
}

#[tokio::test]
async fn a_server_of_2026_knows_them_all_and_those_of_2025() {
    let sandbox = server_of_2026().await;
    for (method, path) in ROUTES {
        let (_, body) = answer(request(&sandbox, method, path)).await;
        assert_ne!(body["message"], "Endpoint not found", "{path}");
    }
    for path in ["/health", "/stats", "/changefeed/stats"] {
        assert_eq!(answer(get(&sandbox, path)).await.0, 200, "{path}");
    }
    assert_eq!(answer(get(&sandbox, "/health/")).await.0, 404);
    assert_eq!(answer(get(&sandbox, "/admin/backup/")).await.0, 404);
}

#[tokio::test]
async fn some_unknown_paths_are_moved_to_where_nothing_is() {
    let sandbox = server_of_2026().await;
    for path in ["/admin/wal/archive", "/api/v1/unheard-of", "/storage/compact"] {
        let response = post(&sandbox, path, "{}").send().await.unwrap();
        assert_eq!(response.status(), 301, "{path}");
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(location, format!("/v1{path}"));
        assert_eq!(answer(post(&sandbox, &location, "{}")).await.0, 404);
    }
    let older = start(SandboxConfig::default()).await;
    assert_eq!(answer(post(&older, "/admin/wal/archive", "{}")).await.0, 404);
}

#[tokio::test]
async fn with_tokens_they_ask_for_what_the_sources_ask_for() {
    let sandbox = start(SandboxConfig {
        version: SandboxVersion::V2026,
        admin_token: Some("admin-secret".into()),
        readonly_token: Some("reader-secret".into()),
        ..SandboxConfig::default()
    })
    .await;
    let admin_only = [
        ("POST", "/admin/backup"),
        ("POST", "/v1/admin/cache/warmup"),
        ("POST", "/changefeed/compact"),
        ("POST", "/api/v1/maintenance/schedules"),
        ("POST", "/api/v1/maintenance/schedules/x/run"),
    ];
    for (method, path) in admin_only {
        let (status, body) = answer(request(&sandbox, method, path)).await;
        assert_eq!((status, &body["error"]), (401, &json!("missing_authorization")), "{path}");
        let (status, body) = answer(request(&sandbox, method, path).bearer_auth("reader-secret")).await;
        assert_eq!((status, &body["error"]), (403, &json!("forbidden")), "{path}");
        let (status, _) = answer(request(&sandbox, method, path).bearer_auth("admin-secret")).await;
        assert!(![401, 403].contains(&status), "{path}");
    }
    let job = "/api/v1/maintenance/jobs/x";
    assert_eq!(answer(get(&sandbox, job)).await.0, 401);
    assert_eq!(answer(get(&sandbox, job).bearer_auth("wrong")).await.0, 403);
    assert_eq!(answer(get(&sandbox, job).bearer_auth("reader-secret")).await.0, 404);
}

#[tokio::test]
async fn a_post_without_a_json_object_is_400() {
    let sandbox = server_of_2026().await;
    for (_, path) in ROUTES.into_iter().filter(|(method, _)| *method == "POST") {
        for body in ["", "[]", "{"] {
            assert_eq!(answer(post(&sandbox, path, body)).await.0, 400, "{path} {body}");
        }
    }
}
