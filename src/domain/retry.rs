//! When a failed attempt is tried again: exponential backoff with full jitter.

use std::time::Duration;

/// The first backoff; it doubles with every further attempt.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest backoff.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// The longest `Retry-After` that is obeyed as it stands; a server that asks for more is asked again after this time.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How long to wait before the attempt that follows attempt number `attempt` (1 is the first).
///
/// `jitter` is a random number in `[0, 1)`: the wait is drawn evenly from zero to the backoff, so that callers who failed
/// together do not return together. `retry_after` is what the server asked for; it is the least wait.
pub fn delay_after(attempt: u32, jitter: f64, retry_after: Option<Duration>) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let backoff = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let drawn = backoff.mul_f64(jitter.clamp(0.0, 1.0));
    match retry_after {
        Some(asked) => asked.min(LONGEST_RETRY_AFTER).max(drawn),
        None => drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_from_one_second_to_sixty() {
        let longest = |attempt| delay_after(attempt, 1.0, None).as_secs();
        assert_eq!((1..=8).map(longest).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(delay_after(3, 0.0, None), Duration::ZERO);
        assert_eq!(delay_after(3, 0.5, None), Duration::from_secs(2));
        assert_eq!(delay_after(u32::MAX, 1.0, None), LONGEST_BACKOFF);
    }

    #[test]
    fn the_server_says_the_least_wait() {
        assert_eq!(delay_after(1, 0.1, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(delay_after(5, 1.0, Some(Duration::from_secs(7))), Duration::from_secs(16));
        assert_eq!(delay_after(1, 0.0, Some(Duration::from_secs(86_400))), LONGEST_RETRY_AFTER);
    }
}
