//! `themis-maintenance ctl`: a client of the HTTP API for operators and pipelines.
//!
//! It knows the API and nothing of the service's inside: documents stay JSON, so that a newer service's fields are shown as they
//! come, and what it does not understand is the service's to refuse. Standard output carries what was asked for; progress and
//! everything else that is said goes to standard error.
//!
//! Must not be added here: rules of the service (it tells them itself), and state of its own beside the context file.

mod apply;
mod args;
mod client;
mod contexts;
mod failure;
mod follow;
mod freezes;
mod insist;
mod jobs;
mod output;
mod pages;
mod printed;
mod problem;
mod progress;
mod run;
mod schedules;
mod settings;
mod table;
mod targets;

pub use args::CtlArgs;
pub use failure::CtlFailure;
pub use run::{Surroundings, run};
