//! Bearer tokens: whatever is accepted was signed as it stands by one of the keys. An input is a token; or JSON claims, which are signed
//! first; or an array of a header and claims, which are signed first, too.

use std::collections::HashSet;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};
use themis_maintenance::domain::time::Timestamp;
use themis_maintenance::http::{TokenVerifier, VerificationKey, VerifierSettings};

use crate::checks::{check_message, now};
use crate::driver::{Fuzz, Verdict};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RSA_PRIVATE: &str = include_str!("../fixtures/keys/rsa-2048.private.pem");
const RSA_PUBLIC: &str = include_str!("../fixtures/keys/rsa-2048.public.pem");
const EC_PUBLIC: &str = include_str!("../fixtures/keys/ec-p256.public.pem");
const ED_PRIVATE: &str = include_str!("../fixtures/keys/ed25519.private.pem");
const ED_PUBLIC: &str = include_str!("../fixtures/keys/ed25519.public.pem");
/// The one ES256 token that was ever signed: two signatures of one text differ, so that a second one cannot be compared.
const GENUINE_ES256: &str = include_str!("corpus/token/genuine-es256");

const WORDS: &[&str] = &[
    "alg",
    "typ",
    "kid",
    "crit",
    "jku",
    "jwk",
    "x5c",
    "b64",
    "zip",
    "none",
    "None",
    "HS256",
    "HS384",
    "RS256",
    "ES256",
    "EdDSA",
    "PS256",
    "JWT",
    "sub",
    "exp",
    "nbf",
    "iat",
    "iss",
    "aud",
    "scope",
    "scp",
    "permissions",
    "roles",
    "maintenance:read",
    "maintenance:write",
    "maintenance:admin",
    ".",
    "..",
    "=",
    "==",
    "-",
    "_",
    "+",
    "/",
    "e30",
    "eyJhbGciOiJub25lIn0",
    "eyJhbGciOiJIUzI1NiJ9",
    "A",
    "4102444800",
    "\"exp\":1,",
    "\"sub\":\"root\",",
];

#[test]
fn only_what_a_key_signed_is_accepted() {
    Fuzz { name: "token", words: WORDS, generated }.run(|| {
        let verifier = verifier();
        move |input| judge(&verifier, input)
    });
}

/// Without it, a verifier that accepts nothing would pass.
#[test]
fn what_each_key_signed_is_accepted() {
    let genuine = [
        include_str!("corpus/token/genuine-hs256"),
        include_str!("corpus/token/genuine-rs256"),
        GENUINE_ES256,
        include_str!("corpus/token/genuine-eddsa"),
    ];
    for (token, algorithm) in genuine.into_iter().zip(["HS256", "RS256", "ES256", "EdDSA"]) {
        let verdict = judge(&verifier(), token.as_bytes()).expect("no rule is broken");
        assert_eq!(verdict, format!("accepted: {algorithm} maintenance:read"));
    }
}

fn verifier() -> TokenVerifier {
    let pem = |text: &str| VerificationKey::PublicPem(text.to_owned());
    let keys = vec![VerificationKey::Hs256(SecretString::from(SECRET)), pem(RSA_PUBLIC), pem(EC_PUBLIC), pem(ED_PUBLIC)];
    TokenVerifier::new(VerifierSettings { keys, ..VerifierSettings::default() }).expect("good keys")
}

/// Claims, alone and behind a header, and whole tokens.
fn generated() -> BoxedStrategy<Vec<u8>> {
    let time =
        prop_oneof![3 => Just(4_102_444_800_i64), 1 => any::<i64>(), 1 => (now().timestamp() - 60)..(now().timestamp() + 60)];
    let scope = prop::sample::select(vec!["maintenance:read", "maintenance:admin", "openid maintenance:write", ""]);
    let claims = ("\\PC{1,12}", time.clone(), prop::option::of(time), scope, prop::option::of("[a-z:/.]{0,12}"));
    let claims =
        claims.prop_map(|(sub, exp, nbf, scope, aud)| json!({"sub": sub, "exp": exp, "nbf": nbf, "scope": scope, "aud": aud}));
    let header = prop::sample::select(vec![json!({"alg": "HS256"}), json!({"alg": "HS256", "typ": "JWT", "kid": "1"})]);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    prop_oneof![
        claims.clone().prop_map(|claims| claims.to_string()),
        (header, claims.clone()).prop_map(|(header, claims)| json!([header, claims]).to_string()),
        claims.prop_map(move |claims| signed(&format!("{}.{}", part(&json!({"alg": "HS256"})), part(&claims)), Algorithm::HS256)
            .expect("a signature")),
    ]
    .prop_map(String::into_bytes)
    .boxed()
}

fn judge(verifier: &TokenVerifier, input: &[u8]) -> Verdict {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let message = match (input.first(), serde_json::from_slice(input)) {
        (Some(b'{'), _) => Some(format!("{}.{}", encode(br#"{"alg":"HS256"}"#), encode(input))),
        (_, Ok(Value::Array(parts))) if parts.len() == 2 => {
            Some(format!("{}.{}", encode(parts[0].to_string().as_bytes()), encode(parts[1].to_string().as_bytes())))
        }
        _ => None,
    };
    let token = match message {
        Some(message) => signed(&message, Algorithm::HS256)?,
        // A header's value that is no text does not come as far as the verifier.
        None => String::from_utf8_lossy(input).into_owned(),
    };
    let now = now();
    match verifier.verify(&token, now) {
        Ok(principal) => {
            let scope = principal.scope.map_or("none".to_owned(), |scope| scope.to_string());
            let subject = &principal.subject;
            ensure!(
                (1..=255).contains(&subject.chars().count()) && !subject.contains(char::is_control),
                "accepts the subject {subject:?}"
            );
            check_accepted(&token, subject, now).map(|algorithm| format!("accepted: {algorithm:?} {scope}"))
        }
        Err(error) => {
            let message = error.to_string();
            check_message(&message)?;
            ensure!(message.is_ascii() && !message.contains(['"', '\\']), "'{message}' does not fit between quotes");
            Ok(message)
        }
    }
}

/// Reads an accepted token anew, with as little as possible of what the verifier uses.
fn check_accepted(token: &str, subject: &str, now: Timestamp) -> anyhow::Result<Algorithm> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = parts.as_slice() else { anyhow::bail!("accepts {} parts", parts.len()) };
    let read = |part: &str| -> anyhow::Result<Value> { Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?) };
    let (header, claims) =
        (read(header).context("accepts a header that is no JSON")?, read(payload).context("accepts claims that are no JSON")?);
    // Others might read the other one.
    let MemberNames(names) = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    ensure!(names.iter().collect::<HashSet<_>>().len() == names.len(), "accepts a repeated claim: {names:?}");
    let expiry = claims["exp"].as_f64().context("accepts a token without exp")?;
    ensure!(expiry > now.timestamp() as f64 - 30.0, "accepts a token that has expired");
    ensure!(claims["sub"].as_str() == Some(subject), "takes {subject:?} for the subject");
    ensure!(header["crit"].is_null(), "accepts critical extensions");
    let algorithm = match header["alg"].as_str() {
        Some("HS256") => Algorithm::HS256,
        Some("RS256") => Algorithm::RS256,
        Some("EdDSA") => Algorithm::EdDSA,
        Some("ES256") => {
            ensure!(token == GENUINE_ES256, "accepts an ES256 token that nobody signed");
            return Ok(Algorithm::ES256);
        }
        other => anyhow::bail!("accepts the algorithm {other:?}"),
    };
    let (message, _) = token.rsplit_once('.').context("parts")?;
    ensure!(signed(message, algorithm)? == token, "accepts an {algorithm:?} token that nobody signed");
    Ok(algorithm)
}

/// The names of an object's members as they stand there, repeated ones too.
struct MemberNames(Vec<String>);

impl<'de> Deserialize<'de> for MemberNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = MemberNames;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<MemberNames, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = members.next_entry()? {
                    names.push(name);
                }
                Ok(MemberNames(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// The one token for a message that a key of ours makes.
fn signed(message: &str, algorithm: Algorithm) -> anyhow::Result<String> {
    let key = match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes())?,
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes())?,
        _ => EncodingKey::from_secret(SECRET.as_bytes()),
    };
    Ok(format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm)?))
}
