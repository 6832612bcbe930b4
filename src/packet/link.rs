//! Where does the network packet begin? Peels link headers and VLAN tags.

mod nflog;
mod serial;
#[cfg(test)]
mod tests;
mod wifi;

use super::tunnel::{self, Inner, Outer};
use super::{Cause, DecodeError, Frame, LinkType, MacPair};
use crate::base::net::{MacAddr, Tenant};
use crate::base::reader::Reader;
use crate::base::time::Stamp;
pub use wifi::Aggregate;

/// VLAN tags that are followed in one frame; real networks use two.
pub(super) const MAX_TAGS: usize = 8;

/// `EtherType` of IPv4.
pub(super) const IPV4: u16 = 0x0800;
/// `EtherType` of ARP.
pub(super) const ARP: u16 = 0x0806;
/// `EtherType` of IPv6.
pub(super) const IPV6: u16 = 0x86dd;
/// The values that announce a VLAN tag: 802.1Q, 802.1ad and the QinQ that came before it.
pub(super) const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// `EtherType`s of MPLS: to one router, to several (RFC 5332).
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// `EtherType` of PPP over Ethernet, once the session is made (RFC 2516 §4).
const PPPOE: u16 = 0x8864;
/// Up to here an `EtherType` is a length instead, and LLC follows (802.3 §3.2.6).
const MAX_LENGTH: u16 = 1500;

/// Which protocol the link layer announces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Network {
    /// Version 4 of IP.
    Ipv4,
    /// Version 6 of IP.
    Ipv6,
    /// The version that the first four bits say.
    Either,
    /// ARP.
    Arp,
}

/// What is behind the link layer.
pub(super) struct Packet<'a> {
    /// What it is.
    pub(super) network: Network,
    /// VLANs passed.
    pub(super) tenant: Tenant,
    /// MAC addresses of the frame.
    pub(super) mac: Option<MacPair>,
    /// From the header of that protocol to the last captured byte.
    pub(super) bytes: &'a [u8],
    /// Bytes that were on the wire after `bytes` and were not captured.
    pub(super) lost: usize,
}

/// What a frame holds.
pub(super) enum Content<'a> {
    /// A packet of a protocol that is read.
    Packet(Packet<'a>),
    /// More frames.
    Aggregate(Aggregate<'a>),
    /// A packet in a tunnel.
    Inner(Inner<'a>),
    /// Anything else.
    Other,
}

/// Peels the link layer.
#[inline]
pub(super) fn peel<'a>(frame: &Frame<'a>) -> Result<Content<'a>, DecodeError> {
    let lost = (frame.wire_len as usize).saturating_sub(frame.data.len());
    let rest = Reader::new(frame.data);
    let header = Header { rest, read: 0, lost, mac: None, tenant: Tenant::default(), at: frame.at };
    header.peel(frame.link)
}

/// Reads a BSD loopback header. The family's number for IPv6 depends on the system that captured,
/// and so does the byte order; no family is so large that the two could be mistaken.
fn address_family(bytes: [u8; 4]) -> Option<Network> {
    let little = u32::from_le_bytes(bytes);
    match if little > 0xffff { u32::from_be_bytes(bytes) } else { little } {
        2 => Some(Network::Ipv4),
        10 | 24 | 28 | 30 => Some(Network::Ipv6),
        _ => None,
    }
}

/// The link header while it is being read; a short one says how much it would have needed.
pub(super) struct Header<'a> {
    rest: Reader<'a>,
    /// Bytes read, or wanted in vain.
    read: usize,
    /// Bytes that were on the wire after `rest` and were not captured.
    lost: usize,
    mac: Option<MacPair>,
    tenant: Tenant,
    at: Stamp,
}

impl<'a> Header<'a> {
    /// The header of a frame in a tunnel, of which `lost` bytes are missing behind `bytes`. No frame of
    /// 802.11 comes in one, so nothing asks when it was captured.
    pub(super) fn inside(tenant: Tenant, mac: Option<MacPair>, bytes: &'a [u8], lost: usize) -> Self {
        Self { rest: Reader::new(bytes), read: 0, lost, mac, tenant, at: Stamp::default() }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let have = self.read + self.rest.remaining();
        self.read += N;
        self.rest.array().ok_or(DecodeError::Link(Cause::Short { have, need: self.read }))
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let have = self.read + self.rest.remaining();
        self.read += n;
        self.rest.take(n).ok_or(DecodeError::Link(Cause::Short { have, need: self.read }))
    }

    #[inline]
    fn peel(mut self, link: LinkType) -> Result<Content<'a>, DecodeError> {
        match link {
            LinkType::ETHERNET => self.ethernet(),
            // Packet type, address type, address length, 8 bytes of address, protocol.
            LinkType::LINUX_SLL => {
                self.array::<14>()?;
                self.ether_type()
            }
            // Protocol first; then reserved, interface, address type, packet type, address length, address.
            LinkType::LINUX_SLL2 => {
                let ether_type = self.u16()?;
                self.array::<18>()?;
                self.announced(ether_type)
            }
            LinkType::NULL | LinkType::LOOP => {
                let family = address_family(self.array()?);
                Ok(self.content(family))
            }
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Ok(self.content(Some(Network::Either))),
            LinkType::IPV4 => Ok(self.content(Some(Network::Ipv4))),
            LinkType::IPV6 => Ok(self.content(Some(Network::Ipv6))),
            LinkType::WIFI => wifi::bare(self),
            LinkType::WIFI_RADIOTAP => wifi::radiotap(self),
            LinkType::PPI => self.ppi(),
            LinkType::PPP => serial::ppp(self),
            LinkType::PPP_HDLC => serial::ppp_or_cisco(self),
            LinkType::CISCO_HDLC => serial::cisco(self),
            LinkType::NFLOG => nflog::peel(self),
            LinkType(other) => Err(DecodeError::LinkType(other)),
        }
    }

    /// Version, flags, length of this header (little endian), link type of what follows it.
    fn ppi(mut self) -> Result<Content<'a>, DecodeError> {
        let [_, _, len @ .., a, b, c, d] = self.array::<8>()?;
        let (len, inner) = (u16::from_le_bytes(len), LinkType(u32::from_le_bytes([a, b, c, d])));
        let fields = usize::from(len).checked_sub(8).ok_or_else(|| field("PPI length", len))?;
        self.take(fields)?;
        // A header of its own kind would let frames nest without an end.
        if inner == LinkType::PPI { Err(DecodeError::LinkType(inner.0)) } else { self.peel(inner) }
    }

    /// Receiver, sender, type.
    #[inline]
    pub(super) fn ethernet(mut self) -> Result<Content<'a>, DecodeError> {
        let destination = MacAddr(self.array()?);
        self.mac = Some(MacPair { source: MacAddr(self.array()?), destination });
        self.ether_type()
    }

    /// A PPP protocol number.
    pub(super) fn ppp(self) -> Result<Content<'a>, DecodeError> {
        serial::ppp(self)
    }

    #[inline]
    fn ether_type(mut self) -> Result<Content<'a>, DecodeError> {
        let ether_type = self.u16()?;
        self.announced(ether_type)
    }

    /// Follows VLAN tags and SNAP to a protocol that is read, if there is one.
    #[inline]
    pub(super) fn announced(mut self, mut ether_type: u16) -> Result<Content<'a>, DecodeError> {
        for _ in 0..=MAX_TAGS {
            match ether_type {
                IPV4 => return Ok(self.content(Some(Network::Ipv4))),
                IPV6 => return Ok(self.content(Some(Network::Ipv6))),
                ARP => return Ok(self.content(Some(Network::Arp))),
                tag if VLAN.contains(&tag) => {
                    // VLAN 0 is none: the tag carries a priority only (802.1Q §9.6).
                    match self.u16()? & 0x0fff {
                        0 => {}
                        id => self.tenant = self.tenant.with(id.into()),
                    }
                    ether_type = self.u16()?;
                }
                label if MPLS.contains(&label) => return tunnel::mpls(&self.outer()).map(in_tunnel),
                PPPOE => {
                    let Self { rest, lost, mac, tenant, .. } = self;
                    return Inner::pppoe(tenant, mac, rest.rest(), lost).map(in_tunnel);
                }
                0..=MAX_LENGTH => match self.snap() {
                    Some(inner) => ether_type = inner,
                    None => return Ok(Content::Other),
                },
                _ => return Ok(Content::Other),
            }
        }
        Err(DecodeError::Link(Cause::TooDeep { limit: MAX_TAGS }))
    }

    /// The `EtherType` in an LLC and SNAP header (RFC 1042), if that is what follows.
    fn snap(&mut self) -> Option<u16> {
        let header: [u8; 8] = self.rest.array()?;
        self.read += header.len();
        match header {
            // The second organisation is for what a bridge has translated (802.1H).
            [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, ether_type @ ..] => Some(u16::from_be_bytes(ether_type)),
            _ => None,
        }
    }

    const fn outer(&self) -> Outer<'a> {
        Outer { tenant: self.tenant, bytes: self.rest.rest(), lost: self.lost }
    }

    #[inline]
    pub(super) fn content(self, network: Option<Network>) -> Content<'a> {
        let Self { rest, lost, mac, tenant, .. } = self;
        match network {
            Some(network) => Content::Packet(Packet { network, tenant, mac, bytes: rest.rest(), lost }),
            None => Content::Other,
        }
    }
}

fn in_tunnel(inner: Option<Inner<'_>>) -> Content<'_> {
    inner.map_or(Content::Other, Content::Inner)
}

#[cold]
fn field(field: &'static str, value: impl Into<u32>) -> DecodeError {
    DecodeError::Link(Cause::Field { field, value: value.into() })
}
