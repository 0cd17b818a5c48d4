//! The one list of routes. A handler's name is its operation id.

mod actions;
mod freezes;
mod health;
mod jobs;
mod operations;
mod pauses;
mod preview;
mod schedules;
mod targets;
mod task_types;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::BASE_PATH;
use super::openapi::{base_document, openapi_json};
use super::state::HttpState;

/// Where the document is.
const DOCUMENT_PATH: &str = "/api-docs/openapi.json";

/// The routes that the document describes, apart from `/metrics`, which can live elsewhere.
pub(super) fn documented() -> OpenApiRouter<HttpState> {
    let api = OpenApiRouter::new()
        .routes(routes!(schedules::list_schedules, schedules::create_schedule))
        .routes(routes!(
            schedules::get_schedule,
            schedules::replace_schedule,
            schedules::patch_schedule,
            schedules::delete_schedule
        ))
        .routes(routes!(actions::enable_schedule))
        .routes(routes!(actions::disable_schedule))
        .routes(routes!(actions::run_schedule))
        .routes(routes!(pauses::pause_schedule))
        .routes(routes!(pauses::resume_schedule))
        .routes(routes!(pauses::skip_next_fire))
        .routes(routes!(preview::preview_schedule))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(jobs::get_job))
        .routes(routes!(jobs::follow_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(jobs::retry_job))
        .routes(routes!(health::get_health))
        .routes(routes!(targets::list_targets))
        .routes(routes!(targets::pause_target))
        .routes(routes!(targets::resume_target))
        .routes(routes!(targets::pause_all))
        .routes(routes!(targets::resume_all))
        .routes(routes!(freezes::list_freezes, freezes::create_freeze))
        .routes(routes!(freezes::delete_freeze))
        .routes(routes!(task_types::list_task_types));
    OpenApiRouter::with_openapi(base_document())
        .nest(BASE_PATH, api)
        .routes(routes!(operations::livez))
        .routes(routes!(operations::readyz))
}

/// `/metrics`, with its description.
pub(super) fn metrics() -> OpenApiRouter<HttpState> {
    OpenApiRouter::default().routes(routes!(operations::metrics))
}

/// `/metrics` alone.
pub(super) fn metrics_only() -> Router<HttpState> {
    metrics().into()
}

/// The document, its viewer (assets compiled in), and `/metrics` unless it has a listener of its own.
pub(super) fn undocumented(serve_metrics: bool) -> Router<HttpState> {
    // The viewer would otherwise have the document judged by a server on the Internet.
    let viewer = SwaggerUi::new("/swagger-ui").config(Config::new([DOCUMENT_PATH]).validator_url("none"));
    let routes = Router::from(viewer).route(DOCUMENT_PATH, get(document));
    if serve_metrics { routes.merge(metrics_only()) } else { routes }
}

async fn document() -> impl IntoResponse {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], openapi_json())
}
