//! What is inside a tunnel? One layer of it is opened at a time; whoever decodes decides whether, and
//! how deep.
//!
//! | file | question |
//! |---|---|
//! | `gre` | GRE and what travels in it: which packet? |
//! | `mpls` | what is below a stack of labels? |
//! | `overlay` | VXLAN, GENEVE, GTP-U … : which frame is in a UDP datagram? |

mod gre;
mod mpls;
mod overlay;
#[cfg(test)]
mod tests;

use std::fmt;

use super::ip::Envelope;
use super::link::Network;
use super::{Cause, DecodeError, Decoded, MacPair, decode_content, link};
use crate::base::net::Tenant;
use crate::base::reader::Reader;
pub(super) use gre::decode as gre;
pub(super) use mpls::decode as mpls;
pub use overlay::TunnelPorts;

/// How packets travel in others; the labels of `decapsulated_packets_total{encapsulation}` and the words
/// of `capture.decapsulate`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Encapsulation {
    /// VLAN tags: 802.1Q, 802.1ad.
    Vlan,
    /// PPP over Ethernet (RFC 2516).
    Pppoe,
    /// MPLS labels (RFC 3032), also on IP and UDP (RFC 4023, RFC 7510).
    Mpls,
    /// GRE (RFC 2784, RFC 2890), that of PPTP (RFC 2637), also on UDP (RFC 8086).
    Gre,
    /// A mirrored frame on GRE (draft-foschiano-erspan), types I to III.
    Erspan,
    /// IPv4 or IPv6 right in IP (RFC 2003, RFC 2473, RFC 4213), and AYIYA.
    Ipip,
    /// VXLAN (RFC 7348), with its extensions.
    Vxlan,
    /// GENEVE (RFC 8926).
    Geneve,
    /// User data of mobile networks (3GPP TS 29.281).
    Gtpu,
    /// IPv6 in UDP through address translators (RFC 4380).
    Teredo,
}

impl Encapsulation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Vlan,
        Self::Pppoe,
        Self::Mpls,
        Self::Gre,
        Self::Erspan,
        Self::Ipip,
        Self::Vxlan,
        Self::Geneve,
        Self::Gtpu,
        Self::Teredo,
    ];

    /// The words, in the order of [`Encapsulation::ALL`].
    pub const LABELS: [&'static str; 10] = {
        let [a, b, c, d, e, f, g, h, i, j] = Self::ALL;
        [a.label(), b.label(), c.label(), d.label(), e.label(), f.label(), g.label(), h.label(), i.label(), j.label()]
    };

    /// Its word in configuration and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Vlan => "vlan",
            Self::Pppoe => "pppoe",
            Self::Mpls => "mpls",
            Self::Gre => "gre",
            Self::Erspan => "erspan",
            Self::Ipip => "ipip",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gtpu => "gtpu",
            Self::Teredo => "teredo",
        }
    }
}

/// Which tunnels are opened, and where the ones on UDP are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decapsulation {
    /// The kinds that are opened; frames in others are not read. Default all.
    pub kinds: Vec<Encapsulation>,
    /// UDP ports.
    pub ports: TunnelPorts,
}

impl Default for Decapsulation {
    fn default() -> Self {
        Self { kinds: Encapsulation::ALL.to_vec(), ports: TunnelPorts::default() }
    }
}

/// A packet or frame in another one.
#[derive(Clone, Copy)]
pub struct Inner<'a> {
    /// How it travels.
    pub encapsulation: Encapsulation,
    /// VLANs and networks of tunnels that it travels in.
    pub tenant: Tenant,
    /// MAC addresses of the outer frame, where it is of the same segment (PPP over Ethernet): else none.
    mac: Option<MacPair>,
    begins: Begins,
    bytes: &'a [u8],
    /// Bytes that were on the wire after `bytes` and were not captured.
    lost: usize,
}

impl fmt::Debug for Inner<'_> {
    /// The bytes may hold a token: only how many they are is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inner({:?}, {:?}, {} + {} bytes)", self.encapsulation, self.tenant, self.bytes.len(), self.lost)
    }
}

/// What a packet in a tunnel begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begins {
    /// A frame of Ethernet, without preamble and checksum.
    Ethernet,
    /// What this `EtherType` says.
    Announced(u16),
    /// An IP header.
    Ip(Network),
    /// A PPP protocol number.
    Ppp,
}

impl<'a> Inner<'a> {
    /// PPP over Ethernet (RFC 2516 §4): version and type, code, session, length.
    pub(super) fn pppoe(
        tenant: Tenant,
        mac: Option<MacPair>,
        bytes: &'a [u8],
        lost: usize,
    ) -> Result<Option<Self>, DecodeError> {
        const VERSION_AND_TYPE: u8 = 0x11;
        const SESSION_DATA: u8 = 0;
        let mut header = Header::new(bytes);
        let [version, code, _, _, _, _] = header.array()?;
        let inner = header.inner(Encapsulation::Pppoe, Begins::Ppp, tenant, lost);
        Ok((version == VERSION_AND_TYPE && code == SESSION_DATA).then_some(Inner { mac, ..inner }))
    }

    /// An IP packet right in an IP packet.
    pub(super) const fn ip(outer: &Outer<'a>, network: Network) -> Self {
        let Outer { tenant, bytes, lost } = *outer;
        Self { encapsulation: Encapsulation::Ipip, tenant, mac: None, begins: Begins::Ip(network), bytes, lost }
    }

    /// Decodes it, as far as it is no tunnel itself.
    ///
    /// # Errors
    /// As [`super::decode`].
    pub fn decode(&self) -> Result<Decoded<'a>, DecodeError> {
        let Self { tenant, mac, bytes, lost, .. } = *self;
        let header = link::Header::inside(tenant, mac, bytes, lost);
        decode_content(match self.begins {
            Begins::Ethernet => header.ethernet()?,
            Begins::Announced(ether_type) => header.announced(ether_type)?,
            Begins::Ip(network) => header.content(Some(network)),
            Begins::Ppp => header.ppp()?,
        })
    }
}

/// What an IP packet, or a label stack, carries.
#[derive(Clone, Copy)]
pub(super) struct Outer<'a> {
    pub(super) tenant: Tenant,
    pub(super) bytes: &'a [u8],
    /// Bytes that were on the wire after `bytes` and were not captured.
    pub(super) lost: usize,
}

impl<'a> Outer<'a> {
    pub(super) const fn of(ip: &Envelope<'a>, bytes: &'a [u8], cut: u32) -> Self {
        Self { tenant: ip.tenant, bytes, lost: cut as usize }
    }
}

/// The header of a tunnel while it is being read; a short one says how much it would have needed.
struct Header<'a> {
    rest: Reader<'a>,
    /// Bytes read, or wanted in vain.
    read: usize,
}

impl<'a> Header<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: Reader::new(bytes), read: 0 }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let have = self.read + self.rest.remaining();
        self.read += N;
        self.rest.array().ok_or(DecodeError::Tunnel(Cause::Short { have, need: self.read }))
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn skip(&mut self, n: usize) -> Result<(), DecodeError> {
        let have = self.read + self.rest.remaining();
        self.read += n;
        self.rest.take(n).map(|_| ()).ok_or(DecodeError::Tunnel(Cause::Short { have, need: self.read }))
    }

    /// The version of IP that the next byte begins with.
    fn ip_version(&self) -> Option<Network> {
        match self.rest.rest().first()? >> 4 {
            4 => Some(Network::Ipv4),
            6 => Some(Network::Ipv6),
            _ => None,
        }
    }

    /// What is behind the header.
    const fn inner(&self, encapsulation: Encapsulation, begins: Begins, tenant: Tenant, lost: usize) -> Inner<'a> {
        Inner { encapsulation, tenant, mac: None, begins, bytes: self.rest.rest(), lost }
    }
}

#[cold]
fn field(field: &'static str, value: impl Into<u32>) -> DecodeError {
    DecodeError::Tunnel(Cause::Field { field, value: value.into() })
}
