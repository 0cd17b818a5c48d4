//! The task types.

use axum::Json;
use axum::extract::State;

use crate::http::auth::{Authorized, Read};
use crate::http::dto::task_types::TaskTypeList;
use crate::http::extract::NoQuery;
use crate::http::openapi::problem_sets;
use crate::http::state::HttpState;

/// List the task types
///
/// Each with the targets that have an endpoint for it, and the parameters that these require: those that the token
/// is not kept from.
#[utoipa::path(
    get,
    path = "/task-types",
    tags = ["schedules", "extension"],
    responses((status = 200, description = "All task types.", body = TaskTypeList), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn list_task_types(auth: Authorized<Read>, State(state): State<HttpState>, _: NoQuery) -> Json<TaskTypeList> {
    Json(TaskTypeList::new(&state.handle.catalog().within(&auth.principal.access)))
}
