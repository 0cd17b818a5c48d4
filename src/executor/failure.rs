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
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    fn new(outcome: Outcome, message: String) -> Self {
        Self { outcome, status: None, message, retry_after: None }
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
    Failure { outcome, status: Some(status), message: format!("{label} answered {status}{words}"), retry_after }
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
