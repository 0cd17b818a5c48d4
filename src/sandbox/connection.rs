//! Connections that can be cut from inside a request, which axum alone does not offer.
//!
//! Each accepted socket is wrapped in a [`Wire`] that fails every read and write once its [`Connection`] was cut; hyper then
//! drops the socket. A request reaches its own connection as axum's `ConnectInfo`.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::listener::CuttingListener;

/// The switch of one connection. Clones cut the same connection.
#[derive(Clone)]
pub(super) struct Connection(Arc<Switch>);

struct Switch {
    cut: CancellationToken,
    reset: AtomicBool,
    /// How many requests of it are being answered.
    busy: AtomicUsize,
    /// Whether the answer that is under way is the last one.
    last: AtomicBool,
}

impl Connection {
    /// Closes the connection; what was not yet sent is never sent.
    pub(super) fn hang_up(&self) {
        self.0.cut.cancel();
    }

    /// Closes the connection with a TCP reset instead of an orderly end.
    pub(super) fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
        self.0.cut.cancel();
    }

    /// Lets the request that is under way be answered, and ends the connection then; an idle one ends at once.
    pub(super) fn end_when_idle(&self) {
        self.0.last.store(true, Ordering::SeqCst);
        if self.0.busy.load(Ordering::SeqCst) == 0 {
            self.hang_up();
        }
    }

    /// Whether no request may follow on this connection.
    pub(super) fn is_ending(&self) -> bool {
        self.0.last.load(Ordering::SeqCst)
    }

    /// Marks the connection as busy for as long as the guard lives.
    pub(super) fn busy(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }

    pub(super) fn downgrade(&self) -> WeakConnection {
        WeakConnection(Arc::downgrade(&self.0))
    }
}

/// A request of this connection is being answered.
pub(super) struct Busy(Connection);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A connection that may be over by now.
pub(super) struct WeakConnection(Weak<Switch>);

impl WeakConnection {
    pub(super) fn upgrade(&self) -> Option<Connection> {
        self.0.upgrade().map(Connection)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Connected<IncomingStream<'_, CuttingListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttingListener>) -> Self {
        stream.io().connection.clone()
    }
}

/// A socket that fails once its connection was cut.
pub(super) struct Wire {
    stream: TcpStream,
    connection: Connection,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    /// Wraps an accepted socket, which cancelling `cut` cuts.
    pub(super) fn new(stream: TcpStream, cut: CancellationToken) -> Self {
        let cancelled = Box::pin(cut.clone().cancelled_owned());
        let switch = Switch { cut, reset: AtomicBool::new(false), busy: AtomicUsize::new(0), last: AtomicBool::new(false) };
        Self { stream, connection: Connection(Arc::new(switch)), cut: cancelled }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Fails if the connection was cut, and otherwise has the task woken when it is.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let switch = &self.connection.0;
        if !switch.cut.is_cancelled() && self.cut.as_mut().poll(context).is_pending() {
            return Ok(());
        }
        if switch.reset.load(Ordering::Acquire) {
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
