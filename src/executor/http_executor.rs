//! The adapter behind the port: finds target and recipe, and hands over to one attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::dns::Resolve;

use super::attempt::{Attempt, deadline_after};
use super::client::{ExecutorError, TargetSettings};
use super::failure::label;
use super::metrics::RequestMetrics;
use super::resolver::SystemLookup;
use super::target::Target;
use crate::domain::catalog::{Catalog, MissingRecipe};
use crate::domain::job::Outcome;
use crate::domain::ports::SentSignal;
use crate::domain::ports::{AttemptReport, AttemptTrace, TargetAnswer, TaskCall, TaskExecutor};
use crate::domain::recipe::{HANDLE, Recipe, SuccessRule};

/// How long asking a target to stop may take, the rate limiter included: somebody waits for it, perhaps a shutdown.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries out tasks over HTTP.
pub struct HttpExecutor {
    targets: BTreeMap<String, Target>,
    catalog: Arc<Catalog>,
}

impl HttpExecutor {
    /// An executor for these targets. No connection is made yet.
    ///
    /// # Errors
    /// When a target cannot be called at all; says which one and why.
    pub fn new(
        targets: Vec<TargetSettings>,
        catalog: Arc<Catalog>,
        metrics: Arc<dyn RequestMetrics>,
    ) -> Result<Self, ExecutorError> {
        Self::with_lookup(targets, catalog, metrics, Arc::new(SystemLookup))
    }

    /// The same with another way to look up names.
    pub(super) fn with_lookup(
        targets: Vec<TargetSettings>,
        catalog: Arc<Catalog>,
        metrics: Arc<dyn RequestMetrics>,
        lookup: Arc<dyn Resolve>,
    ) -> Result<Self, ExecutorError> {
        let mut by_name = BTreeMap::new();
        for settings in targets {
            let name = settings.name.clone();
            if by_name.insert(name.clone(), Target::new(settings, Arc::clone(&metrics), Arc::clone(&lookup))?).is_some() {
                return Err(ExecutorError::Duplicate { target: name });
            }
        }
        Ok(Self { targets: by_name, catalog })
    }

    fn find(&self, call: &TaskCall) -> Result<(&Recipe, &Target), MissingRecipe> {
        let recipe = self.catalog.recipe(&call.target, call.task_type, &call.parameters)?;
        let target = self.targets.get(&call.target).ok_or_else(|| MissingRecipe::Target { target: call.target.clone() })?;
        Ok((recipe, target))
    }
}

#[async_trait]
impl TaskExecutor for HttpExecutor {
    async fn attempt(&self, call: &TaskCall, trace: &AttemptTrace) -> AttemptReport {
        match self.find(call) {
            Ok((recipe, target)) => Attempt::new(call, recipe, target).run(trace).await,
            Err(missing) => AttemptReport { error_message: Some(missing.to_string()), ..AttemptReport::of(Outcome::Permanent) },
        }
    }

    async fn cancel(&self, call: &TaskCall, trace: &AttemptTrace) {
        // Work that was never asked for needs no stopping, and a cancel call could hit somebody else's.
        let (Ok((recipe, target)), true) = (self.find(call), trace.was_sent()) else { return };
        let Some(cancel) = &recipe.cancel else { return };
        let mut attempt = Attempt::new(call, recipe, target);
        attempt.captured.extend(trace.captured());
        if let Some(handle) = trace.handle() {
            attempt.values.insert(HANDLE.to_owned(), handle);
        }
        let (job_id, task) = (call.job_id, call.task_name.as_str());
        let rendered = match attempt.render_follow_up(cancel) {
            Ok(rendered) => rendered,
            Err(failure) => {
                // As a rule the handle: the attempt was stopped before the target had named one.
                tracing::warn!(%job_id, task, reason = %failure.message, "the target cannot be asked to stop");
                return;
            }
        };
        let deadline = deadline_after(CANCEL_TIMEOUT);
        if !attempt.pass_limiter(deadline).await {
            tracing::warn!(%job_id, task, reason = "the target's rate limit", "the target cannot be asked to stop");
            return;
        }
        let (rule, sent) = (SuccessRule::default(), SentSignal::default());
        match attempt.send(&rendered, attempt.headers(), &rule, deadline, &sent).await {
            Ok(answer) => {
                tracing::info!(%job_id, task, call = label(&rendered), status = answer.status, "asked the target to stop")
            }
            Err(failure) => tracing::warn!(%job_id, task, reason = %failure.message, "asking the target to stop failed"),
        }
    }
    async fn ask(&self, target: &str) -> TargetAnswer {
        match self.targets.get(target) {
            Some(target) => target.ask().await,
            // Its jobs start and fail with a message that says which key to set.
            None => TargetAnswer::Ready,
        }
    }
}
