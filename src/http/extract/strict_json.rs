//! JSON that means one thing: a repeated key is an error (RFC 8259, section 4, leaves open which one counts).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::domain::fields::{depth, printable};

/// How deep arrays and objects may be nested. serde_json, and many a client's parser, ends at 128 levels; what is accepted here is
/// stored and shown within a few levels more, and has to be readable there too.
const MAX_DEPTH: usize = 64;

/// A JSON value in which no object has a key twice.
#[derive(Debug, Clone, PartialEq)]
struct StrictValue(Value);

/// Reads a JSON text, nested to at most [`MAX_DEPTH`] levels. While it is read, serde_json's own limit (127 levels) keeps any input
/// from exhausting the stack.
///
/// # Errors
/// What is wrong, with line and column; the text is meant for the caller.
pub(in crate::http) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))?;
    let StrictValue(value) = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if depth(&value) > MAX_DEPTH { Err(format!("nested deeper than {MAX_DEPTH} levels")) } else { Ok(value) }
}

impl<'de> Deserialize<'de> for StrictValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
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
        let mut array = Vec::new();
        while let Some(StrictValue(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key '{}' is repeated", printable(&key))));
            }
            let StrictValue(value) = entries.next_value()?;
            object.insert(key, value);
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
        assert_eq!(parse(nested(65).as_bytes()), Err("nested deeper than 64 levels".to_owned()));
        assert!(parse(format!("{{\"a\":{}}}", nested(64)).as_bytes()).is_err());
        assert!(parse(nested(128).as_bytes()).expect_err("too deep").contains("recursion limit"));
        assert!(parse("[".repeat(200_000).as_bytes()).is_err());
    }
}
