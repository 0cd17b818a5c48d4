//! Commands: from arguments and environment to an exit code.
//!
//! Standard output carries what was asked for and nothing else (a token, a document), so that it can be piped; everything said to
//! a person goes to standard error. Codes: 0 done, 1 a check found something, 64 wrong usage, 70 a fault, 78 wrong configuration.
//!
//! Must not be added here: rules, wiring (that is `app`), and settings that the configuration does not know.

mod args;
mod exit;
mod healthcheck;
mod joined;
mod run;
#[cfg(test)]
mod tests;
mod token;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

pub use args::{AuditCommand, BackupArgs, Cli, Command, ConfigArgs, DevArgs, HealthcheckArgs, SandboxArgs, Scopes, TokenArgs};
pub use exit::Failure;
pub use token::{TokenError, TokenRequest, issue};

/// Runs the command that the arguments ask for. The first argument is the program's name; the environment comes in here and
/// nowhere else.
pub fn main(args: impl IntoIterator<Item = OsString>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    // Standard output is locked per write only: `serve` runs for months, and others may want to write.
    ExitCode::from(run::run(args, environment, &joined::Joined, &mut io::stdout(), &mut io::stderr()))
}
