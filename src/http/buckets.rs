//! Token buckets by key, in bounded memory: the arithmetic is `governor`'s, the store is ours.
//!
//! Keys come from outside, so there must be a most of them: when a part of the store is full, new keys share one bucket. That is
//! harsh to newcomers and kind to those who were here before, and a flood of addresses gains nothing by its number.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

use crate::config::RateLimit;

/// Most keys: some 5 MiB, and more clients than a maintenance service ever has.
const MAX_KEYS: usize = 65_536;
/// Parts of the store with a lock each, so that requests seldom wait for each other.
const SHARDS: usize = 16;

/// A limit by key.
pub(super) struct Buckets<K: Hash + Eq + Clone, C: Clock = DefaultClock> {
    store: Arc<Store<K>>,
    taking: RateLimiter<K, Taking<K>, C, NoOpMiddleware<C::Instant>>,
    looking: RateLimiter<K, Looking<K>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    /// Full buckets for everybody.
    pub fn new(limit: RateLimit, clock: C) -> Self {
        Self::with_capacity(limit, clock, MAX_KEYS)
    }

    fn with_capacity(limit: RateLimit, clock: C, keys: usize) -> Self {
        let quota = Quota::per_second(limit.per_second).allow_burst(limit.burst);
        let store = Arc::new(Store::new(keys / SHARDS));
        let taking = RateLimiter::new(quota, Taking(Arc::clone(&store)), clock.clone());
        let looking = RateLimiter::new(quota, Looking(Arc::clone(&store)), clock.clone());
        Self { store, taking, looking, clock }
    }

    /// Takes one out of the key's bucket.
    ///
    /// # Errors
    /// After how long there is one, when it is empty.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        self.taking.check_key(key).map_err(|refusal| refusal.wait_time_from(self.clock.now()))
    }

    /// Looks whether there is one in the key's bucket.
    ///
    /// # Errors
    /// After how long there is one, when it is empty.
    pub fn look(&self, key: &K) -> Result<(), Duration> {
        if self.store.is_untouched() {
            return Ok(());
        }
        self.looking.check_key(key).map_err(|refusal| refusal.wait_time_from(self.clock.now()))
    }

    /// Forgets the keys whose buckets are full again.
    pub fn forget_idle(&self) {
        self.taking.retain_recent();
    }
}

/// The state of each bucket: when it will be full again, as `governor` counts.
struct Store<K> {
    shards: Vec<Mutex<HashMap<K, Nanos>>>,
    /// The bucket of all who came when a shard was full.
    overflow: Mutex<Option<Nanos>>,
    keys_per_shard: usize,
    /// Keyed at random, so that nobody can choose addresses that fall into one shard.
    hasher: RandomState,
    /// Set as long as nothing was ever taken, which is how it stays where all tokens are good; then no lock is needed to look.
    untouched: AtomicBool,
}

impl<K: Hash + Eq + Clone> Store<K> {
    fn new(keys_per_shard: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            overflow: Mutex::default(),
            keys_per_shard,
            hasher: RandomState::new(),
            untouched: AtomicBool::new(true),
        }
    }

    fn is_untouched(&self) -> bool {
        // Whoever looks at the same moment as the first one takes may see either.
        self.untouched.load(Ordering::Relaxed)
    }

    #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits choose the shard")]
    fn shard(&self, key: &K) -> &Mutex<HashMap<K, Nanos>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// Lets `decide` see the bucket of a key, and keeps its new state if `keep` says so.
    fn decide<T, E>(&self, key: &K, keep: bool, decide: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>) -> Result<T, E> {
        let mut shard = self.shard(key).lock();
        if let Some(state) = shard.get_mut(key) {
            let (decision, next) = decide(Some(*state))?;
            if keep {
                *state = next;
            }
            return Ok(decision);
        }
        if shard.len() < self.keys_per_shard {
            let (decision, next) = decide(None)?;
            if keep {
                self.untouched.store(false, Ordering::Relaxed);
                shard.insert(key.clone(), next);
            }
            return Ok(decision);
        }
        drop(shard);
        let mut overflow = self.overflow.lock();
        let (decision, next) = decide(*overflow)?;
        if keep {
            *overflow = Some(next);
        }
        Ok(decision)
    }
}

/// The store for those who take.
struct Taking<K>(Arc<Store<K>>);

impl<K: Hash + Eq + Clone> StateStore for Taking<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.decide(key, true, decide)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Taking<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.0.shards {
            shard.lock().retain(|_, state| *state > drop_below);
        }
    }

    fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The store for those who only look: the same decision, but nothing is taken.
struct Looking<K>(Arc<Store<K>>);

impl<K: Hash + Eq + Clone> StateStore for Looking<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0.decide(key, false, decide)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn buckets(keys: usize) -> (Buckets<u32, FakeRelativeClock>, FakeRelativeClock) {
        let number = |number| std::num::NonZeroU32::new(number).expect("not zero");
        let clock = FakeRelativeClock::default();
        (Buckets::with_capacity(RateLimit { per_second: number(2), burst: number(3) }, clock.clone(), keys), clock)
    }

    #[test]
    fn a_bucket_is_emptied_and_filled_by_its_own_key_alone() {
        let (buckets, clock) = buckets(MAX_KEYS);
        for _ in 0..3 {
            assert_eq!((buckets.look(&1), buckets.take(&1)), (Ok(()), Ok(())));
        }
        assert_eq!(buckets.take(&1), Err(Duration::from_millis(500)));
        assert_eq!(buckets.look(&1), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(&2), Ok(()));
        clock.advance(Duration::from_millis(500));
        assert_eq!((buckets.look(&1), buckets.look(&1)), (Ok(()), Ok(())), "to look takes nothing");
        assert_eq!((buckets.take(&1), buckets.take(&1).is_err()), (Ok(()), true));
    }

    #[test]
    fn full_buckets_are_forgotten_and_empty_ones_are_not() {
        let (buckets, clock) = buckets(MAX_KEYS);
        assert_eq!(buckets.take(&1), Ok(()));
        clock.advance(Duration::from_secs(60));
        for _ in 0..3 {
            assert_eq!(buckets.take(&2), Ok(()));
        }
        buckets.forget_idle();
        assert_eq!(buckets.taking.len(), 1);
        assert!(buckets.take(&2).is_err());
    }

    #[test]
    fn when_the_store_is_full_newcomers_share_one_bucket() {
        // One key for each shard.
        let (buckets, clock) = buckets(SHARDS);
        let accepted = (0..10_000).filter(|key| buckets.take(key).is_ok()).count();
        assert_eq!(accepted, SHARDS + 3);
        assert_eq!(buckets.taking.len(), SHARDS);
        clock.advance(Duration::from_secs(60));
        buckets.forget_idle();
        assert_eq!(buckets.take(&20_000), Ok(()));
    }
}
