//! Pauses, fires that are left out, and freezes as they are shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::access::Access;
use crate::domain::freeze::Freeze;
use crate::domain::pause::{Pause, SkipNext};
use crate::domain::time::{serde_millis, serde_millis_option};

/// A pause.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
pub(in crate::http) struct PauseView {
    /// Who asked for it (`sub` of the token).
    paused_by: String,
    /// Why.
    reason: String,
    /// Since when.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    paused_at: DateTime<Utc>,
    /// When it ends by itself; null: when somebody resumes.
    #[serde(with = "serde_millis_option")]
    #[schema(required)]
    until: Option<DateTime<Utc>>,
}

/// The fire that a schedule leaves out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkipNext)]
pub(in crate::http) struct SkipNextView {
    /// Which.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    scheduled_for: DateTime<Utc>,
    /// Who asked for it (`sub` of the token).
    requested_by: String,
    /// When.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-30T14:00:00.000Z")]
    requested_at: DateTime<Utc>,
    /// Why; empty when nobody said.
    reason: String,
}

/// The pause of all targets.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PauseOfAll {
    /// Null when there is none.
    #[schema(required)]
    pub pause: Option<PauseView>,
}

/// A span of time in which nothing starts on some targets or on all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Freeze)]
pub(in crate::http) struct FreezeView {
    /// Made by the service.
    id: Uuid,
    /// Its first moment.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-12-24T00:00:00.000Z")]
    from: DateTime<Utc>,
    /// The first moment after it.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-12-27T00:00:00.000Z")]
    to: DateTime<Utc>,
    /// On which targets; empty: on all.
    targets: Vec<String>,
    /// Why.
    reason: String,
    /// Who asked for it (`sub` of the token).
    created_by: String,
    /// When.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-12-01T09:00:00.000Z")]
    created_at: DateTime<Utc>,
}

/// All freezes.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FreezeList {
    /// By their beginnings.
    freezes: Vec<FreezeView>,
    /// How many.
    count: usize,
}

impl From<&Pause> for PauseView {
    fn from(pause: &Pause) -> Self {
        let Pause { paused_by, paused_at, reason, until } = pause;
        Self { paused_by: paused_by.clone(), reason: reason.clone(), paused_at: *paused_at, until: *until }
    }
}

impl From<&SkipNext> for SkipNextView {
    fn from(skip: &SkipNext) -> Self {
        let SkipNext { scheduled_for, requested_by, requested_at, reason } = skip;
        Self {
            scheduled_for: *scheduled_for,
            requested_by: requested_by.clone(),
            requested_at: *requested_at,
            reason: reason.clone(),
        }
    }
}

impl FreezeView {
    /// A freeze as a caller may see it.
    pub fn new(freeze: &Freeze, access: &Access) -> Self {
        let Freeze { id, from, to, targets: _, reason, created_by, created_at } = freeze;
        Self {
            id: id.0,
            from: *from,
            to: *to,
            targets: freeze.targets_within(access),
            reason: reason.clone(),
            created_by: created_by.clone(),
            created_at: *created_at,
        }
    }
}

impl FreezeList {
    /// In order of their beginnings.
    pub fn new<'a>(freezes: impl Iterator<Item = &'a Freeze>, access: &Access) -> Self {
        let mut freezes: Vec<FreezeView> = freezes.map(|freeze| FreezeView::new(freeze, access)).collect();
        freezes.sort_by_key(|freeze| (freeze.from, freeze.id));
        Self { count: freezes.len(), freezes }
    }
}
