//! Targets: how they are, and pauses of one or of all.

use axum::Json;
use axum::extract::State;

use crate::domain::access::Access;
use crate::http::auth::{Admin, Authorized, Read};
use crate::http::dto::hold_requests::PauseRequest;
use crate::http::dto::holds::{PauseOfAll, PauseView};
use crate::http::dto::targets::{TargetList, TargetView};
use crate::http::extract::{JsonBody, NoQuery, TargetPath};
use crate::http::openapi::problem_sets;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

/// List the targets
///
/// Each with whether jobs can start on it and why not, its breaker, pause, freeze, queue and last answer: those that the token is not kept from.
#[utoipa::path(
    get,
    path = "/targets",
    tags = ["targets", "extension"],
    responses((status = 200, description = "All targets.", body = TargetList), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn list_targets(auth: Authorized<Read>, State(state): State<HttpState>, _: NoQuery) -> Json<TargetList> {
    let (access, now) = (&auth.principal.access, state.now());
    let holds = state.handle.view().holds();
    let catalog = state.handle.catalog();
    let names = catalog.target_names().filter(|name| access.allows_target(name));
    let targets: Vec<TargetView> =
        names.map(|name| TargetView::new(name, (catalog, state.handle.view(), &holds), access, now)).collect();
    Json(TargetList { count: targets.len(), targets, pause: pause_of_all(&state) })
}

/// Pause a target
///
/// Nothing starts on it until it is resumed, or until the time that is given: fires are skipped with the reason `PAUSED`, and so are jobs that wait
/// for it and runs by hand. Jobs that run go on. A pause takes the place of the one before.
#[utoipa::path(
    post,
    path = "/targets/{name}/pause",
    tags = ["targets", "extension"],
    params(("name" = String, Path, description = "The target's name.", example = "default")),
    request_body(content = PauseRequest, description = "Why, and until when.", example = json!({"reason": "disk is being replaced", "until": "2026-12-31T06:00:00Z"})),
    responses((status = 200, description = "The target as it is now.", body = TargetView), problem_sets::PauseTargetProblems),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn pause_target(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    TargetPath(name): TargetPath,
    _: NoQuery,
    JsonBody(document): JsonBody,
) -> Result<Json<TargetView>, Problem> {
    state.handle.pause_targets(auth.caller, Some(name.clone()), &document).await?;
    Ok(target(&name, &state, &auth.principal.access))
}

/// Resume a target
///
/// Fires of the time between are not made up for. Nothing happens when it is not paused. A pause of all targets and freezes stay.
#[utoipa::path(
    post,
    path = "/targets/{name}/resume",
    tags = ["targets", "extension"],
    params(("name" = String, Path, description = "The target's name.", example = "default")),
    responses((status = 200, description = "The target as it is now.", body = TargetView), problem_sets::ResumeTargetProblems),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn resume_target(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    TargetPath(name): TargetPath,
    _: NoQuery,
) -> Result<Json<TargetView>, Problem> {
    state.handle.resume_targets(auth.caller, Some(name.clone())).await?;
    Ok(target(&name, &state, &auth.principal.access))
}

/// Pause all targets
///
/// As pausing each of them, but with a pause of its own: resuming a target does not end it.
#[utoipa::path(
    post,
    path = "/pause",
    tags = ["targets", "extension"],
    request_body(content = PauseRequest, description = "Why, and until when.", example = json!({"reason": "disk is being replaced", "until": "2026-12-31T06:00:00Z"})),
    responses((status = 200, description = "The pause.", body = PauseOfAll), problem_sets::PauseAllProblems),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn pause_all(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    _: NoQuery,
    JsonBody(document): JsonBody,
) -> Result<Json<PauseOfAll>, Problem> {
    state.handle.pause_targets(auth.caller, None, &document).await?;
    Ok(Json(PauseOfAll { pause: pause_of_all(&state) }))
}

/// Resume all targets
///
/// Ends the pause of all; pauses of single targets stay. Nothing happens when there is none.
#[utoipa::path(
    post,
    path = "/resume",
    tags = ["targets", "extension"],
    responses((status = 200, description = "There is no pause of all any more.", body = PauseOfAll), problem_sets::ResumeAllProblems),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn resume_all(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    _: NoQuery,
) -> Result<Json<PauseOfAll>, Problem> {
    state.handle.resume_targets(auth.caller, None).await?;
    Ok(Json(PauseOfAll { pause: pause_of_all(&state) }))
}

fn target(name: &str, state: &HttpState, access: &Access) -> Json<TargetView> {
    let view = state.handle.view();
    Json(TargetView::new(name, (state.handle.catalog(), view, &view.holds()), access, state.now()))
}

fn pause_of_all(state: &HttpState) -> Option<PauseView> {
    let holds = state.handle.view().holds();
    holds.of_all().filter(|pause| pause.holds_at(state.now())).map(|pause| PauseView::from(pause.as_ref()))
}
