//! Refused and failed writes go into the audit trail here; those that were carried out are recorded by the orchestrator.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::BASE_PATH;
use super::context::RequestContext;
use super::openapi;
use super::problem::Problem;
use super::state::HttpState;
use crate::domain::audit::{AuditEvent, AuditOutcome};
use crate::domain::fields::printable;
use crate::domain::ids::{JobId, ScheduleId};

/// The actor of a request whose token was missing or not accepted.
const ANONYMOUS: &str = "anonymous";
/// The action of a write that no operation of the document describes.
const UNKNOWN_OPERATION: &str = "unknown_operation";

/// Operation ids by method and route, as the document has them.
static OPERATIONS: LazyLock<HashMap<(Method, String), String>> = LazyLock::new(openapi::operation_ids);

/// Layer: records every write below the base path that was answered with an error.
pub(super) async fn refused_writes(State(state): State<HttpState>, request: Request, next: Next) -> Response {
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    if !writes || !request.uri().path().starts_with(BASE_PATH) {
        return next.run(request).await;
    }
    let context = request.extensions().get::<RequestContext>().cloned();
    let action = action(request.method(), request.extensions().get::<MatchedPath>());
    let object = object(request.uri().path());
    let response = next.run(request).await;
    if let Some(outcome) = outcome(response.status()) {
        let detail = response.extensions().get::<Problem>().map(|problem| problem.kind.code().to_owned());
        let actor = context.as_ref().and_then(RequestContext::subject).unwrap_or(ANONYMOUS).to_owned();
        let request_id = context.map(|context| context.request_id.to_string());
        let time = state.now();
        let event_id = state.ids.new_uuid(time);
        let event = AuditEvent { event_id, time, actor, action, object, outcome, request_id, before: None, after: None, detail };
        state.audit.record(vec![event]).await;
    }
    response
}

fn outcome(status: StatusCode) -> Option<AuditOutcome> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(AuditOutcome::Denied),
        status if status.is_client_error() => Some(AuditOutcome::Rejected),
        status if status.is_server_error() => Some(AuditOutcome::Failed),
        _ => None,
    }
}

fn action(method: &Method, route: Option<&MatchedPath>) -> String {
    route
        .and_then(|route| OPERATIONS.get(&(method.clone(), route.as_str().to_owned())))
        .map_or_else(|| UNKNOWN_OPERATION.to_owned(), Clone::clone)
}

/// What the request is about: a schedule, a job, or the path where it names neither.
fn object(path: &str) -> String {
    let mut segments = path.strip_prefix(BASE_PATH).unwrap_or_default().split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("schedules"), Some(id)) if ScheduleId::parse(id).is_ok() => format!("schedule/{id}"),
        (Some("jobs"), Some(id)) if JobId::parse(id).is_some() => format!("job/{id}"),
        _ => printable(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_by_kind_and_id() {
        assert_eq!(object("/api/v1/maintenance/schedules/nightly/enable"), "schedule/nightly");
        assert_eq!(
            object("/api/v1/maintenance/jobs/01890a5d-ac96-774b-bcce-b302099a8057/cancel"),
            "job/01890a5d-ac96-774b-bcce-b302099a8057"
        );
        for path in ["/api/v1/maintenance/schedules", "/api/v1/maintenance/schedules/%2e%2e", "/api/v1/maintenance/jobs/x"] {
            assert_eq!(object(path), path);
        }
    }

    #[test]
    fn every_write_of_the_document_has_its_operation_id() {
        let writes: Vec<&str> =
            OPERATIONS.iter().filter(|((method, _), _)| method != Method::GET).map(|(_, id)| id.as_str()).collect();
        assert_eq!(writes.len(), 9, "{writes:?}");
    }
}
