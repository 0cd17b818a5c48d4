//! The configuration from outside: files and variables in, a `Config` or its mistakes out.

mod addresses;
mod auth;
mod auth_issuers;
mod auth_key_set;
mod defaults;
mod layers;
mod listener;
mod preflight;
mod recipe_places;
mod recipes;
mod secrets;
mod sections;
mod targets;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::{Config, ConfigMistakes, Mode, load};
use crate::domain::catalog::{Catalog, MissingRecipe};
use crate::domain::recipe::Recipe;
use crate::domain::task::TaskSpec;

const SECRET: &str = "a-secret-of-thirty-two-bytes-ok!";

/// The recipe of a task that is one call.
fn find<'a>(catalog: &'a Catalog, target: &str, task: &TaskSpec) -> Result<&'a Arc<Recipe>, MissingRecipe> {
    catalog.recipe(target, task.task_type, &task.parameters.each()[0])
}

/// Files and variables to load.
struct Setup {
    directory: TempDir,
    files: Vec<PathBuf>,
    variables: Vec<(String, String)>,
    mode: Mode,
}

impl Setup {
    /// Nothing at all, for `serve`.
    fn bare() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, files: Vec::new(), variables: Vec::new(), mode: Mode::Serve }
    }

    /// As little as `serve` needs.
    fn new() -> Self {
        Self::bare().variable("AUTH__HS256_SECRET", SECRET)
    }

    fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// One more `--config` file.
    fn file(mut self, text: &str) -> Self {
        let path = self.write(&format!("{}.toml", self.files.len()), text);
        self.files.push(path);
        self
    }

    /// One more variable, by its name after the prefix.
    fn variable(mut self, key: &str, value: &str) -> Self {
        self.variables.push((format!("THEMIS_MAINTENANCE__{key}"), value.to_owned()));
        self
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn load(&self) -> Result<Config, ConfigMistakes> {
        load(&self.files, self.variables.clone(), self.mode)
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().expect("a valid configuration")
    }

    /// The mistakes as `key message`.
    #[track_caller]
    fn mistakes(&self) -> Vec<String> {
        let mistakes = self.load().expect_err("mistakes").0;
        mistakes.into_iter().map(|mistake| format!("{} {}", mistake.key, mistake.message)).collect()
    }
}

/// Asserts that a file with this text has exactly this mistake, or that its only mistake begins with it.
#[track_caller]
fn refused(text: &str, expected: &str) {
    let mistakes = Setup::new().file(text).mistakes();
    assert!(mistakes.len() == 1 && mistakes[0].starts_with(expected), "{text}: {mistakes:#?}, expected {expected}");
}

#[track_caller]
fn accepted(text: &str) -> Config {
    Setup::new().file(text).config()
}
