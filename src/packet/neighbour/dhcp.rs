//! Which address did a DHCP server lease to whom? Acknowledgements of DHCP (RFC 2131) and replies of
//! `DHCPv6` (RFC 8415).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ClaimKind, claim, short};
use crate::base::net::MacAddr;
use crate::base::reader::Reader;
use crate::packet::ip::Envelope;
use crate::packet::{DecodeError, Decoded};

/// Ports of servers and clients (RFC 2131 §4.1).
const PORTS: [u16; 2] = [67, 68];
/// Ports of servers and clients of `DHCPv6` (RFC 8415 §7.2).
const PORTS_V6: [u16; 2] = [547, 546];
/// Hardware type of Ethernet.
const ETHERNET: u16 = 1;
/// Options that are looked at in one message.
const MAX_OPTIONS: usize = 256;

/// Whether a datagram between these ports is what a server says to a client, or to a relay.
pub(in crate::packet) fn is_reply(ip: &Envelope<'_>, from: u16, to: u16) -> bool {
    let ports @ [server, _] = if ip.source.is_ipv4() { PORTS } else { PORTS_V6 };
    from == server && ports.contains(&to)
}

/// Reads the UDP datagram of such a reply. The checksum is not asked: virtual networks leave it open, and
/// clients take the message all the same.
pub(in crate::packet) fn decode<'a>(ip: &Envelope<'a>, bytes: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
    let mut datagram = Reader::new(bytes);
    // Ports, length and checksum.
    datagram.take(8).ok_or_else(|| short(bytes.len(), 8))?;
    let message = datagram.rest();
    let lease = if ip.source.is_ipv4() { acknowledged(message)? } else { replied(message)? };
    Ok(match lease {
        Some((address, mac)) => claim(ip.tenant, address, mac, ClaimKind::Lease),
        None => Decoded::NotTracked,
    })
}

/// The address that a DHCPACK gives (RFC 2131 §2); none where it answers a DHCPINFORM.
fn acknowledged(message: &[u8]) -> Result<Option<(IpAddr, MacAddr)>, DecodeError> {
    /// The fixed part, with the cookie before the options.
    const HEADER: usize = 240;
    const COOKIE: [u8; 4] = [99, 130, 83, 99];
    const MESSAGE_TYPE: u8 = 53;
    const ACK: u8 = 5;
    let Some((fixed, options)) = message.split_at_checked(HEADER) else { return Err(short(message.len(), HEADER)) };
    let mut fixed = Reader::new(fixed);
    // A reply, to a client with a MAC address; otherwise it is no concern of ours.
    let is_reply_to_mac = fixed.array() == Some([2, ETHERNET as u8, 6]);
    // Hops, transaction, seconds, flags, the client's own idea of its address.
    fixed.take(13);
    let (Some(address), Some(_), Some(mac)) = (fixed.u32(), fixed.take(8), fixed.array()) else { return Ok(None) };
    // The rest of the hardware address, server name, boot file.
    fixed.take(10 + 64 + 128);
    // Plain BOOTP (RFC 951) has none and leases nothing.
    if fixed.array() != Some(COOKIE) {
        return Ok(None);
    }
    let mut options = Reader::new(options);
    let kind = std::iter::from_fn(|| option(&mut options)).take(MAX_OPTIONS).find(|(code, _)| *code == MESSAGE_TYPE);
    let is_ack = is_reply_to_mac && kind.is_some_and(|(_, value)| value == [ACK]);
    Ok(is_ack.then(|| (IpAddr::V4(Ipv4Addr::from_bits(address)), MacAddr(mac))))
}

/// The next option (RFC 2132 §2), over padding; `None` at the end, or where it is broken off.
fn option<'a>(options: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    const PAD: u8 = 0;
    const END: u8 = 255;
    loop {
        match options.u8()? {
            PAD => {}
            END => return None,
            code => {
                let len = options.u8()?;
                return Some((code, options.take(len.into())?));
            }
        }
    }
}

/// The first address that a Reply leases (RFC 8415 §18.3), where the client's id tells its MAC
/// address. That is the one of any of its interfaces.
fn replied(message: &[u8]) -> Result<Option<(IpAddr, MacAddr)>, DecodeError> {
    const REPLY: u8 = 7;
    const CLIENT_ID: u16 = 1;
    const LEASES: u16 = 3;
    let [kind, ..] = *message.first_chunk::<4>().ok_or_else(|| short(message.len(), 4))?;
    if kind != REPLY {
        return Ok(None);
    }
    let (mut mac, mut address) = (None, None);
    for (code, value) in options_v6(message.get(4..).unwrap_or_default()) {
        match code {
            CLIENT_ID => mac = mac.or(mac_of(value)),
            LEASES => address = address.or(leased(value)),
            _ => {}
        }
    }
    Ok(address.zip(mac))
}

/// Options of `DHCPv6` (RFC 8415 §21.1), up to where they are broken off.
fn options_v6(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = Reader::new(bytes);
    std::iter::from_fn(move || {
        let (code, len) = (rest.u16()?, rest.u16()?);
        Some((code, rest.take(len.into())?))
    })
    .take(MAX_OPTIONS)
}

/// The MAC address in a client id made of one: with the time, or alone (§11.2, §11.4).
fn mac_of(id: &[u8]) -> Option<MacAddr> {
    let mut id = Reader::new(id);
    let (kind, hardware) = (id.u16()?, id.u16()?);
    match (kind, hardware) {
        (1, ETHERNET) => id.take(4).map(drop)?,
        (3, ETHERNET) => {}
        _ => return None,
    }
    id.rest().try_into().ok().map(MacAddr)
}

/// The first address of an association that is valid for any time (§21.4, §21.6).
fn leased(association: &[u8]) -> Option<IpAddr> {
    const ADDRESS: u16 = 5;
    let addresses = options_v6(association.get(12..)?).filter(|(code, _)| *code == ADDRESS);
    addresses.into_iter().find_map(|(_, value)| {
        let mut value = Reader::new(value);
        let address = value.array().map(Ipv6Addr::from)?;
        let [_, valid] = [value.u32()?, value.u32()?];
        (valid > 0).then_some(IpAddr::V6(address))
    })
}
