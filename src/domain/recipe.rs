//! Endpoints: the recipe by which a task type is carried out on a target. Recipes are data; this file renders their calls and
//! judges their answers, and knows no HTTP client.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

/// The longest time that one attempt may take where the recipe says nothing.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3600);

/// How a task type is carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The call that does the work.
    pub call: Call,
    /// Parameters without which the task fails before any call.
    pub required_parameters: Vec<String>,
    /// Smallest accepted value of numeric parameters, for a target on which a smaller one does harm.
    pub minimums: BTreeMap<String, f64>,
    /// When the answer counts as success.
    pub success: SuccessRule,
    /// Read-only calls made after success; a target can claim success without having done anything (THEMISDB.md, Conduct).
    pub verify: Vec<Check>,
    /// For a target that answers at once and works on: how to wait for the end.
    pub poll: Option<Poll>,
    /// How to stop the work; `{handle}` is the poll handle.
    pub cancel: Option<Call>,
    /// Limit for one attempt, verification and polling included.
    pub timeout: Duration,
    /// True when doing it twice is as good as once: only then is an attempt with an unknown outcome repeated.
    pub idempotent: bool,
    /// JSON pointers into the answer, shown as `result_summary`.
    pub summary: Vec<String>,
}

impl Recipe {
    /// Checks a task's parameters before any call is made: every required one is there, and those with a minimum are numbers
    /// that are not below it.
    ///
    /// # Errors
    /// Lists everything that is wrong, in words.
    pub fn check_parameters(&self, parameters: &Map<String, Value>) -> Result<(), String> {
        let given = |name: &String| parameters.get(name).filter(|value| !value.is_null());
        let missing = self.required_parameters.iter().filter(|name| given(name).is_none());
        let mut mistakes: Vec<String> = missing.map(|name| format!("parameter '{name}' is missing")).collect();
        for (name, least) in &self.minimums {
            match given(name).map(Value::as_f64) {
                None => {}
                Some(None) => mistakes.push(format!("parameter '{name}' must be a number")),
                Some(Some(number)) if number < *least => mistakes.push(format!("parameter '{name}' must be at least {least}")),
                Some(Some(_)) => {}
            }
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("; ")) }
    }
}

/// One HTTP call.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Where, below the target's base URL.
    pub path: PathTemplate,
    /// With what.
    pub body: Body,
}

/// The methods that a recipe may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the methods of RFC 9110")]
pub enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// Reads a method in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(text))
    }

    /// The method's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a call sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Nothing.
    None,
    /// The task's parameters, less those used in the path and `endpoint`; `{}` when there are none.
    Parameters,
    /// A template. A string that is nothing but `{name}` becomes the value with its type; `{name}` within a longer string is
    /// replaced by the value's text; a member whose value is `{name?}` is left out when there is no such parameter.
    Template(Value),
}

/// A path with `{parameter}` places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(String);

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathTemplateError {
    /// It has to be a path, never a URL.
    #[error("must begin with '/' and contain no '//', no '..' and no blank")]
    NotAPath,
    /// `/admin/restore` replaces the live database (THEMISDB.md).
    #[error("must not lead to /admin/restore, which replaces the live database")]
    Restore,
    /// A brace without its partner, or nothing between them.
    #[error("has a '{{' or '}}' without its partner, or an empty '{{}}'")]
    Braces,
}

impl PathTemplate {
    /// Checks a template.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, PathTemplateError> {
        let forbidden = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#');
        if !text.starts_with('/') || text.contains("//") || text.contains("..") || text.contains(forbidden) {
            return Err(PathTemplateError::NotAPath);
        }
        if leads_to_restore(text) {
            return Err(PathTemplateError::Restore);
        }
        let mut open = false;
        for (index, c) in text.char_indices() {
            match c {
                '{' if open => return Err(PathTemplateError::Braces),
                '{' => open = true,
                '}' if !open || text[..index].ends_with('{') => return Err(PathTemplateError::Braces),
                '}' => open = false,
                _ => {}
            }
        }
        if open { Err(PathTemplateError::Braces) } else { Ok(Self(text.to_owned())) }
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names of the parameters in the path.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.split('{').skip(1).filter_map(|rest| rest.split('}').next())
    }

    fn render(&self, values: &Map<String, Value>) -> Result<String, RenderError> {
        let mut path = String::with_capacity(self.0.len() + 32);
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            path.push_str(before);
            let value = values.get(name).ok_or_else(|| RenderError::Missing(name.to_owned()))?;
            let text = scalar_text(value).ok_or_else(|| RenderError::NotScalar(name.to_owned()))?;
            if text.is_empty() || text == "." || text == ".." {
                return Err(RenderError::NotASegment(name.to_owned()));
            }
            percent_encode(&text, &mut path);
            rest = tail;
        }
        path.push_str(rest);
        if leads_to_restore(&path) { Err(RenderError::Restore) } else { Ok(path) }
    }
}

/// A call with its places filled.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedCall {
    /// How.
    pub method: Method,
    /// Path below the target's base URL, parameters percent-encoded.
    pub path: String,
    /// JSON to send, if any.
    pub body: Option<Value>,
}

/// Why a call cannot be made from a task's parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A place without a parameter.
    #[error("parameter '{0}' is missing")]
    Missing(String),
    /// An array or object where text is needed.
    #[error("parameter '{0}' must be a string, a number or a boolean")]
    NotScalar(String),
    /// Empty, or a dot segment.
    #[error("parameter '{0}' must not be empty, '.' or '..'")]
    NotASegment(String),
    /// The parameters lead to `/admin/restore`.
    #[error("the call would reach /admin/restore, which replaces the live database")]
    Restore,
}

impl Call {
    /// Fills the places of path and body. `values` are the task's parameters, and what the service adds (`job_id`, `handle`);
    /// only `parameters` are sent by [`Body::Parameters`].
    ///
    /// # Errors
    /// Names the parameter that is missing or unfit.
    pub fn render(&self, parameters: &Map<String, Value>, values: &Map<String, Value>) -> Result<RenderedCall, RenderError> {
        // What the service adds stands: a task must not choose, say, the job id that names a directory on the server.
        let mut all = parameters.clone();
        all.extend(values.iter().map(|(key, value)| (key.clone(), value.clone())));
        let path = self.path.render(&all)?;
        let body = match &self.body {
            Body::None => None,
            Body::Parameters => {
                let in_path: Vec<&str> = self.path.parameters().collect();
                let sent = parameters.iter().filter(|(key, _)| *key != "endpoint" && !in_path.contains(&key.as_str()));
                Some(Value::Object(sent.map(|(key, value)| (key.clone(), value.clone())).collect()))
            }
            Body::Template(template) => Some(fill(template, &all)?.unwrap_or(Value::Null)),
        };
        Ok(RenderedCall { method: self.method, path, body })
    }
}

/// A read-only call and what its answer has to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The call.
    pub call: Call,
    /// What its answer has to be.
    pub success: SuccessRule,
}

/// How to wait for work that goes on after the first answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// JSON pointer to the handle in the first answer; it fills `{handle}`.
    pub handle: String,
    /// The call that asks for the state.
    pub call: Call,
    /// JSON pointer to the state in that call's answer.
    pub state: String,
    /// States that mean success.
    pub succeeded: Vec<Value>,
    /// States that mean failure; any other state means that the work goes on.
    pub failed: Vec<Value>,
    /// Time between two polls.
    pub interval: Duration,
    /// What the last answer has to be, beside its state.
    pub success: SuccessRule,
}

/// When an answer counts as success.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SuccessRule {
    /// Accepted statuses; empty means any 2xx.
    pub statuses: Vec<u16>,
    /// What has to hold for the body.
    pub assertions: Vec<Assertion>,
}

/// One statement on a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    /// JSON pointer, RFC 6901; `""` is the whole body.
    pub pointer: String,
    /// What has to hold there.
    pub test: Test,
}

/// What has to hold for a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The value is there and equal.
    Equals(Value),
    /// The value is there and different.
    NotEquals(Value),
    /// The value is a number and not below.
    AtLeast(f64),
    /// The value is there.
    Exists,
    /// The value is not there.
    Absent,
}

impl SuccessRule {
    /// True when the rule accepts the status.
    pub fn accepts_status(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&status) }
    }

    /// Judges a body. A body that is not JSON is given as `None`.
    ///
    /// # Errors
    /// Says in words which assertion does not hold.
    pub fn check_body(&self, body: Option<&Value>) -> Result<(), String> {
        if self.assertions.is_empty() {
            return Ok(());
        }
        let body = body.ok_or("the answer is not JSON")?;
        self.assertions.iter().try_for_each(|assertion| assertion.check(body))
    }
}

impl Assertion {
    fn check(&self, body: &Value) -> Result<(), String> {
        let found = body.pointer(&self.pointer);
        let holds = match (&self.test, found) {
            (Test::Absent, found) => found.is_none(),
            (_, None) => false,
            (Test::Exists, Some(_)) => true,
            (Test::Equals(expected), Some(value)) => same(value, expected),
            (Test::NotEquals(unwanted), Some(value)) => !same(value, unwanted),
            (Test::AtLeast(least), Some(value)) => value.as_f64().is_some_and(|number| number >= *least),
        };
        if holds {
            return Ok(());
        }
        let found = found.map_or("missing".to_owned(), |value| super::fields::printable(&value.to_string()));
        Err(format!("{} {}, but it is {found}", if self.pointer.is_empty() { "the body" } else { &self.pointer }, self.test))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(formatter, "must be {value}"),
            Self::NotEquals(value) => write!(formatter, "must be there and not {value}"),
            Self::AtLeast(least) => write!(formatter, "must be at least {least}"),
            Self::Exists => formatter.write_str("must be there"),
            Self::Absent => formatter.write_str("must be absent"),
        }
    }
}

/// Equality that does not care whether a number is written `1` or `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Picks the values at `pointers` out of a body, under the pointers' last segments; `None` when none is there.
pub fn summarize(pointers: &[String], body: Option<&Value>) -> Option<Value> {
    let body = body?;
    let found: Map<String, Value> = pointers
        .iter()
        .filter_map(|pointer| {
            let name = pointer.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("body");
            body.pointer(pointer).map(|value| (name.to_owned(), value.clone()))
        })
        .collect();
    (!found.is_empty()).then_some(Value::Object(found))
}

/// Fills a body template; `None` for an optional place without a value.
fn fill(template: &Value, values: &Map<String, Value>) -> Result<Option<Value>, RenderError> {
    match template {
        Value::String(text) => fill_text(text, values),
        Value::Array(items) => {
            let filled: Result<Vec<_>, _> = items.iter().map(|item| fill(item, values)).collect();
            Ok(Some(Value::Array(filled?.into_iter().flatten().collect())))
        }
        Value::Object(members) => {
            let mut filled = Map::new();
            for (key, member) in members {
                if let Some(value) = fill(member, values)? {
                    filled.insert(key.clone(), value);
                }
            }
            Ok(Some(Value::Object(filled)))
        }
        other => Ok(Some(other.clone())),
    }
}

fn fill_text(text: &str, values: &Map<String, Value>) -> Result<Option<Value>, RenderError> {
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains(['{', '}'])) {
        return match (values.get(name.trim_end_matches('?')), name.ends_with('?')) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, true) => Ok(None),
            (None, false) => Err(RenderError::Missing(name.to_owned())),
        };
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { break };
        let value = values.get(name).ok_or_else(|| RenderError::Missing(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(&scalar_text(value).ok_or_else(|| RenderError::NotScalar(name.to_owned()))?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(Some(Value::String(filled)))
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986, so that a value stays within its segment.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn leads_to_restore(path: &str) -> bool {
    let path = path.split(['?']).next().unwrap_or(path).to_ascii_lowercase();
    // Encoded letters would be the way around: refuse what a server might decode to it.
    let decoded = percent_decode(&path);
    decoded
        .split('/')
        .filter(|segment| !segment.is_empty() && *segment != ".")
        .collect::<Vec<_>>()
        .join("/")
        .contains("admin/restore")
}

fn percent_decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, code) {
            (b'%', Some(code)) => {
                bytes.push(code.to_ascii_lowercase());
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    fn call(path: &str, body: Body) -> Call {
        Call { method: Method::Post, path: PathTemplate::parse(path).expect("a path"), body }
    }

    #[test]
    fn parameters_in_the_path_are_encoded_and_not_sent_in_the_body() {
        let call = call("/stats/{table}/x", Body::Parameters);
        let parameters = object(json!({"table": "a/b ü%", "endpoint": "e", "column": "c"}));
        let rendered = call.render(&parameters, &Map::new()).expect("rendered");
        assert_eq!(rendered.path, "/stats/a%2Fb%20%C3%BC%25/x");
        assert_eq!(rendered.body, Some(json!({"column": "c"})));
    }

    #[test]
    fn a_path_parameter_cannot_leave_its_segment() {
        let call = call("/stats/{table}", Body::None);
        for (value, error) in [
            (json!(".."), RenderError::NotASegment("table".into())),
            (json!(""), RenderError::NotASegment("table".into())),
            (json!({"a": 1}), RenderError::NotScalar("table".into())),
        ] {
            assert_eq!(call.render(&object(json!({"table": value})), &Map::new()), Err(error));
        }
        assert_eq!(call.render(&Map::new(), &Map::new()), Err(RenderError::Missing("table".into())));
    }

    #[test]
    fn templates_keep_the_type_of_a_value_that_stands_alone() {
        let template = json!({"n": "{n}", "text": "n is {n}", "list": ["{n}", 1], "maybe": "{absent?}", "job": "{job_id}"});
        let rendered = call("/x", Body::Template(template)).render(&object(json!({"n": 5})), &object(json!({"job_id": "j"})));
        assert_eq!(rendered.expect("rendered").body, Some(json!({"n": 5, "text": "n is 5", "list": [5, 1], "job": "j"})));
    }

    #[test]
    fn paths_that_are_no_paths_and_restore_are_refused() {
        for bad in ["", "x", "http://h/x", "//h/x", "/a/../b", "/a b", "/a{", "/a}", "/{}", "/{a{b}}", "/a#b"] {
            assert!(PathTemplate::parse(bad).is_err(), "{bad}");
        }
        for restore in ["/admin/restore", "/Admin/Restore?x=1", "/v1/admin/restore", "/admin/./restore", "/admin/%72estore"] {
            assert_eq!(PathTemplate::parse(restore), Err(PathTemplateError::Restore), "{restore}");
        }
        let sneaky = call("/admin/{what}", Body::None);
        assert_eq!(sneaky.render(&object(json!({"what": "restore"})), &Map::new()), Err(RenderError::Restore));
    }

    #[test]
    fn assertions_say_what_is_wrong() {
        let rule =
            |pointer: &str, test| SuccessRule { statuses: vec![], assertions: vec![Assertion { pointer: pointer.into(), test }] };
        let body = json!({"success": true, "n": 3, "error": null});
        assert_eq!(rule("/success", Test::Equals(json!(true))).check_body(Some(&body)), Ok(()));
        assert_eq!(rule("/n", Test::Equals(json!(3.0))).check_body(Some(&body)), Ok(()));
        assert_eq!(rule("/n", Test::AtLeast(4.0)).check_body(Some(&body)), Err("/n must be at least 4, but it is 3".into()));
        assert_eq!(
            rule("/type", Test::NotEquals(json!(""))).check_body(Some(&body)),
            Err("/type must be there and not \"\", but it is missing".into())
        );
        assert_eq!(rule("/error", Test::Absent).check_body(Some(&body)), Err("/error must be absent, but it is null".into()));
        assert_eq!(rule("/n", Test::Exists).check_body(None), Err("the answer is not JSON".into()));
        assert_eq!(SuccessRule::default().check_body(None), Ok(()));
        assert!(SuccessRule::default().accepts_status(204) && !SuccessRule::default().accepts_status(301));
    }

    #[test]
    fn parameters_that_are_missing_or_too_small_are_all_listed() {
        let recipe = Recipe {
            call: call("/x", Body::Parameters),
            required_parameters: vec!["table".into(), "column".into()],
            minimums: BTreeMap::from([("before".to_owned(), 0.0), ("pages".to_owned(), 1.0)]),
            success: SuccessRule::default(),
            verify: vec![],
            poll: None,
            cancel: None,
            timeout: DEFAULT_TIMEOUT,
            idempotent: false,
            summary: vec![],
        };
        assert_eq!(
            recipe.check_parameters(&object(json!({"column": null, "before": -1, "pages": "3"}))),
            Err("parameter 'table' is missing; parameter 'column' is missing; parameter 'before' must be at least 0; \
                 parameter 'pages' must be a number"
                .into())
        );
        assert_eq!(recipe.check_parameters(&object(json!({"table": "t", "column": "c", "before": 0}))), Ok(()));
    }

    #[test]
    fn a_summary_takes_what_is_there() {
        let pointers = ["/a/b".to_owned(), "/nothing".to_owned()];
        assert_eq!(summarize(&pointers, Some(&json!({"a": {"b": 1}}))), Some(json!({"b": 1})));
        assert_eq!(summarize(&pointers, Some(&json!([]))), None);
    }
}
