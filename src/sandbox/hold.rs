//! Holds: requests that wait until a test lets them go on.

use std::sync::Arc;

use axum::http::Method;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::fault::matches;

struct Hold {
    method: Option<Method>,
    path_prefix: String,
    released: CancellationToken,
}

/// The holds that are in force.
#[derive(Clone, Default)]
pub(super) struct Holds(Arc<Mutex<Vec<Hold>>>);

impl Holds {
    pub(super) fn add(&self, method: Option<Method>, path_prefix: String) -> HoldGuard {
        let released = CancellationToken::new();
        self.0.lock().push(Hold { method, path_prefix, released: released.clone() });
        HoldGuard { holds: self.clone(), released }
    }

    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }

    /// Waits until no hold is in force that matches the request.
    pub(super) async fn pass(&self, method: &Method, path: &str) {
        while let Some(released) = self.first_match(method, path) {
            released.cancelled().await;
        }
    }

    fn first_match(&self, method: &Method, path: &str) -> Option<CancellationToken> {
        let holds = self.0.lock();
        let hold = holds.iter().find(|hold| matches(hold.method.as_ref(), &hold.path_prefix, method, path))?;
        Some(hold.released.clone())
    }
}

/// Keeps the requests that match waiting; they go on when it is released or dropped.
#[must_use = "requests wait only while the guard lives"]
pub struct HoldGuard {
    holds: Holds,
    released: CancellationToken,
}

impl HoldGuard {
    /// Lets the requests go on, those that wait and those to come.
    pub fn release(self) {
        // dropping does it
    }
}

impl Drop for HoldGuard {
    fn drop(&mut self) {
        // Under the lock, so that nobody who wakes finds the hold still in the list.
        let mut holds = self.holds.0.lock();
        self.released.cancel();
        holds.retain(|hold| !hold.released.is_cancelled());
    }
}
