//! What does a message of IPv6 neighbour discovery claim (RFC 4861)? Solicitations tell where their
//! sender is, advertisements where their target is.

use std::net::{IpAddr, Ipv6Addr};

use super::{ClaimKind, claim, field, short};
use crate::base::net::MacAddr;
use crate::base::reader::Reader;
use crate::packet::checksum;
use crate::packet::ip::Envelope;
use crate::packet::{DecodeError, Decoded};

/// Protocol number of `ICMPv6`.
const ICMP: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Only neighbours send with this: routers would have counted it down (RFC 4861 §11.2).
const FROM_NEIGHBOUR: u8 = 255;
/// Type, code, checksum, flags, target.
const HEADER: usize = 24;
/// Options that are looked at in one message; real ones have one or two.
const MAX_OPTIONS: usize = 16;
const SOURCE_ADDRESS: u8 = 1;
const TARGET_ADDRESS: u8 = 2;

/// Reads a message of which `cut` more bytes were not captured. What hosts must discard (§7.1) is an
/// error; what names no link-layer address claims nothing.
pub(in crate::packet) fn decode<'a>(ip: &Envelope<'a>, bytes: &'a [u8], cut: u32) -> Result<Decoded<'a>, DecodeError> {
    let mut message = Reader::new(bytes);
    let Some(kind @ (SOLICITATION | ADVERTISEMENT)) = message.u8() else { return Ok(Decoded::NotTracked) };
    let too_short = || short(bytes.len(), HEADER);
    let code = message.u8().ok_or_else(too_short)?;
    let sum = message.u16().ok_or_else(too_short)?;
    let [flags, ..]: [u8; 4] = message.array().ok_or_else(too_short)?;
    let target = message.array().map(Ipv6Addr::from).ok_or_else(too_short)?;
    if ip.ttl != FROM_NEIGHBOUR {
        return Err(field("hop limit", ip.ttl));
    }
    if code != 0 {
        return Err(field("code", code));
    }
    if cut == 0 && !checksum::holds(ip.source, ip.destination, ICMP, bytes) {
        return Err(field("checksum", sum));
    }
    if target.is_multicast() {
        return Err(field("first byte of the target", target.octets()[0]));
    }
    let (wanted, who, kind) = if kind == SOLICITATION {
        (SOURCE_ADDRESS, ip.source, ClaimKind::Solicitation)
    } else {
        let [solicited, overrides] = [flags & 0x40 != 0, flags & 0x20 != 0];
        if solicited && ip.destination.is_multicast() {
            return Err(field("flags", flags));
        }
        (TARGET_ADDRESS, IpAddr::V6(target), ClaimKind::Advertisement { solicited, overrides })
    };
    Ok(match address(message, wanted)? {
        Some(mac) => claim(ip.tenant, who, mac, kind),
        None => Decoded::NotTracked,
    })
}

/// The link-layer address in the first option of a type (§4.6.1), if it is a MAC address.
fn address(mut options: Reader<'_>, wanted: u8) -> Result<Option<MacAddr>, DecodeError> {
    for _ in 0..MAX_OPTIONS {
        let Some(kind) = options.u8() else { break };
        let have = options.remaining() + 1;
        let units = options.u8().ok_or_else(|| short(have, 2))?;
        // Lengths count units of 8 bytes, type and length included; 0 would never end.
        let len = usize::from(units) * 8;
        let content = len.checked_sub(2).ok_or_else(|| field("option length", units))?;
        let content = options.take(content).ok_or_else(|| short(have, len))?;
        if kind == wanted {
            return Ok(content.try_into().ok().map(MacAddr));
        }
    }
    Ok(None)
}
