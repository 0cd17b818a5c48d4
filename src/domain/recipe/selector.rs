//! Picks one value out of an answer: what stands at a pointer, or a number made of the array there.

use std::fmt;

use serde_json::{Number, Value};

use crate::domain::fields::{printable, printable_message};

/// What is taken from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// JSON pointer, RFC 6901; `""` is the whole body.
    pub pointer: String,
    /// What is taken there.
    pub measure: Measure,
}

/// What is taken at a pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measure {
    /// The value itself.
    Value,
    /// The number of elements of the array there.
    Count,
    /// The sum of the numbers at this pointer within each element of the array there.
    Sum(String),
}

impl From<&str> for Selector {
    fn from(pointer: &str) -> Self {
        Self { pointer: pointer.to_owned(), measure: Measure::Value }
    }
}

impl Selector {
    /// Picks the value; `None` when there is nothing at the pointer.
    ///
    /// # Errors
    /// Says in words why a number cannot be made of what is there.
    pub fn pick(&self, body: &Value) -> Result<Option<Value>, String> {
        let found = body.pointer(&self.pointer);
        let items = match (&self.measure, found) {
            (Measure::Value, found) => return Ok(found.cloned()),
            (Measure::Count | Measure::Sum(_), Some(Value::Array(items))) => items,
            (Measure::Count | Measure::Sum(_), found) => {
                let found = found.map_or("missing".to_owned(), |value| printable(&value.to_string()));
                return Err(format!("{} must be an array, but it is {found}", place(&self.pointer)));
            }
        };
        let Measure::Sum(within) = &self.measure else { return Ok(Some(Value::from(items.len()))) };
        let numbers: Option<Vec<&Number>> = items.iter().map(|item| item.pointer(within)?.as_number()).collect();
        let numbers =
            numbers.ok_or_else(|| format!("{} must have a number at {} in each element", place(&self.pointer), place(within)))?;
        Ok(Some(sum(&numbers)))
    }
}

/// As exact as the numbers are: whole numbers stay whole as long as their sum fits.
fn sum(numbers: &[&Number]) -> Value {
    let whole = numbers.iter().try_fold(0_i64, |sum, number| sum.checked_add(number.as_i64()?));
    whole.map_or_else(|| Value::from(numbers.iter().filter_map(|number| number.as_f64()).sum::<f64>()), Value::from)
}

/// A pointer in words. What it is written with is the operator's, and stands in messages that others read.
fn place(pointer: &str) -> String {
    if pointer.is_empty() { "the body".to_owned() } else { printable_message(pointer) }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = place(&self.pointer);
        match &self.measure {
            Measure::Value => formatter.write_str(&place),
            Measure::Count => write!(formatter, "the number of elements of {place}"),
            Measure::Sum(within) => write!(formatter, "the sum of {} over {place}", self::place(within)),
        }
    }
}
