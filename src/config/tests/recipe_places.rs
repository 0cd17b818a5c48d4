//! Steps, captured values, discovery: what is read, and what of it cannot work.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::recipes::{bad, recipe};
use crate::domain::recipe::{Body, Measure, Method, Selector, SummaryEntry, Test};

const POLL: &str = "poll = { handle = '/id', path = '/p/{handle}', state = '/s', succeeded = ['x']";

#[test]
fn every_key_around_the_main_call_is_read() {
    let recipe = recipe(
        "method = 'POST'
        path = '/x/{plan}'
        body = { rows = '{rows}' }
        timeout = '10m'
        on_unknown = 'count the rows'
        capture = { run = '/run' }
        summary = ['/a', '{plan}', '{run}']
        success = { assertions = [
            { pointer = '/n', at_least = '{least?}' }, { pointer = '/n', at_most = '{most}' }, { pointer = '/s', matches = '^a|b$' },
            { pointer = '', count = true, at_least = 1 }, { pointer = '/list', sum = '/n', equals = '{total}' } ] }
        steps = [
            { path = '/stats', body = { t = '{table}' }, capture = { total = { pointer = '', sum = '/n' }, rows = { pointer = '/r', count = true } } },
            { method = 'PUT', path = '/plans', unless = 'plan', success = { statuses = [201] }, capture = { plan = '/id' } } ]
        verify = [{ path = '/v/{run}' }, { path = '/v', settles = false }]
        discover = { parameter = 'table', path = '/tables', items = '/tables', value = '' }
        poll = { handle = '/id', path = '/p/{handle}', state = '/s', succeeded = ['x'], interval = '90s', backoff = 1.5, deadline = '24h', progress = '/pc' }",
    );
    let pointer = |pointer: &str| Selector::from(pointer);
    let [stats, plan] = recipe.steps.as_slice() else { panic!("two steps") };
    assert_eq!((stats.call.method, plan.call.method), (Method::Get, Method::Put));
    assert_eq!((&stats.call.body, &plan.call.body), (&Body::Template(json!({"t": "{table}"})), &Body::Parameters));
    let sum = Selector { pointer: String::new(), measure: Measure::Sum("/n".into()) };
    let count = Selector { pointer: "/r".into(), measure: Measure::Count };
    assert_eq!(stats.capture, BTreeMap::from([("total".to_owned(), sum), ("rows".to_owned(), count)]));
    assert_eq!((&stats.unless, plan.unless.as_deref(), plan.success.statuses.as_slice()), (&None, Some("plan"), &[201][..]));
    assert_eq!(recipe.capture, BTreeMap::from([("run".to_owned(), pointer("/run"))]));
    assert_eq!(recipe.required_parameters, ["table", "most"], "captured and optional places are not required");
    let captured = |name: &str| SummaryEntry::Captured(name.into());
    assert_eq!(recipe.summary, ["/a".into(), captured("plan"), captured("run")]);
    assert_eq!(recipe.on_unknown.as_deref(), Some("count the rows"));
    let assertions = &recipe.success.assertions;
    assert_eq!(assertions[0].test, Test::AtLeast("{least?}".into()));
    assert_eq!(assertions[1].test, Test::AtMost("{most}".into()));
    assert!(matches!(&assertions[2].test, Test::Matches(pattern) if pattern.as_str() == "^a|b$"));
    assert_eq!((&assertions[3].selector.measure, &assertions[4].selector.measure), (&Measure::Count, &Measure::Sum("/n".into())));
    assert_eq!(recipe.verify.iter().map(|check| check.settles).collect::<Vec<_>>(), [true, false]);
    let found = &recipe.discover[0];
    assert_eq!((found.parameter.as_str(), found.items.as_str(), found.value.as_str()), ("table", "/tables", ""));
    let poll = recipe.poll.as_ref().expect("a poll");
    let seconds = Duration::from_secs;
    assert_eq!((poll.interval, poll.backoff, poll.max_interval, poll.deadline), (seconds(90), 1.5, seconds(90), seconds(86_400)));
    assert_eq!(poll.progress, Some(pointer("/pc")));
}

#[test]
fn a_poll_has_defaults() {
    let recipe = recipe(&format!("method = 'POST'\npath = '/x'\ntimeout = '10m'\n{POLL} }}"));
    let poll = recipe.poll.as_ref().expect("a poll");
    assert_eq!((poll.interval, poll.backoff, poll.max_interval), (Duration::from_secs(5), 1.0, Duration::from_secs(60)));
    assert_eq!((poll.deadline, &poll.progress), (recipe.timeout, &None));
    bad(&format!("{POLL}, backoff = 0.5 }}"), ".poll.backoff must be from 1 to 10, not 0.5");
    bad(&format!("{POLL}, max_interval = '1s' }}"), ".poll.max_interval must not be below the interval");
    bad(&format!("{POLL}, deadline = '25h' }}"), ".poll.deadline must be from 1ms to 1day, not 1day 1h");
    bad(&format!("{POLL}, progress = 'x' }}"), ".poll.progress must be a JSON pointer");
}

#[test]
fn a_value_is_used_only_where_it_is_known() {
    let step = |rest: &str| format!("steps = [{{ path = '/s', {rest} }}]");
    let two = |first: &str, second: &str| format!("steps = [{{ path = '/s', {first} }}, {{ path = '/t', {second} }}]");
    bad(&two("body = { a = '{a}' }", "capture = { a = '/a' }"), " has {a} in steps[0], but it is captured only later");
    bad(&step("capture = { a = '/a' }, body = { a = '{a}' }"), " has {a} in steps[0], but it is captured only later");
    bad(
        &step("capture = { a = '/a' }, success = { assertions = [{ pointer = '/a', equals = '{a}' }] }"),
        " has {a} in steps[0], but it is captured only later",
    );
    bad("capture = { a = '/a' }\nbody = { a = '{a?}' }", " has {a} in path, body or success, but it is captured only later");
    bad(
        &format!("{}\nbody = {{ a = '{{a}}' }}", step("unless = 'u', capture = { a = '/a' }")),
        " has {a} in path, body or success, but it is missing when steps[0] is left out",
    );
    bad(&two("capture = { a = '/a' }", "capture = { a = '/b' }"), " captures a twice");
    bad("body = { h = '{handle}' }", " has {handle} in path, body or success, which is known only after the first answer");
    bad(&step("body = { h = '{handle}' }"), " has {handle} in steps[0], which is known only after the first answer");
    bad("cancel = { method = 'POST', path = '/c/{handle}' }", " has {handle} in cancel, but no poll table");
    bad("summary = ['{nothing}']", ".summary names {nothing}, which nothing captures");
    let discover = |path: &str| format!("discover = {{ parameter = 'p', path = '{path}', value = '/v' }}");
    bad(&discover("/d/{p}"), " has {p} in the discover call that looks for it");
    bad(
        &format!("capture = {{ a = '/a' }}\n{}", discover("/d/{a}")),
        " has {a} in discover, which comes before every other call",
    );
    recipe(&format!("method = 'POST'\npath = '/x'\nbody = {{ b = '{{b?}}' }}\n{}", step("unless = 'u', capture = { b = '/b' }")));
}

#[test]
fn every_rule_of_steps_selectors_and_discovery_is_checked() {
    bad("steps = { path = '/admin/restore' }", ".steps.path must not lead to /admin/restore");
    bad("verify = { path = '/v/{p?}' }", ".verify.path has an optional place such as {name?}; a path needs all of its places");
    bad("steps = [{ path = '/s' }, { path = '/s', unles = 'x' }]", ".steps[1].unles is not a known key; did you mean unless?");
    bad("steps = { path = '/s', unless = 5 }", ".steps.unless must be a string, not an integer");
    bad("on_unknown = 5", ".on_unknown must be a string, not an integer");
    bad("capture = 'x'", ".capture must be a table of JSON pointers by name, not a string");
    bad("capture = { a = 'x' }", ".capture has a, which must be a JSON pointer: empty, or beginning with '/'");
    for selector in ["5", "{ count = true }", "{ pointer = '', count = false }", "{ pointer = '', count = true, sum = '/n' }"] {
        bad(&format!("capture = {{ a = {selector} }}"), ".capture has a, which must be a JSON pointer, or a table");
    }
    for taken in ["job_id", "task_name", "handle", "endpoint"] {
        bad(&format!("capture = {{ {taken} = '/a' }}"), &format!(".capture has {taken}, a name that is taken"));
    }
    bad("capture = { 'a?' = '/a' }", ".capture has \"a?\", which is no name");
    bad("verify = { path = '/v', settles = 'no' }", ".verify.settles must be true or false");
    bad("discover = { path = '/d', value = '/v' }", ".discover.parameter is missing");
    bad("discover = { parameter = 'p', path = '/d' }", ".discover.value is missing");
    bad(
        "discover = { parameter = 'p', path = '/d', value = '/v', method = 'POST' }",
        ".discover.method must be GET: a discovery must",
    );
    bad(
        "discover = { parameter = 'p', path = '/admin/restore', value = '/v' }",
        ".discover.path must not lead to /admin/restore",
    );
    let assertion = |rest: &str| format!("success = {{ assertions = [{{ pointer = '/x', {rest} }}] }}");
    let at = ".success.assertions[0]";
    bad(&assertion("matches = '('"), &format!("{at}.matches must be a regular expression: "));
    bad(&assertion("at_most = true"), &format!("{at}.at_most must be a number, or a place such as"));
    bad(&assertion("at_least = '{a}{b}'"), &format!("{at}.at_least must be a number, or a place such as"));
    bad(&assertion("equals = 'n {a?}'"), &format!("{at}.equals has an optional place"));
    bad(&assertion("equals = { a = ['{}'] }"), &format!("{at}.equals has a place without a name"));
    bad(&assertion("count = true, exists = true"), &format!("{at} has count or sum, which make a number"));
    bad(&assertion("count = false, equals = 1"), &format!("{at}.count can only be true"));
    bad(&assertion("count = true, sum = '/n', equals = 1"), &format!("{at} has both count and sum"));
    bad(&assertion("sum = 'n', equals = 1"), &format!("{at}.sum must be a JSON pointer"));
}
