//! The work that goes on inside the server: rebuilds and maintenance calls.
//!
//! It runs in tasks of its own, so a caller who goes away does not stop it. Only shutdown does, and waits for it.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Method;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::answer::Refusal;
use super::hold::{HoldGuard, Holds};

/// What is being worked on.
pub(super) struct Work {
    tasks: TaskTracker,
    count: watch::Sender<usize>,
    /// The most that ever went on at once.
    most: AtomicUsize,
    holds: Holds,
}

impl Default for Work {
    fn default() -> Self {
        Self { tasks: TaskTracker::new(), count: watch::Sender::new(0), most: AtomicUsize::new(0), holds: Holds::default() }
    }
}

impl Work {
    /// Does this in a task of its own, and waits for its end.
    pub(super) async fn perform(&self, work: impl Future<Output = ()> + Send + 'static) -> Result<(), Refusal> {
        self.begin(work).await.map_err(|_| Refusal::internal("The task failed"))
    }

    /// Does this in a task of its own, which this registry owns: nobody needs to wait for it.
    pub(super) fn begin(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let counted = Counted::new(self.count.clone(), &self.most);
        self.tasks.spawn(async move {
            let _counted = counted;
            work.await;
        })
    }

    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Begins to look for the most anew.
    pub(super) fn clear_most(&self) {
        self.most.store(self.count(), Ordering::Relaxed);
    }

    /// Waits until less than so much is going on.
    pub(super) async fn below(&self, limit: usize) {
        // It can fail only if the sender is gone, and that is `self`.
        let _ = self.count.subscribe().wait_for(|count| *count < limit).await;
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    pub(super) fn hold(&self) -> HoldGuard {
        self.holds.add(None, String::new())
    }

    /// Waits until no hold is in force.
    pub(super) async fn held(&self) {
        self.holds.pass(&Method::POST, "").await;
    }

    /// Waits until all work has ended. No more may be begun.
    pub(super) async fn end(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Counts one piece of work as long as it lives, so that a panic is counted out as well.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(count: watch::Sender<usize>, most: &AtomicUsize) -> Self {
        count.send_modify(|count| {
            *count += 1;
            most.fetch_max(*count, Ordering::Relaxed);
        });
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
