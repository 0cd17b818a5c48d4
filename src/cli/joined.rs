//! The commands that need the rest of the crate. One trait, so that the others can be tested without it.

use std::path::Path;

use super::args::{DevArgs, SandboxArgs};
use crate::config::Config;

/// What the commands ask of the rest of the crate. Errors end in exit code 70, unless they are mistakes of the configuration;
/// those of `verify_audit` end in 1.
pub(super) trait Commands {
    fn serve(&self, config: Config) -> anyhow::Result<()>;
    fn dev(&self, args: DevArgs, environment: Vec<(String, String)>) -> anyhow::Result<()>;
    fn sandbox(&self, args: SandboxArgs) -> anyhow::Result<()>;
    fn openapi(&self) -> anyhow::Result<String>;
    /// What was found, for a person; an error when the chain is broken.
    fn verify_audit(&self, file: &Path) -> anyhow::Result<String>;
}

/// The real ones.
pub(super) struct Joined;

impl Commands for Joined {
    fn serve(&self, config: Config) -> anyhow::Result<()> {
        run(async { Ok(crate::app::serve(config).await?) })
    }

    fn dev(&self, args: DevArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
        run(crate::app::dev(args, environment))
    }

    fn sandbox(&self, args: SandboxArgs) -> anyhow::Result<()> {
        run(crate::app::sandbox(args))
    }

    fn openapi(&self) -> anyhow::Result<String> {
        Ok(crate::http::openapi_json())
    }

    fn verify_audit(&self, file: &Path) -> anyhow::Result<String> {
        Ok(crate::audit::verify_file(file)?.to_string())
    }
}

fn run(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
