//! The routes: ThemisDB's own, the conventional maintenance route, and the control routes.

mod admin;
mod changefeed;
mod control;
mod entities;
mod index;
mod maintenance;
mod status;
mod steering;
mod v2026;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::config::SandboxVersion;
use super::{answer, shared::Shared};

/// What a ThemisDB of this version serves, and `POST /maintenance/{task_type}`.
pub(super) fn themis(version: SandboxVersion) -> Router<Arc<Shared>> {
    match version {
        SandboxVersion::V2025 => measured().fallback(answer::not_found),
        SandboxVersion::V2026 => measured().merge(v2026::themis()).fallback(v2026::moved_or_not_found),
    }
}

/// What was measured, on a server of November 2025.
fn measured() -> Router<Arc<Shared>> {
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
        .route("/sandbox/operations", get(steering::operations).post(steering::steer_operations))
        .route("/sandbox/replication", post(steering::set_replication))
}
