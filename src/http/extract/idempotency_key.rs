//! `Idempotency-Key`: the caller's name for a request that must have one effect, however often it is sent.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::fields::FieldError;
use crate::domain::idempotency::IdempotentRequest;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;

const HEADER: &str = "Idempotency-Key";
/// The longest key. Keys are stored, so they have a limit of their own beside that of all headers.
const MAX_CHARACTERS: usize = 255;

/// The key, when the caller gave one.
#[derive(Debug, PartialEq)]
pub(in crate::http) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The key together with what it was sent for; no body counts as null.
    pub fn of(self, document: Option<&Value>) -> Option<IdempotentRequest> {
        self.0.map(|key| IdempotentRequest { key, digest: digest(document) })
    }
}

impl FromRequestParts<HttpState> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &HttpState) -> Result<Self, Problem> {
        read(&parts.headers).map(Self)
    }
}

fn read(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let sane = |text: &&str| {
        (1..=MAX_CHARACTERS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) && values.next().is_none()
    };
    value.to_str().ok().filter(sane).map(|text| Some(text.to_owned())).ok_or_else(wrong)
}

fn wrong() -> Problem {
    let message = "must be one value of 1 to 255 visible ASCII characters without blanks";
    Problem::new(ProblemKind::InvalidHeader, format!("{HEADER} {message}")).with_errors(vec![FieldError::new(HEADER, message)])
}

/// SHA-256 of the document without blanks and with the members of every object in order, in lower-case hex.
fn digest(document: Option<&Value>) -> String {
    let mut canonical = document.cloned().unwrap_or_default();
    canonical.sort_all_objects();
    format!("{:x}", Sha256::digest(canonical.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    fn judged(values: &[&[u8]]) -> Result<Option<String>, ProblemKind> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value).expect("a header value"));
        }
        read(&headers).map_err(|problem| problem.kind)
    }

    #[test]
    fn visible_ascii_is_a_key_and_no_header_is_none() {
        for key in ["k", "01890a5d-ac96-774b-bcce-b302099a8057", "\"quoted\"", "!~", &"x".repeat(255)] {
            assert_eq!(judged(&[key.as_bytes()]), Ok(Some(key.to_owned())));
        }
        assert_eq!(judged(&[]), Ok(None));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "a b", "a\tb", "ä", &"x".repeat(256)] {
            assert_eq!(judged(&[bad.as_bytes()]), Err(ProblemKind::InvalidHeader), "{bad}");
        }
        assert_eq!(judged(&[b"\xff"]), Err(ProblemKind::InvalidHeader));
        assert_eq!(judged(&[b"a", b"a"]), Err(ProblemKind::InvalidHeader));
    }

    #[test]
    fn bodies_that_say_the_same_have_one_digest() {
        let parsed = |text: &str| digest(Some(&serde_json::from_str(text).expect("JSON")));
        assert_eq!(parsed(r#"{"a": {"x": 1, "y": [2, 3]}, "b": null}"#), parsed(r#"{"b":null,"a":{"y":[2,3],"x":1}}"#));
        let base = json!({"a": [1, 2]});
        for other in [json!({"a": [2, 1]}), json!({"a": [1, 2], "b": null}), json!({"a": ["1", 2]}), json!({})] {
            assert_ne!(digest(Some(&base)), digest(Some(&other)), "{other}");
        }
        assert_ne!(digest(None), digest(Some(&json!({}))));
    }
}
