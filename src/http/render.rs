//! Writes the document of every error that leaves the service, those of the framework included.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::context::RequestContext;
use super::dto::problem::ProblemDocument;
use super::problem::{Problem, ProblemKind};

/// The media type of RFC 9457.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Layer: gives every answer with an error status its problem document and keeps its headers (`Allow`, `Retry-After`, …). An
/// error that did not come from our table, for example the framework's 405, gets the table's entry for its status. The
/// [`Problem`] stays in the response's extensions, for the audit.
pub(super) async fn problems(request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestContext>().map(|context| Arc::clone(&context.request_id));
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None => left_over(status, &path),
    };
    with_document(response, problem, &path, request_id.as_deref())
}

/// The whole answer to a problem, for layers outside of [`problems`].
pub(super) fn rendered(problem: Problem, path: &str, request_id: Option<&str>) -> Response {
    with_document(problem.clone().into_response(), problem, path, request_id)
}

fn with_document(response: Response, problem: Problem, path: &str, request_id: Option<&str>) -> Response {
    let document = ProblemDocument::new(&problem, response.status(), path, request_id);
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    parts.extensions.insert(problem);
    Response::from_parts(parts, Json(document).into_response().into_body())
}

/// The problem for an error answer that is not ours. Its own body is dropped: it may speak of the inside.
fn left_over(status: StatusCode, path: &str) -> Problem {
    let kind = ProblemKind::from_status(status).unwrap_or(ProblemKind::BadRequest);
    match kind {
        ProblemKind::RouteNotFound => Problem::new(kind, format!("no route matches {path}")),
        ProblemKind::MethodNotAllowed => Problem::new(kind, format!("see the Allow header for the methods of {path}")),
        kind => Problem::new(kind, kind.title()),
    }
}
