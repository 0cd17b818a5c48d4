//! What keeps jobs from starting although their time has come: pauses of targets and freezes, and what a schedule is told to leave out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::freeze::Freeze;
use super::ids::FreezeId;
use super::job::Reason;
use super::pause::{Pause, PausePlace};
use super::schedule::Schedule;
use super::time::Timestamp;

/// Pauses of targets and freezes, as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    all: Option<Arc<Pause>>,
    targets: BTreeMap<String, Arc<Pause>>,
    freezes: BTreeMap<FreezeId, Arc<Freeze>>,
}

/// Why something does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// In one word.
    pub reason: Reason,
    /// In a sentence.
    pub message: String,
}

impl Holds {
    /// True when there is no pause and no freeze, not even one that is over.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.targets.is_empty() && self.freezes.is_empty()
    }

    /// The pause of all targets, over or not.
    pub fn of_all(&self) -> Option<&Arc<Pause>> {
        self.all.as_ref()
    }

    /// The pause of one target, over or not.
    pub fn of_target(&self, name: &str) -> Option<&Arc<Pause>> {
        self.targets.get(name)
    }

    /// The paused targets.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Arc<Pause>)> {
        self.targets.iter().map(|(name, pause)| (name.as_str(), pause))
    }

    /// One freeze.
    pub fn freeze(&self, id: FreezeId) -> Option<&Arc<Freeze>> {
        self.freezes.get(&id)
    }

    /// All freezes, those that are over included, in the order in which they were made.
    pub fn freezes(&self) -> impl Iterator<Item = &Arc<Freeze>> {
        self.freezes.values()
    }

    /// The freeze that a target is in at a moment.
    pub fn freeze_of(&self, target: &str, moment: Timestamp) -> Option<&Arc<Freeze>> {
        self.freezes.values().find(|freeze| freeze.covers(target, moment))
    }

    /// Puts a pause of all targets or of one in place of the one that was there. A schedule's own is part of the schedule.
    pub fn set_pause(&mut self, place: &PausePlace, pause: Option<Arc<Pause>>) {
        match (place, pause) {
            (PausePlace::All, pause) => self.all = pause,
            (PausePlace::Target(name), Some(pause)) => drop(self.targets.insert(name.clone(), pause)),
            (PausePlace::Target(name), None) => drop(self.targets.remove(name)),
            (PausePlace::Schedule(_), _) => {}
        }
    }

    /// Puts a freeze in place of the one that was there.
    pub fn set_freeze(&mut self, id: FreezeId, freeze: Option<Arc<Freeze>>) {
        match freeze {
            Some(freeze) => drop(self.freezes.insert(id, freeze)),
            None => drop(self.freezes.remove(&id)),
        }
    }

    /// Why nothing starts on a target at a moment.
    pub fn on_target(&self, target: &str, moment: Timestamp) -> Option<Hold> {
        self.search(target, moment, Pause::holds_at)
    }

    fn search(&self, target: &str, moment: Timestamp, holds: impl Fn(&Pause, Timestamp) -> bool) -> Option<Hold> {
        if self.is_empty() {
            return None;
        }
        let paused = |pause: &Arc<Pause>, place: PausePlace| {
            holds(pause, moment).then(|| Hold { reason: Reason::Paused, message: pause.explain(&place) })
        };
        let all = self.all.as_ref().and_then(|pause| paused(pause, PausePlace::All));
        let target_pause = || self.targets.get(target).and_then(|pause| paused(pause, PausePlace::Target(target.to_owned())));
        let frozen = || {
            let freeze = self.freeze_of(target, moment)?;
            Some(Hold { reason: Reason::Frozen, message: freeze.explain(target) })
        };
        all.or_else(target_pause).or_else(frozen)
    }

    /// Why a schedule's fire that is dealt with at a moment does not run on a target: what its schedule is told, then what holds for its target.
    /// A pause or freeze that it fell into counts although it is over by then: its fires are not made up for.
    pub fn on_fire(&self, schedule: &Schedule, target: &str, scheduled_for: Timestamp, moment: Timestamp) -> Option<Hold> {
        let skipped = schedule.run.skip_next.as_ref().filter(|skip| skip.scheduled_for == scheduled_for);
        if let Some(skip) = skipped {
            return Some(Hold { reason: Reason::SkippedByOperator, message: skip.explain() });
        }
        let paused = schedule.run.pause.as_ref().filter(|pause| pause.held_at(scheduled_for) || pause.holds_at(moment));
        if let Some(pause) = paused {
            let message = pause.explain(&PausePlace::Schedule(schedule.id.clone()));
            return Some(Hold { reason: Reason::Paused, message });
        }
        self.search(target, scheduled_for, Pause::held_at).or_else(|| self.on_target(target, moment))
    }
}
