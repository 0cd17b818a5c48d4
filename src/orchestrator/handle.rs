//! The way in: one documented method per command. Hides the actor's mailbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::error::CommandError;
use super::explain::WaitingRules;
use super::message::{Command, Message, Prepared, ScheduleHold};
use super::precondition::Precondition;
use super::probes::SharedStatus;
use super::view::ReadView;
use crate::domain::catalog::Catalog;
use crate::domain::fields::FieldError;
use crate::domain::freeze::{Freeze, FreezeInput};
use crate::domain::idempotency::{Answered, IdempotentRequest};
use crate::domain::ids::{FreezeId, JobId, ScheduleId};
use crate::domain::job::Job;
use crate::domain::pause::{self, PauseInput};
use crate::domain::ports::Clock;
use crate::domain::principal::Caller;
use crate::domain::schedule::Schedule;
use crate::domain::schedule_input::{self, ScheduleInput};
use crate::domain::target_input::{DEFAULT_TARGET, names_outside};

/// How many messages wait at most. One message is one HTTP request or one finished attempt, and a batch of this size commits in
/// some ten milliseconds, so a longer queue would only hide an overload behind latency.
pub(super) const MAILBOX_CAPACITY: usize = 1024;

/// Talks to the orchestrator. Cheap to clone; the actor ends when it is told to, not when handles go away.
#[derive(Clone)]
pub struct OrchestratorHandle {
    pub(super) mailbox: mpsc::Sender<Message>,
    pub(super) view: ReadView,
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) status: SharedStatus,
    pub(super) waiting: WaitingRules,
}

impl OrchestratorHandle {
    /// Creates a schedule from a request document (the fields of the schedule table); without an `id` the service makes one. What
    /// was answered under an idempotency key is answered again.
    ///
    /// # Errors
    /// `Invalid`, `IdTaken`, `TooManySchedules`, `IdempotencyKeyReused`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn create_schedule(
        &self,
        caller: Caller,
        document: &Value,
        idempotency: Option<IdempotentRequest>,
    ) -> Result<Answered<Schedule>, CommandError> {
        let input = self.read(&caller, document)?.map_err(CommandError::Invalid);
        // Under a key the actor is asked first: what was accepted once may break a rule today, and its answer stands.
        let input = if idempotency.is_some() { input } else { Ok(input?) };
        self.ask(|reply| Command::CreateSchedule { caller, input, idempotency, reply }).await
    }

    /// Replaces a schedule's definition. A document that says what is already there changes nothing. With `dry_run` nothing is done, and the
    /// answer is what it would have been.
    ///
    /// # Errors
    /// `Invalid`, `ScheduleNotFound`, `PreconditionFailed`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn replace_schedule(
        &self,
        caller: Caller,
        id: ScheduleId,
        document: &Value,
        precondition: Precondition,
        dry_run: bool,
    ) -> Result<Arc<Schedule>, CommandError> {
        // Unknown ids are 404 whatever the document says.
        let known = self.view.schedule(&id);
        self.permit(&caller, known.as_deref())?;
        let known = known.is_some();
        if known && names_outside(document, &caller.access, &self.catalog, Some(DEFAULT_TARGET)) {
            return Err(CommandError::OutsideAccess);
        }
        let input = schedule_input::parse(document, &self.catalog.within(&caller.access), self.clock.now());
        let input = input.map_err(|errors| invalid_or_gone(&id, known, errors))?;
        self.ask(|reply| Command::ReplaceSchedule { caller, id, input: Box::new(input), precondition, dry_run, reply }).await
    }

    /// Applies a JSON merge patch (RFC 7396) to a schedule's definition.
    ///
    /// # Errors
    /// `Invalid`, `ScheduleNotFound`, `PreconditionFailed`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn patch_schedule(
        &self,
        caller: Caller,
        id: ScheduleId,
        patch: Value,
        precondition: Precondition,
    ) -> Result<Arc<Schedule>, CommandError> {
        // Reading a cron expression can take a millisecond: not in the loop, where everybody waits for it.
        let current = self.view.schedule(&id);
        self.permit(&caller, current.as_deref())?;
        let prepared = match current {
            Some(current) => {
                if names_outside(&patch, &caller.access, &self.catalog, None) {
                    return Err(CommandError::OutsideAccess);
                }
                let catalog = self.catalog.within(&caller.access);
                let input = schedule_input::parse_patch(&current.definition, &patch, &catalog, self.clock.now());
                Some(Prepared { version: current.version, input: Box::new(input.map_err(CommandError::Invalid)?) })
            }
            // The actor knows best: while the store is in doubt, nothing can be said of what is not there.
            None => None,
        };
        self.ask(|reply| Command::PatchSchedule { caller, id, patch, prepared, precondition, reply }).await
    }

    /// Deletes a schedule. Its waiting job is skipped, its running job goes on.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `PreconditionFailed`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn delete_schedule(&self, caller: Caller, id: ScheduleId, precondition: Precondition) -> Result<(), CommandError> {
        self.ask(|reply| Command::DeleteSchedule { caller, id, precondition, reply }).await
    }

    /// Enables or disables a schedule; nothing happens when it already is.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `PreconditionFailed`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn set_enabled(
        &self,
        caller: Caller,
        id: ScheduleId,
        enabled: bool,
        precondition: Precondition,
    ) -> Result<Arc<Schedule>, CommandError> {
        self.ask(|reply| Command::SetEnabled { caller, id, enabled, precondition, reply }).await
    }

    /// Makes a job now for each of the schedule's targets, or for `only` one of them; answers with the first. Outside the window it is
    /// made and skipped at once, unless forced. A disabled schedule can be run. What was answered under an idempotency key is
    /// answered again.
    ///
    /// # Errors
    /// `Invalid`, `ScheduleNotFound`, `JobActive`, `IdempotencyKeyReused`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn run_schedule(
        &self,
        caller: Caller,
        id: ScheduleId,
        force: bool,
        only: Option<String>,
        idempotency: Option<IdempotentRequest>,
    ) -> Result<Answered<Job>, CommandError> {
        self.ask(|reply| Command::RunSchedule { caller, id, force, only, idempotency, reply }).await
    }

    /// Makes a job that does what another one left undone: tasks that succeeded are taken over, the others run. What was answered
    /// under an idempotency key is answered again.
    ///
    /// # Errors
    /// `JobNotFound`, `JobActive`, `JobSucceeded`, `IdempotencyKeyReused`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn retry_job(
        &self,
        caller: Caller,
        id: JobId,
        idempotency: Option<IdempotentRequest>,
    ) -> Result<Answered<Job>, CommandError> {
        self.ask(|reply| Command::RetryJob { caller, id, idempotency, reply }).await
    }

    /// Cancels a job. A running call is stopped, and the job ends when it has stopped.
    ///
    /// # Errors
    /// `JobNotFound`, `JobOver`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn cancel_job(&self, caller: Caller, id: JobId) -> Result<Arc<Job>, CommandError> {
        self.ask(|reply| Command::CancelJob { caller, id, reply }).await
    }

    /// What creating a schedule would answer; nothing of it is done.
    ///
    /// # Errors
    /// As [`OrchestratorHandle::create_schedule`], but for the idempotency key.
    pub async fn try_create_schedule(&self, caller: Caller, document: &Value) -> Result<Arc<Schedule>, CommandError> {
        let input = self.read(&caller, document)?.map_err(CommandError::Invalid)?;
        self.ask(|reply| Command::TryCreateSchedule { caller, input, reply }).await
    }

    /// Pauses a schedule: its fires are skipped until it is resumed, or until a time. Jobs of fires that wait are skipped, too; a job
    /// that runs goes on, and a run by hand is made.
    ///
    /// # Errors
    /// `Invalid`, `ScheduleNotFound`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn pause_schedule(&self, caller: Caller, id: ScheduleId, document: &Value) -> Result<Arc<Schedule>, CommandError> {
        let known = self.view.schedule(&id);
        self.permit(&caller, known.as_deref())?;
        let input =
            PauseInput::parse(document, self.clock.now()).map_err(|errors| invalid_or_gone(&id, known.is_some(), errors))?;
        self.ask(|reply| Command::HoldSchedule { caller, id, hold: ScheduleHold::Pause(input), reply }).await
    }

    /// Ends a schedule's pause, and takes back that a fire is left out. Nothing happens when there is neither.
    ///
    /// # Errors
    /// `ScheduleNotFound`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn resume_schedule(&self, caller: Caller, id: ScheduleId) -> Result<Arc<Schedule>, CommandError> {
        self.ask(|reply| Command::HoldSchedule { caller, id, hold: ScheduleHold::Resume, reply }).await
    }

    /// Leaves the next fire of a schedule out.
    ///
    /// # Errors
    /// `Invalid`, `ScheduleNotFound`, `NoNextFire`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn skip_next_fire(
        &self,
        caller: Caller,
        id: ScheduleId,
        document: Option<&Value>,
    ) -> Result<Arc<Schedule>, CommandError> {
        let known = self.view.schedule(&id);
        self.permit(&caller, known.as_deref())?;
        let reason = pause::parse_skip(document).map_err(|errors| invalid_or_gone(&id, known.is_some(), errors))?;
        self.ask(|reply| Command::HoldSchedule { caller, id, hold: ScheduleHold::SkipNext(reason), reply }).await
    }

    /// Pauses one target, or all: nothing starts there, and jobs that wait for it are skipped. Jobs that run go on.
    ///
    /// # Errors
    /// `Invalid`, `TargetNotFound`, `OutsideAccess`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn pause_targets(&self, caller: Caller, target: Option<String>, document: &Value) -> Result<(), CommandError> {
        match &target {
            Some(name) if !caller.access.allows_all_on(name) => return Err(CommandError::OutsideAccess),
            None if !caller.access.is_unlimited() => return Err(CommandError::OutsideAccess),
            Some(name) if !self.catalog.has_target(name) => return Err(CommandError::TargetNotFound(name.clone())),
            _ => {}
        }
        let input = PauseInput::parse(document, self.clock.now()).map_err(CommandError::Invalid)?;
        self.ask(|reply| Command::HoldTargets { caller, target, input: Some(input), reply }).await
    }

    /// Ends the pause of one target, or the one of all. Nothing happens when there is none.
    ///
    /// # Errors
    /// `TargetNotFound`, `OutsideAccess`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn resume_targets(&self, caller: Caller, target: Option<String>) -> Result<(), CommandError> {
        self.ask(|reply| Command::HoldTargets { caller, target, input: None, reply }).await
    }

    /// Makes a freeze: nothing starts on its targets while it lasts, and jobs that run stop before their next task.
    ///
    /// # Errors
    /// `Invalid`, `OutsideAccess`, `FreezeOverlaps`, `TooManyFreezes`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn create_freeze(&self, caller: Caller, document: &Value) -> Result<Arc<Freeze>, CommandError> {
        if FreezeInput::names_outside(document, &caller.access, &self.catalog) {
            return Err(CommandError::OutsideAccess);
        }
        let catalog = self.catalog.within(&caller.access);
        let input = FreezeInput::parse(document, &catalog, self.clock.now()).map_err(CommandError::Invalid)?;
        self.ask(|reply| Command::CreateFreeze { caller, input, reply }).await
    }

    /// Removes a freeze.
    ///
    /// # Errors
    /// `FreezeNotFound`, `OutsideAccess`, `Busy`, `Stopped`, `StoreUnavailable`.
    pub async fn delete_freeze(&self, caller: Caller, id: FreezeId) -> Result<(), CommandError> {
        self.ask(|reply| Command::DeleteFreeze { caller, id, reply }).await
    }

    /// Posts the heartbeat: look at the clock, and at what is due. Never waits; a beat that finds the mailbox full is not needed.
    pub fn heartbeat(&self) {
        let _ = self.mailbox.try_send(Message::Tick);
    }

    /// Posts that old jobs are to be pruned. Never waits; when the mailbox is full the next minute will do.
    pub fn prune(&self) {
        let _ = self.mailbox.try_send(Message::Prune);
    }

    /// Shutdown, first phase: nothing new starts, and nobody waits for a job any more. Returns when no job runs any more.
    pub async fn drain(&self) {
        self.ready.store(false, Ordering::Release);
        self.view.end_watches();
        let (drained, wait) = oneshot::channel();
        if self.mailbox.send(Message::Drain { drained }).await.is_ok() {
            // The actor ended by itself: nothing runs any more.
            let _ = wait.await;
        }
    }

    /// Shutdown, second phase: what still runs is stopped and recorded, and the actor ends.
    pub async fn stop(&self) {
        // An actor that is gone needs no telling.
        let _ = self.mailbox.send(Message::Stop).await;
    }

    /// What can be read without asking the actor.
    pub fn view(&self) -> &ReadView {
        &self.view
    }

    /// Targets and recipes.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The clock that the rules use.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// True once the store is loaded, and until the service drains.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// True once the store is loaded: before that the view is empty, which says nothing.
    pub fn is_loaded(&self) -> bool {
        self.status.is_loaded()
    }

    /// Returns once the store is loaded and commands are taken; never, when the store cannot be loaded.
    pub async fn started(&self) {
        self.status.started().await;
    }

    /// Jobs under way.
    pub fn running_jobs(&self) -> usize {
        self.view.counts(self.clock.now()).running_jobs
    }

    /// Messages that wait: in the mailbox, or decided and behind a commit.
    pub fn mailbox_depth(&self) -> usize {
        self.mailbox.max_capacity() - self.mailbox.capacity() + self.status.decided()
    }

    /// A handle without an actor, for tests of what stands in front of it: the view shows `committed`, the mailbox has
    /// `capacity` places, and nobody reads it. The second value keeps it open.
    #[cfg(test)]
    pub(crate) fn for_tests(
        catalog: Catalog,
        clock: Arc<dyn Clock>,
        committed: &[crate::domain::ports::Change],
        capacity: usize,
    ) -> (Self, impl Send + Sync + use<>) {
        let (mailbox, receiver) = mpsc::channel(capacity);
        let view = ReadView::default();
        view.publish(committed);
        let (ready, status) = (Arc::new(AtomicBool::new(true)), SharedStatus::default());
        status.set_loaded();
        let waiting = WaitingRules { max_concurrent_jobs: 4, queue_timeout: chrono::TimeDelta::hours(1) };
        (Self { mailbox, view, catalog: Arc::new(catalog), clock, ready, status, waiting }, receiver)
    }

    /// Shows changes as if they had been committed.
    #[cfg(test)]
    pub(crate) fn publish_for_tests(&self, changes: &[crate::domain::ports::Change]) {
        self.view.publish(changes);
    }

    /// Ends all waits, as a shutdown does.
    #[cfg(test)]
    pub(crate) fn end_watches_for_tests(&self) {
        self.view.end_watches();
    }

    /// Sets what [`OrchestratorHandle::is_ready`] says.
    #[cfg(test)]
    pub(crate) fn set_ready_for_tests(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Reads a new schedule. Of one that is not within the caller's limits no rule is judged.
    fn read(&self, caller: &Caller, document: &Value) -> Result<Result<Box<ScheduleInput>, Vec<FieldError>>, CommandError> {
        if names_outside(document, &caller.access, &self.catalog, Some(DEFAULT_TARGET)) {
            return Err(CommandError::OutsideAccess);
        }
        let input = schedule_input::parse(document, &self.catalog.within(&caller.access), self.clock.now());
        Ok(input.map(Box::new))
    }

    /// Lets a limited caller's document be read only if the schedule is within its limits, so that no complaint tells of anything
    /// outside. The actor decides for good.
    fn permit(&self, caller: &Caller, current: Option<&Schedule>) -> Result<(), CommandError> {
        // Without limits, what is not there is for the actor to say.
        let permitted =
            current.map_or_else(|| caller.access.is_unlimited(), |current| current.is_within(&caller.access, &self.catalog));
        if permitted { Ok(()) } else { Err(CommandError::OutsideAccess) }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<Result<T, CommandError>>) -> Command) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.try_send(Message::Command(command(reply))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Stopped,
        })?;
        answer.await.unwrap_or(Err(CommandError::Stopped))
    }
}

/// Unknown ids are 404 whatever the document says.
fn invalid_or_gone(id: &ScheduleId, is_known: bool, errors: Vec<FieldError>) -> CommandError {
    if is_known { CommandError::Invalid(errors) } else { CommandError::ScheduleNotFound(id.clone()) }
}
