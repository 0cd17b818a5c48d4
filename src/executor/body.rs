//! A request body that knows when it is being sent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};

use crate::domain::ports::AttemptTrace;

/// True once the request began to leave. Shared between the call and the connection's own task, which does the writing.
#[derive(Debug, Clone, Default)]
pub(super) struct SentSignal(Arc<AtomicBool>);

impl SentSignal {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// True once the request began to leave.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Carries the signal over to the attempt's trace when it is dropped: with the attempt's end or, when the attempt is cancelled,
/// with its future. (A body has to be `'static`, so it cannot hold the trace itself.)
pub(super) struct MirrorSent<'a> {
    signal: SentSignal,
    trace: &'a AttemptTrace,
}

impl<'a> MirrorSent<'a> {
    pub(super) fn new(trace: &'a AttemptTrace) -> Self {
        Self { signal: SentSignal::default(), trace }
    }

    pub(super) fn signal(&self) -> &SentSignal {
        &self.signal
    }
}

impl Drop for MirrorSent<'_> {
    fn drop(&mut self) {
        if self.signal.is_set() {
            self.trace.mark_sent();
        }
    }
}

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
