//! The ports for time and chance, answered by the system. The only place that reads the wall clock or draws a random number.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use uuid::{ContextV7, Uuid};

use crate::domain::ports::{Clock, IdSource};
use crate::domain::time::{Timestamp, to_millis};

/// The wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the adapter behind the Clock port")]
        to_millis(Utc::now())
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        // A deadline in the past is a negative difference, and is slept for no time.
        tokio::time::sleep((deadline - self.now()).to_std().unwrap_or(Duration::ZERO)).await;
    }
}

/// UUIDv7 with a counter, and the random numbers of the operating system's seed.
#[derive(Debug, Default)]
pub struct SystemIds {
    /// Counts within a millisecond, and keeps on counting when the clock goes back, so that ids of one process ascend.
    counter: Mutex<ContextV7>,
}

impl SystemIds {
    /// A source of its own; two of them do not ascend together.
    pub fn new() -> Self {
        Self::default()
    }
}

/// 256 random bits as hexadecimal digits, for a secret that lives as long as the process.
pub fn random_secret() -> String {
    rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl IdSource for SystemIds {
    fn new_uuid(&self, now: Timestamp) -> Uuid {
        // Before 1970 there are no UUIDs; the counter keeps them apart all the same.
        let seconds = u64::try_from(now.timestamp()).unwrap_or(0);
        Uuid::new_v7(uuid::Timestamp::from_unix(&self.counter, seconds, now.timestamp_subsec_nanos()))
    }

    fn unit_random(&self) -> f64 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn ids_ascend_within_a_millisecond_and_when_the_clock_goes_back() {
        let ids = SystemIds::new();
        let now = DateTime::from_timestamp_millis(1_767_225_600_123).expect("a time");
        let mut made: Vec<Uuid> = (0..1000).map(|_| ids.new_uuid(now)).collect();
        let (seconds, nanos) = made[0].get_timestamp().expect("a v7").to_unix();
        assert_eq!((made[0].get_version_num(), seconds, nanos), (7, 1_767_225_600, 123_000_000));
        made.push(ids.new_uuid(now - TimeDelta::hours(1)));
        made.push(ids.new_uuid(now + TimeDelta::milliseconds(1)));
        made.push(ids.new_uuid(DateTime::from_timestamp_millis(-1).expect("a time")));
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn random_numbers_lie_between_zero_and_one_and_differ() {
        let drawn: Vec<f64> = (0..100).map(|_| SystemIds::new().unit_random()).collect();
        assert!(drawn.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]));
    }

    #[tokio::test]
    async fn the_clock_counts_whole_milliseconds_and_never_returns_before_a_deadline() {
        let now = SystemClock.now();
        assert_eq!(now, to_millis(now));
        // Returns at once, or the test never ends.
        SystemClock.sleep_until(now - TimeDelta::days(100_000)).await;
        for milliseconds in [0, 1, 7] {
            let deadline = SystemClock.now() + TimeDelta::milliseconds(milliseconds);
            SystemClock.sleep_until(deadline).await;
            assert!(SystemClock.now() >= deadline, "{milliseconds} ms");
        }
    }
}
