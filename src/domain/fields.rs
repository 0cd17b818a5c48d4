//! Reads a JSON object field by field and gathers every mistake with the field's name, so that one answer lists them all.

use serde_json::{Map, Value};

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, for example `tasks[2].task_type`; empty for the document as a whole.
    pub field: String,
    /// The rule, as an end of the sentence that begins with the field's name.
    pub message: String,
}

impl FieldError {
    /// A broken rule.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// A reader over one JSON object. Null counts as absent: a document that was read from the service has null where there is no
/// value, and can be sent back.
pub struct Fields<'a> {
    members: &'a Map<String, Value>,
    prefix: String,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Reads `members`; `prefix` stands before every field name in a message (`tasks[2]`), and may be empty.
    pub fn new(members: &'a Map<String, Value>, prefix: impl Into<String>) -> Self {
        Self { members, prefix: prefix.into(), known: Vec::new(), errors: Vec::new() }
    }

    /// Accepts these fields and does not read them.
    pub fn ignore(&mut self, fields: &[&'static str]) {
        self.known.extend(fields);
    }

    /// The raw value; `None` when absent or null.
    pub fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.members.get(field).filter(|value| !value.is_null())
    }

    /// A string.
    pub fn string(&mut self, field: &'static str) -> Option<&'a str> {
        self.typed(field, "a string", Value::as_str)
    }

    /// A boolean.
    pub fn boolean(&mut self, field: &'static str) -> Option<bool> {
        self.typed(field, "true or false", Value::as_bool)
    }

    /// An array.
    pub fn array(&mut self, field: &'static str) -> Option<&'a Vec<Value>> {
        self.typed(field, "an array", Value::as_array)
    }

    /// An object.
    pub fn object(&mut self, field: &'static str) -> Option<&'a Map<String, Value>> {
        self.typed(field, "an object", Value::as_object)
    }

    /// An integer within `low..=high`.
    pub fn integer(&mut self, field: &'static str, low: u32, high: u32) -> Option<u32> {
        let value = self.value(field)?;
        if !value.is_number() {
            self.wrong_type(field, "an integer", value);
            return None;
        }
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.error(field, format!("must be an integer from {low} to {high}"));
        }
        number
    }

    /// True when a rule about a field was found broken.
    pub fn has_error(&self, field: &str) -> bool {
        let path = self.path(field);
        self.errors.iter().any(|error| error.field == path)
    }

    /// Notes a broken rule.
    pub fn error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(self.path(field), message));
    }

    /// Notes broken rules that were found deeper down, with their full paths.
    pub fn extend_errors(&mut self, errors: Vec<FieldError>) {
        self.errors.extend(errors);
    }

    /// The full path of a field.
    pub fn path(&self, field: &str) -> String {
        match (self.prefix.as_str(), field) {
            ("", field) => field.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, field) => format!("{prefix}.{field}"),
        }
    }

    /// Ends the reading: every field that nobody asked for is a mistake.
    pub fn finish(mut self) -> Vec<FieldError> {
        for field in self.members.keys() {
            if !self.known.iter().any(|known| known == field) {
                // A blank name would name nothing.
                let shown = if field.trim().is_empty() { format!("{:?}", printable(field)) } else { printable(field) };
                let path = self.path(&shown);
                self.errors.push(FieldError::new(path, "is not a known field"));
            }
        }
        self.errors
    }

    fn typed<T: 'a>(&mut self, field: &'static str, expected: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(field)?;
        let read = read(value);
        if read.is_none() {
            self.wrong_type(field, expected, value);
        }
        read
    }

    fn wrong_type(&mut self, field: &str, expected: &str, value: &Value) {
        self.error(field, format!("must be {expected}, not {}", type_name(value)));
    }
}

/// The members of a document.
///
/// # Errors
/// When it is no object.
pub fn members_of(document: &Value) -> Result<&Map<String, Value>, Vec<FieldError>> {
    let wrong = || vec![FieldError::new("", format!("the document must be an object, not {}", type_name(document)))];
    document.as_object().ok_or_else(wrong)
}

/// What a JSON value is, for a message.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Levels of arrays and objects: 0 for a scalar. Recurses, so the value must come from a reader that bounds its nesting.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// A caller's text, cut and with control characters replaced, fit for a message.
pub fn printable(text: &str) -> String {
    // Enough to recognise what was sent.
    cut(text, 100)
}

/// A message that quotes a caller's text somewhere, for example a library's, cut and with control characters replaced.
pub fn printable_message(message: &str) -> String {
    // Some sentences with what they quote.
    cut(message, 500)
}

fn cut(text: &str, longest: usize) -> String {
    let mut cut: String = text.chars().take(longest).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(longest).is_some() {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_mistakes_are_gathered_with_their_paths() {
        let document = json!({"a": 1, "b": "x", "c": 300, "d": null, "e": 1.5, "zzz": 0, "": 1});
        let mut fields = Fields::new(document.as_object().expect("an object"), "tasks[1]");
        assert_eq!(fields.string("a"), None);
        assert_eq!(fields.boolean("b"), None);
        assert_eq!(fields.integer("c", 0, 23), None);
        assert_eq!(fields.array("d"), None);
        assert_eq!(fields.integer("e", 0, 23), None);
        let errors = fields.finish();
        let listed: Vec<String> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        assert_eq!(
            listed,
            [
                "tasks[1].a must be a string, not a number",
                "tasks[1].b must be true or false, not a string",
                "tasks[1].c must be an integer from 0 to 23",
                "tasks[1].e must be an integer from 0 to 23",
                "tasks[1].zzz is not a known field",
                "tasks[1].\"\" is not a known field",
            ]
        );
    }
}
