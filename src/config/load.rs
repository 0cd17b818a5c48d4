//! From layers to a [`Config`].

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::zeroize::Zeroizing;

use super::layer::{Node, merge, parse_file};
use super::mistake::{Notes, Source};
use super::section::Section;
use super::{Config, ConfigMistakes, DEFAULT_TOML, Mode, SANDBOX_TOML};
use super::{auth, catalog, environment, groups, orchestrator, profiles, recipe, server, targets};

/// Reads the configuration: the defaults, `files` in their order, and the variables of `environment` that begin with
/// [`super::ENVIRONMENT_PREFIX`]; the others are ignored.
///
/// # Errors
/// Every mistake there is, of all sources.
pub fn load(
    files: &[PathBuf],
    environment: impl IntoIterator<Item = (String, String)>,
    mode: Mode,
) -> Result<Config, ConfigMistakes> {
    let notes = Notes::default();
    let built_in = match mode {
        Mode::Serve | Mode::Files => vec![DEFAULT_TOML],
        Mode::Dev => vec![DEFAULT_TOML, SANDBOX_TOML],
    };
    let mut root = Node::empty_table(Source::Default);
    let mut all_readable = true;
    for (text, source) in
        built_in.into_iter().map(|text| (Ok(Zeroizing::new(text.to_owned())), Source::Default)).chain(files.iter().map(read_file))
    {
        let source = Arc::new(source);
        match text.and_then(|text| parse_file(&text, &source, &notes)) {
            Ok(layer) => merge(&mut root, layer),
            Err(message) => {
                all_readable = false;
                notes.add("", message, &source);
            }
        }
    }
    merge(&mut root, environment::environment_layer(environment, &notes));

    let config = read(&root, mode, &notes);
    root.wipe();
    let mut mistakes = notes.into_mistakes();
    if !all_readable {
        // What nobody set may stand in the file that could not be read.
        mistakes.retain(|mistake| mistake.source != Source::Default);
    }
    match config {
        Some(config) if mistakes.is_empty() => Ok(config),
        _ => Err(ConfigMistakes(mistakes)),
    }
}

fn read_file(path: &PathBuf) -> (Result<Zeroizing<String>, String>, Source) {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| format!("cannot be read: {error}"));
    (text, Source::File(path.clone()))
}

/// Reads every section before giving up on the first that is not whole.
fn read(root: &Node, mode: Mode, notes: &Notes) -> Option<Config> {
    let mut root = Section::new("", root, notes)?;
    let server = root.section("server").and_then(server::server);
    let auth = root.section("auth").and_then(|section| auth::auth(section, mode));
    let storage = root.section("storage").and_then(server::storage);
    let orchestrator = root.section("orchestrator").and_then(orchestrator::orchestrator);
    // `default` is always among them: the default file has it, and layers cannot take a table away.
    let target_names = root.names("targets");
    let shared = catalog::Shared {
        endpoints: recipe::endpoints(root.named("endpoints")),
        custom: recipe::custom_endpoints(root.named("custom_endpoints")),
        profiles: profiles::profiles(root.named("profiles")),
    };
    let entries = targets::targets(root.named("targets"), &shared.profiles);
    let groups = root.section("target_groups").map(|section| groups::groups(&section, |name| target_names.contains(&name)));
    let probes = orchestrator::probes(root.named("probes"), |name| target_names.contains(&name));
    let audit = root.section("audit").and_then(server::audit);
    let telemetry = root.section("telemetry").and_then(server::telemetry);
    let metrics = root.section("metrics").and_then(server::metrics);
    if let (Some(server), Some(metrics)) = (&server, &metrics)
        && metrics.listen == Some(server.listen)
        && server.listen.port() != 0
    {
        root.mistake("metrics", "listen is the same address as server.listen; leave it empty to serve /metrics there");
    }
    root.finish();
    let catalog = catalog::catalog(&entries, &shared, groups.unwrap_or_default());
    Some(Config {
        server: server?,
        auth: auth?,
        storage: storage?,
        orchestrator: orchestrator?,
        targets: entries.into_iter().map(|(name, entry)| Some((name, entry.config?))).collect::<Option<_>>()?,
        catalog,
        probes,
        audit: audit?,
        telemetry: telemetry?,
        metrics: metrics?,
    })
}
