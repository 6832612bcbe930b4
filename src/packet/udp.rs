//! What is in a UDP datagram? Says from where to where, and what DHCP says; the rest is for whoever knows the port.

use std::fmt;

use super::ip::Envelope;
use super::{DecodeError, Decoded, neighbour};
use crate::base::net::{Endpoint, Tenant};
use crate::base::reader::Reader;

/// Length of the header in bytes (RFC 768).
const HEADER: u16 = 8;

/// One UDP datagram, borrowed from its frame.
#[derive(Clone, Copy)]
pub struct Udp<'a> {
    /// VLANs and tunnels it travelled in.
    pub tenant: Tenant,
    /// Sender.
    pub source: Endpoint,
    /// Receiver.
    pub destination: Endpoint,
    /// Payload as captured.
    pub payload: &'a [u8],
    /// Payload bytes that the snap length cut off after `payload`.
    pub cut: u32,
}

impl fmt::Debug for Udp<'_> {
    /// Only how long the payload is is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, payload, cut, .. } = self;
        write!(f, "Udp({source:?} > {destination:?}, {} + {cut} bytes)", payload.len())
    }
}

/// Reads a datagram of which `cut` bytes are missing after `bytes`. Its checksum is not asked: tunnels and
/// virtual networks leave it open.
pub(super) fn decode<'a>(ip: &Envelope<'a>, bytes: &'a [u8], cut: u32) -> Result<Decoded<'a>, DecodeError> {
    let mut header = Reader::new(bytes);
    let (Some(from), Some(to), Some(len)) = (header.u16(), header.u16(), header.u16()) else {
        return Ok(Decoded::NotTracked);
    };
    if neighbour::is_dhcp(ip, from, to) {
        return neighbour::dhcp(ip, bytes);
    }
    let Some(rest) = header.take(2).map(|_| header.rest()) else { return Ok(Decoded::NotTracked) };
    // A length of 0 is one that does not fit (RFC 2675 §4), or was left open for the network card.
    let payload = match len.checked_sub(HEADER) {
        Some(len) => rest.get(..len.into()).unwrap_or(rest),
        None if len == 0 => rest,
        None => return Ok(Decoded::NotTracked),
    };
    let cut = if payload.len() < rest.len() { 0 } else { cut };
    let (source, destination) = (Endpoint { ip: ip.source, port: from }, Endpoint { ip: ip.destination, port: to });
    Ok(Decoded::Udp(Udp { tenant: ip.tenant, source, destination, payload, cut }))
}
