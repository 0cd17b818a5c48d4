//! Ids in the path. To a client an id is opaque: one that no schedule or job can have is simply not found.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::domain::fields::printable;
use crate::domain::ids::{FreezeId, JobId, ScheduleId};
use crate::domain::target_input::can_name_a_target;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;

/// The schedule that the path names.
pub(in crate::http) struct SchedulePath(pub ScheduleId);

/// The job that the path names.
pub(in crate::http) struct JobPath(pub JobId);

/// The target that the path names. Whether there is one is for the orchestrator to say, which knows who asks.
pub(in crate::http) struct TargetPath(pub String);

/// The freeze that the path names.
pub(in crate::http) struct FreezePath(pub FreezeId);

impl FromRequestParts<HttpState> for SchedulePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let text = segment(parts, state).await;
        let not_found = || Problem::new(ProblemKind::ScheduleNotFound, format!("there is no schedule '{}'", printable(&text)));
        ScheduleId::parse(&text).map(Self).map_err(|_| not_found())
    }
}

impl FromRequestParts<HttpState> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let text = segment(parts, state).await;
        let not_found = || Problem::new(ProblemKind::JobNotFound, format!("there is no job '{}'", printable(&text)));
        JobId::parse(&text).map(Self).ok_or_else(not_found)
    }
}

impl FromRequestParts<HttpState> for TargetPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let text = segment(parts, state).await;
        if !can_name_a_target(&text) {
            let detail = format!("there is no target '{}'", printable(&text));
            return Err(Problem::new(ProblemKind::TargetNotFound, detail));
        }
        Ok(Self(text))
    }
}

impl FromRequestParts<HttpState> for FreezePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let text = segment(parts, state).await;
        let not_found = || Problem::new(ProblemKind::FreezeNotFound, format!("there is no freeze '{}'", printable(&text)));
        FreezeId::parse(&text).map(Self).ok_or_else(not_found)
    }
}

/// The decoded segment; empty, which no id is, when it does not decode to UTF-8. An encoded slash stays inside: the router splits
/// before it decodes.
async fn segment(parts: &mut Parts, state: &HttpState) -> String {
    Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default()
}
