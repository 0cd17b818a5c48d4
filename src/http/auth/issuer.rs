//! One issuer: its keys, and what its tokens have to say.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};

use super::claims::{self, Lifetime};
use super::error::TokenError;
use super::key_ring::{KeyRing, PublishedKeys};
use super::keys::{KeyError, PinnedKey, VerificationKey, read_keys};
use super::token::UnverifiedToken;
use crate::config::ClaimRules;
use crate::domain::principal::Principal;

/// How the tokens of one issuer are judged.
#[derive(Clone)]
pub struct VerifierSettings {
    /// The issuer's name in the configuration, for one of several. Its subjects are known as `NAME/sub`, so that nobody can be taken
    /// for a namesake elsewhere.
    pub name: Option<String>,
    /// Whose signatures are accepted; at least one, unless there is a key ring.
    pub keys: Vec<VerificationKey>,
    /// More keys, which the issuer publishes.
    pub key_ring: Option<Arc<KeyRing>>,
    /// Accept only these of the keys' algorithms.
    pub algorithms: Option<Vec<String>>,
    /// The `iss` that a token must have. Without it the issuer's keys are tried on every token whose `iss` names no other issuer.
    pub issuer: Option<String>,
    /// A token's `aud` must name one of these.
    pub audience: Option<Vec<String>>,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
    /// What the claims mean.
    pub claims: ClaimRules,
}

impl Default for VerifierSettings {
    fn default() -> Self {
        let scope_claims = ["scope", "scp", "permissions", "roles"].map(str::to_owned).to_vec();
        Self {
            name: None,
            keys: Vec::new(),
            key_ring: None,
            algorithms: None,
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(30),
            claims: ClaimRules { scope_claims, scopes: [].into(), access_claim: None },
        }
    }
}

pub(super) struct Issuer {
    pub name: Option<String>,
    keys: Vec<PinnedKey>,
    pub key_ring: Option<Arc<KeyRing>>,
    pub iss: Option<String>,
    audience: Option<Vec<String>>,
    pub leeway: Duration,
    claims: ClaimRules,
}

impl Issuer {
    /// Reads the configured keys.
    pub fn new(settings: VerifierSettings) -> Result<Self, KeyError> {
        let VerifierSettings { name, keys, key_ring, algorithms, issuer, audience, leeway, claims } = settings;
        let keys = if keys.is_empty() && key_ring.is_some() { Vec::new() } else { read_keys(&keys, algorithms.as_deref())? };
        Ok(Self { name, keys, key_ring, iss: issuer, audience, leeway, claims })
    }

    /// Whether one of this issuer's keys for the token's algorithm has signed it. `published` are the keys of the ring, if there is one.
    pub fn verify_signature(&self, token: &UnverifiedToken<'_>, published: Option<&PublishedKeys>) -> Result<(), TokenError> {
        let algorithm = token.algorithm;
        let own = self.keys.iter().filter(|pinned| pinned.algorithm == algorithm).map(|pinned| &pinned.key);
        let ring = published.filter(|_| self.key_ring.as_ref().is_some_and(|ring| ring.accepts(algorithm)));
        let named: Vec<&DecodingKey> = ring.map(|keys| keys.find(algorithm, token.kid.as_deref())).unwrap_or_default();
        // Only of a published set can it be said that it may have changed.
        let is_unknown = ring.is_some() && named.is_empty();
        let mut verdict = TokenError::Algorithm;
        for key in own.chain(named) {
            match signed_by(token, key, algorithm) {
                Ok(()) => return Ok(()),
                Err(error) => verdict = error,
            }
        }
        Err(if is_unknown { TokenError::UnknownKey } else { verdict })
    }

    /// What the claims of a token with a good signature say; its times are for the caller to judge.
    pub fn read_claims(&self, token: &UnverifiedToken<'_>) -> Result<Principal, TokenError> {
        let claims = &token.claims;
        if let Some(accepted) = &self.audience {
            claims::check_audience(claims, accepted)?;
        }
        let subject = claims::subject(claims)?;
        let subject = self.name.as_ref().map_or_else(|| subject.clone(), |name| format!("{name}/{subject}"));
        Ok(Principal { subject, scope: claims::scope(claims, &self.claims), access: claims::access(claims, &self.claims) })
    }

    /// The times of a token, if it counts now.
    pub fn lifetime(&self, token: &UnverifiedToken<'_>, now: crate::domain::time::Timestamp) -> Result<Lifetime, TokenError> {
        let lifetime = Lifetime::read(&token.claims)?;
        lifetime.check(now, self.leeway)?;
        Ok(lifetime)
    }
}

fn signed_by(token: &UnverifiedToken<'_>, key: &DecodingKey, algorithm: Algorithm) -> Result<(), TokenError> {
    match jsonwebtoken::crypto::verify(token.signature, token.message.as_bytes(), key, algorithm) {
        Ok(true) => Ok(()),
        Ok(false) => Err(TokenError::Signature),
        Err(_) => Err(TokenError::Malformed),
    }
}
