//! Pauses, fires that are left out, freezes: what operators ask for, and how it ends.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Step;
use super::commands::schedule_object;
use crate::domain::fields::FieldError;
use crate::domain::freeze::{Freeze, FreezeInput, MAX_FREEZES};
use crate::domain::ids::{FreezeId, ScheduleId};
use crate::domain::job::{Job, JobState, Reason, Trigger};
use crate::domain::pause::{Pause, PauseInput, PausePlace, SkipNext};
use crate::domain::ports::Change;
use crate::domain::principal::Caller;
use crate::domain::schedule::Schedule;
use crate::domain::time::format_timestamp;
use crate::orchestrator::error::CommandError;
use crate::orchestrator::message::ScheduleHold;

impl Step<'_> {
    /// Pauses a schedule, resumes it, or leaves its next fire out. No edit: version and `updated_at` stay.
    pub fn hold_schedule(&mut self, caller: &Caller, id: &ScheduleId, hold: ScheduleHold) -> Result<Arc<Schedule>, CommandError> {
        let current = self.permitted_schedule(caller, id)?;
        let before = hold_record(&current);
        let action = match hold {
            ScheduleHold::Pause(input) => {
                let pause = self.new_pause(caller, input, current.run.pause.as_ref());
                self.put_run_state(&current, |run| run.pause = Some(Arc::clone(&pause)));
                self.drop_waiting_fires(id, &pause);
                "pause_schedule"
            }
            ScheduleHold::Resume => {
                self.put_run_state(&current, |run| (run.pause, run.skip_next) = (None, None));
                "resume_schedule"
            }
            ScheduleHold::SkipNext(reason) => {
                let scheduled_for = current.run.next_run_at.ok_or_else(|| CommandError::NoNextFire(id.clone()))?;
                let known =
                    current.run.skip_next.as_ref().filter(|skip| skip.scheduled_for == scheduled_for && skip.reason == reason);
                if known.is_none() {
                    let (requested_by, requested_at) = (caller.subject.clone(), self.now);
                    let skip = Arc::new(SkipNext { scheduled_for, requested_by, requested_at, reason });
                    self.put_run_state(&current, |run| run.skip_next = Some(skip));
                }
                "skip_next_fire"
            }
        };
        let held = Arc::clone(&self.state.schedules[id]);
        self.audit_command(caller, action, schedule_object(id), Some(before), Some(hold_record(&held)));
        Ok(held)
    }

    /// Pauses all targets or one (with an input), or resumes them. Jobs that wait there are skipped, running ones go on.
    pub fn hold_targets(
        &mut self,
        caller: &Caller,
        target: Option<String>,
        input: Option<PauseInput>,
    ) -> Result<(), CommandError> {
        let place = self.permitted_place(caller, target)?;
        let before = self.pause_of(&place);
        let after = input.map(|input| self.new_pause(caller, input, before.as_ref()));
        let action = match (&place, &after) {
            (PausePlace::All, Some(_)) => "pause_all",
            (PausePlace::All, None) => "resume_all",
            (_, Some(_)) => "pause_target",
            (_, None) => "resume_target",
        };
        let record = |pause: &Option<Arc<Pause>>| json!({ "pause": pause.as_ref().map(|pause| pause.record()) });
        self.audit_command(caller, action, place.object(), Some(record(&before)), Some(record(&after)));
        if before != after {
            self.push(Change::Pause { place, before, after });
            self.admit();
        }
        Ok(())
    }

    /// A pause has come to its end.
    pub(super) fn pause_ends(&mut self, place: &PausePlace) {
        let Some(pause) = self.pause_of(place).filter(|pause| !pause.holds_at(self.now)) else { return };
        let action = match place {
            PausePlace::All => "resume_all",
            PausePlace::Target(_) => "resume_target",
            PausePlace::Schedule(_) => "resume_schedule",
        };
        if let PausePlace::Schedule(id) = place {
            if let Some(schedule) = self.state.schedules.get(id).cloned() {
                self.put_run_state(&schedule, |run| run.pause = None);
            }
        } else {
            self.push(Change::Pause { place: place.clone(), before: Some(Arc::clone(&pause)), after: None });
        }
        let ended = Some(json!({ "pause": null }));
        let began = Some(json!({ "pause": pause.record() }));
        self.audit_own("system:pauses", action, place.object(), (began, ended), "the pause is over".to_owned());
    }

    /// Makes a freeze. Two that are about one target at one moment are a mistake.
    pub fn create_freeze(&mut self, caller: &Caller, input: FreezeInput) -> Result<Arc<Freeze>, CommandError> {
        let FreezeInput { from, to, targets, reason } = &input;
        let (created_by, created_at) = (caller.subject.clone(), self.now);
        let id = FreezeId(self.ids.new_uuid(self.now));
        let freeze =
            Freeze { id, from: *from, to: *to, targets: targets.clone(), reason: reason.clone(), created_by, created_at };
        if !freeze.is_within(&caller.access) {
            return Err(CommandError::OutsideAccess);
        }
        if freeze.to <= self.now {
            return Err(CommandError::Invalid(vec![FieldError::new("to", "must be in the future")]));
        }
        let lasting = || self.state.holds.freezes().filter(|other| self.now < other.to);
        if let Some(other) = lasting().find(|other| input.overlaps(other)) {
            return Err(CommandError::FreezeOverlaps { id: other.id, from: other.from, to: other.to });
        }
        if lasting().count() >= MAX_FREEZES {
            return Err(CommandError::TooManyFreezes(MAX_FREEZES));
        }
        let freeze = Arc::new(freeze);
        self.audit_command(caller, "create_freeze", freeze_object(id), None, Some(freeze.record()));
        self.push(Change::Freeze { before: None, after: Some(Arc::clone(&freeze)) });
        self.admit();
        Ok(freeze)
    }

    /// Removes a freeze, before or while it lasts.
    pub fn delete_freeze(&mut self, caller: &Caller, id: FreezeId) -> Result<(), CommandError> {
        let freeze = match self.state.holds.freeze(id) {
            Some(freeze) if freeze.is_within(&caller.access) => Arc::clone(freeze),
            None if caller.access.is_unlimited() => return Err(CommandError::FreezeNotFound(id)),
            _ => return Err(CommandError::OutsideAccess),
        };
        self.audit_command(caller, "delete_freeze", freeze_object(id), Some(freeze.record()), None);
        self.push(Change::Freeze { before: Some(freeze), after: None });
        Ok(())
    }

    /// Forgets the freezes that have been over for as long as jobs are kept.
    pub(super) fn prune_freezes(&mut self) {
        let before = self.now - self.rules.job_retention;
        let over: Vec<Arc<Freeze>> = self.state.holds.freezes().filter(|freeze| freeze.to < before).cloned().collect();
        for freeze in over {
            let detail = format!("it was over at {}", format_timestamp(freeze.to));
            self.audit_own("system:retention", "prune_freeze", freeze_object(freeze.id), (Some(freeze.record()), None), detail);
            self.push(Change::Freeze { before: Some(freeze), after: None });
        }
    }

    /// A pause of now; the one that is there already when it says the same.
    fn new_pause(&self, caller: &Caller, input: PauseInput, known: Option<&Arc<Pause>>) -> Arc<Pause> {
        let PauseInput { reason, until } = input;
        match known {
            Some(known) if known.reason == reason && known.until == until => Arc::clone(known),
            _ => Arc::new(Pause { paused_by: caller.subject.clone(), paused_at: self.now, reason, until }),
        }
    }

    fn pause_of(&self, place: &PausePlace) -> Option<Arc<Pause>> {
        match place {
            PausePlace::All => self.state.holds.of_all().cloned(),
            PausePlace::Target(name) => self.state.holds.of_target(name).cloned(),
            PausePlace::Schedule(id) => self.state.schedules.get(id)?.run.pause.clone(),
        }
    }

    /// What the caller may pause: all targets only without limits, and of what does not exist only they are told.
    fn permitted_place(&self, caller: &Caller, target: Option<String>) -> Result<PausePlace, CommandError> {
        let access = &caller.access;
        match target {
            None if access.is_unlimited() => Ok(PausePlace::All),
            // The pause of a target that is not configured any more can still be ended.
            Some(name) if access.allows_all_on(&name) && (self.rules.catalog.has_target(&name) || self.is_paused(&name)) => {
                Ok(PausePlace::Target(name))
            }
            Some(name) if access.is_unlimited() => Err(CommandError::TargetNotFound(name)),
            _ => Err(CommandError::OutsideAccess),
        }
    }

    fn is_paused(&self, target: &str) -> bool {
        self.state.holds.of_target(target).is_some()
    }

    /// Skips the fires of a schedule that wait for a slot; what somebody asked for by hand goes on waiting.
    fn drop_waiting_fires(&mut self, id: &ScheduleId, pause: &Pause) {
        let message = pause.explain(&PausePlace::Schedule(id.clone()));
        let waits = |job: &&Arc<Job>| job.state == JobState::Pending && job.trigger != Trigger::Manual;
        for job in self.state.active_jobs(id).filter(waits).cloned().collect::<Vec<_>>() {
            self.skip_job(&job, Reason::Paused, message.clone());
        }
    }
}

fn freeze_object(id: FreezeId) -> String {
    format!("freeze/{id}")
}

/// What holds a schedule back, as it stands in the audit trail.
fn hold_record(schedule: &Schedule) -> Value {
    let skip = |skip: &Arc<SkipNext>| json!({ "scheduled_for": format_timestamp(skip.scheduled_for), "reason": skip.reason });
    json!({
        "pause": schedule.run.pause.as_ref().map(|pause| pause.record()),
        "skip_next": schedule.run.skip_next.as_ref().map(skip),
    })
}
