//! Says of jobs, in a sentence each, why they were skipped, what they wait for, what they do, or how they ended.

use std::cell::OnceCell;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;

use super::handle::OrchestratorHandle;
use super::view::Load;
use crate::domain::explanation::{Surroundings, explain};
use crate::domain::job::Job;

/// What the configuration says of waiting, beside what the catalog says of targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitingRules {
    /// Jobs under way at most.
    pub max_concurrent_jobs: usize,
    /// How long a job waits for a target that lets nothing start.
    pub queue_timeout: TimeDelta,
}

/// Explains the jobs of one answer: what runs is looked up once, and only if one of them waits.
pub struct Explainer<'a> {
    handle: &'a OrchestratorHandle,
    load: OnceCell<Load>,
}

impl OrchestratorHandle {
    /// For the jobs of one answer.
    pub fn explainer(&self) -> Explainer<'_> {
        Explainer { handle: self, load: OnceCell::new() }
    }
}

impl Explainer<'_> {
    /// The sentence about a job.
    pub fn explain(&self, job: &Job) -> String {
        explain(job, || self.around(&job.target))
    }

    fn around(&self, target: &str) -> Surroundings {
        let OrchestratorHandle { view, catalog, waiting, .. } = self.handle;
        let load = self.load.get_or_init(|| view.load());
        Surroundings {
            // Jobs are only shown once they are loaded, so not being ready means that.
            is_ending: !self.handle.ready.load(Ordering::Acquire),
            running: load.running,
            max_running: waiting.max_concurrent_jobs,
            running_on_target: load.queues.get(target).map_or(0, |queue| queue.running),
            max_running_on_target: catalog.max_concurrent_jobs(target),
            target: load.targets.get(target).cloned(),
            has_preflight: catalog.preflight(target).is_some(),
            queue_timeout: waiting.queue_timeout,
        }
    }
}
