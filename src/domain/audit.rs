//! What the audit trail records: every write attempt, allowed or denied, every denied read, and every job transition.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::time::{Timestamp, serde_millis};
use super::vocabulary::wire_enum;
use utoipa::ToSchema;

wire_enum! {
    /// How an audited attempt ended.
    AuditOutcome {
        /// Carried out.
        Succeeded = "SUCCEEDED",
        /// Allowed, and nothing had to change.
        Unchanged = "UNCHANGED",
        /// Refused for want of a token or a scope.
        Denied = "DENIED",
        /// Refused because the request was wrong or in conflict.
        Rejected = "REJECTED",
        /// Not carried out because of a fault of the service.
        Failed = "FAILED",
    }
}

/// One audited event. The sink adds the sequence number and the digest of the line before. `R` is what its object is put down as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent<R = Value> {
    /// Tells this event from every other, so that it can be recognised in the trail after a crash.
    pub event_id: Uuid,
    /// When.
    #[serde(with = "serde_millis")]
    pub time: Timestamp,
    /// Who: the token's `sub`, `anonymous` without a valid token, or `system:…` for the service itself.
    pub actor: String,
    /// What: an operation id (`create_schedule`), or `job.` and the new state in lower case (`job.running`).
    pub action: String,
    /// On what: `schedule/ID`, `job/ID`, or the request path.
    pub object: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The request's id, when there was a request.
    pub request_id: Option<String>,
    /// Where the request came from, when there was a request and that is known.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The object before, where it changed.
    pub before: Option<R>,
    /// The object after, where it changed.
    pub after: Option<R>,
    /// Why it was refused, or why a job ended as it did.
    pub detail: Option<String>,
}

/// An event as it is kept: its JSON, made once for the store and for the trail. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// The event's id.
    pub event_id: Uuid,
    json: Arc<str>,
}

impl EncodedEvent {
    /// The JSON object of an event: the fields of [`AuditEvent`] in their order.
    pub fn json(&self) -> &Arc<str> {
        &self.json
    }

    /// The event that was encoded.
    pub fn decoded(&self) -> AuditEvent {
        serde_json::from_str(&self.json).expect("it was made from an event")
    }
}

impl<R: Serialize> From<&AuditEvent<R>> for EncodedEvent {
    fn from(event: &AuditEvent<R>) -> Self {
        let json = serde_json::to_string(event).expect("an event has text keys, and memory takes every byte");
        Self { event_id: event.event_id, json: json.into() }
    }
}
