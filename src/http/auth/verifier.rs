//! Judges bearer tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Map, Value};

use super::keys::{KeyError, KeySource, VerifierSettings, read_keys};
use crate::domain::access::Access;
use crate::domain::principal::{Principal, Scope};
use crate::domain::time::Timestamp;
use crate::http::extract::strict_json;

/// The longest `sub`, in characters (OpenID Connect Core, section 2).
const MAX_SUBJECT_CHARACTERS: usize = 255;

/// Why a token is not accepted. The text goes into `error_description`: ASCII without quotes (RFC 6750, section 3), and nothing
/// from the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url with JSON objects in the first two.
    #[error("the token is not a signed JWT")]
    Malformed,
    /// An algorithm for which there is no key; `none` too.
    #[error("the algorithm of the token is not accepted")]
    Algorithm,
    /// The header has `crit`, and no extension is known here (RFC 7515, section 4.1.11).
    #[error("the token has critical extensions that are not known")]
    Critical,
    /// No key verifies the signature.
    #[error("the signature is wrong")]
    Signature,
    /// `exp` is missing or no number.
    #[error("the token has no numeric exp")]
    NoExpiry,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` lies ahead, or is no number.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is missing or another one.
    #[error("the issuer is not accepted")]
    Issuer,
    /// `aud` is missing or does not name this service.
    #[error("the audience is not accepted")]
    Audience,
    /// `sub` is missing, empty, too long, or holds control characters.
    #[error("the token has no usable sub")]
    Subject,
}

/// Verifies signatures and claims. Holds the keys; prints none of them.
pub struct TokenVerifier {
    keys: KeySource,
    issuer: Option<String>,
    audience: Option<Vec<String>>,
    leeway: Duration,
    scope_claims: Vec<String>,
}

impl TokenVerifier {
    /// Reads the keys.
    ///
    /// # Errors
    /// A key that is missing, weak, of an unknown kind, or excluded by `algorithms`.
    pub fn new(settings: VerifierSettings) -> Result<Self, KeyError> {
        let VerifierSettings { keys, algorithms, issuer, audience, leeway, scope_claims } = settings;
        let keys = read_keys(&keys, algorithms.as_deref())?;
        Ok(Self { keys, issuer, audience, leeway, scope_claims })
    }

    /// Judges a token as of `now`.
    ///
    /// # Errors
    /// The first reason for which the token is not accepted.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| header_error(&error))?;
        let Header { alg, crit: None, .. } = header else { return Err(TokenError::Critical) };
        let claims = self.verified_claims(token, alg)?;
        self.check_times(&claims, now)?;
        self.check_issuer_and_audience(&claims)?;
        let subject = subject(&claims)?;
        Ok(Principal { subject, scope: self.scope(&claims), access: Access::UNLIMITED })
    }

    /// The claims, once one of the keys for this algorithm has verified the signature. Nothing is read from them before.
    fn verified_claims(&self, token: &str, algorithm: Algorithm) -> Result<Map<String, Value>, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let mut verdict = TokenError::Algorithm;
        for key in self.keys.keys(algorithm) {
            match jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm) {
                Ok(true) => return read_claims(message),
                Ok(false) => verdict = TokenError::Signature,
                Err(_) => verdict = TokenError::Malformed,
            }
        }
        Err(verdict)
    }

    fn check_times(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), TokenError> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit a double exactly for 285,000 years")]
        let now = now.timestamp_millis() as f64 / 1000.0;
        let leeway = self.leeway.as_secs_f64();
        let expiry = claims.get("exp").and_then(Value::as_f64).ok_or(TokenError::NoExpiry)?;
        if now >= expiry + leeway {
            return Err(TokenError::Expired);
        }
        match claims.get("nbf").filter(|value| !value.is_null()).map(Value::as_f64) {
            None => Ok(()),
            Some(Some(not_before)) if now + leeway >= not_before => Ok(()),
            Some(_) => Err(TokenError::NotYetValid),
        }
    }

    fn check_issuer_and_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        if let Some(issuer) = &self.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(TokenError::Issuer);
        }
        let Some(accepted) = &self.audience else { return Ok(()) };
        let is_accepted = |value: &Value| value.as_str().is_some_and(|name| accepted.iter().any(|known| known == name));
        let named = match claims.get("aud") {
            Some(Value::Array(names)) => names.iter().any(is_accepted),
            Some(name) => is_accepted(name),
            None => false,
        };
        if named { Ok(()) } else { Err(TokenError::Audience) }
    }

    /// The highest of our scopes in any of the scope claims; words of other services are passed over.
    fn scope(&self, claims: &Map<String, Value>) -> Option<Scope> {
        let texts = self.scope_claims.iter().filter_map(|name| claims.get(name)).flat_map(|value| match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            Value::String(text) => vec![text.as_str()],
            _ => Vec::new(),
        });
        texts.flat_map(str::split_ascii_whitespace).filter_map(Scope::parse).max()
    }
}

/// The payload of `header.payload`. A repeated claim is refused, because others might read the other one.
fn read_claims(message: &str) -> Result<Map<String, Value>, TokenError> {
    let (_, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    match strict_json::parse(&bytes) {
        Ok(Value::Object(claims)) => Ok(claims),
        _ => Err(TokenError::Malformed),
    }
}

fn subject(claims: &Map<String, Value>) -> Result<String, TokenError> {
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    let usable =
        !subject.trim().is_empty() && subject.chars().count() <= MAX_SUBJECT_CHARACTERS && !subject.chars().any(char::is_control);
    if usable { Ok(subject.to_owned()) } else { Err(TokenError::Subject) }
}

/// `alg` with a name that the library does not know, `none` among them, is a JSON error there.
fn header_error(error: &jsonwebtoken::errors::Error) -> TokenError {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::Json(error) if error.to_string().contains("unknown variant") => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}
