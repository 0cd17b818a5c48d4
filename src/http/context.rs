//! What is known of a request beside its bytes: its id, and who sent it once the token is verified.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderMap, HeaderName};

/// The header that carries the request's id, in both directions.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest request id that is taken over from a caller.
const MAX_REQUEST_ID_BYTES: usize = 256;

/// Travels with the request as an extension; the layers keep a clone, so that they know afterwards what the extractors learned.
#[derive(Debug, Clone)]
pub(super) struct RequestContext {
    /// The caller's id if it is sane, else one of ours.
    pub request_id: Arc<str>,
    client_address: Option<IpAddr>,
    subject: Arc<OnceLock<String>>,
}

impl RequestContext {
    /// A request of which only the id is known, and who sent it by address.
    pub fn new(request_id: impl Into<Arc<str>>, client_address: Option<IpAddr>) -> Self {
        Self { request_id: request_id.into(), client_address, subject: Arc::default() }
    }

    /// The client's address: the peer's, or that which a trusted proxy names. None for a request that came over no connection.
    pub fn client_address(&self) -> Option<IpAddr> {
        self.client_address
    }

    /// Notes whose token was verified.
    pub fn set_subject(&self, subject: &str) {
        // A request has one token, so a second call would say the same.
        let _ = self.subject.set(subject.to_owned());
    }

    /// The verified token's `sub`.
    pub fn subject(&self) -> Option<&str> {
        self.subject.get().map(String::as_str)
    }
}

/// The caller's request id, when there is exactly one and it has 1–256 visible ASCII characters without blanks and quotes.
pub(super) fn sane_request_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let text = value.to_str().ok()?;
    let sane = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'`');
    ((1..=MAX_REQUEST_ID_BYTES).contains(&text.len()) && text.bytes().all(sane)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn judged(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(X_REQUEST_ID, HeaderValue::from_bytes(value).expect("a header value"));
        }
        sane_request_id(&headers).map(str::to_owned)
    }

    #[test]
    fn sane_ids_are_kept() {
        for id in ["a", "01890a5d-ac96-774b-bcce-b302099a8057", "trace/42:x=y;{}<>\\", &"x".repeat(256)] {
            assert_eq!(judged(&[id.as_bytes()]).as_deref(), Some(id));
        }
    }

    #[test]
    fn other_ids_are_not_taken_over() {
        for id in ["", "a b", "a\tb", "\"a\"", "it's", "`a`", "ä", &"x".repeat(257)] {
            assert_eq!(judged(&[id.as_bytes()]), None, "{id}");
        }
        assert_eq!(judged(&[b"\xff"]), None);
        assert_eq!(judged(&[b"a", b"b"]), None);
        assert_eq!(judged(&[]), None);
    }
}
