//! The documents of one text: YAML, of which there may be several, or JSON. A key that stands twice is a mistake in both.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// A mistake, with where it is: line and column from 1 on, if they are known.
#[derive(Debug, PartialEq)]
pub struct Mistake {
    /// Line and column.
    pub at: Option<(u64, u64)>,
    /// In words.
    pub message: String,
}

/// Reads YAML: each document with the line in which it begins. Documents without anything are passed over.
///
/// # Errors
/// The first mistake.
pub fn yaml(text: &str) -> Result<Vec<(u64, Value)>, Mistake> {
    // YAML 1.2, as Kubernetes and editors have it: `on` and `no` are words.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Value>>(text, options);
    let documents = documents.map_err(|error| {
        let at = error.location().map(|location| (location.line(), location.column()));
        let mut message = error.to_string();
        if let Some((line, column)) = at {
            // Where it is stands in front already.
            let said = [format!(" at line {line}, column {column}"), format!("line {line} column {column}: ")];
            for said in said {
                message = message.replace(&said, "");
            }
        }
        Mistake { at, message }
    })?;
    Ok(documents.into_iter().map(|document| (document.referenced.line(), document.value)).collect())
}

/// Reads JSON.
///
/// # Errors
/// The first mistake.
pub fn json(text: &str) -> Result<Value, Mistake> {
    serde_json::from_str::<Unique>(text).map(|Unique(value)| value).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Mistake { at: Some((error.line() as u64, error.column() as u64)), message }
    })
}

/// A JSON value in which no key stands twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key '{key}' stands twice")));
            }
            let Unique(value) = members.next_value()?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_with_their_lines() {
        let text = "# the first\nid: a\ncron_expression: 0 2 * * *\ntasks: [LOG_ROTATION]\nname: on\n---\n---\n{\"id\": \"b\", \"n\": 1, \"f\": 1.5, \"t\": true}\n";
        let documents = yaml(text).expect("YAML");
        assert_eq!(
            documents,
            [
                (2, json!({"id": "a", "cron_expression": "0 2 * * *", "tasks": ["LOG_ROTATION"], "name": "on"})),
                (8, json!({"id": "b", "n": 1, "f": 1.5, "t": true})),
            ]
        );
    }

    #[test]
    fn a_mistake_of_yaml_has_its_place() {
        for (text, line) in [("id: a\nname: [x\n", 2..=4), ("id: a\nid: b\n", 2..=2), ("id: a\n---\nname: *nobody\n", 3..=3)] {
            let mistake = yaml(text).expect_err("a mistake");
            let (at, column) = mistake.at.expect("a place");
            assert!(line.contains(&at) && column >= 1, "{text:?}: {mistake:?}");
            assert!(!mistake.message.contains("line") && !mistake.message.contains('\n'), "{mistake:?}");
        }
    }

    #[test]
    fn json_is_read_as_json() {
        assert_eq!(json(r#"{"a": ["\ud83d\ude00", 1, -1, 1.5, null, true]}"#), Ok(json!({"a": ["😀", 1, -1, 1.5, null, true]})));
        let mistake = json("{\"a\": 1,\n \"a\": 2}").expect_err("a mistake");
        assert_eq!((mistake.at.map(|(line, _)| line), mistake.message.as_str()), (Some(2), "the key 'a' stands twice"));
        assert!(json("{").is_err() && json("{} {}").is_err());
    }
}
