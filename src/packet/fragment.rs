//! What does one fragment of an IP datagram say? All that a defragmenter needs, borrowed.

use std::fmt;
use std::net::IpAddr;

use super::checksum::{fold, sum};
use super::ip::{self, Envelope};
use super::{Checksum, ClaimKind, DecodeError, Decoded, MacPair};
use crate::base::net::Tenant;

/// A fragment of an IPv4 (RFC 791 §3.2) or IPv6 (RFC 8200 §4.5) datagram. Fragments with equal
/// `tenant`, `source`, `destination`, `id` and, for IPv4, `protocol` belong together.
#[derive(Clone, Copy)]
pub struct Fragment<'a> {
    /// VLANs and tunnels it travelled in.
    pub tenant: Tenant,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// MAC addresses, where the link has them.
    pub mac: Option<MacPair>,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// Identification: 16 bits of IPv4, 32 bits of IPv6.
    pub id: u32,
    /// IPv4 protocol, or the next header behind the IPv6 fragment header: what the reassembled
    /// payload begins with. IPv6 goes by that of the first fragment.
    pub protocol: u8,
    /// Where `payload` belongs in the datagram's payload, in bytes; a multiple of 8.
    pub offset: u32,
    /// More fragments follow. Those then have a length that is a multiple of 8, if they are honest.
    pub more: bool,
    /// The piece, as captured.
    pub payload: &'a [u8],
    /// Bytes of the piece that the snap length cut off after `payload`.
    pub cut: u32,
    /// The IPv4 header, for its sum; empty for IPv6.
    pub(crate) ip_header: &'a [u8],
}

impl fmt::Debug for Fragment<'_> {
    /// The piece may hold a token: only how long it is is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, id, protocol, offset, more, payload, cut, .. } = self;
        let more = if *more { ", more" } else { "" };
        let length = payload.len();
        write!(f, "Fragment({source} > {destination}, {id}, {protocol}, {length} + {cut} bytes at {offset}{more})")
    }
}

impl Fragment<'_> {
    /// Whether the IPv4 header's checksum holds; hosts drop a fragment for it. IPv6 has none and is
    /// `Valid`. The sums inside can be verified only on the reassembled datagram.
    #[must_use]
    pub fn header_checksum(&self) -> Checksum {
        if self.ip_header.is_empty() || fold(sum(self.ip_header)) == u16::MAX {
            Checksum::Valid
        } else {
            Checksum::Invalid
        }
    }

    /// What is known of the datagram from this piece; the first piece's is what counts.
    #[must_use]
    pub const fn datagram(&self) -> Datagram {
        let Self { tenant, source, destination, mac, ttl, protocol, .. } = *self;
        Datagram { tenant, source, destination, mac, ttl, protocol }
    }

    /// Bytes of the header that all pieces repeat; for IPv6 nobody can tell here, and it is 0.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.ip_header.len()
    }
}

/// What the first fragment says of a datagram beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// VLANs and tunnels it travelled in.
    pub tenant: Tenant,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// MAC addresses, where the link has them.
    pub mac: Option<MacPair>,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// What the payload begins with.
    pub protocol: u8,
}

impl Datagram {
    /// Decodes what the pieces carried, once they are put together; `cut` bytes are missing after `payload`.
    ///
    /// # Errors
    /// As [`super::decode`].
    pub fn decode<'b>(&self, payload: &'b [u8], cut: u32) -> Result<Decoded<'b>, DecodeError> {
        let Self { tenant, source, destination, mac, ttl, protocol } = *self;
        let envelope = Envelope { tenant, mac, source, destination, ttl, header: &[] };
        Ok(match ip::payload(&envelope, protocol, payload, cut)? {
            // Hosts ignore neighbour discovery in fragments (RFC 6980 §5).
            Decoded::Neighbour(claim) if claim.kind != ClaimKind::Lease => Decoded::NotTracked,
            decoded => decoded,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_piece() {
        let fragment = Fragment {
            tenant: Tenant::default(),
            source: IpAddr::from([10, 0, 0, 5]),
            destination: IpAddr::from([10, 0, 0, 6]),
            mac: None,
            ttl: 64,
            id: 7,
            protocol: 6,
            offset: 8,
            more: true,
            payload: b"Cookie: sid=hunter2",
            cut: 3,
            ip_header: &[],
        };
        assert_eq!(format!("{fragment:?}"), "Fragment(10.0.0.5 > 10.0.0.6, 7, 6, 19 + 3 bytes at 8, more)");
    }
}
