//! The repair scan: submitted, then asked for. Read in the sources, not measured.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::sandbox::answer::{Refusal, object};
use crate::sandbox::operation::{OperationKind, OperationState};
use crate::sandbox::shared::Shared;

/// `POST /v1/admin/repair/scan`.
pub(super) async fn scan(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let about = Value::Object(object(&body)?).to_string();
    let id = shared.begin_operation(OperationKind::RepairScan, about, &headers, |_| ())?;
    Ok((StatusCode::ACCEPTED, Json(json!({"job_id": id, "status": "queued"}))))
}

/// `GET /v1/admin/repair/jobs/{job_id}`. A scan that failed is `completed` too, and has failed at one document.
pub(super) async fn job(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let found = shared.operations.find(OperationKind::RepairScan, &id);
    let scan = found.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "Repair job not found".to_owned()))?;
    let failed = scan.state == OperationState::Failed;
    let rows = shared.store.lock().row_count();
    Ok(Json(json!({
        "job_id": scan.id,
        "completed": scan.state.has_ended(),
        "success": scan.state == OperationState::Succeeded,
        "documents_scanned": rows * u64::from(scan.progress_percent) / 100,
        "documents_failed": u32::from(failed),
        "error_message": scan.error_message.unwrap_or_default(),
    })))
}
