//! A listener that closes while the process lives on.

use std::time::Duration;

use tokio::net::TcpStream;

use super::{SandboxConfig, client, get, ok, post, start, stoppable, within_limit};

#[tokio::test]
async fn a_closed_listener_refuses_and_the_server_works_on() {
    let sandbox = start(SandboxConfig::default()).await;
    let work = sandbox.hold_work();
    let rebuild = post(&sandbox, "/index/rebuild", r#"{"table":"orders","column":"status"}"#);
    let rebuild = tokio::spawn(rebuild.send());
    within_limit(sandbox.wait_for_work(|count| count == 1)).await;
    within_limit(sandbox.close_listener()).await;
    assert!(TcpStream::connect(sandbox.address()).await.is_err());
    assert!(get(&sandbox, "/health").send().await.unwrap_err().is_connect());

    work.release();
    let answer = within_limit(rebuild).await.unwrap().unwrap();
    assert_eq!(answer.headers()["connection"], "close");
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["entry_count"], 250);
    assert_eq!(sandbox.index_entry_count("orders", "status"), Some(250));
}

#[tokio::test]
async fn connections_that_are_kept_alive_end_with_the_listener() {
    let sandbox = start(SandboxConfig::default()).await;
    let client = client();
    let health = || client.get(format!("{}/health", sandbox.base_url()));
    ok(health()).await;
    within_limit(sandbox.close_listener()).await;
    assert!(health().send().await.is_err());

    sandbox.open_listener().await.unwrap();
    // the client may notice only now that the connection it kept has ended
    within_limit(async { while health().send().await.is_err() {} }).await;
    ok(health()).await;
}

#[tokio::test]
async fn a_listener_closes_and_opens_again_and_again() {
    let sandbox = start(SandboxConfig::default()).await;
    for _ in 0..3 {
        within_limit(sandbox.close_listener()).await;
        within_limit(sandbox.close_listener()).await;
        assert!(get(&sandbox, "/health").send().await.is_err());
        sandbox.open_listener().await.unwrap();
        ok(get(&sandbox, "/health")).await;
    }
}

#[tokio::test]
async fn a_server_ends_with_its_listener_closed() {
    let (sandbox, stop, server) =
        stoppable(SandboxConfig { task_delay: Duration::from_secs(3600), ..SandboxConfig::default() }).await;
    within_limit(sandbox.close_listener()).await;
    stop.send(()).unwrap();
    within_limit(server).await.unwrap();
    within_limit(sandbox.close_listener()).await;
    assert!(sandbox.open_listener().await.is_err());
    assert!(TcpStream::connect(sandbox.address()).await.is_err());
}
