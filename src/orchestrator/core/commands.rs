//! What operators ask for: create, replace, patch, delete, enable and disable, run, retry, cancel.

use std::sync::Arc;

use serde_json::Value;

use super::{Step, schedule_record};
use crate::domain::fields::{FieldError, printable};
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::{Job, JobState, JobTask, Reason, Trigger};
use crate::domain::principal::Caller;
use crate::domain::schedule::{RunState, Schedule, ScheduleDefinition};
use crate::domain::schedule_input::{self, ScheduleInput};
use crate::domain::time::Timestamp;
use crate::orchestrator::error::CommandError;
use crate::orchestrator::message::Prepared;
use crate::orchestrator::precondition::Precondition;

impl Step<'_> {
    pub fn create_schedule(&mut self, caller: &Caller, input: ScheduleInput) -> Result<Arc<Schedule>, CommandError> {
        let id = input.id.unwrap_or_else(|| ScheduleId::from_uuid(self.ids.new_uuid(self.now)));
        self.permit_definition(caller, &id, &input.definition)?;
        if let Some(existing) = self.state.schedules.get(&id) {
            // A schedule that the caller may not see is not shown. That its id is taken shows all the same: ids are for everybody.
            self.permit_definition(caller, &id, &existing.definition)?;
            return Err(CommandError::IdTaken(id));
        }
        if self.state.schedules.len() >= self.rules.max_schedules {
            return Err(CommandError::TooManySchedules(self.rules.max_schedules));
        }
        let definition = Arc::new(input.definition);
        let next_run_at = definition.next_run_after(self.now);
        let schedule = Schedule {
            id,
            definition,
            version: 1,
            created_at: self.now,
            updated_at: self.now,
            created_by: caller.subject.clone(),
            updated_by: caller.subject.clone(),
            run: RunState { next_run_at, ..RunState::default() },
        };
        let after = schedule_record(&schedule);
        let object = schedule_object(&schedule.id);
        let created = self.put_schedule(None, Some(schedule)).expect("a schedule was put");
        self.audit_command(caller, "create_schedule", object, None, Some(after));
        Ok(created)
    }

    pub fn replace_schedule(
        &mut self,
        caller: &Caller,
        id: &ScheduleId,
        input: ScheduleInput,
        precondition: &Precondition,
    ) -> Result<Arc<Schedule>, CommandError> {
        let current = self.schedule_for_edit(caller, id, precondition)?;
        check_same_id(id, &input)?;
        self.permit_definition(caller, id, &input.definition)?;
        Ok(self.edit(caller, "replace_schedule", &current, input.definition))
    }

    pub fn patch_schedule(
        &mut self,
        caller: &Caller,
        id: &ScheduleId,
        patch: &Value,
        prepared: Option<Prepared>,
        precondition: &Precondition,
    ) -> Result<Arc<Schedule>, CommandError> {
        let current = self.schedule_for_edit(caller, id, precondition)?;
        let input = match prepared {
            Some(prepared) if prepared.version == current.version => *prepared.input,
            _ => {
                let catalog = self.rules.catalog.within(&caller.access);
                let parsed = schedule_input::parse_patch(&current.definition, patch, &catalog, self.now);
                parsed.map_err(CommandError::Invalid)?
            }
        };
        check_same_id(id, &input)?;
        self.permit_definition(caller, id, &input.definition)?;
        Ok(self.edit(caller, "patch_schedule", &current, input.definition))
    }

    pub fn set_enabled(
        &mut self,
        caller: &Caller,
        id: &ScheduleId,
        enabled: bool,
        precondition: &Precondition,
    ) -> Result<Arc<Schedule>, CommandError> {
        let current = self.schedule_for_edit(caller, id, precondition)?;
        let definition = ScheduleDefinition { enabled, ..ScheduleDefinition::clone(&current.definition) };
        let action = if enabled { "enable_schedule" } else { "disable_schedule" };
        Ok(self.edit(caller, action, &current, definition))
    }

    pub fn delete_schedule(&mut self, caller: &Caller, id: &ScheduleId, precondition: &Precondition) -> Result<(), CommandError> {
        let current = self.schedule_for_edit(caller, id, precondition)?;
        self.drop_pending(id, Reason::ScheduleDeleted, "the schedule was deleted while the job waited");
        // The job that was dropped has not touched the schedule: only jobs that start do.
        let before = schedule_record(&current);
        self.put_schedule(Some(current), None);
        self.audit_command(caller, "delete_schedule", schedule_object(id), Some(before), None);
        Ok(())
    }

    /// Makes a job for each of the schedule's targets, or for `only` one of them; answers with the first.
    pub fn run_schedule(
        &mut self,
        caller: &Caller,
        id: &ScheduleId,
        force: bool,
        only: Option<&str>,
    ) -> Result<Arc<Job>, CommandError> {
        let schedule = self.permitted_schedule(caller, id)?;
        let catalog = Arc::clone(&self.rules.catalog);
        let mut targets = schedule.definition.target.resolve(&catalog);
        if let Some(only) = only {
            if !targets.contains(&only) {
                let message = format!("'{}' is not a target of this schedule ({})", printable(only), targets.join(", "));
                return Err(CommandError::Invalid(vec![FieldError::new("target", message)]));
            }
            targets.retain(|target| *target == only);
        }
        if let Some(active) = targets.iter().find_map(|target| self.blocking_job(id, target)) {
            return Err(CommandError::JobActive(active));
        }
        let scheduled_for = self.free_moment(id);
        let jobs = self.new_jobs(&schedule, &targets, Trigger::Manual, scheduled_for);
        let jobs: Vec<Job> =
            jobs.into_iter().map(|job| Job { requested_by: Some(caller.subject.clone()), forced: force, ..job }).collect();
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let mut record = serde_json::json!({ "job_id": ids[0], "force": force });
        if ids.len() > 1 {
            record["job_ids"] = serde_json::json!(ids);
        }
        self.audit_command(caller, "run_schedule", schedule_object(id), None, Some(record));
        self.submit(jobs);
        Ok(Arc::clone(&self.state.jobs[&ids[0]]))
    }

    /// Makes a job that does what another one left undone. It runs that job's definition, so the schedule may have been edited or
    /// deleted since; the window binds it, as forcing is asked for run by run.
    pub fn retry_job(&mut self, caller: &Caller, id: JobId) -> Result<Arc<Job>, CommandError> {
        let original = self.permitted_job(caller, id)?;
        if let Some(active) = self.blocking_job(&original.schedule_id, &original.target) {
            return Err(CommandError::JobActive(active));
        }
        if original.state == JobState::Succeeded {
            return Err(CommandError::JobSucceeded(id));
        }
        let plan = (original.schedule_id.clone(), Arc::clone(&original.definition));
        let tasks = original.tasks.iter().map(JobTask::for_retry).collect();
        let scheduled_for = self.free_moment(&original.schedule_id);
        let job = self.job_of(plan, original.target.clone(), tasks, Trigger::Manual, scheduled_for);
        let job = Job { requested_by: Some(caller.subject.clone()), retry_of: Some(original.id), ..job };
        let id = job.id;
        let object = format!("job/{}", original.id);
        self.audit_command(caller, "retry_job", object, None, Some(serde_json::json!({ "job_id": id })));
        self.submit(vec![job]);
        Ok(Arc::clone(&self.state.jobs[&id]))
    }

    /// Queues or skips jobs that somebody asked for, and starts them if there are slots.
    fn submit(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let hold = self.state.holds.on_target(&job.target, self.now);
            self.queue_or_skip(job, hold);
        }
        self.admit();
    }

    /// `(schedule, scheduled_for)` is unique: a run asked for in the millisecond of a fire, one that has not been dealt with
    /// included, is a millisecond later.
    fn free_moment(&self, id: &ScheduleId) -> Timestamp {
        let fire = self.state.schedules.get(id).and_then(|schedule| schedule.run.next_run_at);
        let mut moment = self.now;
        while fire == Some(moment) || self.state.fires.contains_key(&(id.clone(), moment)) {
            moment += chrono::TimeDelta::milliseconds(1);
        }
        moment
    }

    pub fn cancel_job(&mut self, caller: &Caller, id: JobId) -> Result<Arc<Job>, CommandError> {
        let job = self.permitted_job(caller, id)?;
        if job.state.is_terminal() {
            return Err(CommandError::JobOver(id));
        }
        self.audit_command(caller, "cancel_job", format!("job/{id}"), None, Some(serde_json::json!({ "state": job.state })));
        self.request_cancel(&job, caller);
        Ok(Arc::clone(&self.state.jobs[&id]))
    }

    /// The schedule, if the caller may change it. To a limited caller what does not exist is as forbidden as what is outside.
    pub(super) fn permitted_schedule(&self, caller: &Caller, id: &ScheduleId) -> Result<Arc<Schedule>, CommandError> {
        match self.state.schedules.get(id) {
            Some(schedule) if schedule.is_within(&caller.access, &self.rules.catalog) => Ok(Arc::clone(schedule)),
            None if caller.access.is_unlimited() => Err(CommandError::ScheduleNotFound(id.clone())),
            _ => Err(CommandError::OutsideAccess),
        }
    }

    /// The same for a job.
    fn permitted_job(&self, caller: &Caller, id: JobId) -> Result<Arc<Job>, CommandError> {
        match self.state.jobs.get(&id) {
            Some(job) if job.is_within(&caller.access) => Ok(Arc::clone(job)),
            None if caller.access.is_unlimited() => Err(CommandError::JobNotFound(id)),
            _ => Err(CommandError::OutsideAccess),
        }
    }

    /// May the caller have a schedule like this?
    fn permit_definition(&self, caller: &Caller, id: &ScheduleId, definition: &ScheduleDefinition) -> Result<(), CommandError> {
        let within = definition.target.is_within(&caller.access, id, &self.rules.catalog);
        if within { Ok(()) } else { Err(CommandError::OutsideAccess) }
    }

    fn schedule_for_edit(
        &self,
        caller: &Caller,
        id: &ScheduleId,
        precondition: &Precondition,
    ) -> Result<Arc<Schedule>, CommandError> {
        let current = self.permitted_schedule(caller, id)?;
        if !precondition.holds(&current.etag()) {
            return Err(CommandError::PreconditionFailed { current: current.etag() });
        }
        Ok(current)
    }

    /// Puts a new definition in place of the current one; nothing happens when they are equal.
    fn edit(&mut self, caller: &Caller, action: &str, current: &Arc<Schedule>, definition: ScheduleDefinition) -> Arc<Schedule> {
        let before = schedule_record(current);
        let object = schedule_object(&current.id);
        if *current.definition == definition {
            self.audit_command(caller, action, object, Some(before.clone()), Some(before));
            return Arc::clone(current);
        }
        let timing_changed = current.definition.cron != definition.cron || current.definition.enabled != definition.enabled;
        let mut run = current.run.clone();
        if timing_changed {
            // From now on: fires before the change, or while it was disabled, are not missed fires.
            run.next_run_at = definition.next_run_after(self.now);
            // What was left out is a fire of the expression: disabling and enabling leave it so.
            run.skip_next.take_if(|_| current.definition.cron != definition.cron);
        }
        let disables = current.definition.enabled && !definition.enabled;
        let edited = Schedule {
            id: current.id.clone(),
            definition: Arc::new(definition),
            version: current.version + 1,
            created_at: current.created_at,
            updated_at: self.now,
            created_by: current.created_by.clone(),
            updated_by: caller.subject.clone(),
            run,
        };
        let after = schedule_record(&edited);
        let edited = self.put_schedule(Some(Arc::clone(current)), Some(edited)).expect("a schedule was put");
        self.audit_command(caller, action, object, Some(before), Some(after));
        if disables {
            self.drop_pending(&edited.id, Reason::ScheduleDisabled, "the schedule was disabled while the job waited");
        }
        edited
    }

    /// Skips the schedule's jobs that are still waiting.
    fn drop_pending(&mut self, id: &ScheduleId, reason: Reason, message: &str) {
        let waiting = self.state.active_jobs(id).filter(|job| job.state == JobState::Pending);
        for job in waiting.cloned().collect::<Vec<_>>() {
            self.skip_job(&job, reason, message.to_owned());
        }
    }
}

pub(super) fn schedule_object(id: &ScheduleId) -> String {
    format!("schedule/{id}")
}

fn check_same_id(id: &ScheduleId, input: &ScheduleInput) -> Result<(), CommandError> {
    match &input.id {
        Some(given) if given != id => {
            Err(CommandError::Invalid(vec![FieldError::new("id", format!("must be absent or '{id}', as in the path"))]))
        }
        _ => Ok(()),
    }
}
