//! The stream between a connection and HTTP: it gives up on a peer that keeps us waiting.
//!
//! hyper knows a timeout for the head of a request, but it runs while a connection is idle too, and it knows none for a peer that
//! does not take its answer. Both are kept here, above TLS. A head that is larger than it may be it takes all the same if it comes in
//! one piece, so it is given no larger ones. And it answers a head that it cannot read with a bare status, which is seen and replaced
//! here, because nobody else can.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;
use super::inflow::Inflow;
use super::refusal::{self, Refusals};
use crate::config::ConnectionLimits;

/// How long, and how much, we go on reading after a refused head before the connection is closed: a peer that is still writing it
/// would otherwise see its connection reset, and never the answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

pub(super) struct Guard<S> {
    stream: S,
    activity: Arc<Activity>,
    refusals: Refusals,
    max_header_bytes: usize,
    header_timeout: Duration,
    write_timeout: Duration,
    inflow: Inflow,
    /// Runs while a head is coming in and we wait for more of it; for the head before which so many requests had begun.
    head_wait: Option<(u64, Pin<Box<Sleep>>)>,
    /// Runs while the peer takes nothing.
    write_wait: Option<Pin<Box<Sleep>>>,
    /// Our own answer in place of hyper's, as far as it is not written.
    refusal: Bytes,
    /// After a refusal: how many bytes were read and thrown away, and until when that goes on.
    linger: Option<(usize, Pin<Box<Sleep>>)>,
    /// Nothing more is written.
    closed: bool,
}

impl<S> Guard<S> {
    pub fn new(stream: S, activity: Arc<Activity>, refusals: Refusals, limits: &ConnectionLimits) -> Self {
        Self {
            stream,
            activity,
            refusals,
            max_header_bytes: limits.max_header_bytes,
            header_timeout: limits.header_timeout,
            write_timeout: limits.write_timeout,
            inflow: Inflow::default(),
            head_wait: None,
            write_wait: None,
            refusal: Bytes::new(),
            linger: None,
            closed: false,
        }
    }

    /// Bytes while an answer is under way belong to a body, or to a head that is looked at later.
    fn go_on(&mut self) {
        if self.activity.is_idle() {
            self.inflow.go_on(self.activity.begun(), self.activity.body());
        }
    }

    /// Called when there is nothing to read: fails when that has lasted too long amid a head. The time runs over all of a head, from
    /// when it begins to come, or, if it came along with the request before, from when that one was answered.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let begun = self.activity.begun();
        if !self.inflow.is_amid_head(begun) {
            self.head_wait = None;
            return Poll::Pending;
        }
        let limit = self.header_timeout;
        let (_, wait) = match &mut self.head_wait {
            Some(wait) if wait.0 == begun => wait,
            other => other.insert((begun, Box::pin(tokio::time::sleep(limit)))),
        };
        wait.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the head of a request is too slow")))
    }

    /// Passes on what a write says, unless the peer has taken nothing for too long.
    fn poll_taken<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_wait = None;
            return written;
        }
        let limit = self.write_timeout;
        let wait = self.write_wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        wait.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the answer is not taken")))
    }

    /// Puts our own answer in the place of hyper's, if it is one to a head that could not be read.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        let Some(status) = refusal::bare_status(bytes) else { return false };
        self.refuse(status);
        true
    }

    /// Answers a head that cannot be read; the answer is written before anything else, and by `shutdown`.
    pub fn refuse(&mut self, status: StatusCode) {
        self.refusal = self.refusals.answer(status);
        self.linger = Some((0, Box::pin(tokio::time::sleep(LINGER))));
    }
}

impl<S: AsyncWrite + Unpin> Guard<S> {
    /// Writes what is left of our own answer.
    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.refusal);
            match self.poll_taken(cx, written) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => {
                    let _written = self.refusal.split_to(length);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.go_on();
        let room = self.inflow.room(self.max_header_bytes);
        let before = buffer.filled().len();
        let read = if room < buffer.remaining() {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut part);
            let length = part.filled().len();
            buffer.advance(length);
            read
        } else {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        };
        match read {
            Poll::Ready(Ok(())) => {
                self.inflow.note(&buffer.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_head(cx),
        }
    }
}

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Reads what a refused peer still writes, until it ends or there is no more patience.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((thrown_away, limit)) = &mut self.linger else { return Poll::Ready(()) };
        let mut memory = [0; 4096];
        while *thrown_away < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut memory);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => *thrown_away += buffer.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return limit.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_refusal(cx))?;
        if self.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_taken(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_refusal(cx))?;
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(first) = first
            && self.replaces(first)
        {
            return Poll::Ready(Ok(first.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.poll_taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_refusal(cx))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.poll_taken(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_refusal(cx))?;
        if !self.closed {
            let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
            std::task::ready!(self.poll_taken(cx, closed))?;
            self.closed = true;
        }
        self.poll_linger(cx).map(Ok)
    }
}
