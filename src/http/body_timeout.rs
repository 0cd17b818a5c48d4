//! Request bodies that stop coming: 408, and the connection is closed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

/// No byte of a body came for too long.
#[derive(Debug, thiserror::Error)]
#[error("the body stopped coming")]
pub(super) struct BodyStalled;

impl BodyStalled {
    /// True when this is why a body could not be read.
    pub fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// Puts the timeout into a body. Whoever reads it makes the answer out of [`BodyStalled`].
pub(super) fn watched(body: Body, limit: Duration) -> Body {
    if body.is_end_stream() { body } else { Body::new(Watched { body, limit, wait: None }) }
}

struct Watched {
    body: Body,
    limit: Duration,
    /// Runs only while somebody waits for the next bytes.
    wait: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.wait = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = self.limit;
        let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        wait.as_mut().poll(cx).map(|()| Some(Err(BodyStalled.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
