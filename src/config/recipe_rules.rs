//! The parts of a recipe that judge answers and take values out of them: success rules, assertions, selectors.

use std::collections::BTreeMap;

use super::layer::{Node, Value};
use super::recipe_places::{assert_capture_name, assert_texts, is_lone_place};
use super::section::Section;
use super::values::{boolean, float, json, kind, string};
use crate::domain::recipe::{Assertion, Measure, Operand, Pattern, Selector, SuccessRule, Test};

/// The tests of an assertion.
const TESTS: [&str; 7] = ["equals", "not_equals", "at_least", "at_most", "matches", "exists", "absent"];

/// Reads `success`; without one any 2xx will do.
pub(super) fn success(section: &mut Section<'_>) -> Option<SuccessRule> {
    if section.node("success").is_none() {
        return Some(SuccessRule::default());
    }
    let mut section = section.section("success")?;
    let statuses = section.or("statuses", Vec::new(), statuses);
    let given = section.tables("assertions");
    let count = given.len();
    let assertions: Vec<Assertion> = given.into_iter().filter_map(assertion).collect();
    section.finish();
    Some(SuccessRule { statuses: statuses?, assertions: Some(assertions).filter(|read| read.len() == count)? })
}

/// Reads `capture`: selectors by the name of the place that they fill.
pub(super) fn capture(section: &mut Section<'_>) -> Option<BTreeMap<String, Selector>> {
    let read = |node: &Node| {
        let members = match &node.value {
            Value::Table(members) => members,
            Value::Text { structured: Some(parsed), .. } if matches!(parsed.value, Value::Table(_)) => {
                let Value::Table(members) = &parsed.value else { unreachable!("the guard has looked") };
                members
            }
            _ => return Err(format!("must be a table of JSON pointers by name, not {}", kind(node))),
        };
        let one = |(name, node): (&String, &Node)| {
            assert_capture_name(name)?;
            Ok((name.clone(), selector(node).map_err(|message| format!("has {name}, which {message}"))?))
        };
        members.iter().map(one).collect()
    };
    section.or("capture", BTreeMap::new(), read)
}

/// Reads a selector: a JSON pointer, or a table with a pointer and what is made of the array there.
pub(super) fn selector(node: &Node) -> Result<Selector, String> {
    const EXPECTED: &str = "must be a JSON pointer, or a table { pointer, count = true } or { pointer, sum = \"/…\" }";
    let members = match json(node)? {
        serde_json::Value::String(pointer) => return assert_pointer(pointer).map(|pointer| pointer.as_str().into()),
        serde_json::Value::Object(members) => members,
        _ => return Err(EXPECTED.to_owned()),
    };
    let (mut pointer, mut measure) = (None, Measure::Value);
    for (key, value) in &members {
        match (key.as_str(), value) {
            ("pointer", serde_json::Value::String(text)) => pointer = Some(assert_pointer(text.clone())?),
            ("count", serde_json::Value::Bool(true)) if members.len() == 2 => measure = Measure::Count,
            ("sum", serde_json::Value::String(text)) if members.len() == 2 => {
                measure = Measure::Sum(assert_pointer(text.clone())?);
            }
            _ => return Err(EXPECTED.to_owned()),
        }
    }
    Ok(Selector { pointer: pointer.ok_or(EXPECTED)?, measure })
}

/// Checks the shape of a JSON pointer (RFC 6901).
pub(super) fn assert_pointer(text: String) -> Result<String, String> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text);
    }
    Err("must be a JSON pointer: empty, or beginning with '/'".to_owned())
}

/// Reads a JSON pointer that has to be there. An empty one means something: the whole body.
pub(super) fn pointer(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    match section.given(key) {
        None => {
            section.mistake(key, "is missing");
            None
        }
        Some(node) => string(node).and_then(assert_pointer).map_err(|message| section.mistake(key, message)).ok(),
    }
}

fn statuses(node: &Node) -> Result<Vec<u16>, String> {
    const EXPECTED: &str = "must be an array of HTTP statuses from 200 to 599";
    let serde_json::Value::Array(items) = json(node)? else { return Err(EXPECTED.to_owned()) };
    let status = |item: &serde_json::Value| item.as_u64().and_then(|number| u16::try_from(number).ok());
    let read: Option<Vec<u16>> = items.iter().map(|item| status(item).filter(|number| (200..=599).contains(number))).collect();
    read.ok_or_else(|| EXPECTED.to_owned())
}

fn assertion(mut section: Section<'_>) -> Option<Assertion> {
    let pointer = pointer(&mut section, "pointer");
    let measure = measure(&mut section);
    let given: Vec<(&'static str, &Node)> =
        TESTS.into_iter().filter_map(|name| section.given(name).map(|node| (name, node))).collect();
    let test = match given.as_slice() {
        [(name, node)] => test(name, node).map_err(|message: String| section.mistake(name, message)).ok(),
        _ => {
            section.table_mistake(format!("needs exactly one of {}", TESTS.join(", ")));
            None
        }
    };
    section.finish();
    let (measure, test) = (measure?, test?);
    if measure != Measure::Value && matches!(test, Test::Exists | Test::Absent) {
        section.table_mistake("has count or sum, which make a number; test that with at_least, at_most or equals");
        return None;
    }
    Some(Assertion { selector: Selector { pointer: pointer?, measure }, test })
}

/// Reads `count` and `sum` beside an assertion's pointer.
fn measure(section: &mut Section<'_>) -> Option<Measure> {
    let count = section.or("count", false, |node| match boolean(node)? {
        true => Ok(true),
        false => Err("can only be true".to_owned()),
    });
    let sum = match section.node("sum") {
        None => Some(None),
        Some(_) => section.optional("sum", |node| assert_pointer(string(node)?)).map(Some),
    };
    match (count?, sum?) {
        (true, Some(_)) => {
            section.table_mistake("has both count and sum; give one of them");
            None
        }
        (true, None) => Some(Measure::Count),
        (false, Some(within)) => Some(Measure::Sum(within)),
        (false, None) => Some(Measure::Value),
    }
}

fn test(name: &str, node: &Node) -> Result<Test, String> {
    Ok(match name {
        "equals" => Test::Equals(operand(node)?),
        "not_equals" => Test::NotEquals(operand(node)?),
        "at_least" => Test::AtLeast(number_operand(node)?),
        "at_most" => Test::AtMost(number_operand(node)?),
        "matches" => Test::Matches(Pattern::parse(&string(node)?)?),
        _ if !boolean(node)? => return Err("can only be true; there are both exists and absent".to_owned()),
        "exists" => Test::Exists,
        _ => Test::Absent,
    })
}

fn operand(node: &Node) -> Result<Operand, String> {
    let value = json(node)?;
    assert_texts(&value)?;
    Ok(value.into())
}

fn number_operand(node: &Node) -> Result<Operand, String> {
    match json(node)? {
        serde_json::Value::String(text) if is_lone_place(&text) => operand(node),
        serde_json::Value::Number(number) => {
            // Also refuses what no threshold can be.
            float(node)?;
            Ok(serde_json::Value::Number(number).into())
        }
        _ => Err(format!("must be a number, or a place such as \"{{entries_before}}\", not {}", kind(node))),
    }
}
