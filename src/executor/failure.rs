//! What kept a call or an attempt from succeeding, sorted into outcomes and put in words that an operator can act on.

use std::error::Error;
use std::time::Duration;

use super::answer::{Answer, AnswerBody, LONGEST_BODY};
use crate::domain::job::Outcome;
use crate::domain::recipe::{RenderedCall, SuccessRule};

/// The end of a call, or of an attempt, that did not succeed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// Status of the answer that decided it.
    pub(super) status: Option<u16>,
    pub(super) message: String,
    /// What to do about it, where the recipe has nothing better to say. Stands at the end of an unknown attempt's message.
    advice: &'static str,
    pub(super) retry_after: Option<Duration>,
}

/// What to do about a call that may have been carried out.
const CHECK: &str = "the target may have done the work or may still be at it: check there before running it again";

impl Failure {
    fn new(outcome: Outcome, message: String) -> Self {
        Self { outcome, status: None, message, advice: CHECK, retry_after: None }
    }

    /// Another try would end the same.
    pub(super) fn permanent(message: impl Into<String>) -> Self {
        Self::new(Outcome::Permanent, message.into())
    }

    /// Nothing left this machine.
    pub(super) fn transient(message: impl Into<String>) -> Self {
        Self::new(Outcome::Transient, message.into())
    }

    /// It may have been done.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::new(Outcome::Unknown, message.into())
    }

    /// Names the answer that decided it.
    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Gives other advice than that to check whether the work was done.
    pub(super) fn with_advice(mut self, advice: &'static str) -> Self {
        self.advice = advice;
        self
    }

    /// The same failure with another outcome.
    pub(super) fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The same failure in other words.
    pub(super) fn with_message(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    /// True when no complete answer came, or none at all.
    pub(super) fn is_lost(&self) -> bool {
        match self.outcome {
            Outcome::Unknown => true,
            Outcome::Transient => self.status.is_none(),
            Outcome::Succeeded | Outcome::Permanent => false,
        }
    }

    /// True for an answer that says no.
    pub(super) fn is_verdict(&self) -> bool {
        self.outcome == Outcome::Permanent && self.status.is_some()
    }

    /// The message as the operator gets it. `on_unknown` is what the recipe's author wants to have looked at.
    pub(super) fn told(&self, on_unknown: Option<&str>) -> String {
        match self.outcome {
            Outcome::Unknown => format!("{}; {}", self.message, on_unknown.unwrap_or(self.advice)),
            Outcome::Succeeded | Outcome::Transient | Outcome::Permanent => self.message.clone(),
        }
    }

    /// Puts words before the message.
    pub(super) fn preceded_by(mut self, words: &str) -> Self {
        self.message = format!("{words}{}", self.message);
        self
    }
}

/// Method and path, for messages.
pub(super) fn label(call: &RenderedCall) -> String {
    const LONGEST: usize = 200;
    let path: String = call.path.chars().take(LONGEST).collect();
    let cut = if path.len() < call.path.len() { "…" } else { "" };
    format!("{} {path}{cut}", call.method.as_str())
}

/// Judges an answer by a rule: the status first, the body's assertions then.
pub(super) fn judge(answer: &Answer, rule: &SuccessRule, label: &str) -> Result<(), Failure> {
    let status = answer.status;
    if !rule.accepts_status(status) {
        return Err(refused(answer, label));
    }
    if matches!(answer.body, AnswerBody::TooLong) && !rule.assertions.is_empty() {
        let message =
            format!("{label} answered {status}, but the answer is larger than {LONGEST_BODY} bytes and cannot be checked");
        return Err(Failure::permanent(message).with_status(status));
    }
    rule.check_body(answer.json()).map_err(|why| {
        // A refusal in a success's clothes ("success": false) often says why.
        let excerpt = answer.excerpt().map(|text| format!(" (it says: {text})")).unwrap_or_default();
        Failure::permanent(format!("{label} answered {status}: {why}{excerpt}")).with_status(status)
    })
}

/// A status that the rule does not accept.
fn refused(answer: &Answer, label: &str) -> Failure {
    let status = answer.status;
    let outcome = match status {
        429 | 502 | 503 | 504 => Outcome::Transient,
        _ => Outcome::Permanent,
    };
    let words = match (status, answer.excerpt()) {
        (300..400, _) => ": redirects are not followed: not supported here".to_owned(),
        (_, Some(excerpt)) => format!(": {excerpt}"),
        (_, None) => String::new(),
    };
    let retry_after = answer.retry_after.filter(|_| outcome == Outcome::Transient);
    Failure { retry_after, ..Failure::new(outcome, format!("{label} answered {status}{words}")).with_status(status) }
}

/// The innermost cause of an error, which is the one that says something ("Connection refused").
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    // Only the outermost error prints the URL, and reqwest has nothing to say without it; a lone error keeps its kind.
    if error.source().is_none() { "the request failed".to_owned() } else { innermost.to_string() }
}
