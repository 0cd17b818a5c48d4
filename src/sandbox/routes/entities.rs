//! `PUT` and `GET /entities/{table}:{pk}`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::answer::{NOT_OPEN, Refusal, object, text};
use crate::sandbox::shared::Shared;

/// Stores an entity: `{"blob":"<JSON text>"}`.
pub(super) async fn write(
    State(shared): State<Arc<Shared>>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (table, primary_key) = split(&key)?;
    let request = object(&body)?;
    let blob = text(&request, "blob")?;
    let row = serde_json::from_str(blob).map_err(|error| Refusal::bad_request(format!("Invalid blob: {error}")))?;
    let mut store = shared.store.lock();
    if !store.is_open() {
        return Err(Refusal::internal(NOT_OPEN));
    }
    store.put_row(table, primary_key, row, blob.len() as u64);
    Ok((StatusCode::CREATED, Json(json!({"success": true, "key": key, "blob_size": blob.len()}))))
}

/// The entity as it is stored.
pub(super) async fn read(State(shared): State<Arc<Shared>>, Path(key): Path<String>) -> Result<Json<Value>, Refusal> {
    let (table, primary_key) = split(&key)?;
    let store = shared.store.lock();
    if !store.is_open() {
        return Err(Refusal::internal(NOT_OPEN));
    }
    let row = store.table(table).and_then(|table| table.row(primary_key));
    let row = row.ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "Entity not found".to_owned()))?;
    Ok(Json(json!({"key": key, "blob": Value::Object(row.clone()).to_string()})))
}

fn split(key: &str) -> Result<(&str, &str), Refusal> {
    key.split_once(':').ok_or_else(|| Refusal::bad_request("Key must be 'table:pk'"))
}
