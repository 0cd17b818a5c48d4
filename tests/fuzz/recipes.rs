//! Recipes: whatever a task's parameters hold, a path stays what its template says, and never leads to `/admin/restore`; and whatever a
//! target answers can be judged. An input is an object: `path`, `body`, `parameters`, `values`, `pointer`, `sum`, `pattern`, `answer`.

use anyhow::{Context as _, ensure};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use themis_maintenance::domain::recipe::{
    Assertion, Body, Call, Measure, Method, PathTemplate, Pattern, RenderError, Selector, SuccessRule, Test, leads_to_restore,
};

use crate::checks::{check_message, document, kind};
use crate::driver::{Fuzz, Verdict};

const WORDS: &[&str] = &[
    "path",
    "body",
    "parameters",
    "values",
    "pointer",
    "sum",
    "pattern",
    "answer",
    "/",
    "//",
    ".",
    "..",
    "../",
    "%2e%2e",
    "%2E",
    "%2f",
    "%252e",
    "%5c",
    "\\",
    "?",
    "#",
    "&",
    ";",
    "{",
    "}",
    "{}",
    "{a}",
    "{b}",
    "{a?}",
    "{job_id}",
    "{handle}",
    "/{a}",
    "/{a}{b}",
    ".{a}",
    "%2{a}",
    "admin",
    "restore",
    "/admin",
    "ADMIN",
    "re",
    "store",
    "/admin/{a}",
    "a",
    "b",
    "/a",
    "/a/0",
    "/~0",
    "/~1",
    "/-",
    "/01",
    "(",
    "[a",
    "a{9}{9}{9}",
    "(?i)",
    "\\d+",
    "\\w{1000}",
    "$^",
    "\r\n",
    "http://x",
];

#[test]
fn parameters_never_lead_anywhere_else() {
    Fuzz { name: "recipe", words: WORDS, generated }.run(|| judge);
}

fn generated() -> BoxedStrategy<Vec<u8>> {
    let segment = prop_oneof![
        3 => prop::sample::select(vec!["{a}", "{b}", "{a}{b}", ".{a}", "{a}.", "x{a}", "%2e{a}", "%2{a}"]).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["admin", "restore", "v1", "stats", "re{a}", "."]).prop_map(str::to_owned),
        1 => "[a-zA-Z0-9_.~%-]{1,6}",
    ];
    let path = (prop::collection::vec(segment, 1..5), prop::option::of("\\?[a-z]=\\{[ab]\\}"))
        .prop_map(|(segments, query)| format!("/{}{}", segments.join("/"), query.unwrap_or_default()));
    let hostile = prop::sample::select(vec![
        "..",
        ".",
        "/",
        "../..",
        "%2e",
        "e",
        "restore",
        "admin",
        "store",
        "?x",
        "#",
        "a\r\nb: c",
        "\\",
        "admin/restore",
        "%2f",
        "ä",
    ]);
    let value = prop_oneof![3 => hostile.prop_map(Value::from), 1 => any::<i64>().prop_map(Value::from), 1 => "\\PC{0,4}".prop_map(Value::from), 1 => Just(Value::Null)];
    let pointer = prop::sample::select(vec!["", "/a", "/a/0", "/a/0/b", "/~1"]);
    (path, value.clone(), value.clone(), pointer, prop::collection::vec(value, 0..4)).prop_map(|(path, a, b, pointer, list)| {
        json!({"path": path, "parameters": {"a": a}, "values": {"b": b}, "body": {"x": "{a}", "y": "n {b}", "z": "{c?}"}, "pointer": pointer,
               "sum": "/n", "pattern": "^[ab]*$", "answer": {"a": list}})
        .to_string()
        .into_bytes()
    }).boxed()
}

fn judge(input: &[u8]) -> Verdict {
    let Some(document) = document(input) else { return Ok("not JSON".into()) };
    let text = |key: &str| document.get(key).and_then(Value::as_str).unwrap_or_default();
    let members = |key: &str| document.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
    let (parameters, values) = (members("parameters"), members("values"));
    let answer = document.get("answer").unwrap_or(&Value::Null);
    let judged = [
        check_answer(&text_selectors(text("pointer"), text("sum")), &document, answer)?,
        check_pattern(text("pattern"), answer)?,
    ];

    let template = match PathTemplate::parse(text("path")) {
        Ok(template) => template,
        Err(error) => {
            check_message(&error.to_string())?;
            return Ok(format!("{error}; {judged:?}"));
        }
    };
    ensure!(PathTemplate::parse(template.as_str()).as_ref() == Ok(&template), "a template is another one when it is read again");
    ensure!(!leads_to_restore(template.as_str()), "a template leads to restore");
    let body = document.get("body").cloned().map_or(Body::Parameters, Body::Template);
    let call = Call { method: Method::Post, path: template, body };
    match call.render(&parameters, &values) {
        Ok(rendered) => {
            check_path(&call.path, &rendered.path)?;
            check_body(&call.body, rendered.body.as_ref(), &parameters)?;
            Ok(format!("rendered {} places; {judged:?}", call.path.parameters().count().min(4)))
        }
        Err(error) => {
            check_message(&error.to_string())?;
            let which = match error {
                RenderError::Missing(_) => "missing",
                RenderError::NotScalar(_) => "no scalar",
                RenderError::NotASegment(_) => "no segment",
                RenderError::Restore => "restore",
            };
            Ok(format!("{which}; {judged:?}"))
        }
    }
}

/// The places have been filled, and nothing else of the path has changed: no segment more or less, no query, no line break.
fn check_path(template: &PathTemplate, path: &str) -> anyhow::Result<()> {
    ensure!(!leads_to_restore(path), "leads to restore: {path}");
    // One more time, for a server behind a proxy that decodes as well.
    ensure!(!leads_to_restore(&path.replace("%25", "%")), "leads to restore when it is decoded twice: {path}");
    ensure!(
        !path.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '#' | '{' | '}')),
        "no path: {path:?}"
    );
    for separator in ['/', '?', '&', ';', '='] {
        let literal: usize = outside_of_places(template.as_str()).map(|part| part.matches(separator).count()).sum();
        ensure!(path.matches(separator).count() == literal, "another number of '{separator}': {path}");
    }
    let dots = |path: &str| {
        let path = path.split_once('?').map_or(path, |(path, _)| path).to_ascii_lowercase();
        path.split('/').filter(|segment| matches!(segment.replace("%2e", ".").as_str(), "." | "..")).count()
    };
    ensure!(dots(path) <= dots(template.as_str()), "a dot segment where none was: {path}");
    Ok(())
}

/// The literal parts of a template.
fn outside_of_places(template: &str) -> impl Iterator<Item = &str> {
    template
        .split('{')
        .enumerate()
        .map(|(index, part)| if index == 0 { part } else { part.split_once('}').map_or("", |(_, rest)| rest) })
}

/// A body has the shape of its template, and without one only what the task gave.
fn check_body(template: &Body, body: Option<&Value>, parameters: &Map<String, Value>) -> anyhow::Result<()> {
    let body = body.context("the body is missing")?;
    match (template, body) {
        (Body::Parameters, Value::Object(sent)) => {
            ensure!(sent.iter().all(|(name, value)| parameters.get(name) == Some(value) && name != "endpoint"), "sends {body}");
        }
        (Body::Template(Value::Object(written)), Value::Object(sent)) => {
            ensure!(sent.keys().all(|name| written.contains_key(name)), "sends members that the template does not have: {body}");
        }
        (Body::Template(Value::Array(written)), Value::Array(sent)) => ensure!(sent.len() <= written.len(), "sends more: {body}"),
        (Body::Template(Value::Object(_) | Value::Array(_)), _) | (Body::Parameters, _) => {
            anyhow::bail!("sends another shape: {body}")
        }
        _ => {}
    }
    Ok(())
}

fn text_selectors(pointer: &str, sum: &str) -> [Selector; 3] {
    [Measure::Value, Measure::Count, Measure::Sum(sum.to_owned())]
        .map(|measure| Selector { pointer: pointer.to_owned(), measure })
}

/// What a target answers is judged, whatever it is; the words can be shown.
fn check_answer(selectors: &[Selector], expected: &Value, answer: &Value) -> Verdict {
    let mut seen = Vec::new();
    for selector in selectors {
        let again = selector.pick(answer);
        ensure!(selector.pick(answer) == again, "picks something else the second time");
        if let Err(words) = &again {
            check_message(words)?;
        }
        let operand = || expected.get("body").cloned().unwrap_or_default().into();
        for test in [
            Test::Equals(operand()),
            Test::NotEquals(operand()),
            Test::AtLeast(operand()),
            Test::AtMost(operand()),
            Test::Exists,
            Test::Absent,
        ] {
            let rule = SuccessRule { statuses: Vec::new(), assertions: vec![Assertion { selector: selector.clone(), test }] };
            let verdict = rule.check_body(Some(answer));
            if let Err(words) = &verdict {
                check_message(words)?;
            }
            seen.push(verdict.is_ok());
        }
        seen.push(again.is_ok());
    }
    Ok(seen.iter().map(|held| if *held { '1' } else { '0' }).collect())
}

fn check_pattern(text: &str, answer: &Value) -> Verdict {
    match Pattern::parse(text) {
        Ok(pattern) => {
            ensure!(
                pattern.as_str() == text && Pattern::parse(text).as_ref() == Ok(&pattern),
                "an expression is another one when it is read again"
            );
            let matches = pattern.matches(&answer.to_string());
            Ok(format!("matches {matches}"))
        }
        Err(message) => {
            check_message(&message)?;
            Ok(kind(&message))
        }
    }
}
