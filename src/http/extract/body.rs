//! JSON bodies. The last extractor of a handler: by then the caller is known to be allowed.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use super::strict_json;
use crate::http::body_timeout::{BodyStalled, watched};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::HttpState;

/// The media type of RFC 7396.
const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// A body that has to be there.
pub(in crate::http) struct JsonBody(pub Value);

/// A body that can be left out.
pub(in crate::http) struct OptionalJsonBody(pub Option<Value>);

impl FromRequest<HttpState> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Problem> {
        check_media_type(request.method(), request.headers())?;
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Err(Problem::new(ProblemKind::MissingBody, "this operation needs a JSON document as its body"));
        }
        parse(&bytes, state).map(Self)
    }
}

impl FromRequest<HttpState> for OptionalJsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Problem> {
        let media_type = check_media_type(request.method(), request.headers());
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        media_type?;
        parse(&bytes, state).map(|document| Self(Some(document)))
    }
}

fn parse(bytes: &[u8], state: &HttpState) -> Result<Value, Problem> {
    strict_json::parse_within(bytes, state.settings.max_json_depth)
        .map_err(|error| Problem::new(ProblemKind::MalformedJson, format!("the body is not JSON: {error}")))
}

/// Reads the body up to the limit; one that says beforehand that it is longer is not read at all.
async fn read(request: Request, state: &HttpState) -> Result<Bytes, Problem> {
    let limit = state.settings.max_body_bytes;
    let too_large = || Problem::new(ProblemKind::BodyTooLarge, format!("the body may have at most {limit} bytes"));
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > limit)) {
        return Err(too_large());
    }
    let request = request.map(|body| watched(body, state.settings.body_timeout));
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ if BodyStalled::caused(&rejection) => {
            let seconds = state.settings.body_timeout.as_secs_f64();
            Problem::new(ProblemKind::BodyTimeout, format!("no byte of the body came for {seconds} s"))
        }
        _ => Problem::new(ProblemKind::BadRequest, "the body could not be read to its end"),
    })
}

fn check_media_type(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let patches = method == Method::PATCH;
    if is_accepted(headers, patches) {
        return Ok(());
    }
    let accepted = if patches { format!("{MERGE_PATCH} or {JSON}") } else { JSON.to_owned() };
    let detail = format!("the Content-Type must be {accepted}, in UTF-8 and without a Content-Encoding");
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}

fn is_accepted(headers: &HeaderMap, patches: bool) -> bool {
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return false;
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(text) = value.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let known = media_type.eq_ignore_ascii_case(JSON) || (patches && media_type.eq_ignore_ascii_case(MERGE_PATCH));
    known && parts.all(is_harmless_parameter)
}

/// JSON has no parameters (RFC 8259, section 11); a `charset` that says UTF-8 is common and does no harm.
fn is_harmless_parameter(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn accepted(content_type: &str, patches: bool) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).expect("a header value"));
        is_accepted(&headers, patches)
    }

    #[test]
    fn json_in_utf_8_is_accepted_and_merge_patches_by_patch_alone() {
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"", "application/json;"]
        {
            assert!(accepted(good, false), "{good}");
            assert!(accepted(good, true), "{good}");
        }
        for bad in
            ["text/plain", "application/jsonx", "application/json; charset=latin1", "", "application/x-www-form-urlencoded"]
        {
            assert!(!accepted(bad, false), "{bad}");
        }
        assert!(accepted("application/merge-patch+json", true));
        assert!(!accepted("application/merge-patch+json", false));
        assert!(!is_accepted(&HeaderMap::new(), false));
    }

    #[test]
    fn two_types_or_a_compressed_body_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(!is_accepted(&headers, false));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("identity"));
        assert!(is_accepted(&headers, false));
        headers.append(CONTENT_TYPE, HeaderValue::from_static(JSON));
        assert!(!is_accepted(&headers, false));
    }
}
