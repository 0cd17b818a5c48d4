//! A request body that knows when it is being sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use crate::domain::ports::SentSignal;

/// Bytes to send, or none, with a signal. The length is exact, so that `Content-Length` is set: ThemisDB does not read chunks.
pub(super) struct SentBody {
    inner: reqwest::Body,
    sent: SentSignal,
}

impl SentBody {
    pub(super) fn new(bytes: Vec<u8>, sent: SentSignal) -> Self {
        Self { inner: reqwest::Body::from(bytes), sent }
    }
}

impl Body for SentBody {
    type Data = <reqwest::Body as Body>::Data;
    type Error = <reqwest::Body as Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.sent.set();
        Pin::new(&mut self.inner).poll_frame(context)
    }

    /// hyper asks this when it takes the request off its queue to write the head, once the connection stands, and never before
    /// (HTTP/1.1). It is the one sign for a request without a body, which is never polled, and for one with a body it comes before
    /// the first byte of the head. Were it asked earlier one day, an unsent request would be called `UNKNOWN`: the safe side.
    fn is_end_stream(&self) -> bool {
        self.sent.set();
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
