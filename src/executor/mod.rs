//! Carries out tasks on ThemisDB servers over HTTP, and looks whether they are well.
//!
//! The adapter behind [`TaskExecutor`](crate::domain::ports::TaskExecutor) and two of the
//! [`HealthProbe`](crate::domain::ports::HealthProbe)s. What to call and when an answer counts is data
//! ([`Recipe`](crate::domain::recipe::Recipe)); this module only sends, reads and sorts what happened into the four outcomes.
//!
//! Invariants:
//! - A request goes to a configured target and to nowhere else: no redirect is followed, no proxy is taken from the environment,
//!   and the URL that is sent is the base URL and the rendered path, letter by letter.
//! - What is connected to is an address that was checked for this connection (`resolver`).
//! - One attempt sends its main call at most once. Whether it left is known from the request's body (`body`), not guessed from
//!   the kind of error: what did not leave is `TRANSIENT`, what left without a complete answer is `UNKNOWN`.
//! - Work that a target accepted under a handle is waited for, also by a later attempt, and never asked for again.
//! - All calls of an attempt, and the questions before a job, pass the target's rate limiter (`limiter`); after a 429 it lets none
//!   pass for as long as the target asks.
//! - A target is verified as its configuration says, probes and questions included (`tls`).
//! - A token is read from its file, sent, and never shown.
//!
//! Must not be added here: retries of the main call (the orchestrator decides), knowledge of single endpoints, other clients.

mod answer;
mod attempt;
mod body;
mod captures;
mod client;
mod clocks;
mod discover;
mod failure;
mod http_executor;
mod limiter;
mod metrics;
mod poll;
mod preflight;
mod probe;
mod prometheus_text;
mod read;
mod resolver;
mod retry_after;
mod steps;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod verify;

pub use client::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_REQUESTS_PER_MINUTE, ExecutorError, TargetSettings};
pub use http_executor::HttpExecutor;
pub use metrics::{NoRequestMetrics, RequestMetrics};
pub use probe::{HttpProbe, ThemisDbProbe};
pub use resolver::checked_resolver;
