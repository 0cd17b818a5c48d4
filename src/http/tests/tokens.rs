//! Tokens that are accepted, and attacks that are not.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::support::{API, SECRET, TestService, empty, now, request, signed, token};
use crate::domain::principal::Scope;
use crate::http::{KeyError, TokenError, TokenVerifier, VerificationKey, VerifierSettings};

const RSA_PRIVATE: &str = include_str!("../../../tests/fixtures/keys/rsa-2048.private.pem");
const RSA_PUBLIC: &str = include_str!("../../../tests/fixtures/keys/rsa-2048.public.pem");
const RSA_PUBLIC_PKCS1: &str = include_str!("../../../tests/fixtures/keys/rsa-2048.public.pkcs1.pem");
const RSA_SHORT: &str = include_str!("../../../tests/fixtures/keys/rsa-1024.public.pem");
const EC_PRIVATE: &str = include_str!("../../../tests/fixtures/keys/ec-p256.private.pem");
const EC_PUBLIC: &str = include_str!("../../../tests/fixtures/keys/ec-p256.public.pem");
const EC_P384: &str = include_str!("../../../tests/fixtures/keys/ec-p384.public.pem");
const EC_K256: &str = include_str!("../../../tests/fixtures/keys/ec-k256.public.pem");
const ED_PRIVATE: &str = include_str!("../../../tests/fixtures/keys/ed25519.private.pem");
const ED_PUBLIC: &str = include_str!("../../../tests/fixtures/keys/ed25519.public.pem");

fn secret() -> VerificationKey {
    VerificationKey::Hs256(SecretString::from(SECRET))
}

fn pem(text: &str) -> VerificationKey {
    VerificationKey::PublicPem(text.to_owned())
}

fn settings(keys: Vec<VerificationKey>) -> VerifierSettings {
    VerifierSettings { keys, ..VerifierSettings::default() }
}

fn verifier(keys: Vec<VerificationKey>) -> TokenVerifier {
    TokenVerifier::new(settings(keys)).expect("good keys")
}

fn claims() -> Value {
    json!({"sub": "alice", "exp": now().timestamp() + 60, "scope": "maintenance:read"})
}

/// The usual claims with one of them set; null removes it.
fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

fn judge(claims: &Value) -> Result<Option<Scope>, TokenError> {
    verifier(vec![secret()]).verify(&token(claims), now()).map(|principal| principal.scope)
}

fn raw(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[test]
fn every_kind_of_key_verifies_its_own_algorithm() {
    let cases = [
        (Algorithm::HS256, secret(), EncodingKey::from_secret(SECRET.as_bytes())),
        (Algorithm::RS256, pem(RSA_PUBLIC), EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("a key")),
        (Algorithm::RS256, pem(RSA_PUBLIC_PKCS1), EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("a key")),
        (Algorithm::ES256, pem(EC_PUBLIC), EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).expect("a key")),
        (Algorithm::EdDSA, pem(ED_PUBLIC), EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).expect("a key")),
    ];
    let together = verifier(vec![secret(), pem(&format!("{RSA_PUBLIC}{EC_PUBLIC}\n# the newest\n{ED_PUBLIC}"))]);
    for (algorithm, key, signing_key) in cases {
        let alone = verifier(vec![key]);
        let good = signed(algorithm, &claims(), &signing_key);
        let principal = alone.verify(&good, now()).unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        assert_eq!((principal.subject.as_str(), principal.scope), ("alice", Some(Scope::Read)));
        assert!(together.verify(&good, now()).is_ok(), "{algorithm:?}");

        let (signed_part, signature) = good.rsplit_once('.').expect("three parts");
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        bytes[10] ^= 1;
        let tampered = format!("{signed_part}.{}", URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(alone.verify(&tampered, now()), Err(TokenError::Signature), "{algorithm:?}");
    }
}

#[test]
fn the_tokens_header_does_not_choose_the_algorithm() {
    let rsa = verifier(vec![pem(RSA_PUBLIC)]);
    // Signed with the public key as if it were a shared secret.
    for bytes in [RSA_PUBLIC.as_bytes(), RSA_PUBLIC.trim().as_bytes()] {
        let confused = signed(Algorithm::HS256, &claims(), &EncodingKey::from_secret(bytes));
        assert_eq!(rsa.verify(&confused, now()), Err(TokenError::Algorithm));
    }
    let both = verifier(vec![pem(RSA_PUBLIC), secret()]);
    let confused = signed(Algorithm::HS256, &claims(), &EncodingKey::from_secret(RSA_PUBLIC.as_bytes()));
    assert_eq!(both.verify(&confused, now()), Err(TokenError::Signature));
    // The right key with another algorithm of its family.
    let other = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("a key");
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        assert_eq!(rsa.verify(&signed(algorithm, &claims(), &other), now()), Err(TokenError::Algorithm));
    }
    let hs512 = signed(Algorithm::HS512, &claims(), &EncodingKey::from_secret(SECRET.as_bytes()));
    assert_eq!(verifier(vec![secret()]).verify(&hs512, now()), Err(TokenError::Algorithm));
}

#[test]
fn unsigned_and_broken_tokens_are_refused() {
    let verifier = verifier(vec![secret()]);
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            let unsigned = raw(&json!({"alg": algorithm, "typ": "JWT"}), &claims(), signature);
            assert_eq!(verifier.verify(&unsigned, now()), Err(TokenError::Algorithm), "{algorithm}");
        }
    }
    let good = token(&claims());
    let (head, rest) = good.split_once('.').expect("parts");
    let (body, signature) = rest.split_once('.').expect("parts");
    for broken in [
        String::new(),
        "a.b.c".to_owned(),
        head.to_owned(),
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{good}.x"),
        format!("{good}="),
        format!("{head}..{signature}"),
        format!("{}.{body}.{signature}", URL_SAFE_NO_PAD.encode("[]")),
        raw(&json!({"typ": "JWT"}), &claims(), signature),
    ] {
        assert!(verifier.verify(&broken, now()).is_err(), "{broken}");
    }
    let swapped = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims_with("sub", json!("mallory")).to_string()));
    assert_eq!(verifier.verify(&swapped, now()), Err(TokenError::Signature));
    let stranger = signed(Algorithm::HS256, &claims(), &EncodingKey::from_secret(b"another secret that is long enough"));
    assert_eq!(verifier.verify(&stranger, now()), Err(TokenError::Signature));
}

#[test]
fn critical_extensions_are_refused() {
    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let critical = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(SECRET.as_bytes())).expect("a token");
    assert_eq!(verifier(vec![secret()]).verify(&critical, now()), Err(TokenError::Critical));
}

#[test]
fn times_are_judged_by_the_clock_with_some_leeway() {
    let at = |offset: i64| json!(now().timestamp() + offset);
    assert!(judge(&claims_with("exp", at(-29))).is_ok());
    assert_eq!(judge(&claims_with("exp", at(-30))), Err(TokenError::Expired));
    assert_eq!(judge(&claims_with("exp", json!(0))), Err(TokenError::Expired));
    assert_eq!(judge(&claims_with("exp", json!(-1))), Err(TokenError::Expired));
    assert!(judge(&claims_with("exp", json!(1.0e300))).is_ok());
    assert!(judge(&claims_with("nbf", at(30))).is_ok());
    assert_eq!(judge(&claims_with("nbf", at(31))), Err(TokenError::NotYetValid));
    assert!(judge(&claims_with("nbf", at(-100))).is_ok());
    let strict = VerifierSettings { leeway: std::time::Duration::ZERO, ..settings(vec![secret()]) };
    let strict = TokenVerifier::new(strict).expect("a good key");
    assert_eq!(strict.verify(&token(&claims_with("exp", at(0))), now()), Err(TokenError::Expired));
    assert!(strict.verify(&token(&claims_with("exp", at(1))), now()).is_ok());
}

#[test]
fn a_time_that_is_no_number_is_refused() {
    for exp in [json!(null), json!("9999999999"), json!(true), json!([9_999_999_999_i64]), json!({"at": 1})] {
        assert_eq!(judge(&claims_with("exp", exp.clone())), Err(TokenError::NoExpiry), "{exp}");
    }
    assert_eq!(judge(&claims_with("nbf", json!("0"))), Err(TokenError::NotYetValid));
}

#[test]
fn a_token_needs_a_usable_subject() {
    for sub in [json!(null), json!(""), json!("  "), json!(7), json!(["alice"]), json!("a\nb"), json!("x".repeat(256))] {
        assert_eq!(judge(&claims_with("sub", sub.clone())), Err(TokenError::Subject), "{sub}");
    }
    assert!(judge(&claims_with("sub", json!("x".repeat(255)))).is_ok());
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_configured() {
    let settings = VerifierSettings {
        issuer: Some("https://issuer.example".to_owned()),
        audience: Some(vec!["maintenance".to_owned(), "themis".to_owned()]),
        ..settings(vec![secret()])
    };
    let verifier = TokenVerifier::new(settings).expect("a good key");
    let judge = |iss: Value, aud: Value| {
        let mut claims = claims_with("iss", iss);
        claims["aud"] = aud;
        verifier.verify(&token(&claims), now()).map(|_| ())
    };
    let issuer = json!("https://issuer.example");
    assert_eq!(judge(issuer.clone(), json!("themis")), Ok(()));
    assert_eq!(judge(issuer.clone(), json!(["other", "maintenance"])), Ok(()));
    for aud in [json!("other"), json!(null), json!([]), json!([["themis"]]), json!(7), json!("themis ")] {
        assert_eq!(judge(issuer.clone(), aud.clone()), Err(TokenError::Audience), "{aud}");
    }
    for iss in [json!(null), json!("https://other.example"), json!(["https://issuer.example"])] {
        assert_eq!(judge(iss.clone(), json!("themis")), Err(TokenError::Issuer), "{iss}");
    }
    // Where nothing is configured, a token may name any audience.
    assert!(super::tokens::judge(&claims_with("aud", json!("anything"))).is_ok());
}

#[test]
fn scopes_are_read_from_all_scope_claims_as_text_or_list() {
    let scope = |name: &str, value: Value| {
        let mut claims = claims_with("scope", json!(null));
        claims[name] = value;
        judge(&claims).expect("an accepted token")
    };
    assert_eq!(scope("scope", json!("openid maintenance:write email")), Some(Scope::Write));
    assert_eq!(scope("scp", json!(["maintenance:read", "maintenance:admin"])), Some(Scope::Admin));
    assert_eq!(scope("permissions", json!(["maintenance:read"])), Some(Scope::Read));
    assert_eq!(scope("roles", json!("maintenance:admin")), Some(Scope::Admin));
    for (name, value) in [
        ("scope", json!(null)),
        ("scope", json!(7)),
        ("scope", json!({"maintenance:admin": true})),
        ("scope", json!([["maintenance:admin"]])),
        ("scope", json!("maintenance:adminx MAINTENANCE:ADMIN maintenance:*")),
        ("groups", json!("maintenance:admin")),
    ] {
        assert_eq!(scope(name, value.clone()), None, "{name} {value}");
    }
}

#[test]
fn claims_with_a_repeated_key_are_refused() {
    let text =
        format!(r#"{{"sub":"alice","exp":{0},"scope":"maintenance:read","scope":"maintenance:admin"}}"#, now().timestamp() + 60);
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let message = format!("{head}.{}", URL_SAFE_NO_PAD.encode(text));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    let verdict = verifier(vec![secret()]).verify(&format!("{message}.{signature}"), now());
    assert_eq!(verdict, Err(TokenError::Malformed));
}

#[test]
fn weak_broken_and_misplaced_keys_are_refused_at_start() {
    let refusal = |keys: Vec<VerificationKey>| TokenVerifier::new(settings(keys)).err();
    assert_eq!(refusal(vec![]), Some(KeyError::NoKey));
    assert_eq!(refusal(vec![VerificationKey::Hs256(SecretString::from("x".repeat(31)))]), Some(KeyError::SecretTooShort(31)));
    assert_eq!(refusal(vec![pem(RSA_SHORT)]), Some(KeyError::RsaTooShort(1024)));
    assert_eq!(refusal(vec![pem(EC_P384)]), Some(KeyError::UnsupportedKey));
    assert_eq!(refusal(vec![pem(EC_K256)]), Some(KeyError::UnsupportedKey));
    assert_eq!(refusal(vec![pem(RSA_PRIVATE)]), Some(KeyError::PrivateKey));
    assert_eq!(refusal(vec![pem("")]), Some(KeyError::NotPem));
    assert_eq!(refusal(vec![pem(&RSA_PUBLIC.replace("END", "DNE"))]), Some(KeyError::NotPem));
    assert_eq!(
        refusal(vec![pem(&RSA_PUBLIC.replace("PUBLIC KEY", "CERTIFICATE"))]),
        Some(KeyError::NoPublicKey("CERTIFICATE".into()))
    );
    assert_eq!(
        refusal(vec![pem("-----BEGIN RSA PUBLIC KEY-----\nMAA=\n-----END RSA PUBLIC KEY-----")]),
        Some(KeyError::Broken("RSA"))
    );
}

#[test]
fn the_accepted_algorithms_can_be_restricted() {
    let restricted = |names: &[&str], keys: Vec<VerificationKey>| {
        let algorithms = Some(names.iter().map(|&name| name.to_owned()).collect());
        TokenVerifier::new(VerifierSettings { algorithms, ..settings(keys) })
    };
    let only_rsa = restricted(&["RS256"], vec![secret(), pem(RSA_PUBLIC)]).expect("good keys");
    assert_eq!(only_rsa.verify(&token(&claims()), now()), Err(TokenError::Algorithm));
    assert_eq!(restricted(&["RS256"], vec![secret()]).err(), Some(KeyError::NoKeyForAlgorithms));
    for name in ["none", "HS512", "rs256", ""] {
        assert_eq!(restricted(&[name], vec![secret()]).err(), Some(KeyError::UnknownAlgorithm(name.to_owned())));
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_401_and_says_why() {
    let service = TestService::new();
    let expired = token(&claims_with("exp", json!(1)));
    let answer =
        service.send(empty(request("GET", &format!("{API}/jobs")).header("authorization", format!("Bearer {expired}")))).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::UNAUTHORIZED, "invalid_token"));
    let challenge = "Bearer error=\"invalid_token\", error_description=\"the token has expired\"";
    assert_eq!(answer.header("www-authenticate"), challenge);
}

#[tokio::test]
async fn other_authorization_headers_are_401() {
    let service = TestService::new();
    let good = token(&claims());
    let url = format!("{API}/jobs");
    for value in [
        "Basic YTpi".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        good.clone(),
        format!("Token {good}"),
        format!("Bearer\u{e9} {good}"),
    ] {
        let answer = service.send(empty(request("GET", &url).header("authorization", value.as_bytes()))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let good = format!("Bearer {good}");
    let twice = request("GET", &url).header("authorization", &good).header("authorization", &good);
    assert_eq!(service.send(empty(twice)).await.status, StatusCode::UNAUTHORIZED);
    let once = request("GET", &url).header("authorization", good.replace("Bearer", "bearer"));
    assert_eq!(service.send(empty(once)).await.status, StatusCode::OK);
}
