//! The commands that need the rest of the crate. One trait, so that the others can be tested without it.

use std::path::Path;

use super::args::{DevArgs, SandboxArgs};
use crate::config::Config;

/// What the commands ask of the rest of the crate. Errors end in exit code 70, those of `verify_audit` in 1.
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

// joined in app
impl Commands for Joined {
    fn serve(&self, _config: Config) -> anyhow::Result<()> {
        anyhow::bail!("not joined yet")
    }

    fn dev(&self, _args: DevArgs, _environment: Vec<(String, String)>) -> anyhow::Result<()> {
        anyhow::bail!("not joined yet")
    }

    fn sandbox(&self, _args: SandboxArgs) -> anyhow::Result<()> {
        anyhow::bail!("not joined yet")
    }

    fn openapi(&self) -> anyhow::Result<String> {
        anyhow::bail!("not joined yet")
    }

    fn verify_audit(&self, _file: &Path) -> anyhow::Result<String> {
        anyhow::bail!("not joined yet")
    }
}
