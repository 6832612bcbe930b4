//! Where does the segment or message begin, and where does it end? Reads IPv4 and IPv6 with extension headers.

use std::net::IpAddr;

use etherparse::err::ip_auth::HeaderSliceError as AuthError;
use etherparse::err::{LenError, ipv4, ipv6};
use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice,
    ip_number,
};

use super::link::{Network, Packet};
use super::tunnel::{self, Inner, Outer};
use super::{Cause, DecodeError, Decoded, Fragment, MacPair, neighbour, tcp, udp};
use crate::base::net::Tenant;

/// Extension headers that are followed in one datagram.
pub(super) const MAX_EXTENSIONS: usize = 16;

/// What the headers up to IP said.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) tenant: Tenant,
    pub(super) mac: Option<MacPair>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) ttl: u8,
    /// The IPv4 header; empty for IPv6.
    pub(super) header: &'a [u8],
}

/// Reads the datagram at the start of a packet.
#[inline]
pub(super) fn decode<'a>(packet: &Packet<'a>) -> Result<Decoded<'a>, DecodeError> {
    let Some(first) = packet.bytes.first() else {
        return Err(short(0, 1));
    };
    match (first >> 4, packet.network) {
        (4, Network::Ipv4 | Network::Either) => ipv4(packet),
        (6, Network::Ipv6 | Network::Either) => ipv6(packet),
        (version, _) => Err(field("version", version)),
    }
}

#[inline]
fn ipv4<'a>(packet: &Packet<'a>) -> Result<Decoded<'a>, DecodeError> {
    let header = Ipv4HeaderSlice::from_slice(packet.bytes).map_err(|e| match e {
        ipv4::HeaderSliceError::Len(e) => too_short(&e),
        ipv4::HeaderSliceError::Content(ipv4::HeaderError::UnexpectedVersion { version_number }) => {
            field("version", version_number)
        }
        ipv4::HeaderSliceError::Content(ipv4::HeaderError::HeaderLengthSmallerThanHeader { ihl }) => {
            field("header length", ihl)
        }
    })?;
    let header_len = header.slice().len();
    let (bytes, cut) = extent(packet, header_len, usize::from(header.total_len()), "total length")?;
    let envelope = Envelope {
        tenant: packet.tenant,
        mac: packet.mac,
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.ttl(),
        header: header.slice(),
    };
    if header.is_fragmenting_payload() {
        let (id, offset) = (header.identification().into(), header.fragments_offset().value());
        return Ok(fragment(&envelope, id, header.protocol(), offset, header.more_fragments(), bytes, cut));
    }
    payload(&envelope, header.protocol().0, bytes, cut)
}

#[inline]
fn ipv6<'a>(packet: &Packet<'a>) -> Result<Decoded<'a>, DecodeError> {
    let header = Ipv6HeaderSlice::from_slice(packet.bytes).map_err(|e| match e {
        ipv6::HeaderSliceError::Len(e) => too_short(&e),
        ipv6::HeaderSliceError::Content(ipv6::HeaderError::UnexpectedVersion { version_number }) => {
            field("version", version_number)
        }
    })?;
    let header_len = header.slice().len();
    let total = match usize::from(header.payload_length()) {
        0 => 0,
        n => n + header_len,
    };
    let (bytes, cut) = extent(packet, header_len, total, "payload length")?;
    let envelope = Envelope {
        tenant: packet.tenant,
        mac: packet.mac,
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: header.hop_limit(),
        header: &[],
    };
    payload(&envelope, header.next_header().0, bytes, cut)
}

/// What follows the header up to the end of the datagram, and how many bytes of that were not
/// captured. A `total` of 0 is left by segmentation offload: then the frame's end is the end.
#[inline]
fn extent<'a>(
    packet: &Packet<'a>,
    header_len: usize,
    total: usize,
    name: &'static str,
) -> Result<(&'a [u8], u32), DecodeError> {
    let on_wire = packet.bytes.len().saturating_add(packet.lost);
    let total = if total == 0 { on_wire } else { total };
    // A host drops a datagram that is longer than the frame that carries it.
    let bytes = packet.bytes.get(header_len..total.min(packet.bytes.len())).filter(|_| total <= on_wire);
    let bytes = bytes.ok_or_else(|| field(name, u32::try_from(total).unwrap_or(u32::MAX)))?;
    let cut = total.saturating_sub(packet.bytes.len());
    Ok((bytes, u32::try_from(cut).unwrap_or(u32::MAX)))
}

/// Follows extension headers from `protocol` on to what is read. `cut` bytes are missing after `bytes`.
#[inline]
pub(super) fn payload<'a>(
    ip: &Envelope<'a>,
    protocol: u8,
    mut bytes: &'a [u8],
    cut: u32,
) -> Result<Decoded<'a>, DecodeError> {
    let is_v6 = ip.source.is_ipv6();
    let mut next = IpNumber(protocol);
    for _ in 0..=MAX_EXTENSIONS {
        let len = match next {
            ip_number::TCP => return tcp::decode(ip, bytes, cut).map(Decoded::Tcp),
            // Hosts disagree on the order of extension headers, so any order is followed.
            ip_number::IPV6_HOP_BY_HOP | ip_number::IPV6_ROUTE | ip_number::IPV6_DEST_OPTIONS if is_v6 => {
                let header = Ipv6RawExtHeaderSlice::from_slice(bytes).map_err(|e| too_short(&e))?;
                next = header.next_header();
                header.slice().len()
            }
            ip_number::IPV6_FRAG if is_v6 => {
                let header = Ipv6FragmentHeaderSlice::from_slice(bytes).map_err(|e| too_short(&e))?;
                next = header.next_header();
                let len = header.slice().len();
                if header.is_fragmenting_payload() {
                    let rest = bytes.get(len..).unwrap_or_default();
                    let (id, offset) = (header.identification(), header.fragment_offset().value());
                    return Ok(fragment(ip, id, next, offset, header.more_fragments(), rest, cut));
                }
                len
            }
            ip_number::IPV6_ICMP if is_v6 => return neighbour::discovery(ip, bytes, cut),
            ip_number::UDP => return udp::decode(ip, bytes, cut),
            ip_number::IPV4 => return Ok(Decoded::Inner(Inner::ip(&Outer::of(ip, bytes, cut), Network::Ipv4))),
            ip_number::IPV6 => return Ok(Decoded::Inner(Inner::ip(&Outer::of(ip, bytes, cut), Network::Ipv6))),
            ip_number::GRE => return tunnel::gre(&Outer::of(ip, bytes, cut)).map(in_tunnel),
            ip_number::MPLS_IN_IP => return tunnel::mpls(&Outer::of(ip, bytes, cut)).map(in_tunnel),
            ip_number::AUTH => {
                let header = IpAuthHeaderSlice::from_slice(bytes).map_err(|e| match e {
                    AuthError::Len(e) => too_short(&e),
                    AuthError::Content(_) => field("authentication header length", 0_u8),
                })?;
                next = header.next_header();
                header.slice().len()
            }
            _ => return Ok(Decoded::NotTracked),
        };
        bytes = bytes.get(len..).unwrap_or_default();
    }
    Err(DecodeError::Ip(Cause::TooDeep { limit: MAX_EXTENSIONS }))
}

fn in_tunnel(inner: Option<Inner<'_>>) -> Decoded<'_> {
    inner.map_or(Decoded::NotTracked, Decoded::Inner)
}

/// `offset` counts units of 8 bytes, as on the wire.
fn fragment<'a>(
    ip: &Envelope<'a>,
    id: u32,
    protocol: IpNumber,
    offset: u16,
    more: bool,
    payload: &'a [u8],
    cut: u32,
) -> Decoded<'a> {
    Decoded::Fragment(Fragment {
        tenant: ip.tenant,
        source: ip.source,
        destination: ip.destination,
        mac: ip.mac,
        ttl: ip.ttl,
        id,
        protocol: protocol.0,
        offset: u32::from(offset) * 8,
        more,
        payload,
        cut,
        ip_header: ip.header,
    })
}

#[cold]
fn too_short(e: &LenError) -> DecodeError {
    short(e.len, e.required_len)
}

#[cold]
const fn short(have: usize, need: usize) -> DecodeError {
    DecodeError::Ip(Cause::Short { have, need })
}

#[cold]
fn field(field: &'static str, value: impl Into<u32>) -> DecodeError {
    DecodeError::Ip(Cause::Field { field, value: value.into() })
}
