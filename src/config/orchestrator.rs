//! `[orchestrator]` and `[probes.NAME]`.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::domain::health::{DEFAULT_PROBE_INTERVAL, DEFAULT_PROBE_TIMEOUT, OWN_MODULES};
use crate::domain::schedule::BUNDLE_NAMES;

use super::section::Section;
use super::targets::{check_name, http_url};
use super::values::{boolean, duration, integer, string, strings};
use super::{DAY, MINUTE};

/// `[orchestrator]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrchestratorConfig {
    /// Most jobs that run at once, over all targets.
    pub max_concurrent_jobs: usize,
    /// Most schedules that may exist.
    pub max_schedules: usize,
    /// How long a job is kept after its end.
    pub job_retention: Duration,
    /// How old a missed fire may be to be caught up although its window is closed.
    pub misfire_grace: Duration,
    /// How long a job waits for a target that does not answer, or whose pre-flight check says not now, when no window ends the wait
    /// sooner.
    pub queue_timeout: Duration,
    /// Names out of [`BUNDLE_NAMES`] to install at the first start, each once.
    pub bundles: Vec<String>,
}

/// `[probes.NAME]`: a module's health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeConfig {
    /// What to ask.
    pub kind: ProbeKind,
    /// Time between two checks.
    pub interval: Duration,
    /// Longest time for one check.
    pub timeout: Duration,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// A configured target, as a ThemisDB server.
    ThemisDb {
        /// The target's name; it is configured.
        target: String,
    },
    /// A URL; any 2xx is healthy.
    Http {
        /// The URL.
        url: Url,
    },
}

pub(super) fn orchestrator(mut section: Section<'_>) -> Option<OrchestratorConfig> {
    let max_concurrent_jobs = section.required("max_concurrent_jobs", integer(1..=1024));
    let max_schedules = section.required("max_schedules", integer(1..=1_000_000));
    let job_retention = section.required("job_retention", duration(Duration::from_secs(1)..=365 * DAY));
    let misfire_grace = section.required("misfire_grace", duration(Duration::ZERO..=365 * DAY));
    let queue_timeout = section.required("queue_timeout", duration(Duration::from_secs(1)..=365 * DAY));
    let bundles = section.required("bundles", strings);
    let bundles: Option<Vec<String>> = bundles.map(|bundles| bundles.iter().map(|name| name.to_ascii_lowercase()).collect());
    for (index, name) in bundles.iter().flatten().enumerate() {
        if !BUNDLE_NAMES.contains(&name.as_str()) {
            section.mistake("bundles", format!("must be out of {}, not \"{name}\"", BUNDLE_NAMES.join(", ")));
        } else if bundles.iter().flatten().take(index).any(|earlier| earlier == name) {
            section.mistake("bundles", format!("names \"{name}\" twice"));
        }
    }
    section.finish();
    Some(OrchestratorConfig {
        max_concurrent_jobs: max_concurrent_jobs?,
        max_schedules: max_schedules?,
        job_retention: job_retention?,
        misfire_grace: misfire_grace?,
        queue_timeout: queue_timeout?,
        bundles: bundles?,
    })
}

/// Reads all probes; `is_target` knows the targets.
pub(super) fn probes(sections: Vec<(&str, Section<'_>)>, is_target: impl Fn(&str) -> bool) -> BTreeMap<String, ProbeConfig> {
    let read = |(name, section): (&str, Section<'_>)| Some((name.to_owned(), probe(name, section, &is_target)?));
    sections.into_iter().filter_map(read).collect()
}

fn probe(name: &str, mut section: Section<'_>, is_target: impl Fn(&str) -> bool) -> Option<ProbeConfig> {
    check_name(name, &section);
    if OWN_MODULES.contains(&name) {
        section.table_mistake(format!("is the name of a module of the service itself ({})", OWN_MODULES.join(", ")));
    }
    let disabled = section.or("disabled", false, boolean);
    let kind = section.required("kind", string);
    let target = section.optional("target", string);
    let url = section.optional("url", http_url);
    let interval = section.or("interval", DEFAULT_PROBE_INTERVAL, duration(Duration::from_millis(50)..=DAY));
    let timeout = section.or("timeout", DEFAULT_PROBE_TIMEOUT, duration(Duration::from_millis(10)..=MINUTE));
    section.finish();
    let kind = match kind?.to_ascii_lowercase().as_str() {
        "themisdb" => {
            if section.node("url").is_some() {
                section.mistake("url", "is for kind \"http\"; kind \"themisdb\" takes target");
            }
            let target = target.unwrap_or_else(|| "default".to_owned());
            if !is_target(&target) {
                section.mistake("target", format!("names \"{target}\", which is not configured: set [targets.{target}]"));
            }
            Some(ProbeKind::ThemisDb { target })
        }
        "http" => {
            if target.is_some() {
                section.mistake("target", "is for kind \"themisdb\"; kind \"http\" takes url");
            }
            if section.node("url").is_none() {
                section.mistake("url", "is missing");
            }
            url.map(|url| ProbeKind::Http { url })
        }
        _ => {
            section.mistake("kind", "must be \"themisdb\" or \"http\"");
            None
        }
    };
    if disabled? { None } else { Some(ProbeConfig { kind: kind?, interval: interval?, timeout: timeout? }) }
}
