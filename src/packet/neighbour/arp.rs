//! What does an ARP message claim (RFC 826)? Requests and replies tell where their sender is.

use std::net::Ipv4Addr;

use super::{ClaimKind, claim, field, short};
use crate::base::net::MacAddr;
use crate::base::reader::Reader;
use crate::packet::link::{self, Packet};
use crate::packet::{DecodeError, Decoded};

/// Bytes of a message about IPv4 on Ethernet.
const LEN: usize = 28;
/// Hardware types with MAC addresses: Ethernet, 802 networks.
const HARDWARE: [u16; 2] = [1, 6];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Reads a message. Probes ask as `0.0.0.0` and claim nothing (RFC 5227 §2.1.1); announcements are
/// requests or replies for the sender's own address.
pub(in crate::packet) fn decode<'a>(packet: &Packet<'a>) -> Result<Decoded<'a>, DecodeError> {
    let too_short = || short(packet.bytes.len(), LEN);
    let mut message = Reader::new(packet.bytes);
    let hardware = message.u16().ok_or_else(too_short)?;
    let protocol = message.u16().ok_or_else(too_short)?;
    let lengths: [u8; 2] = message.array().ok_or_else(too_short)?;
    let operation = message.u16().ok_or_else(too_short)?;
    if !HARDWARE.contains(&hardware) || protocol != link::IPV4 {
        return Ok(Decoded::NotTracked);
    }
    if lengths != [6, 4] {
        return Err(field("address lengths", u16::from_be_bytes(lengths)));
    }
    let kind = match operation {
        REQUEST => ClaimKind::ArpRequest,
        REPLY => ClaimKind::ArpReply,
        _ => return Ok(Decoded::NotTracked),
    };
    let mac = message.array().map(MacAddr).ok_or_else(too_short)?;
    let ip = message.u32().map(Ipv4Addr::from_bits).ok_or_else(too_short)?;
    // Without a target, it is a fragment of a message.
    message.take(10).ok_or_else(too_short)?;
    Ok(claim(packet.tenant, ip.into(), mac, kind))
}
