//! The format of a line and the chain through the lines; shared by the writer and the verifier, so that they cannot disagree.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::audit::{AuditOutcome, EncodedEvent};
use crate::domain::fields::printable_message;
use crate::domain::time::Timestamp;

/// The longest line that is read, in bytes. A request body is at most some 256 KiB, so that a line with two images of a schedule
/// stays far below.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
/// `previous` of the first line.
const NO_DIGEST: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A line as it is read: every field has to be there, and no other; but the lines of earlier versions have no `address`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the other fields are named so that their presence and types are checked")]
struct Read {
    sequence: u64,
    event_id: Uuid,
    time: Timestamp,
    actor: String,
    action: String,
    object: String,
    outcome: AuditOutcome,
    request_id: IgnoredAny,
    #[serde(default)]
    address: Option<IpAddr>,
    before: IgnoredAny,
    after: IgnoredAny,
    detail: IgnoredAny,
    previous: String,
}

/// What the first line of a file says of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Of the line.
    pub sequence: u64,
    /// Of the event.
    pub time: Timestamp,
    /// Digest of the last line of the file before; `None` in the first file.
    pub previous: Option<String>,
}

impl Head {
    /// Reads the first of these lines; `None` when it is not whole, or none of ours.
    pub fn of(lines: &[u8]) -> Option<Self> {
        let end = lines.iter().position(|byte| *byte == b'\n')?;
        let Read { sequence, time, previous, .. } = parse(&lines[..end]).ok()?;
        Some(Self { sequence, time, previous: Some(previous).filter(|digest| digest != NO_DIGEST) })
    }
}

/// Why a line does not continue a chain. `Display` is the end of a sentence that begins with the line.
#[derive(Debug)]
pub(super) enum LineError {
    /// Not a JSON object with the fields of an audit line.
    Malformed(serde_json::Error),
    /// `previous` is no digest.
    NoDigest,
    /// A line is missing or doubled.
    Sequence {
        /// What the line should have.
        expected: u64,
        /// What it has.
        found: u64,
    },
    /// The line before is not the one that this line was written after.
    Previous,
}

impl fmt::Display for LineError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It quotes the line, which somebody may have written who wants to be read on a terminal.
            Self::Malformed(error) => write!(formatter, "is not an audit line: {}", printable_message(&error.to_string())),
            Self::NoDigest => formatter.write_str("is not an audit line: 'previous' is not a SHA-256 digest in lower-case hex"),
            Self::Sequence { expected, found } => write!(formatter, "has sequence {found} where {expected} follows"),
            Self::Previous => formatter.write_str(
                "does not carry the digest of the line before it: one of the two was changed, or a line between them is gone",
            ),
        }
    }
}

/// The end of a chain: what the next line has to refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    /// Sequence of the last line, 0 before the first.
    pub sequence: u64,
    /// Digest of the last line, 64 zeros before the first.
    pub digest: String,
}

impl Chain {
    /// Before the first line.
    pub fn start() -> Self {
        Self { sequence: 0, digest: NO_DIGEST.to_owned() }
    }

    /// Before this line, which is the first of a file: what it says of the line before is taken on trust.
    pub fn before(line: &[u8]) -> Result<Self, LineError> {
        let read = parse(line)?;
        match read.sequence.checked_sub(1) {
            None => Err(LineError::Sequence { expected: 1, found: 0 }),
            // Only the first line of all has no line before it, and it has none.
            Some(0) => Ok(Self::start()),
            Some(_) if read.previous == NO_DIGEST => Err(LineError::Previous),
            Some(sequence) => Ok(Self { sequence, digest: read.previous }),
        }
    }

    /// True before the first line of all.
    pub fn is_start(&self) -> bool {
        self.sequence == 0
    }

    /// After this line, whose own place in the chain is taken on trust.
    pub fn after(line: &[u8]) -> Result<Self, LineError> {
        let read = parse(line)?;
        Ok(Self { sequence: read.sequence, digest: digest(line) })
    }

    /// Writes the next line, with its line break, to the end of `output`.
    pub fn append(&mut self, event: &EncodedEvent, output: &mut Vec<u8>) {
        let start = output.len();
        self.sequence += 1;
        // The members of the event stand between those of the chain: its object without its braces, and it is never empty.
        let object = event.json();
        let line =
            format!("{{\"sequence\":{},{},\"previous\":\"{}\"}}", self.sequence, &object[1..object.len() - 1], self.digest);
        output.extend_from_slice(line.as_bytes());
        self.digest = digest(&output[start..]);
        output.push(b'\n');
    }

    /// The chain after a line, without its line break, which has to be the next one.
    pub fn followed_by(&self, line: &[u8]) -> Result<Self, LineError> {
        let read = parse(line)?;
        let expected = self.sequence + 1;
        if read.sequence != expected {
            return Err(LineError::Sequence { expected, found: read.sequence });
        }
        if read.previous != self.digest {
            return Err(LineError::Previous);
        }
        Ok(Self { sequence: expected, digest: digest(line) })
    }
}

fn parse(line: &[u8]) -> Result<Read, LineError> {
    let read: Read = serde_json::from_slice(line).map_err(LineError::Malformed)?;
    let is_digest =
        read.previous.len() == NO_DIGEST.len() && read.previous.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_digest { Ok(read) } else { Err(LineError::NoDigest) }
}

fn digest(line: &[u8]) -> String {
    format!("{:x}", Sha256::digest(line))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::audit::AuditEvent;
    use chrono::DateTime;
    use serde_json::json;

    /// An event by an actor.
    pub(in crate::audit) fn event(actor: &str) -> EncodedEvent {
        EncodedEvent::from(&plain_event(actor))
    }

    pub(in crate::audit) fn plain_event(actor: &str) -> AuditEvent {
        AuditEvent {
            event_id: Uuid::from_u128(1),
            time: DateTime::from_timestamp_millis(1_767_225_600_123).expect("a time"),
            actor: actor.to_owned(),
            action: "create_schedule".to_owned(),
            object: "schedule/nightly".to_owned(),
            outcome: AuditOutcome::Succeeded,
            request_id: Some("r-1".to_owned()),
            address: Some(IpAddr::from([192, 0, 2, 7])),
            before: None,
            after: Some(json!({"id": "nightly"})),
            detail: None,
        }
    }

    /// A clock that stands until it is moved.
    pub(in crate::audit) struct Time(parking_lot::Mutex<Timestamp>);

    impl Time {
        pub fn new() -> Self {
            Self(parking_lot::Mutex::new(plain_event("ann").time))
        }

        pub fn advance(&self, by: chrono::TimeDelta) {
            *self.0.lock() += by;
        }
    }

    #[async_trait::async_trait]
    impl crate::domain::ports::Clock for Time {
        fn now(&self) -> Timestamp {
            *self.0.lock()
        }

        async fn sleep_until(&self, _: Timestamp) {
            std::future::pending().await
        }
    }

    #[test]
    fn a_line_has_its_fields_in_order_and_the_digest_of_the_line_before() {
        let (mut chain, mut output) = (Chain::start(), Vec::new());
        chain.append(&event("ann\n\"é\""), &mut output);
        let text = String::from_utf8(output.clone()).expect("text");
        assert_eq!(
            text,
            concat!(
                r#"{"sequence":1,"event_id":"00000000-0000-0000-0000-000000000001","time":"2026-01-01T00:00:00.123Z","actor":"ann\n\"é\"","action":"create_schedule","#,
                r#""object":"schedule/nightly","outcome":"SUCCEEDED","request_id":"r-1","address":"192.0.2.7","before":null,"after":{"id":"nightly"},"#,
                r#""detail":null,"previous":"0000000000000000000000000000000000000000000000000000000000000000"}"#,
                "\n"
            )
        );
        chain.append(&event("bob"), &mut output);
        let second = output[text.len()..].trim_ascii_end();
        let second: serde_json::Value = serde_json::from_slice(second).expect("JSON");
        // What `sha256sum` says of the first line.
        assert_eq!(second["previous"], "7b80dbf40c7967a4c83eb8c5d5197f3e21e6ce242adf7b01122c475534234e29");
        assert_eq!(second["sequence"], 2);
    }

    #[test]
    fn a_line_of_a_version_without_addresses_is_one_of_ours() {
        let old = concat!(
            r#"{"sequence":1,"event_id":"00000000-0000-0000-0000-000000000001","time":"2026-01-01T00:00:00.123Z","actor":"ann\n\"é\"","action":"create_schedule","#,
            r#""object":"schedule/nightly","outcome":"SUCCEEDED","request_id":"r-1","before":null,"after":{"id":"nightly"},"#,
            r#""detail":null,"previous":"0000000000000000000000000000000000000000000000000000000000000000"}"#,
        );
        let chain = Chain::start().followed_by(old.as_bytes()).expect("one of ours");
        // The digest is over the bytes as they are.
        assert_eq!(chain.digest, "195c36da3588a0288b7892bc59b844de3e57630d30bf9d20dce8176f2e09fe7b");
        let mut output = Vec::new();
        chain.clone().append(&event("ann"), &mut output);
        chain.followed_by(output.trim_ascii_end()).expect("an old line is followed by a new one");
    }

    #[test]
    fn a_line_with_a_field_too_many_or_too_few_is_none_of_ours() {
        let mut output = Vec::new();
        Chain::start().append(&event("ann"), &mut output);
        let good: serde_json::Value = serde_json::from_slice(&output).expect("JSON");
        let accepted = |line: &serde_json::Value| Chain::start().followed_by(line.to_string().as_bytes()).is_ok();
        assert!(accepted(&good));
        for field in good.as_object().expect("an object").keys().filter(|field| *field != "address") {
            let mut line = good.clone();
            line.as_object_mut().expect("an object").shift_remove(field);
            assert!(!accepted(&line), "without {field}");
        }
        let mut line = good.clone();
        line["more"] = json!(1);
        assert!(!accepted(&line));
        line = good.clone();
        line["outcome"] = json!("PERHAPS");
        assert!(!accepted(&line));
        line = good;
        line["previous"] = json!("0".repeat(63) + "G");
        assert!(matches!(Chain::after(line.to_string().as_bytes()), Err(LineError::NoDigest)));
    }
}
