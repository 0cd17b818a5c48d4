//! Pauses of schedules, and fires that are left out.

use axum::extract::State;
use axum::response::Response;

use super::schedules::answer;
use crate::http::auth::{Authorized, Write};
use crate::http::dto::hold_requests::{PauseRequest, SkipNextRequest};
use crate::http::dto::schedule::ScheduleView;
use crate::http::extract::{JsonBody, NoQuery, OptionalJsonBody, SchedulePath};
use crate::http::openapi::problem_sets;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

/// Pause a schedule
///
/// Its fires are skipped with the reason `PAUSED` until it is resumed, or until the time that is given; jobs of fires that wait are skipped,
/// too. A job that runs goes on, and a run by hand is made. No edit: `version` and the entity tag stay. A pause takes the place of the one
/// before.
#[utoipa::path(
    post,
    path = "/schedules/{id}/pause",
    tags = ["schedules", "extension"],
    params(("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild")),
    request_body(content = PauseRequest, description = "Why, and until when.", example = json!({"reason": "disk is being replaced", "until": "2026-12-31T06:00:00Z"})),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::PauseScheduleProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn pause_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
    JsonBody(document): JsonBody,
) -> Result<Response, Problem> {
    Ok(answer(&*state.handle.pause_schedule(auth.caller, id, &document).await?, &state))
}

/// Resume a schedule
///
/// Ends its pause, and takes back that its next fire is left out. Fires of the time between are not made up for. Nothing happens when there is
/// neither.
#[utoipa::path(
    post,
    path = "/schedules/{id}/resume",
    tags = ["schedules", "extension"],
    params(("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild")),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::ResumeScheduleProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn resume_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
) -> Result<Response, Problem> {
    Ok(answer(&*state.handle.resume_schedule(auth.caller, id).await?, &state))
}

/// Leave the next fire out
///
/// The fire at `next_run_at` is skipped with the reason `SKIPPED_BY_OPERATOR`; the one after it runs. Taken back by resuming, and by an edit
/// that changes when the schedule fires.
#[utoipa::path(
    post,
    path = "/schedules/{id}/skip-next",
    tags = ["schedules", "extension"],
    params(("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild")),
    request_body(content = Option<SkipNextRequest>, description = "Can be left out.", example = json!({"reason": "done by hand last night"})),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::SkipNextProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn skip_next_fire(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
    OptionalJsonBody(document): OptionalJsonBody,
) -> Result<Response, Problem> {
    Ok(answer(&*state.handle.skip_next_fire(auth.caller, id, document.as_ref()).await?, &state))
}
