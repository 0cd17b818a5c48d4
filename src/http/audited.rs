//! Refused and failed writes, and denied reads, go into the audit trail here; writes that were carried out are recorded by the
//! orchestrator.

mod repeats;

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use self::repeats::{Kind, LeftOut, Repeats};
use super::BASE_PATH;
use super::context::RequestContext;
use super::openapi::{self, DocumentedOperation};
use super::problem::Problem;
use super::state::HttpState;
use crate::domain::audit::{AuditEvent, AuditOutcome, EncodedEvent};
use crate::domain::fields::printable;
use crate::domain::ids::{FreezeId, JobId, ScheduleId};
use crate::domain::target_input::can_name_a_target;

/// The actor of a request whose token was missing or not accepted.
const ANONYMOUS: &str = "anonymous";
/// The action of a request that no operation of the document describes.
const UNKNOWN_OPERATION: &str = "unknown_operation";

/// What the layer works with.
#[derive(Clone)]
pub(super) struct Auditing {
    state: HttpState,
    repeats: Arc<Repeats>,
}

impl Auditing {
    /// A layer of these routes.
    pub fn new(state: HttpState) -> Self {
        Self { state, repeats: Arc::default() }
    }
}

/// Layer: records what was refused below the base path: every write that was answered with an error, and reads that were denied.
/// Denied reads and writes that came too often (429) are recorded once a minute, with the number of those in between.
pub(super) async fn refusals(State(auditing): State<Auditing>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(BASE_PATH) {
        return next.run(request).await;
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let context = request.extensions().get::<RequestContext>().cloned();
    let response = next.run(request).await;
    let Some(refusal) = refusal(&method, response.status()) else { return response };
    let Auditing { state, repeats } = auditing;
    let time = state.now();
    let address = context.as_ref().and_then(RequestContext::client_address);
    let actor = context.as_ref().and_then(RequestContext::subject).unwrap_or(ANONYMOUS).to_owned();
    let action = action(&method, route.as_ref());
    let left_out = if refusal.may_repeat {
        match repeats.admit(Kind { address, actor: actor.clone(), action }, time) {
            Some(left_out) => left_out,
            None => return response,
        }
    } else {
        LeftOut::OfIts(0)
    };
    let event: AuditEvent = AuditEvent {
        event_id: state.ids.new_uuid(time),
        time,
        actor,
        action: action.to_owned(),
        object: object(uri.path()),
        outcome: refusal.outcome,
        request_id: context.map(|context| context.request_id.to_string()),
        address,
        before: None,
        after: None,
        detail: detail(response.extensions().get::<Problem>(), left_out, is_trial(uri.query())),
    };
    state.audit.record(vec![EncodedEvent::from(&event)]).await;
    response
}

/// What is recorded of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal {
    outcome: AuditOutcome,
    /// Only the first of many in a minute is recorded.
    may_repeat: bool,
}

fn refusal(method: &Method, status: StatusCode) -> Option<Refusal> {
    let writes = matches!(*method, Method::POST | Method::PUT | Method::PATCH | Method::DELETE);
    let outcome = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => AuditOutcome::Denied,
        _ if !writes => return None,
        status if status.is_client_error() => AuditOutcome::Rejected,
        status if status.is_server_error() => AuditOutcome::Failed,
        _ => return None,
    };
    Some(Refusal { outcome, may_repeat: !writes || status == StatusCode::TOO_MANY_REQUESTS })
}

fn detail(problem: Option<&Problem>, left_out: LeftOut, is_trial: bool) -> Option<String> {
    let code = problem.map(|problem| problem.kind.code().to_owned());
    let code = if is_trial { code.map(|code| format!("{code}; only a trial (dry_run)")) } else { code };
    let more = match left_out {
        LeftOut::OfIts(0) | LeftOut::OfOthers(0) => return code,
        LeftOut::OfIts(number) => format!("{number} more like it since the last one are not recorded"),
        LeftOut::OfOthers(number) => format!("{number} more of various callers are not recorded"),
    };
    Some(code.map_or_else(|| more.clone(), |code| format!("{code}; {more}")))
}

/// Whether nothing would have been done.
fn is_trial(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|parameter| parameter == "dry_run=true"))
}

fn action(method: &Method, route: Option<&MatchedPath>) -> &'static str {
    // HEAD is GET without the answer's body.
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let is_it = |operation: &&DocumentedOperation| {
        operation.method == *method && route.is_some_and(|route| operation.route == route.as_str())
    };
    openapi::operations().iter().find(is_it).map_or(UNKNOWN_OPERATION, |operation| operation.id.as_str())
}

/// What the request is about: a schedule, a job, or the path where it names neither.
fn object(path: &str) -> String {
    let mut segments = path.strip_prefix(BASE_PATH).unwrap_or_default().split('/').skip(1);
    match (segments.next(), segments.next()) {
        (Some("schedules"), Some(id)) if ScheduleId::parse(id).is_ok() => format!("schedule/{id}"),
        (Some("freezes"), Some(id)) if FreezeId::parse(id).is_some() => format!("freeze/{id}"),
        (Some("targets"), Some(name)) if can_name_a_target(name) => format!("target/{name}"),
        (Some("pause" | "resume"), None) => "targets".to_owned(),
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
    fn all_refused_writes_and_denied_reads_are_recorded_and_what_can_become_a_flood_is_limited() {
        use AuditOutcome::{Denied, Failed, Rejected};
        for (method, status, expected) in [
            (Method::POST, 401, Some((Denied, false))),
            (Method::DELETE, 403, Some((Denied, false))),
            (Method::PUT, 412, Some((Rejected, false))),
            (Method::PATCH, 429, Some((Rejected, true))),
            (Method::POST, 503, Some((Failed, false))),
            (Method::POST, 201, None),
            (Method::GET, 401, Some((Denied, true))),
            (Method::HEAD, 403, Some((Denied, true))),
            (Method::GET, 404, None),
            (Method::GET, 429, None),
            (Method::GET, 503, None),
            (Method::GET, 200, None),
        ] {
            let found = refusal(&method, StatusCode::from_u16(status).expect("a status"));
            assert_eq!(found.map(|found| (found.outcome, found.may_repeat)), expected, "{method} {status}");
        }
    }

    #[test]
    fn the_detail_tells_how_many_were_left_out() {
        let problem = Problem::new(crate::http::ProblemKind::MissingToken, "x");
        assert_eq!(detail(Some(&problem), LeftOut::OfIts(0), false).as_deref(), Some("missing_token"));
        assert_eq!(detail(None, LeftOut::OfOthers(0), false), None);
        let trial = detail(Some(&problem), LeftOut::OfIts(0), is_trial(Some("x=1&dry_run=true")));
        assert_eq!(trial.as_deref(), Some("missing_token; only a trial (dry_run)"));
        let more = "missing_token; 3 more like it since the last one are not recorded";
        assert_eq!(detail(Some(&problem), LeftOut::OfIts(3), false).as_deref(), Some(more));
        assert_eq!(detail(None, LeftOut::OfOthers(4), false).as_deref(), Some("4 more of various callers are not recorded"));
    }

    #[test]
    fn every_write_of_the_document_has_its_operation_id() {
        let operations = openapi::operations().iter();
        let writes: Vec<&str> =
            operations.filter(|operation| operation.method != Method::GET).map(|operation| operation.id.as_str()).collect();
        assert_eq!(writes.len(), 18, "{writes:?}");
    }
}
