//! The loop: drain, decide, commit, publish, act, reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot};

use super::attempts::Attempts;
use super::core::{Decided, Effect, Rules, State, Step};
use super::error::CommandError;
use super::handle::{MAILBOX_CAPACITY, OrchestratorHandle};
use super::message::{AttemptEnd, AttemptEnded, Command, Message, Reply};
use super::observe;
use super::probes::SharedStatus;
use super::view::ReadView;
use crate::domain::ports::{AuditSink, Change, Clock, IdSource, Store, StoreError, TaskCall, TaskExecutor};
use crate::domain::schedule_input::ScheduleInput;
use crate::domain::time::Timestamp;
use crate::telemetry::{Metrics, Stopwatch};

/// Messages decided and committed together. Large enough that waiting writers share a commit, small enough that the first of them
/// does not wait long for the last.
const BATCH: usize = 256;
/// Due things dealt with in one batch, for the same reason.
const DUE_PER_BATCH: usize = 512;
/// Jobs pruned in one batch, so that pruning a storm of jobs does not hold up writers.
const PRUNED_PER_BATCH: usize = 512;
/// A wall clock that went back by more than this was set back; less is noise.
const CLOCK_STEP: TimeDelta = TimeDelta::seconds(2);
/// How long internal work waits after a commit that failed, before it is tried again.
const STORE_RETRY: TimeDelta = TimeDelta::seconds(1);

/// The outside, as the actor needs it.
#[derive(Clone)]
pub struct Ports {
    /// Keeps schedules and jobs.
    pub store: Arc<dyn Store>,
    /// Carries out tasks.
    pub executor: Arc<dyn TaskExecutor>,
    /// Keeps the audit trail.
    pub audit: Arc<dyn AuditSink>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids and random numbers.
    pub ids: Arc<dyn IdSource>,
}

/// The actor before it runs.
pub struct Orchestrator {
    rules: Rules,
    ports: Ports,
    metrics: Metrics,
    bundles: Vec<(String, ScheduleInput)>,
    mailbox: mpsc::Receiver<Message>,
    handle: OrchestratorHandle,
    state: State,
    attempts: Attempts,
    /// Reports that could not be committed; they are tried again.
    backlog: Vec<AttemptEnded>,
    /// Set after a commit that failed: internal work waits until then.
    retry_store_at: Option<Timestamp>,
    /// A commit was perhaps applied: the stored state has to be read again before anything else.
    must_reload: bool,
    last_now: Timestamp,
    drained: Option<oneshot::Sender<()>>,
}

/// What a batch owes its callers: each reply is sent after the commit, and says 503 if there was none.
type PendingReply = Box<dyn FnOnce(bool) + Send>;

impl Orchestrator {
    /// Prepares the actor; nothing happens before [`Orchestrator::run`].
    pub fn new(
        rules: Rules,
        bundles: Vec<(String, ScheduleInput)>,
        ports: Ports,
        metrics: Metrics,
    ) -> (OrchestratorHandle, Self) {
        let (sender, mailbox) = mpsc::channel(MAILBOX_CAPACITY);
        let handle = OrchestratorHandle {
            mailbox: sender.clone(),
            view: ReadView::default(),
            catalog: Arc::clone(&rules.catalog),
            clock: Arc::clone(&ports.clock),
            ready: Arc::new(AtomicBool::new(false)),
            status: SharedStatus::default(),
        };
        let attempts = Attempts::new(Arc::clone(&ports.executor), sender);
        let last_now = ports.clock.now();
        let orchestrator = Self {
            rules,
            ports,
            metrics,
            bundles,
            mailbox,
            handle: handle.clone(),
            state: State::default(),
            attempts,
            backlog: Vec::new(),
            retry_store_at: None,
            must_reload: false,
            last_now,
            drained: None,
        };
        (handle, orchestrator)
    }

    /// Loads the store, recovers, and serves until [`OrchestratorHandle::stop`].
    ///
    /// # Errors
    /// When the store cannot be read, or what recovery decided cannot be written.
    pub async fn run(mut self) -> Result<(), StoreError> {
        self.load().await?;
        let bundles = std::mem::take(&mut self.bundles);
        self.last_now = self.ports.clock.now();
        let mut step = Step::new(&mut self.state, &self.rules, self.ports.ids.as_ref(), self.last_now);
        step.recover();
        bundles.into_iter().for_each(|(name, input)| step.install_bundle(&name, input));
        let decided = step.decided();
        if !self.commit(decided, Vec::new()).await {
            return Err(StoreError::NotApplied("what recovery decided could not be written".to_owned()));
        }
        // Loading counts as a turn: the probe must not find a loop that seems to stand still since 1970.
        self.handle.status.turned(self.ports.clock.now());
        self.handle.status.set_loaded();
        self.handle.ready.store(true, Ordering::Release);
        self.handle.status.set_started();
        let counts = self.handle.view.counts(self.ports.clock.now());
        tracing::info!(schedules = counts.total_schedules, enabled = counts.enabled_schedules, "orchestrator ready");
        while let Some(batch) = self.next_batch().await {
            if self.process(batch).await {
                break;
            }
        }
        self.attempts.wind_up(self.mailbox).await;
        self.ports.audit.flush().await;
        self.ports.store.close().await;
        Ok(())
    }

    /// Waits for a message or for something to be due, then takes what has queued up.
    async fn next_batch(&mut self) -> Option<Vec<Message>> {
        let due = self.state.next_due().map(|at| self.retry_store_at.map_or(at, |retry| at.max(retry)));
        let first = tokio::select! {
            message = self.mailbox.recv() => message?,
            () = sleep_until(self.ports.clock.as_ref(), due), if due.is_some() => Message::Tick,
        };
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(message) = self.mailbox.try_recv()
        {
            batch.push(message);
        }
        self.metrics.set_mailbox_depth(self.mailbox.len());
        Some(batch)
    }

    /// Decides, commits and performs one batch; true when the actor is to end.
    async fn process(&mut self, batch: Vec<Message>) -> bool {
        let now = self.ports.clock.now();
        self.handle.status.turned(now);
        if self.must_reload && !self.reload(now).await {
            return self.refuse(batch);
        }
        let may_work = self.retry_store_at.is_none_or(|at| now >= at);
        let went_back = now + CLOCK_STEP < self.last_now;
        self.last_now = now;

        let mut step = Step::new(&mut self.state, &self.rules, self.ports.ids.as_ref(), now);
        let mut replies: Vec<PendingReply> = Vec::new();
        let mut reports: Vec<AttemptEnded> = std::mem::take(&mut self.backlog);
        let (mut stop, mut prune_again) = (false, false);
        if went_back {
            tracing::warn!(%now, "the clock went back; next run times are set anew");
            step.rearm();
        }
        for message in batch {
            match message {
                Message::Command(command) => replies.push(decide_command(&mut step, command)),
                Message::AttemptEnded(report) => reports.push(report),
                Message::Tick => {}
                Message::Prune => prune_again |= may_work && step.prune(PRUNED_PER_BATCH),
                Message::Drain { drained } => {
                    step.drain();
                    self.handle.ready.store(false, Ordering::Release);
                    self.drained = Some(drained);
                }
                Message::Stop => stop = true,
            }
        }
        if may_work || stop {
            reports.iter().for_each(|report| attempt_ended(&mut step, report));
        }
        if stop {
            let attempts = &self.attempts;
            step.stop_running(|job| attempts.was_sent(job));
        } else if may_work {
            step.tick(DUE_PER_BATCH);
        }
        let decided = step.decided();
        let committed = self.commit(decided, replies).await;
        if !may_work || !committed {
            self.backlog = reports;
        }
        if prune_again {
            // Behind whoever waits: a full mailbox means that the next minute's pruning goes on.
            let _ = self.handle.mailbox.try_send(Message::Prune);
        }
        if self.state.running_jobs() == 0
            && let Some(drained) = self.drained.take()
        {
            // Nobody waits for it any more when the deadline has passed.
            let _ = drained.send(());
        }
        stop
    }

    /// Commits what was decided, makes it visible, performs it and replies; or takes it all back. True when it was committed.
    async fn commit(&mut self, decided: Decided, replies: Vec<PendingReply>) -> bool {
        let Decided { changes, effects, audit, lateness } = decided;
        // After a failure an empty commit asks whether the store can be written again.
        let recovering = self.retry_store_at.is_some_and(|at| self.last_now >= at);
        if !changes.is_empty() || recovering {
            let stopwatch = Stopwatch::start();
            let committed = self.ports.store.commit(&changes).await;
            self.metrics.store_commit(stopwatch.seconds());
            if let Err(error) = committed {
                tracing::error!(%error, changes = changes.len(), "the store cannot be written; nothing has changed");
                self.state.undo(&changes);
                self.must_reload = matches!(error, StoreError::PerhapsApplied(_));
                self.retry_store_at = Some(self.last_now + STORE_RETRY);
                self.handle.status.set_store_fault(Some(error.to_string()));
                replies.into_iter().for_each(|reply| reply(false));
                return false;
            }
            if self.retry_store_at.take().is_some() {
                tracing::info!("the store can be written again");
            }
            self.handle.status.set_store_fault(None);
            self.handle.view.publish(&changes);
            observe::changes(&self.metrics, &changes);
            lateness.iter().for_each(|late| self.metrics.fire_lateness(late.as_seconds_f64()));
        }
        self.perform(effects, &changes);
        if !audit.is_empty() {
            self.ports.audit.record(audit).await;
        }
        replies.into_iter().for_each(|reply| reply(true));
        true
    }

    fn perform(&mut self, effects: Vec<Effect>, changes: &[Change]) {
        for effect in effects {
            match effect {
                Effect::StartAttempt(call) => self.attempts.start(call),
                Effect::StopAttempt(job) => self.attempts.stop(job),
            }
        }
        for change in changes {
            if let Change::Job { after: Some(job), .. } = change
                && job.state.is_terminal()
            {
                self.attempts.forget(job.id);
            }
        }
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        let (state, _) = State::restore(self.ports.store.load().await?);
        self.handle.view.reset(state.schedules(), state.jobs());
        self.state = state;
        Ok(())
    }

    /// After a commit that was perhaps applied: reads what is really stored. True when that worked.
    async fn reload(&mut self, now: Timestamp) -> bool {
        let draining = self.state.is_draining();
        if let Err(error) = self.load().await {
            tracing::error!(%error, "the store cannot be read again after a commit with an unknown outcome");
            self.retry_store_at = Some(now + STORE_RETRY);
            self.handle.status.set_store_fault(Some(error.to_string()));
            return false;
        }
        self.must_reload = false;
        let mut step = Step::new(&mut self.state, &self.rules, self.ports.ids.as_ref(), now);
        if draining {
            step.drain();
        }
        // What was committed but never performed: attempts that nobody started.
        let calls: Vec<TaskCall> = step.state.attempts_under_way().filter(|call| !self.attempts.knows(call)).collect();
        calls.into_iter().for_each(|call| self.attempts.start(call));
        true
    }

    /// While it is not known what is stored, nothing is decided. Reports are kept.
    fn refuse(&mut self, batch: Vec<Message>) -> bool {
        let mut stop = false;
        for message in batch {
            match message {
                Message::Command(command) => command.refuse(CommandError::StoreUnavailable),
                Message::AttemptEnded(report) => self.backlog.push(report),
                Message::Drain { drained } => self.drained = Some(drained),
                Message::Stop => stop = true,
                Message::Tick | Message::Prune => {}
            }
        }
        stop
    }
}

async fn sleep_until(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn attempt_ended(step: &mut Step<'_>, ended: &AttemptEnded) {
    let AttemptEnded { job_id, task_index, attempt, end } = ended;
    match end {
        AttemptEnd::Reported(report) => {
            let jitter = step.ids.unit_random();
            step.attempt_reported(*job_id, *task_index, *attempt, report.clone(), jitter);
        }
        AttemptEnd::Stopped { sent } => step.attempt_stopped(*job_id, *task_index, *attempt, *sent),
    }
}

fn decide_command(step: &mut Step<'_>, command: Command) -> PendingReply {
    if step.state.is_draining() && !matches!(command, Command::CancelJob { .. }) {
        return Box::new(move |_| command.refuse(CommandError::Stopped));
    }
    match command {
        Command::CreateSchedule { caller, input, reply } => {
            answer(reply, step.alone(|step| step.create_schedule(&caller, *input)))
        }
        Command::ReplaceSchedule { caller, id, input, precondition, reply } => {
            answer(reply, step.alone(|step| step.replace_schedule(&caller, &id, *input, &precondition)))
        }
        Command::PatchSchedule { caller, id, patch, precondition, reply } => {
            answer(reply, step.alone(|step| step.patch_schedule(&caller, &id, &patch, &precondition)))
        }
        Command::DeleteSchedule { caller, id, precondition, reply } => {
            answer(reply, step.alone(|step| step.delete_schedule(&caller, &id, &precondition)))
        }
        Command::SetEnabled { caller, id, enabled, precondition, reply } => {
            answer(reply, step.alone(|step| step.set_enabled(&caller, &id, enabled, &precondition)))
        }
        Command::RunSchedule { caller, id, force, reply } => {
            answer(reply, step.alone(|step| step.run_schedule(&caller, &id, force)))
        }
        Command::CancelJob { caller, id, reply } => answer(reply, step.alone(|step| step.cancel_job(&caller, id))),
    }
}

/// The reply to send once it is known whether the batch was committed. A refusal stands either way.
fn answer<T: Send + 'static>(reply: Reply<T>, result: Result<T, CommandError>) -> PendingReply {
    Box::new(move |committed| {
        let result = if committed { result } else { result.and(Err(CommandError::StoreUnavailable)) };
        // A caller that has gone away is ignored: what it asked for was done and is on record.
        let _ = reply.send(result);
    })
}
