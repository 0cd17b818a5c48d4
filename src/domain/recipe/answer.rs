//! Judges an answer: statuses, assertions on its body, and what of it is shown.

use std::fmt;

use serde_json::{Map, Value};

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
        let found = found.map_or("missing".to_owned(), |value| crate::domain::fields::printable(&value.to_string()));
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
