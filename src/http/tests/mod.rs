//! The router as a caller meets it, as far as no answer of the orchestrator is needed.

mod contract;
mod fuzz;
mod middleware;
mod operations;
mod reading;
mod refusals;
mod support;
mod tokens;
