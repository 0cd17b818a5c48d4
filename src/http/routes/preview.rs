//! What the next fires of a schedule come to.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::schedules::visible;
use crate::domain::preview::{PreviewedFire, USUAL_FIRES, preview};
use crate::domain::schedule::Schedule;
use crate::domain::time::Timestamp;
use crate::http::auth::{Authorized, Read};
use crate::http::dto::preview::Preview;
use crate::http::dto::schedule::ScheduleView;
use crate::http::extract::{PreviewRange, SchedulePath};
use crate::http::openapi::problem_sets;
use crate::http::problem::Problem;
use crate::http::state::HttpState;

/// Preview a schedule's fires
///
/// Each with what it will come to if nothing changes, by the rules of a fire: window, pauses, freezes. Whether a job of the schedule is still
/// active then cannot be known. A disabled schedule shows the fires that it would have.
#[utoipa::path(
    get,
    path = "/schedules/{id}/preview",
    tags = ["schedules", "extension"],
    params(
        ("id" = String, Path, description = "The schedule's id.", example = "nightly-index-rebuild"),
        ("count" = Option<u8>, Query, description = "How many; 10 where nothing is said.", minimum = 1, maximum = 100),
        ("from" = Option<DateTime<Utc>>, Query, description = "From this moment on, RFC 3339; now where nothing is said, or a moment in the past.", example = "2026-01-31T02:00:00Z"),
    ),
    responses((status = 200, description = "The next fires.", body = Preview), problem_sets::ReadScheduleProblems),
    security(("bearer" = ["maintenance:read"])),
)]
pub(super) async fn preview_schedule(
    auth: Authorized<Read>,
    State(state): State<HttpState>,
    SchedulePath(id): SchedulePath,
    PreviewRange { count, from }: PreviewRange,
) -> Result<Json<Preview>, Problem> {
    let schedule = visible(id, &auth.principal, &state)?;
    let now = state.now();
    let from = from.map_or(now, |from| from.max(now));
    let fires = fires(&schedule, &state, from, count);
    Ok(Json(Preview::new(&schedule.id, from, fires)))
}

/// A schedule that was not written, with its next fires.
pub(super) fn dry_run(schedule: &Schedule, state: &HttpState) -> Response {
    let fires = fires(schedule, state, state.now(), USUAL_FIRES);
    Json(ScheduleView::new(schedule, state.handle.catalog()).with_next_fires(fires)).into_response()
}

fn fires(schedule: &Schedule, state: &HttpState, from: Timestamp, count: usize) -> Vec<PreviewedFire> {
    preview(schedule, state.handle.catalog(), &state.handle.view().holds(), from, count)
}
