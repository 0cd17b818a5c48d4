//! Plans, runs and reports database maintenance for ThemisDB servers over HTTP.
//!
//! The crate is one binary and one library. Imports point down: [`app`] and [`cli`] join everything, [`http`] talks to
//! [`orchestrator`], the adapters ([`executor`], [`storage`], [`ticker`], [`audit`]) stand behind the ports of [`domain`], and
//! [`domain`] knows nobody; [`ctl`] is a client of the API, and knows [`domain`] alone. `tests/it/architecture.rs` holds the table. `docs/ARCHITECTURE.md` tells the story.

pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod domain;
pub mod executor;
pub mod http;
pub mod orchestrator;
pub mod sandbox;
pub mod storage;
pub mod telemetry;
pub mod ticker;
