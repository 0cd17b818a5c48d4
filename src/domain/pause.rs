//! Pauses: somebody stops what would run by itself, for a reason, until a time or until further notice.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fields::{FieldError, Fields, members_of};
use super::ids::ScheduleId;
use super::time::{Timestamp, format_timestamp, serde_millis, serde_millis_option};

/// The longest reason for a pause or a freeze, in characters.
pub const MAX_REASON_CHARACTERS: usize = 500;

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PausePlace {
    /// Every target.
    All,
    /// One target.
    Target(String),
    /// One schedule.
    Schedule(ScheduleId),
}

impl PausePlace {
    /// As the audit trail names it.
    pub fn object(&self) -> String {
        match self {
            Self::All => "targets".to_owned(),
            Self::Target(name) => format!("target/{name}"),
            Self::Schedule(id) => format!("schedule/{id}"),
        }
    }
}

impl fmt::Display for PausePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("all targets"),
            Self::Target(name) => write!(formatter, "target '{name}'"),
            Self::Schedule(id) => write!(formatter, "schedule '{id}'"),
        }
    }
}

/// A pause of a schedule, a target, or everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who asked for it (JWT `sub`).
    pub paused_by: String,
    /// Since when.
    #[serde(with = "serde_millis")]
    pub paused_at: Timestamp,
    /// Why, 1–500 characters.
    pub reason: String,
    /// When it ends by itself; `None`: when somebody resumes.
    #[serde(default, with = "serde_millis_option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Pause {
    /// True while it lasts. That it has begun is not asked: a clock that goes back does not end it.
    pub fn holds_at(&self, moment: Timestamp) -> bool {
        self.until.is_none_or(|until| moment < until)
    }

    /// True when a fire fell into it, however late that is dealt with.
    pub fn held_at(&self, moment: Timestamp) -> bool {
        self.paused_at <= moment && self.holds_at(moment)
    }

    /// What it does, in words.
    pub fn explain(&self, place: &PausePlace) -> String {
        let until =
            self.until.map_or_else(|| "until somebody resumes".to_owned(), |until| format!("until {}", format_timestamp(until)));
        let is = if *place == PausePlace::All { "are" } else { "is" };
        format!("{place} {is} paused by {} since {}, {until}: {}", self.paused_by, format_timestamp(self.paused_at), self.reason)
    }

    /// As it stands in the audit trail.
    pub fn record(&self) -> Value {
        json!({ "reason": self.reason, "until": self.until.map(format_timestamp) })
    }
}

/// The fire that a schedule is to leave out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipNext {
    /// Which.
    #[serde(with = "serde_millis")]
    pub scheduled_for: Timestamp,
    /// Who asked for it (JWT `sub`).
    pub requested_by: String,
    /// When.
    #[serde(with = "serde_millis")]
    pub requested_at: Timestamp,
    /// Why; empty when nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl SkipNext {
    /// What it does, in words.
    pub fn explain(&self) -> String {
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("{} asked to leave this fire out{why}", self.requested_by)
    }
}

/// A pause as a request describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseInput {
    /// Why.
    pub reason: String,
    /// Until when.
    pub until: Option<Timestamp>,
}

impl PauseInput {
    /// Reads the body of a pause.
    ///
    /// # Errors
    /// Every broken rule, with its field.
    pub fn parse(document: &Value, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut fields = Fields::new(members_of(document)?, "");
        let reason = read_reason(&mut fields, true);
        let until = read_moment(&mut fields, "until");
        if until.is_some_and(|until| until <= now) {
            fields.error("until", "must be in the future");
        }
        let errors = fields.finish();
        if errors.is_empty() { Ok(Self { reason, until }) } else { Err(errors) }
    }
}

/// Reads the body of a request to leave a fire out: why, or an empty text.
///
/// # Errors
/// Every broken rule, with its field.
pub fn parse_skip(document: Option<&Value>) -> Result<String, Vec<FieldError>> {
    let Some(document) = document else { return Ok(String::new()) };
    let mut fields = Fields::new(members_of(document)?, "");
    let reason = read_reason(&mut fields, false);
    let errors = fields.finish();
    if errors.is_empty() { Ok(reason) } else { Err(errors) }
}

/// Reads the field `reason`.
pub(super) fn read_reason(fields: &mut Fields<'_>, required: bool) -> String {
    let reason = fields.string("reason").unwrap_or_default().trim();
    if reason.is_empty() && required && !fields.has_error("reason") {
        fields.error("reason", "is required: who comes after you has to know why");
    } else if reason.chars().count() > MAX_REASON_CHARACTERS {
        fields.error("reason", format!("must be at most {MAX_REASON_CHARACTERS} characters long"));
    } else if reason.chars().any(char::is_control) {
        fields.error("reason", "must not contain control characters");
    }
    reason.to_owned()
}

/// Reads a moment in RFC 3339, with any offset, in whole milliseconds.
pub(super) fn read_moment(fields: &mut Fields<'_>, field: &'static str) -> Option<Timestamp> {
    let text = fields.string(field)?;
    let moment = parse_moment(text);
    if moment.is_none() {
        fields.error(field, "must be a time such as 2026-01-31T02:00:00Z (RFC 3339), before the year 10000");
    }
    moment
}

/// Reads a moment in RFC 3339, with any offset, in whole milliseconds; `None` when it is none, or beyond what can be written so.
pub fn parse_moment(text: &str) -> Option<Timestamp> {
    let moment = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let in_range = (0..=9999).contains(&chrono::Datelike::year(&moment.to_utc()));
    Timestamp::from_timestamp_millis(moment.timestamp_millis()).filter(|_| in_range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn fields_of(result: Result<PauseInput, Vec<FieldError>>) -> Vec<String> {
        result.expect_err("a broken rule").into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_pause_needs_a_reason_and_ends_in_the_future_or_never() {
        let open = PauseInput::parse(&json!({"reason": " disk is full "}), at(0)).expect("a pause");
        assert_eq!((open.reason.as_str(), open.until), ("disk is full", None));
        let until = PauseInput::parse(&json!({"reason": "x", "until": "1970-01-01T02:00:10+02:00"}), at(0)).expect("a pause");
        assert_eq!(until.until, Some(at(10)));
        for (document, now, fields) in [
            (json!({}), 0, vec!["reason"]),
            (json!({"reason": "  "}), 0, vec!["reason"]),
            (json!({"reason": 7}), 0, vec!["reason"]),
            (json!({"reason": "x".repeat(501)}), 0, vec!["reason"]),
            (json!({"reason": "a\u{7}"}), 0, vec!["reason"]),
            (json!({"reason": "x", "until": "1970-01-01T00:00:10Z"}), 10, vec!["until"]),
            (json!({"until": "tomorrow", "for": 1}), 0, vec!["reason", "until", "for"]),
            (json!([]), 0, vec![""]),
        ] {
            assert_eq!(fields_of(PauseInput::parse(&document, at(now))), fields, "{document}");
        }
    }

    #[test]
    fn the_end_of_a_pause_is_not_part_of_it() {
        let pause = Pause { paused_by: "ann".into(), paused_at: at(0), reason: "x".into(), until: Some(at(10)) };
        assert!(pause.holds_at(at(9)) && !pause.holds_at(at(10)));
        assert!(Pause { until: None, ..pause.clone() }.holds_at(at(1_000_000)));
        assert_eq!(
            pause.explain(&PausePlace::Target("eu".into())),
            "target 'eu' is paused by ann since 1970-01-01T00:00:00.000Z, until 1970-01-01T00:00:10.000Z: x"
        );
    }

    #[test]
    fn a_skip_may_have_a_reason() {
        assert_eq!(parse_skip(None), Ok(String::new()));
        assert_eq!(parse_skip(Some(&json!({"reason": "moved by hand"}))), Ok("moved by hand".into()));
        assert!(parse_skip(Some(&json!({"count": 2}))).is_err());
    }

    #[test]
    fn only_what_can_be_written_again_is_a_moment() {
        assert_eq!(parse_moment("1970-01-01T00:00:00.0019Z").map(|at| at.timestamp_millis()), Some(1));
        for text in ["", "2026-01-31", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-02:00", "+12026-01-01T00:00:00Z"] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }
}
