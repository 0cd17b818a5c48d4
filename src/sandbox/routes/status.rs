//! `/health`, `/stats` and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::sandbox::answer::NOT_OPEN;
use crate::sandbox::shared::Shared;

/// Healthy, whatever the store is like.
pub(super) async fn health(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({
        "database": "themis",
        "status": "healthy",
        "uptime_seconds": shared.uptime_seconds(),
        "version": "0.1.0",
    }))
}

/// The only place that says when the store is closed.
pub(super) async fn stats(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (requests, errors) = shared.recorder.totals();
    let uptime = shared.uptime_seconds();
    let storage = {
        let store = shared.store.lock();
        if store.is_open() {
            let rows = store.row_count();
            json!({"raw_stats": format!("** DB Stats **\nEntities: {rows}\n"), "rocksdb": {"estimate_num_keys": rows}})
        } else {
            json!({"error": NOT_OPEN})
        }
    };
    Json(json!({
        "server": {
            "uptime_seconds": uptime,
            "total_requests": requests,
            "total_errors": errors,
            "queries_per_second": requests as f64 / uptime.max(1) as f64,
            "threads": std::thread::available_parallelism().map_or(1, usize::from),
        },
        "storage": storage,
    }))
}

/// A few of ThemisDB's metrics, in Prometheus text.
pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let (requests, errors) = shared.recorder.totals();
    let pending = shared.pending_compaction_bytes.load(Ordering::Relaxed) + shared.work.count() as u64 * 1024;
    let series = [
        ("process_uptime_seconds", "gauge", "Process uptime in seconds", shared.uptime_seconds()),
        ("vccdb_requests_total", "counter", "Requests received", requests),
        ("vccdb_errors_total", "counter", "Requests answered with an error", errors),
        ("rocksdb_estimate_num_keys", "gauge", "Estimated number of keys", shared.store.lock().row_count()),
        ("rocksdb_pending_compaction_bytes", "gauge", "Bytes waiting for compaction", pending),
    ];
    let text: String = series
        .iter()
        .map(|(name, kind, help, value)| format!("# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"))
        .collect();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
