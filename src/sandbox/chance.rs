//! Faults at random, for soak tests: the same seed meets the same requests in the same way.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::fault::FaultKind;

/// Lets a share of the requests meet a fault.
pub(super) struct Chance {
    generator: SmallRng,
    share: f64,
    kinds: Vec<FaultKind>,
}

impl Chance {
    /// A share outside 0 to 1 is brought there.
    pub(super) fn new(seed: u64, share: f64, kinds: Vec<FaultKind>) -> Self {
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        Self { generator: SmallRng::seed_from_u64(seed), share, kinds }
    }

    /// What the next request meets. Draws the same numbers whatever comes out, so that the n-th request depends on nothing but
    /// the seed and n.
    pub(super) fn draw(&mut self) -> Option<FaultKind> {
        let hit = self.generator.random::<f64>() < self.share;
        let which = self.generator.random::<u64>();
        if !hit || self.kinds.is_empty() {
            return None;
        }
        let which = which % self.kinds.len() as u64;
        self.kinds.get(usize::try_from(which).ok()?).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, share: f64) -> Vec<Option<FaultKind>> {
        let mut chance = Chance::new(seed, share, vec![FaultKind::HangUp, FaultKind::Garbage]);
        (0..10_000).map(|_| chance.draw()).collect()
    }

    #[test]
    fn a_seed_says_who_meets_what() {
        assert_eq!(drawn(7, 0.2), drawn(7, 0.2));
        assert_ne!(drawn(7, 0.2), drawn(8, 0.2));
        let met = drawn(7, 0.2);
        for kind in [FaultKind::HangUp, FaultKind::Garbage] {
            let share = met.iter().filter(|fault| fault.as_ref() == Some(&kind)).count();
            assert!((800..1_200).contains(&share), "{share} of 10,000 met {kind:?}");
        }
    }

    #[test]
    fn a_share_of_nothing_and_of_everything_is_exact() {
        for nothing in [0.0, -1.0, f64::NAN] {
            assert!(drawn(1, nothing).iter().all(Option::is_none), "{nothing}");
        }
        assert!(drawn(1, 1.0).iter().all(Option::is_some));
        assert!(Chance::new(1, 1.0, Vec::new()).draw().is_none());
    }
}
