//! The loop: drain, decide, commit, publish, act, reply; the next batch is decided while one is being committed.

mod loading;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot};

use super::attempts::Attempts;
use super::batch::{BATCH, Batch, DUE_PER_BATCH, acknowledge, contacts, decide_command, decide_report};
use super::commit::{Commit, Committed, committed};
use super::core::{Decided, Effect, Rules, State, Step};
use super::error::CommandError;
use super::explain::WaitingRules;
use super::handle::{MAILBOX_CAPACITY, OrchestratorHandle};
use super::message::{Message, Report};
use super::observe;
use super::outbox::Outbox;
use super::probes::SharedStatus;
use super::view::ReadView;
use crate::domain::audit::EncodedEvent;
use crate::domain::ports::{AuditSink, Change, Clock, IdSource, Store, StoreError, TaskExecutor};
use crate::domain::schedule_input::ScheduleInput;
use crate::domain::time::Timestamp;
use crate::telemetry::{Metrics, log_together};

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
    /// A phase of the shutdown that waits for a commit.
    held: Option<Message>,
    drained: Option<oneshot::Sender<()>>,
}

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
            waiting: WaitingRules { max_concurrent_jobs: rules.max_concurrent_jobs, queue_timeout: rules.queue_timeout },
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
            held: None,
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
        let recovered = Batch { decided: step.decided(), ..Batch::default() };
        if let Some(commit) = self.begin(recovered).await {
            let ended = committed(&mut Some(commit)).await;
            let Some((recovered, events)) = self.settle(ended, &mut Batch::default()) else {
                return Err(StoreError::NotApplied("what recovery decided could not be written".to_owned()));
            };
            self.finish(recovered, events).await;
        }
        // Loading counts as a turn: the probe must not find a loop that seems to stand still since 1970.
        self.handle.status.turned(self.ports.clock.now());
        self.handle.status.set_loaded();
        self.handle.ready.store(true, Ordering::Release);
        self.handle.status.set_started();
        let counts = self.handle.view.counts(self.ports.clock.now());
        tracing::info!(schedules = counts.total_schedules, enabled = counts.enabled_schedules, "orchestrator ready");
        self.serve().await;
        self.attempts.wind_up(self.mailbox).await;
        if let Some(position) = self.outbox.finish().await.filter(|_| !self.must_reload) {
            // A failure costs nothing: at the next start these events are found in the trail.
            let _ = self.ports.store.commit(&[], position.commit(&[])).await;
        }
        self.ports.store.close().await;
        Ok(())
    }

    /// Decides and commits until it is told to stop. While a batch is on its way to the disk the next one is decided, on the assumption
    /// that the first will get there; if it does not, both are taken back. A next one that is full is written down in the meantime.
    async fn serve(&mut self) {
        let mut batch = Batch::default();
        let mut under_way: Option<Commit> = None;
        // Full, and behind the one that is under way.
        let mut following: Option<Commit> = None;
        let mut stopping = false;
        loop {
            if under_way.is_none() {
                self.handle.status.turned(self.ports.clock.now());
                if let Some(message) = self.held.take() {
                    self.decide(vec![message], &mut batch).await;
                }
                if !batch.is_empty() {
                    stopping = batch.stop;
                    under_way = self.begin(std::mem::take(&mut batch)).await;
                    if under_way.is_none() {
                        continue;
                    }
                } else if stopping {
                    return;
                } else {
                    self.answer_drained();
                }
            } else if let Some(commit) = under_way.as_mut().filter(|_| following.is_none() && batch.is_full()) {
                let (batch, store) = (std::mem::take(&mut batch), Arc::clone(&self.ports.store));
                following = Some(commit.follow(batch, store, self.outbox.written_up_to()));
            }
            let follow = following.as_ref().map_or(0, |commit| commit.messages);
            self.handle.status.set_decided(follow + batch.messages);
            self.metrics.set_mailbox_depth(self.handle.mailbox_depth());
            let may_decide = !stopping
                && following.is_none()
                && (under_way.is_none() || (self.retry_store_at.is_none() && self.held.is_none()));
            let due = self.state.next_due().map(|at| self.retry_store_at.map_or(at, |retry| at.max(retry)));
            tokio::select! {
                biased;
                ended = committed(&mut under_way) => {
                    under_way = following.take();
                    if ended.result.is_err() && under_way.is_some() {
                        // It was not sent.
                        batch = committed(&mut under_way).await.batch;
                        under_way = None;
                    }
                    if let Some((settled, events)) = self.settle(ended, &mut batch) {
                        // The disk is the slowest of all: it gets the next batch before the rest of this one is done.
                        if under_way.is_none() && !batch.decided.changes.is_empty() {
                            under_way = self.begin(std::mem::take(&mut batch)).await;
                        }
                        self.finish(settled, events).await;
                    }
                }
                message = self.mailbox.recv(), if may_decide && batch.messages < BATCH => {
                    let Some(message) = message else { return };
                    let messages = self.queued(message, BATCH - batch.messages, under_way.is_some());
                    self.decide(messages, &mut batch).await;
                }
                () = sleep_until(self.ports.clock.as_ref(), due), if due.is_some() && may_decide && batch.due < DUE_PER_BATCH => {
                    self.decide(vec![Message::Tick], &mut batch).await;
                }
            }
        }
    }

    /// The first message and those that have queued up behind it. The phases of a shutdown wait until what was decided before them is
    /// committed: they look at what is really under way.
    fn queued(&mut self, first: Message, most: usize, is_committing: bool) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            if is_committing && matches!(message, Message::Drain { .. } | Message::Stop) {
                self.held = Some(message);
                break;
            }
            messages.push(message);
            next = if messages.len() < most { self.mailbox.try_recv().ok() } else { None };
        }
        messages
    }

    /// Decides messages, and what is due, as part of a batch.
    async fn decide(&mut self, messages: Vec<Message>, batch: &mut Batch) {
        let now = self.ports.clock.now();
        batch.messages += messages.len();
        if self.must_reload && !self.reload(now).await {
            batch.stop |= self.refuse(messages);
            return;
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
        let mut reports: Vec<Report> = std::mem::take(&mut self.backlog);
        if std::mem::take(&mut self.must_rearm) {
            step.rearm();
            batch.rearmed = true;
        }
        for message in messages {
            match message {
                Message::Command(command) => batch.replies.push(decide_command(&mut step, command)),
                Message::Report(report) => reports.push(report),
                Message::Tick => {}
                Message::Prune => batch.prune_again |= may_work && step.prune(PRUNED_PER_BATCH),
                Message::Drain { drained } => {
                    step.state.drain();
                    self.handle.ready.store(false, Ordering::Release);
                    self.drained = Some(drained);
                }
                Message::Stop => batch.stop = true,
            }
        }
        if may_work || batch.stop {
            reports.iter().for_each(|report| decide_report(&mut step, report));
            batch.reports.append(&mut reports);
        }
        if batch.stop {
            let attempts = &self.attempts;
            step.stop_running(|job| attempts.was_sent(job));
        } else if may_work {
            batch.due += step.tick(DUE_PER_BATCH - batch.due);
        }
        batch.decided.extend(step.decided());
        self.backlog = reports;
    }

    /// Sends a batch to the store. One that changes nothing is done at once, and then there is no commit.
    async fn begin(&mut self, batch: Batch) -> Option<Commit> {
        // After a failure an empty commit asks whether the store can be written again.
        let recovering = self.retry_store_at.is_some_and(|at| self.last_now >= at);
        if batch.decided.changes.is_empty() && !recovering {
            let events = batch.encoded_events();
            self.finish(batch, events).await;
            return None;
        }
        let position = self.outbox.position();
        let store = Arc::clone(&self.ports.store);
        Some(Commit::begin(batch, store, position))
    }

    /// A commit has ended. If it failed it is taken back, and with it what was decided after it; then `None`.
    fn settle(&mut self, ended: Committed, next: &mut Batch) -> Option<(Batch, Vec<EncodedEvent>)> {
        let Committed { batch, events, position, result, seconds } = ended;
        self.metrics.store_commit(seconds);
        self.handle.status.turned(self.ports.clock.now());
        if let Err(error) = result {
            let changes = batch.decided.changes.len();
            tracing::error!(%error, changes, "the store cannot be written; nothing has changed");
            self.must_reload = matches!(error, StoreError::PerhapsApplied(_));
            self.retry_store_at = Some(self.last_now + STORE_RETRY);
            self.handle.status.set_store_fault(Some(error.to_string()));
            self.take_back(std::mem::take(next));
            self.take_back(batch);
            return None;
        }
        self.outbox.committed(position, events.len());
        if self.retry_store_at.take().is_some() {
            tracing::info!("the store can be written again");
        }
        self.handle.status.set_store_fault(None);
        Some((batch, events))
    }

    fn take_back(&mut self, batch: Batch) {
        self.state.undo(&batch.decided.changes);
        batch.replies.into_iter().for_each(|reply| reply(false));
        // Before those that were told later.
        self.backlog.splice(..0, batch.reports);
        self.must_rearm |= batch.rearmed;
        self.prune_again(batch.prune_again);
    }

    /// Makes visible what was committed, performs it and replies.
    async fn finish(&mut self, batch: Batch, events: Vec<EncodedEvent>) {
        let Decided { changes, effects, lateness, .. } = batch.decided;
        self.handle.view.publish(&changes);
        log_together(|| observe::changes(&self.metrics, &changes));
        lateness.iter().for_each(|late| self.metrics.fire_lateness(late.as_seconds_f64()));
        self.perform(effects, &changes);
        self.outbox.record(events, self.last_now).await;
        batch.replies.into_iter().for_each(|reply| reply(true));
        self.handle.view.note_contacts(contacts(&batch.reports, &self.handle.view, self.last_now));
        batch.reports.iter().for_each(acknowledge);
        self.prune_again(batch.prune_again);
    }

    fn prune_again(&self, wanted: bool) {
        if wanted {
            // Behind whoever waits: a full mailbox means that the next minute's pruning goes on.
            let _ = self.handle.mailbox.try_send(Message::Prune);
        }
    }

    fn answer_drained(&mut self) {
        if self.state.running_jobs() == 0
            && let Some(drained) = self.drained.take()
        {
            // Nobody waits for it any more when the deadline has passed.
            let _ = drained.send(());
        }
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
