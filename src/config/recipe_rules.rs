//! The parts of a recipe that judge answers: success rules, assertions, verification.

use super::layer::Node;
use super::recipe::call;
use super::section::Section;
use super::values::{boolean, float, json, string};
use crate::domain::recipe::{Assertion, Check, Method, SuccessRule, Test};

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

/// Reads `verify`: one table, or an array of them.
pub(super) fn checks(section: &mut Section<'_>) -> Option<Vec<Check>> {
    let given = section.tables("verify");
    let count = given.len();
    let checks: Vec<Check> = given.into_iter().filter_map(check).collect();
    Some(checks).filter(|read| read.len() == count)
}

/// Checks the shape of a JSON pointer (RFC 6901).
pub(super) fn assert_pointer(text: String) -> Result<String, String> {
    if text.is_empty() || text.starts_with('/') {
        return Ok(text);
    }
    Err("must be a JSON pointer: empty, or beginning with '/'".to_owned())
}

fn check(mut section: Section<'_>) -> Option<Check> {
    let call = call(&mut section, Some(Method::Get));
    if call.as_ref().is_some_and(|call| call.method != Method::Get) {
        section.mistake("method", "must be GET: a check must not change anything");
    }
    let success = success(&mut section);
    section.finish();
    Some(Check { call: call?, success: success? })
}

fn statuses(node: &Node) -> Result<Vec<u16>, String> {
    const EXPECTED: &str = "must be an array of HTTP statuses from 200 to 599";
    let serde_json::Value::Array(items) = json(node)? else { return Err(EXPECTED.to_owned()) };
    let status = |item: &serde_json::Value| item.as_u64().and_then(|number| u16::try_from(number).ok());
    let read: Option<Vec<u16>> = items.iter().map(|item| status(item).filter(|number| (200..=599).contains(number))).collect();
    read.ok_or_else(|| EXPECTED.to_owned())
}

fn assertion(mut section: Section<'_>) -> Option<Assertion> {
    // An empty text means something here: the whole body, or the value "".
    let pointer = match section.given("pointer") {
        None => {
            section.mistake("pointer", "is missing");
            None
        }
        Some(node) => string(node).and_then(assert_pointer).map_err(|message| section.mistake("pointer", message)).ok(),
    };
    let read = |node: &Node, name: &str| {
        Ok(match name {
            "equals" => Test::Equals(json(node)?),
            "not_equals" => Test::NotEquals(json(node)?),
            "at_least" => Test::AtLeast(float(node)?),
            _ if !boolean(node)? => return Err("can only be true; there are both exists and absent".to_owned()),
            "exists" => Test::Exists,
            _ => Test::Absent,
        })
    };
    let given: Vec<(&'static str, &Node)> = ["equals", "not_equals", "at_least", "exists", "absent"]
        .into_iter()
        .filter_map(|name| section.given(name).map(|node| (name, node)))
        .collect();
    let test = match given.as_slice() {
        [(name, node)] => read(node, name).map_err(|message: String| section.mistake(name, message)).ok(),
        _ => {
            section.table_mistake("needs exactly one of equals, not_equals, at_least, exists, absent");
            None
        }
    };
    section.finish();
    Some(Assertion { pointer: pointer?, test: test? })
}
