//! More connections than there are places: whoever is idle makes room, and no address has all of them.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::listener::{CONNECTIONS, ask, connect, send, until_closed};
use crate::support::{TestApp, until};

const LAST_LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
const REFUSED: &str = "maintenance_http_connections_refused_total{listener=\"api\",reason=\"address\"}";
const FULL: &str = "maintenance_http_connections_full_total{listener=\"api\"}";

/// A connection from this loopback address.
async fn connect_from(app: &TestApp, address: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((IpAddr::from(address), 0).into()).expect("a loopback address");
    socket.connect(app.running().address()).await.expect("a connection")
}

/// One that is in the middle of its first head, and so not idle.
async fn amid_a_head(app: &TestApp) -> TcpStream {
    let mut stream = connect(app).await;
    send(&mut stream, "GET /livez HTTP/1.1\r\n").await;
    stream
}

#[tokio::test]
async fn while_no_connection_is_idle_those_beyond_the_most_wait_until_there_is_room() {
    let mut app = TestApp::builder().with("server.max_connections = 3").start().await;
    // The client of the test keeps one, which makes room.
    let (first, mut second, mut third) = (amid_a_head(&app).await, amid_a_head(&app).await, amid_a_head(&app).await);
    let mut fourth = connect(&app).await;
    send(&mut fourth, LAST_LIVEZ).await;
    let waited = tokio::time::timeout(Duration::from_millis(200), fourth.readable()).await;
    assert!(waited.is_err(), "nobody answers yet");
    drop(first);
    assert!(until_closed(&mut fourth).await.starts_with("HTTP/1.1 200 "));
    for stream in [&mut second, &mut third] {
        send(stream, "Host: h\r\nConnection: close\r\n\r\n").await;
        assert!(until_closed(stream).await.starts_with("HTTP/1.1 200 "));
    }
    assert!(app.metric(FULL).await >= 1.0);
    app.stop().await;
}

#[tokio::test]
async fn the_connection_that_is_idle_longest_makes_room_for_a_new_one() {
    let mut app = TestApp::builder().with("server.max_connections = 4").start().await;
    let mut busy = amid_a_head(&app).await;
    let (mut first, mut second) = (connect(&app).await, connect(&app).await);
    ask(&mut second).await;
    ask(&mut first).await;
    // The client of the test has the fourth place, and is idle for the shortest time.
    assert_eq!(app.metric(CONNECTIONS).await, 4.0);
    let mut third = connect(&app).await;
    ask(&mut third).await;
    assert_eq!(until_closed(&mut second).await, "");
    ask(&mut first).await;
    assert_eq!(app.metric(CONNECTIONS).await, 4.0);
    send(&mut busy, "Host: h\r\nConnection: close\r\n\r\n").await;
    assert!(until_closed(&mut busy).await.starts_with("HTTP/1.1 200 "));
    app.stop().await;
}

#[tokio::test]
async fn clients_that_hold_every_place_and_ask_now_and_then_shut_nobody_out() {
    let mut app = TestApp::builder().with("server.max_connections = 20\nserver.max_connections_per_address = 5").start().await;
    let mut holders = Vec::new();
    for number in 0..30 {
        let mut stream = connect_from(&app, [127, 0, 1, 1 + number / 5]).await;
        ask(&mut stream).await;
        holders.push(stream);
    }
    for _ in 0..20 {
        // One of those who are still there asks again, so that it is not idle longest.
        ask(holders.last_mut().expect("a holder")).await;
        let mut stream = connect(&app).await;
        send(&mut stream, LAST_LIVEZ).await;
        assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 200 "));
    }
    assert!(app.metric(CONNECTIONS).await <= 20.0);
    assert!(app.metric(FULL).await >= 1.0);
    assert_eq!(app.metric(REFUSED).await, 0.0);
    app.stop().await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_more_are_closed_at_once() {
    let mut app = TestApp::builder().with("server.max_connections_per_address = 3").start().await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = connect_from(&app, [127, 0, 0, 2]).await;
        ask(&mut stream).await;
        kept.push(stream);
    }
    let mut beyond = connect_from(&app, [127, 0, 0, 2]).await;
    assert_eq!(until_closed(&mut beyond).await, "");
    assert_eq!(app.metric(REFUSED).await, 1.0);
    // Others are not concerned, and those that are there stay.
    ask(&mut connect_from(&app, [127, 0, 0, 3]).await).await;
    for stream in &mut kept {
        ask(stream).await;
    }
    // A place that becomes free is free again.
    drop(kept.pop());
    until("a free place", || async {
        let mut stream = connect_from(&app, [127, 0, 0, 2]).await;
        send(&mut stream, LAST_LIVEZ).await;
        until_closed(&mut stream).await.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn trusted_proxies_and_a_limit_of_zero_have_no_limit() {
    for configuration in [
        "server.max_connections_per_address = 1\nserver.trusted_proxies = ['127.0.0.0/8']",
        "server.max_connections_per_address = 0",
    ] {
        let mut app = TestApp::builder().with(configuration).start().await;
        let mut open = Vec::new();
        for _ in 0..5 {
            let mut stream = connect(&app).await;
            ask(&mut stream).await;
            open.push(stream);
        }
        assert_eq!(app.metric(REFUSED).await, 0.0);
        app.stop().await;
    }
}
