//! Work that goes on after the target's first answer.

use std::time::Duration;

use serde_json::Value;

use super::{Call, Selector, SuccessRule};

/// How to wait for work that goes on after the first answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    /// JSON pointer to the handle in the first answer; it fills `{handle}`.
    pub handle: String,
    /// The call that asks for the state.
    pub call: Call,
    /// JSON pointer to the state in that call's answer.
    pub state: String,
    /// States that mean success.
    pub succeeded: Vec<Value>,
    /// States that mean failure; any other state means that the work goes on.
    pub failed: Vec<Value>,
    /// Time before the first poll.
    pub interval: Duration,
    /// By which the time between two polls grows from one to the next; at least 1.
    pub backoff: f64,
    /// The longest time between two polls; not below the interval.
    pub max_interval: Duration,
    /// How long the work may take after the target accepted it.
    pub deadline: Duration,
    /// Where the answer says how far the work is, as a number from 0 to 100.
    pub progress: Option<Selector>,
    /// What the last answer has to be, beside its state.
    pub success: SuccessRule,
}

impl Poll {
    /// Time to wait after so many polls.
    pub fn wait_after(&self, polls: u32) -> Duration {
        let factor = self.backoff.powi(i32::try_from(polls).unwrap_or(i32::MAX));
        let grown = Duration::try_from_secs_f64(self.interval.as_secs_f64() * factor).unwrap_or(Duration::MAX);
        grown.clamp(self.interval, self.max_interval.max(self.interval))
    }

    /// How far the work is, out of an answer; `None` when it does not say so, or says nonsense.
    pub fn progress_in(&self, body: &Value) -> Option<u8> {
        let percent = self.progress.as_ref()?.pick(body).ok()??.as_f64()?;
        // Cut, not rounded: 99.6 is not done yet.
        (0.0..=100.0).contains(&percent).then_some(percent as u8)
    }
}
