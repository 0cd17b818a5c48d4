//! A clock that stands until a test moves it.

use async_trait::async_trait;
use chrono::TimeDelta;
use themis_maintenance::domain::ports::Clock;
use themis_maintenance::domain::time::Timestamp;
use tokio::sync::watch;

pub struct TestClock(watch::Sender<Timestamp>);

impl TestClock {
    pub fn new(now: &str) -> Self {
        Self(watch::Sender::new(now.parse().expect("a timestamp")))
    }

    pub fn set(&self, now: &str) {
        self.0.send_replace(now.parse().expect("a timestamp"));
    }

    pub fn advance(&self, by: TimeDelta) {
        self.0.send_modify(|now| *now += by);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let mut watch = self.0.subscribe();
        watch.wait_for(|now| *now >= deadline).await.expect("the clock outlives those who sleep by it");
    }
}
