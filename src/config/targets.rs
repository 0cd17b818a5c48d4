//! `[targets.NAME]`, and the catalog: which recipe each target has for each task type.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::MINUTE;
use super::layer::Node;
use super::recipe::{self, Endpoint, Endpoints};
use super::section::Section;
use super::values::{duration, integer, string};
use crate::domain::catalog::{Catalog, TargetCatalog};
use crate::domain::recipe::Recipe;
use crate::domain::task::TaskType;

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
}

/// A target and the recipes that only it has.
pub(super) struct TargetEntry {
    pub(super) config: Option<TargetConfig>,
    max_concurrent_jobs: usize,
    endpoints: Endpoints,
}

pub(super) fn targets(sections: Vec<(&str, Section<'_>)>) -> BTreeMap<String, TargetEntry> {
    sections.into_iter().map(|(name, section)| (name.to_owned(), target(name, section))).collect()
}

fn target(name: &str, mut section: Section<'_>) -> TargetEntry {
    check_name(name, &section);
    let base_url = section.required("base_url", base_url);
    let token_file = section.node("token_file").and_then(|node| string(node).ok()).map(PathBuf::from);
    // Reads the file too, so that a token that is not there is a mistake now and not in the middle of the night.
    let token = section.secret("token", "token_file");
    let connect_timeout = section.or("connect_timeout", Duration::from_secs(5), duration(Duration::from_millis(1)..=5 * MINUTE));
    let max_concurrent_jobs = section.or("max_concurrent_jobs", 1, integer(1..=1024));
    let requests_per_minute = section.or("requests_per_minute", 90, integer(1..=100_000));
    let endpoints = recipe::endpoints(section.named("endpoints"));
    section.finish();
    let read = || {
        Some(TargetConfig {
            base_url: base_url?,
            token: token.filter(|_| token_file.is_none()),
            token_file,
            connect_timeout: connect_timeout?,
            max_concurrent_jobs: max_concurrent_jobs?,
            requests_per_minute: requests_per_minute?,
        })
    };
    TargetEntry { max_concurrent_jobs: max_concurrent_jobs.unwrap_or(1), config: read(), endpoints }
}

/// Lays each target's own recipes over those for all.
pub(super) fn catalog(
    targets: &BTreeMap<String, TargetEntry>,
    shared: &Endpoints,
    custom: &BTreeMap<String, Arc<Recipe>>,
) -> Catalog {
    let of = |entry: &TargetEntry| {
        let mut recipes: BTreeMap<TaskType, Arc<Recipe>> = BTreeMap::new();
        for (task_type, endpoint) in shared.iter().chain(&entry.endpoints) {
            match endpoint {
                Endpoint::Recipe(recipe) => recipes.insert(*task_type, Arc::clone(recipe)),
                Endpoint::Disabled => recipes.remove(task_type),
            };
        }
        TargetCatalog {
            recipes,
            custom: custom.clone(),
            max_concurrent_jobs: entry.max_concurrent_jobs,
            ..TargetCatalog::default()
        }
    };
    Catalog::new(targets.iter().map(|(name, entry)| (name.clone(), of(entry))).collect())
}

/// Names stand in metrics labels, in variables of the environment and in messages: lower case, digits, `_` and `-`.
pub(super) fn check_name(name: &str, section: &Section<'_>) {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let rest = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if !first || !rest || name.len() > 64 {
        section
            .table_mistake("has a name that is not made of a-z, 0-9, '_' and '-', beginning with a letter or digit, at most 64");
    }
}

fn base_url(node: &Node) -> Result<Url, String> {
    let url = http_url(node)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not have a query or a fragment".to_owned());
    }
    Ok(url)
}

/// A URL without credentials.
pub(super) fn http_url(node: &Node) -> Result<Url, String> {
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
