//! When requests arrived, and how many in the worst stretch of time.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Longer than any soak test (8 MB); the oldest are forgotten beyond it.
const MAX_ARRIVALS: usize = 512 * 1024;

/// The times of the arrivals, oldest first. They are kept apart from the requests, of which fewer are remembered.
#[derive(Default)]
pub(super) struct Arrivals(VecDeque<Instant>);

impl Arrivals {
    pub(super) fn note(&mut self, now: Instant) {
        if self.0.len() >= MAX_ARRIVALS {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The most arrivals in any stretch of this length: its beginning counts, its end does not. One walk over the list.
    pub(super) fn most_in_any(&self, stretch: Duration) -> usize {
        let mut first = 0;
        let mut most = 0;
        for (last, arrival) in self.0.iter().enumerate() {
            while arrival.saturating_duration_since(self.0[first]) >= stretch && first < last {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::clock;

    #[test]
    fn the_worst_stretch_may_lie_across_whole_seconds() {
        let begin = clock::instant();
        let mut arrivals = Arrivals::default();
        for milliseconds in [0, 900, 950, 1_000, 1_100, 1_899, 1_900, 5_000] {
            arrivals.note(begin + Duration::from_millis(milliseconds));
        }
        assert_eq!(arrivals.most_in_any(Duration::from_secs(1)), 5);
        assert_eq!(arrivals.most_in_any(Duration::from_secs(60)), 8);
        assert_eq!(arrivals.most_in_any(Duration::from_millis(1)), 1);
        arrivals.clear();
        assert_eq!(arrivals.most_in_any(Duration::from_secs(1)), 0);
    }

    #[test]
    fn hundreds_of_thousands_are_no_burden_and_the_oldest_are_forgotten() {
        let begin = clock::instant();
        let mut arrivals = Arrivals::default();
        // ten at once at the very first, then one each millisecond
        for n in 0..10_u64 + MAX_ARRIVALS as u64 {
            arrivals.note(begin + Duration::from_millis(n.saturating_sub(9)));
        }
        assert_eq!(arrivals.0.len(), MAX_ARRIVALS);
        assert_eq!(arrivals.most_in_any(Duration::from_millis(1)), 1);
        assert_eq!(arrivals.most_in_any(Duration::from_secs(1)), 1_000);
    }
}
