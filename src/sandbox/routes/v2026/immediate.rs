//! Routes of 2026 that answer when they are done. Read in the sources, not measured.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::answer::{NOT_OPEN, Refusal, object, text};
use crate::sandbox::shared::Shared;

/// `POST /api/v1/metadata/stats/{table}`: counts anew, which takes the delay.
pub(super) async fn update_statistics(
    State(shared): State<Arc<Shared>>,
    Path(table): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    object(&body)?;
    let statistics = |shared: &Shared| {
        let store = shared.store.lock();
        if !store.is_open() {
            return Err(Refusal::internal(NOT_OPEN));
        }
        let found = store.table(&table).ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "Table not found".to_owned()))?;
        Ok(json!({"table": table, "row_count": found.row_count(), "index_count": found.indexes.len()}))
    };
    statistics(&shared)?;
    shared.take_time(|_| ()).await?;
    Ok(Json(json!({"status": "success", "stats": statistics(&shared)?})))
}

/// `POST /v1/admin/cache/warmup`: one entry for each row, at most `max_entries`. The log is not looked at.
pub(super) async fn warm_cache(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    text(&request, "log_path")?;
    let max_entries = match request.get("max_entries") {
        None => u64::MAX,
        Some(n) => n.as_u64().ok_or_else(|| Refusal::bad_request("Invalid 'max_entries'"))?,
    };
    shared.take_time(|_| ()).await?;
    let store = shared.store.lock();
    if !store.is_open() {
        return Err(Refusal::internal(NOT_OPEN));
    }
    Ok(Json(json!({"status": "ok", "entries_loaded": store.row_count().min(max_entries)})))
}

/// `GET /api/v1/replication/health`; 503 where there is nothing to replicate to.
pub(super) async fn replication_health(State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Refusal> {
    let replication = *shared.replication.lock();
    let single = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "Replication is not configured".to_owned());
    replication.report().map(Json).ok_or_else(single)
}

/// `POST /changefeed/compact`: keeps the last event of each entity.
pub(super) async fn compact_changefeed(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    object(&body)?;
    let mut store = shared.store.lock();
    if !store.is_open() {
        return Err(Refusal::internal(NOT_OPEN));
    }
    Ok(Json(json!({"events_deleted": store.changefeed.compact()})))
}
