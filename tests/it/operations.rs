//! `docs/OPERATIONS.md` tells what the program is: its tables are made anew from configuration, catalogue and sources, and compared.
//!
//! What is made stands between `<!-- NAME: generated -->` and `<!-- NAME: end -->`. `UPDATE_DOCS=1` writes it in place of comparing it.

mod configuration;
mod log_fields;
mod metrics;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use themis_maintenance::config::{Mode, load};

use crate::support::TestApp;

const HOW: &str = "`UPDATE_DOCS=1 cargo test --test it operations`";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn document() -> PathBuf {
    root().join("docs/OPERATIONS.md")
}

/// Where the text between two marks begins and ends.
fn between(text: &str, begin: &str, end: &str) -> std::ops::Range<usize> {
    let from = text.find(begin).unwrap_or_else(|| panic!("docs/OPERATIONS.md has no {begin}")) + begin.len();
    let length = text[from..].find(end).unwrap_or_else(|| panic!("docs/OPERATIONS.md has no {end}"));
    from..from + length
}

#[expect(clippy::disallowed_methods, reason = "the test's own setting")]
fn writes() -> bool {
    std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1")
}

#[test]
fn the_tables_are_those_of_the_configuration_and_of_the_metrics() {
    let committed = std::fs::read_to_string(document()).expect("docs/OPERATIONS.md");
    let mut text = committed.clone();
    for (name, made) in [
        ("configuration", configuration::reference(&read("config/default.toml"))),
        ("metrics", metrics::table(&read("src/telemetry/metrics/catalogue.rs"))),
    ] {
        let range = between(&text, &format!("<!-- {name}: generated -->\n"), &format!("<!-- {name}: end -->"));
        text.replace_range(range, &format!("{made}\n"));
    }
    if writes() {
        std::fs::write(document(), &text).expect("a written document");
        return;
    }
    if let Some((index, (is, should))) = committed.lines().zip(text.lines()).enumerate().find(|(_, (is, should))| is != should) {
        panic!("docs/OPERATIONS.md is out of date: {HOW} writes it. Line {} is\n{is}\nand should be\n{should}", index + 1);
    }
    assert_eq!(committed, text, "docs/OPERATIONS.md is out of date: {HOW} writes it");
}

#[test]
fn every_key_that_has_a_default_is_in_the_reference() {
    let text = read("config/default.toml");
    let mut keys = BTreeSet::new();
    collect(&mut keys, "", &toml::from_str(&text).expect("TOML"));
    let listed: Vec<String> = configuration::keys(&text).into_iter().map(|key| key.path).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len(), "a key is listed twice");
    assert_eq!(unique, keys);
}

/// Paths of all values but those of recipes.
fn collect(keys: &mut BTreeSet<String>, prefix: &str, table: &toml::Table) {
    for (name, value) in table {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(_) if name == "endpoints" || name == "custom_endpoints" => {}
            toml::Value::Table(inner) => collect(keys, &path, inner),
            _ => {
                keys.insert(path);
            }
        }
    }
}

#[test]
fn every_variable_of_the_reference_is_understood() {
    // An unknown key would be a mistake.
    let keys = configuration::keys(&read("config/default.toml"));
    let variables = keys.iter().map(|key| (key.variable(), key.default.trim_matches('"').to_owned()));
    if let Err(mistakes) = load(&[], variables, Mode::Dev) {
        panic!("{mistakes}");
    }
}

#[test]
fn every_field_of_the_log_is_described_and_no_other() {
    let text = std::fs::read_to_string(document()).expect("docs/OPERATIONS.md");
    let described = log_fields::described(&text[between(&text, "<!-- log fields -->\n", "<!-- log fields: end -->")]);
    let used = log_fields::used(&root().join("src"));
    assert!(used.len() > 50, "the events were found");
    let mut sorted = described.clone();
    sorted.sort_unstable();
    assert_eq!(described, sorted, "the fields stand in their order");
    // The members that every line has.
    let of_lines = ["level", "message", "target", "timestamp"];
    let missing: Vec<_> = used.iter().filter(|(field, _)| !described.contains(field)).collect();
    assert!(missing.is_empty(), "docs/OPERATIONS.md does not describe these fields: {missing:?}");
    let gone: Vec<_> =
        described.iter().filter(|field| !used.contains_key(*field) && !of_lines.contains(&field.as_str())).collect();
    assert!(gone.is_empty(), "docs/OPERATIONS.md describes fields that no line has: {gone:?}");
}

#[tokio::test]
async fn the_metrics_of_the_table_are_those_of_the_page() {
    let mut app = TestApp::start().await;
    let page = app.metrics().await;
    let listed = metrics::metrics(&read("src/telemetry/metrics/catalogue.rs"));
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a name and a kind");
        assert!(listed.iter().any(|metric| metric.name == name && metric.kind == kind), "{line}");
    }
    app.stop().await;
}
