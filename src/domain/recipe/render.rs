//! Fills the places of a call with a task's parameters.

use serde_json::{Map, Value};

use super::{Body, Call, Method};
use crate::domain::fields::printable;

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

/// Why a call cannot be made, or an answer not be judged, with the values that there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A place without a parameter or another value of that name.
    #[error("parameter '{}' is missing", printable(.0))]
    Missing(String),
    /// An array or object where text is needed.
    #[error("parameter '{}' must be a string, a number or a boolean", printable(.0))]
    NotScalar(String),
    /// Empty, or a dot segment.
    #[error("parameter '{}' must not be empty, '.' or '..'", printable(.0))]
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

/// Fills a body template; `None` for an optional place without a value.
pub(super) fn fill(template: &Value, values: &Map<String, Value>) -> Result<Option<Value>, RenderError> {
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
    if let Some(name) = lone_place(text) {
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

/// The name in a text that is nothing but `{name}`, with the mark of an optional place.
pub(super) fn lone_place(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}').filter(|name| !name.contains(['{', '}']))
}

/// A value as it stands in a path or within a longer text; arrays and objects have no such form.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
