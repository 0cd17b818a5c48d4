//! Judges bearer tokens: by the issuer that they name, with that issuer's keys and no others.
//!
//! Verified tokens are remembered, because a client sends the same one for minutes and a signature costs more than the rest of a
//! read. What is remembered is what the token says, never the token; times are judged at each use, and a key that changes makes
//! everything that its issuer signed be verified anew.

use std::collections::HashMap;
use std::sync::Arc;

use quick_cache::sync::Cache;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::claims::Lifetime;
use super::error::TokenError;
use super::issuer::{Issuer, VerifierSettings};
use super::key_ring::KeyRing;
use super::keys::KeyError;
use super::token::{UnverifiedToken, check_length};
use crate::domain::ports::Clock;
use crate::domain::principal::Principal;
use crate::domain::time::Timestamp;

/// Most verified tokens that are remembered. A client has one token at a time, so this is thousands of clients; an entry has a few
/// hundred bytes, so it is about 2 MiB. Only tokens with a good signature get in, and the one used least makes room.
const REMEMBERED_TOKENS: usize = 4096;

/// SHA-256 of a token: whoever reads the memory finds no token in it.
type TokenDigest = [u8; 32];

/// What a verified token says.
struct Accepted {
    principal: Principal,
    lifetime: Lifetime,
    /// Place among the issuers.
    issuer: usize,
    /// Of the issuer's published keys.
    generation: u64,
}

/// Why a token was refused, and whose keys may have changed.
struct Refusal<'a> {
    error: TokenError,
    issuer: Option<&'a Issuer>,
}

impl From<TokenError> for Refusal<'_> {
    fn from(error: TokenError) -> Self {
        Self { error, issuer: None }
    }
}

/// Verifies signatures and claims. Holds the keys; prints none of them.
pub struct TokenVerifier {
    issuers: Vec<Issuer>,
    /// Places of those that have an `iss`.
    by_iss: HashMap<String, usize>,
    /// Place of the one that has none.
    for_others: Option<usize>,
    accepted: Cache<TokenDigest, Arc<Accepted>>,
}

impl TokenVerifier {
    /// A verifier for one issuer.
    ///
    /// # Errors
    /// A key that is missing, weak, of an unknown kind, or excluded by `algorithms`.
    pub fn new(settings: VerifierSettings) -> Result<Self, KeyError> {
        Self::for_issuers(vec![settings])
    }

    /// A verifier for several issuers. Of two with the same `iss` the first counts; the configuration has none.
    ///
    /// # Errors
    /// A key that is missing, weak, of an unknown kind, or excluded by `algorithms`.
    pub fn for_issuers(settings: Vec<VerifierSettings>) -> Result<Self, KeyError> {
        if settings.is_empty() {
            return Err(KeyError::NoKey);
        }
        let issuers: Vec<Issuer> = settings.into_iter().map(Issuer::new).collect::<Result<_, _>>()?;
        let (mut by_iss, mut for_others) = (HashMap::new(), None);
        for (place, issuer) in issuers.iter().enumerate() {
            match &issuer.iss {
                Some(iss) => drop(by_iss.entry(iss.clone()).or_insert(place)),
                None => drop(for_others.get_or_insert(place)),
            }
        }
        Ok(Self { issuers, by_iss, for_others, accepted: Cache::new(REMEMBERED_TOKENS) })
    }

    /// Judges a token as of `now`, with the keys that are there.
    ///
    /// # Errors
    /// The first reason for which the token is not accepted.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Principal, TokenError> {
        self.judge(token, now).map_err(|refusal| refusal.error)
    }

    /// Judges a token; when its key is not known, the issuer is asked for its keys first. That takes a few seconds at most, and is done
    /// at most every ten.
    ///
    /// # Errors
    /// The first reason for which the token is not accepted.
    pub async fn authenticate(&self, token: &str, clock: &dyn Clock) -> Result<Principal, TokenError> {
        let refusal = match self.judge(token, clock.now()) {
            Ok(principal) => return Ok(principal),
            Err(refusal) => refusal,
        };
        match (refusal.error, refusal.issuer.and_then(|issuer| issuer.key_ring.as_ref())) {
            (TokenError::UnknownKey, Some(ring)) => {
                ring.ask_for_unknown_key().await;
                self.verify(token, clock.now())
            }
            (error, _) => Err(error),
        }
    }

    /// Whether a token was accepted lately and still counts.
    pub(in crate::http) fn remembers(&self, token: &str, now: Timestamp) -> bool {
        let known = || self.recall(&Sha256::digest(token).into());
        check_length(token).is_ok()
            && known().is_some_and(|accepted| accepted.lifetime.check(now, self.issuers[accepted.issuer].leeway).is_ok())
    }

    fn judge(&self, text: &str, now: Timestamp) -> Result<Principal, Refusal<'_>> {
        check_length(text)?;
        let digest: TokenDigest = Sha256::digest(text).into();
        if let Some(accepted) = self.recall(&digest) {
            accepted.lifetime.check(now, self.issuers[accepted.issuer].leeway)?;
            return Ok(accepted.principal.clone());
        }
        let token = UnverifiedToken::parse(text)?;
        let place = self.place_of(&token)?;
        let issuer = &self.issuers[place];
        let published = issuer.key_ring.as_ref().map(|ring| ring.keys());
        let signature = issuer.verify_signature(&token, published.as_deref());
        signature.map_err(|error| Refusal { error, issuer: Some(issuer) })?;
        let lifetime = issuer.lifetime(&token, now)?;
        let principal = issuer.read_claims(&token)?;
        if issuer.name.is_none() && self.is_taken(&principal.subject) {
            return Err(TokenError::Subject.into());
        }
        // The generation of the very keys that were used: if they have changed meanwhile, the entry is void from the start.
        let generation = published.map_or(0, |keys| keys.generation);
        let accepted = Accepted { principal: principal.clone(), lifetime, issuer: place, generation };
        self.accepted.insert(digest, Arc::new(accepted));
        Ok(principal)
    }

    /// What is remembered of a token, unless the keys of its issuer have changed.
    fn recall(&self, digest: &TokenDigest) -> Option<Arc<Accepted>> {
        let accepted = self.accepted.get(digest)?;
        let generation = self.issuers[accepted.issuer].key_ring.as_ref().map_or(0, |ring| ring.keys().generation);
        if generation == accepted.generation {
            return Some(accepted);
        }
        self.accepted.remove(digest);
        None
    }

    /// By whom the token has to be signed. Its `iss` is not verified yet; but a lie only leads to keys that did not sign it
    /// (RFC 8725, section 3.8).
    fn place_of(&self, token: &UnverifiedToken<'_>) -> Result<usize, TokenError> {
        let iss = token.claims.get("iss").and_then(Value::as_str);
        iss.and_then(|iss| self.by_iss.get(iss)).copied().or(self.for_others).ok_or(TokenError::Issuer)
    }

    /// Whether a subject looks like one of a named issuer's.
    fn is_taken(&self, subject: &str) -> bool {
        let names = self.issuers.iter().filter_map(|issuer| issuer.name.as_deref());
        subject.split_once('/').is_some_and(|(first, _)| names.into_iter().any(|name| name == first))
    }

    /// The issuers' published keys.
    pub fn key_rings(&self) -> impl Iterator<Item = &Arc<KeyRing>> {
        self.issuers.iter().filter_map(|issuer| issuer.key_ring.as_ref())
    }

    /// Starts a refresh of every key ring that is due. To be called every second.
    pub fn refresh_due(&self) {
        self.key_rings().for_each(KeyRing::refresh_if_due);
    }

    /// How many tokens are remembered.
    #[cfg(test)]
    pub(in crate::http) fn remembered(&self) -> usize {
        self.accepted.len()
    }

    /// Breaks refreshes off that are under way, and starts no more.
    pub async fn close(&self) {
        for ring in self.key_rings() {
            ring.close().await;
        }
    }
}
