//! Where does the IP packet begin? Peels link headers and VLAN tags.

use super::{Cause, DecodeError, Frame, LinkType, MacPair};
use crate::base::net::{MacAddr, Tenant};
use crate::base::reader::Reader;

/// VLAN tags that are followed in one frame; real networks use two.
pub(super) const MAX_TAGS: usize = 8;

/// `EtherType` of IPv4.
pub(super) const IPV4: u16 = 0x0800;
/// `EtherType` of IPv6.
pub(super) const IPV6: u16 = 0x86dd;
/// The values that announce a VLAN tag: 802.1Q, 802.1ad and the QinQ that came before it.
pub(super) const VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Which IP the link layer announces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    /// Version 4.
    Ipv4,
    /// Version 6.
    Ipv6,
    /// The one that the first four bits say.
    Either,
}

/// What is behind the link layer.
pub(super) struct Packet<'a> {
    /// IPv4 or IPv6.
    pub(super) network: Network,
    /// VLANs passed.
    pub(super) tenant: Tenant,
    /// MAC addresses of the frame.
    pub(super) mac: Option<MacPair>,
    /// From the IP header to the last captured byte.
    pub(super) bytes: &'a [u8],
    /// Bytes that were on the wire after `bytes` and were not captured.
    pub(super) lost: usize,
}

/// Peels the link layer; `None` when there is no IP in the frame.
#[inline]
pub(super) fn peel<'a>(frame: &Frame<'a>) -> Result<Option<Packet<'a>>, DecodeError> {
    let mut header = Header { rest: Reader::new(frame.data), read: 0 };
    let mut mac = None;
    let mut tenant = Tenant::default();
    let network = match frame.link {
        LinkType::ETHERNET => {
            let destination = MacAddr(header.array()?);
            mac = Some(MacPair { source: MacAddr(header.array()?), destination });
            let ether_type = header.u16()?;
            header.network(ether_type, &mut tenant)?
        }
        // Packet type, address type, address length, 8 bytes of address, protocol.
        LinkType::LINUX_SLL => {
            header.array::<14>()?;
            let ether_type = header.u16()?;
            header.network(ether_type, &mut tenant)?
        }
        // Protocol first; then reserved, interface, address type, packet type, address length, address.
        LinkType::LINUX_SLL2 => {
            let ether_type = header.u16()?;
            header.array::<18>()?;
            header.network(ether_type, &mut tenant)?
        }
        LinkType::NULL | LinkType::LOOP => address_family(header.array()?),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => Some(Network::Either),
        LinkType::IPV4 => Some(Network::Ipv4),
        LinkType::IPV6 => Some(Network::Ipv6),
        LinkType(other) => return Err(DecodeError::LinkType(other)),
    };
    let lost = (frame.wire_len as usize).saturating_sub(frame.data.len());
    Ok(network.map(|network| Packet { network, tenant, mac, bytes: header.rest.rest(), lost }))
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
struct Header<'a> {
    rest: Reader<'a>,
    read: usize,
}

impl Header<'_> {
    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let have = self.read + self.rest.remaining();
        self.read += N;
        self.rest.array().ok_or(DecodeError::Link(Cause::Short { have, need: self.read }))
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Follows VLAN tags to IP, if it is IP at all.
    #[inline]
    fn network(&mut self, mut ether_type: u16, tenant: &mut Tenant) -> Result<Option<Network>, DecodeError> {
        let mut tags = 0;
        while VLAN.contains(&ether_type) {
            if tags == MAX_TAGS {
                return Err(DecodeError::Link(Cause::TooDeep { limit: MAX_TAGS }));
            }
            tags += 1;
            // VLAN 0 is none: the tag carries a priority only (802.1Q §9.6).
            match self.u16()? & 0x0fff {
                0 => {}
                id => *tenant = tenant.with(id.into()),
            }
            ether_type = self.u16()?;
        }
        Ok(match ether_type {
            IPV4 => Some(Network::Ipv4),
            IPV6 => Some(Network::Ipv6),
            _ => None,
        })
    }
}
