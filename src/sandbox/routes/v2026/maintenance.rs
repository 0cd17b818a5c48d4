//! The server's own maintenance API: make a schedule, run it, ask for the job. Read in the sources, not measured.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::sandbox::answer::{Refusal, object, text};
use crate::sandbox::operation::{OperationKind, OperationState};
use crate::sandbox::shared::Shared;

/// `POST /api/v1/maintenance/schedules`. A name that is not known silently becomes `metrics_collection`.
pub(super) async fn create_schedule(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let request = object(&body)?;
    text(&request, "name")?;
    let tasks: Option<Vec<&str>> =
        request.get("tasks").and_then(Value::as_array).into_iter().flatten().map(Value::as_str).collect();
    let tasks = tasks.filter(|tasks| !tasks.is_empty());
    let tasks = tasks.ok_or_else(|| Refusal::bad_request("'tasks' must be a non-empty array of strings"))?;
    let id = shared.schedules.lock().add(tasks);
    Ok((StatusCode::CREATED, Json(json!({"id": id}))))
}

/// `POST /api/v1/maintenance/schedules/{id}/run`. Enabled or not, and outside its window too.
pub(super) async fn run_schedule(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    object(&body)?;
    let tasks = shared.schedules.lock().tasks(&id).map(<[String]>::to_vec);
    let tasks = tasks.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "Schedule not found".to_owned()))?;
    let about = tasks.join(",");
    let effect = move |shared: &Shared| {
        if tasks.iter().any(|task| task == "storage_compaction") {
            shared.pending_compaction_bytes.store(0, Ordering::Relaxed);
        }
    };
    let id = shared.begin_operation(OperationKind::Maintenance, about, &headers, effect)?;
    Ok((StatusCode::ACCEPTED, Json(json!({"id": id}))))
}

/// `GET /api/v1/maintenance/jobs/{id}`. `progress_pct` is an addition of the sandbox: the sources that were read have none.
pub(super) async fn job(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let found = shared.operations.find(OperationKind::Maintenance, &id);
    let job = found.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "Job not found".to_owned()))?;
    let state = match job.state {
        OperationState::Queued | OperationState::Running => "running",
        OperationState::Succeeded => "succeeded",
        // nothing cancels these
        OperationState::Failed | OperationState::Cancelled => "failed",
    };
    let mut answer = json!({"id": job.id, "state": state, "progress_pct": job.progress_percent});
    if let Some(message) = job.error_message {
        answer["error_message"] = message.into();
    }
    Ok(Json(answer))
}
