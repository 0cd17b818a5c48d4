//! `POST /maintenance/{task-type-in-kebab-case}`, which no ThemisDB has: a call that every task type can be mapped to.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::domain::task::TaskType;
use crate::sandbox::answer::{self, NOT_OPEN, Refusal, object};
use crate::sandbox::clock;
use crate::sandbox::shared::Shared;

/// Takes the delay, and says how many rows there are to have been looked at.
pub(super) async fn perform(
    State(shared): State<Arc<Shared>>,
    Path(task_type): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let known = TaskType::ALL.into_iter().find(|known| known.kebab_case() == task_type);
    let Some(known) = known else { return Err(answer::not_found().await) };
    object(&body)?;
    if !shared.store.lock().is_open() {
        return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, NOT_OPEN.to_owned()));
    }
    let begun = clock::instant();
    shared.take_time(|_| ()).await?;
    let duration = clock::instant().saturating_duration_since(begun);
    Ok(Json(json!({
        "success": true,
        "task_type": known,
        "items_processed": shared.store.lock().row_count(),
        "duration_ms": u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
    })))
}
