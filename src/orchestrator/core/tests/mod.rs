//! A world in which the rules can be driven: a state, a clock that is a number, ids that count.

mod access;
mod adoption;
mod edits;
mod fires;
mod holds;
mod keys;
mod lists;
mod properties;
mod retries;
mod runs;
mod several_targets;
mod target_gates;
mod window_ends;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::Value;
use uuid::Uuid;

use super::{AttemptId, Decided, Effect, Operation, Rules, State, Step};
use crate::domain::access::Access;
use crate::domain::catalog::{BreakerRule, Catalog, TargetCatalog};
use crate::domain::freeze::Freeze;
use crate::domain::idempotency::{Answered, IdempotencyRecord, IdempotentRequest};
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::{Job, JobState, Outcome, Reason, Trigger};
use crate::domain::pause::{Pause, PausePlace};
use crate::domain::ports::{AttemptReport, IdSource, StoredState, TargetAnswer, TaskCall};
use crate::domain::principal::Caller;
use crate::domain::schedule::Schedule;
use crate::domain::schedule_input;
use crate::domain::time::Timestamp;
use crate::orchestrator::error::CommandError;
use crate::orchestrator::precondition::Precondition;

pub(super) struct CountingIds(AtomicU64);

impl IdSource for CountingIds {
    fn new_uuid(&self, _now: Timestamp) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)))
    }

    fn unit_random(&self) -> f64 {
        0.5
    }
}

pub(super) struct World {
    pub state: State,
    pub rules: Rules,
    pub ids: CountingIds,
    pub now: Timestamp,
    /// Attempts that were started and have not reported.
    pub under_way: Vec<TaskCall>,
    pub stops: Vec<JobId>,
    /// Targets that were asked and have not answered.
    pub asked: Vec<String>,
    /// Answers of runs under keys, by schedule and key, and until when they stand.
    pub answers: HashMap<(String, String), (Timestamp, Arc<Job>)>,
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl World {
    /// Three targets: `default` runs one job at a time, `wide` two, `guarded` one, and it is asked before each; three jobs in all.
    /// Breakers open at the second failure. `all` is a group of the three.
    pub fn new(now: &str) -> Self {
        let breaker = BreakerRule { failures: 2, cooldown: Duration::from_secs(10) };
        let target = |max_concurrent_jobs| TargetCatalog { max_concurrent_jobs, breaker, ..TargetCatalog::default() };
        let guarded = TargetCatalog { preflight: Some(Duration::from_secs(30)), ..target(1) };
        let targets = [("default", target(1)), ("wide", target(2)), ("guarded", guarded)];
        let all = ["default", "wide", "guarded"].map(str::to_owned).to_vec();
        let catalog = Catalog::new(targets.into_iter().map(|(name, target)| (name.to_owned(), target)).collect());
        let rules = Rules {
            max_concurrent_jobs: 3,
            max_schedules: 10,
            job_retention: TimeDelta::hours(24),
            misfire_grace: TimeDelta::seconds(60),
            queue_timeout: TimeDelta::hours(1),
            catalog: Arc::new(catalog.with_groups(BTreeMap::from([("all".to_owned(), all)]))),
        };
        let ids = CountingIds(AtomicU64::new(1));
        Self {
            state: State::default(),
            rules,
            ids,
            now: at(now),
            under_way: Vec::new(),
            stops: Vec::new(),
            asked: Vec::new(),
            answers: HashMap::new(),
        }
    }

    /// Decides one thing and performs its effects.
    pub fn decide<T>(&mut self, decide: impl FnOnce(&mut Step<'_>) -> T) -> T {
        let mut step = Step::new(&mut self.state, &self.rules, &self.ids, self.now);
        let result = decide(&mut step);
        let decided = step.decided();
        self.perform(decided);
        result
    }

    pub fn perform(&mut self, decided: Decided) {
        for effect in decided.effects {
            match effect {
                Effect::StartAttempt(call) => self.under_way.push(*call),
                Effect::StopAttempt(job) => self.stops.push(job),
                Effect::AbandonAttempt(job) => self.under_way.retain(|call| call.job_id != job),
                Effect::AskTarget(target) => self.asked.push(target),
            }
        }
    }

    pub fn create(&mut self, document: Value) -> Arc<Schedule> {
        self.try_create(document).unwrap()
    }

    pub fn try_create(&mut self, document: Value) -> Result<Arc<Schedule>, CommandError> {
        let input = schedule_input::parse(&document, &self.rules.catalog, self.now).map_err(CommandError::Invalid)?;
        self.decide(|step| step.alone(|step| step.create_schedule(&operator(), input)))
    }

    pub fn patch(&mut self, name: &str, patch: Value) -> Result<Arc<Schedule>, CommandError> {
        self.decide(|step| step.patch_schedule(&operator(), &id(name), &patch, None, &Precondition::None))
    }

    pub fn run(&mut self, name: &str, force: bool) -> Result<Arc<Job>, CommandError> {
        self.decide(|step| step.run_schedule(&operator(), &id(name), force, None))
    }

    pub fn run_keyed(&mut self, caller: &Caller, name: &str, key: &str, body: &str) -> Result<Answered<Job>, CommandError> {
        let operation = Operation { name: "run_schedule", object: &format!("schedule/{name}") };
        let request = Some(request(key, body));
        self.decide(|step| {
            step.alone(|step| step.once(caller, operation, request, |step| step.run_schedule(caller, &id(name), false, None)))
        })
    }

    pub fn retry(&mut self, job: JobId) -> Result<Arc<Job>, CommandError> {
        self.decide(|step| step.retry_job(&operator(), job))
    }

    pub fn tick_at(&mut self, now: &str) {
        self.now = at(now);
        self.tick();
    }

    pub fn tick(&mut self) {
        self.decide(|step| while step.tick(3) > 0 {});
    }

    /// The oldest attempt under way ends so.
    pub fn report(&mut self, outcome: Outcome) -> TaskCall {
        let call = self.under_way.remove(0);
        self.report_on(&call, report(outcome));
        self.tick();
        call
    }

    pub fn report_on(&mut self, call: &TaskCall, report: AttemptReport) {
        self.decide(|step| step.attempt_reported(AttemptId::of(call), report, 0.5));
    }

    /// The service is killed and starts again on what was stored.
    pub fn restart(&mut self) {
        self.state = State::restore(stored(&self.state));
        self.under_way.clear();
        self.stops.clear();
        self.asked.clear();
        self.decide(|step| step.recover());
    }

    pub fn schedule(&self, name: &str) -> Arc<Schedule> {
        Arc::clone(&self.state.schedules[&id(name)])
    }

    /// Jobs in the order in which they were made.
    pub fn jobs(&self) -> Vec<Arc<Job>> {
        self.state.jobs.values().cloned().collect()
    }

    pub fn states(&self) -> Vec<(JobState, Option<Reason>)> {
        self.jobs().iter().map(|job| (job.state, job.reason)).collect()
    }

    pub fn last_job(&self) -> Arc<Job> {
        self.jobs().pop().unwrap()
    }

    pub fn task_states(&self) -> Vec<JobState> {
        self.last_job().tasks.iter().map(|task| task.state).collect()
    }
}

/// What a store would hold.
pub(super) fn stored(state: &State) -> StoredState {
    StoredState {
        schedules: state.schedules.values().map(|schedule| Schedule::clone(schedule)).collect(),
        jobs: state.jobs.values().map(|job| Job::clone(job)).collect(),
        idempotency: state.idempotency.values().map(|record| IdempotencyRecord::clone(record)).collect(),
        pauses: pauses(state),
        freezes: state.holds.freezes().map(|freeze| Freeze::clone(freeze)).collect(),
        installed_bundles: state.installed_bundles.iter().cloned().collect(),
        ..StoredState::default()
    }
}

fn pauses(state: &State) -> Vec<(PausePlace, Pause)> {
    let all = state.holds.of_all().map(|pause| (PausePlace::All, Pause::clone(pause)));
    let targets = state.holds.targets().map(|(name, pause)| (PausePlace::Target(name.to_owned()), Pause::clone(pause)));
    all.into_iter().chain(targets).collect()
}

pub(super) fn operator() -> Caller {
    Caller { subject: "operator".to_owned(), request_id: None, address: None, access: Access::UNLIMITED }
}

pub(super) fn request(key: &str, body: &str) -> IdempotentRequest {
    IdempotentRequest { key: key.to_owned(), digest: body.to_owned() }
}

pub(super) fn id(name: &str) -> ScheduleId {
    ScheduleId::parse(name).unwrap()
}

pub(super) fn report(outcome: Outcome) -> AttemptReport {
    let failed = outcome != Outcome::Succeeded;
    AttemptReport { error_message: failed.then(|| "it failed".to_owned()), ..AttemptReport::of(outcome) }
}
