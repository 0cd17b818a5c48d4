//! Which problems an operation can answer with, as response descriptions. Grouped by status, because that is how OpenAPI lists
//! them; the description names every code.

use std::collections::BTreeMap;

use utoipa::IntoResponses;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};

use crate::http::problem::ProblemKind;
use crate::http::render::PROBLEM_JSON;
use ProblemKind::*;

/// What every operation of the API can answer with.
const ANY: &[ProblemKind] =
    &[InvalidParameter, MissingToken, InvalidToken, InsufficientScope, TooManyRequests, InternalError, RequestTimeout, NotReady];
/// What every command can answer with.
const COMMAND: &[ProblemKind] = &[Busy, Stopping, StoreUnavailable];
/// What every operation with a body can answer with.
const BODY: &[ProblemKind] = &[BadRequest, MalformedJson, BodyTimeout, BodyTooLarge, UnsupportedMediaType, ValidationFailed];
/// What every operation on one schedule that looks at `If-Match` can answer with.
const MATCHED: &[ProblemKind] = &[InvalidHeader, ScheduleNotFound, PreconditionFailed];
/// What an operation can answer with that has a body and looks at `Idempotency-Key`.
const KEYED: &[ProblemKind] = &[InvalidHeader, IdempotencyKeyReused];

macro_rules! problem_sets {
    ($($(#[doc = $doc:literal])+ $name:ident = [$($part:expr),* $(,)?];)*) => {
        $($(#[doc = $doc])+
        pub(in crate::http) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let parts: &[&[ProblemKind]] = &[$($part),*];
                describe(&parts.concat())
            }
        })*
    };
}

problem_sets! {
    /// Of a list or report.
    ReadProblems = [ANY];
    /// Of reading one schedule.
    ReadScheduleProblems = [ANY, &[ScheduleNotFound]];
    /// Of reading one job.
    ReadJobProblems = [ANY, &[JobNotFound]];
    /// Of creating a schedule.
    CreateProblems = [ANY, COMMAND, BODY, KEYED, &[MissingBody, IdTaken, TooManySchedules]];
    /// Of replacing or patching a schedule.
    EditProblems = [ANY, COMMAND, BODY, MATCHED, &[MissingBody]];
    /// Of changing a schedule without a body: delete, enable, disable.
    ChangeProblems = [ANY, COMMAND, MATCHED];
    /// Of running a schedule.
    RunProblems = [ANY, COMMAND, BODY, KEYED, &[ScheduleNotFound, JobActive]];
    /// Of cancelling a job.
    CancelProblems = [ANY, COMMAND, &[JobNotFound, JobOver]];
    /// Of retrying a job.
    RetryProblems = [ANY, COMMAND, &[InvalidHeader, JobNotFound, JobActive, JobSucceeded]];
    /// Of pausing a schedule.
    PauseScheduleProblems = [ANY, COMMAND, BODY, &[MissingBody, ScheduleNotFound]];
    /// Of resuming a schedule.
    ResumeScheduleProblems = [ANY, COMMAND, &[ScheduleNotFound]];
    /// Of leaving a fire out.
    SkipNextProblems = [ANY, COMMAND, BODY, &[ScheduleNotFound, NoNextFire]];
    /// Of pausing a target.
    PauseTargetProblems = [ANY, COMMAND, BODY, &[MissingBody, TargetNotFound]];
    /// Of resuming a target.
    ResumeTargetProblems = [ANY, COMMAND, &[TargetNotFound]];
    /// Of pausing all targets.
    PauseAllProblems = [ANY, COMMAND, BODY, &[MissingBody]];
    /// Of resuming all targets.
    ResumeAllProblems = [ANY, COMMAND];
    /// Of making a freeze.
    CreateFreezeProblems = [ANY, COMMAND, BODY, &[MissingBody, FreezeOverlaps, TooManyFreezes]];
    /// Of removing a freeze.
    DeleteFreezeProblems = [ANY, COMMAND, &[FreezeNotFound]];
    /// Of the readiness probe.
    ReadinessProblems = [&[NotReady]];
    /// Of the metrics, where a token is asked for.
    MetricsProblems = [&[MissingToken, InvalidToken]];
}

fn describe(kinds: &[ProblemKind]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<ProblemKind>> = BTreeMap::new();
    for kind in kinds {
        by_status.entry(kind.status().as_str().to_owned()).or_default().push(*kind);
    }
    by_status.into_iter().map(|(status, kinds)| (status, RefOr::T(response(&kinds)))).collect()
}

fn response(kinds: &[ProblemKind]) -> Response {
    let lines: Vec<String> = kinds.iter().map(|kind| format!("`{}`: {}.", kind.code(), kind.title())).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut builder = ResponseBuilder::new().description(lines.join(" ")).content(PROBLEM_JSON, content);
    if kinds.iter().any(|kind| matches!(kind, MissingToken | InvalidToken | InsufficientScope)) {
        builder = builder.header("WWW-Authenticate", header(Type::String, "How to authenticate (RFC 6750)."));
    }
    if kinds.iter().any(|kind| kind.retry_after_seconds().is_some()) {
        builder = builder.header("Retry-After", header(Type::Integer, "Seconds after which it is worth another try."));
    }
    builder.build()
}

/// A header's description.
pub(super) fn header(kind: Type, description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(kind))).description(Some(description)).build()
}
