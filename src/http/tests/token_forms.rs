//! The form of a token: its size, its header, and what is read twice.

use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::signers::sign_text;
use super::support::{SECRET, now};
use crate::http::{TokenError, TokenVerifier, VerificationKey, VerifierSettings};

fn judge_text(header: &str, claims: &str) -> Result<(), TokenError> {
    let keys = vec![VerificationKey::Hs256(SecretString::from(SECRET))];
    let verifier = TokenVerifier::new(VerifierSettings { keys, ..VerifierSettings::default() }).expect("a key");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    verifier.verify(&sign_text(header, claims, &key, Algorithm::HS256), now()).map(drop)
}

fn claims() -> Value {
    json!({"sub": "alice", "exp": now().timestamp() + 60, "scope": "maintenance:read"})
}

fn judge(header: &Value) -> Result<(), TokenError> {
    judge_text(&header.to_string(), &claims().to_string())
}

#[test]
fn only_access_tokens_are_accepted() {
    assert_eq!(judge(&json!({"alg": "HS256"})), Ok(()));
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"] {
        assert_eq!(judge(&json!({"alg": "HS256", "typ": typ})), Ok(()), "{typ}");
    }
    for typ in [
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("id+jwt"),
        json!("secevent+jwt"),
        json!("application/jwt"),
        json!("JOSE"),
        json!(" JWT"),
        json!(""),
        json!(null),
        json!(["JWT"]),
        json!(1),
    ] {
        assert_eq!(judge(&json!({"alg": "HS256", "typ": typ})), Err(TokenError::Type), "{typ}");
    }
}

#[test]
fn any_critical_extension_is_refused() {
    for crit in [json!(["b64"]), json!(["exp"]), json!(["http://example.invalid/x"]), json!([]), json!(null), json!("b64")] {
        let header = json!({"alg": "HS256", "crit": crit, "b64": false});
        assert_eq!(judge(&header), Err(TokenError::Critical), "{crit}");
    }
}

#[test]
fn the_algorithm_is_compared_letter_by_letter() {
    for alg in ["none", "NONE", "nOnE", "hs256", "HS256 ", "HS384", "", "ES256K", "RSA1_5", "dir"] {
        assert_eq!(judge(&json!({"alg": alg})), Err(TokenError::Algorithm), "{alg}");
    }
    for header in [json!({}), json!({"alg": null}), json!({"alg": ["HS256"]}), json!({"alg": 256}), json!([]), json!("HS256")] {
        assert_eq!(judge(&header), Err(TokenError::Malformed), "{header}");
    }
    assert_eq!(judge(&json!({"alg": "HS256", "kid": 7})), Err(TokenError::Malformed));
}

#[test]
fn what_stands_twice_is_refused() {
    let claims = claims().to_string();
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"b"}"#,
        r#"{"alg":"HS256","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","x":{"y":1,"y":2}}"#,
    ] {
        assert_eq!(judge_text(header, &claims), Err(TokenError::Malformed), "{header}");
    }
    for member in [r#""sub":"mallory""#, r#""exp":9999999999"#, r#""iss":"a","iss":"a""#, r#""x":{"y":1,"y":1}"#] {
        let claims = format!("{},{member}}}", claims.trim_end_matches('}'));
        assert_eq!(judge_text(r#"{"alg":"HS256"}"#, &claims), Err(TokenError::Malformed), "{claims}");
    }
}

#[test]
fn a_token_without_an_end_is_refused() {
    for exp in [json!(null), json!("9999999999"), json!([1])] {
        let mut claims = claims();
        claims["exp"] = exp.clone();
        assert_eq!(judge_text(r#"{"alg":"HS256"}"#, &claims.to_string()), Err(TokenError::NoExpiry), "{exp}");
    }
    let claims = json!({"sub": "alice", "scope": "maintenance:read"});
    assert_eq!(judge_text(r#"{"alg":"HS256"}"#, &claims.to_string()), Err(TokenError::NoExpiry));
}

#[test]
fn a_huge_token_is_refused_before_it_is_read() {
    let with = |length: usize| {
        let mut claims = claims();
        claims["padding"] = "x".repeat(length).into();
        judge_text(r#"{"alg":"HS256"}"#, &claims.to_string())
    };
    // Base64 makes four characters of three bytes.
    assert_eq!(with(12_000), Ok(()));
    assert_eq!(with(12_400), Err(TokenError::TooLong));
    // Not even that it is no token is looked at.
    let keys = vec![VerificationKey::Hs256(SecretString::from(SECRET))];
    let verifier = TokenVerifier::new(VerifierSettings { keys, ..VerifierSettings::default() }).expect("a key");
    assert_eq!(verifier.verify(&".".repeat(16 * 1024 + 1), now()), Err(TokenError::TooLong));
    assert_eq!(verifier.verify(&".".repeat(16 * 1024), now()), Err(TokenError::Malformed));
}
