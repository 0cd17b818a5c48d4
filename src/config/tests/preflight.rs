use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{Setup, accepted, refused};
use crate::config::{Expected, MetricRule, PreflightCheck};
use crate::domain::recipe::{Method, RenderedCall};

fn checks(lines: &str) -> Vec<PreflightCheck> {
    accepted(&format!("[[targets.default.preflight]]\n{lines}")).targets["default"].preflight.clone()
}

#[test]
fn a_check_is_a_question_and_an_answer() {
    let found = checks(
        "path = '/metrics?deep=1'
        metrics = [{ name = 'a:b_1', at_most = 5 }, { name = 'c', labels = { cf = 'default' }, at_least = -0.5, at_most = 1e9 }]
        [[targets.default.preflight]]
        path = '/index/stats'
        body = { table = 'orders' }
        success = { statuses = [200], assertions = [{ pointer = '/ok', equals = true }] }
        [[targets.default.preflight]]
        path = '/stats'",
    );
    let call = |path: &str, body| RenderedCall { method: Method::Get, path: path.to_owned(), body };
    assert_eq!(found[0].call, call("/metrics?deep=1", None));
    let rule = |name: &str, labels, at_least, at_most| MetricRule { name: name.to_owned(), labels, at_least, at_most };
    let labels = BTreeMap::from([("cf".to_owned(), "default".to_owned())]);
    let rules = vec![rule("a:b_1", BTreeMap::new(), None, Some(5.0)), rule("c", labels, Some(-0.5), Some(1e9))];
    assert_eq!(found[0].expected, Expected::Metrics(rules));
    assert_eq!(found[1].call, call("/index/stats", Some(json!({"table": "orders"}))));
    assert!(matches!(&found[1].expected, Expected::Json(rule) if rule.statuses == [200] && rule.assertions.len() == 1));
    assert!(matches!(&found[2].expected, Expected::Json(rule) if rule.statuses.is_empty() && rule.assertions.is_empty()));
}

#[test]
fn only_a_target_with_checks_puts_jobs_off() {
    let catalog =
        accepted("[targets.eu]\nbase_url = 'http://h'\npreflight_interval = '2m'\npreflight = { path = '/stats' }").catalog;
    assert_eq!(catalog.target("default").expect("a target").preflight, None);
    assert_eq!(catalog.target("eu").expect("a target").preflight, Some(Duration::from_secs(120)));
    refused("targets.default.preflight_interval = '2h'", "targets.default.preflight_interval must be from 1s to 1h, not 2h");
}

#[test]
fn a_later_layer_replaces_the_checks() {
    let over = "[targets.default.preflight]\npath = '/metrics'\nmetrics = { name = 'a', at_most = 1 }";
    let config =
        Setup::new().file("targets.default.preflight = { path = '/x', success = { statuses = [204] } }").file(over).config();
    let found = &config.targets["default"].preflight;
    assert!(found.len() == 1 && matches!(found[0].expected, Expected::Metrics(_)), "{found:?}");
}

#[test]
fn every_rule_of_a_check_is_checked() {
    let bad = |lines: &str, expected: &str| {
        refused(&format!("[[targets.default.preflight]]\n{lines}"), &format!("targets.default.preflight[0]{expected}"));
    };
    bad("success = {}", ".path is missing");
    bad("path = 'http://h/x'", ".path must begin with '/'");
    bad("path = '/admin/restore'", ".path must not lead to /admin/restore");
    bad("path = '/x/{table}'", ".path or body has a place to fill, but no task stands behind it");
    bad("path = '/x'\nbody = { table = '{table}' }", ".path or body has a place to fill, but no task stands behind it");
    bad("path = '/x'\nmethod = 'POST'\nbody = 'none'", ".method must be GET");
    bad("path = '/x'\ninterval = '1s'", ".interval is not a known key");
    let metrics =
        |metric: &str, expected: &str| bad(&format!("path = '/x'\nmetrics = [{metric}]"), &format!(".metrics{expected}"));
    metrics("", " must hold at least one table");
    metrics("{ at_most = 1 }", "[0].name is missing");
    metrics("{ name = '1a', at_most = 1 }", "[0].name must be the name of a metric");
    metrics("{ name = 'a' }", "[0] needs at_most or at_least");
    metrics("{ name = 'a', at_most = 'x' }", "[0].at_most must be a number");
    metrics("{ name = 'a', at_least = 2, at_most = 1 }", "[0].at_least must not be above at_most, 1");
    metrics("{ name = 'a', at_most = 1, labels = 'cf' }", "[0].labels must be a table of label values");
    metrics("{ name = 'a', at_most = 1, labels = { cf = 1 } }", "[0].labels must be a string");
    metrics("{ name = 'a', at_most = 1, equals = 1 }", "[0].equals is not a known key");
    bad("path = '/x'\nsuccess = {}\nmetrics = [{ name = 'a', at_most = 1 }]", ".success and metrics are both given");
}
