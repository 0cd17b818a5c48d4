//! The clocks of outgoing calls, in one place. Limits, deadlines and `Retry-After` dates of foreign servers are measured in real
//! time, whatever clock the rules are given; tests stop tokio's.

use chrono::Utc;
use tokio::time::Instant;

use crate::domain::time::Timestamp;

/// The monotonic clock, for limits and deadlines.
#[expect(clippy::disallowed_methods, reason = "this adapter's clock: a call takes real time")]
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// The wall clock, for answers that name a date.
#[expect(clippy::disallowed_methods, reason = "this adapter's clock: a foreign server names real dates")]
pub(super) fn wall_clock() -> Timestamp {
    Utc::now()
}
