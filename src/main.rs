//! The program: arguments and environment in, exit code out. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    themis_maintenance::cli::main(std::env::args_os(), std::env::vars_os())
}
