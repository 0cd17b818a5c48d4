//! The bearer token of a target: a file that somebody else rotates.
//!
//! A token is kept in memory that is wiped when it is let go. What cannot be wiped is the header of a call that is under way: it
//! lives as long as the call, and does not show in debug output.

use std::path::PathBuf;
use std::time::SystemTime;

use parking_lot::Mutex;
use reqwest::header::HeaderValue;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// A token is some kilobytes at most; a longer file is not a token.
const LONGEST: u64 = 64 * 1024;

/// Reads the token again whenever the file has changed.
pub(super) struct TokenFile {
    path: PathBuf,
    cached: Mutex<Option<Cached>>,
}

struct Cached {
    version: (SystemTime, u64),
    token: SecretString,
}

/// Why there is no token to send.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct TokenError(String);

/// Where a target's token comes from.
pub(super) enum TokenSource {
    /// It stands in the configuration.
    Fixed(SecretString),
    /// It stands in a file.
    File(TokenFile),
}

impl TokenSource {
    /// A file counts more than a fixed token; the configuration has only one of them.
    pub(super) fn new(token: Option<SecretString>, file: Option<PathBuf>) -> Option<Self> {
        file.map(|path| Self::File(TokenFile::new(path))).or(token.map(Self::Fixed))
    }

    /// The value of the `Authorization` header, marked so that it does not show in debug output.
    pub(super) async fn authorization(&self) -> Result<HeaderValue, TokenError> {
        match self {
            Self::File(file) => file.authorization().await,
            Self::Fixed(token) => {
                bearer(token.expose_secret()).ok_or_else(|| TokenError(format!("configured token cannot be used: {UNFIT}")))
            }
        }
    }
}

const UNFIT: &str = "it holds characters that no token has";

fn bearer(token: &str) -> Option<HeaderValue> {
    // Stricter than a header value has to be: a blank within would be the end of the token for some servers, and not for others.
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let text = Zeroizing::new(["Bearer ", token].concat());
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

impl TokenFile {
    fn new(path: PathBuf) -> Self {
        Self { path, cached: Mutex::default() }
    }

    async fn authorization(&self) -> Result<HeaderValue, TokenError> {
        let metadata = tokio::fs::metadata(&self.path).await.map_err(|error| self.error(error))?;
        if !metadata.is_file() || metadata.len() > LONGEST {
            return Err(self.error("it is not a regular file of at most 64 KiB"));
        }
        // The length beside the time: two writes can fall into one tick of the file system's clock.
        let version = (metadata.modified().map_err(|error| self.error(error))?, metadata.len());
        if let Some(cached) = self.cached.lock().as_ref().filter(|cached| cached.version == version) {
            return bearer(cached.token.expose_secret()).ok_or_else(|| self.error(UNFIT));
        }
        let text = Zeroizing::new(tokio::fs::read_to_string(&self.path).await.map_err(|error| self.error(error))?);
        let token = text.trim();
        if token.is_empty() {
            return Err(self.error("it is empty"));
        }
        let header = bearer(token).ok_or_else(|| self.error(UNFIT))?;
        *self.cached.lock() = Some(Cached { version, token: token.into() });
        Ok(header)
    }

    fn error(&self, why: impl std::fmt::Display) -> TokenError {
        TokenError(format!("token file '{}' cannot be read: {why}", self.path.display()))
    }
}
