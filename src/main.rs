//! The program: arguments and environment in, exit code out. Everything else is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    themis_maintenance::cli::main(std::env::args_os(), std::env::vars_os())
}
