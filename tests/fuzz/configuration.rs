//! Configurations: every mistake says where it is, and none of them, nor what is printed of an accepted one, shows a secret. An input is
//! a file; lines of it that begin with `#env ` set variables.

use std::path::PathBuf;

use anyhow::ensure;
use proptest::prelude::*;
use themis_maintenance::config::{Config, ConfigMistakes, ENVIRONMENT_PREFIX, Mode, Source, load};

use crate::checks::{check_message, kind};
use crate::driver::{Fuzz, Verdict};

/// Stands in the corpus wherever a secret can be.
const SECRET: &str = "kept-secret-kept-secret-kept-secret";

const WORDS: &[&str] = &[
    "[server]",
    "[auth]",
    "[storage]",
    "[orchestrator]",
    "[targets.default]",
    "[targets.east]",
    "[[targets.default.preflight]]",
    "[targets.default.tls]",
    "[endpoints.CACHE_WARM]",
    "[custom_endpoints.vacuum]",
    "[profiles.x.endpoints.CACHE_WARM]",
    "[target_groups]",
    "[probes.p]",
    "[audit]",
    "[telemetry]",
    "[metrics]",
    "listen",
    "hs256_secret",
    "algorithms",
    "leeway",
    "url",
    "base_url",
    "token",
    "profile",
    "method",
    "path",
    "body",
    "success",
    "verify",
    "poll",
    "cancel",
    "steps",
    "capture",
    "discover",
    "assertions",
    "pointer",
    "equals",
    "at_least",
    "matches",
    "timeout",
    "idempotent",
    "summary",
    "required_parameters",
    "parameter_minimums",
    "disabled",
    "bundles",
    "= ",
    "= true",
    "= 1",
    "= -1",
    "= nan",
    "= inf",
    "= 1e308",
    "= 9223372036854775807",
    "= 0x7f",
    "= 2026-01-01",
    "= \"\"",
    "= []",
    "= {}",
    "= \"30s\"",
    "= \"99999999999h\"",
    "= '''",
    "\"\"\"",
    "\\u001b",
    "\n",
    ".",
    "\"",
    "#env ",
    "#env TARGETS__EAST__BASE_URL=http://h",
    "#env ENDPOINTS__CACHE_WARM__PATH=/x",
    "__",
    "{a}",
    "{a?}",
    "{handle}",
    "GET",
    "POST",
    "/admin/restore",
    "http://",
    "sqlite:",
    "memory:",
    "127.0.0.1:0",
    "[::1]:80",
    "a = {",
    "a.b = 1",
];

#[test]
fn mistakes_say_where_they_are_and_hold_no_secret() {
    Fuzz { name: "configuration", words: WORDS, generated }.run(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("c.toml");
        move |input| {
            let _ = &folder;
            judge(&path, input)
        }
    });
}

/// Recipes: the part with the most rules.
fn generated() -> BoxedStrategy<Vec<u8>> {
    let text = |all: &[&str]| prop::sample::select(all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    let path = text(&["/x", "/x/{a}", "/{handle}", "/{a}/{b?}", "/x?y={c}", "/admin/{a}"]);
    let pointer = text(&["", "/a", "/a/0", "a", "/~2"]);
    let test = text(&[
        "equals = 1",
        "at_least = '{c}'",
        "at_most = 2.5",
        "matches = '^a'",
        "absent = true",
        "not_equals = '{a?}'",
        "exists = true",
    ]);
    let rule =
        (pointer.clone(), test).prop_map(|(pointer, test)| format!("{{ assertions = [{{ pointer = '{pointer}', {test} }}] }}"));
    let body = text(&["'none'", "'parameters'", "{ x = '{a}', y = ['{b?}'] }", "[1, '{handle}']"]);
    let extra = prop_oneof![
        (path.clone(), rule.clone()).prop_map(|(path, rule)| format!("verify = {{ path = '{path}', success = {rule} }}")),
        (path.clone(), pointer.clone()).prop_map(|(path, pointer)| format!(
            "poll = {{ handle = '{pointer}', path = '{path}', state = '/s', succeeded = ['ok'] }}"
        )),
        (path.clone(), pointer.clone())
            .prop_map(|(path, pointer)| format!("steps = [{{ path = '{path}', capture = {{ c = '{pointer}' }} }}]")),
        (path.clone(), pointer.clone())
            .prop_map(|(path, pointer)| format!("discover = {{ parameter = 'a', path = '{path}', value = '{pointer}' }}")),
        pointer.prop_map(|pointer| format!("summary = ['{pointer}', '{{c}}']")),
        "[0-9]{1,12}(ms|s|m|h|d)?".prop_map(|time| format!("timeout = '{time}'")),
    ];
    let table = text(&[
        "endpoints.CACHE_WARM",
        "endpoints.cache_warm",
        "custom_endpoints.x",
        "targets.default.endpoints.LOG_ROTATION",
        "profiles.p.endpoints.CACHE_WARM",
    ]);
    (table, text(&["GET", "POST", "delete"]), path, body, rule, prop::collection::vec(extra, 0..3))
        .prop_map(|(table, method, path, body, rule, extra)| {
            format!("[{table}]\nmethod = '{method}'\npath = '{path}'\nbody = {body}\nsuccess = {rule}\n{}\n", extra.join("\n"))
                .into_bytes()
        })
        .boxed()
}

fn judge(path: &PathBuf, input: &[u8]) -> Verdict {
    std::fs::write(path, input)?;
    let text = String::from_utf8_lossy(input);
    let set = text.lines().filter_map(|line| line.strip_prefix("#env ")?.split_once('='));
    let mut variables: Vec<(String, String)> =
        set.map(|(name, value)| (format!("{ENVIRONMENT_PREFIX}{name}"), value.to_owned())).collect();
    // Without a key there would be the same mistake each time; whoever sets another one sets it later.
    variables.insert(0, (format!("{ENVIRONMENT_PREFIX}AUTH__HS256_SECRET"), SECRET.to_owned()));
    let secret = every_marker_is_a_secret(&text);
    match load(std::slice::from_ref(path), variables, Mode::Serve) {
        Ok(config) => check_accepted(&config, secret),
        Err(mistakes) => check_mistakes(&mistakes, secret),
    }
}

/// What was accepted can be shown to anybody.
fn check_accepted(config: &Config, secret: bool) -> Verdict {
    let (summary, debug) = (config.summary().to_string(), format!("{config:?}"));
    ensure!(!secret || !summary.contains(SECRET), "the summary shows a secret: {summary}");
    ensure!(!secret || !debug.contains(SECRET), "what is printed for developers shows a secret: {debug}");
    summary.lines().try_for_each(check_message)?;
    Ok(format!("accepted: {} targets, {} groups", config.targets.len().min(3), config.catalog.group_names().count().min(3)))
}

fn check_mistakes(mistakes: &ConfigMistakes, secret: bool) -> Verdict {
    ensure!(!mistakes.0.is_empty(), "refused without a reason");
    let mut kinds: Vec<String> = Vec::new();
    for mistake in &mistakes.0 {
        check_message(&mistake.to_string())?;
        let of_a_source =
            ["is not TOML", "cannot be read", "is not a key"].iter().any(|words| mistake.message.starts_with(words));
        ensure!(!mistake.key.is_empty() || of_a_source, "'{mistake}' names no key");
        ensure!(!secret || !mistake.to_string().contains(SECRET), "a mistake shows a secret: {mistake}");
        let source = match mistake.source {
            Source::Default => "defaults",
            Source::File(_) => "file",
            Source::Environment(_) => "variable",
        };
        kinds.push(format!("{source} {}", kind(&mistake.message)));
    }
    kinds.sort();
    kinds.dedup();
    Ok(format!("{} ({})", kinds[0], kinds.len().min(4)))
}

/// True when the marker only stands where a secret belongs. Where a change has made a name or another value of it, it may be shown.
fn every_marker_is_a_secret(text: &str) -> bool {
    let in_file = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let quoted = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        // URLs are refused without being shown: their credentials are secrets.
        let url = ["base_url", "url"].contains(&key.trim()) && quoted.contains(&format!(":{SECRET}@"));
        ((["hs256_secret", "token"].contains(&key.trim()) || url) && !quoted.contains('"')).then_some(())
    };
    let in_variable = |line: &str| {
        let (name, _) = line.strip_prefix("#env ")?.split_once('=')?;
        ["AUTH__HS256_SECRET", "TARGETS__DEFAULT__TOKEN", "METRICS__TOKEN"].contains(&name).then_some(())
    };
    // The tables in which these keys mean what they say; elsewhere `token` may be a parameter of a task.
    let tables = ["[auth]", "[metrics]", "[targets.default]", "[targets.east]", "[probes.p]"];
    let mut table = "";
    text.lines().all(|line| {
        let plain = line.trim();
        if plain.starts_with('[') {
            table = plain;
        }
        !line.contains(SECRET) || in_variable(line).is_some() || (tables.contains(&table) && in_file(line).is_some())
    })
}
