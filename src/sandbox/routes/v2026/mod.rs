//! What a 2026 version serves beside the routes of 2025. **Read in its sources, not measured**: shapes that THEMISDB.md leaves
//! open are plain guesses, and a recipe must not rely on them.
//!
//! Where the sources say nothing, these routes are strict: a POST needs a JSON object, what is not there is 404, and what needs
//! the store fails while it is closed.

mod immediate;
mod maintenance;
mod queries;
mod repair;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::sandbox::answer;
use crate::sandbox::shared::Shared;

/// Where an unknown path is answered with 301. That the server does so for several paths is known, which ones is not.
const MOVED: [&str; 3] = ["/admin/", "/api/", "/storage/"];

/// The routes that came with 2026.
pub(super) fn themis() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/metadata/stats/{table}", post(immediate::update_statistics))
        .route("/v1/admin/cache/warmup", post(immediate::warm_cache))
        .route("/api/v1/replication/health", get(immediate::replication_health))
        .route("/changefeed/compact", post(immediate::compact_changefeed))
        .route("/v1/admin/repair/scan", post(repair::scan))
        .route("/v1/admin/repair/jobs/{job_id}", get(repair::job))
        .route("/api/v1/maintenance/schedules", post(maintenance::create_schedule))
        .route("/api/v1/maintenance/schedules/{id}/run", post(maintenance::run_schedule))
        .route("/api/v1/maintenance/jobs/{id}", get(maintenance::job))
        .route("/v2/jobs", post(queries::submit))
        .route("/v2/jobs/{id}", get(queries::job).delete(queries::cancel))
}

/// The answer to everything that is not exactly a route: 301 to `/v1…` under some folders, where a caller that follows it finds
/// 404, and otherwise 404 at once.
pub(in crate::sandbox) async fn moved_or_not_found(uri: Uri) -> Response {
    let path = uri.path();
    if !path.ends_with('/') && MOVED.iter().any(|folder| path.starts_with(folder)) {
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, format!("/v1{path}"))]).into_response();
    }
    answer::not_found().await.into_response()
}
