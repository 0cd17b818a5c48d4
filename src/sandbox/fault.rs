//! Scripted faults: what goes wrong, for which requests, how many times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::chance::Chance;

/// One scripted fault. Faults stand in a queue; a request takes the first that matches it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Only requests with this method; `None` is any.
    pub method: Option<Method>,
    /// Only requests whose path (with its query, if any) begins so; `""` is any.
    pub path_prefix: String,
    /// For how many requests; `None` is always.
    pub times: Option<u32>,
    /// What goes wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault for every request whose path begins with `path_prefix`.
    pub fn always(path_prefix: impl Into<String>, kind: FaultKind) -> Self {
        Self { method: None, path_prefix: path_prefix.into(), times: None, kind }
    }

    /// A fault for the next `times` requests whose path begins with `path_prefix`.
    pub fn times(times: u32, path_prefix: impl Into<String>, kind: FaultKind) -> Self {
        Self { times: Some(times), ..Self::always(path_prefix, kind) }
    }

    /// The same fault, for one method only.
    #[must_use]
    pub fn on(self, method: Method) -> Self {
        Self { method: Some(method), ..self }
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// This status, body and headers.
    Status {
        /// The status of the answer.
        status: StatusCode,
        /// Its JSON body; `null` means none.
        body: Value,
        /// Headers beside the content type.
        headers: HeaderMap,
    },
    /// The usual answer, this much later.
    Delay(Duration),
    /// The request is read to its end, then the connection closes without an answer.
    HangUp,
    /// The request is served to its end, work included, and then the connection closes without an answer.
    HangUpAfterWork,
    /// The answer breaks off in the middle of its body.
    HangUpAfterHeaders,
    /// The request is read, and never answered; the connection stays open.
    NoAnswer,
    /// 200 with a JSON body of this many bytes (at least 14).
    HugeBody(u64),
    /// 200 that says it is JSON and is not.
    Garbage,
    /// 429 as ThemisDB sends it.
    RateLimited {
        /// For `Retry-After` and the body.
        retry_after_seconds: u64,
    },
    /// 301 to this location.
    Redirect(String),
}

impl FaultKind {
    /// This status with ThemisDB's usual error body.
    pub fn status(status: StatusCode) -> Self {
        let message = status.canonical_reason().unwrap_or("Scripted");
        Self::Status { status, body: super::answer::error_body(status, message), headers: HeaderMap::new() }
    }

    /// 403 as ThemisDB's policies say it: its `error` is a word.
    pub fn policy_denied() -> Self {
        let body = json!({"error": "policy_denied", "message": "Denied by policy"});
        Self::Status { status: StatusCode::FORBIDDEN, body, headers: HeaderMap::new() }
    }
}

/// The queue of faults, and those that come at random.
#[derive(Default)]
pub(super) struct Faults {
    queue: Mutex<Vec<Fault>>,
    chance: Mutex<Option<Chance>>,
    met: AtomicU64,
}

impl Faults {
    pub(super) fn push(&self, fault: Fault) {
        if fault.times != Some(0) {
            self.queue.lock().push(fault);
        }
    }

    pub(super) fn clear(&self) {
        self.queue.lock().clear();
        *self.chance.lock() = None;
    }

    pub(super) fn list(&self) -> Vec<Fault> {
        self.queue.lock().clone()
    }

    /// Lets chance decide for every request that no fault of the queue meets.
    pub(super) fn leave_to(&self, chance: Chance) {
        *self.chance.lock() = Some(chance);
    }

    /// How many requests have met a fault.
    pub(super) fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    /// The fault that this request meets; its count goes down.
    pub(super) fn take(&self, method: &Method, path: &str) -> Option<FaultKind> {
        let kind = self.next(method, path).or_else(|| self.chance.lock().as_mut()?.draw())?;
        self.met.fetch_add(1, Ordering::Relaxed);
        Some(kind)
    }

    fn next(&self, method: &Method, path: &str) -> Option<FaultKind> {
        let mut faults = self.queue.lock();
        let position = faults.iter().position(|fault| matches(fault.method.as_ref(), &fault.path_prefix, method, path))?;
        match faults[position].times {
            None => Some(faults[position].kind.clone()),
            Some(times) if times > 1 => {
                faults[position].times = Some(times - 1);
                Some(faults[position].kind.clone())
            }
            Some(_) => Some(faults.remove(position).kind),
        }
    }
}

/// Whether a request is meant by a method (or any) and the beginning of a path.
pub(super) fn matches(wanted: Option<&Method>, path_prefix: &str, method: &Method, path: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == method) && path.starts_with(path_prefix)
}
