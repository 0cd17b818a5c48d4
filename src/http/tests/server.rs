//! The listener with routers that misbehave, and with files that change.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::support::TestService;
use crate::config::ConnectionLimits;
use crate::http::{HttpServer, ListenerSettings};

const LIMIT: Duration = Duration::from_secs(20);

fn limits() -> ConnectionLimits {
    let patient = Duration::from_secs(60);
    ConnectionLimits {
        max_connections: 10,
        max_connections_per_address: None,
        header_timeout: patient,
        idle_timeout: patient,
        body_timeout: patient,
        write_timeout: patient,
        max_header_bytes: 8192,
        max_headers: 16,
    }
}

async fn start(router: Router, stop: CancellationToken) -> HttpServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = ListenerSettings { name: "test", connections: limits(), tls: None };
    HttpServer::start(listener, router, &TestService::new().state, settings, stop).expect("a server")
}

/// What comes back until the connection is closed.
async fn ask(server: &HttpServer, path: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a sent request");
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("in time");
    // A reset is an end, too.
    let _ = read;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_nothing_else() {
    async fn panics() -> &'static str {
        panic!("outside of every layer")
    }
    let stop = CancellationToken::new();
    let router = Router::new().route("/panics", get(panics)).route("/", get(async || "fine"));
    let server = start(router, stop.clone()).await;
    for _ in 0..3 {
        assert_eq!(ask(&server, "/panics").await, "");
        assert!(ask(&server, "/").await.ends_with("fine"));
    }
    stop.cancel();
    tokio::time::timeout(LIMIT, server.ended()).await.expect("the end");
}

#[tokio::test(start_paused = true)]
async fn requests_that_do_not_end_are_broken_off_after_a_while() {
    let stop = CancellationToken::new();
    let (asked, mut was_asked) = tokio::sync::mpsc::unbounded_channel();
    let never = async move || {
        asked.send(()).expect("the test listens");
        std::future::pending::<&'static str>().await
    };
    let server = start(Router::new().route("/", get(never)), stop.clone()).await;
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("a sent request");
    was_asked.recv().await.expect("a request");
    stop.cancel();
    server.ended().await;
    let mut byte = [0];
    assert!(matches!(stream.read(&mut byte).await, Ok(0) | Err(_)), "the connection is closed");
    // The handler went with it.
    assert!(was_asked.recv().await.is_none());
}

/// What a certificate's file may hold.
fn write_pair(folder: &Path) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("c.pem"), pair.cert.pem()).expect("a written file");
    std::fs::write(folder.join("k.pem"), pair.signing_key.serialize_pem()).expect("a written file");
}

#[tokio::test]
async fn a_listener_whose_files_are_gone_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    write_pair(folder.path());
    let file = folder.path().join("c.toml");
    let path = folder.path().display();
    std::fs::write(&file, format!("server.tls = {{ cert_file = '{path}/c.pem', key_file = '{path}/k.pem' }}")).expect("a file");
    let config = crate::config::load(&[file], [], crate::config::Mode::Files).expect("a configuration");
    std::fs::remove_file(folder.path().join("k.pem")).expect("a removed file");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let settings = ListenerSettings { name: "test", connections: limits(), tls: config.server.tls };
    let state = TestService::new().state;
    let error = HttpServer::start(listener, Router::new(), &state, settings, CancellationToken::new()).err().expect("no key");
    assert!(error.to_string().starts_with("its TLS files cannot be used: key_file names a file that cannot be read"), "{error}");
}
