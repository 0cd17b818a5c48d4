//! Instants as the service writes them: RFC 3339, UTC, milliseconds.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Deserializer};

use super::text::deserialize_text;

/// An instant in UTC. Everything the service stores or shows is cut to whole milliseconds.
pub type Timestamp = DateTime<Utc>;

/// Writes an instant as RFC 3339 with milliseconds and `Z`, for example `2026-01-31T02:00:00.000Z`.
pub fn format_timestamp(instant: Timestamp) -> String {
    with_text(instant, str::to_owned)
}

/// Gives an instant's text, as [`format_timestamp`] writes it, to somebody who need not keep it.
fn with_text<T>(instant: Timestamp, take: impl FnOnce(&str) -> T) -> T {
    match written(instant).as_ref().map(|text| std::str::from_utf8(text)) {
        Some(Ok(text)) => take(text),
        _ => take(&instant.to_rfc3339_opts(SecondsFormat::Millis, true)),
    }
}

/// The text of a year with four digits. Every document holds several instants, and chrono takes as long for one as for the rest of
/// its object.
fn written(instant: Timestamp) -> Option<[u8; 24]> {
    // Once: a time with an offset takes it into account for each of its parts.
    let instant = instant.naive_utc();
    // A leap second has more than a thousand milliseconds.
    let milliseconds = Some(instant.nanosecond() / 1_000_000).filter(|milliseconds| *milliseconds <= 999)?;
    let year = u32::try_from(instant.year()).ok().filter(|year| *year <= 9999)?;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (end, value) in [
        (4, year),
        (7, instant.month()),
        (10, instant.day()),
        (13, instant.hour()),
        (16, instant.minute()),
        (19, instant.second()),
        (23, milliseconds),
    ] {
        let mut rest = value;
        for digit in text[..end].iter_mut().rev().take_while(|byte| byte.is_ascii_digit()) {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    Some(text)
}

/// Reads what [`format_timestamp`] writes, and nothing else. A start reads several instants of every schedule, and chrono takes as long
/// for one as for the rest of its row.
fn read(text: &str) -> Option<Timestamp> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let number = |from: usize, to: usize| {
        let digits = text[from..to].iter();
        digits.map(|byte| byte.is_ascii_digit().then(|| u32::from(byte - b'0'))).try_fold(0, |all, digit| Some(all * 10 + digit?))
    };
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if punctuation.iter().any(|&(at, byte)| text[at] != byte) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    Some(date.and_hms_milli_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?)?.and_utc())
}

/// An instant within a document: RFC 3339, read as it stands there.
struct Instant(Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let instant = |text: &str| read(text).map_or_else(|| text.parse(), Ok).map(Self);
        deserialize_text(deserializer, "an RFC 3339 formatted date and time string", instant)
    }
}

/// Cuts an instant to whole milliseconds, so that what is stored equals what is shown.
pub fn to_millis(instant: Timestamp) -> Timestamp {
    // Unlike chrono's own truncation, which counts nanoseconds, this holds for every year.
    DateTime::from_timestamp_millis(instant.timestamp_millis()).unwrap_or(instant)
}

/// Whole milliseconds from `start` to `end`, zero when the clock went back in between.
pub fn millis_between(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from((end - start).num_milliseconds()).unwrap_or(0)
}

/// A length of time as timestamps are moved by it; one that they cannot hold counts as the longest.
pub fn to_delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// `serde(with = "…")` for an instant with milliseconds.
pub mod serde_millis {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Instant, Timestamp};

    /// Serialises as [`super::format_timestamp`] does.
    pub fn serialize<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        super::with_text(*instant, |text| serializer.serialize_str(text))
    }

    /// Reads RFC 3339; cut to milliseconds, so that it is the same once it is written again.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Instant::deserialize(deserializer).map(|Instant(instant)| super::to_millis(instant))
    }
}

/// `serde(with = "…")` for an optional instant with milliseconds; null when there is none.
pub mod serde_millis_option {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Instant, Timestamp};

    /// Serialises as [`super::format_timestamp`] does, or null.
    pub fn serialize<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match instant {
            Some(instant) => super::with_text(*instant, |text| serializer.serialize_some(text)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads RFC 3339, cut to milliseconds, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Option::deserialize(deserializer).map(|instant| instant.map(|Instant(instant)| super::to_millis(instant)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_chrono_writes_them() {
        let texts =
            ["0000-01-01T00:00:00.000Z", "1969-12-31T23:59:59.999Z", "2026-01-31T02:03:04.056Z", "9999-12-31T23:59:59.999Z"];
        for text in texts {
            assert_eq!(format_timestamp(text.parse().expect("a timestamp")), text);
        }
        for instant in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            assert_eq!(format_timestamp(instant), instant.to_rfc3339_opts(SecondsFormat::Millis, true));
        }
        // A leap second.
        let instant: Timestamp = "2016-12-31T23:59:60.500Z".parse().expect("a timestamp");
        assert_eq!(format_timestamp(instant), instant.to_rfc3339_opts(SecondsFormat::Millis, true));
    }

    #[test]
    fn an_instant_is_read_as_chrono_reads_it() {
        let read_as = |text: &str| serde_json::from_value::<Instant>(text.into()).map(|Instant(instant)| instant);
        for text in
            ["0000-01-01T00:00:00.000Z", "2026-01-31T02:03:04.056Z", "2024-02-29T23:59:59.999Z", "9999-12-31T23:59:59.999Z"]
        {
            assert_eq!(read(text), text.parse().ok(), "{text}");
        }
        // What we do not write ourselves is left to chrono.
        let other =
            ["2026-01-31T02:03:04Z", "2026-01-31T03:03:04.056789+01:00", "2016-12-31T23:59:60.500Z", "+12026-01-31T02:03:04Z"];
        let wrong = [
            "2026-02-29T00:00:00.000Z",
            "2026-01-31T24:00:00.000Z",
            "2026-01-31T23:60:00.000Z",
            "2026-01-31T02:03:04.05Z0",
            "2026-01-31T02:03:04.+56Z",
            "",
        ];
        for text in other.into_iter().chain(wrong) {
            assert_eq!(read(text), None, "{text}");
            assert_eq!(read_as(text).ok(), text.parse().ok(), "{text}");
        }
        assert!(other.into_iter().all(|text| read_as(text).is_ok()) && wrong.into_iter().all(|text| read_as(text).is_err()));
    }
}
