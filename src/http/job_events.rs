//! The changes of a job as server-sent events (HTML standard, section 9.2).
//!
//! The next event is made when the connection takes it, so that nothing queues up: whoever reads slowly gets the latest state. Nothing
//! is replayed either; the first event is the job as it stands.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use http_body::Frame;

use super::dto::job::JobView;
use super::patience::Patience;
use super::state::HttpState;
use crate::orchestrator::JobWatch;

/// After so long without an event it is looked whether the sentence about a waiting job is another one by now; if not, a comment keeps
/// the connection open. Shorter than the limits of the usual proxies.
const QUIET: Duration = Duration::from_secs(15);
const COMMENT: &[u8] = b": still there\n\n";
/// Proxies of the kind of nginx hold answers back until a buffer is full, unless they are told otherwise.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// An answer that goes on until the job is over.
pub(super) struct JobEvents(Events);

impl JobEvents {
    /// The events of a watched job.
    pub fn new(watch: JobWatch, state: HttpState, patience: &Patience) -> Self {
        // Nothing else goes forward on the connection in between.
        patience.grant(QUIET);
        Self(Events { watch, state, number: 0, told: String::new(), is_over: false })
    }
}

impl IntoResponse for JobEvents {
    fn into_response(self) -> Response {
        let headers =
            [(CONTENT_TYPE, HeaderValue::from_static("text/event-stream")), (X_ACCEL_BUFFERING, HeaderValue::from_static("no"))];
        (headers, Body::new(Stream(Some(self.0.next())))).into_response()
    }
}

struct Events {
    watch: JobWatch,
    state: HttpState,
    number: u64,
    /// The document of the last event.
    told: String,
    is_over: bool,
}

type Next = Pin<Box<dyn Future<Output = Option<(Events, Bytes)>> + Send>>;

impl Events {
    /// The next event or comment; `None` after the last event.
    fn next(mut self) -> Next {
        Box::pin(async move {
            while !self.is_over {
                if self.number > 0 {
                    match tokio::time::timeout(QUIET, self.watch.changed()).await {
                        Ok(more) => self.is_over = !more,
                        Err(_) if self.document() == self.told => return Some((self, Bytes::from_static(COMMENT))),
                        // It waits for something else than before.
                        Err(_) => {}
                    }
                }
                self.is_over |= !self.watch.job().is_active();
                if let Some(event) = self.event() {
                    return Some((self, event));
                }
            }
            None
        })
    }

    /// The event that tells how the job stands; `None` when that was told.
    fn event(&mut self) -> Option<Bytes> {
        let document = self.document();
        if document == self.told {
            return None;
        }
        self.number += 1;
        self.told = document;
        // A JSON text has no line break of its own.
        Some(Bytes::from(format!("event: job\nid: {}\ndata: {}\n\n", self.number, self.told)))
    }

    fn document(&self) -> String {
        let view = JobView::new(self.watch.job(), &self.state.handle.explainer());
        serde_json::to_string(&view).expect("a job is plain data")
    }
}

/// The events as a body.
struct Stream(Option<Next>);

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(next) = &mut self.0 else { return Poll::Ready(None) };
        let ended = ready!(next.as_mut().poll(cx));
        let (rest, bytes) = match ended {
            Some((events, bytes)) => (Some(events.next()), Some(Ok(Frame::data(bytes)))),
            None => (None, None),
        };
        self.0 = rest;
        Poll::Ready(bytes)
    }
}
