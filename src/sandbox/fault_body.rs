//! Response bodies that no handler would send: broken off, or enormous.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::Frame;

const OPENING: &[u8] = b"{\"padding\":\"";
const CLOSING: &[u8] = b"\"}";
const CHUNK: u64 = 64 * 1024;

/// The length that a broken-off answer promises. It is longer than what it sends.
pub(super) const PROMISED_LENGTH: u64 = 4096;

/// The beginning of a JSON document, after which the body fails and the connection closes.
pub(super) fn broken_off() -> Body {
    Body::new(BrokenOff::Start)
}

enum BrokenOff {
    Start,
    Sent,
    Over,
}

impl http_body::Body for BrokenOff {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match *self {
            Self::Start => {
                *self = Self::Sent;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(OPENING)))))
            }
            Self::Sent => {
                // hyper flushes what it has when a body is not ready; failing at once would lose the head as well.
                *self = Self::Over;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Over => Poll::Ready(Some(Err(io::Error::other("the sandbox breaks this answer off")))),
        }
    }
}

/// A JSON object of exactly `bytes` bytes (at least the 14 of an empty one), made as it is sent.
pub(super) fn padding(bytes: u64) -> Body {
    let frame = OPENING.len() as u64 + CLOSING.len() as u64;
    Body::new(Padding { part: Part::Opening, left: bytes.saturating_sub(frame) })
}

struct Padding {
    part: Part,
    left: u64,
}

enum Part {
    Opening,
    Filling,
    Over,
}

impl http_body::Body for Padding {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static FILLING: [u8; CHUNK as usize] = [b'x'; CHUNK as usize];
        let data = match self.part {
            Part::Opening => {
                self.part = Part::Filling;
                Bytes::from_static(OPENING)
            }
            Part::Filling if self.left > 0 => {
                let length = self.left.min(CHUNK);
                self.left -= length;
                Bytes::from_static(&FILLING[..length as usize])
            }
            Part::Filling => {
                self.part = Part::Over;
                Bytes::from_static(CLOSING)
            }
            Part::Over => return Poll::Ready(None),
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
