//! One connection: handshake, requests, end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Shared;
use super::activity::{Activity, Expiry, Ticket};
use super::guard::Guard;
use crate::config::ConnectionLimits;
use crate::http::client_address::Peer;

/// How long a connection on which no request is under way has to end when it is asked to: to finish a head that is coming in, and to
/// write what is left of an answer.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);
/// As many headers are read without an allocation for each request.
const HEADERS_AT_NO_COST: usize = 100;

/// How HTTP is spoken within these limits.
pub(super) fn protocol(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The guard keeps the time of a head. The buffer has to hold a whole head, so its size is the limit.
    builder.header_read_timeout(None).max_buf_size(limits.max_header_bytes);
    if limits.max_headers != HEADERS_AT_NO_COST {
        builder.max_headers(limits.max_headers);
    }
    builder
}

/// Serves one connection to its end.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    activity: Arc<Activity>,
    stop: CancellationToken,
) {
    // Answers are written at once; waiting for more to send along only makes them late. A socket that refuses this is as good.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else {
        return requests(stream, Peer { address: peer.ip(), secure: false }, &shared, &activity, &stop).await;
    };
    let handshake = tokio::time::timeout(shared.limits.header_timeout, tls.acceptor().accept(stream));
    match stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => requests(stream, Peer { address: peer.ip(), secure: true }, &shared, &activity, &stop).await,
        Some(Ok(Err(error))) => tracing::debug!(listener = shared.name, client = %peer.ip(), %error, "a TLS handshake failed"),
        Some(Err(_)) => tracing::debug!(listener = shared.name, client = %peer.ip(), "a TLS handshake took too long"),
        // The service ends, and nothing was asked yet.
        None => {}
    }
}

async fn requests<S>(stream: S, peer: Peer, shared: &Shared, activity: &Arc<Activity>, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &shared.limits;
    let refusals = shared.refusals.of_connection(peer);
    let stream = Guard::new(stream, Arc::clone(activity), refusals, limits);
    let service = Requests { router: shared.router.clone(), activity: Arc::clone(activity), peer };
    let mut connection = shared.protocol.serve_connection(TokioIo::new(stream), service);
    let expiry = tokio::select! {
        biased;
        ended = &mut connection => Err(ended),
        () = stop.cancelled() => Ok(None),
        () = activity.asked_to_end() => Ok(None),
        expiry = activity.expiry(limits, shared.request_timeout) => Ok(Some(expiry)),
    };
    let ended = match expiry {
        Err(ended) => ended,
        Ok(Some(reason @ (Expiry::Silent | Expiry::Stuck))) => return give_up(shared, peer, reason),
        Ok(None | Some(Expiry::Idle)) => {
            Pin::new(&mut connection).graceful_shutdown();
            match tokio::time::timeout(LAST_WORDS, &mut connection).await {
                Ok(ended) => ended,
                Err(_) if activity.is_idle() => return,
                // A request that is under way is answered, if its peer takes the answer.
                Err(_) => tokio::select! {
                    ended = &mut connection => ended,
                    reason = activity.expiry(limits, shared.request_timeout) => return give_up(shared, peer, reason),
                },
            }
        }
    };
    let Err(error) = ended else { return };
    note(&error, shared, peer);
    if error.is_parse_version_h2() {
        // The one head that hyper does not answer at all.
        let mut stream = connection.into_parts().io.into_inner();
        stream.refuse(StatusCode::BAD_REQUEST);
        // That the peer does not take it is its own affair, too.
        let _ = stream.shutdown().await;
    }
}

fn give_up(shared: &Shared, peer: Peer, reason: Expiry) {
    tracing::debug!(listener = shared.name, client = %peer.address, ?reason, "a connection is given up");
}

/// That a peer goes away or breaks the protocol is its own affair.
fn note(error: &hyper::Error, shared: &Shared, peer: Peer) {
    tracing::debug!(listener = shared.name, client = %peer.address, error = error as &dyn std::error::Error, "a connection broke off");
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
        let ticket = self.activity.begin(HttpBody::size_hint(request.body()).exact());
        let router = self.router.clone();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(self.activity.patience().clone());
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
