//! Schedules: create, read, change, delete.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ETAG, LOCATION};
use axum::response::{IntoResponse, Response};

use super::preview;
use crate::domain::idempotency::Answered;
use crate::domain::ids::ScheduleId;
use crate::domain::principal::Principal;
use crate::domain::schedule::Schedule;
use crate::http::BASE_PATH;
use crate::http::auth::{Admin, Authorized, Read, Write};
use crate::http::document::answer_of;
use crate::http::dto::requests::{SchedulePatch, ScheduleRequest, nightly_index_rebuild};
use crate::http::dto::schedule::{ScheduleList as ScheduleListBody, ScheduleView};
use crate::http::extract::{DryRun, IdempotencyKey, IfMatch, JsonBody, NoQuery, ScheduleList, SchedulePath, cursor};
use crate::http::openapi::problem_sets;
use crate::http::problem::Problem;
use crate::http::replayed::Replayed;
use crate::http::state::HttpState;
use crate::orchestrator::CommandError;

/// List schedules
///
/// A page of schedules in order of their ids.
#[utoipa::path(
    get,
    path = "/schedules",
    tag = "schedules",
    params(
        ("enabled" = Option<bool>, Query, description = "Only enabled or only disabled ones."),
        ("target" = Option<String>, Query, description = "Only those of one target.", min_length = 1),
        ("label" = Option<String>, Query, description = "Only those with this label: `key=value`, or `key` for any value; several with commas between them.",
            pattern = r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?(=([A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?)?)?(,[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?(=([A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?)?)?){0,31}$", example = "team=core"),
        ("limit" = Option<u16>, Query, description = "Items on the page; 100 where nothing is said.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of schedules.", body = ScheduleListBody), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn list_schedules(auth: Authorized<Read>, State(state): State<HttpState>, list: ScheduleList) -> Response {
    let page = state.handle.view().schedules(&list.of(&auth.principal), state.handle.catalog());
    let views = page.items.iter().map(|schedule| ScheduleView::new(schedule, state.handle.catalog())).collect();
    answer_of(&ScheduleListBody::new(views, page.next.as_ref().map(cursor::after_schedule)), page.items.len())
}

/// Create a schedule
///
/// Every broken rule is listed at once. With `dry_run=true` nothing is created: the answer is 200 with the schedule as it would be, and its next
/// fires; an `Idempotency-Key` is passed over then.
#[utoipa::path(
    post,
    path = "/schedules",
    tag = "schedules",
    params(
        ("dry_run" = Option<bool>, Query, description = "Only say what would come of it; false where nothing is said."),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Sent again with the same body within 24 hours, the request does nothing and gets its first answer again; with another body it is refused. Keys belong to the caller and the path.",
            min_length = 1, max_length = 255, pattern = r"^[!-~]{1,255}$", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
    ),
    request_body(content = ScheduleRequest, description = "The schedule.", example = json!(nightly_index_rebuild())),
    responses(
        (status = 200, description = "Only with `dry_run=true`: the schedule as it would be, and its next fires.", body = ScheduleView),
        (status = 201, description = "The schedule as it was created.", body = ScheduleView, headers(
            ("Location" = String, description = "Path of the schedule."),
            ("ETag" = String, description = "The version, for `If-Match`."),
            ("Idempotency-Replayed" = bool, description = "Only on an answer that was given before; then `true`."),
        )),
        problem_sets::CreateProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn create_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    JsonBody(document): JsonBody,
) -> Result<Response, Problem> {
    if dry_run {
        return Ok(preview::dry_run(&*state.handle.try_create_schedule(auth.caller, &document).await?, &state));
    }
    let idempotency = key.of(Some(&document));
    let Answered { value: schedule, replayed } = state.handle.create_schedule(auth.caller, &document, idempotency).await?;
    let location = format!("{BASE_PATH}/schedules/{}", schedule.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Replayed(replayed), answer(&schedule, &state)).into_response())
}

/// Get a schedule
#[utoipa::path(
    get,
    path = "/schedules/{id}",
    tag = "schedules",
    params(("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild")),
    responses(
        (status = 200, description = "The schedule.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::ReadScheduleProblems,
    ),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn get_schedule(
    auth: Authorized<Read>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
) -> Result<Response, Problem> {
    Ok(answer(&*visible(id, &auth.principal, &state)?, &state))
}

/// Replace a schedule
///
/// The schedule becomes what the body says; what it leaves out goes back to its default. An unknown id is 404, not created. A body
/// that says what is already there changes nothing: no new version, and the timer is not reset. With `dry_run=true` nothing is changed: the
/// answer is the schedule as it would be, and its next fires.
#[utoipa::path(
    put,
    path = "/schedules/{id}",
    tag = "schedules",
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would come of it; false where nothing is said."),
        ("If-Match" = Option<String>, Header, description = "Only if the schedule still has one of these entity tags.",
            pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#),
    ),
    request_body(content = ScheduleRequest, description = "The whole schedule.", example = json!(nightly_index_rebuild())),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::EditProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn replace_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    DryRun(dry_run): DryRun,
    IfMatch(precondition): IfMatch,
    JsonBody(document): JsonBody,
) -> Result<Response, Problem> {
    let schedule = state.handle.replace_schedule(auth.caller, id, &document, precondition, dry_run).await?;
    Ok(if dry_run { preview::dry_run(&schedule, &state) } else { answer(&schedule, &state) })
}

/// Change a schedule
///
/// A JSON Merge Patch (RFC 7396). Fields that it leaves out stay; a patch that breaks a rule changes nothing.
#[utoipa::path(
    patch,
    path = "/schedules/{id}",
    tag = "schedules",
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("If-Match" = Option<String>, Header, description = "Only if the schedule still has one of these entity tags.",
            pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#),
    ),
    request_body(
        description = "What changes.",
        content(
            (SchedulePatch = "application/merge-patch+json", example = json!({"window_start_hour": 2, "enabled": false})),
            (SchedulePatch = "application/json", example = json!({"window_start_hour": 2, "enabled": false})),
        ),
    ),
    responses(
        (status = 200, description = "The schedule as it is now.", body = ScheduleView, headers(
            ("ETag" = String, description = "The version, for `If-Match`."),
        )),
        problem_sets::EditProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn patch_schedule(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
    JsonBody(patch): JsonBody,
) -> Result<Response, Problem> {
    let schedule = state.handle.patch_schedule(auth.caller, id, patch, precondition).await?;
    Ok(answer(&schedule, &state))
}

/// Delete a schedule
///
/// A job that is running goes on to its end; one that waits is skipped.
#[utoipa::path(
    delete,
    path = "/schedules/{id}",
    tag = "schedules",
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("If-Match" = Option<String>, Header, description = "Only if the schedule still has one of these entity tags.",
            pattern = r#"^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$"#),
    ),
    responses((status = 204, description = "It is gone."), problem_sets::ChangeProblems),
    security(("bearer" = ["maintenance:admin"])),
)]
pub(super) async fn delete_schedule(
    auth: Authorized<Admin>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    _: NoQuery,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, Problem> {
    state.handle.delete_schedule(auth.caller, id, precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The schedule, if the caller may see it.
pub(super) fn visible(id: ScheduleId, principal: &Principal, state: &HttpState) -> Result<Arc<Schedule>, CommandError> {
    let found = state.handle.view().schedule(&id);
    let visible = found.filter(|schedule| schedule.is_within(&principal.access, state.handle.catalog()));
    visible.ok_or(CommandError::ScheduleNotFound(id))
}

/// A schedule with its entity tag.
pub(super) fn answer(schedule: &Schedule, state: &HttpState) -> Response {
    let view = ScheduleView::new(schedule, state.handle.catalog());
    ([(ETAG, schedule.etag())], answer_of(&view, 1)).into_response()
}
