//! The tasks in which the requests of an HTTP/2 connection run, one for each stream.

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Runs tasks that end with their owner, which the plain executor would let go on.
#[derive(Clone, Default)]
pub(super) struct StreamTasks {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl StreamTasks {
    /// Ends all tasks when it is dropped.
    pub fn end_on_drop(&self) -> DropGuard {
        self.stop.clone().drop_guard()
    }

    /// Waits until all tasks have ended.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl<F> hyper::rt::Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        let stop = self.stop.clone();
        // The outcome is of no interest to hyper: it is told by other ways.
        self.tasks.spawn(async move { stop.run_until_cancelled(task).await.map(drop) });
    }
}
