//! What the service computes, without a network, a disk and real time: the next match of an expression, a verified token, a command
//! and a fire through the actor, a document through the router.
//!
//! `cargo bench --bench core` prints a table; after `--` a word selects benchmarks by name. The rules of the orchestrator are private,
//! so they are measured through its handle, over a store that forgets at once; each figure holds two hops through the mailbox.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod cron;
mod documents;
mod orchestrator;
mod rig;
mod tokens;

fn main() {
    divan::main();
}
