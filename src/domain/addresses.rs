//! Which addresses the service may connect to, whatever a configured host name stands for.
//!
//! A name is resolved at every connection, and whoever answers for it could answer with the address of something that only this machine
//! can reach: the metadata service of a cloud gives credentials to everybody who asks from inside. Loopback and private addresses
//! stay allowed: that is where databases are.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::Host;

/// A kind of address behind which there is never a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// `0.0.0.0/8`, `::`: "this host"; a connection to it ends at loopback or nowhere.
    Unspecified,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Where clouds answer with credentials.
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
        })
    }
}

/// AWS, Azure, GCP, OpenStack and others; Alibaba Cloud; Azure's WireServer.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
/// AWS; GCP.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254)];

/// The rule for one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressRule {
    exceptions: Vec<IpNet>,
}

impl AddressRule {
    /// The rule with these exceptions from it.
    pub fn with_exceptions(exceptions: Vec<IpNet>) -> Self {
        Self { exceptions }
    }

    /// Checks an address.
    ///
    /// # Errors
    /// With the class of an address that may not be connected to.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressClass> {
        let Some(class) = class(address) else { return Ok(()) };
        let excepted = |address: IpAddr| self.exceptions.iter().any(|network| network.contains(&address));
        if excepted(address) || embedded(address).is_some_and(|inner| excepted(inner.into())) { Ok(()) } else { Err(class) }
    }

    /// Checks an address that stands in a URL, where nobody resolves it. A name is checked when it is resolved.
    ///
    /// # Errors
    /// As [`AddressRule::check`].
    pub fn check_host(&self, host: &Host<&str>) -> Result<(), AddressClass> {
        match host {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.check((*address).into()),
            Host::Ipv6(address) => self.check((*address).into()),
        }
    }
}

/// An exception as the configuration has it: one address, or a network such as `169.254.10.0/24`.
pub fn parse_exception(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical())))
}

fn class(address: IpAddr) -> Option<AddressClass> {
    match (address, embedded(address)) {
        (IpAddr::V4(address), _) => class_v4(address),
        // An address that stands for another one is judged by both.
        (IpAddr::V6(address), inner) => class_v6(address).or_else(|| inner.and_then(class_v4)),
    }
}

fn class_v4(address: Ipv4Addr) -> Option<AddressClass> {
    if METADATA_V4.contains(&address) {
        Some(AddressClass::Metadata)
    } else if address.is_link_local() {
        Some(AddressClass::LinkLocal)
    } else if address.octets()[0] == 0 {
        Some(AddressClass::Unspecified)
    } else if address.is_multicast() {
        Some(AddressClass::Multicast)
    } else if address.is_broadcast() {
        Some(AddressClass::Broadcast)
    } else {
        None
    }
}

fn class_v6(address: Ipv6Addr) -> Option<AddressClass> {
    if METADATA_V6.contains(&address) {
        Some(AddressClass::Metadata)
    } else if address.is_unicast_link_local() {
        Some(AddressClass::LinkLocal)
    } else if address.is_unspecified() {
        Some(AddressClass::Unspecified)
    } else if address.is_multicast() {
        Some(AddressClass::Multicast)
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped (`::ffff:a.b.c.d`), compatible (`::a.b.c.d`, RFC 4291, 2.5.5), translated
/// (`::ffff:0:a.b.c.d`, RFC 2765; by NAT64, `64:ff9b::/96` and `64:ff9b:1::/48`, RFC 6052 and RFC 8215) or tunnelled by 6to4 (`2002::/16`, RFC 3056).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let octets = address.octets();
    let at = |start: usize| Ipv4Addr::new(octets[start], octets[start + 1], octets[start + 2], octets[start + 3]);
    match address.segments() {
        // `::1` is loopback, and not 0.0.0.1.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] | [0x64, 0xff9b, 0 | 1, ..] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exceptions: &[&str], address: &str) -> Result<(), AddressClass> {
        let exceptions = exceptions.iter().map(|text| parse_exception(text).expect("an exception")).collect();
        AddressRule::with_exceptions(exceptions).check(address.parse().expect("an address"))
    }

    #[test]
    fn addresses_behind_which_there_is_no_database_are_refused() {
        use AddressClass::{Broadcast, LinkLocal, Metadata, Multicast, Unspecified};
        for (address, class) in [
            ("169.254.169.254", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("169.254.0.0", LinkLocal),
            ("169.254.170.2", LinkLocal),
            ("169.254.255.255", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf:ffff::1", LinkLocal),
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", Unspecified),
            ("::", Unspecified),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("ff02::1", Multicast),
            ("255.255.255.255", Broadcast),
            // The same in other clothes.
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:a9fe:1", LinkLocal),
            ("::ffff:0.0.0.0", Unspecified),
            ("::ffff:255.255.255.255", Broadcast),
            ("::169.254.169.254", Metadata),
            ("64:ff9b::100.100.100.200", Metadata),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b:1::a9fe:a9fe", Metadata),
            ("::ffff:0:169.254.1.1", LinkLocal),
            ("2002:a9fe:a9fe::1", Metadata),
        ] {
            assert_eq!(check(&[], address), Err(class), "{address}");
        }
    }

    #[test]
    fn loopback_private_and_public_addresses_are_where_databases_are() {
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "::1",
            "::ffff:127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.201",
            "fd00::1",
            "fd00:ec2::253",
            "fec0::1",
            "169.253.255.255",
            "169.255.0.0",
            "1.1.1.1",
            "2606:4700:4700::1111",
            "64:ff9b::10.0.0.1",
            "2002:0a00:0001::1",
        ] {
            assert_eq!(check(&[], address), Ok(()), "{address}");
        }
    }

    #[test]
    fn exceptions_are_addresses_and_networks_in_either_clothes() {
        for (exceptions, address, allowed) in [
            (&["169.254.1.2"][..], "169.254.1.2", true),
            (&["169.254.1.2"], "169.254.1.3", false),
            (&["169.254.1.2"], "::ffff:169.254.1.2", true),
            (&["::ffff:169.254.1.2"], "169.254.1.2", true),
            (&["169.254.0.0/16"], "169.254.169.254", true),
            (&["169.254.0.0/17"], "169.254.169.254", false),
            (&["fe80::/10"], "fe80::1", true),
            (&["fe80::/10", "224.0.0.0/4"], "ff02::1", false),
            (&["10.0.0.0/8"], "169.254.1.2", false),
            (&["10.0.0.0/8"], "192.168.0.1", true),
        ] {
            assert_eq!(check(exceptions, address).is_ok(), allowed, "{exceptions:?} {address}");
        }
        for bad in ["", "localhost", "169.254", "169.254.0.0/33", "fe80::1%eth0", "169.254.0.1-9"] {
            assert_eq!(parse_exception(bad), None, "{bad}");
        }
    }
}
