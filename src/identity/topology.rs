//! What stands between clients and servers? Proxies, NAT and shared exits, as the operator says.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// A set of networks. IPv4-mapped IPv6 addresses count as the IPv4 addresses that they hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether the address is in one of them.
    #[must_use]
    pub fn contain(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// Reads a network as `10.0.0.0/24`, or a single address.
///
/// # Errors
/// One line that says what is wrong.
pub fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let one = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().or_else(one).ok_or_else(|| format!("`{text}` is no network such as 10.0.0.0/24"))
}

/// A header to which every proxy on the way adds an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// An address translation of which the sensor sees both sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nat {
    /// Addresses behind it.
    pub inside: IpNet,
    /// The address that they share outside.
    pub outside: IpAddr,
}

impl Nat {
    /// Whether one of the two is inside and the other the address outside.
    #[must_use]
    pub fn joins(&self, a: IpAddr, b: IpAddr) -> bool {
        self.translates(a, b) || self.translates(b, a)
    }

    /// Whether `inside` is seen as `outside` behind the translation.
    #[must_use]
    pub fn translates(&self, inside: IpAddr, outside: IpAddr) -> bool {
        outside.to_canonical() == self.outside && self.inside.contains(&inside.to_canonical())
    }
}

/// `INSIDE_CIDR:OUTSIDE_IP`; an IPv6 part may stand in brackets, and one outside has to.
impl FromStr for Nat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not INSIDE_CIDR:OUTSIDE_IP, such as 10.0.0.0/24:203.0.113.5");
        let (inside, outside) = match text.trim().strip_suffix(']') {
            Some(bracketed) => {
                let (inside, outside) = bracketed.rsplit_once('[').ok_or_else(wrong)?;
                (inside.strip_suffix(':').ok_or_else(wrong)?, outside)
            }
            None => text.trim().rsplit_once(':').ok_or_else(wrong)?,
        };
        let inside = inside.strip_prefix('[').and_then(|i| i.strip_suffix(']')).unwrap_or(inside);
        Ok(Self { inside: network(inside).map_err(|_| wrong())?, outside: outside.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outside {
            IpAddr::V4(outside) => write!(f, "{}:{outside}", self.inside),
            IpAddr::V6(outside) => write!(f, "{}:[{outside}]", self.inside),
        }
    }
}

/// Networks behind which the same clients come and go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EgressGroup {
    /// Its name, for people.
    pub name: Box<str>,
    /// Its networks.
    pub networks: Networks,
}

/// An internal hop: what travels on it in the clear was encrypted before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// Who sends requests.
    pub from: IpNet,
    /// To whom.
    pub to: IpNet,
}

/// What the operator says of the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    /// Proxies that are believed when they say for whom they speak.
    pub trusted_proxies: Networks,
    /// Headers that they add to, in the order in which they are believed. Default X-Forwarded-For.
    pub headers: Vec<ListHeader>,
    /// Headers that they set to the one address of the client; lower case, believed before the others.
    pub single_value_headers: Vec<Box<str>>,
    /// Whether a PROXY preamble of theirs is believed. Default yes.
    pub proxy_protocol: bool,
    /// The header in which they give the JA4 of the client; lower case.
    pub ja4_header: Option<Box<str>>,
    /// Shared exits.
    pub egress_groups: Vec<EgressGroup>,
    /// Address translations.
    pub nat: Vec<Nat>,
    /// Internal hops, beside those from trusted proxies.
    pub cleartext_ok: Vec<Hop>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            trusted_proxies: Networks::default(),
            headers: vec![ListHeader::XForwardedFor],
            single_value_headers: Vec::new(),
            proxy_protocol: true,
            ja4_header: None,
            egress_groups: Vec::new(),
            nat: Vec::new(),
            cleartext_ok: Vec::new(),
        }
    }
}

impl Topology {
    /// Whether the address is a trusted proxy's: never an actor.
    #[must_use]
    pub fn is_proxy(&self, ip: IpAddr) -> bool {
        self.trusted_proxies.contain(ip)
    }

    /// Whether cleartext from `from` to `to` is an internal hop, so that nothing is exposed on it.
    #[must_use]
    pub fn is_inner_hop(&self, from: IpAddr, to: IpAddr) -> bool {
        let (from, to) = (from.to_canonical(), to.to_canonical());
        self.is_proxy(from) || self.cleartext_ok.iter().any(|hop| hop.from.contains(&from) && hop.to.contains(&to))
    }

    /// Whether both addresses are exits of one group.
    #[must_use]
    pub fn share_an_exit(&self, a: IpAddr, b: IpAddr) -> bool {
        self.egress_groups.iter().any(|group| group.networks.contain(a) && group.networks.contain(b))
    }

    /// Whether one of the two is the outside of a translation, and the other an address inside it.
    #[must_use]
    pub fn are_joined_by_nat(&self, a: IpAddr, b: IpAddr) -> bool {
        self.nat.iter().any(|nat| nat.joins(a, b))
    }

    /// Whether the address is one that all behind a translation share.
    #[must_use]
    pub fn is_outside_of_nat(&self, ip: IpAddr) -> bool {
        self.nat.iter().any(|nat| nat.outside == ip.to_canonical())
    }

    /// Whether the address `inside` is seen as `outside` behind a translation.
    #[must_use]
    pub fn translates(&self, inside: IpAddr, outside: IpAddr) -> bool {
        self.nat.iter().any(|nat| nat.translates(inside, outside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_addresses_in_either_notation() {
        let networks = Networks(vec![network("10.0.0.0/24").unwrap(), network(" 2001:db8::5 ").unwrap()]);
        for inside in ["10.0.0.1", "::ffff:10.0.0.9", "2001:db8::5"] {
            assert!(networks.contain(ip(inside)), "{inside}");
        }
        for outside in ["10.0.1.1", "2001:db8::6", "::10.0.0.1"] {
            assert!(!networks.contain(ip(outside)), "{outside}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "shop.test", "10.0.0.1:80"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn translations_are_read_and_shown() {
        for (written, shown) in [
            ("10.0.0.0/24:203.0.113.5", "10.0.0.0/24:203.0.113.5"),
            ("10.0.0.7:203.0.113.5", "10.0.0.7/32:203.0.113.5"),
            ("2001:db8::/64:[2001:db8:1::5]", "2001:db8::/64:[2001:db8:1::5]"),
            ("[2001:db8::/64]:[2001:db8:1::5]", "2001:db8::/64:[2001:db8:1::5]"),
            ("[2001:db8::/64]:203.0.113.5", "2001:db8::/64:203.0.113.5"),
        ] {
            assert_eq!(written.parse::<Nat>().map(|nat| nat.to_string()).as_deref(), Ok(shown));
        }
        for bad in
            ["", "x", ":", "10.0.0.0/24", "10.0.0.0/24:", "10.0.0.0/24:x", "[::1]", "10.0.0.0/24[::1]", "a:[::1]"]
        {
            assert!(bad.parse::<Nat>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_outside_is_every_inside_and_two_insides_differ() {
        let topology = Topology { nat: vec!["10.0.0.0/24:203.0.113.5".parse().unwrap()], ..Topology::default() };
        assert!(topology.are_joined_by_nat(ip("10.0.0.1"), ip("203.0.113.5")));
        assert!(topology.are_joined_by_nat(ip("203.0.113.5"), ip("10.0.0.2")));
        assert!(!topology.are_joined_by_nat(ip("10.0.0.1"), ip("10.0.0.2")));
        assert!(topology.translates(ip("10.0.0.1"), ip("203.0.113.5")));
        assert!(!topology.translates(ip("203.0.113.5"), ip("10.0.0.1")));
        assert!(topology.is_outside_of_nat(ip("203.0.113.5")) && !topology.is_outside_of_nat(ip("10.0.0.1")));
    }

    #[test]
    fn hops_behind_a_terminator() {
        let hop = Hop { from: network("10.0.0.50").unwrap(), to: network("10.0.1.0/24").unwrap() };
        let topology = Topology {
            trusted_proxies: Networks(vec![network("10.0.9.0/24").unwrap()]),
            cleartext_ok: vec![hop],
            ..Topology::default()
        };
        assert!(topology.is_inner_hop(ip("10.0.0.50"), ip("10.0.1.7")));
        assert!(topology.is_inner_hop(ip("10.0.9.1"), ip("192.0.2.1")));
        assert!(!topology.is_inner_hop(ip("10.0.1.7"), ip("10.0.0.50")));
        assert!(!topology.is_inner_hop(ip("10.0.0.51"), ip("10.0.1.7")));
    }
}
