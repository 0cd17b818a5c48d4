//! Who may call what, as the version has it: in 2025 most routes, the index and admin ones among them, check nothing. What 2026
//! asks for beyond that was read in its sources, not measured; routes of which they were not seen to ask anything are open.

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::answer::{bearer, denied};
use super::config::{SandboxConfig, SandboxVersion};

#[derive(Clone, Copy)]
enum Scope {
    MetricsRead,
    CdcAdmin,
    Admin,
    CacheWrite,
    MaintenanceRead,
    MaintenanceWrite,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::MetricsRead => "metrics:read",
            Self::CdcAdmin => "cdc:admin",
            Self::Admin => "admin",
            Self::CacheWrite => "admin:cache:write",
            Self::MaintenanceRead => "maintenance:read",
            Self::MaintenanceWrite => "maintenance:write",
        }
    }

    /// Whether the tokens of readers and analysts have it too.
    fn reads(self) -> bool {
        match self {
            Self::MetricsRead | Self::MaintenanceRead => true,
            Self::CdcAdmin | Self::Admin | Self::CacheWrite | Self::MaintenanceWrite => false,
        }
    }
}

fn needed(version: SandboxVersion, method: &Method, path: &str) -> Option<Scope> {
    let measured = match (method, path) {
        (&Method::GET, "/metrics") => Some(Scope::MetricsRead),
        (&Method::GET, "/changefeed/stats") | (&Method::POST, "/changefeed/retention") => Some(Scope::CdcAdmin),
        _ => None,
    };
    measured.or_else(|| match version {
        SandboxVersion::V2025 => None,
        SandboxVersion::V2026 => needed_since_2026(method, path),
    })
}

fn needed_since_2026(method: &Method, path: &str) -> Option<Scope> {
    match (method, path) {
        (&Method::POST, "/admin/backup") => Some(Scope::Admin),
        (&Method::POST, "/changefeed/compact") => Some(Scope::CdcAdmin),
        (&Method::POST, "/v1/admin/cache/warmup") => Some(Scope::CacheWrite),
        (&Method::POST, path) if path.starts_with("/api/v1/maintenance/schedules") => Some(Scope::MaintenanceWrite),
        (&Method::GET, path) if path.starts_with("/api/v1/maintenance/jobs/") => Some(Scope::MaintenanceRead),
        _ => None,
    }
}

/// The answer to a request that may not go on: 401 (no token) or 403 (a wrong one, or one without the scope).
pub(super) fn refusal(config: &SandboxConfig, method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    let SandboxConfig { admin_token, readonly_token, analyst_token, version, .. } = config;
    let readers = [readonly_token, analyst_token];
    let open = admin_token.is_none() && readers.iter().all(|token| token.is_none());
    let scope = needed(*version, method, path).filter(|_| !open)?;

    let Some(token) = bearer(headers) else {
        let message = "Missing Authorization header";
        return Some(denied(StatusCode::UNAUTHORIZED, "missing_authorization", message));
    };
    let is = |known: &Option<String>| known.as_deref() == Some(token);
    if is(admin_token) || scope.reads() && readers.into_iter().any(is) {
        return None;
    }
    Some(denied(StatusCode::FORBIDDEN, "forbidden", &format!("Scope {} is required", scope.name())))
}
