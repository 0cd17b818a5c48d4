//! The health report.

use axum::Json;
use axum::extract::State;

use crate::http::auth::{Authorized, Read};
use crate::http::dto::health::HealthReport;
use crate::http::extract::NoQuery;
use crate::http::openapi::problem_sets;
use crate::http::state::HttpState;

/// Get the health report
///
/// 200 whatever its verdict. Probes run in the background; the request reads their last signals and never waits.
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses((status = 200, description = "The report.", body = HealthReport), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn get_health(_: Authorized<Read>, State(state): State<HttpState>, _: NoQuery) -> Json<HealthReport> {
    let now = state.now();
    Json(HealthReport::new(now, &state.handle.view().counts(now), state.health.modules()))
}
