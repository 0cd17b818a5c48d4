//! A token taken apart. Nothing that it says may be believed before its signature is verified, but for the question whom to ask.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::error::TokenError;
use super::keys::algorithm;
use crate::http::extract::strict_json;

/// The longest token in bytes. Issuers stay below 8 KiB, because proxies cut longer headers off; twice as much is room for hundreds of
/// groups. Whatever is longer is refused before anything is decoded.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The types of an access token: RFC 9068, section 2.1, with and without the prefix that RFC 7515, section 4.1.9, lets one leave out;
/// and `JWT`, which issuers from before that put there. An ID token of a newer issuer, or a logout token, is none of these
/// (RFC 8725, section 3.11).
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// The parts of a token that is well-formed and of a known algorithm.
#[derive(Debug)]
pub(super) struct UnverifiedToken<'a> {
    /// What is signed: header and claims as they were sent.
    pub message: &'a str,
    /// In base64url.
    pub signature: &'a str,
    /// What the header says; a key decides whether it is so.
    pub algorithm: Algorithm,
    /// What the header says of the key. `jwk`, `jku`, `x5c` and `x5u`, by which a token would bring a key of its own, are never read
    /// (RFC 8725, section 3.10).
    pub kid: Option<String>,
    /// An object.
    pub claims: Value,
}

impl<'a> UnverifiedToken<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// What is wrong with its form, its type or its algorithm.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let header = object(header)?;
        let algorithm = match header.get("alg") {
            Some(Value::String(name)) => algorithm(name).map_err(|_| TokenError::Algorithm)?,
            _ => return Err(TokenError::Malformed),
        };
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        match header.get("typ") {
            None => {}
            Some(Value::String(name)) if TYPES.iter().any(|known| known.eq_ignore_ascii_case(name)) => {}
            Some(_) => return Err(TokenError::Type),
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenError::Malformed),
        };
        // Base64url has no dot, so a fourth part is refused here.
        let claims = Value::Object(object(payload)?);
        Ok(Self { message, signature, algorithm, kid, claims })
    }
}

/// To be asked before anything else is done with a token.
pub(super) fn check_length(token: &str) -> Result<(), TokenError> {
    if token.len() > MAX_TOKEN_BYTES { Err(TokenError::TooLong) } else { Ok(()) }
}

/// One part. A repeated member is refused, because others might read the other one (RFC 7515, section 4; RFC 7519, section 4).
fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    match strict_json::parse(&bytes) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(TokenError::Malformed),
    }
}
