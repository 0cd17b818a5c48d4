//! Which keys of a published set are used, and which are passed over.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::super::auth_key_set::{KeySet, KeySetError, MAX_KEY_SET_BYTES};

/// A number of so many bits, odd as every modulus is.
fn modulus(bits: usize) -> String {
    let mut bytes = vec![0xff; bits / 8];
    if !bits.is_multiple_of(8) {
        bytes.insert(0, (1 << (bits % 8)) - 1);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa() -> Value {
    json!({"kty": "RSA", "n": modulus(2048), "e": "AQAB"})
}

fn ec() -> Value {
    let point = URL_SAFE_NO_PAD.encode([7; 32]);
    json!({"kty": "EC", "crv": "P-256", "x": point, "y": point})
}

fn ed() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32])})
}

fn with(mut key: Value, members: Value) -> Value {
    for (name, value) in members.as_object().expect("an object") {
        key[name] = value.clone();
    }
    key
}

fn read(keys: &[Value]) -> Result<KeySet, KeySetError> {
    let accepted = ["RS256", "ES256", "EdDSA"].map(str::to_owned);
    KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), &accepted)
}

fn reason(key: Value) -> String {
    match read(&[key]) {
        Err(KeySetError::NoKey(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_key_stands_for_one_algorithm() {
    let set = read(&[with(rsa(), json!({"kid": "r"})), with(ec(), json!({"kid": "c", "alg": "ES256"})), ed()]).expect("keys");
    let found: Vec<_> = set.keys.iter().map(|key| (key.kid.as_deref(), key.algorithm)).collect();
    assert_eq!(found, [(Some("r"), Algorithm::RS256), (Some("c"), Algorithm::ES256), (None, Algorithm::EdDSA)]);
    assert!(set.passed_over.is_empty());
    for alg in ["RS384", "PS256", "HS256", "none", "ES256"] {
        assert!(reason(with(rsa(), json!({"alg": alg}))).contains("is for another algorithm"), "{alg}");
    }
    assert!(reason(with(ec(), json!({"alg": "RS256"}))).contains("is for another algorithm"));
}

#[test]
fn keys_that_are_not_for_verifying_are_passed_over() {
    for members in [json!({"use": "sig"}), json!({"key_ops": ["sign", "verify"]}), json!({"use": null})] {
        assert!(read(&[with(rsa(), members)]).is_ok());
    }
    for members in [
        json!({"use": "enc"}),
        json!({"use": 1}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": []}),
        json!({"key_ops": "verify"}),
    ] {
        assert!(reason(with(rsa(), members.clone())).contains("is not for"), "{members}");
    }
}

#[test]
fn secrets_and_private_keys_in_a_set_are_never_used() {
    let secret = json!({"kty": "oct", "kid": "s", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode([7; 32])});
    assert!(reason(secret.clone()).contains("is a shared secret"));
    let set = read(&[secret, rsa()]).expect("one key");
    assert_eq!((set.keys.len(), set.passed_over.len()), (1, 1));
    assert!(set.passed_over[0].starts_with("key 1 (\"s\") is a shared secret"), "{:?}", set.passed_over);
    for key in [rsa(), ec(), ed()] {
        assert!(reason(with(key, json!({"d": "AQAB"}))).contains("is a private key"));
    }
    let accepted = ["HS256".to_owned()];
    let none = KeySet::read(json!({"keys": [rsa()]}).to_string().as_bytes(), &accepted);
    assert!(matches!(none, Err(KeySetError::NoKey(reason)) if reason.contains("not accepted")));
}

#[test]
fn weak_and_broken_keys_are_passed_over() {
    for (key, expected) in [
        (with(rsa(), json!({"n": modulus(2047)})), "fewer than 2048"),
        (with(rsa(), json!({"n": modulus(1024)})), "fewer than 2048"),
        (with(rsa(), json!({"n": modulus(8200)})), "more than 8192"),
        (with(rsa(), json!({"n": ""})), "fewer than 2048"),
        (with(rsa(), json!({"n": "a+b="})), "not base64url"),
        (with(rsa(), json!({"n": 5})), "lacks n or e"),
        (with(rsa(), json!({"e": "AQ"})), "exponent"),
        (with(rsa(), json!({"e": "Ag"})), "exponent"),
        (with(rsa(), json!({"e": ""})), "exponent"),
        (with(rsa(), json!({"e": "AQAAAAE"})), "exponent"),
        (with(ec(), json!({"crv": "P-384"})), "neither RSA"),
        (with(ec(), json!({"crv": "secp256k1"})), "neither RSA"),
        (with(ec(), json!({"x": "AQAB"})), "wrong length"),
        (with(ed(), json!({"crv": "X25519"})), "neither RSA"),
        (with(ed(), json!({"x": null})), "lacks x or y"),
        (with(rsa(), json!({"kid": 7})), "kid that is no string"),
        (json!({"kid": "a"}), "neither RSA"),
        (json!("RSA"), "not an object"),
    ] {
        assert!(reason(key.clone()).contains(expected), "{key}: {}", reason(key.clone()));
    }
    // Some issuers write the modulus as a signed number.
    let bytes = URL_SAFE_NO_PAD.decode(modulus(2048)).expect("base64url");
    let signed = URL_SAFE_NO_PAD.encode([vec![0], bytes].concat());
    assert!(read(&[with(rsa(), json!({"n": signed}))]).is_ok());
}

#[test]
fn a_document_has_bounds() {
    let accepted = ["RS256".to_owned()];
    for text in ["", "{", "[]", "{}", "null", r#"{"keys":{}}"#] {
        assert_eq!(KeySet::read(text.as_bytes(), &accepted).err(), Some(KeySetError::NoSet), "{text}");
    }
    assert_eq!(read(&[]).err(), Some(KeySetError::NoKey(String::new())));
    assert!(read(&vec![rsa(); 256]).is_ok());
    assert_eq!(read(&vec![rsa(); 257]).err(), Some(KeySetError::TooManyKeys(257)));
    let long = vec![b' '; MAX_KEY_SET_BYTES + 1];
    assert_eq!(KeySet::read(&long, &accepted).err(), Some(KeySetError::TooLong));
}

#[test]
fn what_an_issuer_writes_cannot_break_a_line_of_the_log() {
    let told = reason(with(rsa(), json!({"kid": format!("a\n\u{1b}[31m{}", "x".repeat(100)), "use": "enc"})));
    assert!(told.contains("\\n") && !told.contains(['\n', '\u{1b}']) && told.len() < 120, "{told}");
}
