//! `[server]`, `[storage]`, `[audit]`, `[telemetry]` and `[metrics]`: the small sections.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use super::connections::{self, ConnectionLimits};
use super::layer::Node;
use super::listener_tls::{ListenerTls, listener_tls};
use super::rate_limits::{RateLimitConfig, rate_limits};
use super::section::Section;
use super::values::{duration, integer, string, strings};
use super::{DAY, HOUR, MINUTE, cors};

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
    /// What one connection may cost; holds for the listener of the metrics too.
    pub connections: ConnectionLimits,
    /// How deep the JSON of a request may be nested.
    pub max_json_depth: usize,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How often may be asked.
    pub rate_limits: RateLimitConfig,
    /// Web pages of these origins may read answers; empty for none.
    pub allowed_origins: Vec<String>,
    /// The listener's certificate; `None` for plain HTTP.
    pub tls: Option<ListenerTls>,
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
    /// The certificate of the listener of its own; `None` for plain HTTP there.
    pub tls: Option<ListenerTls>,
}

pub(super) fn server(mut section: Section<'_>) -> Option<ServerConfig> {
    let listen = section.required("listen", address);
    let max_body_bytes = section.required("max_body_bytes", integer(1024..=16 * 1024 * 1024));
    let request_timeout = section.required("request_timeout", duration(Duration::from_millis(1)..=10 * MINUTE));
    let shutdown_grace = section.required("shutdown_grace", duration(Duration::ZERO..=HOUR));
    let connections = connections::connections(&mut section);
    // Tokens, and what is stored and shown again, are read up to 64 levels.
    let max_json_depth = section.required("max_json_depth", integer(4..=64));
    let trusted_proxies = section.required("trusted_proxies", networks);
    let rate_limits = section.section("rate_limits").and_then(rate_limits);
    let allowed_origins = section.section("cors").and_then(cors::allowed_origins);
    let tls = listener_tls(&mut section);
    section.finish();
    Some(ServerConfig {
        listen: listen?,
        max_body_bytes: max_body_bytes?,
        request_timeout: request_timeout?,
        shutdown_grace: shutdown_grace?,
        connections: connections?,
        max_json_depth: max_json_depth?,
        trusted_proxies: trusted_proxies?,
        rate_limits: rate_limits?,
        allowed_origins: allowed_origins?,
        tls: tls?,
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
    let tls = listener_tls(&mut section);
    if listen.is_none() && matches!(tls, Some(Some(_))) {
        section.mistake("tls", "is for a listener of its own, but metrics.listen is not set; /metrics is served with server.tls");
    }
    section.finish();
    Some(MetricsConfig { listen, token, max_schedule_series: max_schedule_series?, tls: tls? })
}

fn address(node: &Node) -> Result<SocketAddr, String> {
    let text = string(node)?;
    text.trim()
        .parse()
        .map_err(|_| "must be an IP address and a port, for example \"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned())
}

/// Networks and single addresses.
fn networks(node: &Node) -> Result<Vec<IpNet>, String> {
    let network = |text: &String| {
        let text = text.trim();
        let single = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
        text.parse::<IpNet>()
            .ok()
            .or_else(single)
            .ok_or_else(|| format!("must hold IP addresses and networks such as \"10.0.0.7\" or \"10.0.0.0/8\", not \"{text}\""))
    };
    strings(node)?.iter().map(network).collect()
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
