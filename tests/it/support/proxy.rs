//! A way to the service that can be cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{TestApp, until};

/// Passes bytes on in both directions.
pub struct Proxy {
    address: std::net::SocketAddr,
    state: Arc<State>,
}

struct State {
    upstream: String,
    /// How many answers are still to be lost.
    to_lose: AtomicUsize,
    lost: AtomicUsize,
    connections: AtomicUsize,
    cuts: watch::Sender<usize>,
}

impl Proxy {
    /// A way to this service.
    pub async fn to(app: &TestApp) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            upstream: app.base().trim_start_matches("http://").to_owned(),
            to_lose: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            cuts: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(client, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next answers reach nobody: their requests are carried out, and then the connection ends.
    pub fn lose_answers(&self, count: usize) {
        self.state.to_lose.store(count, Ordering::SeqCst);
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Waits until so many answers were lost.
    pub async fn lost(&self, count: usize) {
        until("lost answers", || async { (self.state.lost.load(Ordering::SeqCst) >= count).then_some(()) }).await;
    }

    /// Waits until so many connections were made.
    pub async fn connections(&self, count: usize) {
        until("connections", || async { (self.state.connections.load(Ordering::SeqCst) >= count).then_some(()) }).await;
    }
}

async fn pass(mut client: TcpStream, state: Arc<State>) {
    let mut cuts = state.cuts.subscribe();
    cuts.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(&state.upstream).await else { return };
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            _ = cuts.changed() => return,
            length = client.read(&mut asked) => match length {
                Ok(length) if length > 0 && server.write_all(&asked[..length]).await.is_ok() => {}
                _ => return,
            },
            length = server.read(&mut answered) => match length {
                Ok(length) if length > 0 => {
                    let lose = |count: usize| count.checked_sub(1);
                    if state.to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose).is_ok() {
                        state.lost.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    if client.write_all(&answered[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
