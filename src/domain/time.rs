//! Instants as the service writes them: RFC 3339, UTC, milliseconds.

use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, TimeDelta, Timelike, Utc};

/// An instant in UTC. Everything the service stores or shows is cut to whole milliseconds.
pub type Timestamp = DateTime<Utc>;

/// Writes an instant as RFC 3339 with milliseconds and `Z`, for example `2026-01-31T02:00:00.000Z`.
pub fn format_timestamp(instant: Timestamp) -> String {
    match written(instant).as_ref().map(|text| std::str::from_utf8(text)) {
        Some(Ok(text)) => text.to_owned(),
        _ => instant.to_rfc3339_opts(SecondsFormat::Millis, true),
    }
}

/// The text of a year with four digits. Every document holds several instants, and chrono takes as long for one as for the rest of
/// its object.
fn written(instant: Timestamp) -> Option<[u8; 24]> {
    // A leap second has more than a thousand milliseconds.
    let milliseconds = Some(instant.timestamp_subsec_millis()).filter(|milliseconds| *milliseconds <= 999)?;
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
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Serialises as [`super::format_timestamp`] does.
    pub fn serialize<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_timestamp(*instant))
    }

    /// Reads RFC 3339; cut to milliseconds, so that it is the same once it is written again.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Timestamp::deserialize(deserializer).map(super::to_millis)
    }
}

/// `serde(with = "…")` for an optional instant with milliseconds; null when there is none.
pub mod serde_millis_option {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Serialises as [`super::format_timestamp`] does, or null.
    pub fn serialize<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match instant {
            Some(instant) => serializer.serialize_some(&super::format_timestamp(*instant)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads RFC 3339, cut to milliseconds, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<Timestamp>::deserialize(deserializer).map(|instant| instant.map(super::to_millis))
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
}
