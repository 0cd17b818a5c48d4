//! Reads a key set (RFC 7517): which of its keys can verify a token, and with which one algorithm.
//!
//! An issuer publishes keys for many purposes in one set, so a key that is of no use here is passed over and told of, not an error.
//! Used at load for `jwks_file`, and by `http` for every set that is fetched.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

/// The largest key set in bytes. Those of large issuers have a few kilobytes, certificates included.
pub const MAX_KEY_SET_BYTES: usize = 1024 * 1024;
/// Most keys in a set: a token without `kid` is tried with each that fits. Issuers publish two or three, or one per signing node.
const MAX_KEYS: usize = 256;
/// The lengths of an RSA modulus in bits: no less by RFC 7518, section 3.3; more is slow, and not verified by the library.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The longest RSA exponent in bytes; 65537 has three. A long one makes each verification slow.
const MAX_EXPONENT_BYTES: usize = 4;
/// Bytes in a coordinate of P-256 (RFC 7518, section 6.2.1.2), and in a public key of Ed25519 (RFC 8032, section 5.1.5).
const POINT_BYTES: usize = 32;

/// A key that can verify tokens.
#[derive(Debug, Clone)]
pub struct SetKey {
    /// What a token calls it by; keys without a name serve tokens without one.
    pub kid: Option<String>,
    /// The one algorithm that it stands for; never HS256, because a published document holds no secret.
    pub algorithm: Algorithm,
    /// The public key.
    pub key: DecodingKey,
}

/// What a document holds.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// At least one.
    pub keys: Vec<SetKey>,
    /// Why the others cannot be used, each in a few words; nothing secret.
    pub passed_over: Vec<String>,
}

/// Why a document is no key set that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Longer than [`MAX_KEY_SET_BYTES`].
    #[error("is longer than {MAX_KEY_SET_BYTES} bytes")]
    TooLong,
    /// Not JSON, or no object with an array `keys`.
    #[error("is not a JSON object with an array \"keys\"")]
    NoSet,
    /// More keys than anybody needs.
    #[error("holds {0} keys; it may hold {MAX_KEYS}")]
    TooManyKeys(usize),
    /// All keys were passed over, or there were none.
    #[error("holds no key that can verify tokens{0}")]
    NoKey(String),
}

impl KeySet {
    /// Reads a document. `accepted` are the algorithms that tokens may have, by their JOSE names; keys for others are passed over.
    ///
    /// # Errors
    /// When it is no key set, or holds no usable key.
    pub fn read(document: &[u8], accepted: &[String]) -> Result<Self, KeySetError> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        let parsed: Value = serde_json::from_slice(document).map_err(|_| KeySetError::NoSet)?;
        let entries = parsed.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoSet)?;
        if entries.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys(entries.len()));
        }
        let mut found = Self { keys: Vec::new(), passed_over: Vec::new() };
        for (index, entry) in entries.iter().enumerate() {
            match read_key(entry) {
                Ok((name, key)) if accepted.iter().any(|accepted| accepted == name) => found.keys.push(key),
                Ok(_) => found.passed_over.push(named(index, entry, "is for an algorithm that is not accepted")),
                Err(reason) => found.passed_over.push(named(index, entry, reason)),
            }
        }
        if found.keys.is_empty() {
            let reason = found.passed_over.first().map_or(String::new(), |first| format!("; {first}"));
            return Err(KeySetError::NoKey(reason));
        }
        Ok(found)
    }
}

/// `key 2 ("blue") is …`. The name is somebody else's text: cut, and escaped.
fn named(index: usize, entry: &Value, reason: &str) -> String {
    const SHOWN: usize = 40;
    match entry.get("kid").and_then(Value::as_str) {
        Some(kid) => format!("key {} ({:?}) {reason}", index + 1, kid.chars().take(SHOWN).collect::<String>()),
        None => format!("key {} {reason}", index + 1),
    }
}

/// A key, and the JOSE name of its algorithm.
fn read_key(entry: &Value) -> Result<(&'static str, SetKey), &'static str> {
    let members = entry.as_object().ok_or("is not an object")?;
    let kid = match members.get("kid") {
        None | Some(Value::Null) => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err("has a kid that is no string"),
    };
    check_purpose(members)?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let (algorithm, name, key) = match (text("kty"), text("crv")) {
        (Some("oct"), _) => return Err("is a shared secret, which has no place in a published document"),
        // Whoever published it has lost it (RFC 7517, section 9.2, wants it kept from everybody).
        _ if members.contains_key("d") => return Err("is a private key"),
        (Some("RSA"), _) => (Algorithm::RS256, "RS256", rsa(members)?),
        (Some("EC"), Some("P-256")) => (Algorithm::ES256, "ES256", p256(members)?),
        (Some("OKP"), Some("Ed25519")) => (Algorithm::EdDSA, "EdDSA", ed25519(members)?),
        _ => return Err("is neither RSA, nor P-256, nor Ed25519"),
    };
    // One key, one algorithm (RFC 8725, section 3.1): an RSA key that is for PS256 does not verify RS256.
    match members.get("alg") {
        None | Some(Value::Null) => {}
        Some(alg) if alg == name => {}
        Some(_) => return Err("is for another algorithm than RS256, ES256 and EdDSA"),
    }
    Ok((name, SetKey { kid, algorithm, key }))
}

/// A key that is for encryption must not verify (RFC 7517, sections 4.2 and 4.3).
fn check_purpose(members: &Map<String, Value>) -> Result<(), &'static str> {
    match members.get("use") {
        None | Some(Value::Null) => {}
        Some(purpose) if purpose == "sig" => {}
        Some(_) => return Err("is not for signatures"),
    }
    match members.get("key_ops") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err("is not for verifying"),
    }
}

fn rsa(members: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let (modulus, exponent) = (number(members, "n")?, number(members, "e")?);
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - unused;
    if bits < *RSA_BITS.start() {
        return Err("is an RSA key of fewer than 2048 bits");
    }
    if bits > *RSA_BITS.end() {
        return Err("is an RSA key of more than 8192 bits");
    }
    // 1 would make every text its own signature, and an even exponent belongs to no key.
    let is_odd = exponent.last().is_some_and(|byte| byte % 2 == 1);
    if exponent == [1] || !is_odd || exponent.len() > MAX_EXPONENT_BYTES {
        return Err("has an RSA exponent that is not usable");
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn p256(members: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    let (x, y) = (point(members, "x")?, point(members, "y")?);
    DecodingKey::from_ec_components(x, y).map_err(|_| "is a P-256 key that cannot be read")
}

fn ed25519(members: &Map<String, Value>) -> Result<DecodingKey, &'static str> {
    DecodingKey::from_ed_components(point(members, "x")?).map_err(|_| "is an Ed25519 key that cannot be read")
}

/// A number without leading zeros, which some issuers put in front.
fn number(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = members.get(name).and_then(Value::as_str).ok_or("lacks n or e")?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "has n or e that is not base64url")?;
    Ok(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

/// The text of a coordinate of the right length.
fn point<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, &'static str> {
    let text = members.get(name).and_then(Value::as_str).ok_or("lacks x or y")?;
    let length = URL_SAFE_NO_PAD.decode(text).map(|bytes| bytes.len());
    if length == Ok(POINT_BYTES) { Ok(text) } else { Err("has x or y of the wrong length") }
}
