//! Types, pure rules and port traits; the vocabulary of the service.
//!
//! Nothing here knows a clock, a socket, a database or a random number: rules take `now` as an argument, and what touches the
//! outside is a trait in [`ports`]. No tokio, axum, reqwest or sqlx may be imported here, and nothing from the rest of the crate.

pub mod access;
pub mod addresses;
pub mod audit;
pub mod catalog;
pub mod cron;
pub mod explanation;
pub mod fields;
pub mod freeze;
pub mod health;
pub mod holds;
pub mod idempotency;
pub mod ids;
pub mod job;
pub mod labels;
pub mod merge_patch;
pub mod pause;
pub mod ports;
pub mod preview;
pub mod principal;
pub mod recipe;
pub mod retry;
#[cfg(test)]
pub(crate) mod sample;
pub mod schedule;
pub mod schedule_input;
pub mod target_input;
pub mod target_selection;
pub mod target_state;
pub mod task;
mod text;
pub mod time;
mod vocabulary;
pub mod window;
