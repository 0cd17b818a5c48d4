//! Requests that wait for the end of a job.

use std::sync::Arc;
use std::time::Duration;

use super::patience::Patience;
use super::state::HttpState;
use crate::domain::job::Job;
use crate::telemetry::Stopwatch;

/// How long a wait that is cut off by the end of the service is held all the same.
const BREATH: Duration = Duration::from_secs(1);

/// The job once it is over, or after `limit`, or when the service ends: as it stands then. A job that is pruned meanwhile stands as it
/// did last. A caller that goes away takes this future with it, and with that its place.
pub(super) async fn until_over(state: &HttpState, patience: &Patience, job: Arc<Job>, limit: Duration) -> Arc<Job> {
    // What was looked up a moment ago, or answered earlier, may have ended since.
    let Some(mut watch) = (!limit.is_zero()).then(|| state.handle.view().watch(job.id)).flatten() else { return job };
    if watch.job().is_active() {
        patience.grant(limit);
        let stopwatch = Stopwatch::start();
        // Whether the job is over or the time is, the answer says how it stands.
        let told = tokio::time::timeout(limit, watch.over()).await.is_ok();
        if told && watch.job().is_active() && !state.handle.is_ready() {
            // The service ends. Whoever asks again and again until the job is over would do so without a rest.
            let waited = Duration::try_from_secs_f64(stopwatch.seconds()).unwrap_or_default();
            tokio::time::sleep(limit.saturating_sub(waited).min(BREATH)).await;
        }
        patience.note_wait(stopwatch.seconds());
    }
    Arc::clone(watch.job())
}
