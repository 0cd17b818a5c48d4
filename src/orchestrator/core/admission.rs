//! Which waiting jobs start: slots, windows, and what their targets say.
//!
//! A target is left alone while its breaker is open, and while a pre-flight check of it says not now. Its jobs wait meanwhile, for
//! as long as their window lasts, or for the queue timeout.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Effect, Step};
use crate::domain::holds::Hold;
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobState, Reason};
use crate::domain::ports::{Change, TargetAnswer};
use crate::domain::target_state::{Breaker, TargetState};
use crate::domain::time::{format_timestamp, to_delta};

/// Jobs looked at in one admission; more than can run at once.
const ADMITTED_AT_ONCE: usize = 2048;

impl Step<'_> {
    /// Starts waiting jobs while there are slots: the oldest fire first, at most the target's number of jobs at a time.
    ///
    /// Looks at a bounded number of jobs: when a window closes on many, their due entries skip the rest, batch by batch.
    pub fn admit(&mut self) {
        let held = self.skip_held();
        self.ask_for_clearance(&held);
        for _ in 0..ADMITTED_AT_ONCE {
            if self.has_no_slot() {
                return;
            }
            let open = self.state.queues.iter().filter(|(name, queue)| {
                self.has_room(name, queue.running) && self.may_start(name) && !held.contains(name.as_str())
            });
            let oldest = open.filter_map(|(_, queue)| queue.pending.first()).min();
            let Some(job) = oldest.and_then(|(_, id)| self.state.jobs.get(id)).cloned() else { return };
            match job.binding_window().filter(|window| !window.contains(self.now)) {
                Some(_) => self.skip_waiting(&job),
                None => self.start_job(&job),
            }
        }
    }

    /// Skips the jobs that wait for a target that is paused or frozen, and names those targets: nothing starts on them, though there may be
    /// more jobs than are skipped in one admission. The heartbeat brings the next.
    fn skip_held(&mut self) -> BTreeSet<String> {
        if self.state.holds.is_empty() || self.state.draining {
            return BTreeSet::new();
        }
        let held = self.state.queues.iter().filter_map(|(name, queue)| {
            let hold = self.state.holds.on_target(name, self.now)?;
            Some((name, queue, hold))
        });
        let held: Vec<_> = held.collect();
        let names = held.iter().map(|(name, _, _)| (*name).clone()).collect();
        let waiting = held.into_iter().flat_map(|(_, queue, hold)| queue.pending.iter().map(move |(_, id)| (*id, hold.clone())));
        for (id, Hold { reason, message }) in waiting.take(ADMITTED_AT_ONCE).collect::<Vec<_>>() {
            if let Some(job) = self.state.jobs.get(&id).cloned() {
                self.skip_job(&job, reason, message);
            }
        }
        names
    }

    /// A due entry of a job: its next attempt, the moment at which it is stopped, or the end of the window in which it waits.
    pub(super) fn job_due(&mut self, id: JobId) {
        let Some(job) = self.state.jobs.get(&id).cloned() else { return };
        if job.state == JobState::Pending {
            self.skip_waiting(&job);
        } else if job.abort_at().is_some_and(|at| at <= self.now) {
            self.abort(&job);
        } else if let Some(index) = job.running_task() {
            self.retry(&job, index);
        }
    }

    /// The window closed on a job that waited: for a slot, or for a target that lets nothing start.
    fn skip_waiting(&mut self, job: &Arc<Job>) {
        let window = job.definition.window;
        let (reason, message) = match self.state.target(&job.target).filter(|target| target.is_shut()) {
            Some(target) => {
                let why = target.reason.as_deref().unwrap_or("it lets nothing start");
                (
                    Reason::QueueTimeout,
                    format!("the window {window} closed while the job waited for target '{}': {why}", job.target),
                )
            }
            None => (Reason::WindowClosed, format!("the window {window} closed while the job waited for a slot")),
        };
        self.skip_job(job, reason, message);
    }

    /// An entry of a target is due: the breaker's next question, or the end of a postponement.
    pub(super) fn target_due(&mut self, name: &str) {
        self.give_up_waiting(name);
        let breaker = self.state.target(name).map_or(Breaker::Closed, |target| target.breaker);
        if breaker == Breaker::Open {
            let asked_already = self.state.target(name).is_some_and(|target| target.asking);
            self.put_target(name, |target| TargetState {
                breaker: Breaker::HalfOpen,
                ask_at: None,
                asking: true,
                ..target.clone()
            });
            if !asked_already {
                self.effects.push(Effect::AskTarget(name.to_owned()));
            }
        } else {
            // Asked at the next admission, when there is a slot for who waits.
            self.put_target(name, |target| TargetState { ask_at: None, ..target.clone() });
        }
    }

    /// A target answered whether jobs may start on it.
    pub fn target_answered(&mut self, name: &str, answer: &TargetAnswer) {
        let Some(asked) = self.state.target(name).filter(|target| target.asking).cloned() else { return };
        let (now, rule) = (self.now, self.rules.catalog.breaker(name));
        let preflight = self.rules.catalog.preflight(name).map(to_delta);
        let next = match (answer, preflight) {
            (TargetAnswer::Ready, preflight) => TargetState { cleared: preflight.is_some(), ..TargetState::default() },
            (TargetAnswer::Postpone(why), Some(interval)) => asked.postponed(why.clone(), now + interval, now),
            // Without checks only the rate limit can have held the question back: whether it answers is not known yet.
            (TargetAnswer::Postpone(why), None) => asked.question_in_vain(why, rule, now),
            (TargetAnswer::Unreachable(why), preflight) => {
                let next = asked.question_in_vain(why, rule, now);
                match (next.breaker, preflight) {
                    // Not often enough to open the breaker, but without an answer there is no clearance.
                    (Breaker::Closed, Some(interval)) => {
                        TargetState { failures: next.failures, ..next.postponed(why.clone(), now + interval, now) }
                    }
                    _ => next,
                }
            }
        };
        self.put_target(name, |_| next);
        self.give_up_waiting(name);
        self.admit();
        // Said for now, not for a job that comes in an hour.
        self.put_target(name, |target| TargetState { cleared: false, ..target.clone() });
    }

    /// Notes whether an attempt on a target got an answer.
    pub(super) fn note_contact(&mut self, name: &str, answered: Option<bool>, why: Option<&str>) {
        let rule = self.rules.catalog.breaker(name);
        let now = self.now;
        match answered {
            Some(true) => self.put_target(name, TargetState::with_answer),
            Some(false) => self.put_target(name, |target| target.without_answer(why.unwrap_or("no answer"), rule, now)),
            None => {}
        }
    }

    /// Changes what is known of a target.
    fn put_target(&mut self, name: &str, change: impl FnOnce(&TargetState) -> TargetState) {
        let before = self.state.target(name).cloned();
        let usual = TargetState::default();
        let next = change(before.as_deref().unwrap_or(&usual));
        let after = (next != usual).then(|| Arc::new(next));
        if before != after {
            self.push(Change::Target { name: name.to_owned(), before, after });
        }
    }

    /// Asks the targets with pre-flight checks on which a job could start.
    fn ask_for_clearance(&mut self, held: &BTreeSet<String>) {
        let waits = |name: &str| self.state.queues.get(name).is_some_and(|queue| !queue.pending.is_empty());
        let over = self.state.targets.iter().filter(|(name, target)| is_quiet(target) && target.is_shut() && !waits(name));
        let over: Vec<String> = over.map(|(name, _)| name.clone()).collect();
        // Nobody waits any more, so what was said does not matter.
        over.iter().for_each(|name| self.put_target(name, |_| TargetState::default()));
        if self.has_no_slot() {
            return;
        }
        let wanted = self.state.queues.iter().filter(|(name, queue)| {
            !queue.pending.is_empty()
                && !held.contains(name.as_str())
                && self.rules.catalog.preflight(name).is_some()
                && self.has_room(name, queue.running)
                && self.state.target(name).is_none_or(|target| is_quiet(target))
        });
        let wanted: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        for name in wanted {
            self.put_target(&name, |target| TargetState { asking: true, ..target.clone() });
            self.effects.push(Effect::AskTarget(name));
        }
    }

    fn has_no_slot(&self) -> bool {
        self.state.draining || self.state.running >= self.rules.max_concurrent_jobs
    }

    fn has_room(&self, target: &str, running: usize) -> bool {
        running < self.rules.catalog.max_concurrent_jobs(target)
    }

    /// True when the target itself lets a job start.
    fn may_start(&self, name: &str) -> bool {
        let target = self.state.target(name);
        let reachable = target.is_none_or(|target| target.breaker == Breaker::Closed);
        let cleared = self.rules.catalog.preflight(name).is_none() || target.is_some_and(|target| target.cleared);
        reachable && cleared
    }

    /// A job starts on a target: the next one has to be cleared anew.
    pub(super) fn use_clearance(&mut self, name: &str) {
        if self.state.target(name).is_some_and(|target| target.cleared) {
            self.put_target(name, |target| TargetState { cleared: false, ..target.clone() });
        }
    }

    /// Skips the jobs that have waited for a shut target as long as they may.
    fn give_up_waiting(&mut self, name: &str) {
        let Some(target) = self.state.target(name).cloned() else { return };
        let (Some(since), Some(queue)) = (target.shut_since, self.state.queues.get(name)) else { return };
        let waited_enough = |job: &&Arc<Job>| self.now - job.created_at.max(since) >= self.rules.queue_timeout;
        let waiting = queue.pending.iter().filter_map(|(_, id)| self.state.jobs.get(id));
        let given_up: Vec<Arc<Job>> = waiting.filter(waited_enough).cloned().collect();
        let why = target.reason.as_deref().unwrap_or("it lets nothing start");
        for job in given_up {
            let message = format!("target '{name}' has let nothing start since {}: {why}", format_timestamp(since));
            self.skip_job(&job, Reason::QueueTimeout, message);
        }
    }
}

/// True when a target is reachable, and neither asked nor about to be asked nor cleared.
fn is_quiet(target: &TargetState) -> bool {
    target.breaker == Breaker::Closed && !target.asking && !target.cleared && target.ask_at.is_none()
}
