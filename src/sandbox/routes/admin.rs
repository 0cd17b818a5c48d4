//! Backup, and the restore that nobody may call.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

use crate::sandbox::answer::{NOT_OPEN, Refusal, object, optional_text, text};
use crate::sandbox::clock;
use crate::sandbox::shared::Shared;
use crate::sandbox::store::BackupError;

/// `POST /admin/backup`. Without a directory the server makes up one; one that exists is an error.
pub(super) async fn back_up(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let directory = match optional_text(&request, "directory")? {
        Some(directory) => directory.to_owned(),
        None => format!("./data/backup_{}", clock::now().timestamp()),
    };
    shared.store.lock().back_up(&directory).map_err(refusal)?;
    Ok(Json(json!({"status": "ok", "directory": directory})))
}

/// `POST /admin/restore`: replaces all tables. With a directory that holds no backup, by nothing.
pub(super) async fn restore(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let directory = text(&request, "directory")?;
    shared.store.lock().restore(directory).map_err(refusal)?;
    Ok(Json(json!({"status": "ok", "directory": directory})))
}

fn refusal(error: BackupError) -> Refusal {
    Refusal::internal(match error {
        BackupError::Closed => NOT_OPEN,
        BackupError::Exists => "Failed to create checkpoint: directory exists",
        BackupError::Missing => "Failed to restore: no checkpoint in directory",
    })
}
