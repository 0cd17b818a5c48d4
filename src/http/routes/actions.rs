//! What can be done to a schedule beside editing it: enable, disable, run.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};

use super::schedules::answer;
use crate::domain::idempotency::Answered;
use crate::domain::job::Job;
use crate::domain::principal::Scope;
use crate::http::BASE_PATH;
use crate::http::auth::{Authorized, Write, require};
use crate::http::dto::job::JobView;
use crate::http::dto::requests::RunRequest;
use crate::http::dto::schedule::ScheduleView;
use crate::http::extract::{IdempotencyKey, IfMatch, NoQuery, OptionalJsonBody, SchedulePath, Wait};
use crate::http::openapi::problem_sets;
use crate::http::patience::Patience;
use crate::http::problem::Problem;
use crate::http::replayed::Replayed;
use crate::http::state::HttpState;
use crate::http::waiting;

/// Enable a schedule
///
/// It fires from the next match on. Nothing happens when it already is enabled.
#[utoipa::path(
    post,
    path = "/schedules/{id}/enable",
    tag = "schedules",
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("If-Match" = Option<String>, Header, description = "Only if the schedule still has one of these entity tags.",
            pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#),
    ),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::ChangeProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn enable_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> Result<Response, Problem> {
    let schedule = state.handle.set_enabled(auth.caller, id, true, precondition).await?;
    Ok(answer(&schedule, &state))
}

/// Disable a schedule
///
/// It does not fire until it is enabled. A job that is running goes on; one that waits is skipped.
#[utoipa::path(
    post,
    path = "/schedules/{id}/disable",
    tag = "schedules",
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("If-Match" = Option<String>, Header, description = "Only if the schedule still has one of these entity tags.",
            pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#),
    ),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::ChangeProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn disable_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> Result<Response, Problem> {
    let schedule = state.handle.set_enabled(auth.caller, id, false, precondition).await?;
    Ok(answer(&schedule, &state))
}

/// Run a schedule now
///
/// Makes a job at once, of a disabled schedule too; of a schedule with several targets one for each, and answers with the first: the
/// others have the same `fire_id`. Outside the window the job is made and skipped, unless it is forced; forcing
/// needs the scope `maintenance:admin` and bypasses the window alone. With `wait` the answer comes when the job is over, or after so
/// many seconds with the job as it stands then.
#[utoipa::path(
    post,
    path = "/schedules/{id}/run",
    tags = ["schedules", "extension"],
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("wait" = Option<u16>, Query, description = "Seconds to wait for the job's end; 0 where nothing is said.", minimum = 0, maximum = 300),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Sent again with the same body within 24 hours, the request does nothing and gets its first answer again; with another body it is refused. Keys belong to the caller and the path.",
            min_length = 1, max_length = 255, pattern = r"^[!-~]{1,255}$", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
    ),
    request_body(content = Option<RunRequest>, description = "Can be left out.", example = json!({"force": false})),
    responses(
        (status = 202, description = "The job that was made.", body = JobView, headers(
            ("Location" = String, description = "Path of the job."),
            ("Idempotency-Replayed" = bool, description = "Only on an answer that was given before; then `true`."),
        )),
        problem_sets::RunProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn run_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    Wait(limit): Wait,
    key: IdempotencyKey,
    patience: Patience,
    OptionalJsonBody(document): OptionalJsonBody,
) -> Result<Response, Problem> {
    let (force, only) = RunRequest::read(document.as_ref()).map_err(Problem::invalid)?;
    if force {
        require(&auth.principal, Scope::Admin)?;
    }
    let idempotency = key.of(document.as_ref());
    let Answered { value, replayed } = state.handle.run_schedule(auth.caller, id, force, only, idempotency).await?;
    let value = waiting::until_over(&state, &patience, value, limit).await;
    Ok(accepted(&Answered { value, replayed }, &state))
}

/// A job that was made, with its path.
pub(super) fn accepted(Answered { value: job, replayed }: &Answered<Job>, state: &HttpState) -> Response {
    let location = format!("{BASE_PATH}/jobs/{}", job.id);
    let view = JobView::new(job, &state.handle.explainer());
    (StatusCode::ACCEPTED, [(LOCATION, location)], Replayed(*replayed), Json(view)).into_response()
}
