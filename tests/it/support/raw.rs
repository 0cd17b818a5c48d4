//! Requests that a well-behaved client would not send: the target goes out as it is written.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, TestApp};

/// Sends one request with these header lines (without line breaks) and this body, and reads the answer to its end. The path is
/// not normalised, and nothing but `Host` and `Connection` is added.
pub async fn raw(app: &TestApp, method: &str, target: &str, headers: &[&str], body: &[u8]) -> Answer {
    let address = app.base().trim_start_matches("http://");
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(&[head.as_bytes(), body].concat()).await.expect("a sent request");
    let mut bytes = Vec::new();
    // A server that refuses a body unread may reset the connection after its answer.
    let _ = stream.read_to_end(&mut bytes).await;
    read(&bytes)
}

fn read(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).expect("a status line");
    let mut headers = reqwest::header::HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header line");
        let name: reqwest::header::HeaderName = name.parse().expect("a header name");
        headers.append(name, value.trim().parse().expect("a header value"));
    }
    Answer { status, headers, text: body.to_owned(), json: serde_json::from_str(body).unwrap_or(Value::Null) }
}
