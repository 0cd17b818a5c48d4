//! One attempt at a task: the steps before the call that does the work, that call, the wait for its end, the verification.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::Answer;
use super::clocks;
use super::failure::{Failure, label};
use super::target::Target;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptReport, AttemptTrace, SentSignal, TaskCall};
use crate::domain::recipe::{Call, Recipe, RenderError, RenderedCall, SuccessRule};

/// What an attempt works with.
pub(super) struct Attempt<'a> {
    pub(super) task: &'a TaskCall,
    pub(super) recipe: &'a Recipe,
    pub(super) target: &'a Target,
    /// What the service adds to the parameters, and the handle once there is one.
    pub(super) values: Map<String, Value>,
    /// What was kept out of answers, by this attempt and by earlier ones.
    pub(super) captured: Map<String, Value>,
    /// When steps, the main call and verification have to be over.
    pub(super) deadline: Instant,
    /// Whether the target answered the last call; `None` before the first.
    answered: Option<bool>,
    /// Status of the last answer.
    pub(super) last_status: Option<u16>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(task: &'a TaskCall, recipe: &'a Recipe, target: &'a Target) -> Self {
        let mut values = Map::new();
        values.insert("job_id".to_owned(), Value::from(task.job_id.to_string()));
        values.insert("task_name".to_owned(), Value::from(task.task_name.as_str()));
        // What the recipe does not capture any more fills no place either.
        let kept = task.checkpoint.captured.iter().filter(|(name, _)| recipe.captures(name));
        let captured = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        let deadline = deadline_after(task.timeout.unwrap_or(recipe.timeout));
        Self { task, recipe, target, values, captured, deadline, answered: None, last_status: None }
    }

    /// Makes the attempt.
    pub(super) async fn run(mut self, trace: &AttemptTrace) -> AttemptReport {
        let mut report = AttemptReport { idempotent: self.recipe.idempotent, ..AttemptReport::of(Outcome::Succeeded) };
        if let Err(failure) = self.work(trace, &mut report).await {
            report.outcome = failure.outcome;
            report.http_status = failure.status.or(report.http_status);
            report.error_message = Some(failure.told(self.recipe.on_unknown.as_deref()));
            report.retry_after = failure.retry_after;
        }
        report.answered = self.answered;
        report
    }

    async fn work(&mut self, trace: &AttemptTrace, report: &mut AttemptReport) -> Result<(), Failure> {
        let recipe = self.recipe;
        if let Some(handle) = &self.task.checkpoint.handle {
            return self.adopt(handle.clone(), trace, report).await;
        }
        if self.has_wildcard() {
            report.discovered = Some(self.discover().await?);
            report.http_status = self.last_status;
            return Ok(());
        }
        recipe.check_parameters(&self.task.parameters).map_err(Failure::permanent)?;
        self.check_main()?;
        let steps = self.make_steps(trace).await;
        // Also when they failed: what they prepared on the target is there.
        report.result_summary = self.summary(None);
        steps?;
        let (main, rule) = (self.render(&recipe.call)?, self.fill(&recipe.success)?);
        let headers = self.changing_headers(&self.task.idempotency_key());
        let name = label(&main);
        self.ready().await;
        let answer = match self.send(&main, headers, &rule, self.deadline, trace.sent_signal()).await {
            Ok(answer) => answer,
            Err(failure) if failure.outcome == Outcome::Unknown => return self.settle(failure, report).await,
            Err(failure) => return Err(failure),
        };
        report.http_status = Some(answer.status);
        self.capture(&recipe.capture, &answer, &name)?;
        report.result_summary = self.summary(answer.json());
        if let Some(poll) = &recipe.poll {
            self.follow(poll, &answer, &name, trace, report).await?;
        }
        self.verify(&name).await
    }

    /// Whether the main call can be made, before any step is: what a step will capture is not there yet, all else has to be fit.
    fn check_main(&self) -> Result<(), Failure> {
        let (parameters, values) = self.places(false);
        match self.recipe.call.render(&parameters, &values) {
            Err(RenderError::Missing(name)) if self.recipe.captures(&name) => Ok(()),
            Err(why) => Err(not_renderable(&self.recipe.call, &why)),
            Ok(_) => Ok(()),
        }
    }

    /// Fills the places of a call, up to the one that does the work.
    pub(super) fn render(&self, call: &Call) -> Result<RenderedCall, Failure> {
        let (parameters, values) = self.places(false);
        call.render(&parameters, &values).map_err(|why| not_renderable(call, &why))
    }

    /// Fills the places of a call that follows it. The handle is the target's, never a parameter of that name: with it, a task could
    /// be told to watch or stop another one's work.
    pub(super) fn render_follow_up(&self, call: &Call) -> Result<RenderedCall, Failure> {
        let (parameters, values) = self.places(true);
        call.render(&parameters, &values).map_err(|why| not_renderable(call, &why))
    }

    /// Fills the places of a rule.
    pub(super) fn fill(&self, rule: &SuccessRule) -> Result<SuccessRule, Failure> {
        let (mut all, values) = self.places(true);
        all.extend(values);
        rule.filled(&all).map_err(|why| Failure::permanent(format!("an answer cannot be judged: {why}")))
    }

    /// The parameters that may fill places, and everything else that does. A parameter never stands in for a captured value of its
    /// name; see [`Attempt::is_left_out`] for the one way in which it becomes one.
    fn places(&self, follow_up: bool) -> (Map<String, Value>, Map<String, Value>) {
        let shielded = |name: &str| self.recipe.captures(name) || follow_up && name == crate::domain::recipe::HANDLE;
        let open = self.task.parameters.iter().filter(|(name, _)| !shielded(name));
        let parameters = open.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut values = self.captured.clone();
        values.extend(self.values.iter().map(|(name, value)| (name.clone(), value.clone())));
        (parameters, values)
    }

    /// Sends one call and judges its answer by a filled rule. The rate limiter has been passed before.
    pub(super) async fn send(
        &mut self,
        call: &RenderedCall,
        headers: HeaderMap,
        rule: &SuccessRule,
        deadline: Instant,
        sent: &SentSignal,
    ) -> Result<Answer, Failure> {
        let answer = self.target.call(call, headers, rule, deadline, sent).await;
        match &answer {
            Ok(Answer { status, .. }) | Err(Failure { status: Some(status), .. }) => {
                self.answered = Some(true);
                self.last_status = Some(*status);
            }
            Err(failure) if failure.is_lost() => self.answered = Some(false),
            // There was no request, so nothing new is known of the target.
            Err(_) => {}
        }
        answer
    }

    /// Headers of a call that changes something. The key is the same over all attempts at it.
    pub(super) fn changing_headers(&self, key: &str) -> HeaderMap {
        let key = HeaderValue::from_str(key).expect("a UUID, numbers and letters are visible ASCII");
        let mut headers = self.headers();
        headers.insert(HeaderName::from_static("idempotency-key"), key);
        headers
    }

    /// Headers of every call. `traceparent` as W3C Trace Context writes it: the trace is the job, the span is the attempt (never
    /// zero, which the standard forbids: attempts count from 1).
    pub(super) fn headers(&self) -> HeaderMap {
        let TaskCall { job_id, task_index, attempt, .. } = self.task;
        let task = u32::try_from(*task_index).unwrap_or(u32::MAX);
        let traceparent = format!("00-{}-{task:08x}{:08x}-01", job_id.0.simple(), (*attempt).max(1));
        let traceparent = HeaderValue::from_str(&traceparent).expect("hexadecimal digits are visible ASCII");
        HeaderMap::from_iter([(HeaderName::from_static("traceparent"), traceparent)])
    }

    /// Passes the rate limiter before the work was asked for. Waiting for it is the service's own doing and does not count towards
    /// the target's time.
    pub(super) async fn ready(&mut self) {
        let began = clocks::instant();
        self.target.limiter.ready().await;
        self.deadline = self.deadline.checked_add(began.elapsed()).unwrap_or(self.deadline);
    }

    /// Passes the rate limiter before a deadline; false when that comes first.
    pub(super) async fn pass_limiter(&self, deadline: Instant) -> bool {
        timeout_at(deadline, self.target.limiter.ready()).await.is_ok()
    }
}

fn not_renderable(call: &Call, why: &RenderError) -> Failure {
    Failure::permanent(format!("{} {} cannot be made: {why}", call.method.as_str(), call.path.as_str()))
}

/// A point in time so far ahead; a time that no clock holds counts as never.
pub(super) fn deadline_after(timeout: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    let now = clocks::instant();
    now.checked_add(timeout).unwrap_or(now + NEVER)
}

/// Waits; false when the deadline comes first.
pub(super) async fn wait_within(wait: Duration, deadline: Instant) -> bool {
    let until = deadline_after(wait);
    if until >= deadline {
        // A wait that cannot end in time would only hold the target's slot.
        return false;
    }
    sleep_until(until).await;
    true
}
