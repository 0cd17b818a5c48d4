//! Waiting for work that goes on after the target's first answer.

use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::attempt::{Attempt, wait_within};
use super::failure::{Failure, judge, label};
use crate::domain::fields::printable;
use crate::domain::ports::AttemptTrace;
use crate::domain::ports::SentSignal;
use crate::domain::recipe::{Poll, SuccessRule};

impl Attempt<'_> {
    /// Takes the handle out of the first answer, and leaves it in the trace before any waiting: a cancelled attempt needs it.
    pub(super) fn keep_handle(&mut self, poll: &Poll, first: &Answer, main: &str, trace: &AttemptTrace) -> Result<(), Failure> {
        let handle =
            first.json().and_then(|body| body.pointer(&poll.handle)).filter(|handle| handle.is_string() || handle.is_number());
        let Some(handle) = handle else {
            let message = format!(
                "{main} answered {}, but there is no handle at {} to ask for its end; the target may be at work: check there",
                first.status, poll.handle
            );
            return Err(Failure::permanent(message).with_status(first.status));
        };
        trace.set_handle(handle.clone());
        self.values.insert("handle".to_owned(), handle.clone());
        Ok(())
    }

    /// Asks for the state until it is an end state; gives back the answer that says so. A poll that fails says nothing about the
    /// work, so it is repeated until the time is over, and then the outcome is unknown.
    pub(super) async fn wait_for_end(&self, poll: &Poll, main: &str, deadline: Instant) -> Result<Answer, Failure> {
        let call = self.render_follow_up(&poll.call)?;
        let label = label(&call);
        let readable = readable(&poll.success);
        let mut wait = poll.interval;
        let mut last_word = format!("{label} was never asked");
        while wait_within(wait, deadline).await && self.pass_limiter(deadline).await {
            match self.target.call(&call, self.headers(), &readable, deadline, &SentSignal::default()).await {
                Ok(answer) => match state(poll, &answer) {
                    State::Succeeded => return judge(&answer, &poll.success, &label).map(|()| answer),
                    State::Failed(state) => return Err(failed(&answer, &label, &state)),
                    State::GoesOn(state) => {
                        last_word = format!("{label} said last: {} {state}", poll.state);
                        wait = poll.interval;
                    }
                },
                Err(failure) if failure.status.is_some_and(is_hopeless) => {
                    let message =
                        format!("{main} was accepted, but its end cannot be seen: {}; check at the target", failure.message);
                    return Err(Failure { message, ..Failure::unknown("") }.with_status(failure.status.unwrap_or_default()));
                }
                Err(failure) => {
                    tracing::debug!(job_id = %self.task.job_id, failure = %failure.message, "a poll failed, and is repeated");
                    wait = poll.interval.max(failure.retry_after.unwrap_or_default());
                    last_word = failure.message;
                }
            }
        }
        Err(Failure::unknown(format!(
            "{main} was accepted, but did not end within the timeout ({last_word}); it may still be going on: check at the target \
             before running it again"
        )))
    }
}

/// A state as the recipe reads it.
enum State {
    Succeeded,
    Failed(String),
    GoesOn(String),
}

fn state(poll: &Poll, answer: &Answer) -> State {
    let Some(state) = answer.json().and_then(|body| body.pointer(&poll.state)) else {
        return State::GoesOn("is missing".to_owned());
    };
    let is = |end: &Value| end == state || end.as_f64().is_some_and(|number| state.as_f64() == Some(number));
    if poll.succeeded.iter().any(is) {
        State::Succeeded
    } else if poll.failed.iter().any(is) {
        State::Failed(printable(&state.to_string()))
    } else {
        State::GoesOn(format!("is {}", printable(&state.to_string())))
    }
}

fn failed(answer: &Answer, label: &str, state: &str) -> Failure {
    let excerpt = answer.excerpt().map(|text| format!(" (it says: {text})")).unwrap_or_default();
    Failure::permanent(format!("{label} answered {}: the work ended in state {state}{excerpt}", answer.status))
        .with_status(answer.status)
}

/// While the work goes on, any 2xx is fit to read the state from; what the rule says holds for the end.
fn readable(end: &SuccessRule) -> SuccessRule {
    let statuses = if end.statuses.is_empty() { Vec::new() } else { (200..300).chain(end.statuses.iter().copied()).collect() };
    SuccessRule { statuses, assertions: Vec::new() }
}

/// Statuses that another poll would get again: no such work, no such route. A refused token may be in rotation, and 408, 425 and
/// 429 ask for another try.
fn is_hopeless(status: u16) -> bool {
    (300..500).contains(&status) && !matches!(status, 401 | 403 | 408 | 425 | 429)
}
