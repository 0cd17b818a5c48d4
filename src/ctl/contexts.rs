//! The context file: services by name, each with its address and token.
//!
//! ```toml
//! current = "staging"
//!
//! [contexts.staging]
//! url = "https://maintenance.staging.example"
//! token_file = "/home/me/.staging-token"
//! ca_file = "/home/me/staging-ca.pem"
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

use super::failure::CtlFailure;

/// All of a context file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contexts {
    /// Which context counts when none is named.
    current: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

/// One service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Its address.
    pub url: Option<String>,
    /// The token.
    pub token: Option<SecretString>,
    /// A file with the token; a relative path is below the folder of the context file.
    pub token_file: Option<PathBuf>,
    /// A file with the authority that signed its certificate; likewise.
    pub ca_file: Option<PathBuf>,
}

impl Contexts {
    /// Reads the file; one that does not exist has no contexts.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(file: &Path) -> Result<Self, CtlFailure> {
        let wrong = |error: String| CtlFailure::NotConfigured(format!("context file {}: {error}", file.display()));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(wrong(error.to_string())),
        };
        // The error without the text that it points at: that may be a token.
        let mut contexts: Self = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            wrong(format!("line {line}: {}", error.message()))
        })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for (name, context) in &mut contexts.contexts {
            if context.token.is_some() && context.token_file.is_some() {
                return Err(wrong(format!("context '{name}' has both token and token_file")));
            }
            for path in [&mut context.token_file, &mut context.ca_file].into_iter().flatten() {
                *path = folder.join(&*path);
            }
        }
        Ok(contexts)
    }

    /// The context of this name, or the current one; `None` when there is neither name nor current.
    ///
    /// # Errors
    /// When there is no context of that name.
    pub fn get(&self, name: Option<&str>, file: &Path) -> Result<Option<Context>, CtlFailure> {
        let Some(name) = name.or(self.current.as_deref()) else { return Ok(None) };
        let found = self.contexts.get(name).cloned();
        found.map(Some).ok_or_else(|| {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            CtlFailure::NotConfigured(format!("there is no context '{name}' in {}: {known}", file.display()))
        })
    }
}
