use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{accepted, find, refused};
use crate::domain::recipe::{Assertion, Body, Method, Recipe, Test};
use crate::domain::task::{Parameters, TaskSpec, TaskType};

/// The recipe of LOG_ROTATION out of these lines.
pub(super) fn recipe(lines: &str) -> Arc<Recipe> {
    let config = accepted(&format!("[endpoints.LOG_ROTATION]\n{lines}"));
    Arc::clone(find(&config.catalog, "default", &TaskSpec::plain(TaskType::LogRotation)).expect("a recipe"))
}

/// Asserts that these lines of an otherwise whole recipe are a mistake.
#[track_caller]
pub(super) fn bad(lines: &str, expected: &str) {
    let text = format!("[endpoints.LOG_ROTATION]\nmethod = 'POST'\npath = '/x'\n{lines}");
    refused(&text, &format!("endpoints.LOG_ROTATION{expected}"));
}

#[test]
fn what_is_left_out_has_a_default() {
    let post = recipe("method = 'POST'\npath = '/x'");
    assert_eq!((post.call.method, &post.call.body), (Method::Post, &Body::Parameters));
    assert_eq!((post.timeout, post.idempotent), (Duration::from_secs(3600), false));
    assert!(post.success.statuses.is_empty() && post.verify.is_empty() && post.poll.is_none() && post.cancel.is_none());
    assert!(post.minimums.is_empty() && post.summary.is_empty() && post.required_parameters.is_empty());
    for (method, body) in [("get", Body::None), ("DELETE", Body::None), ("Put", Body::Parameters), ("PATCH", Body::Parameters)] {
        assert_eq!(recipe(&format!("method = '{method}'\npath = '/x'")).call.body, body, "{method}");
    }
    assert_eq!(recipe("method = 'POST'\npath = '/x'\nbody = 'none'").call.body, Body::None);
    assert_eq!(recipe("method = 'GET'\npath = '/x'\nbody = []").call.body, Body::Template(json!([])));
}

#[test]
fn every_key_is_read() {
    let recipe = recipe(
        "method = 'PUT'
        path = '/x/{table}'
        body = { n = '{n}', maybe = '{maybe?}', job = '{job_id}', task = '{task_name}' }
        required_parameters = ['reason']
        parameter_minimums = { n = 0.5 }
        timeout = '10m'
        idempotent = true
        summary = ['/a', '']
        success = { statuses = [202], assertions = [
            { pointer = '', exists = true }, { pointer = '/s', equals = '' }, { pointer = '/t', not_equals = 1 },
            { pointer = '/n', at_least = 2 }, { pointer = '/e', absent = true } ] }
        verify = { path = '/v/{handle}', success = { assertions = [{ pointer = '/ok', equals = true }] } }
        poll = { handle = '/id', path = '/p/{handle}', state = '/state', succeeded = ['done', 1], failed = [false], interval = '20ms' }
        cancel = { method = 'DELETE', path = '/p/{handle}/{reason2}' }",
    );
    assert_eq!(recipe.required_parameters, ["reason", "table", "n", "reason2"]);
    assert_eq!(recipe.minimums["n"], 0.5);
    assert_eq!((recipe.timeout, recipe.idempotent), (Duration::from_secs(600), true));
    assert_eq!(recipe.summary, ["/a".into(), "".into()]);
    assert_eq!(recipe.success.statuses, [202]);
    let tests: Vec<&Test> = recipe.success.assertions.iter().map(|assertion| &assertion.test).collect();
    let expected = [Test::Exists, Test::Equals("".into()), Test::NotEquals(1.into()), Test::AtLeast(2.into()), Test::Absent];
    assert_eq!(tests, expected.iter().collect::<Vec<_>>());
    assert_eq!((recipe.verify[0].call.method, &recipe.verify[0].call.body), (Method::Get, &Body::None));
    assert_eq!(recipe.verify[0].success.assertions, [Assertion { selector: "/ok".into(), test: Test::Equals(true.into()) }]);
    let poll = recipe.poll.as_ref().expect("a poll");
    assert_eq!((poll.handle.as_str(), poll.state.as_str(), poll.call.method), ("/id", "/state", Method::Get));
    assert_eq!((&poll.succeeded, &poll.failed), (&vec![json!("done"), json!(1)], &vec![json!(false)]));
    assert_eq!(poll.interval, Duration::from_millis(20));
    assert_eq!(recipe.cancel.as_ref().map(|call| call.method), Some(Method::Delete));
}

#[test]
fn targets_have_recipes_of_their_own_and_can_do_without() {
    let config = accepted(
        "[targets.eu]\nbase_url = 'http://h'\n[targets.eu.endpoints.metrics_collection]\nmethod = 'GET'\npath = '/eu'\n\
         [targets.eu.endpoints.INDEX_REBUILD]\ndisabled = true\n[endpoints.INDEX_OPTIMIZE]\ndisabled = true",
    );
    let path = |target: &str, task_type| {
        let found = find(&config.catalog, target, &TaskSpec::plain(task_type));
        found.map_or("none".to_owned(), |recipe| recipe.call.path.as_str().to_owned())
    };
    assert_eq!(path("default", TaskType::MetricsCollection), "/stats");
    assert_eq!(path("eu", TaskType::MetricsCollection), "/eu");
    assert_eq!(path("default", TaskType::IndexRebuild), "/index/rebuild");
    assert_eq!(path("eu", TaskType::IndexRebuild), "none");
    assert_eq!(path("default", TaskType::IndexOptimize), "none");
}

#[test]
fn custom_endpoints_are_there_for_every_target() {
    let config = accepted(
        "[targets.eu]\nbase_url = 'http://h'\n[custom_endpoints.purge]\nmethod = 'POST'\npath = '/purge'\n\
         [custom_endpoints.off]\nmethod = 'POST'\npath = '/off'\ndisabled = true",
    );
    let task = |name: &str| {
        let parameters = json!({"endpoint": name}).as_object().cloned().expect("an object");
        TaskSpec { parameters: Parameters::One(parameters), ..TaskSpec::plain(TaskType::Custom) }
    };
    for target in ["default", "eu"] {
        assert!(find(&config.catalog, target, &task("purge")).is_ok());
        assert!(find(&config.catalog, target, &task("off")).is_err());
    }
    refused("[custom_endpoints.Purge]\nmethod = 'POST'\npath = '/x'", "custom_endpoints.Purge has a name");
}

#[test]
fn types_are_known_and_custom_is_no_type_with_an_endpoint() {
    refused(
        "[endpoints.INDEX_REBIULD]\nmethod = 'GET'",
        "endpoints.INDEX_REBIULD is not a task type; did you mean INDEX_REBUILD?",
    );
    refused("[endpoints.custom]\npath = '/x'", "endpoints.CUSTOM cannot have an endpoint: a CUSTOM task names one of");
    refused("[targets.default.endpoints.X]\npath = '/x'", "targets.default.endpoints.X is not a task type");
}

#[test]
fn every_rule_of_a_recipe_is_checked() {
    bad("timeout = '61m'", ".timeout must be from 1ms to 1h, not 1h 1m");
    bad("idempotent = 'yes'", ".idempotent must be true or false");
    bad("retries = 3", ".retries is not a known key");
    bad("body = 'form'", ".body must be \"none\", \"parameters\", or a table or an array");
    bad("body = 5", ".body must be \"none\", \"parameters\", or a table or an array as a template, not an integer");
    bad("body = { a = 'n is {n?}' }", ".body has an optional place");
    bad("body = { a = 'n is {}' }", ".body has a place without a name");
    bad("body = { a = '{handle}' }", " has {handle} in path, body or success");
    bad("summary = ['a']", ".summary must be a JSON pointer");
    bad("parameter_minimums = { n = 'x' }", ".parameter_minimums must be a number");
    bad("parameter_minimums = 0", ".parameter_minimums must be a table of numbers");
    bad("success = { statuses = [99] }", ".success.statuses must be an array of HTTP statuses");
    bad("success = { status = [200] }", ".success.status is not a known key; did you mean statuses?");
    bad("success = { assertions = [{ exists = true }] }", ".success.assertions[0].pointer is missing");
    bad("success = { assertions = [{ pointer = 'x', exists = true }] }", ".success.assertions[0].pointer must be a JSON pointer");
    bad("success = { assertions = [{ pointer = '/x' }] }", ".success.assertions[0] needs exactly one of");
    bad(
        "success = { assertions = [{ pointer = '/x', equals = 1, exists = true }] }",
        ".success.assertions[0] needs exactly one of",
    );
    bad("success = { assertions = [{ pointer = '/x', exists = false }] }", ".success.assertions[0].exists can only be true");
    bad("success = { assertions = [{ pointer = '/x', at_least = 'a' }] }", ".success.assertions[0].at_least must be a number");
    bad("verify = [{ path = '/y' }, { path = '/y', method = 'POST', body = 'none' }]", ".verify[1].method must be GET");
    bad("verify = { path = '/admin/restore' }", ".verify.path must not lead to /admin/restore");
    bad("verify = { path = '/v/{handle}' }", " has {handle} in verify, but no poll table");
    bad("cancel = { path = '/c' }", ".cancel.method is missing");
    bad(
        "poll = { handle = '/id', path = '/p', state = '/s', succeeded = [] }",
        ".poll.succeeded must be an array with at least one",
    );
    bad("poll = { handle = '/id', path = '/p', state = '/s' }", ".poll.succeeded is missing");
    bad("poll = { handle = 'id', path = '/p', state = '/s', succeeded = ['x'] }", ".poll.handle must be a JSON pointer");
    bad("disabled = 'yes'", ".disabled must be true or false");
    refused("[endpoints.LOG_ROTATION]\nmethod = 'BREW'\npath = '/x'", "endpoints.LOG_ROTATION.method must be GET");
    refused("[endpoints.LOG_ROTATION]\nmethod = 'POST'\npath = 'http://h/x'", "endpoints.LOG_ROTATION.path must begin with '/'");
}
