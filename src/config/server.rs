//! `[server]`, `[storage]`, `[audit]`, `[telemetry]` and `[metrics]`: the small sections.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::layer::Node;
use super::section::Section;
use super::values::{duration, integer, string};
use super::{DAY, HOUR, MINUTE};

/// `[server]`: the listener of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where to listen; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Largest accepted request body, in bytes.
    pub max_body_bytes: usize,
    /// Longest time for one request.
    pub request_timeout: Duration,
    /// How long running jobs may go on after the signal to stop; zero stops them at once.
    pub shutdown_grace: Duration,
}

/// `[storage]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageConfig {
    /// Where schedules and jobs are kept.
    pub url: StorageUrl,
}

/// Where schedules and jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// Nowhere: everything is gone at the end of the process.
    Memory,
    /// In an SQLite file; made if it is not there. A relative path starts at the working directory.
    Sqlite(PathBuf),
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditConfig {
    /// The file that audit lines are appended to; `None` keeps no audit trail.
    pub file: Option<PathBuf>,
    /// The size over which a file does not grow: a new one begins.
    pub max_bytes: u64,
    /// How old the first line of a file becomes before a new one begins; `None` for any age.
    pub max_age: Option<Duration>,
    /// How many files that were put aside are kept; `None` keeps all.
    pub keep: Option<usize>,
}

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// How log lines look.
    pub log_format: LogFormat,
    /// A level (`info`), or directives by module (`info,sqlx=warn`); checked to be readable.
    pub log_level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[metrics]`: who may scrape, and how much there is to scrape.
#[derive(Debug, Clone)]
pub struct MetricsConfig {
    /// A listener of its own; `None` serves `/metrics` beside the API.
    pub listen: Option<SocketAddr>,
    /// The bearer token a scraper has to show; `None` asks for none.
    pub token: Option<SecretString>,
    /// Most schedules that get time series of their own.
    pub max_schedule_series: usize,
}

pub(super) fn server(mut section: Section<'_>) -> Option<ServerConfig> {
    let listen = section.required("listen", address);
    let max_body_bytes = section.required("max_body_bytes", integer(1024..=16 * 1024 * 1024));
    let request_timeout = section.required("request_timeout", duration(Duration::from_millis(1)..=10 * MINUTE));
    let shutdown_grace = section.required("shutdown_grace", duration(Duration::ZERO..=HOUR));
    section.finish();
    Some(ServerConfig {
        listen: listen?,
        max_body_bytes: max_body_bytes?,
        request_timeout: request_timeout?,
        shutdown_grace: shutdown_grace?,
    })
}

pub(super) fn storage(mut section: Section<'_>) -> Option<StorageConfig> {
    let url = section.required("url", |node| StorageUrl::parse(&string(node)?));
    section.finish();
    Some(StorageConfig { url: url? })
}

pub(super) fn audit(mut section: Section<'_>) -> Option<AuditConfig> {
    let file = section.optional("file", string).map(PathBuf::from);
    let max_bytes = section.required("max_bytes", integer(64 * 1024..=1 << 40));
    let max_age = section.required("max_age", |node| match duration(Duration::ZERO..=3650 * DAY)(node)? {
        Duration::ZERO => Ok(None),
        age if age < MINUTE => Err("must be 0s (never), or at least 1m".to_owned()),
        age => Ok(Some(age)),
    });
    let keep = section.required("keep", integer(0..=1_000_000));
    section.finish();
    Some(AuditConfig {
        file,
        max_bytes: max_bytes?,
        max_age: max_age?,
        keep: keep.map(|keep| Some(keep).filter(|keep| *keep > 0))?,
    })
}

pub(super) fn telemetry(mut section: Section<'_>) -> Option<TelemetryConfig> {
    let log_format = section.required("log_format", |node| match string(node)?.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be \"text\" or \"json\"".to_owned()),
    });
    let log_level = section.required("log_level", |node| {
        let text = string(node)?;
        let parsed = tracing_subscriber::EnvFilter::builder().parse(&text);
        parsed.map(|_| text).map_err(|_| "must be a level (error, warn, info, debug, trace) or module=level, …".to_owned())
    });
    section.finish();
    Some(TelemetryConfig { log_format: log_format?, log_level: log_level? })
}

pub(super) fn metrics(mut section: Section<'_>) -> Option<MetricsConfig> {
    let listen = section.optional("listen", address);
    let token = section.secret("token", "token_file");
    let max_schedule_series = section.required("max_schedule_series", integer(0..=100_000));
    section.finish();
    Some(MetricsConfig { listen, token, max_schedule_series: max_schedule_series? })
}

fn address(node: &Node) -> Result<SocketAddr, String> {
    let text = string(node)?;
    text.trim()
        .parse()
        .map_err(|_| "must be an IP address and a port, for example \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned())
}

impl StorageUrl {
    /// Reads `memory:` or `sqlite:PATH`. `sqlite://` before the path is accepted too, as other SQLite tools write it.
    ///
    /// # Errors
    /// Says which forms there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        let path = text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
        match path {
            Some(path) if path.starts_with(":memory:") => Err("must be \"memory:\" to keep nothing".to_owned()),
            Some(path) if path.contains(['?', '#']) => Err("must not have options after the path".to_owned()),
            Some(path) if !path.is_empty() && !path.ends_with('/') => Ok(Self::Sqlite(path.into())),
            _ => Err("must be \"sqlite:PATH\" or \"memory:\"".to_owned()),
        }
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => formatter.write_str("memory:"),
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
        }
    }
}
