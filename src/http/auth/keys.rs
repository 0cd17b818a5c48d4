//! Verification keys: which algorithm each one stands for, and which ones are refused at start.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};
use secrecy::{ExposeSecret, SecretString};

/// The shortest HS256 secret: as long as the digest (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;
/// The shortest RSA modulus (RFC 7518, section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// The algorithms that a key can stand for, by their names in a token's header.
const ALGORITHMS: [(&str, Algorithm); 4] =
    [("HS256", Algorithm::HS256), ("RS256", Algorithm::RS256), ("ES256", Algorithm::ES256), ("EdDSA", Algorithm::EdDSA)];

/// The object identifiers, in DER, by which a public key says what it is.
const OID_RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// The algorithm identifier stands within the first bytes of a SubjectPublicKeyInfo (RFC 5280, section 4.1).
const ALGORITHM_IDENTIFIER_END: usize = 32;

/// A key as the configuration has it.
#[derive(Debug, Clone)]
pub enum VerificationKey {
    /// A shared secret of at least 32 bytes.
    Hs256(SecretString),
    /// One or more public keys in PEM: RSA (RS256, at least 2,048 bits), P-256 (ES256) or Ed25519 (EdDSA).
    PublicPem(String),
}

/// Why the keys cannot be used. The message is meant for the operator; it holds no key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no key at all.
    #[error("no verification key is configured")]
    NoKey,
    /// A secret that could be guessed.
    #[error("the HS256 secret has {0} bytes; it must have at least {MIN_SECRET_BYTES}")]
    SecretTooShort(usize),
    /// Not PEM.
    #[error("the public key is not PEM with a block 'PUBLIC KEY' or 'RSA PUBLIC KEY'")]
    NotPem,
    /// A private key where a public one belongs.
    #[error("this is a private key; give the service the public one (openssl pkey -pubout)")]
    PrivateKey,
    /// A certificate or another block that is no public key.
    #[error("a '{0}' block is no public key; from a certificate take it with openssl x509 -pubkey")]
    NoPublicKey(String),
    /// A kind of key that no accepted algorithm uses.
    #[error("the public key is neither RSA, nor P-256, nor Ed25519")]
    UnsupportedKey,
    /// The key's own bytes are broken.
    #[error("the {0} public key cannot be read")]
    Broken(&'static str),
    /// An RSA key that could be factored.
    #[error("the RSA key has {0} bits; it must have at least {MIN_RSA_BITS}")]
    RsaTooShort(usize),
    /// `algorithms` names something else than HS256, RS256, ES256 or EdDSA.
    #[error("'{0}' is not one of the algorithms HS256, RS256, ES256, EdDSA")]
    UnknownAlgorithm(String),
    /// `algorithms` excludes every key.
    #[error("no configured key is for one of the accepted algorithms")]
    NoKeyForAlgorithms,
}

/// A key and the one algorithm that it verifies.
pub(super) struct PinnedKey {
    /// The algorithm that the key stands for.
    pub algorithm: Algorithm,
    /// The key itself.
    pub key: DecodingKey,
}

/// Reads the configured keys.
pub(super) fn read_keys(keys: &[VerificationKey], algorithms: Option<&[String]>) -> Result<Vec<PinnedKey>, KeyError> {
    let accepted = algorithms.map(|names| names.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()).transpose()?;
    let mut pinned = Vec::new();
    for key in keys {
        match key {
            VerificationKey::Hs256(secret) => pinned.push(read_secret(secret)?),
            VerificationKey::PublicPem(text) => pinned.append(&mut read_public_pem(text)?),
        }
    }
    if pinned.is_empty() {
        return Err(KeyError::NoKey);
    }
    if let Some(accepted) = accepted {
        pinned.retain(|key| accepted.contains(&key.algorithm));
    }
    if pinned.is_empty() { Err(KeyError::NoKeyForAlgorithms) } else { Ok(pinned) }
}

/// An algorithm by its JOSE name, letter by letter (RFC 7515, section 4.1.1).
pub(super) fn algorithm(name: &str) -> Result<Algorithm, KeyError> {
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm);
    found.ok_or_else(|| KeyError::UnknownAlgorithm(name.to_owned()))
}

/// The JOSE name of an algorithm; empty for one that no key can stand for.
pub(super) fn name_of(algorithm: Algorithm) -> &'static str {
    ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map_or("", |(name, _)| name)
}

fn read_secret(secret: &SecretString) -> Result<PinnedKey, KeyError> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(KeyError::SecretTooShort(bytes.len()));
    }
    Ok(PinnedKey { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(bytes) })
}

/// Reads all keys of a PEM text (RFC 7468), so that an old and a new key can stand in one file.
fn read_public_pem(text: &str) -> Result<Vec<PinnedKey>, KeyError> {
    let mut keys = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else { continue };
        let end = format!("-----END {label}-----");
        let mut body = String::new();
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) => body.push_str(line),
                None => return Err(KeyError::NotPem),
            }
        }
        keys.push(read_block(label, &body)?);
    }
    if keys.is_empty() { Err(KeyError::NotPem) } else { Ok(keys) }
}

fn read_block(label: &str, body: &str) -> Result<PinnedKey, KeyError> {
    let is_rsa_block = match label {
        "PUBLIC KEY" => false,
        "RSA PUBLIC KEY" => true,
        label if label.ends_with("PRIVATE KEY") => return Err(KeyError::PrivateKey),
        label => return Err(KeyError::NoPublicKey(label.chars().take(40).collect())),
    };
    let der = STANDARD.decode(body).map_err(|_| KeyError::NotPem)?;
    let identifier = &der[..der.len().min(ALGORITHM_IDENTIFIER_END)];
    let says = |oid: &[u8]| identifier.windows(oid.len()).any(|window| window == oid);
    let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    if is_rsa_block || says(OID_RSA) {
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::Broken("RSA"))?;
        let bits = rsa_bits(&key)?;
        return if bits < MIN_RSA_BITS {
            Err(KeyError::RsaTooShort(bits))
        } else {
            Ok(PinnedKey { algorithm: Algorithm::RS256, key })
        };
    }
    if says(OID_P256) {
        let key = DecodingKey::from_ec_pem(pem.as_bytes()).map_err(|_| KeyError::Broken("P-256"))?;
        return Ok(PinnedKey { algorithm: Algorithm::ES256, key });
    }
    if says(OID_ED25519) {
        let key = DecodingKey::from_ed_pem(pem.as_bytes()).map_err(|_| KeyError::Broken("Ed25519"))?;
        return Ok(PinnedKey { algorithm: Algorithm::EdDSA, key });
    }
    Err(KeyError::UnsupportedKey)
}

/// Length of the modulus in bits.
fn rsa_bits(key: &DecodingKey) -> Result<usize, KeyError> {
    let broken = |_| KeyError::Broken("RSA");
    let der = key.try_get_as_bytes().map_err(broken)?;
    let (modulus, _) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der).map_err(broken)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros).copied().unwrap_or(0);
    Ok(((modulus.len() - zeros) * 8).saturating_sub(first.leading_zeros() as usize))
}
