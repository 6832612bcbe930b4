//! What does a frame of a serial line hold? PPP (RFC 1661, RFC 1662) and Cisco's HDLC.

use super::{Content, DecodeError, Header, Network, in_tunnel, tunnel};

/// Address and control field of PPP in HDLC-like framing (RFC 1662 §3.1); often left out.
const ALL_STATIONS: [u8; 2] = [0xff, 0x03];
/// PPP protocol number of IPv4 (RFC 1332 §2).
const PPP_IPV4: u16 = 0x0021;
/// PPP protocol number of IPv6 (RFC 5072 §3).
const PPP_IPV6: u16 = 0x0057;
/// PPP protocol number of MPLS (RFC 3032 §4.3).
const PPP_MPLS: u16 = 0x0281;
/// First bytes of Cisco's framing: to one station, to all.
const CISCO: [u8; 2] = [0x0f, 0x8f];

/// PPP, with or without address and control field.
pub(super) fn ppp(mut header: Header<'_>) -> Result<Content<'_>, DecodeError> {
    if header.rest.rest().starts_with(&ALL_STATIONS) {
        header.take(ALL_STATIONS.len())?;
    }
    // The first byte is left out where both sides agree to; an odd one ends the number (RFC 1661 §2, §6.5).
    let [high] = header.array()?;
    let protocol = if high & 1 == 1 {
        u16::from(high)
    } else {
        let [low] = header.array()?;
        u16::from_be_bytes([high, low])
    };
    if protocol == PPP_MPLS {
        return tunnel::mpls(&header.outer()).map(in_tunnel);
    }
    Ok(header.content(match protocol {
        PPP_IPV4 => Some(Network::Ipv4),
        PPP_IPV6 => Some(Network::Ipv6),
        _ => None,
    }))
}

/// What is captured on an HDLC line: either of the two.
pub(super) fn ppp_or_cisco(header: Header<'_>) -> Result<Content<'_>, DecodeError> {
    if header.rest.rest().first().is_some_and(|first| CISCO.contains(first)) { cisco(header) } else { ppp(header) }
}

/// Address, control, and then an `EtherType`.
pub(super) fn cisco(mut header: Header<'_>) -> Result<Content<'_>, DecodeError> {
    header.array::<2>()?;
    header.ether_type()
}
