//! The loop: drain, decide, commit, publish, act, reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot};

use super::attempts::Attempts;
use super::core::{Decided, Effect, Operation, Rules, State, Step};
use super::error::CommandError;
use super::handle::{MAILBOX_CAPACITY, OrchestratorHandle};
use super::message::{AttemptNews, Command, Message, Reply, Report};
use super::observe;
use super::outbox::Outbox;
use super::probes::SharedStatus;
use super::view::ReadView;
use crate::domain::ports::{AuditSink, Change, Clock, IdSource, OutboxEntry, Store, StoreError, TaskCall, TaskExecutor};
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
    outbox: Outbox,
    /// Reports that could not be committed; they are tried again.
    backlog: Vec<Report>,
    /// Set after a commit that failed: internal work waits until then.
    retry_store_at: Option<Timestamp>,
    /// A commit was perhaps applied: the stored state has to be read again before anything else.
    must_reload: bool,
    last_now: Timestamp,
    /// The clock went back, and the next run times have not been set anew yet.
    must_rearm: bool,
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
        let outbox = Outbox::new(Arc::clone(&ports.audit));
        let orchestrator = Self {
            rules,
            ports,
            metrics,
            bundles,
            mailbox,
            handle: handle.clone(),
            state: State::default(),
            attempts,
            outbox,
            backlog: Vec::new(),
            retry_store_at: None,
            must_reload: false,
            last_now,
            must_rearm: false,
            drained: None,
        };
        (handle, orchestrator)
    }

    /// Loads the store, recovers, and serves until [`OrchestratorHandle::stop`].
    ///
    /// # Errors
    /// When the store cannot be read, or what recovery decided cannot be written.
    pub async fn run(mut self) -> Result<(), StoreError> {
        let audit_outbox = self.load().await?;
        self.outbox.restore(audit_outbox).await;
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
        if self.outbox.finish().await && !self.must_reload {
            // A failure costs nothing: at the next start these events are found in the trail.
            let _ = self.ports.store.commit(&[], self.outbox.commit(&[])).await;
        }
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
        if now + CLOCK_STEP < self.last_now {
            tracing::warn!(%now, "the clock went back; next run times are set anew");
            self.must_rearm = true;
            // The time to try again was meant by the clock as it was.
            self.retry_store_at = self.retry_store_at.map(|_| now);
        }
        let may_work = self.retry_store_at.is_none_or(|at| now >= at);
        self.last_now = now;

        let mut step = Step::new(&mut self.state, &self.rules, self.ports.ids.as_ref(), now);
        let mut replies: Vec<PendingReply> = Vec::new();
        let mut reports: Vec<Report> = std::mem::take(&mut self.backlog);
        let (mut stop, mut prune_again) = (false, false);
        if self.must_rearm {
            step.rearm();
        }
        for message in batch {
            match message {
                Message::Command(command) => replies.push(decide_command(&mut step, command)),
                Message::Report(report) => reports.push(report),
                Message::Tick => {}
                Message::Prune => prune_again |= may_work && step.prune(PRUNED_PER_BATCH),
                Message::Drain { drained } => {
                    step.state.drain();
                    self.handle.ready.store(false, Ordering::Release);
                    self.drained = Some(drained);
                }
                Message::Stop => stop = true,
            }
        }
        if may_work || stop {
            reports.iter().for_each(|report| decide_report(&mut step, report));
        }
        if stop {
            let attempts = &self.attempts;
            step.stop_running(|job| attempts.was_sent(job));
        } else if may_work {
            step.tick(DUE_PER_BATCH);
        }
        let decided = step.decided();
        let committed = self.commit(decided, replies).await;
        if !(may_work || stop) || !committed {
            self.backlog = reports;
        } else {
            reports.iter().for_each(acknowledge);
        }
        self.must_rearm &= !committed;
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
            let outbox = self.outbox.commit(&audit);
            let committed = self.ports.store.commit(&changes, outbox).await;
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
            let (stored, written_up_to) = (outbox.events.len() as u64, outbox.written_up_to);
            self.outbox.committed(stored, written_up_to);
            if self.retry_store_at.take().is_some() {
                tracing::info!("the store can be written again");
            }
            self.handle.status.set_store_fault(None);
            self.handle.view.publish(&changes);
            observe::changes(&self.metrics, &changes);
            lateness.iter().for_each(|late| self.metrics.fire_lateness(late.as_seconds_f64()));
        }
        self.perform(effects, &changes);
        self.outbox.record(audit, self.last_now).await;
        replies.into_iter().for_each(|reply| reply(true));
        true
    }

    fn perform(&mut self, effects: Vec<Effect>, changes: &[Change]) {
        for effect in effects {
            match effect {
                Effect::StartAttempt(call) => self.attempts.start(*call),
                Effect::StopAttempt(job) => self.attempts.stop(job),
                Effect::AbandonAttempt(job) => self.attempts.abandon(job),
                Effect::AskTarget(target) => self.attempts.ask(target),
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

    /// Takes over what is stored; returns the audit outbox.
    async fn load(&mut self) -> Result<Vec<OutboxEntry>, StoreError> {
        let mut stored = self.ports.store.load().await?;
        let audit_outbox = std::mem::take(&mut stored.audit_outbox);
        self.handle.status.set_damaged_rows(stored.damaged_rows);
        let state = State::restore(stored);
        self.handle.view.reset(state.schedules(), state.jobs());
        self.state = state;
        Ok(audit_outbox)
    }

    /// After a commit that was perhaps applied: reads what is really stored. True when that worked.
    async fn reload(&mut self, now: Timestamp) -> bool {
        let (draining, targets) = (self.state.is_draining(), self.state.targets());
        let audit_outbox = match self.load().await {
            Ok(audit_outbox) => audit_outbox,
            Err(error) => {
                tracing::error!(%error, "the store cannot be read again after a commit with an unknown outcome");
                self.retry_store_at = Some(now + STORE_RETRY);
                self.handle.status.set_store_fault(Some(error.to_string()));
                return false;
            }
        };
        self.must_reload = false;
        self.outbox.restore_later(audit_outbox).await;
        // Not stored, so whatever the commit came to it is as it was.
        targets
            .into_iter()
            .for_each(|(name, target)| self.state.apply(&Change::Target { name, before: None, after: Some(target) }));
        if draining {
            self.state.drain();
        }
        // What was committed but never performed: attempts that nobody started.
        let calls: Vec<TaskCall> =
            self.state.attempts_under_way(&self.rules.catalog).filter(|call| !self.attempts.knows(call)).collect();
        calls.into_iter().for_each(|call| self.attempts.start(call));
        // And attempts that nobody stopped. To stop one that has been stopped does nothing.
        let stopping = self.state.jobs().filter(|job| job.is_active() && (job.cancel_requested_by.is_some() || job.aborting));
        stopping.for_each(|job| self.attempts.stop(job.id));
        true
    }

    /// While it is not known what is stored, nothing is decided. Reports are kept.
    fn refuse(&mut self, batch: Vec<Message>) -> bool {
        let mut stop = false;
        for message in batch {
            match message {
                Message::Command(command) => command.refuse(CommandError::StoreUnavailable),
                Message::Report(report) => self.backlog.push(report),
                Message::Drain { drained } => {
                    self.state.drain();
                    self.handle.ready.store(false, Ordering::Release);
                    self.drained = Some(drained);
                }
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

fn decide_report(step: &mut Step<'_>, report: &Report) {
    match report {
        Report::Target { name, answer } => step.target_answered(name, answer),
        Report::Attempt { id, news } => match news {
            AttemptNews::Reported(report) => {
                let jitter = step.ids.unit_random();
                step.attempt_reported(*id, report.clone(), jitter);
            }
            AttemptNews::Stopped { sent } => step.attempt_stopped(*id, *sent),
            AttemptNews::Checkpoint { checkpoint, .. } => step.checkpoint_reported(*id, checkpoint.clone()),
            AttemptNews::Progress(percent) => step.progress_reported(*id, *percent),
        },
    }
}

/// Tells who waits for it that a report is durable.
fn acknowledge(report: &Report) {
    if let Report::Attempt { news: AttemptNews::Checkpoint { kept, .. }, .. } = report {
        kept.notify_one();
    }
}

fn decide_command(step: &mut Step<'_>, command: Command) -> PendingReply {
    if step.state.is_draining() && !matches!(command, Command::CancelJob { .. }) {
        return Box::new(move |_| command.refuse(CommandError::Stopped));
    }
    match command {
        Command::CreateSchedule { caller, input, idempotency, reply } => {
            let operation = Operation { name: "create_schedule", object: "" };
            let create = |step: &mut Step<'_>| step.create_schedule(&caller, *input?);
            answer(reply, step.alone(|step| step.once(&caller, operation, idempotency, create)))
        }
        Command::ReplaceSchedule { caller, id, input, precondition, reply } => {
            answer(reply, step.alone(|step| step.replace_schedule(&caller, &id, *input, &precondition)))
        }
        Command::PatchSchedule { caller, id, patch, prepared, precondition, reply } => {
            answer(reply, step.alone(|step| step.patch_schedule(&caller, &id, &patch, prepared, &precondition)))
        }
        Command::DeleteSchedule { caller, id, precondition, reply } => {
            answer(reply, step.alone(|step| step.delete_schedule(&caller, &id, &precondition)))
        }
        Command::SetEnabled { caller, id, enabled, precondition, reply } => {
            answer(reply, step.alone(|step| step.set_enabled(&caller, &id, enabled, &precondition)))
        }
        Command::RunSchedule { caller, id, force, only, idempotency, reply } => {
            let operation = Operation { name: "run_schedule", object: &format!("schedule/{id}") };
            let run = |step: &mut Step<'_>| step.run_schedule(&caller, &id, force, only.as_deref());
            answer(reply, step.alone(|step| step.once(&caller, operation, idempotency, run)))
        }
        Command::RetryJob { caller, id, idempotency, reply } => {
            let operation = Operation { name: "retry_job", object: &format!("job/{id}") };
            let retry = |step: &mut Step<'_>| step.retry_job(&caller, id);
            answer(reply, step.alone(|step| step.once(&caller, operation, idempotency, retry)))
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
