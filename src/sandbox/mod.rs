//! A ThemisDB stand-in: an HTTP server that answers as a real one was measured to answer, faults included.
//!
//! The commands `sandbox` and `dev` run it, and every integration test points the service's real HTTP client at it. It keeps
//! everything in memory, and never touches the disk. Beside ThemisDB's own routes it offers
//! `POST /maintenance/{task-type-in-kebab-case}` for every task type, so that types which no ThemisDB serves can be shown too.
//!
//! A request passes through these steps, in this order (`gate.rs`):
//!
//! 1. the body is read (over 1 MB: the connection is reset) and the request is recorded;
//! 2. holds make it wait;
//! 3. the first matching fault, or one that chance has brought, answers in the server's place;
//! 4. a server that starves waits until less work goes on;
//! 5. the rate limit;
//! 6. the token;
//! 7. the route.
//!
//! The control routes under `/sandbox` stand outside all of this. They and the methods of [`Sandbox`] do the same things.
//!
//! Invariants:
//!
//! - What the server does badly stays bad here: `/health` is always healthy, unknown tables are silent successes, an abandoned
//!   rebuild goes on. A caller that passes its tests here has met them.
//! - Nothing waits by polling: holds, recorded requests and shutdown wake whoever waits for them.
//! - After shutdown no connection and no task is left: waiting requests are hung up on.
//!
//! What was measured stands in `routes/`, and snapshot tests hold it against the measured shapes. What a server of 2026 has beyond
//! that was read in its sources and not measured; it stands apart in `routes/v2026/`, and only [`SandboxVersion::V2026`] serves it.
//! No other guess belongs here, and nothing of the service itself may be imported, except the names of the task types.

mod answer;
mod arrivals;
mod auth;
mod chance;
mod changefeed;
mod clock;
mod config;
mod connection;
mod control;
mod control_work;
mod fault;
mod fault_body;
mod fault_document;
mod gate;
mod hold;
mod index;
mod limit;
mod listener;
mod operation;
mod record;
mod replication;
mod routes;
mod schedule;
mod server;
mod shared;
mod store;
#[cfg(test)]
mod tests;
mod work;

pub use config::{SandboxConfig, SandboxVersion};
pub use control::Sandbox;
pub use fault::{Fault, FaultKind};
pub use hold::HoldGuard;
pub use index::IndexKind;
pub use operation::{Operation, OperationKind, OperationState};
pub use record::RecordedRequest;
pub use replication::Replication;
