//! Public keys in PEM, and which algorithms fit the keys that an issuer has.

use std::path::Path;

use jsonwebtoken::DecodingKey;

use super::section::Section;
use super::values::{string, strings};

/// What kind of key an algorithm needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Secret,
    Rsa,
    Curve,
    Edwards,
}

/// One algorithm for each kind of key: what a token's header says can then never choose how a key is used.
const ALGORITHMS: [(&str, KeyKind); 4] =
    [("HS256", KeyKind::Secret), ("RS256", KeyKind::Rsa), ("ES256", KeyKind::Curve), ("EdDSA", KeyKind::Edwards)];

/// The kinds that a published key set can hold: all but the secret.
pub(super) const PUBLISHED: [KeyKind; 3] = [KeyKind::Rsa, KeyKind::Curve, KeyKind::Edwards];

/// What is known of an issuer's keys when the configuration is read.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    /// Those of the keys that are there.
    pub present: Vec<KeyKind>,
    /// A key set may turn out to hold any of [`PUBLISHED`].
    pub with_set: bool,
    /// A key could not be read. It has been noted; which algorithms would fit it is not known.
    pub unknown: bool,
}

pub(super) fn public_key(section: &mut Section<'_>) -> Option<(String, Vec<KeyKind>)> {
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
pub(super) fn algorithms(section: &mut Section<'_>, kinds: &Kinds) -> Option<Vec<String>> {
    let wanted = section.or("algorithms", Vec::new(), strings)?;
    let Kinds { present, with_set, unknown } = kinds;
    let fits = |kind: &KeyKind| present.contains(kind) || (*with_set && PUBLISHED.contains(kind));
    let any_key = !present.is_empty() || *with_set;
    let mut found: Vec<(&str, KeyKind)> = Vec::new();
    let mut all_fit = true;
    for name in &wanted {
        match ALGORITHMS.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            None => {
                all_fit = false;
                let names = ALGORITHMS.map(|(name, _)| name).join(", ");
                section.mistake("algorithms", format!("must be out of {names}"));
            }
            Some((name, kind)) if !unknown && any_key && !fits(&kind) => {
                all_fit = false;
                section.mistake("algorithms", format!("names {name}, but there is no key for it"));
            }
            Some(known) => found.push(known),
        }
    }
    if wanted.is_empty() {
        found = ALGORITHMS.into_iter().filter(|(_, kind)| fits(kind)).collect();
    } else if all_fit && present.iter().any(|kind| !found.iter().any(|(_, wanted)| wanted == kind)) {
        section.mistake("algorithms", "leaves a key without any algorithm");
    } else if all_fit && *with_set && !found.iter().any(|(_, wanted)| PUBLISHED.contains(wanted)) {
        section.mistake("algorithms", "leaves the key set without any algorithm");
    }
    Some(found.into_iter().map(|(name, _)| name.to_owned()).collect())
}
