//! A server that does as it is told: one scripted reply a request, the last one again and again.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Answers with a status, header lines, and a body with its length.
    Answer(u16, &'static str, String),
    /// Sends these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Sends these bytes and keeps the connection open, without another word.
    Stall(Vec<u8>),
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self::Answer(status, "", body.to_string())
    }

    pub fn hang_up() -> Self {
        Self::Raw(Vec::new())
    }

    pub fn silence() -> Self {
        Self::Stall(Vec::new())
    }
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Received {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Ends with the test.
pub struct Server {
    address: SocketAddr,
    script: Arc<Script>,
    _connections: JoinSet<()>,
}

struct Script {
    replies: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    names: Mutex<Vec<String>>,
    connections: watch::Sender<usize>,
    requests: watch::Sender<usize>,
}

impl Server {
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start_with(replies, None).await
    }

    /// A server at https://.
    pub async fn start_tls(replies: impl IntoIterator<Item = Reply>, tls: rustls::ServerConfig) -> Self {
        Self::start_with(replies, Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn start_with(replies: impl IntoIterator<Item = Reply>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let script = Arc::new(Script {
            replies: Mutex::new(replies.into_iter().collect()),
            received: Mutex::default(),
            names: Mutex::default(),
            connections: watch::Sender::new(0),
            requests: watch::Sender::new(0),
        });
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, tls, Arc::clone(&script)));
        Self { address, script, _connections: connections }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn https_url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub async fn requests_arrived(&self, count: usize) {
        self.script.requests.subscribe().wait_for(|arrived| *arrived >= count).await.expect("the script lives");
    }

    pub async fn connections_arrived(&self, count: usize) {
        self.script.connections.subscribe().wait_for(|arrived| *arrived >= count).await.expect("the script lives");
    }

    /// The names for which TLS clients asked (SNI), of the handshakes that succeeded.
    pub fn names(&self) -> Vec<String> {
        self.script.names.lock().clone()
    }

    pub fn received(&self) -> Vec<Received> {
        self.script.received.lock().clone()
    }

    /// Request lines without the version.
    pub fn lines(&self) -> Vec<String> {
        self.received().into_iter().map(|received| received.line).collect()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        script.connections.send_modify(|count| *count += 1);
        let (tls, script) = (tls.clone(), Arc::clone(&script));
        connections.spawn(async move {
            let Some(tls) = tls else { return serve(stream, script).await };
            // A client that does not like the certificate goes away; that is what its test looks for.
            let Ok(stream) = tls.accept(stream).await else { return };
            script.names.lock().extend(stream.get_ref().1.server_name().map(str::to_owned));
            serve(stream, script).await;
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Arc<Script>) {
    while let Some(request) = read_request(&mut stream).await {
        script.received.lock().push(request);
        let reply = {
            let mut replies = script.replies.lock();
            let last = replies.len() == 1;
            if last { replies.front().cloned() } else { replies.pop_front() }.expect("a script has at least one reply")
        };
        script.requests.send_modify(|count| *count += 1);
        // A client that has gone does not matter to the script.
        match reply {
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_length = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_length]).into_owned();
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let mut received = Received { line, headers: lines.filter_map(header).collect(), body: String::new() };
    let length = received.header("content-length").map_or(0, |text| text.parse().expect("a length"));
    while bytes.len() < head_length + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    received.body = String::from_utf8_lossy(&bytes[head_length..]).into_owned();
    Some(received)
}
