//! What readers of the view ask for, and what they get beside schedules and jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::access::Access;
use crate::domain::ids::{JobId, ScheduleId};
use crate::domain::job::JobState;
use crate::domain::labels::LabelSelector;
use crate::domain::target_state::TargetState;
use crate::domain::time::Timestamp;

/// Position of a job in the list: newest first by the time it was made, ties by id.
pub type JobKey = (Timestamp, JobId);

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T, K> {
    /// The items.
    pub items: Vec<T>,
    /// Key of the last item, when more follow.
    pub next: Option<K>,
}

/// Which schedules to list, by id.
#[derive(Debug, Clone, Default)]
pub struct ScheduleQuery {
    /// Only enabled or only disabled ones.
    pub enabled: Option<bool>,
    /// Only those of one target.
    pub target: Option<String>,
    /// Only those with these labels.
    pub labels: LabelSelector,
    /// Only what the caller may see.
    pub access: Access,
    /// Items on the page.
    pub limit: usize,
    /// Only ids after this one.
    pub after: Option<ScheduleId>,
}

/// Which jobs to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Only jobs in this state.
    pub state: Option<JobState>,
    /// Only jobs of one schedule.
    pub schedule_id: Option<ScheduleId>,
    /// Only jobs on one target.
    pub target: Option<String>,
    /// Only jobs of one fire.
    pub fire_id: Option<JobId>,
    /// Only jobs that wait or run, or only those that ended.
    pub active: Option<bool>,
    /// Only what the caller may see.
    pub access: Access,
    /// Items on the page.
    pub limit: usize,
    /// Only jobs before this key, that is older ones.
    pub before: Option<JobKey>,
}

/// Figures of the health report and the gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// All schedules.
    pub total_schedules: usize,
    /// Those that fire.
    pub enabled_schedules: usize,
    /// Those that somebody paused.
    pub paused_schedules: usize,
    /// Jobs that wait for a slot.
    pub pending_jobs: usize,
    /// Jobs under way.
    pub running_jobs: usize,
    /// Jobs that succeeded in the last 24 hours.
    pub succeeded_jobs_24h: usize,
    /// Jobs that failed in the last 24 hours.
    pub failed_jobs_24h: usize,
}

/// What runs where, and how the targets are.
#[derive(Debug, Default)]
pub(in crate::orchestrator) struct Load {
    /// Jobs under way.
    pub running: usize,
    /// Jobs that wait and run, by target.
    pub queues: BTreeMap<String, QueueLengths>,
    /// Targets of which something is out of the ordinary.
    pub targets: BTreeMap<String, Arc<TargetState>>,
}

/// A target's jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueLengths {
    /// Those that wait for a slot.
    pub pending: usize,
    /// Those under way.
    pub running: usize,
}

/// What came of the last time that a target was spoken to for a job. Probes do not count, and nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// When it was over.
    pub at: Timestamp,
    /// Whether the target answered at all.
    pub answered: bool,
    /// Status of the answer, when there was one.
    pub http_status: Option<u16>,
    /// What was wrong, in words.
    pub message: Option<String>,
}
