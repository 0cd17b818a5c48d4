//! How long a target asks to be left alone.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::domain::time::Timestamp;

/// The wait asked for: the `Retry-After` header in seconds or as a date (RFC 9110, 10.2.3), else `retry_after_seconds` of the
/// body, which ThemisDB sends beside it.
pub(super) fn retry_after(headers: &HeaderMap, body: Option<&Value>, now: Timestamp) -> Option<Duration> {
    let header = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| parse(text.trim(), now));
    header.or_else(|| {
        let seconds = body?.get("retry_after_seconds")?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    })
}

fn parse(text: &str, now: Timestamp) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    // A date that has passed means at once.
    Some((http_date(text)? - now).to_std().unwrap_or(Duration::ZERO))
}

/// The three forms of RFC 9110, 5.6.7, two of which are obsolete and still have to be read.
fn http_date(text: &str) -> Option<Timestamp> {
    let imf = DateTime::parse_from_rfc2822(text).map(|date| date.with_timezone(&Utc));
    let obsolete = |form| NaiveDateTime::parse_from_str(text, form).map(|date| date.and_utc());
    imf.or_else(|_| obsolete("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|_| obsolete("%a %b %e %H:%M:%S %Y")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(header: Option<&str>, body: Value) -> Option<u64> {
        let now = DateTime::from_timestamp(784_111_777 - 37, 0).expect("a time");
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert(RETRY_AFTER, header.parse().expect("a header value"));
        }
        retry_after(&headers, Some(&body), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_dates_and_the_body_are_read() {
        assert_eq!(asked(Some("7"), json!({})), Some(7));
        assert_eq!(asked(Some(" 120 "), json!({"retry_after_seconds": 3})), Some(120));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(asked(Some(date), json!({})), Some(37), "{date}");
        }
        assert_eq!(asked(Some("Sun, 06 Nov 1993 08:49:37 GMT"), json!({})), None, "not a Sunday");
        assert_eq!(asked(Some("Sat, 06 Nov 1993 08:49:37 GMT"), json!({})), Some(0), "passed long ago");
        assert_eq!(asked(None, json!({"retry_after_seconds": 3})), Some(3));
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999999999"] {
            assert_eq!(asked(Some(nonsense), json!({})), None, "{nonsense}");
        }
        assert_eq!(asked(None, json!({"retry_after_seconds": -3})), None);
        assert_eq!(asked(None, json!({"retry_after_seconds": 1e300})), None);
        assert_eq!(asked(None, json!("x")), None);
    }
}
