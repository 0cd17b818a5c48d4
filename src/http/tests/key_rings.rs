//! Published keys: fetched, shared, kept while the issuer is down, and fetched anew.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::signers::{LIMIT, Signer, World, claims_of, set};
use crate::domain::health::HealthStatus;
use crate::domain::ports::HealthProbe;
use crate::http::{AuthKeysProbe, TokenError};

fn token(signer: &Signer) -> String {
    signer.sign(&claims_of("https://partner"))
}

/// Waits until a condition holds; tasks of the same runtime go on meanwhile.
async fn until(condition: impl Fn() -> bool) {
    let look = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, look).await.expect("in time");
}

#[tokio::test]
async fn a_new_key_works_and_a_withdrawn_one_stops_without_a_restart() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let world = World::new(Some(set(&[&old])));
    let verifier = world.verifier();
    let clock = world.clock.as_ref();
    // The first request finds no keys, and waits for them.
    assert!(verifier.authenticate(&token(&old), clock).await.is_ok());
    world.clock.advance(10);
    world.place.publish(set(&[&old, &new]));
    assert!(verifier.authenticate(&token(&new), clock).await.is_ok(), "an unknown key makes the service ask");
    assert_eq!(world.place.asked(), 2);
    world.clock.advance(300);
    world.place.publish(set(&[&new]));
    assert!(verifier.authenticate(&token(&old), clock).await.is_ok(), "nobody has asked yet");
    world.tick().await;
    assert_eq!(verifier.authenticate(&token(&old), clock).await, Err(TokenError::UnknownKey));
    assert!(verifier.authenticate(&token(&new), clock).await.is_ok());
}

#[tokio::test]
async fn invented_keys_do_not_make_the_service_a_burden() {
    let (known, invented) = (Signer::new("known"), Signer::new("invented"));
    let world = World::new(Some(set(&[&known])));
    let verifier = world.verifier();
    world.tick().await;
    for second in 0..30 {
        for kid in ["a", "b", "c"] {
            let token = token(&invented.named(Some(kid)));
            assert_eq!(verifier.authenticate(&token, world.clock.as_ref()).await, Err(TokenError::UnknownKey));
        }
        assert_eq!(world.place.asked(), 1 + second / 10);
        world.clock.advance(1);
    }
}

#[tokio::test]
async fn requests_that_come_together_share_one_fetch() {
    let signer = Signer::new("new");
    let world = World::new(Some(set(&[&signer])));
    let verifier = world.verifier();
    world.place.hold();
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, clock, token) = (Arc::clone(&verifier), Arc::clone(&world.clock), token(&signer));
            tokio::spawn(async move { verifier.authenticate(&token, clock.as_ref()).await })
        })
        .collect();
    until(|| world.place.asked() == 1).await;
    // One who gives up takes the answer from nobody.
    callers[0].abort();
    world.place.let_go();
    for caller in callers.into_iter().skip(1) {
        assert!(caller.await.expect("no panic").is_ok());
    }
    assert_eq!(world.place.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_longer_than_three_seconds_and_the_refresh_goes_on() {
    let signer = Signer::new("new");
    let world = World::new(Some(set(&[&signer])));
    let verifier = world.verifier();
    world.place.hold();
    let token = token(&signer);
    let judged = tokio::time::timeout(Duration::from_millis(3100), verifier.authenticate(&token, world.clock.as_ref()));
    assert_eq!(judged.await, Ok(Err(TokenError::UnknownKey)));
    world.place.let_go();
    world.ring.idle().await;
    assert!(verifier.verify(&token, super::support::now()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_never_answers_is_a_refresh_that_failed() {
    let world = World::new(None);
    world.place.hold();
    world.tick().await;
    assert_eq!(world.ring.status().failure.as_deref(), Some("no answer within 10 s"));
}

#[tokio::test]
async fn the_last_keys_count_while_the_issuer_is_down() {
    let signer = Signer::new("key");
    let world = World::new(Some(set(&[&signer])));
    let verifier = world.verifier();
    let probe = AuthKeysProbe(Arc::clone(&verifier));
    world.tick().await;
    assert_eq!(probe.check().await.status, HealthStatus::Healthy);
    for document in [None, Some(b"{}".to_vec()), Some(br#"{"keys":[]}"#.to_vec()), Some(vec![b' '; 2 << 20])] {
        world.place.go_down();
        if let Some(document) = document {
            world.place.publish(document);
        }
        world.clock.advance(300);
        world.tick().await;
        assert!(verifier.verify(&token(&signer), super::support::now()).is_ok());
        let signal = probe.check().await;
        assert_eq!(signal.status, HealthStatus::Degraded);
        assert!(signal.message.starts_with("the keys of issuer partner are"), "{}", signal.message);
    }
    let signal = probe.check().await;
    assert!(
        signal.message.contains("1200 s old") && signal.message.ends_with("is longer than 1048576 bytes"),
        "{}",
        signal.message
    );
    assert_eq!(signal.details["partner"]["age_seconds"], 1200);
    assert_eq!(signal.details["partner"]["keys"], 1);
    world.place.publish(set(&[&signer]));
    world.clock.advance(60);
    world.tick().await;
    let signal = probe.check().await;
    assert_eq!(signal.status, HealthStatus::Healthy);
    assert_eq!(signal.details["partner"], json!({"keys": 1, "age_seconds": 0, "last_failure": null}));
    let counted = world.counted.0.lock().clone();
    assert_eq!(
        counted.iter().map(|(_, outcome)| *outcome).collect::<Vec<_>>(),
        ["success", "failure", "failure", "failure", "failure", "success"]
    );
}

#[tokio::test]
async fn without_any_key_the_issuer_is_asked_soon_again_and_the_module_is_unhealthy() {
    let signer = Signer::new("key");
    let world = World::new(None);
    let verifier = world.verifier();
    let probe = AuthKeysProbe(Arc::clone(&verifier));
    assert!(probe.check().await.message.ends_with("they have not been fetched yet"));
    world.tick().await;
    assert_eq!(verifier.verify(&token(&signer), super::support::now()), Err(TokenError::UnknownKey));
    world.clock.advance(9);
    world.tick().await;
    assert_eq!(world.place.asked(), 1);
    let signal = probe.check().await;
    assert_eq!(signal.status, HealthStatus::Unhealthy);
    assert!(signal.message.ends_with("so none of its tokens is accepted: no HTTPS client can be made: it is down"));
    // Counted from the start, so that an alert on the age sees it.
    assert_eq!(world.ring.status().age, Duration::from_secs(9));
    world.place.publish(set(&[&signer]));
    world.clock.advance(1);
    world.tick().await;
    assert_eq!(world.place.asked(), 2);
    assert!(verifier.verify(&token(&signer), super::support::now()).is_ok());
}

#[tokio::test]
async fn refreshes_come_by_age_and_after_a_failure_sooner() {
    let signer = Signer::new("key");
    let world = World::new(Some(set(&[&signer])));
    world.tick().await;
    for (seconds, asked) in [(299, 1), (1, 2), (299, 2), (1, 3)] {
        world.clock.advance(seconds);
        world.tick().await;
        assert_eq!(world.place.asked(), asked);
    }
    world.place.go_down();
    for (seconds, asked) in [(300, 4), (59, 4), (1, 5), (60, 6)] {
        world.clock.advance(seconds);
        world.tick().await;
        assert_eq!(world.place.asked(), asked);
    }
    // Set back by an hour: what was tried then must not hold the next try up for an hour.
    world.clock.advance(-3600);
    world.tick().await;
    assert_eq!(world.place.asked(), 7);
    assert_eq!(world.ring.status().age, Duration::ZERO);
}

#[tokio::test]
async fn a_ring_that_is_closed_breaks_off_and_asks_no_more() {
    let signer = Signer::new("key");
    let world = World::new(Some(set(&[&signer])));
    let verifier = world.verifier();
    world.place.hold();
    verifier.refresh_due();
    until(|| world.place.asked() == 1).await;
    tokio::time::timeout(LIMIT, verifier.close()).await.expect("it does not wait for the issuer");
    world.place.let_go();
    world.clock.advance(300);
    verifier.refresh_due();
    let judged = tokio::time::timeout(LIMIT, verifier.authenticate(&token(&signer), world.clock.as_ref())).await;
    assert_eq!(judged.expect("nobody waits"), Err(TokenError::UnknownKey));
    assert_eq!(world.place.asked(), 1);
}
