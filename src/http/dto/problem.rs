//! The document of every error (RFC 9457).

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::fields::FieldError;
use crate::http::problem::Problem;

/// What went wrong, after RFC 9457. Switch on `code` or `type`; both are stable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(in crate::http) struct ProblemDocument {
    /// The problem type, a URI.
    #[serde(rename = "type")]
    #[schema(example = "urn:themis-maintenance:problem:schedule-not-found", format = "uri")]
    type_uri: String,
    /// What this type of problem is called.
    #[schema(example = "There is no such schedule")]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// This occurrence in words.
    #[schema(example = "there is no schedule 'nightly'")]
    detail: String,
    /// Path of the request.
    #[schema(example = "/api/v1/maintenance/schedules/nightly", format = "uri-reference")]
    instance: String,
    /// The problem type in short.
    #[schema(example = "schedule_not_found")]
    code: &'static str,
    /// The request's id, as in `X-Request-Id`.
    #[schema(example = "01890a5d-ac96-774b-bcce-b302099a8057")]
    request_id: String,
    /// Every broken rule, every wrong parameter; empty for problems of another sort.
    errors: Vec<ProblemField>,
}

/// One broken rule.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ProblemField {
    /// Path of the field, or name of the parameter or header; empty for the document as a whole.
    #[schema(example = "tasks[2].task_type")]
    field: String,
    /// The rule.
    #[schema(example = "is required")]
    message: String,
}

impl ProblemDocument {
    /// The document of a problem that occurred in a request.
    pub fn new(problem: &Problem, status: StatusCode, instance: &str, request_id: Option<&str>) -> Self {
        Self {
            type_uri: problem.kind.type_uri(),
            title: problem.kind.title(),
            status: status.as_u16(),
            detail: problem.detail.clone(),
            instance: instance.to_owned(),
            code: problem.kind.code(),
            request_id: request_id.unwrap_or_default().to_owned(),
            errors: problem.errors.iter().map(ProblemField::from).collect(),
        }
    }
}

impl From<&FieldError> for ProblemField {
    fn from(error: &FieldError) -> Self {
        let FieldError { field, message } = error;
        Self { field: field.clone(), message: message.clone() }
    }
}
