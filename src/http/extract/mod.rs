//! What handlers take from a request beside its token: ids, query parameters, `If-Match`, `Idempotency-Key`, and JSON bodies. Each one refuses what
//! it cannot read; none of them judges rules about schedules.

pub(super) mod body;
pub(super) mod cursor;
pub(super) mod idempotency_key;
pub(super) mod if_match;
pub(super) mod path;
pub(super) mod query;
pub(super) mod strict_json;

pub(super) use body::{JsonBody, OptionalJsonBody};
pub(super) use idempotency_key::IdempotencyKey;
pub(super) use if_match::IfMatch;
pub(super) use path::{FreezePath, JobPath, SchedulePath, TargetPath};
pub(super) use query::{DryRun, JobList, NoQuery, PreviewRange, ScheduleList, Wait};
