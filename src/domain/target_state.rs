//! What is known of a target while the service runs: whether it answers, and whether it lets jobs start. Nothing of it is stored: a
//! service that starts asks anew.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::catalog::BreakerRule;
use super::time::{Timestamp, to_delta};
use super::vocabulary::wire_enum;

wire_enum! {
    /// A target's circuit breaker.
    Breaker {
        /// The target answers: jobs start on it.
        Closed = "CLOSED",
        /// It does not: its jobs wait.
        Open = "OPEN",
        /// It is being asked whether it answers again.
        HalfOpen = "HALF_OPEN",
    }
}

wire_enum! {
    /// Whether jobs can start on a target.
    TargetStatus {
        /// They can.
        Ready = "READY",
        /// It runs as many as it may.
        Busy = "BUSY",
        /// It is paused, or all targets are.
        Paused = "PAUSED",
        /// It is frozen.
        Frozen = "FROZEN",
        /// A pre-flight check says not now.
        Postponed = "POSTPONED",
        /// It does not answer.
        Unreachable = "UNREACHABLE",
    }
}

/// A target as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetState {
    /// Attempts in a row that got no answer at all.
    pub failures: u32,
    /// Whether jobs may start as far as reaching it goes.
    pub breaker: Breaker,
    /// How long the breaker stays open before the next question.
    pub cooldown: TimeDelta,
    /// Since when jobs have had to wait, for either reason.
    pub shut_since: Option<Timestamp>,
    /// Why jobs have to wait, in words.
    pub reason: Option<String>,
    /// When it is to be asked.
    pub ask_at: Option<Timestamp>,
    /// A question is under way.
    pub asking: bool,
    /// It has said that the next job may start. Only for a target with pre-flight checks.
    pub cleared: bool,
}

impl Default for TargetState {
    fn default() -> Self {
        Self {
            failures: 0,
            breaker: Breaker::Closed,
            cooldown: TimeDelta::zero(),
            shut_since: None,
            reason: None,
            ask_at: None,
            asking: false,
            cleared: false,
        }
    }
}

impl TargetState {
    /// True while jobs have to wait because of what the target did or said.
    pub fn is_shut(&self) -> bool {
        self.shut_since.is_some()
    }

    /// One more attempt got no answer. Opens the breaker when there were enough.
    #[must_use]
    pub fn without_answer(&self, why: &str, rule: BreakerRule, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let next = Self { failures, ..self.clone() };
        match self.breaker {
            Breaker::Closed if failures >= rule.failures => next.opened(to_delta(rule.cooldown), why, now),
            Breaker::Closed | Breaker::Open | Breaker::HalfOpen => next,
        }
    }

    /// The question whether it answers was in vain. Once the breaker is open, the next one has to wait for twice as long.
    #[must_use]
    pub fn question_in_vain(&self, why: &str, rule: BreakerRule, now: Timestamp) -> Self {
        let asked = Self { asking: false, ..self.clone() };
        if self.breaker != Breaker::HalfOpen {
            return asked.without_answer(why, rule, now);
        }
        let longest = to_delta(BreakerRule::LONGEST_COOLDOWN);
        let cooldown = self.cooldown.checked_mul(2).unwrap_or(longest).min(longest).max(to_delta(rule.cooldown));
        Self { failures: self.failures.saturating_add(1), ..asked }.opened(cooldown, why, now)
    }

    /// It answered, so it is there.
    #[must_use]
    pub fn with_answer(&self) -> Self {
        match self.breaker {
            Breaker::Closed => Self { failures: 0, ..self.clone() },
            Breaker::Open | Breaker::HalfOpen => Self { asking: self.asking, ..Self::default() },
        }
    }

    /// A pre-flight check says not now.
    #[must_use]
    pub fn postponed(&self, why: String, until: Timestamp, now: Timestamp) -> Self {
        Self { shut_since: self.shut_since.or(Some(now)), reason: Some(why), ask_at: Some(until), ..Self::default() }
    }

    fn opened(self, cooldown: TimeDelta, why: &str, now: Timestamp) -> Self {
        Self {
            breaker: Breaker::Open,
            cooldown,
            shut_since: self.shut_since.or(Some(now)),
            reason: Some(why.to_owned()),
            ask_at: Some(now + cooldown),
            cleared: false,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RULE: BreakerRule = BreakerRule { failures: 3, cooldown: Duration::from_secs(10) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn after_failures(count: u32) -> TargetState {
        (0..count).fold(TargetState::default(), |state, _| state.without_answer("refused", RULE, at(0)))
    }

    #[test]
    fn enough_failures_in_a_row_open_the_breaker_and_an_answer_between_them_does_not_count_them_together() {
        assert_eq!(after_failures(2).breaker, Breaker::Closed);
        let open = after_failures(3);
        assert_eq!((open.breaker, open.ask_at, open.shut_since), (Breaker::Open, Some(at(10)), Some(at(0))));
        assert_eq!(open.reason.as_deref(), Some("refused"));
        let answered = after_failures(2).with_answer();
        assert_eq!(answered.without_answer("refused", RULE, at(1)).breaker, Breaker::Closed);
    }

    #[test]
    fn every_vain_question_doubles_the_wait_up_to_the_longest() {
        let mut state = after_failures(3);
        let mut waits = Vec::new();
        for _ in 0..7 {
            state = TargetState { breaker: Breaker::HalfOpen, ..state }.question_in_vain("refused", RULE, at(100));
            waits.push(state.cooldown.num_seconds());
            assert_eq!(state.shut_since, Some(at(0)), "since the first time");
        }
        assert_eq!(waits, [20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn an_answer_closes_the_breaker_and_forgets_what_was() {
        let half_open = TargetState { breaker: Breaker::HalfOpen, asking: true, ..after_failures(3) };
        assert_eq!(TargetState { asking: false, ..half_open.with_answer() }, TargetState::default());
    }

    #[test]
    fn failures_while_it_is_open_do_not_put_the_question_off() {
        let open = after_failures(3);
        let more = open.without_answer("refused", RULE, at(9));
        assert_eq!((more.ask_at, more.failures), (Some(at(10)), 4));
    }
}
