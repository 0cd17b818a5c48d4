//! Verification: read-only calls after success, because a target can claim success without having done anything (THEMISDB.md,
//! Conduct); and after a lost answer, to settle whether the work was done.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::attempt::{Attempt, deadline_after};
use super::failure::{Failure, label};
use super::read::{Busy, PAUSE};
use crate::domain::job::Outcome;
use crate::domain::ports::AttemptReport;
use crate::domain::recipe::Check;

/// How long settling an unknown outcome may take. The attempt's own time may be over: that is how most answers are lost.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

impl Attempt<'_> {
    /// Makes all checks, in their order, after the target said that the work is done.
    pub(super) async fn verify(&mut self, main: &str) -> Result<(), Failure> {
        let recipe = self.recipe;
        for check in &recipe.verify {
            self.check(check, self.deadline).await.map_err(|failure| {
                // An answer that says no is the verdict; whatever kept an answer from coming is not.
                if failure.is_verdict() {
                    return failure.preceded_by("verification ");
                }
                Failure::unknown(format!("{main} succeeded, but could not be verified: {}", failure.message))
                    .with_advice("check at the target whether the work was done")
            })?;
        }
        Ok(())
    }

    /// Asks the target whether the work was done, after the answer to the call for it was lost.
    pub(super) async fn settle(&mut self, lost: Failure, report: &mut AttemptReport) -> Result<(), Failure> {
        let recipe = self.recipe;
        if recipe.verify.is_empty() {
            return Err(lost);
        }
        let deadline = deadline_after(SETTLE_TIMEOUT);
        sleep(PAUSE).await;
        let (mut proved, mut doubts) = (false, Vec::new());
        for check in &recipe.verify {
            match self.check(check, deadline).await {
                Ok(()) => proved |= check.settles,
                Err(no) if no.is_verdict() && check.settles => {
                    let message = format!("{}; verification says that it was not carried out: {}", lost.message, no.message);
                    return Err(lost.with_message(message).with_outcome(Outcome::Permanent));
                }
                Err(doubt) => doubts.push(doubt.message),
            }
        }
        if proved && doubts.is_empty() {
            tracing::info!(
                job_id = %self.task.job_id,
                task = %self.task.task_name,
                lost = %lost.message,
                "an answer was lost, and verification says that the work was done"
            );
            report.http_status = lost.status;
            report.result_summary = None;
            return Ok(());
        }
        let said = if doubts.is_empty() {
            "verification cannot tell whether it was carried out".to_owned()
        } else {
            format!("verification does not settle it: {}", doubts.join("; "))
        };
        let message = format!("{}; {said}", lost.message);
        Err(lost.with_message(message))
    }

    async fn check(&mut self, check: &Check, deadline: Instant) -> Result<(), Failure> {
        let (call, rule) = (self.render_follow_up(&check.call)?, self.fill(&check.success)?);
        if !self.pass_limiter(deadline).await {
            return Err(Failure::transient(format!("{}: the timeout was reached", label(&call))));
        }
        self.read(&call, &rule, deadline, Busy::AskAgain).await.map(drop)
    }
}
