//! Tells an idle connection from a busy one, and both from one that is stuck.
//!
//! Requests only move counters; the connection's task looks at them now and then. So a request costs neither a lock nor a timer, and
//! an end comes up to a quarter of its limit late. Whoever takes connections looks at them as well, when it needs room for a new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::ConnectionLimits;
use crate::http::patience::Patience;

/// A limit is looked at so many times until it is reached.
const LOOKS: u32 = 4;
/// Stands for a body whose head does not say how long it is.
const UNKNOWN: u64 = u64::MAX;

/// Numbers the moments at which connections of one listener became idle, so that they can be put in order without a clock.
pub(super) type IdleOrder = Arc<AtomicU64>;

/// What happens on one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Requests that began.
    begun: AtomicU64,
    /// The last of them has an answer that is not written to its end. There is one at a time.
    is_busy: AtomicBool,
    /// How long its body is.
    body: AtomicU64,
    /// Counts everything that goes forward.
    steps: AtomicU64,
    /// When the last answer was written, by the order of the listener.
    idle_since: AtomicU64,
    order: IdleOrder,
    /// What the last request was granted beyond the time that others have.
    patience: Patience,
    /// Somebody needs the room.
    end: Notify,
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It never asked for anything.
    Silent,
    /// It has not asked for a while.
    Idle,
    /// What it asked for does not go forward: it takes no part of the answer.
    Stuck,
}

impl Activity {
    /// Of a connection of the listener that has this order.
    pub fn new(order: &IdleOrder) -> Self {
        Self { order: Arc::clone(order), ..Self::default() }
    }

    /// Notes a request, with the length of its body if that is known; it is over when the ticket is dropped.
    pub fn begin(self: &Arc<Self>, body: Option<u64>) -> Ticket {
        self.patience.renew();
        self.body.store(body.unwrap_or(UNKNOWN), Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.is_busy.store(true, Ordering::Relaxed);
        Ticket(Arc::clone(self))
    }

    /// How long the body of the last request is, if its head said so.
    pub fn body(&self) -> Option<u64> {
        Some(self.body.load(Ordering::Relaxed)).filter(|length| *length != UNKNOWN)
    }

    /// What the last request was granted beyond the time that others have.
    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// How many requests began so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// True while there is no request whose answer is not written.
    pub fn is_idle(&self) -> bool {
        !self.is_busy.load(Ordering::Relaxed)
    }

    /// Since when it is idle between two requests: the smaller, the longer. A request may begin the next moment.
    pub fn idle_since(&self) -> Option<u64> {
        (self.begun() > 0 && self.is_idle()).then(|| self.idle_since.load(Ordering::Relaxed))
    }

    /// Asks the connection to end.
    pub fn ask_to_end(&self) {
        self.end.notify_one();
    }

    /// Returns once the connection was asked to end.
    pub async fn asked_to_end(&self) {
        self.end.notified().await;
    }

    /// Returns once the connection has to end. A request may take `request_timeout` and what it was granted, and a peer may be slow to
    /// take the answer; beyond that nothing can be expected of either.
    pub async fn expiry(&self, limits: &ConnectionLimits, request_timeout: Duration) -> Expiry {
        let stuck_after = request_timeout + limits.write_timeout;
        let (mut seen, mut unchanged) = (self.seen(), Duration::ZERO);
        loop {
            let is_silent = self.begun() == 0;
            let limit = if is_silent { limits.header_timeout } else { limits.idle_timeout.min(stuck_after) };
            let look_after = limit / LOOKS;
            tokio::time::sleep(look_after).await;
            let now = self.seen();
            if now != seen {
                (seen, unchanged) = (now, Duration::ZERO);
                continue;
            }
            unchanged += look_after;
            if is_silent && unchanged >= limits.header_timeout {
                return Expiry::Silent;
            }
            if !is_silent && self.is_idle() && unchanged >= limits.idle_timeout {
                return Expiry::Idle;
            }
            if !self.is_idle() && unchanged >= stuck_after + self.patience.granted() {
                return Expiry::Stuck;
            }
        }
    }

    fn seen(&self) -> (u64, u64) {
        (self.begun(), self.steps.load(Ordering::Relaxed))
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(super) struct Ticket(Arc<Activity>);

impl Ticket {
    /// Notes that the request goes forward.
    pub fn step(&self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Activity { order, idle_since, is_busy, .. } = &*self.0;
        self.step();
        idle_since.store(order.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        is_busy.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            max_connections: 1,
            max_connections_per_address: None,
            header_timeout: 10 * SECOND,
            idle_timeout: 60 * SECOND,
            body_timeout: 10 * SECOND,
            write_timeout: 10 * SECOND,
            max_header_bytes: 8192,
            max_headers: 100,
        }
    }

    /// How it expires, and after how many seconds by a clock that jumps.
    async fn expired(activity: &Activity) -> (Expiry, u64) {
        let stopwatch = Stopwatch::start();
        (activity.expiry(&limits(), 30 * SECOND).await, stopwatch.seconds())
    }

    /// Runs by tokio's clock, which the tests stop.
    struct Stopwatch(tokio::time::Instant);

    impl Stopwatch {
        fn start() -> Self {
            #[expect(clippy::disallowed_methods, reason = "the clock that the test has stopped")]
            Self(tokio::time::Instant::now())
        }

        fn seconds(&self) -> u64 {
            self.0.elapsed().as_secs()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_silent() {
        assert_eq!(expired(&Activity::default()).await, (Expiry::Silent, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_request_on() {
        let activity = Arc::new(Activity::default());
        drop(activity.begin(None));
        assert_eq!(expired(&activity).await, (Expiry::Idle, 60));
        let busy = async {
            for _ in 0..10 {
                tokio::time::sleep(50 * SECOND).await;
                drop(activity.begin(None));
            }
        };
        let (expired, ()) = tokio::join!(expired(&activity), busy);
        assert!(expired.0 == Expiry::Idle && (560..=575).contains(&expired.1), "{expired:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_is_stuck() {
        let activity = Arc::new(Activity::default());
        let ticket = activity.begin(None);
        let (expiry, seconds) = expired(&activity).await;
        assert!(expiry == Expiry::Stuck && (40..=60).contains(&seconds), "{seconds}");
        drop(ticket);
        assert!(activity.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_granted_more_time_is_stuck_later_and_the_next_one_is_not() {
        let activity = Arc::new(Activity::default());
        let ticket = activity.begin(None);
        activity.patience().grant(300 * SECOND);
        let (expiry, seconds) = expired(&activity).await;
        assert!(expiry == Expiry::Stuck && (340..=360).contains(&seconds), "{seconds}");
        drop(ticket);
        let _next = activity.begin(None);
        let (expiry, seconds) = expired(&activity).await;
        assert!(expiry == Expiry::Stuck && (40..=60).contains(&seconds), "{seconds}");
    }
}
