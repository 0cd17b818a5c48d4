//! Identifiers: of schedules (chosen by people) and of jobs (made by the service).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::text::deserialize_text;

/// The longest schedule id, in bytes.
pub const MAX_SCHEDULE_ID_BYTES: usize = 256;

/// A schedule's id: `[A-Za-z0-9_-][A-Za-z0-9._-]*`, at most 256 bytes, no `..`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleId(Arc<str>);

/// Why a text is not a schedule id. The message is meant for the person who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleIdError {
    /// Nothing was given.
    #[error("must not be empty")]
    Empty,
    /// More than 256 bytes.
    #[error("must be at most {MAX_SCHEDULE_ID_BYTES} bytes long")]
    TooLong,
    /// A character outside the allowed set, or a dot at the start.
    #[error("must consist of letters, digits, '_', '-' and '.', and must not begin with '.'")]
    Character,
    /// Two dots in a row.
    #[error("must not contain '..'")]
    DoubleDot,
}

impl ScheduleId {
    /// Checks a text.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, ScheduleIdError> {
        if text.is_empty() {
            return Err(ScheduleIdError::Empty);
        }
        if text.len() > MAX_SCHEDULE_ID_BYTES {
            return Err(ScheduleIdError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if text.starts_with('.') || !text.bytes().all(allowed) {
            return Err(ScheduleIdError::Character);
        }
        if text.as_bytes().windows(2).any(|pair| pair == b"..") {
            return Err(ScheduleIdError::DoubleDot);
        }
        Ok(Self(text.into()))
    }

    /// The id of a schedule whose author gave none.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for ScheduleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ScheduleId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer, "a string", Self::parse)
    }
}

/// A job's id, a UUIDv7 made by the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// Reads a job id; `None` when the text is not a UUID, so no job can have it.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A freeze's id, a UUIDv7 made by the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FreezeId(pub Uuid);

impl FreezeId {
    /// Reads a freeze's id; `None` when the text is not a UUID, so no freeze can have it.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for FreezeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_the_rule_of_the_schedule_table() {
        for good in ["a", "nightly-index-rebuild", "_x", "-x", "a.b", "A1.", &"x".repeat(256)] {
            assert!(ScheduleId::parse(good).is_ok(), "{good}");
        }
        for (bad, error) in [
            ("", ScheduleIdError::Empty),
            (".a", ScheduleIdError::Character),
            ("a..b", ScheduleIdError::DoubleDot),
            ("../x", ScheduleIdError::Character),
            ("a/b", ScheduleIdError::Character),
            ("ä", ScheduleIdError::Character),
            ("a\n", ScheduleIdError::Character),
            (&"x".repeat(257), ScheduleIdError::TooLong),
        ] {
            assert_eq!(ScheduleId::parse(bad), Err(error), "{bad}");
        }
    }
}
