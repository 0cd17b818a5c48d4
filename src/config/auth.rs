//! `[auth]`: which tokens are accepted.

use std::path::Path;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use secrecy::{ExposeSecret, SecretString};

use super::section::Section;
use super::values::{duration, string, strings};
use super::{MINUTE, Mode};

/// The shortest HS256 secret, in bytes: as long as the digest (RFC 7518, 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// `[auth]`.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The shared secret of HS256 tokens, at least 32 bytes.
    pub hs256_secret: Option<SecretString>,
    /// Public keys in PEM, out of `public_key_file`: RSA, P-256 or Ed25519; several, while one takes another's place.
    pub public_key_pem: Option<String>,
    /// Accepted algorithms by their JOSE names. Each fits one of the keys above, and each key has one, so an attacker cannot pass a
    /// public key off as a shared secret. Empty only without any key.
    pub algorithms: Vec<String>,
    /// The `iss` that a token has to have.
    pub issuer: Option<String>,
    /// A token has to have one of these as `aud`; empty asks for none.
    pub audience: Vec<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// Claims that may hold scopes.
    pub scope_claims: Vec<String>,
}

/// What kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyKind {
    Secret,
    Rsa,
    Curve,
    Edwards,
}

/// One algorithm for each kind of key: what a token's header says can then never choose how a key is used.
const ALGORITHMS: [(&str, KeyKind); 4] =
    [("HS256", KeyKind::Secret), ("RS256", KeyKind::Rsa), ("ES256", KeyKind::Curve), ("EdDSA", KeyKind::Edwards)];

pub(super) fn auth(mut section: Section<'_>, mode: Mode) -> Option<AuthConfig> {
    let secret_given = section.node("hs256_secret").is_some() || section.node("hs256_secret_file").is_some();
    let key_given = section.node("public_key_file").is_some();
    let hs256_secret = section.secret("hs256_secret", "hs256_secret_file");
    if hs256_secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < MIN_SECRET_BYTES) {
        let key = if section.node("hs256_secret").is_some() { "hs256_secret" } else { "hs256_secret_file" };
        section.mistake(key, format!("must be at least {MIN_SECRET_BYTES} bytes long"));
    }
    let public_key = public_key(&mut section);
    for key in ["jwks_url", "jwks_file"] {
        if section.node(key).is_some() {
            section.mistake(key, "is not supported yet; use public_key_file");
        }
    }
    if mode == Mode::Serve && !secret_given && !key_given {
        section.table_mistake(
            "needs a key to verify tokens with: set auth.hs256_secret, auth.hs256_secret_file or auth.public_key_file \
             (in the environment: THEMIS_MAINTENANCE__AUTH__HS256_SECRET)",
        );
    }
    let kinds: Vec<KeyKind> = secret_given
        .then_some(KeyKind::Secret)
        .into_iter()
        .chain(public_key.iter().flat_map(|(_, kinds)| kinds).copied())
        .collect();
    // A key that could not be read has been noted; which algorithms would fit it is not known then.
    let all_kinds_known = !key_given || public_key.is_some();
    let algorithms = algorithms(&mut section, &kinds, all_kinds_known);
    let issuer = section.optional("issuer", string);
    let audience = section.or("audience", Vec::new(), strings);
    let leeway = section.required("leeway", duration(Duration::ZERO..=10 * MINUTE));
    let scope_claims = section.required("scope_claims", strings);
    if scope_claims.as_ref().is_some_and(Vec::is_empty) {
        section.mistake("scope_claims", "must name at least one claim");
    }
    section.finish();
    Some(AuthConfig {
        hs256_secret,
        public_key_pem: public_key.map(|(pem, _)| pem),
        algorithms: algorithms?,
        issuer,
        audience: audience?,
        leeway: leeway?,
        scope_claims: scope_claims?,
    })
}

fn public_key(section: &mut Section<'_>) -> Option<(String, Vec<KeyKind>)> {
    let path = section.optional("public_key_file", string)?;
    let pem = section.file_text("public_key_file", Path::new(&path))?;
    match kinds_of_keys(&pem) {
        Ok(kinds) => Some((pem, kinds)),
        Err(message) => {
            section.mistake("public_key_file", format!("names {path}, which {message}"));
            None
        }
    }
}

/// The kinds of the keys in a PEM text, at least one.
fn kinds_of_keys(pem: &str) -> Result<Vec<KeyKind>, &'static str> {
    if pem.contains("PRIVATE KEY-----") {
        return Err("holds a private key; the service needs the public one only (openssl pkey -pubout)");
    }
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("holds a certificate; take the key out of it (openssl x509 -pubkey -noout)");
    }
    let kinds: Vec<KeyKind> =
        pem.split("-----BEGIN ").skip(1).map(|block| kind_of_key(&format!("-----BEGIN {block}"))).collect::<Result<_, _>>()?;
    if kinds.is_empty() { Err("is not a PEM file with a public key") } else { Ok(kinds) }
}

fn kind_of_key(block: &str) -> Result<KeyKind, &'static str> {
    // A 2048-bit modulus alone is this long (RFC 7518, 3.3 wants no less); an uncompressed point of P-256 is that long.
    const RSA_BYTES: usize = 256;
    const P256_BYTES: usize = 65;
    let length = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
    let block = block.as_bytes();
    if let Ok(key) = DecodingKey::from_rsa_pem(block) {
        if length(&key) > RSA_BYTES { Ok(KeyKind::Rsa) } else { Err("holds an RSA key of fewer than 2048 bits") }
    } else if let Ok(key) = DecodingKey::from_ec_pem(block) {
        if length(&key) == P256_BYTES { Ok(KeyKind::Curve) } else { Err("holds a key on another curve than P-256") }
    } else if DecodingKey::from_ed_pem(block).is_ok() {
        Ok(KeyKind::Edwards)
    } else {
        Err("holds something else than RSA, P-256 and Ed25519 public keys")
    }
}

/// The algorithms in the configuration, each with a key to fit; without any, those of the keys.
fn algorithms(section: &mut Section<'_>, kinds: &[KeyKind], all_kinds_known: bool) -> Option<Vec<String>> {
    let wanted = section.or("algorithms", Vec::new(), strings)?;
    let mut found: Vec<(&str, KeyKind)> = Vec::new();
    let mut all_fit = true;
    for name in &wanted {
        match ALGORITHMS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            None => {
                all_fit = false;
                let names = ALGORITHMS.map(|(name, _)| name).join(", ");
                section.mistake("algorithms", format!("must be out of {names}"));
            }
            Some((name, kind)) if all_kinds_known && !kinds.is_empty() && !kinds.contains(&kind) => {
                all_fit = false;
                section.mistake("algorithms", format!("names {name}, but there is no key for it"));
            }
            Some(known) => found.push(known),
        }
    }
    if wanted.is_empty() {
        found = ALGORITHMS.into_iter().filter(|(_, kind)| kinds.contains(kind)).collect();
    } else if all_fit && kinds.iter().any(|kind| !found.iter().any(|(_, wanted)| wanted == kind)) {
        section.mistake("algorithms", "leaves a key without any algorithm");
    }
    Some(found.into_iter().map(|(name, _)| name.to_owned()).collect())
}
