//! `[auth]`: which tokens are accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::auth_claims::{ClaimRules, claim_rules};
use super::auth_issuers::{IssuerConfig, IssuerKeys, KeySetLocation, issuer_keys, issuers};
use super::section::Section;
use super::values::{duration, string, strings};
use super::{DAY, MINUTE, Mode};

/// The shortest HS256 secret, in bytes: as long as the digest (RFC 7518, 3.2).
pub const MIN_SECRET_BYTES: usize = 32;
/// The shortest time between two refreshes of a key set: more often is a burden on the issuer, and an unknown key is asked for anyway.
const MIN_REFRESH: Duration = Duration::from_secs(10);

/// `[auth]`. Its own keys, with `issuer`, are those of the first issuer; `issuers` are the others.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The shared secret of HS256 tokens, at least 32 bytes.
    pub hs256_secret: Option<SecretString>,
    /// Public keys in PEM, out of `public_key_file`: RSA, P-256 or Ed25519; several, while one takes another's place.
    pub public_key_pem: Option<String>,
    /// Where more keys are published.
    pub key_set: Option<KeySetLocation>,
    /// Accepted algorithms by their JOSE names. Each fits one of the keys above, and each key has one, so an attacker cannot pass a
    /// public key off as a shared secret. Empty only without any key.
    pub algorithms: Vec<String>,
    /// The `iss` that a token has to have.
    pub issuer: Option<String>,
    /// A token has to have one of these as `aud`; empty asks for none.
    pub audience: Vec<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// What the claims mean.
    pub claims: ClaimRules,
    /// How old a key set may grow before it is fetched again.
    pub jwks_refresh: Duration,
    /// More issuers by name.
    pub issuers: BTreeMap<String, IssuerConfig>,
}

pub(super) fn auth(mut section: Section<'_>, mode: Mode) -> Option<AuthConfig> {
    let secret_given = section.node("hs256_secret").is_some() || section.node("hs256_secret_file").is_some();
    let hs256_secret = section.secret("hs256_secret", "hs256_secret_file");
    if hs256_secret.as_ref().is_some_and(|secret| secret.expose_secret().len() < MIN_SECRET_BYTES) {
        let key = if section.node("hs256_secret").is_some() { "hs256_secret" } else { "hs256_secret_file" };
        section.mistake(key, format!("must be at least {MIN_SECRET_BYTES} bytes long"));
    }
    let issuer = section.optional("issuer", string);
    let keys = issuer_keys(&mut section, issuer.as_deref(), secret_given);
    let more_issuers = section.named("issuers");
    let any_given = keys.as_ref().is_none_or(|keys| keys.any_given);
    if mode == Mode::Serve && !any_given && more_issuers.is_empty() {
        section.table_mistake(
            "needs a key to verify tokens with: set auth.hs256_secret, auth.hs256_secret_file, auth.public_key_file, auth.jwks_url, \
             auth.jwks_file or auth.discovery (in the environment: THEMIS_MAINTENANCE__AUTH__HS256_SECRET)",
        );
    }
    if !any_given && issuer.is_some() && !more_issuers.is_empty() {
        section.mistake("issuer", "has no key of its own in [auth]; the issuers in [auth.issuers] bring theirs");
    }
    let audience = section.or("audience", Vec::new(), strings);
    let leeway = section.required("leeway", duration(Duration::ZERO..=10 * MINUTE));
    let claims = claim_rules(&mut section, None);
    let jwks_refresh = section.required("jwks_refresh", duration(MIN_REFRESH..=DAY));
    let issuers = issuers(more_issuers, issuer.as_deref(), claims.as_ref());
    section.finish();
    let IssuerKeys { public_key_pem, key_set, algorithms, any_given: _ } = keys?;
    Some(AuthConfig {
        hs256_secret,
        public_key_pem,
        key_set,
        algorithms,
        issuer,
        audience: audience?,
        leeway: leeway?,
        claims: claims?,
        jwks_refresh: jwks_refresh?,
        issuers: issuers?,
    })
}
