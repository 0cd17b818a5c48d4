//! `/changefeed/stats` and `/changefeed/retention`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Value, json};

use crate::sandbox::answer::{Refusal, object};
use crate::sandbox::shared::Shared;

/// How far the changefeed has come, and what it holds.
pub(super) async fn stats(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let store = shared.store.lock();
    Json(json!({
        "latest_sequence": store.changefeed.latest_sequence(),
        "total_events": store.changefeed.total_events(),
        "total_size_bytes": store.changefeed.total_size_bytes(),
    }))
}

/// Deletes the events before a number. A negative one wraps to an enormous one, as in ThemisDB, and deletes all.
pub(super) async fn retain(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let request = object(&body)?;
    let before = request.get("before_sequence");
    let before = before.and_then(|n| n.as_u64().or_else(|| n.as_i64().map(i64::cast_unsigned)));
    let before = before.ok_or_else(|| Refusal::bad_request("Missing or invalid 'before_sequence'"))?;
    let deleted = shared.store.lock().changefeed.delete_before(before);
    Ok(Json(json!({"deleted": deleted, "before_sequence": before})))
}
