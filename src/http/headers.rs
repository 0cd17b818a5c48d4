//! Headers that every answer has, so that a browser does with it nothing but show it.

use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::BASE_PATH;

/// Where the viewer of the document is.
const VIEWER_PATH: &str = "/swagger-ui";

/// Answers are data: nothing in them may load or run anything, or be framed.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// The viewer loads its own scripts and styles, has pictures within its style sheet, and asks this service. Its page has neither inline
/// scripts nor styles, and what it styles at run time goes through the DOM, which a policy does not forbid; but for the colours of
/// its logo, a style within the picture, which is allowed by its digest. A browser's console names the new one should it change.
const VIEWER_POLICY: &str = "default-src 'none'; script-src 'self'; \
                             style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; \
                             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Two years, as browsers ask for; only this host, because others of the domain are not ours to decide about.
const TRANSPORT_SECURITY: &str = "max-age=63072000";

/// What the headers depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    is_api: bool,
    is_viewer: bool,
    secure: bool,
}

impl Kind {
    /// The kind of a request: by its path, and how it came.
    pub fn new(path: &str, secure: bool) -> Self {
        Self { is_api: path.starts_with(BASE_PATH), is_viewer: path.starts_with(VIEWER_PATH), secure }
    }
}

/// Adds the headers. Answers of the API and errors are not for any cache to keep.
pub(super) fn add(headers: &mut HeaderMap, status: StatusCode, kind: Kind) {
    let policy = if kind.is_viewer { VIEWER_POLICY } else { DATA_POLICY };
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    if kind.is_api || status.is_client_error() || status.is_server_error() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if status == StatusCode::REQUEST_TIMEOUT {
        // What would come next on it is the rest of that request.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if kind.secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TRANSPORT_SECURITY));
    }
}
