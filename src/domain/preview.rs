//! What the next fires of a schedule come to, as far as it can be known beforehand.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::catalog::Catalog;
use super::holds::{Hold, Holds};
use super::job::Reason;
use super::schedule::Schedule;
use super::time::Timestamp;
use super::vocabulary::wire_enum;
use std::fmt;

/// The most fires of one preview.
pub const MAX_FIRES: usize = 100;
/// How many there are where nothing is said.
pub const USUAL_FIRES: usize = 10;

wire_enum! {
    /// What a fire will come to, if nothing changes until then.
    Verdict {
        /// A job is made and runs, unless one of the same schedule is still active then.
        Run = "RUN",
        /// Skipped: the window is closed.
        OutsideWindow = "OUTSIDE_WINDOW",
        /// It does not fire: the schedule is disabled.
        ScheduleDisabled = "SCHEDULE_DISABLED",
        /// Skipped: the schedule, its target, or everything is paused.
        Paused = "PAUSED",
        /// Skipped: the target is frozen.
        Frozen = "FROZEN",
        /// Skipped: an operator asked to leave this fire out.
        SkippedByOperator = "SKIPPED_BY_OPERATOR",
    }
}

/// A verdict with its reason in words; none for a fire that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// In one word.
    pub verdict: Verdict,
    /// In a sentence.
    pub reason: Option<String>,
}

/// A fire that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedFire {
    /// When.
    pub scheduled_for: Timestamp,
    /// Over all targets: RUN if it runs on one of them.
    pub overall: Judged,
    /// On each target.
    pub targets: Vec<(String, Judged)>,
}

/// The fires of a schedule from a moment on, that moment included; also those that a disabled schedule would have.
pub fn preview(schedule: &Schedule, catalog: &Catalog, holds: &Holds, from: Timestamp, count: usize) -> Vec<PreviewedFire> {
    let cron = &schedule.definition.cron;
    let first = cron.next_after(from - TimeDelta::milliseconds(1));
    let fires = std::iter::successors(first, |fire| cron.next_after(*fire)).take(count);
    fires.map(|fire| previewed(schedule, catalog, holds, fire)).collect()
}

fn previewed(schedule: &Schedule, catalog: &Catalog, holds: &Holds, scheduled_for: Timestamp) -> PreviewedFire {
    let targets = schedule.definition.target.resolve(catalog);
    let targets: Vec<(String, Judged)> =
        targets.into_iter().map(|target| (target.to_owned(), judge(schedule, holds, target, scheduled_for))).collect();
    let runs = targets.iter().filter(|(_, judged)| judged.verdict == Verdict::Run).count();
    let overall = match targets.first() {
        Some(_) if runs == targets.len() => Judged { verdict: Verdict::Run, reason: None },
        Some(_) if runs > 0 => {
            Judged { verdict: Verdict::Run, reason: Some(format!("it runs on {runs} of {} targets", targets.len())) }
        }
        Some((_, first)) => first.clone(),
        // Rules keep a schedule from having none.
        None => Judged { verdict: Verdict::Run, reason: None },
    };
    PreviewedFire { scheduled_for, overall, targets }
}

/// By the rules of a fire, in their order.
fn judge(schedule: &Schedule, holds: &Holds, target: &str, scheduled_for: Timestamp) -> Judged {
    let definition = &schedule.definition;
    if !definition.enabled {
        return Judged { verdict: Verdict::ScheduleDisabled, reason: Some("the schedule is disabled".to_owned()) };
    }
    if definition.enforce_window && !definition.window.contains(scheduled_for) {
        return Judged { verdict: Verdict::OutsideWindow, reason: Some(definition.window.excludes(scheduled_for)) };
    }
    match holds.on_fire(schedule, target, scheduled_for, scheduled_for) {
        None => Judged { verdict: Verdict::Run, reason: None },
        Some(Hold { reason, message }) => {
            let verdict = match reason {
                Reason::Frozen => Verdict::Frozen,
                Reason::SkippedByOperator => Verdict::SkippedByOperator,
                _ => Verdict::Paused,
            };
            Judged { verdict, reason: Some(message) }
        }
    }
}
