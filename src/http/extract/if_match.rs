//! `If-Match` (RFC 9110, sections 8.8.3 and 13.1.1).

use axum::extract::FromRequestParts;
use axum::http::header::IF_MATCH;
use axum::http::request::Parts;

use crate::domain::fields::FieldError;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;
use crate::orchestrator::Precondition;

/// What the caller demands of the current version.
pub(in crate::http) struct IfMatch(pub Precondition);

impl FromRequestParts<HttpState> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        let mut lines = Vec::new();
        for value in parts.headers.get_all(IF_MATCH) {
            lines.push(value.to_str().map_err(|_| wrong())?);
        }
        if lines.is_empty() {
            return Ok(Self(Precondition::None));
        }
        // Several lines are one list (RFC 9110, section 5.3).
        parse(&lines.join(",")).map(Self).ok_or_else(wrong)
    }
}

fn wrong() -> Problem {
    let message = "must be * or a list of entity tags in double quotes, as the ETag header has them";
    Problem::new(ProblemKind::InvalidHeader, format!("If-Match {message}"))
        .with_errors(vec![FieldError::new("If-Match", message)])
}

/// Reads `*` or a list of entity tags; `None` for anything else. Weak tags are read and left out, because under the strong
/// comparison they match nothing.
fn parse(text: &str) -> Option<Precondition> {
    if text.trim_matches([' ', '\t']) == "*" {
        return Some(Precondition::None);
    }
    let mut strong = Vec::new();
    let mut seen = 0;
    let mut rest = text;
    loop {
        // Empty elements are allowed in a list (RFC 9110, section 5.6.1).
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return (seen > 0).then_some(Precondition::OneOf(strong));
        }
        let (is_weak, tag) = rest.strip_prefix("W/").map_or((false, rest), |tag| (true, tag));
        let end = tag.strip_prefix('"')?.find('"')?;
        let (tag, after) = tag.split_at(end + 2);
        if tag.contains([' ', '\t']) {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
        seen += 1;
        if !is_weak {
            strong.push(tag.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_tags_are_read() {
        let one_of = |tags: &[&str]| Some(Precondition::OneOf(tags.iter().map(|&tag| tag.to_owned()).collect()));
        assert_eq!(parse("*"), Some(Precondition::None));
        assert_eq!(parse(" * "), Some(Precondition::None));
        assert_eq!(parse("\"a:1\""), one_of(&["\"a:1\""]));
        assert_eq!(parse("\"a:1\" , \"b,c\",,\"\""), one_of(&["\"a:1\"", "\"b,c\"", "\"\""]));
        assert_eq!(parse(", \"a\""), one_of(&["\"a\""]));
    }

    #[test]
    fn weak_tags_match_nothing() {
        let weak = parse("W/\"a:1\"").expect("a list");
        assert_eq!(weak, Precondition::OneOf(Vec::new()));
        assert!(!weak.holds("\"a:1\""));
        assert!(parse("W/\"a:1\", \"a:1\"").expect("a list").holds("\"a:1\""));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            " ",
            ",",
            "a:1",
            "\"a",
            "a\"",
            "\"a\" \"b\"",
            "\"a\"b",
            "*, \"a\"",
            "\"a\", *",
            "w/\"a\"",
            "W/a",
            "\"a b\"",
            "'a'",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
