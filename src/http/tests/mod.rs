//! The router as a caller meets it, as far as no answer of the orchestrator is needed.

mod contract;
mod limits;
mod middleware;
mod operations;
mod reading;
mod refusals;
mod server;
mod support;
mod tokens;
