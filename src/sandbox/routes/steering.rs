//! Control routes for the operations and the replicas of a 2026 server.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::control::parse;
use crate::sandbox::answer::Refusal;
use crate::sandbox::operation::Operation;
use crate::sandbox::replication::Replication;
use crate::sandbox::shared::Shared;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplicationDocument {
    state: Replication,
}

/// `POST /sandbox/replication`: `{"state":"healthy"|"degraded"|"quorum_lost"|"single_node"}`.
pub(super) async fn set_replication(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let ReplicationDocument { state } = parse(&body)?;
    *shared.replication.lock() = state;
    Ok(Json(json!({"state": state})))
}

/// `GET /sandbox/operations`.
pub(super) async fn operations(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.operations.list().into_iter().map(shown).collect())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationsDocument {
    #[serde(default)]
    fail_next: u32,
    #[serde(default = "usual_failure")]
    message: String,
    #[serde(default)]
    progress_percent: Option<u8>,
}

fn usual_failure() -> String {
    "The sandbox was told to fail".to_owned()
}

/// `POST /sandbox/operations`: `{"fail_next":2,"message":"disk full"}`, `{"progress_percent":40}`, or both.
pub(super) async fn steer_operations(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let OperationsDocument { fail_next, message, progress_percent } = parse(&body)?;
    shared.operations.fail_next(fail_next, message);
    if let Some(percent) = progress_percent {
        shared.operations.set_progress(percent);
    }
    Ok(StatusCode::NO_CONTENT)
}

fn shown(operation: Operation) -> Value {
    let Operation { kind, id, about, state, progress_percent, error_message, idempotency_key, submitted } = operation;
    json!({
        "kind": kind,
        "id": id,
        "about": about,
        "state": state,
        "progress_percent": progress_percent,
        "error_message": error_message,
        "idempotency_key": idempotency_key,
        "submitted": submitted,
    })
}
