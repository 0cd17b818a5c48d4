//! From a node to a typed value. Each function says in words what is wrong; none of them repeats a text that may be a secret.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::layer::{Node, Value};

/// What a node is, for a message.
pub(super) fn kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Table(_) => "a table",
        Value::List(_) => "an array",
        Value::Text { .. } => "text",
        Value::Scalar(toml::Value::Integer(_)) => "an integer",
        Value::Scalar(toml::Value::Float(_)) => "a float",
        Value::Scalar(toml::Value::Boolean(_)) => "a boolean",
        Value::Scalar(toml::Value::Datetime(_)) => "a date",
        Value::Scalar(_) => "a string",
    }
}

fn wrong(expected: &str, node: &Node) -> String {
    format!("must be {expected}, not {}", kind(node))
}

pub(super) fn string(node: &Node) -> Result<String, String> {
    match &node.value {
        Value::Scalar(toml::Value::String(text)) | Value::Text { text, .. } => Ok(text.clone()),
        _ => Err(wrong("a string", node)),
    }
}

pub(super) fn boolean(node: &Node) -> Result<bool, String> {
    match &node.value {
        Value::Scalar(toml::Value::Boolean(flag)) => Ok(*flag),
        Value::Text { text, .. } if text.trim().eq_ignore_ascii_case("true") => Ok(true),
        Value::Text { text, .. } if text.trim().eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(wrong("true or false", node)),
    }
}

/// An integer within a range.
pub(super) fn integer<T: TryFrom<i64>>(range: RangeInclusive<i64>) -> impl Fn(&Node) -> Result<T, String> {
    move |node| {
        let number = match &node.value {
            Value::Scalar(toml::Value::Integer(number)) => Some(*number),
            Value::Text { text, .. } => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| wrong("an integer", node))?;
        let (low, high) = (range.start(), range.end());
        let out_of_range = || format!("must be from {low} to {high}, not {number}");
        Some(number).filter(|number| range.contains(number)).and_then(|number| T::try_from(number).ok()).ok_or_else(out_of_range)
    }
}

pub(super) fn float(node: &Node) -> Result<f64, String> {
    let number = match &node.value {
        // Beyond 2^53 an integer loses its last digits; no threshold needs them.
        Value::Scalar(toml::Value::Integer(number)) => Some(*number as f64),
        Value::Scalar(toml::Value::Float(number)) => Some(*number),
        Value::Text { text, .. } => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite()).ok_or_else(|| wrong("a number", node))
}

/// A duration with units, within a range.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Node) -> Result<Duration, String> {
    move |node| {
        const UNIT: &str = "needs a unit, for example \"30s\", \"5m\" or \"1h30m\"";
        let text = match &node.value {
            Value::Scalar(toml::Value::String(text)) | Value::Text { text, .. } => text.trim(),
            Value::Scalar(toml::Value::Integer(_) | toml::Value::Float(_)) => return Err(UNIT.to_owned()),
            _ => return Err(wrong("a duration such as \"30s\"", node)),
        };
        if text.parse::<f64>().is_ok() {
            return Err(UNIT.to_owned());
        }
        let parsed = humantime::parse_duration(text);
        let duration = parsed.map_err(|error| format!("must be a duration such as \"30s\", \"5m\" or \"1h30m\": {error}"))?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let show = humantime::format_duration;
        Err(format!("must be from {} to {}, not {}", show(*range.start()), show(*range.end()), show(duration)))
    }
}

/// A list of strings; from the environment also separated by commas.
pub(super) fn strings(node: &Node) -> Result<Vec<String>, String> {
    let expected = "an array of strings";
    match &node.value {
        Value::List(items) => items.iter().map(|item| string(item).map_err(|_| wrong(expected, item))).collect(),
        Value::Text { structured: Some(parsed), .. } => strings(parsed),
        Value::Text { text, .. } => {
            Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }
        _ => Err(wrong(expected, node)),
    }
}

/// Any value as JSON; from the environment what parses as JSON, else a string.
pub(super) fn json(node: &Node) -> Result<serde_json::Value, String> {
    Ok(match &node.value {
        Value::Table(members) => {
            let members: Result<_, String> = members.iter().map(|(key, member)| Ok((key.clone(), json(member)?))).collect();
            serde_json::Value::Object(members?)
        }
        Value::List(items) => serde_json::Value::Array(items.iter().map(json).collect::<Result<_, _>>()?),
        Value::Text { structured: Some(parsed), .. } => json(parsed)?,
        Value::Text { text, .. } => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        Value::Scalar(toml::Value::String(text)) => text.clone().into(),
        Value::Scalar(toml::Value::Integer(number)) => (*number).into(),
        Value::Scalar(toml::Value::Boolean(flag)) => (*flag).into(),
        Value::Scalar(toml::Value::Float(number)) => {
            serde_json::Number::from_f64(*number).ok_or("must not be infinite or not a number")?.into()
        }
        Value::Scalar(_) => return Err(wrong("something that JSON knows", node)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::mistake::Source;
    use super::*;

    fn toml_node(text: &str) -> Node {
        let mut table = toml::from_str::<toml::Table>(&format!("v = {text}")).expect("TOML");
        Node::from_toml(table.remove("v").expect("v"), &Arc::new(Source::Default))
    }

    fn text_node(text: &str) -> Node {
        Node::from_text(text.to_owned(), &Arc::new(Source::Environment("E".into())))
    }

    #[test]
    fn durations_carry_units() {
        let read = duration(Duration::ZERO..=Duration::from_secs(7200));
        assert_eq!(read(&toml_node("'1h30m'")), Ok(Duration::from_secs(5400)));
        assert_eq!(read(&text_node(" 250ms ")), Ok(Duration::from_millis(250)));
        assert_eq!(read(&text_node("0s")), Ok(Duration::ZERO));
        for bare in [toml_node("30"), toml_node("1.5"), toml_node("'30'"), text_node("30"), text_node("0")] {
            assert!(read(&bare).is_err_and(|message| message.contains("needs a unit")));
        }
        assert_eq!(read(&text_node("3h")), Err("must be from 0s to 2h, not 3h".into()));
        assert!(read(&text_node("soon")).is_err_and(|message| message.starts_with("must be a duration")));
        assert!(read(&toml_node("true")).is_err());
    }

    #[test]
    fn numbers_and_flags_are_read_from_either_source() {
        let read = integer::<u16>(1..=1024);
        assert_eq!(read(&toml_node("8")), Ok(8));
        assert_eq!(read(&text_node("8")), Ok(8));
        assert_eq!(read(&toml_node("0")), Err("must be from 1 to 1024, not 0".into()));
        assert_eq!(read(&toml_node("'8'")), Err("must be an integer, not a string".into()));
        assert_eq!(read(&text_node("eight")), Err("must be an integer, not text".into()));
        assert_eq!(read(&toml_node("1.5")), Err("must be an integer, not a float".into()));
        assert_eq!(boolean(&text_node("TRUE")), Ok(true));
        assert!(boolean(&text_node("1")).is_err() && boolean(&toml_node("'true'")).is_err());
        assert_eq!(float(&toml_node("2")), Ok(2.0));
        assert!(float(&toml_node("nan")).is_err());
    }

    #[test]
    fn lists_are_read_from_arrays_and_commas() {
        let expected = Ok(vec!["a".to_owned(), "b c".to_owned()]);
        for node in [toml_node("['a', 'b c']"), text_node("a, b c,"), text_node("[\"a\", \"b c\"]"), text_node("['a', 'b c']")] {
            assert_eq!(strings(&node), expected);
        }
        assert_eq!(strings(&text_node("")), Ok(vec![]));
        assert_eq!(strings(&toml_node("'a'")), Err("must be an array of strings, not a string".into()));
        assert_eq!(strings(&toml_node("['a', 1]")), Err("must be an array of strings, not an integer".into()));
    }

    #[test]
    fn anything_but_a_date_becomes_json() {
        let expected = json!({"a": [1, 2.5, true, "x"], "b": {"c": "{d}"}});
        assert_eq!(json(&toml_node("{a = [1, 2.5, true, 'x'], b = {c = '{d}'}}")), Ok(expected.clone()));
        assert_eq!(json(&text_node(&expected.to_string())), Ok(expected));
        assert_eq!(json(&text_node("5")), Ok(json!(5)));
        assert_eq!(json(&text_node("{broken")), Ok(json!("{broken")));
        assert!(json(&toml_node("2026-01-01")).is_err() && json(&toml_node("inf")).is_err());
    }
}
