//! Several issuers: each speaks for itself with its own keys, and what their claims mean.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::signers::{Signer, World, claims_of, set};
use super::support::{SECRET, now, signed};
use crate::config::ClaimRules;
use crate::domain::principal::{Principal, Scope};
use crate::http::{TokenError, TokenVerifier, VerificationKey, VerifierSettings};

const A: &str = "https://a";
const B: &str = "https://b";

fn of(world: &World, iss: &str) -> VerifierSettings {
    let key_ring = Some(Arc::clone(&world.ring));
    VerifierSettings { key_ring, issuer: Some(iss.to_owned()), ..VerifierSettings::default() }
}

fn secret() -> VerifierSettings {
    VerifierSettings { keys: vec![VerificationKey::Hs256(SecretString::from(SECRET))], ..VerifierSettings::default() }
}

async fn issuer(keys: &[&Signer]) -> World {
    let world = World::new(Some(set(keys)));
    world.tick().await;
    world
}

fn by_secret(claims: &Value) -> String {
    signed(Algorithm::HS256, claims, &EncodingKey::from_secret(SECRET.as_bytes()))
}

#[tokio::test]
async fn who_can_sign_for_one_issuer_cannot_speak_for_another() {
    let (key_a, key_b) = (Signer::new("a"), Signer::new("b"));
    let (a, b) = (issuer(&[&key_a]).await, issuer(&[&key_b]).await);
    let verifier = TokenVerifier::for_issuers(vec![secret(), of(&a, A), of(&b, B)]).expect("keys");
    let judge = |token: &str| verifier.verify(token, now()).map(drop);
    assert_eq!(judge(&key_a.sign(&claims_of(A))), Ok(()));
    assert_eq!(judge(&key_b.sign(&claims_of(B))), Ok(()));
    assert_eq!(judge(&key_b.sign(&claims_of(A))), Err(TokenError::UnknownKey), "b's key by b's name");
    assert_eq!(judge(&key_b.named(Some("a")).sign(&claims_of(A))), Err(TokenError::Signature), "b's key by a's name");
    assert_eq!(judge(&key_b.named(None).sign(&claims_of(A))), Err(TokenError::Signature), "b's key without a name");
    assert_eq!(judge(&key_a.named(Some("b")).sign(&claims_of(A))), Err(TokenError::UnknownKey), "a's key by b's name");
    // The shared secret is that of the issuer without a name: it speaks for everybody but the others.
    assert_eq!(judge(&by_secret(&claims_of(A))), Err(TokenError::Algorithm));
    assert_eq!(judge(&by_secret(&claims_of("https://c"))), Ok(()));
    assert_eq!(judge(&key_a.sign(&claims_of("https://c"))), Err(TokenError::Algorithm));
    for iss in [json!([A]), json!(null), json!({"a": A})] {
        let mut claims = claims_of(A);
        claims["iss"] = iss.clone();
        assert_eq!(judge(&key_a.sign(&claims)), Err(TokenError::Algorithm), "{iss}");
    }
}

#[tokio::test]
async fn namesakes_of_two_issuers_are_two_callers() {
    let key = Signer::new("a");
    let a = issuer(&[&key]).await;
    let partner = VerifierSettings { name: Some("partner".to_owned()), ..of(&a, A) };
    let verifier = TokenVerifier::for_issuers(vec![secret(), partner]).expect("keys");
    let subject = |token: &str| verifier.verify(token, now()).map(|principal| principal.subject);
    let mut own = claims_of("https://c");
    own["sub"] = json!("alice");
    let theirs = json!({"iss": A, "sub": "alice", "exp": own["exp"]});
    assert_eq!(subject(&by_secret(&own)).as_deref(), Ok("alice"));
    assert_eq!(subject(&key.sign(&theirs)).as_deref(), Ok("partner/alice"));
    // Nor can anybody here call himself so.
    own["sub"] = json!("partner/alice");
    assert_eq!(subject(&by_secret(&own)), Err(TokenError::Subject));
    own["sub"] = json!("partners/alice");
    assert_eq!(subject(&by_secret(&own)).as_deref(), Ok("partners/alice"));
}

#[tokio::test]
async fn with_named_issuers_only_nobody_else_is_heard() {
    let key = Signer::new("a");
    let a = issuer(&[&key]).await;
    let own = VerifierSettings { issuer: Some(B.to_owned()), ..secret() };
    let verifier = TokenVerifier::for_issuers(vec![own, of(&a, A)]).expect("keys");
    for iss in ["https://c", "", "https://a/", "HTTPS://A"] {
        assert_eq!(verifier.verify(&key.sign(&claims_of(iss)), now()), Err(TokenError::Issuer), "{iss}");
        assert_eq!(verifier.verify(&by_secret(&claims_of(iss)), now()), Err(TokenError::Issuer), "{iss}");
    }
    assert!(verifier.verify(&by_secret(&claims_of(B)), now()).is_ok());
}

#[tokio::test]
async fn a_published_key_is_never_taken_for_a_shared_secret() {
    let rsa = Signer::rsa("r");
    let world = issuer(&[&rsa]).await;
    let verifier = TokenVerifier::new(of(&world, A)).expect("a ring");
    assert!(verifier.verify(&rsa.sign(&claims_of(A)), now()).is_ok());
    let jwk = rsa.jwk();
    let n = jwk["n"].as_str().expect("a modulus");
    let pem = include_str!("../../../tests/fixtures/keys/rsa-2048.public.pem");
    for secret in [pem, pem.trim(), n, &jwk.to_string(), SECRET, ""] {
        let confused = signed(Algorithm::HS256, &claims_of(A), &EncodingKey::from_secret(secret.as_bytes()));
        assert_eq!(verifier.verify(&confused, now()), Err(TokenError::Algorithm));
    }
    let both = VerifierSettings { keys: secret().keys, ..of(&world, A) };
    let both = TokenVerifier::new(both).expect("both");
    let confused = signed(Algorithm::HS256, &claims_of(A), &EncodingKey::from_secret(pem.as_bytes()));
    assert_eq!(both.verify(&confused, now()), Err(TokenError::Signature));
    assert!(both.verify(&by_secret(&claims_of(A)), now()).is_ok());
}

#[tokio::test]
async fn a_token_without_a_key_name_is_tried_with_every_key_of_its_algorithm() {
    let (one, two, ed) = (Signer::new("1"), Signer::new("2"), Signer::ed25519("3"));
    let world = issuer(&[&one, &two, &ed, &Signer::rsa("4")]).await;
    let verifier = TokenVerifier::new(of(&world, A)).expect("a ring");
    for signer in [&one, &two, &ed] {
        assert!(verifier.verify(&signer.named(None).sign(&claims_of(A)), now()).is_ok());
        assert!(verifier.verify(&signer.sign(&claims_of(A)), now()).is_ok());
    }
    let stranger = Signer::new("5").named(None);
    assert_eq!(verifier.verify(&stranger.sign(&claims_of(A)), now()), Err(TokenError::Signature));
    assert_eq!(verifier.verify(&two.named(Some("1")).sign(&claims_of(A)), now()), Err(TokenError::Signature));
    assert_eq!(verifier.verify(&ed.named(Some("1")).sign(&claims_of(A)), now()), Err(TokenError::UnknownKey));
}

#[tokio::test]
async fn keys_and_places_in_the_header_are_never_used() {
    let (own, strange) = (Signer::new("own"), Signer::new("strange"));
    let world = issuer(&[&own]).await;
    let verifier = TokenVerifier::new(of(&world, A)).expect("a ring");
    for header in [
        json!({"kid": "strange", "jwk": strange.jwk()}),
        json!({"kid": "own", "jwk": strange.jwk()}),
        json!({"jwk": strange.jwk()}),
        json!({"kid": "strange", "jku": "https://evil/keys"}),
        json!({"kid": "strange", "x5u": "https://evil/cert", "x5c": ["MA=="], "x5t": "x"}),
    ] {
        let judged = verifier.verify(&strange.sign_with(header.clone(), &claims_of(A)), now());
        assert!(matches!(judged, Err(TokenError::UnknownKey | TokenError::Signature)), "{header}: {judged:?}");
    }
    // A good signature is not made worse by them, because nobody looks.
    let header = json!({"kid": "own", "jwk": strange.jwk(), "jku": "https://evil/keys"});
    assert!(verifier.verify(&own.sign_with(header, &claims_of(A)), now()).is_ok());
    assert_eq!(world.place.asked(), 1);
}

fn judge(rules: ClaimRules, members: Value) -> Principal {
    let verifier = TokenVerifier::new(VerifierSettings { claims: rules, ..secret() }).expect("a key");
    let mut claims = json!({"sub": "alice", "exp": now().timestamp() + 60});
    for (name, value) in members.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    verifier.verify(&by_secret(&claims), now()).expect("a good token")
}

fn rules(scope_claims: &[&str], scopes: &[(&str, Scope)], access_claim: Option<&str>) -> ClaimRules {
    ClaimRules {
        scope_claims: scope_claims.iter().map(|&claim| claim.to_owned()).collect(),
        scopes: scopes.iter().map(|&(name, scope)| (name.to_owned(), scope)).collect(),
        access_claim: access_claim.map(str::to_owned),
    }
}

#[test]
fn roles_and_groups_stand_for_scopes_where_the_configuration_says_so() {
    let scopes = [("db-admins", Scope::Admin), ("DB Operators", Scope::Write), ("viewer", Scope::Read)];
    let scope = |members: Value| judge(rules(&["scope", "/realm_access/roles", "groups"], &scopes, None), members).scope;
    assert_eq!(scope(json!({"realm_access": {"roles": ["offline_access", "db-admins"]}})), Some(Scope::Admin));
    assert_eq!(scope(json!({"groups": ["DB Operators"]})), Some(Scope::Write));
    assert_eq!(scope(json!({"groups": "DB Operators"})), Some(Scope::Write));
    assert_eq!(scope(json!({"scope": "openid viewer"})), Some(Scope::Read));
    assert_eq!(scope(json!({"scope": "viewer", "groups": ["db-admins"]})), Some(Scope::Admin));
    assert_eq!(scope(json!({"scope": "maintenance:write"})), Some(Scope::Write));
    for members in [
        json!({"groups": ["no db-admins", "DB", "Operators", "Viewer", ""]}),
        json!({"roles": ["db-admins"], "realm_access": ["db-admins"]}),
        json!({"realm_access": {"roles": {"db-admins": true}}}),
        json!({"/realm_access/roles": ["db-admins"]}),
        json!({}),
    ] {
        assert_eq!(scope(members.clone()), None, "{members}");
    }
}

#[test]
fn a_caller_is_limited_where_a_claim_for_it_is_configured() {
    let access = |claim: Option<&str>, members: Value| judge(rules(&["scope"], &[], claim), members).access;
    assert!(access(None, json!({"targets": ["eu-1"]})).is_unlimited());
    let limited = access(Some("targets"), json!({"targets": ["eu-*"]}));
    assert!(limited.allows_target("eu-1") && !limited.allows_target("us-1"));
    let nested = access(Some("/app/targets"), json!({"app": {"targets": "eu-1"}}));
    assert!(nested.allows_target("eu-1") && !nested.allows_target("us-1"));
    let without = access(Some("targets"), json!({}));
    assert!(!without.is_unlimited() && !without.allows_target("eu-1"));
}
