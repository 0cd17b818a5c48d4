//! `[targets.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::layer::Node;
use super::preflight::{PreflightCheck, preflight};
use super::profiles::{DEFAULT_PROFILE, Profiles};
use super::recipe::{self, Endpoints};
use super::section::Section;
use super::task_parameters::task_parameters;
use super::tls::{TlsConfig, tls};
use super::values::{duration, integer, string, strings};
use super::{HOUR, MINUTE};
use crate::domain::addresses::{AddressRule, parse_exception};
use crate::domain::catalog::BreakerRule;
use crate::domain::task::{Parameters, TaskType};

/// `[targets.NAME]`: a ThemisDB server that the service may call.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// Where it is; `http` or `https`, without query, fragment and credentials.
    pub base_url: Url,
    /// The bearer token to show, when it is written down in the configuration.
    pub token: Option<SecretString>,
    /// The file that holds the bearer token. It could be read at load, and is to be read again whenever a token is needed: it may
    /// be rotated. Never set together with `token`.
    pub token_file: Option<PathBuf>,
    /// Longest time to wait for a connection.
    pub connect_timeout: Duration,
    /// Most jobs that run on it at once.
    pub max_concurrent_jobs: usize,
    /// Most calls a minute.
    pub requests_per_minute: u32,
    /// The set of recipes that it has, by name; it exists.
    pub profile: String,
    /// How its connections are secured.
    pub tls: TlsConfig,
    /// Which addresses its host may have.
    pub addresses: AddressRule,
    /// What has to hold before a job starts.
    pub preflight: Vec<PreflightCheck>,
    /// How long a job is put off when a check says not now.
    pub preflight_interval: Duration,
}

/// A target, and what goes into the catalog: all of it can be read when the target as a whole cannot be used.
pub(super) struct TargetEntry {
    pub(super) config: Option<TargetConfig>,
    pub(super) profile: String,
    pub(super) max_concurrent_jobs: usize,
    pub(super) breaker: BreakerRule,
    pub(super) parameters: BTreeMap<TaskType, Parameters>,
    pub(super) endpoints: Endpoints,
}

/// Reads all targets; `profiles` are those that there are.
pub(super) fn targets(sections: Vec<(&str, Section<'_>)>, profiles: &Profiles) -> BTreeMap<String, TargetEntry> {
    sections.into_iter().map(|(name, section)| (name.to_owned(), target(name, section, profiles))).collect()
}

fn target(name: &str, mut section: Section<'_>, profiles: &Profiles) -> TargetEntry {
    check_name(name, &section);
    let base_url = section.required("base_url", base_url);
    let token_file = section.node("token_file").and_then(|node| string(node).ok()).map(PathBuf::from);
    // Reads the file too, so that a token that is not there is a mistake now and not in the middle of the night.
    let token = section.secret("token", "token_file");
    if token.as_ref().is_some_and(|token| !token.expose_secret().bytes().all(|byte| byte.is_ascii_graphic())) {
        let key = if token_file.is_some() { "token_file" } else { "token" };
        section.mistake(key, "holds something else than one token: it has to be visible ASCII, without blanks and line breaks");
    }
    let connect_timeout = section.or("connect_timeout", Duration::from_secs(5), duration(Duration::from_millis(1)..=5 * MINUTE));
    let max_concurrent_jobs = section.or("max_concurrent_jobs", 1, integer(1..=1024));
    let requests_per_minute = section.or("requests_per_minute", 90, integer(1..=100_000));
    let profile = section.or("profile", DEFAULT_PROFILE.to_owned(), |node| known_profile(node, profiles));
    let breaker = breaker(&mut section);
    let tls = section.section("tls").map_or_else(|| Some(TlsConfig::default()), |inner| tls(inner, base_url.as_ref()));
    let addresses = section.or("allow_addresses", AddressRule::default(), allow_addresses);
    if let (Some(url), Some(rule)) = (&base_url, &addresses)
        && let Err(why) = check_address(url, rule)
    {
        section.mistake("base_url", format!("{why}; list it in allow_addresses if that is meant"));
    }
    let preflight = preflight(&mut section);
    let preflight_interval = section.or("preflight_interval", Duration::from_secs(30), duration(Duration::from_secs(1)..=HOUR));
    let parameters = section.section("parameters").map(|inner| task_parameters(&inner)).unwrap_or_default();
    let endpoints = recipe::endpoints(section.named("endpoints"));
    section.finish();
    let name_of_profile = profile.clone().unwrap_or_default();
    let read = || {
        Some(TargetConfig {
            base_url: base_url?,
            token: token.filter(|_| token_file.is_none()),
            token_file,
            connect_timeout: connect_timeout?,
            max_concurrent_jobs: max_concurrent_jobs?,
            requests_per_minute: requests_per_minute?,
            profile: profile?,
            tls: tls?,
            addresses: addresses?,
            preflight: preflight?,
            preflight_interval: preflight_interval?,
        })
    };
    TargetEntry {
        profile: name_of_profile,
        max_concurrent_jobs: max_concurrent_jobs.unwrap_or(1),
        breaker,
        parameters,
        config: read(),
        endpoints,
    }
}

/// The rule with what is given; what could not be read is noted, and then nobody gets to see the rule.
fn breaker(section: &mut Section<'_>) -> BreakerRule {
    let usual = BreakerRule::default();
    let cooldowns = Duration::from_secs(1)..=BreakerRule::LONGEST_COOLDOWN;
    BreakerRule {
        failures: section.or("breaker_failures", usual.failures, integer(1..=1000)).unwrap_or(usual.failures),
        cooldown: section.or("breaker_cooldown", usual.cooldown, duration(cooldowns)).unwrap_or(usual.cooldown),
    }
}

fn known_profile(node: &Node, profiles: &Profiles) -> Result<String, String> {
    let name = string(node)?;
    if profiles.contains_key(&name) {
        return Ok(name);
    }
    let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
    Err(format!("names \"{name}\", which is no profile: set [profiles.{name}], or take one of {}", known.join(", ")))
}

/// What is wrong with a name that is none.
pub(super) const BAD_NAME: &str =
    "has a name that is not made of a-z, 0-9, '_' and '-', beginning with a letter or digit, at most 64";

/// Names stand in metrics labels, in variables of the environment and in messages: lower case, digits, `_` and `-`.
pub(super) fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    first && rest && name.len() <= 64
}

/// Notes a name that is none.
pub(super) fn check_name(name: &str, section: &Section<'_>) {
    if !is_name(name) {
        section.table_mistake(BAD_NAME);
    }
}

/// Exceptions from the rule that some addresses are never connected to.
fn allow_addresses(node: &Node) -> Result<AddressRule, String> {
    const EXPECTED: &str = "must hold IP addresses or networks, for example \"169.254.10.1\" or \"169.254.10.0/24\"";
    let exceptions = strings(node)?.iter().map(|text| parse_exception(text.trim())).collect::<Option<_>>();
    exceptions.map(AddressRule::with_exceptions).ok_or_else(|| EXPECTED.to_owned())
}

/// Checks the IP address in a URL, if one stands there; what a name stands for is checked at every connection.
fn check_address(url: &Url, rule: &AddressRule) -> Result<(), String> {
    let checked = url.host().map_or(Ok(()), |host| rule.check_host(&host));
    checked.map_err(|class| format!("holds {class}, which may not be called"))
}

fn base_url(node: &Node) -> Result<Url, String> {
    let url = plain_url(node)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok(url)
}

/// A URL without credentials, and not of an address that is never called.
pub(super) fn http_url(node: &Node) -> Result<Url, String> {
    let url = plain_url(node)?;
    check_address(&url, &AddressRule::default()).map(|()| url)
}

fn plain_url(node: &Node) -> Result<Url, String> {
    // The text is not repeated: credentials in it are one of the mistakes.
    let url = Url::parse(string(node)?.trim()).map_err(|error| format!("must be a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials; use token_file".to_owned());
    }
    Ok(url)
}
