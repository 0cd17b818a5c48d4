//! The commands that need the rest of the crate. One trait, so that the others can be tested without it.

use std::path::{Path, PathBuf};

use super::args::{DevArgs, SandboxArgs};
use crate::audit::FirstLines;
use crate::config::{Config, StorageUrl};

/// What the commands ask of the rest of the crate. Errors end in exit code 70, unless they are mistakes of the configuration;
/// those of `verify_audit` and `check` end in 1.
pub(super) trait Commands {
    fn serve(&self, config: Config) -> anyhow::Result<()>;
    fn dev(&self, args: DevArgs, environment: Vec<(String, String)>) -> anyhow::Result<()>;
    fn sandbox(&self, args: SandboxArgs) -> anyhow::Result<()>;
    fn openapi(&self) -> anyhow::Result<String>;
    /// What was found, for a person; an error when the chain is broken.
    fn verify_audit(&self, files: &[PathBuf], first_lines: FirstLines) -> anyhow::Result<String>;
    /// Copies the configured database.
    fn backup(&self, config: Config, file: &Path) -> anyhow::Result<String>;
    /// What a copy holds, for a person; an error when it is damaged.
    fn check(&self, file: &Path) -> anyhow::Result<String>;
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

    fn verify_audit(&self, files: &[PathBuf], first_lines: FirstLines) -> anyhow::Result<String> {
        Ok(crate::audit::verify_trail(files, first_lines)?.to_string())
    }

    fn backup(&self, config: Config, file: &Path) -> anyhow::Result<String> {
        let StorageUrl::Sqlite(database) = config.storage.url else {
            anyhow::bail!("storage.url is memory: there is no file that could be copied");
        };
        run(async { Ok(crate::storage::backup(&database, file).await?) })?;
        Ok(format!("{} copied to {}", database.display(), file.display()))
    }

    fn check(&self, file: &Path) -> anyhow::Result<String> {
        let found = run(async { Ok(crate::storage::check(file).await) })?;
        match found {
            Ok(found) => Ok(format!("{} is {found}", file.display())),
            Err(error) => Err(anyhow::anyhow!("{} {error}", file.display())),
        }
    }
}

fn run<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
