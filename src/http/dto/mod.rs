//! The shapes on the wire. Output types are made from domain types by destructuring, so that a new field breaks the build until
//! somebody decides whether it is shown; a field without a value is present and null. Request types describe bodies for the
//! document only: the orchestrator reads the raw JSON, and lists every broken rule.

pub(super) mod health;
pub(super) mod hold_requests;
pub(super) mod holds;
pub(super) mod job;
pub(super) mod preview;
pub(super) mod problem;
pub(super) mod requests;
pub(super) mod schedule;
pub(super) mod targets;
pub(super) mod task_types;
