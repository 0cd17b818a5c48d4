//! A listener that can be closed while the process lives on, as ThemisDB does on SIGTERM, and opened again.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::connection::{WeakConnection, Wire};

/// What a door asks its listener for. The listener drops the sender when it has done so.
enum Wish {
    Close(oneshot::Sender<()>),
    Open(TcpListener, oneshot::Sender<()>),
}

/// Closes and opens a listener from outside.
pub(super) struct Door(mpsc::Sender<Wish>);

impl Door {
    /// Has the listener close its socket and end its connections, those that are busy after their answer. Returns when that has
    /// begun, so that whoever calls now is refused.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        // Both fail only if the sandbox has ended, and then the socket is closed too.
        if self.0.send(Wish::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }

    /// Has it listen at its old address again.
    pub(super) async fn open(&self, address: SocketAddr) -> io::Result<()> {
        let socket = TcpListener::bind(address).await?;
        let (done, opened) = oneshot::channel();
        let ended = || io::Error::new(io::ErrorKind::NotConnected, "the sandbox has ended");
        self.0.send(Wish::Open(socket, done)).await.map_err(|_| ended())?;
        opened.await.map_err(|_| ended())
    }
}

/// A TCP listener whose connections can be cut, one by one or all at once.
pub(super) struct CuttingListener {
    /// None while the door is closed.
    socket: Option<TcpListener>,
    address: SocketAddr,
    wishes: mpsc::Receiver<Wish>,
    connections: Vec<WeakConnection>,
    cut_all: CancellationToken,
}

impl CuttingListener {
    /// Wraps a bound listener; `cut_all` cuts every connection that it has accepted.
    pub(super) fn new(socket: TcpListener, address: SocketAddr, wishes: Wishes, cut_all: CancellationToken) -> Self {
        Self { socket: Some(socket), address, wishes: wishes.0, connections: Vec::new(), cut_all }
    }

    fn fulfil(&mut self, wish: Wish) {
        // Whoever asked may have gone away; it is done all the same.
        match wish {
            Wish::Close(done) => {
                self.socket = None;
                for connection in self.connections.drain(..).filter_map(|connection| connection.upgrade()) {
                    connection.end_when_idle();
                }
                let _ = done.send(());
            }
            Wish::Open(socket, done) => {
                self.socket = Some(socket);
                let _ = done.send(());
            }
        }
    }
}

/// The listener's end of a door.
pub(super) struct Wishes(mpsc::Receiver<Wish>);

/// A door, and what its listener is to be given.
pub(super) fn door() -> (Door, Wishes) {
    // Whoever opens or closes waits for it, so one place is enough.
    let (sender, receiver) = mpsc::channel(1);
    (Door(sender), Wishes(receiver))
}

impl Listener for CuttingListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address) = loop {
            tokio::select! {
                accepted = next(self.socket.as_mut()) => break accepted,
                Some(wish) = self.wishes.recv() => self.fulfil(wish),
            }
        };
        // Without it small answers are only slower, so a refusal does not matter.
        let _ = stream.set_nodelay(true);
        let wire = Wire::new(stream, self.cut_all.child_token());
        self.connections.retain(|connection| !connection.is_over());
        self.connections.push(wire.connection().downgrade());
        (wire, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// The next connection; none comes through a closed door.
async fn next(socket: Option<&mut TcpListener>) -> (TcpStream, SocketAddr) {
    match socket {
        // axum's own accept waits out the passing errors (too many open files)
        Some(socket) => Listener::accept(socket).await,
        None => std::future::pending().await,
    }
}
