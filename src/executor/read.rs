//! Calls that only read: a lost answer costs nothing but another question.

use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::attempt::{Attempt, wait_within};
use super::failure::Failure;
use crate::domain::job::Outcome;
use crate::domain::ports::SentSignal;
use crate::domain::recipe::{RenderedCall, SuccessRule};

/// How often a call that only reads is made when no answer comes.
const TRIES: u32 = 3;
/// Between two tries, where the target does not ask for more.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two reads of a target, whatever `Retry-After` it sends: they hold its slot.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What to do when the target asks for patience (429, 503, …) or cannot be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Busy {
    /// Ask again after a while: the work has been done, and the attempt cannot be made anew only to read.
    AskAgain,
    /// Give up: nothing has been done yet, and a later attempt does not hold the target's slot meanwhile.
    GiveUp,
}

impl Attempt<'_> {
    /// Makes a call that only reads, again when its answer is lost. The rate limiter has been passed before the first time.
    ///
    /// # Errors
    /// Of the last try.
    pub(super) async fn read(
        &mut self,
        call: &RenderedCall,
        rule: &SuccessRule,
        deadline: Instant,
        busy: Busy,
    ) -> Result<Answer, Failure> {
        let mut tries = 1;
        loop {
            let failure = match self.send(call, self.headers(), rule, deadline, &SentSignal::default()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = match failure.outcome {
                Outcome::Unknown => true,
                Outcome::Transient => busy == Busy::AskAgain,
                Outcome::Succeeded | Outcome::Permanent => false,
            };
            if !again || tries == TRIES {
                return Err(failure);
            }
            let pause = failure.retry_after.unwrap_or(PAUSE).clamp(PAUSE, LONGEST_PAUSE);
            if !(wait_within(pause, deadline).await && self.pass_limiter(deadline).await) {
                return Err(failure);
            }
            tries += 1;
        }
    }
}
