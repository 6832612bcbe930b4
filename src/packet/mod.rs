//! Floor 1: what is in a frame? Takes a [`Frame`], gives a borrowed [`Segment`] or says why not.

mod checksum;
mod common;
pub mod craft;
pub mod fragment;
mod ip;
mod link;
pub mod neighbour;
mod packed;
mod syn;
pub mod tcp;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::base::net::{Endpoint, MacAddr, Tenant};
use crate::base::time::{FrameId, Stamp, Timestamp};
pub use fragment::{Datagram, Fragment};
pub use link::Aggregate;
use link::{Content, Network};
pub use neighbour::{ClaimKind, NeighbourClaim};
pub use packed::PackedSegment;
pub use syn::SynTraits;
pub use tcp::{Checksum, SeqNumber, TcpFlags, TcpOptions};

/// The link type of a capture, by its number in the tcpdump.org LINKTYPE registry.
/// Unknown numbers survive so that errors can name them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD null/loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP, with or without the address and control field of its HDLC-like framing.
    pub const PPP: Self = Self(9);
    /// PPP in HDLC-like framing, or Cisco's framing.
    pub const PPP_HDLC: Self = Self(50);
    /// Cisco's HDLC.
    pub const CISCO_HDLC: Self = Self(104);
    /// 802.11 wireless.
    pub const WIFI: Self = Self(105);
    /// 802.11 wireless behind a radiotap header.
    pub const WIFI_RADIOTAP: Self = Self(127);
    /// A header that says the link type of what follows it (Per-Packet Information).
    pub const PPI: Self = Self(192);
    /// Linux netfilter log.
    pub const NFLOG: Self = Self(239);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Raw IP, version from the first nibble.
    pub const RAW: Self = Self(101);
    /// Raw IP under the number that it has inside Linux and most BSDs (`DLT_RAW`); seen in files.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP under the number that it has inside OpenBSD; seen in files.
    pub const RAW_OPENBSD: Self = Self(14);
    /// Linux cooked v1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked v2.
    pub const LINUX_SLL2: Self = Self(276);
}

/// One captured link-layer unit; valid until the next one is read.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Capture time and number.
    pub at: Stamp,
    /// How `data` begins.
    pub link: LinkType,
    /// Length on the wire in bytes; more than `data.len()` when the snap length cut it.
    pub wire_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
}

impl Frame<'_> {
    /// No frame: what a place for one holds first.
    pub(crate) const EMPTY: Self = Self {
        at: Stamp { ts: Timestamp(0), frame: FrameId { capture: 0, number: 0, part: 0 } },
        link: LinkType::NULL,
        wire_len: 0,
        data: &[],
    };
}

impl fmt::Debug for Frame<'_> {
    /// The bytes may hold a token: only how many they are is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?}, {:?}, {} of {} bytes)", self.at, self.link, self.data.len(), self.wire_len)
    }
}

/// The two MAC addresses of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacPair {
    /// Sender.
    pub source: MacAddr,
    /// Receiver.
    pub destination: MacAddr,
}

/// One TCP segment, borrowed from its frame.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// VLANs and tunnels it travelled in.
    pub tenant: Tenant,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// MAC addresses, where the link has them (a cooked capture has only the sender's: then none).
    pub mac: Option<MacPair>,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// Sequence number of the first payload byte (of the SYN itself when that flag is set).
    pub seq: SeqNumber,
    /// Acknowledgement number; meaningful only with the ACK flag.
    pub ack: SeqNumber,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as on the wire, unscaled.
    pub window: u16,
    /// Option bytes, read on demand.
    pub options: TcpOptions<'a>,
    /// Payload as captured.
    pub payload: &'a [u8],
    /// Payload bytes that the snap length cut off after `payload`.
    pub cut: u32,
    /// It was put together from fragments that overlap with other bytes, so hosts read it differently.
    pub fragment_conflict: bool,
    /// The IPv4 header, whose sum counts as well; empty for IPv6 and for reassembled datagrams.
    pub(crate) ip_header: &'a [u8],
    /// Header and payload as captured, over which the checksum is computed; empty when unknown.
    pub(crate) tcp_bytes: &'a [u8],
}

impl fmt::Debug for Segment<'_> {
    /// The payload may hold a token: only how long it is is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, seq, ack, flags, payload, cut, .. } = self;
        write!(f, "Segment({source:?} > {destination:?}, {seq:?}, {ack:?}, {flags:?}, {} + {cut} bytes)", payload.len())
    }
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A whole TCP segment.
    Tcp(Segment<'a>),
    /// A fragment of an IP datagram (reassembly of datagrams is the flow floor's work).
    Fragment(Fragment<'a>),
    /// Says where on the layer-2 segment an address is.
    Neighbour(NeighbourClaim),
    /// Several frames in one of 802.11; each is to be decoded by itself.
    Aggregate(Aggregate<'a>),
    /// Well-formed and not ours: other UDP, ICMP, an unknown EtherType or IP protocol …
    NotTracked,
}

/// Peels link layer, VLAN tags, IP and TCP from a frame. Nothing is copied and nothing is believed:
/// lengths that contradict the bytes end in an error, what the snap length cut off is counted in
/// [`Segment::cut`], and bytes behind the IP datagram (Ethernet padding, trailers) are left out.
///
/// # Errors
/// When a header is cut or broken; such a frame says nothing, and the next one may be decoded.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Decoded<'a>, DecodeError> {
    match usual(frame) {
        Some(segment) => Ok(Decoded::Tcp(segment)),
        None => decode_by_layers(frame),
    }
}

/// The segment in a frame of the usual kind, as [`decode`] reads it; none in any other, nor in a broken one.
#[inline]
#[must_use]
pub fn usual<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    common::segment(frame)
}

fn decode_by_layers<'a>(frame: &Frame<'a>) -> Result<Decoded<'a>, DecodeError> {
    match link::peel(frame)? {
        Content::Packet(packet) if packet.network == Network::Arp => neighbour::arp(&packet),
        Content::Packet(packet) => ip::decode(&packet),
        Content::Aggregate(frames) => Ok(Decoded::Aggregate(frames)),
        Content::Other => Ok(Decoded::NotTracked),
    }
}

/// The IP packet in a frame, from its header to the last captured byte; none where there is no IP, or
/// more than one packet.
#[must_use]
pub fn ip_packet<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    match link::peel(frame) {
        Ok(Content::Packet(packet)) if packet.network != Network::Arp => Some(packet.bytes),
        _ => None,
    }
}

/// Where decoding stopped and why. The variants are the labels of `decode_errors_total{layer}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The capture's link type is none that can be read.
    #[error("link type {0} is not supported")]
    LinkType(u32),
    /// The link header (or a VLAN tag) is cut or broken.
    #[error("link header: {0}")]
    Link(Cause),
    /// The IP header or extension header is cut or broken.
    #[error("IP header: {0}")]
    Ip(Cause),
    /// The TCP header is cut or broken.
    #[error("TCP header: {0}")]
    Tcp(Cause),
    /// A message of ARP, neighbour discovery or DHCP is cut or broken.
    #[error("neighbour message: {0}")]
    Neighbour(Cause),
}

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Cause {
    /// Fewer bytes than the header needs.
    #[error("{have} bytes where {need} are needed")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// A length or version field contradicts the bytes.
    #[error("{field} is {value}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// More headers in a chain than are followed.
    #[error("more than {limit} headers in a chain")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

impl DecodeError {
    /// The label of `decode_errors_total`.
    #[must_use]
    pub const fn layer(self) -> &'static str {
        match self {
            Self::LinkType(_) | Self::Link(_) => "link",
            Self::Ip(_) => "ip",
            Self::Tcp(_) => "tcp",
            Self::Neighbour(_) => "neighbour",
        }
    }

    /// Every label, for creating the metric at 0.
    pub const LAYERS: [&'static str; 4] = ["link", "ip", "tcp", "neighbour"];
}
