//! What the claims of a verified token say: when it counts, for whom it is, who calls, and what they may do.

use std::time::Duration;

use serde_json::Value;

use super::error::TokenError;
use crate::config::ClaimRules;
use crate::domain::access::Access;
use crate::domain::principal::Scope;
use crate::domain::time::Timestamp;

/// The longest `sub`, in characters (OpenID Connect Core, section 2).
const MAX_SUBJECT_CHARACTERS: usize = 255;

/// From when until when a token counts, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    expiry: f64,
    not_before: Option<f64>,
}

impl Lifetime {
    /// Reads `exp`, without which a token would count for ever (RFC 9068, section 2.2), and `nbf`.
    pub fn read(claims: &Value) -> Result<Self, TokenError> {
        let expiry = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError::NoExpiry)?;
        let not_before = match claims.get("nbf").filter(|value| !value.is_null()) {
            None => None,
            Some(value) => Some(value.as_f64().ok_or(TokenError::NotYetValid)?),
        };
        Ok(Self { expiry, not_before })
    }

    /// Judges by the clock.
    pub fn check(&self, now: Timestamp, leeway: Duration) -> Result<(), TokenError> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double exactly for 285,000 years")]
        let now = now.timestamp_millis() as f64 / 1000.0;
        let leeway = leeway.as_secs_f64();
        if now >= self.expiry + leeway {
            return Err(TokenError::Expired);
        }
        match self.not_before {
            Some(not_before) if now + leeway < not_before => Err(TokenError::NotYetValid),
            _ => Ok(()),
        }
    }
}

/// Whether `aud` names one of the accepted ones (RFC 9068, section 4).
pub(super) fn check_audience(claims: &Value, accepted: &[String]) -> Result<(), TokenError> {
    let is_accepted = |value: &Value| value.as_str().is_some_and(|name| accepted.iter().any(|known| known == name));
    let named = match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(is_accepted),
        Some(name) => is_accepted(name),
        None => false,
    };
    if named { Ok(()) } else { Err(TokenError::Audience) }
}

/// `sub`, fit to stand in the log, in the audit trail and in `created_by`.
pub(super) fn subject(claims: &Value) -> Result<String, TokenError> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let usable =
        !subject.trim().is_empty() && subject.chars().count() <= MAX_SUBJECT_CHARACTERS && !subject.chars().any(char::is_control);
    if usable { Ok(subject.to_owned()) } else { Err(TokenError::Subject) }
}

/// The highest of our scopes in any of the scope claims; words of other services are passed over.
pub(super) fn scope(claims: &Value, rules: &ClaimRules) -> Option<Scope> {
    rules.scope_claims.iter().filter_map(|name| find(claims, name)).filter_map(|value| scope_in(value, rules)).max()
}

fn scope_in(value: &Value, rules: &ClaimRules) -> Option<Scope> {
    let mapped = |name: &str| rules.scopes.get(name).copied();
    let words = |text: &str| text.split_ascii_whitespace().filter_map(Scope::parse).max();
    match value {
        // An element is one name, blanks included: whoever may call a group "no maintenance:admin" must not be one.
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).flat_map(|item| [mapped(item), Scope::parse(item)]).flatten().max()
        }
        Value::String(text) => {
            let names = text.split_ascii_whitespace().filter_map(mapped);
            names.chain(mapped(text)).chain(words(text)).max()
        }
        _ => None,
    }
}

/// To what the caller is limited.
pub(super) fn access(claims: &Value, rules: &ClaimRules) -> Access {
    match &rules.access_claim {
        None => Access::UNLIMITED,
        Some(name) => Access::from_claim(find(claims, name)),
    }
}

/// A claim by its name, or by a JSON pointer.
fn find<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    if name.starts_with('/') { claims.pointer(name) } else { claims.get(name) }
}
