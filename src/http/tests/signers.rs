//! Issuers for tests: keys that sign, the sets that publish them, a scripted place to fetch these from, and a clock to move.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::support::now;
use crate::domain::ports::Clock;
use crate::domain::time::Timestamp;
use crate::http::{FetchError, KeyMetrics, KeyRing, KeyRingSettings, KeySetSource, TokenVerifier, VerifierSettings};

/// How long a test waits for something that has to happen.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A key that signs, by its name.
pub struct Signer {
    kid: Option<String>,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    /// A new P-256 key.
    pub fn new(kid: &str) -> Self {
        let pem = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        Self {
            kid: Some(kid.to_owned()),
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_pem(pem.as_bytes()).expect("PEM"),
        }
    }

    /// The RSA key of the fixtures.
    pub fn rsa(kid: &str) -> Self {
        let pem = include_bytes!("../../../tests/fixtures/keys/rsa-2048.private.pem");
        Self { kid: Some(kid.to_owned()), algorithm: Algorithm::RS256, key: EncodingKey::from_rsa_pem(pem).expect("PEM") }
    }

    /// The Ed25519 key of the fixtures.
    pub fn ed25519(kid: &str) -> Self {
        let pem = include_bytes!("../../../tests/fixtures/keys/ed25519.private.pem");
        Self { kid: Some(kid.to_owned()), algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_pem(pem).expect("PEM") }
    }

    /// The same key under another name, or none.
    pub fn named(&self, kid: Option<&str>) -> Self {
        Self { kid: kid.map(str::to_owned), algorithm: self.algorithm, key: self.key.clone() }
    }

    /// What is published of it.
    pub fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        if let Some(kid) = &self.kid {
            jwk["kid"] = kid.clone().into();
        }
        jwk
    }

    pub fn sign(&self, claims: &Value) -> String {
        let mut header = json!({"typ": "at+jwt"});
        if let Some(kid) = &self.kid {
            header["kid"] = kid.clone().into();
        }
        self.sign_with(header, claims)
    }

    /// A token with this header, to which the algorithm is added.
    pub fn sign_with(&self, mut header: Value, claims: &Value) -> String {
        header["alg"] = serde_json::to_value(Header::new(self.algorithm).alg).expect("a name");
        sign_text(&header.to_string(), &claims.to_string(), &self.key, self.algorithm)
    }
}

/// A token of any two texts.
pub fn sign_text(header: &str, claims: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).expect("a signature");
    format!("{message}.{signature}")
}

/// A reader's claims from this issuer.
pub fn claims_of(iss: &str) -> Value {
    json!({"iss": iss, "sub": "alice", "exp": now().timestamp() + 3600, "scope": "maintenance:read"})
}

/// A set with these keys.
pub fn set(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

/// A clock that stands until it is moved.
pub struct MovedClock(Mutex<Timestamp>);

impl MovedClock {
    pub fn advance(&self, seconds: i64) {
        *self.0.lock() += TimeDelta::seconds(seconds);
    }
}

#[async_trait]
impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }

    async fn sleep_until(&self, _: Timestamp) {
        std::future::pending().await
    }
}

/// An issuer's place on the network.
#[derive(Debug)]
pub struct Place {
    document: Mutex<Option<Vec<u8>>>,
    asked: AtomicUsize,
    answers: Semaphore,
}

impl Place {
    pub fn publish(&self, document: Vec<u8>) {
        *self.document.lock() = Some(document);
    }

    pub fn go_down(&self) {
        *self.document.lock() = None;
    }

    /// How often somebody asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Holds all answers back, or lets them go.
    pub fn hold(&self) {
        self.answers.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn let_go(&self) {
        self.answers.add_permits(Semaphore::MAX_PERMITS >> 1);
    }
}

#[async_trait]
impl KeySetSource for Place {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _answer = self.answers.acquire().await.expect("never closed");
        self.document.lock().clone().ok_or_else(|| FetchError::Client("it is down".to_owned()))
    }
}

#[derive(Default)]
pub struct Counted(pub Mutex<Vec<(String, &'static str)>>);

impl KeyMetrics for Counted {
    fn key_set_refreshed(&self, issuer: &str, outcome: &'static str) {
        self.0.lock().push((issuer.to_owned(), outcome));
    }
}

/// One issuer that publishes keys, and a service that trusts it.
pub struct World {
    pub clock: Arc<MovedClock>,
    pub place: Arc<Place>,
    pub counted: Arc<Counted>,
    pub ring: Arc<KeyRing>,
}

impl World {
    pub fn new(document: Option<Vec<u8>>) -> Self {
        let clock = Arc::new(MovedClock(Mutex::new(now())));
        let answers = Semaphore::new(Semaphore::MAX_PERMITS >> 1);
        let place = Arc::new(Place { document: Mutex::new(document), asked: AtomicUsize::new(0), answers });
        let counted = Arc::new(Counted::default());
        let ring = KeyRing::new(KeyRingSettings {
            issuer: "partner".to_owned(),
            source: place.clone(),
            // As in a configuration that has a secret beside the set.
            algorithms: ["HS256", "RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec(),
            refresh: Duration::from_secs(300),
            clock: clock.clone(),
            metrics: counted.clone(),
        });
        Self { clock, place, counted, ring }
    }

    /// A verifier that trusts only this issuer, whatever tokens have as `iss`.
    pub fn verifier(&self) -> Arc<TokenVerifier> {
        let settings = VerifierSettings { key_ring: Some(Arc::clone(&self.ring)), ..VerifierSettings::default() };
        Arc::new(TokenVerifier::new(settings).expect("a key ring is enough"))
    }

    /// Refreshes if that is due, and waits for it.
    pub async fn tick(&self) {
        self.ring.refresh_if_due();
        self.ring.idle().await;
    }
}
