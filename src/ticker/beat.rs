//! The sign of life of the service's cron jobs, and the probe that looks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};

use crate::domain::health::{HealthSignal, HealthStatus};
use crate::domain::ports::{Clock, HealthProbe};
use crate::domain::time::{Timestamp, format_timestamp};

/// A beat comes every second; so many of them may fail to come before the module is unhealthy.
const LONGEST_SILENCE: TimeDelta = TimeDelta::seconds(5);

/// When the scheduler was last seen at work.
pub(super) struct Beat {
    clock: Arc<dyn Clock>,
    /// Milliseconds since 1970.
    last: AtomicI64,
    count: AtomicU64,
}

impl Beat {
    /// Counts from now, as if there had been a beat.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let last = AtomicI64::new(clock.now().timestamp_millis());
        Self { clock, last, count: AtomicU64::new(0) }
    }

    /// The scheduler is at work.
    pub fn note(&self) {
        self.last.store(self.clock.now().timestamp_millis(), Ordering::Release);
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Beats so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    fn last(&self) -> Timestamp {
        DateTime::from_timestamp_millis(self.last.load(Ordering::Acquire)).unwrap_or_default()
    }
}

/// UNHEALTHY when the scheduler has not been seen at work for five seconds.
pub(super) struct BeatProbe(pub Arc<Beat>);

#[async_trait]
impl HealthProbe for BeatProbe {
    async fn check(&self) -> HealthSignal {
        let last = self.0.last();
        // A beat from the future is as bad as an old one: the wall clock was set back, and the jobs wait for the time to come again.
        let signal = if (self.0.clock.now() - last).abs() > LONGEST_SILENCE {
            HealthSignal::new(HealthStatus::Unhealthy, "the service's own cron jobs do not run")
        } else {
            HealthSignal::new(HealthStatus::Healthy, "the service's own cron jobs run")
        };
        signal.with_detail("last_beat", format_timestamp(last))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use parking_lot::Mutex;

    /// A clock that stands until it is set.
    pub(in crate::ticker) struct SetClock(pub Mutex<Timestamp>);

    #[async_trait]
    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            *self.0.lock()
        }

        async fn sleep_until(&self, _deadline: Timestamp) {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn five_seconds_of_silence_are_too_long_in_either_direction() {
        let start = DateTime::from_timestamp_millis(1_767_225_600_000).expect("a time");
        let clock = Arc::new(SetClock(Mutex::new(start)));
        let beat = Arc::new(Beat::new(Arc::clone(&clock) as Arc<dyn Clock>));
        let probe = BeatProbe(Arc::clone(&beat));
        for (seconds, status) in [
            (0, HealthStatus::Healthy),
            (5, HealthStatus::Healthy),
            (6, HealthStatus::Unhealthy),
            (-5, HealthStatus::Healthy),
            (-6, HealthStatus::Unhealthy),
        ] {
            *clock.0.lock() = start + TimeDelta::seconds(seconds);
            assert_eq!(probe.check().await.status, status, "after {seconds} s");
        }
        beat.note();
        let signal = probe.check().await;
        assert_eq!(signal.status, HealthStatus::Healthy);
        assert_eq!(signal.details["last_beat"], "2025-12-31T23:59:54.000Z");
    }
}
