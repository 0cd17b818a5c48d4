//! The health module `auth_keys`: whether the issuers' key sets can be had.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::key_ring::KeyRingStatus;
use super::verifier::TokenVerifier;
use crate::domain::health::{HealthSignal, HealthStatus};
use crate::domain::ports::HealthProbe;

/// Looks at every key ring: HEALTHY with keys from a refresh that succeeded; DEGRADED while the last one failed and older keys count;
/// UNHEALTHY while an issuer has no key, so that none of its tokens is accepted.
pub struct AuthKeysProbe(pub Arc<TokenVerifier>);

#[async_trait]
impl HealthProbe for AuthKeysProbe {
    async fn check(&self) -> HealthSignal {
        let rings: Vec<KeyRingStatus> = self.0.key_rings().map(|ring| ring.status()).collect();
        let without = |ring: &&KeyRingStatus| ring.keys == 0;
        let stale = |ring: &&KeyRingStatus| ring.keys > 0 && ring.failure.is_some();
        let signal = if let Some(ring) = rings.iter().find(without) {
            let reason = ring.failure.as_deref().unwrap_or("they have not been fetched yet");
            let message = format!("there are no keys of issuer {}, so none of its tokens is accepted: {reason}", ring.issuer);
            HealthSignal::new(HealthStatus::Unhealthy, message)
        } else if let Some(ring) = rings.iter().find(stale) {
            let reason = ring.failure.as_deref().unwrap_or_default();
            let message =
                format!("the keys of issuer {} are {} s old and cannot be refreshed: {reason}", ring.issuer, ring.age.as_secs());
            HealthSignal::new(HealthStatus::Degraded, message)
        } else {
            HealthSignal::new(HealthStatus::Healthy, "the key sets of all issuers are up to date")
        };
        rings.iter().fold(signal, |signal, ring| {
            let KeyRingStatus { issuer, keys, age, failure } = ring;
            signal.with_detail(issuer, json!({"keys": keys, "age_seconds": age.as_secs(), "last_failure": failure}))
        })
    }
}
