//! Judges an answer: its status, and assertions on its body.

use std::fmt;

use serde_json::{Map, Value};

use super::pattern::Pattern;
use super::render::{RenderError, fill, lone_place, scalar_text};
use super::selector::Selector;
use crate::domain::fields::{printable, printable_message};

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
    /// What it is about.
    pub selector: Selector,
    /// What has to hold for it.
    pub test: Test,
}

/// What has to hold for a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The value is there and equal.
    Equals(Operand),
    /// The value is there and different.
    NotEquals(Operand),
    /// The value is a number and not below.
    AtLeast(Operand),
    /// The value is a number and not above.
    AtMost(Operand),
    /// The value is a string, a number or a boolean, in whose text the expression is found.
    Matches(Pattern),
    /// The value is there.
    Exists,
    /// The value is not there.
    Absent,
}

/// What a value is compared with: a constant, or a template as in bodies that is filled before the answer is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    value: Value,
    /// The place that it was filled from, for messages.
    origin: Option<String>,
}

impl SuccessRule {
    /// True when the rule accepts the status.
    pub fn accepts_status(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&status) }
    }

    /// The rule with its places filled. An assertion whose optional place has no value, or null, is left out: it holds.
    ///
    /// # Errors
    /// Names the value that is missing or unfit.
    pub fn filled(&self, values: &Map<String, Value>) -> Result<Self, RenderError> {
        let filled: Result<Vec<_>, _> = self.assertions.iter().map(|assertion| assertion.filled(values)).collect();
        Ok(Self { statuses: self.statuses.clone(), assertions: filled?.into_iter().flatten().collect() })
    }

    /// Judges a body. A body that is not JSON is given as `None`. The rule has been filled.
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
    fn filled(&self, values: &Map<String, Value>) -> Result<Option<Self>, RenderError> {
        let with = |operand: &Operand, test: fn(Operand) -> Test| Ok(operand.filled(values)?.map(test));
        let test = match &self.test {
            Test::Equals(operand) => with(operand, Test::Equals)?,
            Test::NotEquals(operand) => with(operand, Test::NotEquals)?,
            Test::AtLeast(operand) => with(operand, Test::AtLeast)?,
            Test::AtMost(operand) => with(operand, Test::AtMost)?,
            Test::Matches(_) | Test::Exists | Test::Absent => Some(self.test.clone()),
        };
        Ok(test.map(|test| Self { selector: self.selector.clone(), test }))
    }

    fn check(&self, body: &Value) -> Result<(), String> {
        let found = self.selector.pick(body)?;
        let holds = match (&self.test, &found) {
            (Test::Absent, found) => found.is_none(),
            (_, None) => false,
            (Test::Exists, Some(_)) => true,
            (Test::Equals(expected), Some(value)) => same(value, &expected.value),
            (Test::NotEquals(unwanted), Some(value)) => !same(value, &unwanted.value),
            (Test::AtLeast(least), Some(value)) => numbers(value, least).is_some_and(|(number, least)| number >= least),
            (Test::AtMost(most), Some(value)) => numbers(value, most).is_some_and(|(number, most)| number <= most),
            (Test::Matches(pattern), Some(value)) => scalar_text(value).is_some_and(|text| pattern.matches(&text)),
        };
        if holds {
            return Ok(());
        }
        let found = found.map_or("missing".to_owned(), |value| printable(&value.to_string()));
        Err(format!("{} {}, but it is {found}", self.selector, self.test))
    }
}

impl Test {
    /// What the value is compared with, if it is compared with anything.
    pub fn operand(&self) -> Option<&Operand> {
        match self {
            Self::Equals(operand) | Self::NotEquals(operand) | Self::AtLeast(operand) | Self::AtMost(operand) => Some(operand),
            Self::Matches(_) | Self::Exists | Self::Absent => None,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(operand) => write!(formatter, "must be {operand}"),
            Self::NotEquals(operand) => write!(formatter, "must be there and not {operand}"),
            Self::AtLeast(operand) => write!(formatter, "must be at least {operand}{}", operand.doubt()),
            Self::AtMost(operand) => write!(formatter, "must be at most {operand}{}", operand.doubt()),
            Self::Matches(pattern) => write!(formatter, "must match /{}/", printable_message(pattern.as_str())),
            Self::Exists => formatter.write_str("must be there"),
            Self::Absent => formatter.write_str("must be absent"),
        }
    }
}

impl Operand {
    /// The value or the template as it was written.
    pub fn value(&self) -> &Value {
        &self.value
    }

    fn filled(&self, values: &Map<String, Value>) -> Result<Option<Self>, RenderError> {
        let origin = self.value.as_str().and_then(lone_place).map(|name| name.trim_end_matches('?').to_owned());
        let optional = self.value.as_str().is_some_and(|text| text.ends_with("?}"));
        let filled = fill(&self.value, values)?.filter(|value| !(optional && value.is_null()));
        Ok(filled.map(|value| Self { value, origin }))
    }

    /// What is to be said of an operand that has to be a number and is none.
    fn doubt(&self) -> &'static str {
        if self.value.is_number() { "" } else { ", which is no number" }
    }
}

impl<T: Into<Value>> From<T> for Operand {
    fn from(value: T) -> Self {
        Self { value: value.into(), origin: None }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&printable(&self.value.to_string()))?;
        match &self.origin {
            Some(name) => write!(formatter, " ({name})"),
            None => Ok(()),
        }
    }
}

fn numbers(value: &Value, operand: &Operand) -> Option<(f64, f64)> {
    Some((value.as_f64()?, operand.value.as_f64()?))
}

/// Equality that does not care whether a number is written `1` or `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
