//! Problem documents (RFC 9457), as a person reads them.

use std::fmt;

use serde::Deserialize;

use crate::domain::fields::printable_message;

/// What the service says of a request that it did not carry out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Problem {
    /// The sort of problem.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This occurrence in words.
    #[serde(default)]
    pub detail: String,
    /// The sort in short.
    #[serde(default)]
    pub code: String,
    /// By which log and audit trail know the request.
    #[serde(default)]
    pub request_id: String,
    /// Every broken rule.
    #[serde(default)]
    pub errors: Vec<BrokenRule>,
    /// After how many seconds the service wants to be asked again.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BrokenRule {
    /// Which field; empty for the document as a whole.
    #[serde(default)]
    pub field: String,
    /// The rule.
    #[serde(default)]
    pub message: String,
}

impl Problem {
    /// Whether the same request may be carried out later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.status, 429 | 502..=504)
    }

    /// Whether it was refused for a query parameter that an older service does not know.
    pub fn names_parameter(&self, name: &str) -> bool {
        matches!(self.status, 400 | 422) && self.errors.iter().any(|rule| rule.field == name)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, status, detail, code: _, request_id, errors, retry_after: _ } = self;
        write!(formatter, "{} ({status})", printable_message(title))?;
        if !detail.is_empty() {
            write!(formatter, "\n{}", printable_message(detail))?;
        }
        for BrokenRule { field, message } in errors {
            let message = printable_message(message);
            match field.as_str() {
                "" => write!(formatter, "\n  {message}")?,
                field => write!(formatter, "\n  {}: {message}", printable_message(field))?,
            }
        }
        if !request_id.is_empty() {
            write!(formatter, "\nrequest id {}", printable_message(request_id))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_told_with_every_rule_and_the_request_id() {
        let document = json!({"type": "urn:x", "title": "Rules are broken", "status": 422, "detail": "2 rules are broken; see errors",
            "instance": "/x", "code": "validation_failed", "request_id": "r-1",
            "errors": [{"field": "name", "message": "must not be blank"}, {"field": "", "message": "is \u{1b}[31mred"}]});
        let problem: Problem = serde_json::from_value(document).expect("a problem");
        assert_eq!(
            problem.to_string(),
            "Rules are broken (422)\n2 rules are broken; see errors\n  name: must not be blank\n  is \u{fffd}[31mred\nrequest id r-1"
        );
        assert!(problem.names_parameter("name") && !problem.names_parameter("wait") && !problem.is_temporary());
    }

    #[test]
    fn little_is_enough() {
        let problem: Problem = serde_json::from_value(json!({"title": "No", "status": 503})).expect("a problem");
        assert_eq!(problem.to_string(), "No (503)");
        assert!(problem.is_temporary());
    }
}
