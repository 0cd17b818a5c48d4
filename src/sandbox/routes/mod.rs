//! The routes: ThemisDB's own, the conventional maintenance route, and the control routes.

mod admin;
mod changefeed;
mod control;
mod entities;
mod index;
mod maintenance;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::shared::Shared;

/// What a ThemisDB serves, and `POST /maintenance/{task_type}`.
pub(super) fn themis() -> Router<Arc<Shared>> {
    Router::new()
        .route("/health", get(status::health))
        .route("/stats", get(status::stats))
        .route("/metrics", get(status::metrics))
        .route("/index/create", post(index::create))
        .route("/index/rebuild", post(index::rebuild))
        .route("/index/reindex", post(index::reindex))
        .route("/index/stats", get(index::stats))
        .route("/entities/{key}", get(entities::read).put(entities::write))
        .route("/admin/backup", post(admin::back_up))
        .route("/admin/restore", post(admin::restore))
        .route("/changefeed/stats", get(changefeed::stats))
        .route("/changefeed/retention", post(changefeed::retain))
        .route("/maintenance/{task_type}", post(maintenance::perform))
}

/// What people steer the sandbox with.
pub(super) fn control() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sandbox", get(control::state))
        .route("/sandbox/faults", post(control::add_fault).delete(control::clear_faults))
        .route("/sandbox/faults/random", post(control::leave_faults_to_chance))
        .route("/sandbox/store", post(control::set_store))
        .route("/sandbox/requests", get(control::requests).delete(control::clear_requests))
}
