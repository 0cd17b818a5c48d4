//! The stores behind the `Store` port. One writer: the orchestrator's actor.

mod memory;

pub use memory::MemoryStore;
