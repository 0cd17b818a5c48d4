//! Asks again until there is an answer. Only for requests that may arrive twice: reads, and those with an `Idempotency-Key`.

use std::time::Duration;

use super::client::{Answered, Call, CallError, Client};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often a service that was never reached is asked: for some six seconds.
const TRIES_OF_NOBODY: u32 = 6;

/// The pauses between two tries: each is twice the one before, or as long as the service wants.
#[derive(Debug)]
pub struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    /// Waits before the next try.
    pub async fn pass(&mut self, error: &CallError) {
        tokio::time::sleep(self.next(error)).await;
    }

    fn next(&mut self, error: &CallError) -> Duration {
        let pause = self.0.max(error.retry_after().unwrap_or_default());
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Sends a request until it is answered. Whoever calls sets a limit of time; only a service that nobody ever reached is given up
/// before that, because its address may be wrong. `said` hears of the first loss.
///
/// # Errors
/// The refusal, or that nobody was there.
pub async fn insist(client: &Client, call: &Call, mut said: impl FnMut(&CallError)) -> Result<Answered, CallError> {
    let mut pauses = Pauses::default();
    let (mut tries, mut reached, mut told) = (0, false, false);
    loop {
        let error = match client.send(call).await {
            Ok(answer) => return Ok(answer),
            Err(error) if !error.is_temporary() => return Err(error),
            Err(error) => error,
        };
        tries += 1;
        reached |= !error.is_nobody();
        if !reached && tries >= TRIES_OF_NOBODY {
            return Err(error);
        }
        if !told {
            said(&error);
            told = true;
        }
        pauses.pass(&error).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::problem::Problem;

    #[test]
    fn pauses_grow_up_to_a_limit_and_heed_the_service() {
        let lost = CallError::Lost { perhaps_arrived: false, message: String::new() };
        let mut pauses = Pauses::default();
        let passed: Vec<u128> = (0..7).map(|_| pauses.next(&lost).as_millis()).collect();
        assert_eq!(passed, [200, 400, 800, 1600, 3200, 5000, 5000]);
        let problem = Problem {
            title: String::new(),
            status: 429,
            detail: String::new(),
            code: String::new(),
            request_id: String::new(),
            errors: Vec::new(),
            retry_after: Some(17),
        };
        assert_eq!(pauses.next(&CallError::Problem(Box::new(problem))).as_secs(), 17);
        assert_eq!(pauses.next(&lost).as_secs(), 5);
    }
}
