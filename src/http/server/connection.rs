//! One connection: handshake, requests, end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Shared;
use super::activity::{Activity, Expiry, Ticket};
use super::guard::Guard;
use super::tasks::StreamTasks;
use crate::config::ConnectionLimits;
use crate::http::client_address::Peer;

/// Requests at once on one HTTP/2 connection: what clients expect a server to allow.
const MAX_STREAMS: u32 = 100;
/// Streams that a client opened and reset before we looked at them ("rapid reset"); beyond that the connection ends.
const MAX_PENDING_RESETS: usize = 20;
/// Streams that we had to reset because of what the client sent; beyond that the connection ends.
const MAX_ERROR_RESETS: usize = 128;
/// Bytes of bodies that a peer may send on one stream, and on one connection, before we have read them. Bodies here are small, and what
/// is promised has to be held for every connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// An HTTP/2 peer that is silent for so long is asked whether it is there,
const PING_EVERY: Duration = Duration::from_secs(20);
/// and has so long to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the peer of an idle connection may take to hear that the service ends: to finish the head that it is sending, or to take
/// leave as HTTP/2 has it.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// As many headers are read without an allocation for each request.
const HEADERS_AT_NO_COST: usize = 100;

/// How HTTP is spoken within these limits.
pub(super) fn protocol(limits: &ConnectionLimits, tasks: StreamTasks) -> Builder<StreamTasks> {
    let mut builder = Builder::new(tasks);
    // The guard keeps the time of a head. The buffer has to hold a whole head, so its size is the limit.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(limits.max_header_bytes);
    if limits.max_headers != HEADERS_AT_NO_COST {
        builder.http1().max_headers(limits.max_headers);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, stop: CancellationToken) {
    // Answers are written at once; waiting for more to send along only makes them late. A socket that refuses this is as good.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else {
        return requests(stream, Peer { address: peer.ip(), secure: false }, &shared, &stop).await;
    };
    let handshake = tokio::time::timeout(shared.limits.header_timeout, tls.acceptor().accept(stream));
    match stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => requests(stream, Peer { address: peer.ip(), secure: true }, &shared, &stop).await,
        Some(Ok(Err(error))) => tracing::debug!(listener = shared.name, client = %peer.ip(), %error, "a TLS handshake failed"),
        Some(Err(_)) => tracing::debug!(listener = shared.name, client = %peer.ip(), "a TLS handshake took too long"),
        // The service ends, and nothing was asked yet.
        None => {}
    }
}

async fn requests<S>(stream: S, peer: Peer, shared: &Shared, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let limits = &shared.limits;
    let refusals = shared.refusals.of_connection(peer);
    let stream = Guard::new(stream, Arc::clone(&activity), refusals, limits.header_timeout, limits.write_timeout);
    let service = Requests { router: shared.router.clone(), activity: Arc::clone(&activity), peer };
    let mut connection = pin!(shared.protocol.serve_connection(TokioIo::new(stream), service));
    let expiry = tokio::select! {
        biased;
        ended = connection.as_mut() => return note(ended, shared, peer),
        () = stop.cancelled() => None,
        expiry = activity.expiry(limits, shared.request_timeout) => Some(expiry),
    };
    match expiry {
        // A request that is under way is answered; the listener's end has a limit for all of them.
        None => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_WORDS, connection.as_mut()).await {
                Ok(ended) => note(ended, shared, peer),
                Err(_) if activity.is_idle() => {}
                Err(_) => note(connection.await, shared, peer),
            }
        }
        // Nothing is under way; but a peer has to be told, and may not listen.
        Some(Expiry::Idle) => {
            connection.as_mut().graceful_shutdown();
            if let Ok(ended) = tokio::time::timeout(limits.write_timeout, connection).await {
                note(ended, shared, peer);
            }
        }
        Some(reason @ (Expiry::Silent | Expiry::Stuck)) => {
            tracing::debug!(listener = shared.name, client = %peer.address, ?reason, "a connection is given up");
        }
    }
}

/// That a peer goes away or breaks the protocol is its own affair.
fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>, shared: &Shared, peer: Peer) {
    if let Err(error) = ended {
        tracing::debug!(listener = shared.name, client = %peer.address, error = &*error as &dyn std::error::Error, "a connection broke off");
    }
}

/// Leads the requests of a connection into the router.
struct Requests {
    router: Router,
    activity: Arc<Activity>,
    peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Requests {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let ticket = self.activity.begin();
        let router = self.router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        Box::pin(async move {
            let response = router.oneshot(request).await?;
            Ok(response.map(|body| Answer { body, ticket }))
        })
    }
}

/// The body of an answer; the request is under way until it is written.
struct Answer {
    body: Body,
    ticket: Ticket,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.ticket.step();
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
