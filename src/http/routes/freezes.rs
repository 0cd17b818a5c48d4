//! Freezes: list, make, remove.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};

use crate::http::BASE_PATH;
use crate::http::auth::{Admin, Authorized, Read};
use crate::http::dto::hold_requests::FreezeRequest;
use crate::http::dto::holds::{FreezeList, FreezeView};
use crate::http::extract::{FreezePath, JsonBody, NoQuery};
use crate::http::openapi::problem_sets;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

/// List the freezes
///
/// Those that are planned, that last, and that were over not long ago: those about a target that the token is not kept from.
#[utoipa::path(
    get,
    path = "/freezes",
    tags = ["freezes", "extension"],
    responses((status = 200, description = "All freezes.", body = FreezeList), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn list_freezes(auth: Authorized<Read>, State(state): State<HttpState>, _: NoQuery) -> Json<FreezeList> {
    let holds = state.handle.view().holds();
    let access = &auth.principal.access;
    let visible = holds.freezes().filter(|freeze| freeze.is_visible_to(access));
    Json(FreezeList::new(visible.map(AsRef::as_ref), access))
}

/// Make a freeze
///
/// From `from` until `to` nothing starts on its targets, whatever is asked for: fires, jobs that wait and runs by hand are skipped with the reason
/// `FROZEN`, and a job that runs stops before its next task. Two freezes that are about one target at one moment are refused.
#[utoipa::path(
    post,
    path = "/freezes",
    tags = ["freezes", "extension"],
    request_body(content = FreezeRequest, description = "When, where and why.", example = json!({"from": "2026-12-24T00:00:00Z", "to": "2026-12-27T00:00:00Z", "reason": "Christmas"})),
    responses(
        (status = 201, description = "The freeze.", body = FreezeView, headers(("Location" = String, description = "Path of the freeze."))),
        problem_sets::CreateFreezeProblems,
    ),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn create_freeze(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    _: NoQuery,
    JsonBody(document): JsonBody,
) -> Result<Response, Problem> {
    let access = auth.principal.access.clone();
    let freeze = state.handle.create_freeze(auth.caller, &document).await?;
    let location = format!("{BASE_PATH}/freezes/{}", freeze.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(FreezeView::new(&freeze, &access))).into_response())
}

/// Remove a freeze
///
/// Before it begins, or while it lasts.
#[utoipa::path(
    delete,
    path = "/freezes/{id}",
    tags = ["freezes", "extension"],
    params(("id" = Uuid, Path, description = "The freeze's id.", example = "01890a5d-ac96-774b-bcce-b302099a8057")),
    responses((status = 204, description = "It is gone."), problem_sets::DeleteFreezeProblems),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn delete_freeze(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    FreezePath(id): FreezePath,
    _: NoQuery,
) -> Result<StatusCode, Problem> {
    state.handle.delete_freeze(auth.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
