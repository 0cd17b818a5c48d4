//! Who asks too often is told to wait; nobody else notices.

use reqwest::{Client, Method};
use serde_json::json;

use crate::support::{Answer, TestApp, request};

const SCHEDULES: &str = "/api/v1/maintenance/schedules";

/// A bucket of five that is as good as never refilled within a test.
const FIVE: &str = "server.rate_limits = { address_per_second = 1, address_burst = 5 }";

async fn guess(app: &TestApp, client: &Client, forwarded_for: Option<&str>) -> Answer {
    let mut guess = request(client, app.base(), Method::GET, SCHEDULES, Some("guess"));
    if let Some(address) = forwarded_for {
        guess = guess.header("x-forwarded-for", address);
    }
    Answer::of(guess).await
}

/// Guesses until the address is refused, which has to be soon.
async fn guess_until_refused(app: &TestApp, client: &Client, forwarded_for: Option<&str>) -> Answer {
    for _ in 0..50 {
        let answer = guess(app, client, forwarded_for).await;
        if answer.status != 401 {
            return answer;
        }
    }
    panic!("nobody was refused");
}

#[tokio::test]
async fn an_address_that_guesses_tokens_is_refused_with_retry_after_and_a_good_principal_elsewhere_is_not() {
    let elsewhere = Client::builder().no_proxy().local_address("127.0.0.2".parse::<std::net::IpAddr>().ok()).build();
    let elsewhere = elsewhere.expect("a client");
    let mut app = TestApp::builder().with(FIVE).client(elsewhere).start().await;
    let guesser = Client::builder().no_proxy().build().expect("a client");
    let refused = guess_until_refused(&app, &guesser, None).await;
    assert_eq!((refused.status.as_u16(), &refused.json["code"]), (429, &json!("too_many_requests")), "{}", refused.text);
    assert!(refused.header("retry-after").parse::<u64>().expect("whole seconds") >= 1);
    assert_eq!(refused.header("content-type"), "application/problem+json");
    for _ in 0..20 {
        app.get("/schedules").await.expect(200);
    }
    // Whoever watches over the service is not refused, whatever the address.
    assert_eq!(Answer::of(guesser.get(format!("{}/readyz", app.base()))).await.status, 200);
    assert!(app.metric("maintenance_http_rate_limited_total{limit=\"address\"}").await >= 1.0);
    app.stop().await;
}

#[tokio::test]
async fn accepted_tokens_never_meet_the_limit_of_addresses() {
    let mut app = TestApp::builder().with(FIVE).start().await;
    for _ in 0..30 {
        app.get("/schedules").await.expect(200);
    }
    app.get("/schedules/unknown").await.expect(404);
    app.stop().await;
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart_and_others_cannot_pretend_to_be_one() {
    let mut app = TestApp::builder().with(FIVE).with("server.trusted_proxies = ['127.0.0.1']").start().await;
    let proxy = app.client().clone();
    guess_until_refused(&app, &proxy, Some("192.0.2.1")).await.expect(429);
    guess(&app, &proxy, Some("192.0.2.2")).await.expect(401);
    // What a client wrote in front of the proxy's entry is not looked at.
    guess(&app, &proxy, Some("192.0.2.77, 192.0.2.1")).await.expect(429);
    app.stop().await;

    let mut app = TestApp::builder().with(FIVE).start().await;
    let mut statuses = Vec::new();
    for n in 0..10 {
        statuses.push(guess(&app, &proxy, Some(&format!("192.0.2.{n}"))).await.status.as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_principal_can_be_limited_and_the_others_go_on() {
    let limit = "server.rate_limits = { principal_per_second = 1, principal_burst = 3 }";
    let mut app = TestApp::builder().with(limit).start().await;
    let ask = |subject: &str| {
        let token = app.token_of(subject, "maintenance:read");
        Answer::of(request(app.client(), app.base(), Method::GET, SCHEDULES, Some(&token)))
    };
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(ask("busy").await);
    }
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one that is refused");
    assert_eq!((&refused.json["code"], refused.header("retry-after")), (&json!("too_many_requests"), "1"));
    ask("other").await.expect(200);
    assert!(app.metric("maintenance_http_rate_limited_total{limit=\"principal\"}").await >= 1.0);
    app.stop().await;
}
