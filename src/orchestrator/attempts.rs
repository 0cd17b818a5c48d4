//! Attempts under way: each runs in a task of its own, which reports back by message. A panic in one is an outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::AttemptId;
use super::message::{AttemptNews, Message, Report};
use crate::domain::ids::JobId;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptObserver, AttemptReport, AttemptTrace, Checkpoint, TargetAnswer, TaskCall, TaskExecutor};

/// How long stopped attempts may take to wind up at shutdown; a little more than the executor takes to ask a target to stop.
const WIND_UP: Duration = Duration::from_secs(11);

/// Owns every attempt's task and every question to a target, and awaits them all at shutdown.
pub(super) struct Attempts {
    executor: Arc<dyn TaskExecutor>,
    mailbox: mpsc::Sender<Message>,
    tasks: TaskTracker,
    under_way: HashMap<JobId, UnderWay>,
}

struct UnderWay {
    id: AttemptId,
    stop: CancellationToken,
    abandon: CancellationToken,
    trace: Arc<AttemptTrace>,
}

impl Attempts {
    pub fn new(executor: Arc<dyn TaskExecutor>, mailbox: mpsc::Sender<Message>) -> Self {
        Self { executor, mailbox, tasks: TaskTracker::new(), under_way: HashMap::new() }
    }

    /// Starts an attempt. A job has at most one under way, so an older entry of the same job is one that has reported.
    pub fn start(&mut self, call: TaskCall) {
        let id = AttemptId::of(&call);
        let observer = Observer { id, mailbox: self.mailbox.clone() };
        let trace = Arc::new(AttemptTrace::observed(Box::new(observer)));
        if let Some(handle) = &call.checkpoint.handle {
            // The target has it already, whenever this attempt is stopped.
            trace.sent_signal().set();
            trace.set_handle(handle.clone());
        }
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let entry = UnderWay { id, stop: stop.clone(), abandon: abandon.clone(), trace: Arc::clone(&trace) };
        self.under_way.insert(call.job_id, entry);
        let (executor, mailbox) = (Arc::clone(&self.executor), self.mailbox.clone());
        self.tasks.spawn(async move {
            let Some(news) = make(executor, call, trace, &stop, &abandon).await else { return };
            // The actor is gone only after it has ended every job.
            let _ = mailbox.send(Message::Report(Report::Attempt { id, news })).await;
        });
    }

    /// Asks a target whether a job may start on it; the answer comes as a report.
    pub fn ask(&self, name: String) {
        let (executor, mailbox) = (Arc::clone(&self.executor), self.mailbox.clone());
        self.tasks.spawn(async move {
            let target = name.clone();
            let asked = tokio::spawn(async move { executor.ask(&target).await }).await;
            let answer = asked.unwrap_or_else(|error| {
                tracing::error!(target_name = %name, %error, "asking a target failed: this is a bug");
                TargetAnswer::Unreachable("an internal error of the maintenance service; see its log".to_owned())
            });
            // Without an actor there is nothing to start.
            let _ = mailbox.send(Message::Report(Report::Target { name, answer })).await;
        });
    }

    /// True when exactly this attempt was started.
    pub fn knows(&self, call: &TaskCall) -> bool {
        self.under_way.get(&call.job_id).is_some_and(|known| known.id == AttemptId::of(call))
    }

    /// Stops a job's attempt; it reports when it has stopped.
    pub fn stop(&self, id: JobId) {
        if let Some(under_way) = self.under_way.get(&id) {
            under_way.stop.cancel();
        }
    }

    /// Lets go of a job's attempt: it ends without a report, and the target is not asked to stop.
    pub fn abandon(&mut self, id: JobId) {
        if let Some(under_way) = self.under_way.remove(&id) {
            under_way.abandon.cancel();
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

/// Passes on what an attempt says while it is under way.
struct Observer {
    id: AttemptId,
    mailbox: mpsc::Sender<Message>,
}

impl Observer {
    fn message(&self, news: AttemptNews) -> Message {
        Message::Report(Report::Attempt { id: self.id, news })
    }
}

#[async_trait]
impl AttemptObserver for Observer {
    async fn keep(&self, checkpoint: Checkpoint) {
        let kept = Arc::new(Notify::new());
        let message = self.message(AttemptNews::Checkpoint { checkpoint, kept: Arc::clone(&kept) });
        // Without an actor nothing is kept any more, and this attempt is about to be stopped.
        if self.mailbox.send(message).await.is_ok() {
            kept.notified().await;
        }
    }

    fn progress(&self, percent: u8) {
        // The next one will do when the mailbox is full.
        let _ = self.mailbox.try_send(self.message(AttemptNews::Progress(percent)));
    }
}

/// Makes an attempt to its end; `None` when it was abandoned.
async fn make(
    executor: Arc<dyn TaskExecutor>,
    call: TaskCall,
    trace: Arc<AttemptTrace>,
    stop: &CancellationToken,
    abandon: &CancellationToken,
) -> Option<AttemptNews> {
    let (worker, its_call, its_trace) = (Arc::clone(&executor), call.clone(), Arc::clone(&trace));
    let mut attempt = tokio::spawn(async move { worker.attempt(&its_call, &its_trace).await });
    let ended = tokio::select! {
        ended = &mut attempt => ended,
        () = abandon.cancelled() => {
            attempt.abort();
            return None;
        }
        () = stop.cancelled() => {
            attempt.abort();
            attempt.await
        }
    };
    Some(match ended {
        Ok(report) => AttemptNews::Reported(report),
        Err(error) if error.is_panic() => {
            tracing::error!(job_id = %call.job_id, task = %call.task_name, "an attempt panicked: this is a bug");
            AttemptNews::Reported(panicked(&trace))
        }
        Err(_) => {
            let sent = trace.was_sent();
            let job_id = call.job_id;
            // In a task of its own, so that a panic there does not lose the report.
            if tokio::spawn(async move { executor.cancel(&call, &trace).await }).await.is_err() {
                tracing::error!(%job_id, "asking the target to stop panicked: this is a bug");
            }
            AttemptNews::Stopped { sent }
        }
    })
}

fn panicked(trace: &AttemptTrace) -> AttemptReport {
    let outcome = if trace.was_sent() { Outcome::Unknown } else { Outcome::Permanent };
    AttemptReport {
        error_message: Some("an internal error of the maintenance service; see its log".to_owned()),
        ..AttemptReport::of(outcome)
    }
}
