//! The stores behind the `Store` port. One writer: the orchestrator's actor.
//!
//! [`SqliteStore`] is the default. A store for several replicas would stand behind the same port: the unique
//! `(schedule, scheduled_for)` is already what keeps a fire from starting twice.

mod copy;
mod memory;
mod sqlite;

pub use copy::{BackupError, CheckError, CheckSummary, backup, check};
pub use memory::MemoryStore;
pub use sqlite::{OpenError, SqliteStore};
