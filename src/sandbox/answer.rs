//! The shapes of ThemisDB's answers, and of the bodies that it accepts.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What ThemisDB says to everything that the closed store cannot do.
pub(super) const NOT_OPEN: &str = "Database not open";

/// An error that a route answers with: the usual body.
pub(super) struct Refusal(pub(super) StatusCode, pub(super) String);

impl Refusal {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, message.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        (status, Json(error_body(status, &message))).into_response()
    }
}

/// The usual error body.
pub(super) fn error_body(status: StatusCode, message: &str) -> Value {
    json!({"error": true, "message": message, "status_code": status.as_u16()})
}

/// The body of 401 and 403, whose `error` is a word.
pub(super) fn denied(status: StatusCode, error: &str, message: &str) -> Response {
    (status, Json(json!({"error": error, "message": message}))).into_response()
}

/// 429, with the wait in a header and in the body.
pub(super) fn rate_limited(retry_after_seconds: u64) -> Response {
    let body = json!({
        "error": "Too Many Requests",
        "message": "Rate limit exceeded",
        "retry_after_seconds": retry_after_seconds,
    });
    let retry_after = [(header::RETRY_AFTER, retry_after_seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, retry_after, Json(body)).into_response()
}

/// The answer to everything that is not exactly a route.
pub(super) async fn not_found() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "Endpoint not found".to_owned())
}

/// The bearer token of a request; anything else in the header counts as none.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// A request body that must be a JSON object. An empty one is a mistake: ThemisDB wants at least `{}`.
pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::bad_request("Invalid JSON: an object is expected")),
        Err(error) => Err(Refusal::bad_request(format!("Invalid JSON: {error}"))),
    }
}

/// A field that must be there and be a string.
pub(super) fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<&'a str, Refusal> {
    optional_text(object, field)?.ok_or_else(|| Refusal::bad_request(format!("Missing '{field}'")))
}

/// A field that may be missing, and otherwise must be a string.
pub(super) fn optional_text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<Option<&'a str>, Refusal> {
    match object.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::bad_request(format!("Invalid JSON: '{field}' must be a string"))),
    }
}
