//! What the next fires of a schedule come to, as it is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::ScheduleId;
use crate::domain::preview::{Judged, PreviewedFire, Verdict};
use crate::domain::time::{Timestamp, serde_millis};

/// The next fires of a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Preview {
    /// Whose they are.
    #[schema(example = "nightly-index-rebuild")]
    schedule_id: String,
    /// From this moment on; never in the past.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    from: DateTime<Utc>,
    /// In their order; fewer than asked for when the expression has no more.
    fires: Vec<FirePreview>,
    /// How many.
    count: usize,
}

/// A fire that is to come.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FirePreview {
    /// When.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    scheduled_for: DateTime<Utc>,
    /// What it will come to, if nothing changes; RUN if it runs on one of its targets.
    verdict: Verdict,
    /// Why it does not run, or not everywhere.
    #[schema(required)]
    reason: Option<String>,
    /// On each target.
    targets: Vec<TargetVerdict>,
}

/// What a fire will come to on one target.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TargetVerdict {
    /// The target's name.
    #[schema(example = "default")]
    target: String,
    /// What it will come to, if nothing changes.
    verdict: Verdict,
    /// Why it does not run.
    #[schema(required)]
    reason: Option<String>,
}

impl Preview {
    /// The fires of a schedule.
    pub fn new(id: &ScheduleId, from: Timestamp, fires: Vec<PreviewedFire>) -> Self {
        Self { schedule_id: id.to_string(), from, count: fires.len(), fires: fires.into_iter().map(FirePreview::from).collect() }
    }
}

impl From<PreviewedFire> for FirePreview {
    fn from(fire: PreviewedFire) -> Self {
        let PreviewedFire { scheduled_for, overall: Judged { verdict, reason }, targets } = fire;
        let targets = targets.into_iter().map(|(target, Judged { verdict, reason })| TargetVerdict { target, verdict, reason });
        Self { scheduled_for, verdict, reason, targets: targets.collect() }
    }
}
