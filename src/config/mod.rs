//! Configuration: data in, one validated struct per section out.
//!
//! Layers, each over the one before: the compiled-in `config/default.toml`, the files given with `--config` in their order, the
//! environment (`THEMIS_MAINTENANCE__SECTION__KEY`). The environment is an argument of [`load`]; nothing here reads it.
//!
//! Whoever gets a [`Config`] need not check anything again: every number is in its range, every name refers to something that
//! exists, every file that has to be readable was read. Whoever does not get one gets **every** mistake at once, with its key and
//! with the file or variable that made it. That is why neither the `config` crate nor `Deserialize` is used here: both stop at
//! the first mistake, and a merged tree of theirs no longer says who set a value. A `section::Section` reads a table key by key
//! and goes on; `toml` only parses.
//!
//! Secrets are `SecretString`, cannot be printed, and do not appear in messages. Relative paths start at the working directory.
//!
//! Must not be added here: reading the environment, defaults in code for keys that `default.toml` can hold, keys that nothing
//! uses, and anything that a request could change.

mod auth;
mod auth_claims;
mod auth_issuers;
mod auth_key_set;
mod auth_keys;
mod catalog;
mod connections;
mod cors;
mod environment;
mod groups;
mod layer;
mod listener_tls;
mod load;
mod mistake;
mod orchestrator;
mod pem;
mod preflight;
mod profiles;
mod rate_limits;
mod recipe;
mod recipe_calls;
mod recipe_places;
mod recipe_rules;
mod section;
mod server;
mod summary;
mod targets;
mod task_parameters;
#[cfg(test)]
mod tests;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

pub use auth::{AuthConfig, MIN_SECRET_BYTES};
pub use auth_claims::ClaimRules;
pub use auth_issuers::{DEFAULT_ISSUER, IssuerConfig, KeySetLocation, is_plain_loopback, is_secure};
pub use auth_key_set::{KeySet, KeySetError, MAX_KEY_SET_BYTES, SetKey};
pub use connections::ConnectionLimits;
pub use environment::ENVIRONMENT_PREFIX;
pub(crate) use environment::key_of;
pub use listener_tls::{ClientAuth, FileMistake, ListenerCertificates, ListenerTls, TlsVersion};
pub use load::load;
pub use mistake::{ConfigMistake, ConfigMistakes, Source};
pub use orchestrator::{OrchestratorConfig, ProbeConfig, ProbeKind};
pub use preflight::{Expected, MetricRule, PreflightCheck};
pub use rate_limits::{RateLimit, RateLimitConfig};
pub use server::{AuditConfig, LogFormat, MetricsConfig, ServerConfig, StorageConfig, StorageUrl, TelemetryConfig};
pub use targets::TargetConfig;
pub use tls::TlsConfig;

use crate::domain::catalog::Catalog;

/// The compiled-in defaults, as they are in the source tree.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// What [`Mode::Dev`] lays over the defaults: recipes that only the sandbox answers.
pub const SANDBOX_TOML: &str = include_str!("../../config/sandbox.toml");

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// What the configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Production: there has to be a key to verify tokens with.
    Serve,
    /// Development against the sandbox: every task type has a recipe, and a missing key is the caller's to make.
    Dev,
    /// Work on the files of the service: as in production, but nobody is let in, so no key is needed.
    Files,
}

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The listener of the API.
    pub server: ServerConfig,
    /// Which tokens are accepted.
    pub auth: AuthConfig,
    /// Where schedules and jobs are kept.
    pub storage: StorageConfig,
    /// Limits and times of the scheduler.
    pub orchestrator: OrchestratorConfig,
    /// The ThemisDB servers by name; `default` is among them.
    pub targets: BTreeMap<String, TargetConfig>,
    /// What the rules know of each target: its recipes out of `[endpoints]`, `[custom_endpoints]`, its profile and its own; its
    /// default parameters; when it is left alone; and the groups of targets.
    pub catalog: Catalog,
    /// Health checks by the name of the module that they speak for.
    pub probes: BTreeMap<String, ProbeConfig>,
    /// The audit trail.
    pub audit: AuditConfig,
    /// Logging.
    pub telemetry: TelemetryConfig,
    /// Metrics.
    pub metrics: MetricsConfig,
}
