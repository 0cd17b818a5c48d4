//! Targets as they are shown. Their addresses are the configuration's affair.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::holds::{FreezeView, PauseView};
use crate::domain::access::Access;
use crate::domain::catalog::Catalog;
use crate::domain::holds::Holds;
use crate::domain::job::Reason;
use crate::domain::target_state::{Breaker, TargetStatus};
use crate::domain::time::{Timestamp, serde_millis};
use crate::orchestrator::view::{Contact, QueueLengths, ReadView};

/// A configured ThemisDB server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Target)]
pub(in crate::http) struct TargetView {
    /// Its name in the configuration.
    #[schema(example = "default")]
    name: String,
    /// Whether jobs can start on it.
    state: TargetStatus,
    /// Why not, in words.
    #[schema(required)]
    reason: Option<String>,
    /// Its circuit breaker.
    breaker: Breaker,
    /// Its own pause; that of all targets stands beside the list.
    #[schema(required)]
    pause: Option<PauseView>,
    /// The freeze that it is in.
    #[schema(required)]
    freeze: Option<FreezeView>,
    /// Jobs that wait for it.
    pending_jobs: usize,
    /// Jobs that run on it.
    running_jobs: usize,
    /// How many may run on it at once.
    max_concurrent_jobs: usize,
    /// What came of the last call for a job; null before the first one since the service started, and for a token that is limited to some
    /// schedules.
    #[schema(required)]
    last_answer: Option<LastAnswer>,
}

/// What came of the last call to a target for a job.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LastAnswer {
    /// When it was over.
    #[serde(with = "serde_millis")]
    #[schema(example = "2026-01-31T02:00:00.000Z")]
    at: DateTime<Utc>,
    /// Whether the target answered at all.
    answered: bool,
    /// Status of the answer.
    #[schema(required)]
    http_status: Option<u16>,
    /// What was wrong, in words.
    #[schema(required)]
    message: Option<String>,
}

/// All targets that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TargetList {
    /// By name.
    pub targets: Vec<TargetView>,
    /// How many.
    pub count: usize,
    /// The pause of all targets.
    #[schema(required)]
    pub pause: Option<PauseView>,
}

impl TargetView {
    /// A target as it is at `now`. To a caller who may not see all that runs on it, what it answered last is another's affair.
    pub fn new(name: &str, (catalog, view, holds): (&Catalog, &ReadView, &Holds), access: &Access, now: Timestamp) -> Self {
        let known = view.target(name);
        let (QueueLengths { pending, running }, contact) = view.target_work(name);
        let contact = contact.filter(|_| access.allows_all_on(name));
        let breaker = known.as_ref().map_or(Breaker::Closed, |known| known.breaker);
        let max_concurrent_jobs = catalog.max_concurrent_jobs(name);
        let hold = holds.on_target(name, now);
        let why = known
            .as_ref()
            .filter(|known| known.is_shut())
            .map(|known| known.reason.clone().unwrap_or_else(|| "it lets nothing start".to_owned()));
        let answers = breaker == Breaker::Closed && known.as_ref().is_none_or(|known| known.failures == 0);
        let freeze = holds.freeze_of(name, now);
        let pause = holds.of_target(name).filter(|pause| pause.holds_at(now));
        let (state, reason) = match (hold, why) {
            (Some(hold), _) => {
                let state = if hold.reason == Reason::Frozen { TargetStatus::Frozen } else { TargetStatus::Paused };
                (state, Some(hold.message))
            }
            (None, Some(why)) if answers => (TargetStatus::Postponed, Some(why)),
            (None, Some(why)) => (TargetStatus::Unreachable, Some(why)),
            (None, None) if running >= max_concurrent_jobs => {
                (TargetStatus::Busy, Some(format!("{running} of at most {max_concurrent_jobs} jobs run on it")))
            }
            (None, None) => (TargetStatus::Ready, None),
        };
        Self {
            name: name.to_owned(),
            state,
            reason,
            breaker,
            pause: pause.map(|pause| PauseView::from(pause.as_ref())),
            freeze: freeze.map(|freeze| FreezeView::new(freeze, access)),
            pending_jobs: pending,
            running_jobs: running,
            max_concurrent_jobs,
            last_answer: contact.map(|Contact { at, answered, http_status, message }| LastAnswer {
                at,
                answered,
                http_status,
                message,
            }),
        }
    }
}
