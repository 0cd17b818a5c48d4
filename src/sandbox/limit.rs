//! ThemisDB's rate limit: so many requests a minute for each token, every route counted.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

/// More tokens than a sandbox is called with; beyond them the limits start afresh, so that made-up tokens cannot fill memory.
const MAX_TOKENS: usize = 1024;

/// A bucket for each token: full at the start, refilled steadily over a minute.
pub(super) struct RateLimit {
    per_minute: Option<u32>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimit {
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        Self { per_minute, buckets: Mutex::default() }
    }

    /// Counts one request; `caller` is its token, or empty. False means that it is one too many.
    pub(super) fn admit(&self, caller: &str, now: Instant) -> bool {
        let Some(per_minute) = self.per_minute.map(f64::from) else {
            return true;
        };
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_TOKENS && !buckets.contains_key(caller) {
            buckets.clear();
        }
        let bucket = buckets.entry(caller.to_owned()).or_insert(Bucket { tokens: per_minute, at: now });
        let refill = now.saturating_duration_since(bucket.at).as_secs_f64() * per_minute / 60.0;
        bucket.tokens = (bucket.tokens + refill).min(per_minute);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}
