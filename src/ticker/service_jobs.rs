//! Runs the service's own cron jobs on a thread of their own.
//!
//! The scheduler's inner tasks keep each other alive and cannot be awaited; they end with the runtime that they run on. So the scheduler
//! gets a small runtime of its own, on one thread that [`Ticker::stop`] joins.
//!
//! The scheduler keeps the wall clock time of each job's next run. When the clock is set back by an hour, it would stay silent for
//! that hour. So the thread counts beats in monotonic time and begins anew with a fresh scheduler when none has come for a while.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::beat::{Beat, BeatProbe};
use crate::domain::ports::{Clock, HealthProbe};

/// Every second.
pub const EVERY_SECOND: &str = "* * * * * *";
/// At second 0, 5, 10, …
pub const EVERY_FIVE_SECONDS: &str = "*/5 * * * * *";
/// At second 0 of every minute.
pub const EVERY_MINUTE: &str = "0 * * * * *";

/// Monotonic time without a beat after which the scheduler is replaced. Beats come every second, at most half a second late.
const STALLED_AFTER: Duration = Duration::from_secs(3);

/// One of the service's own jobs.
#[derive(Clone)]
pub struct ServiceJob {
    /// For the log.
    pub name: &'static str,
    /// Six fields, seconds first, UTC. Nothing is more punctual than half a second.
    pub cron: &'static str,
    /// Runs on the ticker's thread, within the runtime that the ticker was started from: it may spawn tasks there. It must not block,
    /// because it holds up all other jobs. Runs may be lost or doubled. A panic ends this run and nothing else.
    pub action: Arc<dyn Fn() + Send + Sync>,
}

/// Why the service's own jobs cannot run.
#[derive(Debug, thiserror::Error)]
pub enum TickerError {
    /// A cron expression cannot be read.
    #[error("the cron expression of the service's job '{job}' cannot be read")]
    Cron {
        /// The job's name.
        job: &'static str,
        /// What the scheduler says.
        #[source]
        source: JobSchedulerError,
    },
    /// The scheduler does not start.
    #[error("the scheduler of the service's own jobs does not start")]
    Scheduler(#[source] JobSchedulerError),
    /// The system gives us no thread, or no timer for it.
    #[error("cannot start the thread of the service's own jobs")]
    Thread(#[source] io::Error),
    /// The thread ended before it could say anything.
    #[error("the thread of the service's own jobs ended at once")]
    Ended,
}

/// The running jobs. To be ended with [`Ticker::stop`]; when it is dropped they end too, a moment later.
pub struct Ticker {
    stop: DropGuard,
    thread: JoinHandle<()>,
    beat: Arc<Beat>,
}

impl Ticker {
    /// Starts the jobs. Has to be called within the runtime that their actions are to find around them.
    ///
    /// # Errors
    /// When an expression cannot be read, or the system has no thread left.
    pub async fn start(jobs: Vec<ServiceJob>, clock: Arc<dyn Clock>) -> Result<Self, TickerError> {
        let stop = CancellationToken::new();
        let beat = Arc::new(Beat::new(clock));
        let worker =
            Worker { jobs, beat: Arc::clone(&beat), home: Handle::current(), stop: stop.clone(), stalled_after: STALLED_AFTER };
        let (started, outcome) = oneshot::channel();
        let thread =
            thread::Builder::new().name("ticker".to_owned()).spawn(move || worker.run(started)).map_err(TickerError::Thread)?;
        outcome.await.unwrap_or(Err(TickerError::Ended))?;
        Ok(Self { stop: stop.drop_guard(), thread, beat })
    }

    /// The health of the jobs: UNHEALTHY when they have not been seen at work for five seconds.
    pub fn probe(&self) -> Arc<dyn HealthProbe> {
        Arc::new(BeatProbe(Arc::clone(&self.beat)))
    }

    /// Ends the jobs. A run that is under way finishes; when this returns, no action runs any more.
    pub async fn stop(self) {
        let Self { stop, thread, beat: _ } = self;
        drop(stop);
        // Joining blocks for as long as the run that is under way.
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread of the service's own jobs has panicked");
        }
    }
}

/// What the thread holds.
struct Worker {
    jobs: Vec<ServiceJob>,
    beat: Arc<Beat>,
    /// The runtime that actions find around them.
    home: Handle,
    stop: CancellationToken,
    /// See [`STALLED_AFTER`].
    stalled_after: Duration,
}

/// Why a scheduler was given up.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Stopped,
    Stalled,
}

impl Worker {
    /// One scheduler after the other, each on a fresh runtime, until the service stops.
    fn run(self, started: oneshot::Sender<Result<(), TickerError>>) {
        let mut started = Some(started);
        loop {
            let end = match runtime::Builder::new_current_thread().enable_time().build() {
                Ok(runtime) => runtime.block_on(self.one_life(&mut started, EVERY_SECOND)),
                Err(error) => Err(TickerError::Thread(error)),
            };
            match (end, started.take()) {
                (Ok(End::Stopped), _) => return,
                (Ok(End::Stalled), _) => {
                    tracing::warn!("the service's own cron jobs stood still, as after the clock was set back; they start again");
                }
                (Err(error), Some(started)) => {
                    // The caller may have given up waiting.
                    let _ = started.send(Err(error));
                    return;
                }
                (Err(error), None) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the service's own cron jobs do not start again");
                    thread::park_timeout(self.stalled_after);
                }
            }
        }
    }

    async fn one_life(
        &self,
        started: &mut Option<oneshot::Sender<Result<(), TickerError>>>,
        beat_cron: &str,
    ) -> Result<End, TickerError> {
        let mut scheduler = self.schedule(beat_cron).await?;
        if let Some(started) = started.take() {
            // The caller may have given up waiting; then it has dropped the token too.
            let _ = started.send(Ok(()));
        }
        let mut seen = self.beat.count();
        let end = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break End::Stopped,
                () = tokio::time::sleep(self.stalled_after) => {}
            }
            let count = self.beat.count();
            if count == seen {
                break End::Stalled;
            }
            seen = count;
        };
        // Cannot fail, and all that is left of the scheduler ends with the runtime.
        let _ = scheduler.shutdown().await;
        Ok(end)
    }

    async fn schedule(&self, beat_cron: &str) -> Result<JobScheduler, TickerError> {
        let scheduler = JobScheduler::new().await.map_err(TickerError::Scheduler)?;
        let beat = Arc::clone(&self.beat);
        let beat = ServiceJob { name: "beat", cron: "", action: Arc::new(move || beat.note()) };
        self.add(&scheduler, &beat, beat_cron).await?;
        for job in &self.jobs {
            self.add(&scheduler, job, job.cron).await?;
        }
        scheduler.start().await.map_err(TickerError::Scheduler)?;
        Ok(scheduler)
    }

    async fn add(&self, scheduler: &JobScheduler, job: &ServiceJob, cron: &str) -> Result<(), TickerError> {
        let (name, action, home) = (job.name, Arc::clone(&job.action), self.home.clone());
        let run = move |_id, _scheduler| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            let (action, home) = (Arc::clone(&action), home.clone());
            Box::pin(async move { run_action(name, &*action, &home) })
        };
        let job = Job::new_async(cron, run).map_err(|source| TickerError::Cron { job: name, source })?;
        scheduler.add(job).await.map_err(TickerError::Scheduler)?;
        Ok(())
    }
}

fn run_action(name: &'static str, action: &(dyn Fn() + Send + Sync), home: &Handle) {
    let _within = home.enter();
    // What the action shares is its own affair; it is called again in any case.
    if catch_unwind(AssertUnwindSafe(action)).is_err() {
        tracing::error!(job = name, "one of the service's own jobs has panicked; it runs again at its next time");
    }
}

#[cfg(test)]
mod tests {
    use super::super::beat::tests::SetClock;
    use super::super::system::SystemClock;
    use super::*;
    use crate::domain::health::HealthStatus;
    use parking_lot::Mutex;
    use tokio::sync::mpsc;

    const LIMIT: Duration = Duration::from_secs(20);

    fn job(name: &'static str, action: impl Fn() + Send + Sync + 'static) -> ServiceJob {
        ServiceJob { name, cron: EVERY_SECOND, action: Arc::new(action) }
    }

    async fn next<T>(receiver: &mut mpsc::UnboundedReceiver<T>) -> T {
        tokio::time::timeout(LIMIT, receiver.recv()).await.expect("in time").expect("the job lives")
    }

    #[tokio::test]
    async fn jobs_run_in_the_callers_runtime_whatever_others_do_and_end_with_the_ticker() {
        let (ran, mut runs) = mpsc::unbounded_channel();
        let (panicked, mut panics) = mpsc::unbounded_channel();
        let home = Handle::current().id();
        let jobs = vec![
            job("bad", move || {
                panicked.send(()).expect("the test listens");
                panic!("as the test wants it");
            }),
            job("good", move || {
                let ran = ran.clone();
                // Where a task runs that the action spawns.
                tokio::spawn(async move { ran.send(Handle::current().id()) });
            }),
        ];
        let ticker = Ticker::start(jobs, Arc::new(SystemClock)).await.expect("good expressions");
        next(&mut panics).await;
        assert_eq!(next(&mut runs).await, home);
        next(&mut panics).await;
        assert_eq!(next(&mut runs).await, home);
        assert_eq!(ticker.probe().check().await.status, HealthStatus::Healthy);
        ticker.stop().await;
        while runs.recv().await.is_some() {}
        assert!(runs.is_closed() && panics.recv().await.is_none(), "the actions are gone");
    }

    #[tokio::test]
    async fn a_bad_expression_names_its_job() {
        let bad = ServiceJob { name: "prune", cron: "every now and then", action: Arc::new(|| {}) };
        let error = Ticker::start(vec![bad], Arc::new(SystemClock)).await.err().expect("not an expression");
        assert!(matches!(error, TickerError::Cron { job: "prune", .. }), "{error}");
    }

    #[tokio::test]
    async fn a_ticker_that_is_dropped_ends_too() {
        let (ran, mut runs) = mpsc::unbounded_channel::<()>();
        let ticker =
            Ticker::start(vec![job("any", move || _ = ran.send(()))], Arc::new(SystemClock)).await.expect("good expressions");
        drop(ticker);
        let ended = async { while runs.recv().await.is_some() {} };
        tokio::time::timeout(LIMIT, ended).await.expect("in time");
    }

    #[tokio::test]
    async fn a_scheduler_that_stands_still_is_given_up() {
        let start = chrono::DateTime::from_timestamp_millis(0).expect("a time");
        let beat = Arc::new(Beat::new(Arc::new(SetClock(Mutex::new(start)))));
        let stalled_after = Duration::from_millis(1);
        let worker = Worker { jobs: Vec::new(), beat, home: Handle::current(), stop: CancellationToken::new(), stalled_after };
        // A next run in the far future is what the scheduler has after the clock was set back.
        let end = worker.one_life(&mut None, "0 0 0 29 2 MON").await.expect("a good expression");
        assert_eq!(end, End::Stalled);
        worker.stop.cancel();
        assert_eq!(worker.one_life(&mut None, EVERY_SECOND).await.expect("a good expression"), End::Stopped);
    }
}
