//! The answer to a head that cannot be read: too large, too long, or no HTTP. No layer ever sees such a request.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use crate::http::client_address::Peer;
use crate::http::context::X_REQUEST_ID;
use crate::http::dto::problem::ProblemDocument;
use crate::http::headers;
use crate::http::observe::UNMATCHED;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::render::PROBLEM_JSON;
use crate::http::state::HttpState;

/// Longest head of a bare answer: a status line, `connection`, `content-length` and `date`.
const MAX_BARE_BYTES: usize = 256;

/// Makes the answers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Refusals {
    state: Arc<HttpState>,
    peer: Option<Peer>,
}

impl Refusals {
    pub fn new(state: HttpState) -> Self {
        Self { state: Arc::new(state), peer: None }
    }

    /// Those of a connection.
    pub fn of_connection(&self, peer: Peer) -> Self {
        Self { state: Arc::clone(&self.state), peer: Some(peer) }
    }

    /// The whole answer, as it goes over the wire; the connection ends after it. The request has its place in the metrics and in
    /// the log, like any other.
    pub fn answer(&self, status: StatusCode) -> Bytes {
        let state = &self.state;
        let request_id = state.ids.new_uuid(state.now()).to_string();
        let kind = ProblemKind::from_status(status).unwrap_or(ProblemKind::BadRequest);
        let detail = match kind {
            ProblemKind::HeadersTooLarge => "see server.max_header_bytes and server.max_headers for what is accepted",
            ProblemKind::UriTooLong => "no path and query of this service is that long",
            _ => "this is not HTTP",
        };
        // The method is not known, and no time was measured.
        state.metrics.http_request("OTHER", UNMATCHED, status.as_u16(), 0.0);
        // What a proxy says of the client stands in the head.
        let client = self.peer.map(|peer| tracing::field::display(peer.address.to_canonical()));
        tracing::info!(request_id, client, status = status.as_u16(), "a request whose head cannot be read was refused");
        let document = ProblemDocument::new(&Problem::new(kind, detail), status, "/", Some(&request_id));
        let body = serde_json::to_vec(&document).expect("a document of texts and numbers can be written as JSON");

        let mut fields = HeaderMap::new();
        headers::add(&mut fields, status, headers::Kind::new("/", self.peer.is_some_and(|peer| peer.secure)));
        fields.insert("content-type", HeaderValue::from_static(PROBLEM_JSON));
        fields.insert("content-length", HeaderValue::from(body.len()));
        fields.insert("connection", HeaderValue::from_static("close"));
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            fields.insert(X_REQUEST_ID, value);
        }
        let mut answer =
            format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or_default()).into_bytes();
        for (name, value) in &fields {
            answer.extend_from_slice(name.as_str().as_bytes());
            answer.extend_from_slice(b": ");
            answer.extend_from_slice(value.as_bytes());
            answer.extend_from_slice(b"\r\n");
        }
        answer.extend_from_slice(b"\r\n");
        answer.extend_from_slice(&body);
        answer.into()
    }
}

/// The status, when these bytes are hyper's answer to a head that it could not read: nothing but a short head, of one of three
/// statuses. Every answer of ours has a request id, and no part of a body looks like this, because JSON has no bare line breaks.
pub(super) fn bare_status(bytes: &[u8]) -> Option<StatusCode> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
    let status = [StatusCode::BAD_REQUEST, StatusCode::URI_TOO_LONG, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE]
        .into_iter()
        .find(|status| rest.starts_with(status.as_str().as_bytes()))?;
    let is_bare = bytes.len() <= MAX_BARE_BYTES && bytes.ends_with(b"\r\n\r\n");
    let has_id =
        || bytes.windows(X_REQUEST_ID.as_str().len()).any(|part| part.eq_ignore_ascii_case(X_REQUEST_ID.as_str().as_bytes()));
    (is_bare && !has_id()).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_answer_to_a_bad_head_is_known_as_one() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(bare_status(bare), Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\nX-Request-Id: 1\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            b"{\"detail\":\"HTTP/1.1 400 Bad Request\"}",
            b"",
        ] {
            assert_eq!(bare_status(other), None);
        }
    }
}
