//! Verification: read-only calls after success. A target can claim success without having done anything (THEMISDB.md, Conduct).

use std::time::Duration;

use tokio::time::Instant;

use super::attempt::{Attempt, wait_within};
use super::failure::Failure;
use crate::domain::job::Outcome;
use crate::domain::ports::SentSignal;
use crate::domain::recipe::Check;

/// How often a verification is tried. It only reads, so a lost answer costs nothing but another question.
const TRIES: u32 = 3;
/// Between two tries, where the target does not ask for more.
const PAUSE: Duration = Duration::from_secs(1);

impl Attempt<'_> {
    /// Makes all verifications, in their order.
    pub(super) async fn verify(&self, main: &str, deadline: Instant) -> Result<(), Failure> {
        for check in &self.recipe.verify {
            self.verify_one(check, main, deadline).await?;
        }
        Ok(())
    }

    async fn verify_one(&self, check: &Check, main: &str, deadline: Instant) -> Result<(), Failure> {
        let call = self.render_follow_up(&check.call).map_err(|failure| failure.preceded_by("verification "))?;
        let mut last_word = "the timeout was reached".to_owned();
        for attempt in 1..=TRIES {
            if !self.pass_limiter(deadline).await {
                break;
            }
            let failure = match self.target.call(&call, self.headers(), &check.success, deadline, &SentSignal::default()).await {
                Ok(_) => return Ok(()),
                Err(failure) => failure,
            };
            // An answer that says no is the verdict; whatever kept an answer from coming is not.
            if failure.outcome == Outcome::Permanent && failure.status.is_some() {
                return Err(failure.preceded_by("verification "));
            }
            last_word = failure.message;
            let pause = failure.retry_after.unwrap_or(PAUSE).max(PAUSE);
            if attempt == TRIES || !wait_within(pause, deadline).await {
                break;
            }
        }
        Err(Failure::unknown(format!("{main} succeeded, but could not be verified: {last_word}")))
    }
}
