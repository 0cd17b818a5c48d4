//! One attempt at a task: the call, the wait for its end, the verification.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::clocks;
use super::failure::{Failure, label};
use super::target::Target;
use crate::domain::fields::depth;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptReport, AttemptTrace, TaskCall};
use crate::domain::recipe::{Call, Recipe, RenderedCall, summarize};

/// The longest value that a summary keeps. It is stored with the job and shown in lists.
const LONGEST_SUMMARY_VALUE: usize = 4096;

/// What an attempt works with.
pub(super) struct Attempt<'a> {
    pub(super) task: &'a TaskCall,
    pub(super) recipe: &'a Recipe,
    pub(super) target: &'a Target,
    /// What the service adds to the parameters, and the handle once there is one.
    pub(super) values: Map<String, Value>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(task: &'a TaskCall, recipe: &'a Recipe, target: &'a Target) -> Self {
        let mut values = Map::new();
        values.insert("job_id".to_owned(), Value::from(task.job_id.to_string()));
        values.insert("task_name".to_owned(), Value::from(task.task_name.as_str()));
        Self { task, recipe, target, values }
    }

    /// Makes the attempt.
    pub(super) async fn run(mut self, trace: &AttemptTrace) -> AttemptReport {
        let mut report = AttemptReport { idempotent: self.recipe.idempotent, ..AttemptReport::of(Outcome::Succeeded) };
        if let Err(failure) = self.work(trace, &mut report).await {
            let Failure { outcome, status, message, retry_after } = failure;
            report.outcome = outcome;
            report.http_status = status.or(report.http_status);
            report.error_message = Some(message);
            report.retry_after = retry_after;
        }
        report
    }

    async fn work(&mut self, trace: &AttemptTrace, report: &mut AttemptReport) -> Result<(), Failure> {
        self.recipe.check_parameters(&self.task.parameters).map_err(Failure::permanent)?;
        let main = self.render(&self.recipe.call)?;
        // Waiting for the limiter is the service's own doing and does not count towards the target's time.
        self.target.limiter.ready().await;
        let deadline = deadline_after(self.timeout());
        let answer = self.target.call(&main, self.main_headers(), &self.recipe.success, deadline, trace.sent_signal()).await?;
        report.http_status = Some(answer.status);
        report.result_summary = summary(self.recipe, answer.json());
        let main = label(&main);
        if let Some(poll) = &self.recipe.poll {
            self.keep_handle(poll, &answer, &main, trace)?;
            let last = self.wait_for_end(poll, &main, deadline).await?;
            report.result_summary = summary(self.recipe, last.json());
        }
        self.verify(&main, deadline).await
    }

    /// Fills the places of the call that does the work.
    fn render(&self, call: &Call) -> Result<RenderedCall, Failure> {
        render(call, &self.task.parameters, &self.values)
    }

    /// Fills the places of a call that follows it. The handle is the target's, never a parameter of that name: with it, a task could
    /// be told to watch or stop another one's work.
    pub(super) fn render_follow_up(&self, call: &Call) -> Result<RenderedCall, Failure> {
        let mut parameters = self.task.parameters.clone();
        parameters.shift_remove("handle");
        render(call, &parameters, &self.values)
    }

    fn timeout(&self) -> Duration {
        self.task.timeout.unwrap_or(self.recipe.timeout)
    }

    /// Headers of the call that does the work.
    fn main_headers(&self) -> HeaderMap {
        let key = HeaderValue::from_str(&self.task.idempotency_key()).expect("a UUID and a number are visible ASCII");
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

    /// Passes the rate limiter within the attempt's time; false when the time is over.
    pub(super) async fn pass_limiter(&self, deadline: Instant) -> bool {
        timeout_at(deadline, self.target.limiter.ready()).await.is_ok()
    }
}

fn render(call: &Call, parameters: &Map<String, Value>, values: &Map<String, Value>) -> Result<RenderedCall, Failure> {
    call.render(parameters, values)
        .map_err(|why| Failure::permanent(format!("{} {} cannot be made: {why}", call.method.as_str(), call.path.as_str())))
}

/// A point in time so far ahead; a time that no clock holds counts as never.
pub(super) fn deadline_after(timeout: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);
    let now = clocks::instant();
    now.checked_add(timeout).unwrap_or(now + NEVER)
}

/// Waits; false when the deadline comes first.
pub(super) async fn wait_within(wait: Duration, deadline: Instant) -> bool {
    let until = deadline_after(wait.min(LONGEST_PAUSE));
    if until >= deadline {
        // A wait that cannot end in time would only hold the target's slot.
        return false;
    }
    sleep_until(until).await;
    true
}

/// The longest pause between two reads of a target, whatever `Retry-After` it sends: they wait for work that goes on.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How deep a summary's value may be nested: it is stored with the job, some levels deeper, and has to be read from there again.
const DEEPEST_SUMMARY_VALUE: usize = 32;

fn summary(recipe: &Recipe, body: Option<&Value>) -> Option<Value> {
    let mut summary = summarize(&recipe.summary, body)?;
    for value in summary.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let length = value.to_string().len();
        if length > LONGEST_SUMMARY_VALUE || depth(value) > DEEPEST_SUMMARY_VALUE {
            *value = Value::from(format!("({length} bytes, not kept)"));
        }
    }
    Some(summary)
}
