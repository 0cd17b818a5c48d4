//! What the sandbox was asked: a bounded log of requests, and how many are being worked on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use super::arrivals::Arrivals;
use super::clock;

/// More than any test sends; a sandbox that runs for days must not grow.
const MAX_REQUESTS: usize = 4096;
/// Bodies are up to 1 MB each, so their sum is bounded as well.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Counts up from 1 over the sandbox's life; it goes on after [`clear_requests`](super::Sandbox::clear_requests).
    pub sequence: u64,
    /// The method.
    pub method: Method,
    /// The path, with its query if it has one.
    pub path: String,
    /// The headers. `Authorization` is marked as sensitive, so that it is not printed.
    pub headers: HeaderMap,
    /// The body; empty if it was over the limit.
    pub body: Bytes,
    /// When the request had been read.
    pub received_at: DateTime<Utc>,
    /// The status of the answer; none as long as there is none, and for good if the connection was closed without one.
    pub status: Option<u16>,
    /// Whether it is over: answered, hung up on, or abandoned by the caller.
    pub ended: bool,
}

impl RecordedRequest {
    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A header, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Default)]
struct Log {
    requests: VecDeque<RecordedRequest>,
    body_bytes: usize,
    arrived: u64,
    errors: u64,
    in_flight: usize,
    max_in_flight: usize,
    changing: usize,
    max_changing: usize,
    arrivals: Arrivals,
}

impl Log {
    fn push(&mut self, request: RecordedRequest) {
        self.body_bytes += request.body.len();
        self.requests.push_back(request);
        while self.requests.len() > MAX_REQUESTS || self.body_bytes > MAX_BODY_BYTES {
            let Some(oldest) = self.requests.pop_front() else {
                return;
            };
            self.body_bytes -= oldest.body.len();
        }
    }

    fn find(&mut self, sequence: u64) -> Option<&mut RecordedRequest> {
        let position = self.requests.binary_search_by_key(&sequence, |request| request.sequence).ok()?;
        self.requests.get_mut(position)
    }
}

/// The log, shared by all requests.
pub(super) struct Recorder {
    log: Mutex<Log>,
    /// Carries nothing; a change of it means that the log has changed.
    changed: watch::Sender<()>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { log: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Recorder {
    /// Records a request that was read. It is in flight until the ticket is dropped.
    pub(super) fn arrive(self: &Arc<Self>, parts: &Parts, body: Bytes) -> Ticket {
        let mut headers = parts.headers.clone();
        if let Some(token) = headers.get_mut(header::AUTHORIZATION) {
            token.set_sensitive(true);
        }
        let mut log = self.log.lock();
        log.arrived += 1;
        log.in_flight += 1;
        log.max_in_flight = log.max_in_flight.max(log.in_flight);
        let changing = parts.method != Method::GET;
        log.changing += usize::from(changing);
        log.max_changing = log.max_changing.max(log.changing);
        // Under the lock, so that the arrivals stand in their order.
        log.arrivals.note(clock::instant());
        let sequence = log.arrived;
        log.push(RecordedRequest {
            sequence,
            method: parts.method.clone(),
            path: path_and_query(&parts.uri).to_owned(),
            headers,
            body,
            received_at: clock::now(),
            status: None,
            ended: false,
        });
        drop(log);
        self.changed.send_replace(());
        Ticket { recorder: Arc::clone(self), sequence, changing }
    }

    pub(super) fn requests(&self) -> Vec<RecordedRequest> {
        self.log.lock().requests.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        let mut log = self.log.lock();
        log.requests.clear();
        log.body_bytes = 0;
        log.max_in_flight = log.in_flight;
        log.max_changing = log.changing;
        log.arrivals.clear();
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// How many requests have arrived, and how many were answered with 400 or above.
    pub(super) fn totals(&self) -> (u64, u64) {
        let log = self.log.lock();
        (log.arrived, log.errors)
    }

    /// How many requests are in flight, and the most that ever were.
    pub(super) fn in_flight(&self) -> (usize, usize) {
        let log = self.log.lock();
        (log.in_flight, log.max_in_flight)
    }

    /// The most requests with a method other than GET that were in flight at once.
    pub(super) fn max_changing_in_flight(&self) -> usize {
        self.log.lock().max_changing
    }

    pub(super) fn most_in_any(&self, stretch: Duration) -> usize {
        self.log.lock().arrivals.most_in_any(stretch)
    }
}

/// A request in flight. Dropping it ends the request, also when the caller went away.
pub(super) struct Ticket {
    recorder: Arc<Recorder>,
    sequence: u64,
    changing: bool,
}

impl Ticket {
    /// Notes the status that the request is answered with.
    pub(super) fn answered(&self, status: StatusCode) {
        let mut log = self.recorder.log.lock();
        if status.as_u16() >= 400 {
            log.errors += 1;
        }
        if let Some(request) = log.find(self.sequence) {
            request.status = Some(status.as_u16());
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut log = self.recorder.log.lock();
        log.in_flight -= 1;
        log.changing -= usize::from(self.changing);
        if let Some(request) = log.find(self.sequence) {
            request.ended = true;
        }
        drop(log);
        self.recorder.changed.send_replace(());
    }
}

/// What a request asks for, without the host that a request may put before it.
pub(super) fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or(uri.path(), |path| path.as_str())
}
