//! The sandbox's clocks, in one place.
//!
//! The sandbox is a server of its own that tests look at from outside, so it reads the clocks itself.

use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// The wall clock: for what people read, and for the names of backups.
pub(super) fn now() -> DateTime<Utc> {
    #[expect(clippy::disallowed_methods, reason = "the sandbox stands for a foreign server with a clock of its own")]
    Utc::now()
}

/// The monotonic clock: for durations. It is tokio's, so that a test that pauses time pauses it too.
pub(super) fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the sandbox stands for a foreign server with a clock of its own")]
    Instant::now()
}
