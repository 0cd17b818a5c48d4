//! Waiting for work that goes on after the target's first answer.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::attempt::{Attempt, deadline_after, wait_within};
use super::captures::LONGEST_VALUE;
use super::clocks;
use super::failure::{Failure, judge, label};
use super::read::LONGEST_PAUSE;
use crate::domain::fields::printable;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptReport, AttemptTrace, Checkpoint, SentSignal};
use crate::domain::recipe::{HANDLE, Poll, SuccessRule};
use crate::domain::time::to_millis;

/// What is left for a question when the deadline is over: an adopted handle is asked for at least once, and work that ended in
/// time is verified all the same.
const LAST_QUESTION: Duration = Duration::from_secs(30);
/// The last poll is made this long before the deadline, so that its answer still comes in time.
const ANSWER_TIME: Duration = Duration::from_secs(5);

impl Attempt<'_> {
    /// Waits for the end of work that the target has just accepted. The handle is stored with the job before any waiting, so that
    /// the work is found again after a restart and never asked for twice.
    pub(super) async fn follow(
        &mut self,
        poll: &Poll,
        first: &Answer,
        main: &str,
        trace: &AttemptTrace,
        report: &mut AttemptReport,
    ) -> Result<(), Failure> {
        let handle = handle_in(poll, first, main)?;
        let deadline = deadline_after(self.longest_work(poll));
        self.values.insert(HANDLE.to_owned(), handle.clone());
        let accepted_at = Some(to_millis(clocks::wall_clock()));
        trace.keep(Checkpoint { handle: Some(handle), accepted_at, captured: self.captured.clone() }).await;
        let last = self.wait_for_end(poll, main, deadline, false, trace).await?;
        report.result_summary = self.summary(last.json());
        self.deadline = deadline.max(deadline_after(LAST_QUESTION));
        Ok(())
    }

    /// Goes on waiting for work that an earlier attempt, perhaps before a restart, left behind.
    pub(super) async fn adopt(&mut self, handle: Value, trace: &AttemptTrace, report: &mut AttemptReport) -> Result<(), Failure> {
        let main = match self.render(&self.recipe.call) {
            Ok(call) => label(&call),
            Err(_) => format!("{} {}", self.recipe.call.method.as_str(), self.recipe.call.path.as_str()),
        };
        // The work was asked for: whoever stops this attempt has to know, and by which handle.
        trace.sent_signal().set();
        trace.set_handle(handle.clone());
        let Some(poll) = &self.recipe.poll else {
            let handle = printable(&handle.to_string());
            return Err(Failure::unknown(format!(
                "{main} was accepted with the handle {handle}, but its recipe has no poll table any more"
            )));
        };
        self.values.insert(HANDLE.to_owned(), handle);
        let longest = self.longest_work(poll);
        let left = self.task.checkpoint.accepted_at.map_or(longest, |accepted_at| {
            let passed = (clocks::wall_clock() - accepted_at).to_std().unwrap_or_default();
            longest.saturating_sub(passed)
        });
        let deadline = deadline_after(left);
        let ended = self.wait_for_end(poll, &main, deadline, true, trace).await;
        report.http_status = self.last_status;
        report.result_summary = self.summary(ended?.json());
        self.deadline = deadline.max(deadline_after(LAST_QUESTION));
        self.verify(&main).await
    }

    fn longest_work(&self, poll: &Poll) -> Duration {
        self.task.timeout.unwrap_or(poll.deadline)
    }

    /// Asks for the state until it is an end state; gives back the answer that says so. A poll that fails says nothing about the
    /// work, so it is repeated until the time is over, and then the outcome is unknown.
    async fn wait_for_end(
        &mut self,
        poll: &Poll,
        main: &str,
        deadline: Instant,
        adopted: bool,
        trace: &AttemptTrace,
    ) -> Result<Answer, Failure> {
        let (call, end) = (self.render_follow_up(&poll.call)?, self.fill(&poll.success)?);
        let label = label(&call);
        let readable = readable(&end);
        let mut last_word = format!("{label} was never asked");
        let mut last_question = LastQuestion::default();
        let mut wait = if adopted { Duration::ZERO } else { last_question.before(deadline, poll.wait_after(0)) };
        let mut until = if adopted { deadline.max(deadline_after(LAST_QUESTION)) } else { deadline };
        let mut polls = 0_u32;
        while wait_within(wait, until).await && self.pass_limiter(until).await {
            let answer = self.send(&call, self.headers(), &readable, until, &SentSignal::default()).await;
            polls = polls.saturating_add(1);
            until = deadline;
            wait = last_question.before(deadline, poll.wait_after(polls));
            match answer {
                Ok(answer) => match state(poll, &answer) {
                    State::Succeeded => return judge(&answer, &end, &label).map(|()| answer),
                    State::Failed(state) => return Err(failed(&answer, &label, &state)),
                    State::GoesOn(state) => {
                        last_word = format!("{label} said last: {} {state}", poll.state);
                        if let Some(percent) = answer.json().and_then(|body| poll.progress_in(body)) {
                            trace.progress(percent);
                        }
                    }
                },
                Err(failure) if failure.status.is_some_and(is_hopeless) => {
                    let message = format!("{main} was accepted, but its end cannot be seen: {}", failure.message);
                    let unseen = failure.with_message(message).with_outcome(Outcome::Unknown);
                    return Err(unseen.with_advice("check at the target"));
                }
                Err(failure) => {
                    tracing::debug!(job_id = %self.task.job_id, failure = %failure.message, "a poll failed, and is repeated");
                    let asked_for = failure.retry_after.unwrap_or_default();
                    wait = wait.max(asked_for.min(poll.max_interval.max(LONGEST_PAUSE)));
                    last_word = failure.message;
                }
            }
        }
        Err(Failure::unknown(format!("{main} was accepted, but did not end within the timeout ({last_word})"))
            .with_advice("it may still be going on: check at the target before running it again"))
    }
}

/// Whether the last question before the deadline is still to be asked.
#[derive(Default)]
struct LastQuestion {
    planned: bool,
}

impl LastQuestion {
    /// Cuts a wait that would pass the deadline, once, so that there is a last question before it.
    fn before(&mut self, deadline: Instant, wait: Duration) -> Duration {
        let left = deadline.saturating_duration_since(clocks::instant());
        if wait < left || self.planned {
            return wait;
        }
        self.planned = true;
        left - ANSWER_TIME.min(left / 2)
    }
}

fn handle_in(poll: &Poll, first: &Answer, main: &str) -> Result<Value, Failure> {
    let found = first.json().and_then(|body| body.pointer(&poll.handle));
    let usable = |handle: &&Value| (handle.is_string() || handle.is_number()) && handle.to_string().len() <= LONGEST_VALUE;
    found.filter(usable).cloned().ok_or_else(|| {
        let message = format!(
            "{main} answered {}, but there is no handle at {} to ask for its end; the target may be at work: check there",
            first.status, poll.handle
        );
        Failure::permanent(message).with_status(first.status)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_would_pass_the_deadline_is_cut_once() {
        let seconds = Duration::from_secs;
        let deadline = deadline_after(seconds(100));
        let mut last = LastQuestion::default();
        assert_eq!(last.before(deadline, seconds(60)), seconds(60));
        assert_eq!(last.before(deadline, seconds(100)), seconds(95));
        assert_eq!(last.before(deadline, seconds(100)), seconds(100), "the last question has been asked");
        let soon = deadline_after(seconds(4));
        assert_eq!(LastQuestion::default().before(soon, seconds(60)), seconds(2), "half of what is left");
    }
}
