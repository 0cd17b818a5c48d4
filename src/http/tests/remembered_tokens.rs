//! Verified tokens are remembered: within bounds, by the clock, and no longer than their key.

use chrono::TimeDelta;
use secrecy::SecretString;
use serde_json::json;

use super::signers::{Signer, World, claims_of, set};
use super::support::{SECRET, now, token};
use crate::http::{TokenError, TokenVerifier, VerificationKey, VerifierSettings};

fn by_secret() -> TokenVerifier {
    let keys = vec![VerificationKey::Hs256(SecretString::from(SECRET))];
    TokenVerifier::new(VerifierSettings { keys, ..VerifierSettings::default() }).expect("a key")
}

fn at(seconds: i64) -> crate::domain::time::Timestamp {
    now() + TimeDelta::seconds(seconds)
}

#[test]
fn a_remembered_token_ends_by_the_clock() {
    let verifier = by_secret();
    let start = now().timestamp();
    let token = token(&json!({"sub": "alice", "exp": start + 60, "nbf": start, "scope": "maintenance:read"}));
    let first = verifier.verify(&token, at(0)).expect("a good token");
    assert_eq!(verifier.remembered(), 1);
    assert_eq!(verifier.verify(&token, at(89)), Ok(first));
    assert_eq!(verifier.verify(&token, at(90)), Err(TokenError::Expired));
    // The clock was set back, to before the token was made.
    assert_eq!(verifier.verify(&token, at(-31)), Err(TokenError::NotYetValid));
    assert!(verifier.verify(&token, at(-30)).is_ok());
}

#[test]
fn only_accepted_tokens_are_remembered_and_each_by_itself() {
    let verifier = by_secret();
    let good = token(&json!({"sub": "alice", "exp": now().timestamp() + 60, "scope": "maintenance:read"}));
    for bad in [
        good.trim_end_matches(|c| c != '.').to_owned(),
        token(&json!({"sub": "alice", "exp": 1})),
        token(&json!({"sub": "", "exp": now().timestamp() + 60})),
    ] {
        assert!(verifier.verify(&bad, now()).is_err());
    }
    assert_eq!(verifier.remembered(), 0);
    assert!(verifier.verify(&good, now()).is_ok());
    // The same claims with another signature are another token.
    let (message, signature) = good.rsplit_once('.').expect("parts");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    assert_eq!(verifier.verify(&format!("{message}.{other}{}", &signature[1..]), now()), Err(TokenError::Signature));
    assert_eq!(verifier.remembered(), 1);
}

#[test]
fn there_is_room_for_so_many_and_no_more() {
    let verifier = by_secret();
    for number in 0..6000 {
        let token = token(&json!({"sub": format!("caller-{number}"), "exp": now().timestamp() + 60}));
        let principal = verifier.verify(&token, now()).expect("a good token");
        assert_eq!(principal.subject, format!("caller-{number}"));
    }
    assert!((2048..=4096).contains(&verifier.remembered()), "{}", verifier.remembered());
}

#[tokio::test]
async fn a_key_that_is_withdrawn_takes_its_tokens_along() {
    let (old, new) = (Signer::new("same"), Signer::new("same"));
    let world = World::new(Some(set(&[&old])));
    let verifier = world.verifier();
    world.tick().await;
    let token = old.sign(&claims_of("https://partner"));
    assert!(verifier.verify(&token, now()).is_ok());
    // The same document again changes nothing.
    world.clock.advance(300);
    world.tick().await;
    assert!(verifier.verify(&token, now()).is_ok());
    assert_eq!((world.place.asked(), verifier.remembered()), (2, 1));
    world.place.publish(set(&[&new]));
    world.clock.advance(300);
    world.tick().await;
    assert_eq!(verifier.verify(&token, now()), Err(TokenError::Signature));
    assert_eq!(verifier.remembered(), 0);
}
