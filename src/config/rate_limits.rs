//! `[server.rate_limits]`: how often an address without an accepted token, and a principal, may ask.

use std::num::NonZeroU32;

use super::section::Section;
use super::values::integer;

/// `[server.rate_limits]`; `None` where nothing is limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Requests without an accepted token, per client address.
    pub address: Option<RateLimit>,
    /// Requests with an accepted token, per `sub`.
    pub principal: Option<RateLimit>,
}

/// A bucket: so many at once, refilled at so many a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Refill.
    pub per_second: NonZeroU32,
    /// Size.
    pub burst: NonZeroU32,
}

pub(super) fn rate_limits(mut section: Section<'_>) -> Option<RateLimitConfig> {
    let address = bucket(&mut section, "address_per_second", "address_burst");
    let principal = bucket(&mut section, "principal_per_second", "principal_burst");
    section.finish();
    Some(RateLimitConfig { address: address?, principal: principal? })
}

/// `Some(None)` when the rate is zero, which turns the limit off.
fn bucket(section: &mut Section<'_>, rate_key: &'static str, burst_key: &'static str) -> Option<Option<RateLimit>> {
    let per_second = section.required(rate_key, integer::<u32>(0..=1_000_000));
    let burst = section.required(burst_key, integer::<u32>(1..=10_000_000));
    let (per_second, burst) = (per_second?, burst?);
    Some(NonZeroU32::new(per_second).zip(NonZeroU32::new(burst)).map(|(per_second, burst)| RateLimit { per_second, burst }))
}
