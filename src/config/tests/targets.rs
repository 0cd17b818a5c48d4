//! Profiles, default parameters, groups and circuit breakers.

use std::time::Duration;

use serde_json::json;

use super::super::DEFAULT_TOML;
use super::{Setup, accepted, find, refused};
use crate::config::Config;
use crate::domain::catalog::BreakerRule;
use crate::domain::task::{Parameters, TaskSpec, TaskType};

const PROFILE: &str = "
    [profiles.next.endpoints.metrics_collection]
    method = 'GET'
    path = '/next'
    [profiles.next.endpoints.INDEX_REBUILD]
    disabled = true
    [profiles.next.endpoints.LOG_ROTATION]
    method = 'POST'
    path = '/next/rotate'
    [profiles.next.custom_endpoints.purge]
    method = 'POST'
    path = '/next/purge'
    [profiles.next.custom_endpoints.off]
    disabled = true
    [custom_endpoints.off]
    method = 'POST'
    path = '/off'
    [custom_endpoints.purge]
    method = 'POST'
    path = '/purge'
    [targets.eu]
    base_url = 'http://h'
    profile = 'next'
    [targets.eu.endpoints.LOG_ROTATION]
    method = 'POST'
    path = '/eu/rotate'
";

fn path(config: &Config, target: &str, task_type: TaskType) -> String {
    let found = find(&config.catalog, target, &TaskSpec::plain(task_type));
    found.map_or("none".to_owned(), |recipe| recipe.call.path.as_str().to_owned())
}

fn custom_path(config: &Config, target: &str, name: &str) -> String {
    let parameters = json!({"endpoint": name}).as_object().cloned().expect("an object");
    let found = config.catalog.recipe(target, TaskType::Custom, &parameters);
    found.map_or("none".to_owned(), |recipe| recipe.call.path.as_str().to_owned())
}

#[test]
fn the_most_specific_recipe_wins() {
    let config = accepted(PROFILE);
    assert_eq!((config.targets["eu"].profile.as_str(), config.targets["default"].profile.as_str()), ("next", "themisdb-2025"));
    assert_eq!(path(&config, "default", TaskType::MetricsCollection), "/stats");
    assert_eq!(path(&config, "eu", TaskType::MetricsCollection), "/next");
    assert_eq!(path(&config, "eu", TaskType::LogRotation), "/eu/rotate");
    assert_eq!(path(&config, "eu", TaskType::IndexRebuild), "none");
    assert_eq!(path(&config, "eu", TaskType::IndexOptimize), "/index/reindex");
    for (target, purge, off) in [("default", "/purge", "/off"), ("eu", "/next/purge", "none")] {
        assert_eq!((custom_path(&config, target, "purge"), custom_path(&config, target, "off")), (purge.into(), off.into()));
    }
}

#[test]
fn a_recipe_of_a_profile_is_replaced_as_a_whole() {
    let over = "[profiles.next.endpoints.LOG_ROTATION]\nmethod = 'POST'\n[profiles.next.custom_endpoints.purge]\nmethod = 'POST'";
    let mistakes = Setup::new().file(PROFILE).file(over).mistakes();
    let expected =
        ["profiles.next.endpoints.LOG_ROTATION.path is missing", "profiles.next.custom_endpoints.purge.path is missing"];
    assert_eq!(mistakes, expected);
    let config = Setup::new().file(PROFILE).variable("PROFILES__NEXT__ENDPOINTS__LOG_ROTATION__TIMEOUT", "3s").config();
    assert_eq!(path(&config, "eu", TaskType::LogRotation), "/eu/rotate");
}

#[test]
fn profiles_are_known_and_well_formed() {
    let expected = "targets.default.profile names \"themisdb-2031\", which is no profile: set [profiles.themisdb-2031], or take one \
                    of themisdb-2025, themisdb-2026";
    refused("targets.default.profile = 'themisdb-2031'", expected);
    refused("[profiles.Next]", "profiles.Next has a name");
    refused("[profiles.next]\nrecipes = {}", "profiles.next.recipes is not a known key");
    refused("[profiles.next.endpoints.X]\npath = '/x'", "profiles.next.endpoints.X is not a task type");
    let twice = "[profiles.next.endpoints]\nlog_rotation = { disabled = true }\nLOG_ROTATION = { disabled = true }";
    refused(twice, "profiles.next.endpoints.LOG_ROTATION is given twice");
    assert_eq!(accepted("targets.default.profile = 'themisdb-2026'").targets["default"].profile, "themisdb-2026");
}

#[test]
fn default_parameters_are_a_table_or_a_list_of_them() {
    let config = Setup::new()
        .file(
            "[targets.default.parameters]\nindex_rebuild = [{ table = 'a', column = 'b' }, { table = 'c', column = 'd' }]\n\
             CUSTOM = { endpoint = 'purge' }\nINDEX_OPTIMIZE = { table = 'a' }",
        )
        .variable("TARGETS__DEFAULT__PARAMETERS__INDEX_OPTIMIZE__DEEP", "true")
        .config();
    let of = |task_type| serde_json::to_value(config.catalog.parameters("default", &TaskSpec::plain(task_type))).expect("JSON");
    assert_eq!(of(TaskType::IndexRebuild), json!([{"table": "a", "column": "b"}, {"table": "c", "column": "d"}]));
    assert_eq!(of(TaskType::Custom), json!({"endpoint": "purge"}));
    assert_eq!(of(TaskType::IndexOptimize), json!({"table": "a", "deep": true}));
    assert_eq!(of(TaskType::LogRotation), json!({}));
    let own = json!({"table": "z"}).as_object().cloned().expect("an object");
    let task = TaskSpec { parameters: Parameters::One(own), ..TaskSpec::plain(TaskType::IndexOptimize) };
    let laid = serde_json::to_value(config.catalog.parameters("default", &task)).expect("JSON");
    assert_eq!(laid, json!({"table": "z", "deep": true}));
}

#[test]
fn default_parameters_are_checked() {
    let many = vec!["{}"; 257].join(", ");
    for (value, expected) in [
        ("'orders'", "must be a table of parameters, or an array of such tables"),
        ("[]", "must hold from 1 to 256 tables, not 0"),
        (&format!("[{many}]"), "must hold from 1 to 256 tables, not 257"),
        ("[{}, 5]", "must hold nothing but tables"),
        ("{ at = 2026-01-01 }", "must be something that JSON knows"),
    ] {
        let text = format!("[targets.default.parameters]\nINDEX_REBUILD = {value}");
        refused(&text, &format!("targets.default.parameters.INDEX_REBUILD {expected}"));
    }
    let unknown = "targets.default.parameters.INDEX_REBIULD is not a task type; did you mean INDEX_REBUILD?";
    refused("[targets.default.parameters]\nINDEX_REBIULD = {}", unknown);
    let twice = "[targets.default.parameters]\nlog_rotation = {}\nLOG_ROTATION = {}";
    refused(twice, "targets.default.parameters.LOG_ROTATION is given twice");
}

#[test]
fn groups_are_lists_of_targets() {
    let config = Setup::new()
        .file("[targets.eu]\nbase_url = 'http://h'\n[target_groups]\nall = ['eu', 'default']\neu = ['eu']\ngone = ['eu']")
        .variable("TARGET_GROUPS__SOME", "default, eu")
        .variable("TARGET_GROUPS__GONE", "")
        .config();
    assert_eq!(config.catalog.group_names().collect::<Vec<_>>(), ["all", "eu", "some"]);
    assert_eq!(config.catalog.group("all"), Some(&["eu".to_owned(), "default".to_owned()][..]));
    assert_eq!(config.catalog.group("some"), Some(&["default".to_owned(), "eu".to_owned()][..]));
    let many = vec!["'default'"; 65].join(", ");
    for (group, expected) in [
        ("x = []", "x must name from 1 to 64 targets, not 0"),
        (&format!("x = [{many}]"), "x must name from 1 to 64 targets, not 65"),
        ("x = ['us']", "x names \"us\", which is not configured: set [targets.us]"),
        ("x = ['default', 'default']", "x names \"default\" twice"),
        ("x = 'default'", "x must be an array of strings, not a string"),
        ("X = ['default']", "X has a name that is not made of"),
    ] {
        refused(&format!("[target_groups]\n{group}"), &format!("target_groups.{expected}"));
    }
}

#[test]
fn a_target_says_when_it_is_left_alone() {
    let rule = |config: &Config| config.catalog.target("default").expect("a target").breaker;
    assert_eq!(rule(&accepted("")), BreakerRule { failures: 5, cooldown: Duration::from_secs(10) });
    let config = accepted("targets.default = { breaker_failures = 1, breaker_cooldown = '5m' }");
    assert_eq!(rule(&config), BreakerRule { failures: 1, cooldown: Duration::from_secs(300) });
    refused("targets.default.breaker_failures = 0", "targets.default.breaker_failures must be from 1 to 1000, not 0");
    refused("targets.default.breaker_cooldown = '6m'", "targets.default.breaker_cooldown must be from 1s to 5m, not 6m");
}

/// The examples of the default file's part on targets, comment signs taken away.
#[test]
fn the_examples_on_targets_can_be_put_to_use() {
    let (targets, _) = DEFAULT_TOML.split_once("# Sets of recipes for a version").expect("the profiles");
    let (_, comments) = targets.split_once("# What a target's tasks are told").expect("the parameters");
    let (comments, groups) = comments.split_once("# Names for lists of").expect("the groups");
    let lines = |text: &str| -> String {
        let examples = text.lines().filter_map(|line| line.strip_prefix("# "));
        let is_toml = |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
        examples.filter(is_toml).collect::<Vec<_>>().join("\n")
    };
    let text = format!(
        "{}\n[target_groups]\n{}\n[targets.eu-1]\nbase_url = 'http://h'\n[targets.eu-2]\nbase_url = 'http://h'",
        lines(comments),
        lines(groups)
    );
    let config = accepted(&text);
    let task = TaskSpec::plain(TaskType::IndexRebuild);
    let rebuilds = config.catalog.parameters("default", &task);
    assert_eq!(rebuilds.each().len(), 2);
    assert_eq!(config.targets["default"].preflight.len(), 2);
    assert_eq!(config.catalog.target("default").expect("a target").preflight, Some(Duration::from_secs(30)));
    assert_eq!(config.catalog.group("eu").map(<[String]>::len), Some(2));
}
