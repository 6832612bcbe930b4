//! Who is where? Endpoints, MAC addresses, tenants and the distance between two addresses.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// An IP address and a TCP port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address; IPv4-mapped IPv6 addresses are kept as they were on the wire.
    pub ip: IpAddr,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::net::SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// A 48-bit MAC address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacAddr(pub [u8; 6]);

/// ECS form: `00-00-5E-00-53-23`.
impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}-{b:02X}-{c:02X}-{d:02X}-{e:02X}-{g:02X}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which of several overlapping networks a frame belongs to: the VLAN tags (12 bits each, the
/// outermost first) and, later, tunnel network ids, folded into one number. 0 is untagged.
/// Part of the flow key, never of a token ref.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Tenant(pub u64);

impl Tenant {
    /// This tenant with one more inner tag or network id.
    #[must_use]
    pub fn with(self, id: u32) -> Self {
        Self(self.0.rotate_left(25) ^ (u64::from(id) + 1))
    }
}

/// Whose share something takes where room is short: an IPv4 address, or an IPv6 /64, which one sender
/// has at its disposal. `Default` is a sender whose address is not known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Source([u8; 16]);

impl Source {
    /// The source as bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        let bits = match address {
            IpAddr::V4(v4) => 0xffff_0000_0000 | u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits() & !u128::from(u64::MAX),
        };
        Self(bits.to_be_bytes())
    }
}

impl From<Option<IpAddr>> for Source {
    fn from(address: Option<IpAddr>) -> Self {
        address.map_or_else(Self::default, Self::from)
    }
}

/// Whether two addresses are one network: the same /24 of IPv4 or /64 of IPv6.
#[must_use]
pub fn same_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.to_bits() >> 8 == b.to_bits() >> 8,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() >> 64 == b.to_bits() >> 64,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        assert!(same_network(ip("10.0.0.10"), ip("10.0.0.66")));
        assert!(!same_network(ip("10.0.0.10"), ip("10.0.1.10")));
        assert!(same_network(ip("2001:db8::1"), ip("2001:db8::ffff:1")));
        assert!(!same_network(ip("2001:db8::1"), ip("2001:db8:0:1::1")));
        assert!(!same_network(ip("10.0.0.10"), ip("2001:db8::1")));
    }

    #[test]
    fn a_source_is_what_one_sender_can_speak_from() {
        let source = |s: &str| Source::from(s.parse::<IpAddr>().unwrap());
        assert_ne!(source("10.0.0.10"), source("10.0.0.66"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:1"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("0.0.0.0"), Source::default());
    }

    #[test]
    fn tenants_differ_by_order() {
        assert_ne!(Tenant::default().with(1).with(2), Tenant::default().with(2).with(1));
        assert_ne!(Tenant::default(), Tenant::default().with(0));
    }
}
