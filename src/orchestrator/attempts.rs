//! Attempts under way: each runs in a task of its own, which reports back by message. A panic in one is an outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::message::{AttemptEnd, AttemptEnded, Message};
use crate::domain::ids::JobId;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptReport, AttemptTrace, TaskCall, TaskExecutor};

/// How long stopped attempts may take to wind up at shutdown; a little more than the executor takes to ask a target to stop.
const WIND_UP: Duration = Duration::from_secs(11);

/// Owns every attempt's task, and awaits them all at shutdown.
pub(super) struct Attempts {
    executor: Arc<dyn TaskExecutor>,
    mailbox: mpsc::Sender<Message>,
    tasks: TaskTracker,
    under_way: HashMap<JobId, UnderWay>,
}

struct UnderWay {
    task_index: usize,
    attempt: u32,
    stop: CancellationToken,
    trace: Arc<AttemptTrace>,
}

impl Attempts {
    pub fn new(executor: Arc<dyn TaskExecutor>, mailbox: mpsc::Sender<Message>) -> Self {
        Self { executor, mailbox, tasks: TaskTracker::new(), under_way: HashMap::new() }
    }

    /// Starts an attempt. A job has at most one under way, so an older entry of the same job is one that has reported.
    pub fn start(&mut self, call: TaskCall) {
        let (stop, trace) = (CancellationToken::new(), Arc::new(AttemptTrace::default()));
        self.under_way.insert(
            call.job_id,
            UnderWay { task_index: call.task_index, attempt: call.attempt, stop: stop.clone(), trace: Arc::clone(&trace) },
        );
        let (executor, mailbox) = (Arc::clone(&self.executor), self.mailbox.clone());
        self.tasks.spawn(async move {
            let (job_id, task_index, attempt) = (call.job_id, call.task_index, call.attempt);
            let end = make(executor, call, trace, stop).await;
            // The actor is gone only after it has ended every job.
            let _ = mailbox.send(Message::AttemptEnded(AttemptEnded { job_id, task_index, attempt, end })).await;
        });
    }

    /// True when exactly this attempt was started.
    pub fn knows(&self, call: &TaskCall) -> bool {
        let same = |known: &UnderWay| known.task_index == call.task_index && known.attempt == call.attempt;
        self.under_way.get(&call.job_id).is_some_and(same)
    }

    /// Stops a job's attempt; it reports when it has stopped.
    pub fn stop(&self, id: JobId) {
        if let Some(under_way) = self.under_way.get(&id) {
            under_way.stop.cancel();
        }
    }

    /// Forgets a job that is over.
    pub fn forget(&mut self, id: JobId) {
        self.under_way.remove(&id);
    }

    /// True once the request of a job's attempt has begun to leave.
    pub fn was_sent(&self, id: JobId) -> bool {
        self.under_way.get(&id).is_some_and(|under_way| under_way.trace.was_sent())
    }

    /// Waits for the stopped attempts, for a short while.
    pub async fn wind_up(self, mut mailbox: mpsc::Receiver<Message>) {
        self.tasks.close();
        let drain = async { while mailbox.recv().await.is_some() {} };
        tokio::select! {
            () = self.tasks.wait() => {}
            () = drain => {}
            () = tokio::time::sleep(WIND_UP) => tracing::warn!(left = self.tasks.len(), "attempts still under way at the end"),
        }
    }
}

async fn make(executor: Arc<dyn TaskExecutor>, call: TaskCall, trace: Arc<AttemptTrace>, stop: CancellationToken) -> AttemptEnd {
    let (worker, its_call, its_trace) = (Arc::clone(&executor), call.clone(), Arc::clone(&trace));
    let mut attempt = tokio::spawn(async move { worker.attempt(&its_call, &its_trace).await });
    let ended = tokio::select! {
        ended = &mut attempt => ended,
        () = stop.cancelled() => {
            attempt.abort();
            attempt.await
        }
    };
    match ended {
        Ok(report) => AttemptEnd::Reported(report),
        Err(error) if error.is_panic() => {
            tracing::error!(job_id = %call.job_id, task = %call.task_name, "an attempt panicked: this is a bug");
            AttemptEnd::Reported(panicked(&trace))
        }
        Err(_) => {
            let sent = trace.was_sent();
            let job_id = call.job_id;
            // In a task of its own, so that a panic there does not lose the report.
            if tokio::spawn(async move { executor.cancel(&call, &trace).await }).await.is_err() {
                tracing::error!(%job_id, "asking the target to stop panicked: this is a bug");
            }
            AttemptEnd::Stopped { sent }
        }
    }
}

fn panicked(trace: &AttemptTrace) -> AttemptReport {
    let outcome = if trace.was_sent() { Outcome::Unknown } else { Outcome::Permanent };
    AttemptReport {
        error_message: Some("an internal error of the maintenance service; see its log".to_owned()),
        ..AttemptReport::of(outcome)
    }
}
