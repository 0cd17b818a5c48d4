//! Bearer tokens: seen for the first time, and remembered.

use divan::{Bencher, black_box};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::json;
use themis_maintenance::http::{TokenVerifier, VerificationKey, VerifierSettings};

use super::rig::begin;

const SECRET: &str = "a secret that is long enough for the benchmark of tokens";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::HS256, Algorithm::ES256];

/// Keys of a kind, and a token signed with them.
struct Signed {
    key: VerificationKey,
    token: String,
}

impl Signed {
    fn with(algorithm: Algorithm) -> Self {
        let (key, signer) = match algorithm {
            Algorithm::ES256 => {
                let pair = rcgen::KeyPair::generate().unwrap();
                let signer = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
                (VerificationKey::PublicPem(pair.public_key_pem()), signer)
            }
            _ => (VerificationKey::Hs256(SecretString::from(SECRET)), EncodingKey::from_secret(SECRET.as_bytes())),
        };
        let claims = json!({"sub": "bench", "scope": "maintenance:read", "exp": begin().timestamp() + 3_600});
        Self { key, token: jsonwebtoken::encode(&Header::new(algorithm), &claims, &signer).unwrap() }
    }

    fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(VerifierSettings { keys: vec![self.key.clone()], ..VerifierSettings::default() }).unwrap()
    }
}

/// By a verifier that remembers nothing yet.
#[divan::bench(args = ALGORITHMS, sample_size = 10)]
fn verify_cold(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let signed = Signed::with(algorithm);
    let verifier = || signed.verifier();
    bencher.with_inputs(verifier).bench_local_refs(|verifier| verifier.verify(black_box(&signed.token), begin()).unwrap());
}

#[divan::bench]
fn verify_remembered(bencher: Bencher<'_, '_>) {
    let signed = Signed::with(Algorithm::HS256);
    let verifier = signed.verifier();
    verifier.verify(&signed.token, begin()).unwrap();
    bencher.bench_local(|| verifier.verify(black_box(&signed.token), begin()).unwrap());
}
