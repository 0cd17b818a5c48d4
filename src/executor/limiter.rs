//! The rate limit towards one target, and the rest that the target asks for.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

use super::clocks;

const MINUTE: Duration = Duration::from_secs(60);

/// The longest rest, whatever a target asks for: one that names tomorrow would hold every job that runs on it.
pub(super) const LONGEST_PAUSE: Duration = MINUTE;

/// Lets calls pass, so many in any minute, first come first served, and none while the target rests.
pub(super) struct RequestLimiter {
    limiter: RateLimiter<NotKeyed, InMemoryState, RuntimeClock, NoOpMiddleware<Nanos>>,
    clock: RuntimeClock,
    /// Held by the one that waits for the next cell; the lock is fair, so the others come in their order.
    turn: Mutex<()>,
    /// Nothing passes before this moment. Of several that were asked for the latest counts.
    paused_until: parking_lot::Mutex<Instant>,
}

impl RequestLimiter {
    pub(super) fn new(requests_per_minute: NonZeroU32) -> Self {
        let clock = RuntimeClock { start: clocks::instant() };
        let limiter = RateLimiter::direct_with_clock(quota(requests_per_minute), clock);
        Self { limiter, clock, turn: Mutex::default(), paused_until: parking_lot::Mutex::new(clock.start) }
    }

    /// Returns when the next call may be made. Dropping the future gives the place up.
    pub(super) async fn ready(&self) {
        let _turn = self.turn.lock().await;
        loop {
            // Looked at anew after every wait: a call that is under way may be refused meanwhile.
            let paused_until = *self.paused_until.lock();
            if paused_until > clocks::instant() {
                sleep_until(paused_until).await;
                continue;
            }
            match self.limiter.check() {
                Ok(()) => return,
                Err(not_yet) => sleep(not_yet.wait_time_from(self.clock.now())).await,
            }
        }
    }

    /// Lets nothing pass for so long, at most [`LONGEST_PAUSE`]. Those that wait keep their order.
    pub(super) fn pause(&self, pause: Duration) {
        let until = clocks::instant() + pause.min(LONGEST_PAUSE);
        let mut paused_until = self.paused_until.lock();
        *paused_until = until.max(*paused_until);
    }
}

/// A quota that lets at most `requests_per_minute` pass in **any** minute.
///
/// A cell is refilled every T, and B can be saved up. The worst minute begins with B at once and goes on with one every T:
/// B + 60 s / T. So "90 a minute with a burst of 90" can be 180 in a minute, and ThemisDB answers 429 from the 101st on. The number
/// is therefore split, B + R = N with T = 60 s / R; a tenth is burst, enough for a call and its verifications to go out
/// without a wait. For 90: B = 9, R = 81, T = 741 ms.
///
/// What is left up to ThemisDB's 100 is for the health probes, which do not pass here (4 a minute, see `probe`), and for calls
/// that the network pushed together.
fn quota(requests_per_minute: NonZeroU32) -> Quota {
    let all = requests_per_minute.get();
    let burst = (all / 10).max(1);
    let refill = (all - burst).max(1);
    let interval = (MINUTE / refill).max(Duration::from_nanos(1));
    Quota::with_period(interval)
        .expect("the interval is not zero")
        .allow_burst(NonZeroU32::new(burst).expect("a burst is at least 1"))
}

/// The runtime's clock, so that tests can stop it and waiting and measuring agree.
#[derive(Debug, Clone, Copy)]
struct RuntimeClock {
    start: Instant,
}

impl Clock for RuntimeClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    /// Passes in the worst minute of a caller who asks every 10 ms for three minutes, after a rest in which the burst fills up.
    fn worst_minute(requests_per_minute: u32) -> usize {
        let clock = FakeRelativeClock::default();
        let quota = quota(NonZeroU32::new(requests_per_minute).expect("not zero"));
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        clock.advance(10 * MINUTE);
        let mut passed: Vec<u64> = Vec::new();
        for tick in 0..18_000 {
            while limiter.check().is_ok() {
                passed.push(tick);
            }
            clock.advance(Duration::from_millis(10));
        }
        let within = |start: u64| passed.iter().filter(|tick| (start..start + 6_000).contains(*tick)).count();
        passed.iter().map(|start| within(*start)).max().expect("some passed")
    }

    #[test]
    fn no_minute_sees_more_than_the_configured_number() {
        for requests_per_minute in [1, 2, 3, 9, 10, 60, 90, 100, 1000] {
            let worst = worst_minute(requests_per_minute);
            assert!(worst <= requests_per_minute as usize, "{worst} of {requests_per_minute}");
            assert!(worst * 10 >= requests_per_minute as usize * 5, "only {worst} of {requests_per_minute}");
        }
        assert!((85..=90).contains(&worst_minute(90)));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_takes_the_interval_and_no_longer() {
        let limiter = RequestLimiter::new(NonZeroU32::new(90).expect("not zero"));
        let start = clocks::instant();
        for _ in 0..9 {
            limiter.ready().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "the burst passes at once");
        limiter.ready().await;
        assert_eq!(start.elapsed().as_millis(), 741);
        for _ in 0..81 {
            limiter.ready().await;
        }
        assert!(start.elapsed() >= MINUTE, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_passes_while_the_target_rests() {
        let limiter = RequestLimiter::new(NonZeroU32::new(1_000_000).expect("not zero"));
        let start = clocks::instant();
        limiter.pause(Duration::from_secs(7));
        // Of two the longer counts, whatever their order.
        limiter.pause(Duration::from_secs(3));
        limiter.ready().await;
        assert_eq!(start.elapsed().as_secs(), 7);
        limiter.pause(Duration::ZERO);
        limiter.ready().await;
        assert_eq!(start.elapsed().as_secs(), 7);
        limiter.pause(Duration::from_secs(86_400));
        limiter.ready().await;
        assert_eq!(start.elapsed().as_secs(), 67, "no rest is longer than a minute");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_holds_those_that_wait_already_and_keeps_their_order() {
        let limiter = RequestLimiter::new(NonZeroU32::new(1).expect("not zero"));
        limiter.ready().await;
        let start = clocks::instant();
        let passed = parking_lot::Mutex::new(Vec::new());
        let pass = |name: &'static str| {
            let (limiter, passed) = (&limiter, &passed);
            async move {
                limiter.ready().await;
                passed.lock().push((name, start.elapsed().as_secs()));
            }
        };
        let pause = async {
            // In the middle of the first one's wait for its cell, which comes after 60 s.
            sleep(Duration::from_secs(30)).await;
            limiter.pause(Duration::from_secs(50));
        };
        tokio::join!(biased; pass("first"), pass("second"), pause);
        assert_eq!(*passed.lock(), [("first", 80), ("second", 140)]);
    }
}
