//! The service under load, held against its budgets: the release binary with everything on that it has on by default, measured from
//! outside in one run.
//!
//! `cargo bench --bench load` prints a table and fails when a budget is missed. After `--`: `--short` measures little data for
//! little time, judges no figure, and only fails when something does not work; `--only NAME` measures one group of rows (their names
//! are in `main`); `--soak` adds ten minutes of fires and pruning. Figures of one run may be compared with each other, those of two
//! runs may not.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

mod clients;
#[path = "../common/mod.rs"]
mod common;
mod data;
mod database;
mod http;
mod machine;
mod process;
mod rows;
mod sample;
mod table;
mod targets;

use machine::Machine;
use table::{Extent, Table};

/// So much of a core takes the system itself, the disk's share above all; what is more belongs to others.
const QUIET: f64 = 0.2;

/// The sandboxes need threads of their own beside the clients; there are two cores.
#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |wanted: &str| arguments.iter().any(|argument| argument == wanted);
    // `cargo test --benches` and `--test` only ask whether it runs.
    if has("--test") {
        return;
    }
    let only = arguments.iter().skip_while(|argument| *argument != "--only").nth(1).cloned();
    let extent = Extent { short: has("--short"), only, soak: has("--soak") };
    let mut table = Table::begin(&extent);
    macro_rules! groups {
        ($($group:ident),*) => {
            $(if extent.wants(stringify!($group)) {
                let machine = Machine::look();
                rows::$group::measure(&extent, &mut table).await;
                let others = machine.others();
                if others > QUIET {
                    table.tell(concat!("  (", stringify!($group), " was not alone)"), &format!("others kept {others:.2} cores busy"));
                }
            })*
        };
    }
    groups!(reads, list, health, creates, storm, lateness, executing, start, memory, idle, growth, scrape, soak);
    println!("\nThe load program and the stand-ins for targets share the machine's cores with the service.");
    let good = table.end();
    std::process::exit(i32::from(!good));
}
