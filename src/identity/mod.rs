//! Floor 4: what does a client look like? Facets that are compared one by one.

pub mod forwarded;
pub mod header_order;
pub mod ja4;
pub mod ja4_text;
pub mod language;
pub mod tcp_stack;
pub mod topology;
pub mod user_agent;

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::net::MacAddr;
pub use crate::packet::SynTraits;
pub use header_order::HeaderOrder;
pub use language::Language;
pub use user_agent::UserAgent;

/// Where the client's address was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressSource {
    /// The packet's source address.
    Packet,
    /// `X-Forwarded-For` of a trusted proxy.
    XForwardedFor,
    /// `Forwarded` of a trusted proxy (RFC 7239).
    Forwarded,
    /// A configured header of a trusted proxy that holds nothing but the address.
    SingleValueHeader,
    /// A PROXY preamble of a trusted proxy.
    ProxyProtocol,
    /// Nowhere: a trusted proxy did not say who is behind it.
    Unresolved,
}

/// One client as a set of facets. `None` is unknown, and unknown is never different.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientIdentity {
    /// Its address.
    pub address: Option<IpAddr>,
    /// Where the address was read.
    pub address_from: AddressSource,
    /// Source MAC of the frame: the client's own or its router's. By itself it explains nothing.
    pub frame_mac: Option<MacAddr>,
    /// No router has touched its packets: their TTL is one that systems begin with. Only then can the
    /// frame MAC be the client's own.
    pub direct: bool,
    /// Its user agent; interned, shared by all sightings of one text. `None` when no request of
    /// the client was seen (absent from a request is a value: [`user_agent::Kind::Absent`]).
    pub user_agent: Option<Arc<UserAgent>>,
    /// Its TLS client fingerprint in the form that survives resumption; interned.
    pub tls: Option<Arc<str>>,
    /// What its SYN showed; `None` behind an HTTP proxy, and of a flow joined later.
    pub tcp_stack: Option<SynTraits>,
    /// In which order it sends its header fields; interned.
    pub header_order: Option<Arc<HeaderOrder>>,
    /// Its first accepted language.
    pub language: Option<Language>,
    /// Its MAC address by an ARP, NDP or DHCP binding of its segment.
    pub mac: Option<MacAddr>,
}

impl ClientIdentity {
    /// A client of which nothing is known.
    #[must_use]
    pub const fn unknown() -> Self {
        Self {
            address: None,
            address_from: AddressSource::Packet,
            frame_mac: None,
            direct: false,
            user_agent: None,
            tls: None,
            tcp_stack: None,
            header_order: None,
            language: None,
            mac: None,
        }
    }
}

/// How a facet compares that is either equal or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// Equal.
    Same,
    /// Another value.
    Different,
    /// One of the two is not known, or they cannot be compared.
    #[default]
    Unknown,
}

impl Likeness {
    /// Compares two values, either of which may be unknown.
    pub fn of<T: PartialEq>(prior: Option<T>, now: Option<T>) -> Self {
        match (prior, now) {
            (Some(a), Some(b)) if a == b => Self::Same,
            (Some(_), Some(_)) => Self::Different,
            _ => Self::Unknown,
        }
    }

    /// Whether it is `Different`.
    #[must_use]
    pub const fn is_different(self) -> bool {
        matches!(self, Self::Different)
    }
}

/// How one facet of two clients compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison<D, R> {
    /// Equal.
    Same,
    /// Another value with an innocent explanation.
    SameBecause(R),
    /// Another value.
    Different(D),
    /// One of the two is not known.
    Unknown,
}

impl<D, R> Comparison<D, R> {
    /// Whether it is `Different`.
    pub const fn is_different(&self) -> bool {
        matches!(self, Self::Different(_))
    }

    /// Whether it is `SameBecause`.
    pub const fn is_explained(&self) -> bool {
        matches!(self, Self::SameBecause(_))
    }
}

/// How far a different address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressChange {
    /// Another address of the same /24 or /64.
    SameNetwork,
    /// Another network.
    OtherNetwork,
    /// The other address family, with nothing that links the two.
    OtherFamily,
}

/// Why another address is still the same client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressReason {
    /// The same IPv6 /64: a privacy address (RFC 8981).
    SameIpv6Network,
    /// IPv4 and IPv6 of one device, linked by its frame MAC.
    DualStack,
    /// One is the outside of a configured NAT, the other an address inside it.
    Nat,
    /// Both are exits of one configured group.
    EgressGroup,
    /// One MAC address, by an ARP, neighbour discovery or DHCP binding of the segment.
    SameMac,
}

/// In what a different user agent differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AgentChange {
    /// Another operating system.
    pub os: bool,
    /// Another family (Firefox → Chrome, browser → none).
    pub family: bool,
    /// A browser's token used by a tool.
    pub tool: bool,
    /// The same family and system in a lower version.
    pub downgrade: bool,
    /// The same family and system in a higher version that does not count as an upgrade: told
    /// apart from `family` because it adds no points.
    pub version: bool,
    /// One of the two is an app, the other an app or browser that names no other system: perhaps an
    /// app and its web view.
    pub app: bool,
}

/// Why another user agent is still the same client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentReason {
    /// The browser was updated: a higher version at the same or an explained address, once a session.
    Upgrade,
}

/// Two clients compared, facet by facet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IdentityDiff {
    /// Address.
    pub address: Comparison<AddressChange, AddressReason>,
    /// User agent by meaning.
    pub user_agent: Comparison<AgentChange, AgentReason>,
    /// TLS client fingerprint.
    pub tls: Likeness,
    /// TCP stack.
    pub tcp_stack: Likeness,
    /// Order of header fields.
    pub header_order: Likeness,
    /// Language.
    pub language: Likeness,
    /// MAC address, by a binding of one segment.
    pub mac: Likeness,
}

impl IdentityDiff {
    /// Two clients of which only address and user agent are known.
    #[must_use]
    pub const fn of(
        address: Comparison<AddressChange, AddressReason>,
        user_agent: Comparison<AgentChange, AgentReason>,
    ) -> Self {
        const UNKNOWN: Likeness = Likeness::Unknown;
        Self {
            address,
            user_agent,
            tls: UNKNOWN,
            tcp_stack: UNKNOWN,
            header_order: UNKNOWN,
            language: UNKNOWN,
            mac: UNKNOWN,
        }
    }

    /// Whether the two are distinct actors: any facet is different but header order and language, which
    /// one program changes from request to request.
    #[must_use]
    pub const fn is_distinct(&self) -> bool {
        self.address.is_different() || self.is_other_at_one_address()
    }

    /// Whether they would be distinct at one address.
    const fn is_other_at_one_address(&self) -> bool {
        self.user_agent.is_different() || self.tls.is_different() || self.is_other_machine()
    }

    /// Whether they are distinct by more than their addresses, in what a move to another network leaves as
    /// it is. The TCP stack counts only within one network: a VPN or proxy brings a stack of its own
    /// together with its address.
    #[must_use]
    pub const fn differs_beside_address(&self) -> bool {
        let moved =
            matches!(self.address, Comparison::Different(AddressChange::OtherNetwork | AddressChange::OtherFamily));
        if moved {
            self.user_agent.is_different() || self.tls.is_different() || self.mac.is_different()
        } else {
            self.is_other_at_one_address()
        }
    }

    /// Whether it may be an app and its web view on one device: two programs with two libraries for HTTP and
    /// TLS, at one address and of one TCP stack.
    #[must_use]
    pub const fn is_app_and_view(&self) -> bool {
        let one_device = !self.address.is_different() && !self.is_other_machine();
        one_device && matches!(self.user_agent, Comparison::Different(AgentChange { app: true, .. }))
    }

    /// Whether another machine shows, not only another program.
    #[must_use]
    pub const fn is_other_machine(&self) -> bool {
        self.tcp_stack.is_different() || self.mac.is_different()
    }

    /// How many of the facets differ that say little alone: header order, language, and the TCP stack
    /// behind another network.
    #[must_use]
    pub fn weak_differences(&self) -> usize {
        let stack = self.tcp_stack.is_different() && !self.differs_beside_address();
        [self.header_order.is_different(), self.language.is_different(), stack].into_iter().filter(|d| *d).count()
    }

    /// How many facets are known to be equal.
    #[must_use]
    pub fn equal_facets(&self) -> usize {
        let likenesses = [self.tls, self.tcp_stack, self.header_order, self.language, self.mac];
        let equal = likenesses.into_iter().filter(|facet| *facet == Likeness::Same).count();
        equal
            + usize::from(matches!(self.address, Comparison::Same))
            + usize::from(matches!(self.user_agent, Comparison::Same))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_facets_make_nobody_distinct() {
        let same = IdentityDiff::of(Comparison::Same, Comparison::Same);
        let weak = IdentityDiff { header_order: Likeness::Different, language: Likeness::Different, ..same };
        assert!(!weak.is_distinct() && weak.weak_differences() == 2);
        for strong in [
            IdentityDiff { tls: Likeness::Different, ..same },
            IdentityDiff { tcp_stack: Likeness::Different, ..same },
            IdentityDiff { mac: Likeness::Different, ..same },
        ] {
            assert!(strong.is_distinct() && strong.differs_beside_address() && strong.weak_differences() == 0);
        }
    }

    #[test]
    fn another_network_may_bring_another_stack() {
        let moved = IdentityDiff {
            tcp_stack: Likeness::Different,
            ..IdentityDiff::of(Comparison::Different(AddressChange::OtherNetwork), Comparison::Same)
        };
        assert!(moved.is_distinct() && !moved.differs_beside_address() && moved.weak_differences() == 1);
        let near = IdentityDiff { address: Comparison::Different(AddressChange::SameNetwork), ..moved };
        assert!(near.differs_beside_address());
    }
}
