//! Which packet does GRE carry? The plain kind (RFC 2784, RFC 2890, RFC 1701), that of PPTP (RFC 2637),
//! and frames that a switch has mirrored into it (ERSPAN).

use super::{Begins, DecodeError, Encapsulation, Header, Inner, Outer, field};
use crate::packet::link::{IPV4, Network};

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Of version 1 alone.
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// Protocol types: an Ethernet frame, PPP, a packet that a router has redirected to a cache (WCCP).
const ETHERNET: u16 = 0x6558;
const PPP: u16 = 0x880b;
const WCCP: u16 = 0x883e;
/// ERSPAN types I and II, and III.
const ERSPAN: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// Source routes that are followed in one header (RFC 1701); nobody sends them any more.
const MAX_ROUTES: usize = 16;

/// Bytes that may be missing behind a frame that the mirroring switch has cut: no frame is longer.
const TRUNCATED: usize = 65_535;

/// The packet behind a GRE header; none where it carries no packet.
pub(in crate::packet) fn decode<'a>(outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    let mut header = Header::new(outer.bytes);
    let (flags, protocol) = (header.u16()?, header.u16()?);
    match flags & VERSION {
        0 => plain(header, flags, protocol, outer).map(Some),
        1 => pptp(header, flags, outer),
        version => Err(field("GRE version", version)),
    }
}

fn plain<'a>(mut header: Header<'a>, flags: u16, protocol: u16, outer: &Outer<'a>) -> Result<Inner<'a>, DecodeError> {
    // Checksum and offset stand there both if either is used.
    let words = [flags & (CHECKSUM | ROUTING) != 0, flags & KEY != 0, flags & SEQUENCE != 0];
    header.skip(4 * words.into_iter().filter(|is_there| *is_there).count())?;
    if flags & ROUTING != 0 {
        skip_routes(&mut header)?;
    }
    let Outer { tenant, lost, .. } = *outer;
    let inner = |header: &Header<'a>, begins| header.inner(Encapsulation::Gre, begins, tenant, lost);
    Ok(match protocol {
        ETHERNET => inner(&header, Begins::Ethernet),
        PPP => inner(&header, Begins::Ppp),
        WCCP => {
            // The second version of it has four bytes of its own first.
            if header.ip_version() != Some(Network::Ipv4) {
                header.skip(4)?;
            }
            inner(&header, Begins::Announced(IPV4))
        }
        // The first type has no header; the second numbers its frames.
        ERSPAN if flags & SEQUENCE == 0 => {
            Inner { encapsulation: Encapsulation::Erspan, ..inner(&header, Begins::Ethernet) }
        }
        ERSPAN => {
            const CUT: u8 = 0x04;
            let [_, _, session, _, _, _, _, _] = header.array()?;
            mirrored(&header, Begins::Ethernet, session & CUT != 0, outer)
        }
        ERSPAN_III => {
            const CUT: u8 = 0x04;
            const SUBHEADER: u8 = 0x01;
            /// Frame type: five bits of the last word.
            const IP_PACKET: u8 = 2;
            let [_, _, session, _, _, _, _, _, _, _, kind, last] = header.array()?;
            if last & SUBHEADER != 0 {
                header.skip(8)?;
            }
            let begins = if kind >> 2 & 0x1f == IP_PACKET { Begins::Ip(Network::Either) } else { Begins::Ethernet };
            mirrored(&header, begins, session & CUT != 0, outer)
        }
        ether_type => inner(&header, Begins::Announced(ether_type)),
    })
}

fn mirrored<'a>(header: &Header<'a>, begins: Begins, is_cut: bool, outer: &Outer<'a>) -> Inner<'a> {
    let lost = if is_cut { outer.lost.max(TRUNCATED) } else { outer.lost };
    header.inner(Encapsulation::Erspan, begins, outer.tenant, lost)
}

/// Address family, offset, length of an entry; a family and length of 0 end the list.
fn skip_routes(header: &mut Header<'_>) -> Result<(), DecodeError> {
    for _ in 0..MAX_ROUTES {
        match header.array()? {
            [0, 0, _, 0] => return Ok(()),
            [_, _, _, len] => header.skip(len.into())?,
        }
    }
    Err(DecodeError::Tunnel(super::Cause::TooDeep { limit: MAX_ROUTES }))
}

/// The key's two halves are the length of the payload and the call; acknowledgements carry nothing.
fn pptp<'a>(mut header: Header<'a>, flags: u16, outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    let words = [flags & KEY != 0, flags & SEQUENCE != 0, flags & ACKNOWLEDGEMENT != 0];
    header.skip(4 * words.into_iter().filter(|is_there| *is_there).count())?;
    let inner = header.inner(Encapsulation::Gre, Begins::Ppp, outer.tenant, outer.lost);
    Ok((flags & SEQUENCE != 0).then_some(inner))
}
