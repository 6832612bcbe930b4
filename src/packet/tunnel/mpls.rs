//! What is below a stack of MPLS labels? Nothing in it says so (RFC 3032 §2.2): a packet of IP is known
//! by its first bits, else it is a frame of Ethernet, perhaps behind a control word (RFC 4448 §4.6).

use super::{Begins, Cause, DecodeError, Encapsulation, Header, Inner, Outer};
use crate::packet::link::Network;

/// Labels that are followed in one stack; real networks use a handful.
const MAX_LABELS: usize = 16;
/// The bit of the last label, in its third byte.
const BOTTOM: u8 = 0x01;

/// The packet below the labels; none where it is the network's own.
pub(in crate::packet) fn decode<'a>(outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    let mut header = Header::new(outer.bytes);
    for _ in 0..MAX_LABELS {
        let [_, _, third, _] = header.array()?;
        if third & BOTTOM != 0 {
            return Ok(below(header, outer));
        }
    }
    Err(DecodeError::Tunnel(Cause::TooDeep { limit: MAX_LABELS }))
}

fn below<'a>(mut header: Header<'a>, outer: &Outer<'a>) -> Option<Inner<'a>> {
    let inner = |header: &Header<'a>, begins| header.inner(Encapsulation::Mpls, begins, outer.tenant, outer.lost);
    let rest = header.rest.rest();
    match rest.first()? >> 4 {
        4 if is_ipv4(rest) => Some(inner(&header, Begins::Ip(Network::Ipv4))),
        6 if is_ipv6(rest) => Some(inner(&header, Begins::Ip(Network::Ipv6))),
        // A control word, or an address that begins as one does: then the type of the frame tells.
        0 if !is_ethernet(rest) => {
            header.skip(4).ok()?;
            Some(inner(&header, Begins::Ethernet))
        }
        // Messages of the network itself (RFC 5586).
        1 if !is_ethernet(rest) => None,
        _ => Some(inner(&header, Begins::Ethernet)),
    }
}

/// The lengths of an IPv4 header fit.
fn is_ipv4(packet: &[u8]) -> bool {
    let Some(&[first, _, len0, len1, ..]) = packet.first_chunk::<20>() else { return false };
    first & 0x0f >= 5 && u16::from_be_bytes([len0, len1]) >= 20
}

/// There is room for an IPv6 header, and its next header is one that hosts know.
fn is_ipv6(packet: &[u8]) -> bool {
    let next = packet.first_chunk::<40>().map(|header| header[6]);
    matches!(next, Some(0 | 4 | 6 | 17 | 41 | 43 | 44 | 47 | 50 | 51 | 58 | 59 | 60 | 132))
}

/// What stands where the type of an Ethernet frame would is one of a protocol that is read.
fn is_ethernet(frame: &[u8]) -> bool {
    let ether_type = frame.first_chunk::<14>().map(|header| [header[12], header[13]]);
    matches!(ether_type.map(u16::from_be_bytes), Some(0x0800 | 0x0806 | 0x86dd | 0x8100 | 0x88a8 | 0x8847 | 0x8864))
}
