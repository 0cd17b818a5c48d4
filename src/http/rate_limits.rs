//! What was used of the limits of `[server.rate_limits]`: by addresses without an accepted token, and by principals with one.

use std::net::IpAddr;
use std::sync::Arc;

use governor::clock::DefaultClock;

use super::buckets::Buckets;
use crate::config::RateLimitConfig;

/// The limits of `[server.rate_limits]`, with what was used of them.
pub struct RateLimits {
    pub(super) addresses: Option<Buckets<AddressKey>>,
    pub(super) principals: Option<Buckets<Arc<str>>>,
}

impl RateLimits {
    /// Nothing is used yet.
    pub fn new(config: &RateLimitConfig) -> Self {
        Self {
            addresses: config.address.map(|limit| Buckets::new(limit, DefaultClock::default())),
            principals: config.principal.map(|limit| Buckets::new(limit, DefaultClock::default())),
        }
    }

    /// Forgets who has not asked for a while. To be called every minute or so, for the memory's sake.
    pub fn forget_idle(&self) {
        if let Some(addresses) = &self.addresses {
            addresses.forget_idle();
        }
        if let Some(principals) = &self.principals {
            principals.forget_idle();
        }
    }
}

/// A client: of an IPv6 address the first 64 bits, because one customer has all addresses that begin with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum AddressKey {
    V4(u32),
    V6(u64),
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments().map(u64::from);
                Self::V6(a << 48 | b << 32 | c << 16 | d)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AddressKey {
        text.parse::<IpAddr>().expect("an address").into()
    }

    #[test]
    fn ipv6_addresses_count_by_their_first_64_bits() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
