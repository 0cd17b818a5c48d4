//! What a sandbox can be told before it starts.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::replication::Replication;

/// Which ThemisDB a sandbox stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum SandboxVersion {
    /// The server of November 2025, which was measured.
    #[default]
    #[serde(rename = "2025")]
    V2025,
    /// A server of 2026: the same routes, and those that were read in its sources and not measured.
    #[serde(rename = "2026")]
    V2026,
}

/// Reads the year, as `--version` of the command gives it.
impl FromStr for SandboxVersion {
    type Err = &'static str;

    fn from_str(year: &str) -> Result<Self, Self::Err> {
        match year {
            "2025" => Ok(Self::V2025),
            "2026" => Ok(Self::V2026),
            _ => Err("must be 2025 or 2026"),
        }
    }
}

/// Set-up of a [`Sandbox`](super::Sandbox). The default is an open server without a rate limit, with example data.
#[derive(Clone)]
pub struct SandboxConfig {
    /// `THEMIS_TOKEN_ADMIN`: may do everything. With no token set at all, the server is open.
    pub admin_token: Option<String>,
    /// `THEMIS_TOKEN_READONLY`: may read `/metrics`, may not administer the changefeed.
    pub readonly_token: Option<String>,
    /// `THEMIS_TOKEN_ANALYST`: the same here as read-only.
    pub analyst_token: Option<String>,
    /// Requests a minute for each token; `None` switches the limit off. ThemisDB's own is 100.
    pub rate_limit_per_minute: Option<u32>,
    /// How long rebuilds and maintenance calls take.
    pub task_delay: Duration,
    /// With so much work in progress the server answers nothing until less goes on. The real one did so at four rebuilds; `None`
    /// switches it off.
    pub starves_at: Option<usize>,
    /// Whether there are tables to begin with: `orders` (indexes `customer_id`, `status`, `customer_id+status`) and
    /// `customers` (index `email`), all filled.
    pub seed: bool,
    /// Which server's routes there are.
    pub version: SandboxVersion,
    /// How its replicas are doing at first; only a server of 2026 is asked.
    pub replication: Replication,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            admin_token: None,
            readonly_token: None,
            analyst_token: None,
            rate_limit_per_minute: None,
            task_delay: Duration::ZERO,
            starves_at: None,
            seed: true,
            version: SandboxVersion::default(),
            replication: Replication::default(),
        }
    }
}

/// Says which tokens are set, and not what they are.
impl fmt::Debug for SandboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            admin_token,
            readonly_token,
            analyst_token,
            rate_limit_per_minute,
            task_delay,
            starves_at,
            seed,
            version,
            replication,
        } = self;
        f.debug_struct("SandboxConfig")
            .field("admin_token", &admin_token.is_some())
            .field("readonly_token", &readonly_token.is_some())
            .field("analyst_token", &analyst_token.is_some())
            .field("rate_limit_per_minute", rate_limit_per_minute)
            .field("task_delay", task_delay)
            .field("starves_at", starves_at)
            .field("seed", seed)
            .field("version", version)
            .field("replication", replication)
            .finish()
    }
}
