//! Jobs: list, read, cancel, retry.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::actions::accepted;
use crate::domain::job::JobState;
use crate::http::auth::{Authorized, Read, Write};
use crate::http::document::answer_of;
use crate::http::dto::job::{JobList as JobListBody, JobView};
use crate::http::extract::{IdempotencyKey, JobList, JobPath, NoQuery, Wait, cursor};
use crate::http::job_events::JobEvents;
use crate::http::openapi::problem_sets;
use crate::http::patience::Patience;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
use crate::http::waiting;
use crate::orchestrator::CommandError;

/// List jobs
///
/// A page of jobs, newest first: those that wait or run, and those that ended within the retention time.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "jobs",
    params(
        ("state" = Option<JobState>, Query, description = "Only jobs in this state; in any letter case."),
        ("schedule_id" = Option<String>, Query, description = "Only jobs of one schedule.", min_length = 1, max_length = 256),
        ("target" = Option<String>, Query, description = "Only jobs on one target.", min_length = 1),
        ("fire_id" = Option<Uuid>, Query, description = "Only the jobs of one fire, one for each target of its schedule.", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("active" = Option<bool>, Query, description = "Only jobs that wait or run, or only those that ended."),
        ("limit" = Option<u16>, Query, description = "Items on the page; 50 where nothing is said.", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of jobs.", body = JobListBody), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn list_jobs(auth: Authorized<Read>, State(state): State<HttpState>, list: JobList) -> Response {
    let page = state.handle.view().jobs(&list.of(&auth.principal));
    let explainer = state.handle.explainer();
    let views = page.items.iter().map(|job| JobView::new(job, &explainer)).collect();
    answer_of(&JobListBody::new(views, page.next.map(cursor::after_job)), page.items.len())
}

/// Get a job
///
/// With `wait` the answer comes when the job is over, or after so many seconds with the job as it stands then.
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job's id.", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("wait" = Option<u16>, Query, description = "Seconds to wait for the job's end; 0 where nothing is said.", minimum = 0, maximum = 300),
    ),
    responses((status = 200, description = "The job.", body = JobView), problem_sets::ReadJobProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn get_job(
    auth: Authorized<Read>,
    State(state): State<HttpState>,
    JobPath(id): JobPath,
    Wait(limit): Wait,
    patience: Patience,
) -> Result<Response, Problem> {
    let visible = state.handle.view().job(id).filter(|job| job.is_within(&auth.principal.access));
    let job = visible.ok_or(CommandError::JobNotFound(id))?;
    let job = waiting::until_over(&state, &patience, job, limit).await;
    Ok(answer_of(&JobView::new(&job, &state.handle.explainer()), 1))
}

/// Follow a job
///
/// Server-sent events: `event: job` with the job's document as `data`, at once and whenever it has changed, and a counter as `id`. What
/// changes faster than it is read is left out, never the last state. Comment lines keep the connection open. The stream ends after the
/// job's end, and when the service shuts down; whoever comes back begins with the job as it stands.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events",
    tags = ["jobs", "extension"],
    params(("id" = Uuid, Path, description = "The job's id.", example = "01890a5d-ac96-774b-bcce-b302099a8057")),
    responses(
        (status = 200, description = "The events. Each has `event: job`, a counter as `id`, and a `Job` as `data`; OpenAPI 3.1 has no words for a stream.", body = Value, content_type = "text/event-stream"),
        problem_sets::ReadJobProblems,
    ),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn follow_job(
    auth: Authorized<Read>,
    State(state): State<HttpState>,
    JobPath(id): JobPath,
    _: NoQuery,
    patience: Patience,
) -> Result<JobEvents, Problem> {
    let visible = state.handle.view().watch(id).filter(|watch| watch.job().is_within(&auth.principal.access));
    let watch = visible.ok_or(CommandError::JobNotFound(id))?;
    Ok(JobEvents::new(watch, state, &patience))
}

/// Cancel a job
///
/// The running call is stopped, and the tasks that have not started are skipped. The answer is the job as it stands; it ends when
/// the call has stopped.
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tags = ["jobs", "extension"],
    params(("id" = Uuid, Path, description = "The job's id.", example = "01890a5d-ac96-774b-bcce-b302099a8057")),
    responses((status = 202, description = "The job as it stands.", body = JobView), problem_sets::CancelProblems),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn cancel_job(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    JobPath(id): JobPath,
    _: NoQuery,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let job = state.handle.cancel_job(auth.caller, id).await?;
    Ok((StatusCode::ACCEPTED, Json(JobView::new(&job, &state.handle.explainer()))))
}

/// Retry a job
///
/// Makes a job that does what another one left undone, and names it in `retry_of`: tasks that succeeded stand in it as they ended,
/// and only the others run, by the plan that the other job had, though its schedule may have been edited or deleted since. A job
/// that was skipped is run whole. The window binds; outside it the job is made and skipped. A retry that leaves work undone is
/// retried in its turn.
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    tags = ["jobs", "extension"],
    params(
        ("id" = Uuid, Path, description = "The id of the job that left work undone.", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. Sent again within 24 hours, the request does nothing and gets its first answer again. Keys belong to the caller and the path.",
            min_length = 1, max_length = 255, pattern = r"^[!-~]{1,255}$", example = "01890a5d-ac96-774b-bcce-b302099a8057"),
    ),
    responses(
        (status = 202, description = "The job that was made.", body = JobView, headers(
            ("Location" = String, description = "Path of the job."),
            ("Idempotency-Replayed" = bool, description = "Only on an answer that was given before; then `true`."),
        )),
        problem_sets::RetryProblems,
    ),
    security(("bearer" = ["maintenance:write"])),
)]
pub(super) async fn retry_job(
    auth: Authorized<Write>,
    State(state): State<HttpState>,
    JobPath(id): JobPath,
    _: NoQuery,
    key: IdempotencyKey,
) -> Result<Response, Problem> {
    // There is no body to tell one request from another: the path says it all.
    Ok(accepted(&state.handle.retry_job(auth.caller, id, key.of(None)).await?, &state))
}
