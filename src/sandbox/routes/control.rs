//! The control routes, with which people do what tests do through [`Sandbox`](crate::sandbox::Sandbox).

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::sandbox::answer::Refusal;
use crate::sandbox::chance::Chance;
use crate::sandbox::fault::Fault;
use crate::sandbox::fault_document::{ChanceDocument, FaultDocument};
use crate::sandbox::record::RecordedRequest;
use crate::sandbox::shared::Shared;

/// `GET /sandbox`: everything at a glance.
pub(super) async fn state(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (requests, errors) = shared.recorder.totals();
    let (in_flight, max_in_flight) = shared.recorder.in_flight();
    let faults: Vec<FaultDocument> = shared.faults.list().into_iter().map(Into::into).collect();
    let store = shared.store.lock();
    let tables: Vec<Value> = store
        .tables()
        .iter()
        .map(|(name, table)| {
            let indexes = table.indexes.iter().map(|(column, index)| index.stats(name, column));
            json!({"name": name, "rows": table.row_count(), "indexes": indexes.collect::<Value>()})
        })
        .collect();
    Json(json!({
        "version": shared.config.version,
        "store": {"open": store.is_open()},
        "tables": tables,
        "changefeed": {
            "latest_sequence": store.changefeed.latest_sequence(),
            "total_events": store.changefeed.total_events(),
        },
        "backups": store.backups().collect::<Vec<_>>(),
        "restores": store.restores(),
        "faults": faults,
        "faults_met": shared.faults.met(),
        "holds": shared.holds.count(),
        "requests": {"total": requests, "errors": errors, "in_flight": in_flight, "max_in_flight": max_in_flight},
        "work_in_progress": shared.work.count(),
        "operations": shared.operations.count(),
        "replication": *shared.replication.lock(),
    }))
}

/// `POST /sandbox/faults`.
pub(super) async fn add_fault(
    State(shared): State<Arc<Shared>>,
    body: Bytes,
) -> Result<(StatusCode, Json<FaultDocument>), Refusal> {
    let document: FaultDocument = parse(&body)?;
    let fault = Fault::try_from(document).map_err(Refusal::bad_request)?;
    shared.faults.push(fault.clone());
    Ok((StatusCode::CREATED, Json(fault.into())))
}

/// `POST /sandbox/faults/random`.
pub(super) async fn leave_faults_to_chance(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let document: ChanceDocument = parse(&body)?;
    shared.faults.leave_to(Chance::try_from(document).map_err(Refusal::bad_request)?);
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /sandbox/faults`.
pub(super) async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.clear();
    StatusCode::NO_CONTENT
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreDocument {
    open: bool,
}

/// `POST /sandbox/store`.
pub(super) async fn set_store(State(shared): State<Arc<Shared>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let StoreDocument { open } = parse(&body)?;
    shared.store.lock().set_open(open);
    Ok(Json(json!({"open": open})))
}

/// `GET /sandbox/requests`, without their tokens.
pub(super) async fn requests(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.recorder.requests().iter().map(shown).collect())
}

/// `DELETE /sandbox/requests`.
pub(super) async fn clear_requests(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.recorder.clear();
    shared.work.clear_most();
    StatusCode::NO_CONTENT
}

fn shown(request: &RecordedRequest) -> Value {
    let RecordedRequest { sequence, method, path, headers, body, received_at, status, ended } = request;
    let mut header_document = json!({});
    for (name, value) in headers {
        let text = if value.is_sensitive() { "(not shown)".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        header_document[name.as_str()] = text.into();
    }
    let body = request.json().unwrap_or_else(|| String::from_utf8_lossy(body).into());
    json!({
        "sequence": sequence,
        "method": method.as_str(),
        "path": path,
        "headers": header_document,
        "body": body,
        "received_at": received_at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        "status": status,
        "ended": ended,
    })
}

/// Without asking for a content type, so that a plain `curl -d` works.
pub(super) fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("Invalid JSON: {error}")))
}
