//! The calls of a recipe: methods, paths and bodies, and the tables of those around the main one.

use std::time::Duration;

use super::layer::{Node, Value};
use super::recipe_places::assert_texts;
use super::recipe_rules::{assert_pointer, capture, pointer, selector, success};
use super::section::Section;
use super::values::{boolean, duration, float, json, kind, string};
use super::{DAY, HOUR};
use crate::domain::recipe::{Body, Call, Check, Discovery, Method, PathTemplate, Poll, Step};

/// The longest time between two polls where nothing else is said, unless the interval is longer.
const DEFAULT_MAX_INTERVAL: Duration = Duration::from_secs(60);

/// Method, path and body. `default_method` is for calls that have an obvious one.
pub(super) fn call(section: &mut Section<'_>, default_method: Option<Method>) -> Option<Call> {
    let read_method = |node: &Node| Method::parse(&string(node)?).ok_or("must be GET, POST, PUT, PATCH or DELETE".to_owned());
    let method = match default_method {
        Some(default) => section.or("method", default, read_method),
        None => section.required("method", read_method),
    };
    let path = section.required("path", path);
    let body = match section.node("body") {
        None => Some(match method {
            Some(Method::Get | Method::Delete) => Body::None,
            _ => Body::Parameters,
        }),
        Some(node) => body(node).map_err(|message| section.mistake("body", message)).ok(),
    };
    Some(Call { method: method?, path: path?, body: body? })
}

fn path(node: &Node) -> Result<PathTemplate, String> {
    let path = PathTemplate::parse(&string(node)?).map_err(|error| error.to_string())?;
    let optional = path.parameters().any(|name| name.ends_with('?'));
    if optional { Err("has an optional place such as {name?}; a path needs all of its places".to_owned()) } else { Ok(path) }
}

fn body(node: &Node) -> Result<Body, String> {
    const EXPECTED: &str = "must be \"none\", \"parameters\", or a table or an array as a template";
    let word = match &node.value {
        Value::Table(_) | Value::List(_) | Value::Text { structured: Some(_), .. } => None,
        Value::Text { text, .. } | Value::Scalar(toml::Value::String(text)) => Some(text.as_str()),
        Value::Scalar(_) => return Err(format!("{EXPECTED}, not {}", kind(node))),
    };
    match word {
        Some("none") => Ok(Body::None),
        Some("parameters") => Ok(Body::Parameters),
        Some(_) => Err(EXPECTED.to_owned()),
        None => {
            let template = json(node)?;
            assert_texts(&template)?;
            Ok(Body::Template(template))
        }
    }
}

/// Reads a table, or an array of them; `None` when one of them is not whole.
pub(super) fn each<T>(section: &mut Section<'_>, key: &'static str, read: impl Fn(Section<'_>) -> Option<T>) -> Option<Vec<T>> {
    let given = section.tables(key);
    let count = given.len();
    let read: Vec<T> = given.into_iter().filter_map(read).collect();
    Some(read).filter(|read| read.len() == count)
}

/// Reads `steps`.
pub(super) fn steps(section: &mut Section<'_>) -> Option<Vec<Step>> {
    each(section, "steps", |mut section| {
        let call = call(&mut section, Some(Method::Get));
        let success = success(&mut section);
        let capture = capture(&mut section);
        let unless = match section.node("unless") {
            None => Some(None),
            Some(_) => section.optional("unless", string).map(Some),
        };
        section.finish();
        Some(Step { call: call?, success: success?, capture: capture?, unless: unless? })
    })
}

/// Reads `verify`.
pub(super) fn checks(section: &mut Section<'_>) -> Option<Vec<Check>> {
    each(section, "verify", |mut section| {
        let call = reading_call(&mut section, "a check");
        let success = success(&mut section);
        let settles = section.or("settles", true, boolean);
        section.finish();
        Some(Check { call: call?, success: success?, settles: settles? })
    })
}

/// Reads `discover`.
pub(super) fn discoveries(section: &mut Section<'_>) -> Option<Vec<Discovery>> {
    each(section, "discover", |mut section| {
        let parameter = section.required("parameter", string);
        let call = reading_call(&mut section, "a discovery");
        let success = success(&mut section);
        let items = section.or("items", String::new(), |node| assert_pointer(string(node)?));
        let value = pointer(&mut section, "value");
        section.finish();
        Some(Discovery { parameter: parameter?, call: call?, success: success?, items: items?, value: value? })
    })
}

/// A call that must not change anything; `what` is named when it would.
pub(super) fn reading_call(section: &mut Section<'_>, what: &str) -> Option<Call> {
    let call = call(section, Some(Method::Get));
    if call.as_ref().is_some_and(|call| call.method != Method::Get) {
        section.mistake("method", format!("must be GET: {what} must not change anything"));
    }
    call
}

/// Reads `cancel`; `Some(None)` without one.
pub(super) fn cancel(section: &mut Section<'_>) -> Option<Option<Call>> {
    if section.node("cancel").is_none() {
        return Some(None);
    }
    let mut section = section.section("cancel")?;
    let call = call(&mut section, None);
    section.finish();
    call.map(Some)
}

/// Reads `poll`; `Some(None)` without one. `timeout` is the recipe's.
pub(super) fn poll(section: &mut Section<'_>, timeout: Duration) -> Option<Option<Poll>> {
    if section.node("poll").is_none() {
        return Some(None);
    }
    let mut section = section.section("poll")?;
    let pointer = |node: &Node| assert_pointer(string(node)?);
    let handle = section.required("handle", pointer);
    let call = call(&mut section, Some(Method::Get));
    let state = section.required("state", pointer);
    let values = |node: &Node| match json(node)? {
        serde_json::Value::Array(values) if !values.is_empty() => Ok(values),
        _ => Err("must be an array with at least one value".to_owned()),
    };
    let succeeded = section.required("succeeded", values);
    let failed = section.or("failed", Vec::new(), values);
    let wait = duration(Duration::from_millis(1)..=HOUR);
    let interval = section.or("interval", Duration::from_secs(5), &wait);
    let backoff = section.or("backoff", 1.0, |node| match float(node)? {
        factor if (1.0..=10.0).contains(&factor) => Ok(factor),
        factor => Err(format!("must be from 1 to 10, not {factor}")),
    });
    let max_interval = section.or("max_interval", DEFAULT_MAX_INTERVAL.max(interval.unwrap_or_default()), &wait);
    let deadline = section.or("deadline", timeout, duration(Duration::from_millis(1)..=DAY));
    let progress = match section.node("progress") {
        None => Some(None),
        Some(_) => section.optional("progress", selector).map(Some),
    };
    let success = success(&mut section);
    section.finish();
    if let (Some(interval), Some(max_interval)) = (interval, max_interval)
        && max_interval < interval
    {
        section.mistake("max_interval", "must not be below the interval");
    }
    Some(Some(Poll {
        handle: handle?,
        call: call?,
        state: state?,
        succeeded: succeeded?,
        failed: failed?,
        interval: interval?,
        backoff: backoff?,
        max_interval: max_interval?,
        deadline: deadline?,
        progress: progress?,
        success: success?,
    }))
}
