//! Connections: each ends, whatever its peer does or does not do.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, LIMIT, TestApp, raw, until};

pub(super) const CONNECTIONS: &str = "maintenance_http_connections{listener=\"api\"}";

pub(super) async fn connect(app: &TestApp) -> TcpStream {
    TcpStream::connect(app.running().address()).await.expect("a connection")
}

pub(super) async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("a sent text");
}

/// Everything until the other side closes, which has to happen in time.
pub(super) async fn until_closed(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("the connection is closed");
    // A reset is an end, too.
    let _ = read;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer on a connection that stays open.
pub(super) async fn ask(stream: &mut TcpStream) {
    send(stream, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut text = String::new();
    while !text.ends_with('}') {
        let mut part = [0; 1024];
        let length = tokio::time::timeout(LIMIT, stream.read(&mut part)).await.expect("in time").expect("an answer");
        assert_ne!(length, 0, "the connection stays open: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(text.starts_with("HTTP/1.1 200 "), "{text}");
}

async fn impatient() -> TestApp {
    TestApp::builder().with("server.header_timeout = '200ms'\nserver.body_timeout = '200ms'").start().await
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_not_waited_for() {
    let mut app = impatient().await;
    for beginning in ["", "G", "GET /livez HTTP/1.1\r\n", "GET /livez HTTP/1.1\r\nHost: h\r\nX: "] {
        let mut stream = connect(&app).await;
        send(&mut stream, beginning).await;
        assert_eq!(until_closed(&mut stream).await, "", "{beginning:?}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_does_not_keep_a_connection_open() {
    let mut app = impatient().await;
    let mut stream = connect(&app).await;
    // The second request of a connection is no other than the first.
    ask(&mut stream).await;
    let (mut reading, mut writing) = stream.into_split();
    let drip = async {
        // Ends when the connection does: far more bytes than fit into the time.
        for byte in "GET /".bytes().chain(std::iter::repeat_n(b'x', 8000)) {
            if writing.write_all(&[byte]).await.is_err() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let mut rest = Vec::new();
    let ended = async {
        let _ = reading.read_to_end(&mut rest).await;
    };
    tokio::time::timeout(LIMIT, async {
        tokio::select! { () = ended => {}, ended = drip => assert!(ended) }
    })
    .await
    .expect("the connection is closed");
    app.stop().await;
}

#[tokio::test]
async fn a_body_that_stops_coming_is_408_and_the_end_of_the_connection() {
    let mut app = impatient().await;
    let token = app.token("maintenance:admin");
    let mut stream = connect(&app).await;
    let head = format!(
        "POST /api/v1/maintenance/schedules HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"name\":"
    );
    send(&mut stream, &head).await;
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("\"code\":\"body_timeout\""), "{answer}");
    assert!(answer.contains("no byte of the body came for 0.2 s"), "{answer}");
    app.stop().await;
}

#[tokio::test]
async fn a_slow_body_is_read_for_as_long_as_it_comes() {
    let mut app = TestApp::builder().with("server.body_timeout = '2s'").start().await;
    let token = app.token("maintenance:admin");
    let body = json!({"id":"slow","name":"Slow","cron_expression":"@daily","tasks":["CUSTOM"]}).to_string();
    let mut stream = connect(&app).await;
    let head = format!(
        "POST /api/v1/maintenance/schedules HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    send(&mut stream, &head).await;
    for byte in body.bytes() {
        stream.write_all(&[byte]).await.expect("a sent byte");
        tokio::task::yield_now().await;
    }
    assert!(until_closed(&mut stream).await.starts_with("HTTP/1.1 201 "));
    app.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let mut app = TestApp::builder().with("server.idle_timeout = '400ms'").start().await;
    let (mut idle, mut busy) = (connect(&app).await, connect(&app).await);
    ask(&mut idle).await;
    let ended = until_closed(&mut idle);
    let kept_busy = async {
        loop {
            ask(&mut busy).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        rest = ended => assert_eq!(rest, ""),
        () = kept_busy => {}
    }
    app.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_taken_ends_the_connection() {
    let mut app = TestApp::builder().with("server.write_timeout = '200ms'").start().await;
    let mut stream = connect(&app).await;
    // More than all buffers between us hold.
    let request = "GET /api-docs/openapi.json HTTP/1.1\r\nHost: h\r\n\r\n".repeat(400);
    let _ = tokio::time::timeout(LIMIT, stream.write_all(request.as_bytes())).await;
    until("the connection to be given up", || async { (app.metric(CONNECTIONS).await <= 1.0).then_some(()) }).await;
    app.stop().await;
}

#[tokio::test]
async fn a_head_that_cannot_be_read_gets_a_problem_like_any_other() {
    let mut app = TestApp::start().await;
    // So much that the answer comes while the client still writes.
    let large = format!("X-Large: {}", "x".repeat(12_000_000));
    let many: Vec<String> = (0..120).map(|n| format!("X-{n}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (target, headers, status, code) in [
        ("/livez", vec![large.as_str()], 431, "headers_too_large"),
        ("/livez", many, 431, "headers_too_large"),
        ("/livez", vec!["no header"], 400, "bad_request"),
        ("/li vez", vec![], 400, "bad_request"),
        (&format!("/{}", "x".repeat(40_000)), vec![], 431, "headers_too_large"),
        (&format!("/{}", "x".repeat(32_768)), vec![], 431, "headers_too_large"),
    ] {
        let answer = raw(&app, "GET", target, &headers, b"").await;
        assert_eq!((answer.status.as_u16(), &answer.json["code"]), (status, &json!(code)), "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json["request_id"], answer.header("x-request-id"));
        assert_eq!((answer.header("connection"), answer.header("x-content-type-options")), ("close", "nosniff"));
    }
    let series = "http_requests_total{method=\"OTHER\",route=\"unmatched\",status=\"431\"}";
    assert_eq!(app.metric(series).await, 4.0);
    // Within the limits all is well.
    let fits = format!("X-Large: {}", "x".repeat(30_000));
    assert_eq!(raw(&app, "GET", "/livez", &[&fits], b"").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn json_that_is_nested_too_deep_is_400_and_names_the_limit() {
    let mut app = TestApp::builder().with("server.max_json_depth = 8").start().await;
    for depth in [9, 64, 100_000] {
        let request = app.request(Method::POST, "/schedules").header("content-type", "application/json");
        let answer = Answer::of(request.body("[".repeat(depth))).await;
        assert_eq!((answer.status.as_u16(), &answer.json["code"]), (400, &json!("malformed_json")));
        assert!(answer.json["detail"].as_str().expect("text").contains("nested deeper than 8 levels"), "{}", answer.text);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_shutdown_ends_idle_connections_at_once() {
    let mut app = TestApp::start().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&app).await;
        ask(&mut stream).await;
        streams.push(stream);
    }
    // And one that has not asked for anything, and one in the middle of a head.
    streams.push(connect(&app).await);
    let mut amid = connect(&app).await;
    send(&mut amid, "GET /livez HTTP/1.1\r\nHo").await;
    streams.push(amid);
    // The deadline for requests that are under way is five seconds; nobody may need it.
    tokio::time::timeout(Duration::from_secs(4), app.stop()).await.expect("the end does not wait for idle connections");
    for stream in &mut streams {
        assert_eq!(until_closed(stream).await, "");
    }
}

#[tokio::test]
async fn http_2_is_not_spoken_and_its_preface_is_a_head_that_cannot_be_read() {
    let mut app = TestApp::start().await;
    // As clients with prior knowledge begin (RFC 9113, section 3.4), with and without the first frame; and its first line alone.
    for preface in
        ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", "PRI * HTTP/2.0\r\n"]
    {
        for is_first in [true, false] {
            let mut stream = connect(&app).await;
            if !is_first {
                ask(&mut stream).await;
            }
            send(&mut stream, preface).await;
            let answer = until_closed(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
            assert!(answer.contains("application/problem+json") && answer.contains("\"code\":\"bad_request\""), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        }
    }
    let series = "http_requests_total{method=\"OTHER\",route=\"unmatched\",status=\"400\"}";
    assert_eq!(app.metric(series).await, 6.0);
    app.stop().await;
}

#[tokio::test]
async fn a_head_that_begins_along_with_the_request_before_it_is_timed_from_the_answer_on() {
    let mut app = impatient().await;
    let token = app.token("maintenance:admin");
    let body = r#"{"id":"along"}"#;
    let post = format!(
        "POST /api/v1/maintenance/schedules HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for request in ["GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", &post] {
        // Its time would be over first, if it were timed as well: it is not, because nothing came along.
        let mut idle = connect(&app).await;
        send(&mut idle, request).await;
        idle.readable().await.expect("an answer");
        let mut amid = connect(&app).await;
        send(&mut amid, &format!("{request}GET /livez HTT")).await;
        // Idle connections may stay for a minute, three times as long as is waited here.
        let answer = until_closed(&mut amid).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        send(&mut idle, "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
        let answers = until_closed(&mut idle).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 2, "{answers}");
    }
    app.stop().await;
}
