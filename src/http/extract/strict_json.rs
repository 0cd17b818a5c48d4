//! JSON that means one thing: a repeated key is an error (RFC 8259, section 4, leaves open which one counts).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::domain::fields::printable;

/// How deep arrays and objects may be nested in anything that is read. serde_json, and many a client's parser, ends at 128 levels;
/// what is accepted here is stored and shown within a few levels more, and has to be readable there too.
const MAX_DEPTH: usize = 64;

/// Reads a JSON text, nested to at most [`MAX_DEPTH`] levels.
///
/// # Errors
/// What is wrong, with line and column; the text is meant for the caller.
pub(in crate::http) fn parse(bytes: &[u8]) -> Result<Value, String> {
    parse_within(bytes, MAX_DEPTH)
}

/// Reads a JSON text, nested to at most so many levels. It is given up at the first level too many, however many follow.
///
/// # Errors
/// What is wrong, with line and column; the text is meant for the caller.
pub(in crate::http) fn parse_within(bytes: &[u8], max_depth: usize) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let level = Level { left: max_depth, max_depth };
    let value = level.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| error.to_string())
}

/// A JSON value in which no object has a key twice, and how many levels may still be opened within it.
#[derive(Debug, Clone, Copy)]
struct Level {
    left: usize,
    max_depth: usize,
}

impl Level {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let Self { left, max_depth } = self;
        let left = left.checked_sub(1).ok_or_else(|| E::custom(format!("nested deeper than {max_depth} levels")))?;
        Ok(Self { left, max_depth })
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key '{}' is repeated", printable(&key))));
            }
            object.insert(key, entries.next_value_seed(inner)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_they_stand() {
        let text = r#" {"b":[1,-2,1.5,18446744073709551615,"ä\n",null,true,{}],"a":{"c":[]}} "#;
        let value = parse(text.as_bytes()).expect("JSON");
        assert_eq!(value, json!({"b":[1,-2,1.5,18446744073709551615_u64,"ä\n",null,true,{}],"a":{"c":[]}}));
        assert_eq!(value.as_object().expect("an object").keys().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn repeated_keys_are_refused_at_every_depth_and_however_they_are_written() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"x":2,"a":3}}]"#, r#"{"a":1,"\u0061":2}"#] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(error.contains("the key 'a' is repeated at line 1 column"), "{error}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for text in ["", "{", "{\"a\":}", "[1,]", "nul", "{} {}", "'a'", "1e999", "\"\\ud800\"", "NaN", "\u{feff}{}", "\"\t\""] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(error.contains("line") && error.contains("column"), "{text}: {error}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\"}"), Err("not UTF-8 from byte 6 on".to_owned()));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(64).as_bytes()).is_ok());
        let too_deep =
            [nested(65), format!("{{\"a\":{}}}", nested(64)), nested(128), "[".repeat(200_000), "{\"a\":".repeat(200_000)];
        for text in too_deep {
            let error = parse(text.as_bytes()).expect_err("too deep");
            assert!(error.starts_with("nested deeper than 64 levels at line 1 column "), "{error}");
        }
        assert!(parse_within(nested(3).as_bytes(), 3).is_ok());
        assert!(parse_within(nested(4).as_bytes(), 3).is_err_and(|error| error.starts_with("nested deeper than 3 levels")));
    }
}
