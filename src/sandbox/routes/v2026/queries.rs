//! AQL jobs: submitted, asked for, cancelled. Read in the sources, not measured. The query is not looked at.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::sandbox::answer::{Refusal, object, text};
use crate::sandbox::operation::{Operation, OperationKind, OperationState};
use crate::sandbox::shared::Shared;

/// `POST /v2/jobs`.
pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let request = object(&body)?;
    let query = text(&request, "query")?;
    let id = shared.begin_operation(OperationKind::Query, query.to_owned(), &headers, |_| ())?;
    Ok((StatusCode::ACCEPTED, Json(json!({"job_id": id}))))
}

/// `GET /v2/jobs/{id}`. `progress_pct` is an addition of the sandbox.
pub(super) async fn job(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let job = shared.operations.find(OperationKind::Query, &id).ok_or_else(unknown)?;
    Ok(Json(shown(job)))
}

/// `DELETE /v2/jobs/{id}`: cancels it; one that has ended stays as it is, and the answer is 409.
pub(super) async fn cancel(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    match shared.operations.cancel(OperationKind::Query, &id).ok_or_else(unknown)? {
        Ok(job) => Ok(Json(shown(job))),
        Err(job) => Err(Refusal(StatusCode::CONFLICT, format!("Job is already {}", status(job.state)))),
    }
}

fn shown(job: Operation) -> Value {
    let mut answer = json!({"job_id": job.id, "status": status(job.state), "progress_pct": job.progress_percent});
    if let Some(message) = job.error_message {
        answer["error_message"] = message.into();
    }
    answer
}

fn status(state: OperationState) -> &'static str {
    match state {
        OperationState::Queued => "queued",
        OperationState::Running => "running",
        OperationState::Succeeded => "completed",
        OperationState::Failed => "failed",
        OperationState::Cancelled => "cancelled",
    }
}

fn unknown() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "Job not found".to_owned())
}
