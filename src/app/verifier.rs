//! From `[auth]` to the verifier of tokens and its key rings.

use std::sync::Arc;
use std::time::Duration;

use super::AppError;
use crate::config::{AuthConfig, DEFAULT_ISSUER, IssuerConfig, KeySetLocation};
use crate::domain::ports::Clock;
use crate::executor::checked_resolver;
use crate::http::{KeyMetrics, KeyRing, KeyRingSettings, TokenVerifier, VerificationKey, VerifierSettings, key_set_source};
use crate::telemetry::Metrics;

/// Names of the issuers whose key sets are fetched; the labels of their metrics.
pub(super) fn key_sets(auth: &AuthConfig) -> Vec<String> {
    let own = auth.key_set.iter().map(|_| DEFAULT_ISSUER.to_owned());
    let others = auth.issuers.iter().filter(|(_, issuer)| issuer.key_set.is_some()).map(|(name, _)| name.clone());
    own.chain(others).collect()
}

/// The verifier for all issuers. Nothing is fetched yet.
pub(super) fn token_verifier(
    auth: &AuthConfig,
    clock: &Arc<dyn Clock>,
    metrics: &Metrics,
) -> Result<Arc<TokenVerifier>, AppError> {
    let rings = Rings { refresh: auth.jwks_refresh, clock, metrics: Arc::new(CountedRefreshes(metrics.clone())) };
    let mut issuers = Vec::new();
    let secret = auth.hs256_secret.clone().map(VerificationKey::Hs256);
    let public = auth.public_key_pem.clone().map(VerificationKey::PublicPem);
    let keys: Vec<VerificationKey> = secret.into_iter().chain(public).collect();
    // Without keys of its own `[auth]` only holds what the named issuers have in common.
    if !keys.is_empty() || auth.key_set.is_some() || auth.issuers.is_empty() {
        issuers.push(VerifierSettings {
            name: None,
            keys,
            key_ring: rings.ring(DEFAULT_ISSUER, auth.key_set.as_ref(), &auth.algorithms)?,
            algorithms: unless_empty(&auth.algorithms),
            issuer: auth.issuer.clone(),
            audience: unless_empty(&auth.audience),
            leeway: auth.leeway,
            claims: auth.claims.clone(),
        });
    }
    for (name, issuer) in &auth.issuers {
        let IssuerConfig { issuer, public_key_pem, key_set, algorithms, audience, claims } = issuer;
        issuers.push(VerifierSettings {
            name: Some(name.clone()),
            keys: public_key_pem.clone().map(VerificationKey::PublicPem).into_iter().collect(),
            key_ring: rings.ring(name, key_set.as_ref(), algorithms)?,
            algorithms: unless_empty(algorithms),
            issuer: Some(issuer.clone()),
            audience: unless_empty(audience),
            leeway: auth.leeway,
            claims: claims.clone(),
        });
    }
    let verifier = TokenVerifier::for_issuers(issuers);
    let verifier = verifier.map_err(|error| AppError::configuration("auth: a verification key cannot be used", error))?;
    Ok(Arc::new(verifier))
}

fn unless_empty(words: &[String]) -> Option<Vec<String>> {
    (!words.is_empty()).then(|| words.to_vec())
}

/// What all key rings have in common.
struct Rings<'a> {
    refresh: Duration,
    clock: &'a Arc<dyn Clock>,
    metrics: Arc<dyn KeyMetrics>,
}

impl Rings<'_> {
    fn ring(
        &self,
        issuer: &str,
        location: Option<&KeySetLocation>,
        algorithms: &[String],
    ) -> Result<Option<Arc<KeyRing>>, AppError> {
        let Some(location) = location else { return Ok(None) };
        let source = key_set_source(location.clone(), checked_resolver());
        let source = source.map_err(|error| AppError::configuration(format!("auth: the key set of issuer {issuer}"), error))?;
        Ok(Some(KeyRing::new(KeyRingSettings {
            issuer: issuer.to_owned(),
            source,
            algorithms: algorithms.to_vec(),
            refresh: self.refresh,
            clock: Arc::clone(self.clock),
            metrics: Arc::clone(&self.metrics),
        })))
    }
}

struct CountedRefreshes(Metrics);

impl KeyMetrics for CountedRefreshes {
    fn key_set_refreshed(&self, issuer: &str, outcome: &'static str) {
        self.0.key_set_refreshed(issuer, outcome);
    }
}
