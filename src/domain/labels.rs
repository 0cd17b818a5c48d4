//! Labels of schedules, and how a list is narrowed down by them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{FieldError, Fields, printable, type_name};

/// The most labels of one schedule.
pub const MAX_LABELS: usize = 32;
/// The longest key or value, in bytes.
pub const MAX_LABEL_BYTES: usize = 63;

/// What the author of a schedule wants it to be found by: a key has one value, which may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// True without any label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keys with their values, in order.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// Reads the field `labels`: an object of texts. Every broken rule is noted with its key.
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        let Some(members) = fields.object("labels") else { return Self::default() };
        let mut errors = Vec::new();
        if members.len() > MAX_LABELS {
            errors.push(FieldError::new(fields.path("labels"), format!("must have at most {MAX_LABELS} labels")));
        }
        let mut labels = BTreeMap::new();
        for (key, value) in members {
            let path = fields.path(&format!("labels.{}", printable(key)));
            if !is_key(key) {
                errors.push(FieldError::new(&path, format!("is not a label's key: {RULE}")));
            }
            match value {
                Value::String(text) if text.is_empty() || is_key(text) => {
                    labels.insert(key.clone(), text.clone());
                }
                Value::String(_) => errors.push(FieldError::new(&path, format!("must have an empty value, or one of {RULE}"))),
                other => errors.push(FieldError::new(&path, format!("must be a text, not {}", type_name(other)))),
            }
            if errors.len() >= MAX_LABELS {
                break;
            }
        }
        fields.extend_errors(errors);
        Self(labels)
    }
}

const RULE: &str = "1 to 63 of A-Z a-z 0-9 . _ / -, with a letter or digit at both ends";

fn is_key(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/-".contains(byte);
    let at_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= MAX_LABEL_BYTES && bytes.iter().all(inside) && at_end(bytes.first()) && at_end(bytes.last())
}

/// Which labels a schedule must have: `key=value` and `key` (any value), with commas between them; all have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<(String, Option<String>)>);

impl LabelSelector {
    /// How a selector is written, as an end of the sentence that begins with the parameter's name.
    pub const RULE: &str = "must be labels as key=value or key, with commas between them";

    /// Reads a selector; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let wanted = text.split(',').map(|part| match part.split_once('=') {
            Some((key, value)) if is_key(key) && (value.is_empty() || is_key(value)) => {
                Some((key.to_owned(), Some(value.to_owned())))
            }
            None if is_key(part) => Some((part.to_owned(), None)),
            _ => None,
        });
        wanted.collect::<Option<Vec<_>>>().filter(|wanted| wanted.len() <= MAX_LABELS).map(Self)
    }

    /// True when every wanted label is there.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.0.iter().all(|(key, value)| match (labels.0.get(key), value) {
            (Some(found), Some(wanted)) => found == wanted,
            (found, None) => found.is_some(),
            (None, Some(_)) => false,
        })
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match value {
                Some(value) => write!(formatter, "{comma}{key}={value}")?,
                None => write!(formatter, "{comma}{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(labels: Value) -> Result<Labels, Vec<String>> {
        let document = json!({ "labels": labels });
        let mut fields = Fields::new(document.as_object().expect("an object"), "");
        let labels = Labels::read(&mut fields);
        let errors = fields.finish();
        if errors.is_empty() { Ok(labels) } else { Err(errors.into_iter().map(|error| error.field).collect()) }
    }

    #[test]
    fn labels_are_read_and_every_mistake_is_named_by_its_key() {
        let labels = read(json!({"team": "core", "themisdb.io/tier": "1", "empty": ""})).expect("labels");
        assert_eq!(labels.as_map().len(), 3);
        assert_eq!(read(json!(null)), Ok(Labels::default()));
        assert_eq!(
            read(json!({"-x": "a", "ok": "é", "n": 1})),
            Err(vec!["labels.-x".into(), "labels.ok".into(), "labels.n".into()])
        );
        assert_eq!(read(json!(["team"])), Err(vec!["labels".into()]));
        let many: serde_json::Map<String, Value> = (0..=MAX_LABELS).map(|n| (format!("k{n}"), json!(""))).collect();
        assert_eq!(read(Value::Object(many)), Err(vec!["labels".into()]));
        assert_eq!(read(json!({"k".repeat(64): ""})).map_err(|errors| errors.len()), Err(1));
    }

    #[test]
    fn a_selector_wants_all_of_its_labels() {
        let labels = read(json!({"team": "core", "env": ""})).expect("labels");
        for (text, selects) in
            [("team=core", true), ("team", true), ("team=core,env", true), ("env=", true), ("team=x", false), ("no", false)]
        {
            let selector = LabelSelector::parse(text).expect(text);
            assert_eq!(selector.selects(&labels), selects, "{text}");
            assert_eq!(selector.to_string(), text);
        }
        for text in ["", ",", "a=b=c", "=", "team=core,", "a b"] {
            assert_eq!(LabelSelector::parse(text), None, "{text}");
        }
    }
}
