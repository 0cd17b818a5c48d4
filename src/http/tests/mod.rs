//! The router as a caller meets it, as far as no answer of the orchestrator is needed.

mod contract;
mod fuzz;
mod issuers;
mod key_rings;
mod key_sources;
mod limits;
mod middleware;
mod operations;
mod reading;
mod refusals;
mod remembered_tokens;
mod server;
mod signers;
mod support;
mod token_forms;
mod tokens;
mod waiting;
