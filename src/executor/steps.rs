//! The steps before the call that does the work.

use super::answer::Answer;
use super::attempt::Attempt;
use super::failure::{Failure, label};
use super::read::Busy;
use crate::domain::job::Outcome;
use crate::domain::ports::{AttemptTrace, SentSignal};
use crate::domain::recipe::{Method, Step};

impl Attempt<'_> {
    /// Makes the steps in their order. When it returns well, what they captured is stored with the job: the values from before the
    /// first attempt are those that the last one is compared with.
    pub(super) async fn make_steps(&mut self, trace: &AttemptTrace) -> Result<(), Failure> {
        let recipe = self.recipe;
        let mut kept = self.captured.clone();
        for (index, step) in recipe.steps.iter().enumerate() {
            if self.is_left_out(step) {
                continue;
            }
            self.make_step(index + 1, step).await.map_err(|failure| failure.preceded_by("before the call: "))?;
            if step.call.method != Method::Get && self.captured != kept {
                // What it made on the target is not to be made again, whatever comes next.
                self.keep_captured(trace).await;
                kept.clone_from(&self.captured);
            }
        }
        if self.captured != kept {
            self.keep_captured(trace).await;
        }
        Ok(())
    }

    /// Whether a step is not needed: its values are there from an earlier attempt, or the value that it is made for is. A parameter
    /// of the name in `unless` becomes the captured value here, and only here.
    fn is_left_out(&mut self, step: &Step) -> bool {
        if !step.capture.is_empty() && step.capture.keys().all(|name| self.captured.contains_key(name)) {
            return true;
        }
        let Some(name) = &step.unless else { return false };
        let given = self.task.parameters.get(name).filter(|value| !value.is_null());
        if let Some(value) = given
            && step.capture.contains_key(name)
        {
            self.captured.insert(name.clone(), value.clone());
        }
        given.is_some() || self.captured.contains_key(name)
    }

    async fn make_step(&mut self, number: usize, step: &Step) -> Result<(), Failure> {
        let (call, rule) = (self.render(&step.call)?, self.fill(&step.success)?);
        let name = label(&call);
        self.ready().await;
        let answer: Answer = if call.method == Method::Get {
            let read = self.read(&call, &rule, self.deadline, Busy::GiveUp).await;
            // It only reads: without its answer nothing was done.
            read.map_err(|failure| if failure.is_lost() { failure.with_outcome(Outcome::Transient) } else { failure })?
        } else {
            let headers = self.changing_headers(&format!("{}-s{number}", self.task.idempotency_key()));
            self.send(&call, headers, &rule, self.deadline, &SentSignal::default()).await?
        };
        self.capture(&step.capture, &answer, &name)
    }
}
