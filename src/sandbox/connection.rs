//! Connections that can be cut from inside a request, which axum alone does not offer.
//!
//! Each accepted socket is wrapped in a [`Wire`] that fails every read and write once its [`Connection`] was cut; hyper then
//! drops the socket. A request reaches its own connection as axum's `ConnectInfo`.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The switch of one connection. Clones cut the same connection.
#[derive(Clone)]
pub(super) struct Connection {
    cut: CancellationToken,
    reset: Arc<AtomicBool>,
}

impl Connection {
    /// Closes the connection; what was not yet sent is never sent.
    pub(super) fn hang_up(&self) {
        self.cut.cancel();
    }

    /// Closes the connection with a TCP reset instead of an orderly end.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
        self.cut.cancel();
    }
}

impl Connected<IncomingStream<'_, CuttingListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttingListener>) -> Self {
        stream.io().connection.clone()
    }
}

/// A TCP listener whose connections can be cut, one by one or all at once.
pub(super) struct CuttingListener {
    inner: TcpListener,
    cut_all: CancellationToken,
}

impl CuttingListener {
    /// Wraps a bound listener; `cut_all` cuts every connection that it has accepted.
    pub(super) fn new(inner: TcpListener, cut_all: CancellationToken) -> Self {
        Self { inner, cut_all }
    }
}

impl Listener for CuttingListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        // axum's own accept waits out the passing errors (too many open files)
        let (stream, address) = Listener::accept(&mut self.inner).await;
        // Without it small answers are only slower, so a refusal does not matter.
        let _ = stream.set_nodelay(true);
        let cut = self.cut_all.child_token();
        let connection = Connection { cut: cut.clone(), reset: Arc::default() };
        (Wire { stream, connection, cut: Box::pin(cut.cancelled_owned()) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A socket that fails once its connection was cut.
pub(super) struct Wire {
    stream: TcpStream,
    connection: Connection,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    /// Fails if the connection was cut, and otherwise has the task woken when it is.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.connection.cut.is_cancelled() && self.cut.as_mut().poll(context).is_pending() {
            return Ok(());
        }
        if self.connection.reset.load(Ordering::Acquire) {
            // Dropping the socket now sends a reset. If it cannot, the peer still sees the connection end.
            let _ = self.stream.set_zero_linger();
        }
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the sandbox cut this connection"))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
