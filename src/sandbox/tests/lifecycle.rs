//! How the server ends.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{SandboxConfig, client, get, ok, post, stoppable, within_limit};
use crate::sandbox::{Fault, FaultKind};

#[tokio::test]
async fn shutdown_ends_held_slow_and_unanswered_requests() {
    let (sandbox, stop, server) =
        stoppable(SandboxConfig { task_delay: Duration::from_secs(3600), ..SandboxConfig::default() }).await;
    let _hold = sandbox.hold(None, "/stats");
    sandbox.script(Fault::always("/health", FaultKind::NoAnswer));
    let slow = post(&sandbox, "/maintenance/cache-warm", "{}");
    let requests = [get(&sandbox, "/stats"), get(&sandbox, "/health"), slow];
    let requests = requests.map(|request| tokio::spawn(request.send()));
    within_limit(sandbox.wait_for_requests(|requests| requests.len() == 3)).await;

    stop.send(()).unwrap();
    within_limit(server).await.unwrap();
    for request in requests {
        assert!(within_limit(request).await.unwrap().is_err());
    }
    assert_eq!((sandbox.in_flight(), sandbox.work_in_progress()), (0, 0));
    assert!(TcpStream::connect(sandbox.address()).await.is_err());
}

#[tokio::test]
async fn shutdown_ends_connections_that_send_nothing() {
    let (sandbox, stop, server) = stoppable(SandboxConfig::default()).await;
    let mut silent = TcpStream::connect(sandbox.address()).await.unwrap();
    // one that is kept alive after an answer
    ok(get(&sandbox, "/health")).await;
    stop.send(()).unwrap();
    within_limit(server).await.unwrap();
    let mut nothing = Vec::new();
    let _ = within_limit(silent.read_to_end(&mut nothing)).await;
    assert!(nothing.is_empty());
}

#[tokio::test]
async fn shutdown_ends_connections_that_stopped_in_the_middle() {
    use tokio::io::AsyncWriteExt;
    let (sandbox, stop, server) = stoppable(SandboxConfig::default()).await;
    let mut in_head = TcpStream::connect(sandbox.address()).await.unwrap();
    in_head.write_all(b"GET /heal").await.unwrap();
    let mut in_body = TcpStream::connect(sandbox.address()).await.unwrap();
    let half = b"POST /admin/backup HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{";
    in_body.write_all(half).await.unwrap();
    stop.send(()).unwrap();
    within_limit(server).await.unwrap();
}

#[tokio::test]
async fn dropping_the_handle_does_not_end_the_server() {
    let (sandbox, _stop, server) = stoppable(SandboxConfig::default()).await;
    let url = format!("{}/health", sandbox.base_url());
    drop(sandbox);
    assert_eq!(client().get(url).send().await.unwrap().status(), 200);
    assert!(!server.is_finished());
}
