//! Jobs: list, read, cancel.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::domain::job::JobState;
use crate::http::auth::{Authorized, Read, Write};
use crate::http::dto::job::{JobList as JobListBody, JobView};
use crate::http::extract::{JobList, JobPath, NoQuery, cursor};
use crate::http::openapi::problem_sets;
use crate::http::problem::Problem;
use crate::http::state::HttpState;
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
        ("active" = Option<bool>, Query, description = "Only jobs that wait or run, or only those that ended."),
        ("limit" = Option<u16>, Query, description = "Items on the page; 50 where nothing is said.", minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before."),
    ),
    responses((status = 200, description = "A page of jobs.", body = JobListBody), problem_sets::ReadProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn list_jobs(_: Authorized<Read>, State(state): State<HttpState>, JobList(query): JobList) -> Json<JobListBody> {
    let page = state.handle.view().jobs(&query);
    let views = page.items.iter().map(|job| JobView::from(job.as_ref())).collect();
    Json(JobListBody::new(views, page.next.map(cursor::after_job)))
}

/// Get a job
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    params(("id" = String, Path, description = "The job's id.", example = "01890a5d-ac96-774b-bcce-b302099a8057")),
    responses((status = 200, description = "The job.", body = JobView), problem_sets::ReadJobProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn get_job(
    _: Authorized<Read>,
    State(state): State<HttpState>,
    JobPath(id): JobPath,
    _: NoQuery,
) -> Result<Json<JobView>, Problem> {
    let job = state.handle.view().job(id).ok_or(CommandError::JobNotFound(id))?;
    Ok(Json(JobView::from(job.as_ref())))
}

/// Cancel a job
///
/// The running call is stopped, and the tasks that have not started are skipped. The answer is the job as it stands; it ends when
/// the call has stopped.
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tags = ["jobs", "extension"],
    params(("id" = String, Path, description = "The job's id.", example = "01890a5d-ac96-774b-bcce-b302099a8057")),
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
    Ok((StatusCode::ACCEPTED, Json(JobView::from(job.as_ref()))))
}
