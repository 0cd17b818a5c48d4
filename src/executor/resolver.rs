//! From a host name to the addresses that are connected to, each of them checked.
//!
//! The client resolves nothing itself: it connects to what it gets from here, so there is no second look-up that could answer otherwise.
//! A new connection asks and checks anew. An IP address in a URL is not asked for at all; `client` checks it once.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use crate::domain::addresses::{AddressClass, AddressRule};

/// Which addresses a client may connect to, and how it finds them.
#[derive(Clone)]
pub(super) struct Addresses {
    rule: AddressRule,
    /// The key that lists exceptions from the rule, where there is one.
    key: Option<String>,
    lookup: Arc<dyn Resolve>,
}

impl Addresses {
    /// Those of a target.
    pub(super) fn of_target(name: &str, rule: AddressRule, lookup: Arc<dyn Resolve>) -> Self {
        Self { rule, key: Some(format!("targets.{name}.allow_addresses")), lookup }
    }

    /// Those of a URL that has no exceptions from the rule.
    pub(super) fn of_probe(lookup: Arc<dyn Resolve>) -> Self {
        Self { rule: AddressRule::default(), key: None, lookup }
    }

    /// Checks an address that stands in a URL.
    pub(super) fn check_host(&self, host: &Host<&str>) -> Result<(), RefusedAddresses> {
        self.rule.check_host(host).map_err(|class| self.refused("it is", class))
    }

    fn refused(&self, what: &'static str, class: AddressClass) -> RefusedAddresses {
        RefusedAddresses { what, class, key: self.key.clone() }
    }
}

/// Why no address of a host may be connected to. Names none of them: whoever reads a job need not learn how names are resolved here.
#[derive(Debug, thiserror::Error)]
#[error("{what} {class}{}", .key.as_ref().map_or(", which is never asked".to_owned(), |key| format!(", and {key} does not list it")))]
pub(super) struct RefusedAddresses {
    what: &'static str,
    class: AddressClass,
    key: Option<String>,
}

impl RefusedAddresses {
    /// The refusal behind a failed request, if that is why it failed.
    pub(super) fn within(error: &reqwest::Error) -> Option<&Self> {
        let mut next: Option<&(dyn StdError + 'static)> = Some(error);
        while let Some(cause) = next {
            if let Some(refused) = cause.downcast_ref() {
                return Some(refused);
            }
            next = cause.source();
        }
        None
    }
}

/// Resolves names for one client.
pub(super) struct CheckedResolver {
    /// Whose addresses are looked for, whatever name is asked for. The client connects to the name in its URL, asks the server for
    /// that name and verifies it; with this the name can be another one than that by which the server is found.
    pub(super) found_by: Option<Host>,
    pub(super) addresses: Addresses,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        // Port 0 stands for the one in the URL.
        let found = match &self.found_by {
            Some(Host::Ipv4(address)) => ready((*address).into()),
            Some(Host::Ipv6(address)) => ready((*address).into()),
            Some(Host::Domain(host)) => match host.parse() {
                Ok(host) => self.addresses.lookup.resolve(host),
                Err(_) => self.addresses.lookup.resolve(name),
            },
            None => self.addresses.lookup.resolve(name),
        };
        let addresses = self.addresses.clone();
        Box::pin(async move {
            let mut refused = None;
            let may_be_called =
                |address: &SocketAddr| addresses.rule.check(address.ip()).map_err(|class| refused = Some(class)).is_ok();
            let allowed: Vec<SocketAddr> = found.await?.filter(may_be_called).collect();
            match refused {
                // What is left is used: a name may well have a link-local address beside its real one.
                Some(class) if allowed.is_empty() => Err(addresses.refused("its name stands for", class).into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

fn ready(address: IpAddr) -> Resolving {
    Box::pin(async move { Ok(Box::new(std::iter::once(SocketAddr::new(address, 0))) as Addrs) })
}

/// Resolves names for a client of somebody else's, without exceptions from the rule: that of an issuer's keys.
pub fn checked_resolver() -> Arc<dyn Resolve> {
    Arc::new(CheckedResolver { found_by: None, addresses: Addresses::of_probe(Arc::new(SystemLookup)) })
}

/// Asks the system.
pub(super) struct SystemLookup;

impl Resolve for SystemLookup {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
