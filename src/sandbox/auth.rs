//! Who may call what, as the 2025 version has it: most routes, the index and admin ones among them, check nothing.

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::answer::{bearer, denied};
use super::config::SandboxConfig;

#[derive(Clone, Copy)]
enum Scope {
    MetricsRead,
    CdcAdmin,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::MetricsRead => "metrics:read",
            Self::CdcAdmin => "cdc:admin",
        }
    }
}

fn needed(method: &Method, path: &str) -> Option<Scope> {
    match (method, path) {
        (&Method::GET, "/metrics") => Some(Scope::MetricsRead),
        (&Method::GET, "/changefeed/stats") | (&Method::POST, "/changefeed/retention") => Some(Scope::CdcAdmin),
        _ => None,
    }
}

/// The answer to a request that may not go on: 401 (no token) or 403 (a wrong one, or one without the scope).
pub(super) fn refusal(config: &SandboxConfig, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let SandboxConfig { admin_token, readonly_token, analyst_token, .. } = config;
    let readers = [readonly_token, analyst_token];
    let open = admin_token.is_none() && readers.iter().all(|token| token.is_none());
    let scope = needed(method, path).filter(|_| !open)?;

    let Some(token) = bearer(headers) else {
        let message = "Missing Authorization header";
        return Some(denied(StatusCode::UNAUTHORIZED, "missing_authorization", message));
    };
    let is = |known: &Option<String>| known.as_deref() == Some(token);
    let reads = matches!(scope, Scope::MetricsRead) && readers.into_iter().any(is);
    if is(admin_token) || reads {
        return None;
    }
    Some(denied(StatusCode::FORBIDDEN, "forbidden", &format!("Scope {} is required", scope.name())))
}
