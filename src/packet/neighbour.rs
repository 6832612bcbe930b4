//! Who says that an IP address is at a MAC address? ARP, neighbour discovery and DHCP.

mod arp;
mod dhcp;
mod discovery;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use super::{Cause, DecodeError, Decoded};
use crate::base::net::{MacAddr, Tenant};
pub(super) use arp::decode as arp;
pub(super) use dhcp::{decode as dhcp, is_reply as is_dhcp};
pub(super) use discovery::decode as discovery;

/// A claim that `ip` is reached at `mac` on one layer-2 segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighbourClaim {
    /// VLANs and tunnels: each is a segment of its own.
    pub tenant: Tenant,
    /// The address that is claimed.
    pub ip: IpAddr,
    /// Where it is said to be.
    pub mac: MacAddr,
    /// How it was said.
    pub kind: ClaimKind,
}

/// How an address was claimed; what the claim is worth depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClaimKind {
    /// The sender of an ARP request (RFC 826): nobody asked.
    ArpRequest,
    /// The sender of an ARP reply.
    ArpReply,
    /// The sender of a neighbour solicitation with a link-layer address (RFC 4861 §4.3).
    Solicitation,
    /// The target of a neighbour advertisement (RFC 4861 §4.4).
    Advertisement {
        /// It answers a solicitation.
        solicited: bool,
        /// It is to replace what is known.
        overrides: bool,
    },
    /// A DHCP server leased the address (RFC 2131 §3.1, RFC 8415 §18.3).
    Lease,
}

/// The claim, unless nobody can have the address: then it says nothing.
fn claim(tenant: Tenant, ip: IpAddr, mac: MacAddr, kind: ClaimKind) -> Decoded<'static> {
    let is_host = match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast() && !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback(),
    };
    if is_host { Decoded::Neighbour(NeighbourClaim { tenant, ip, mac, kind }) } else { Decoded::NotTracked }
}

#[cold]
const fn short(have: usize, need: usize) -> DecodeError {
    DecodeError::Neighbour(Cause::Short { have, need })
}

#[cold]
fn field(field: &'static str, value: impl Into<u32>) -> DecodeError {
    DecodeError::Neighbour(Cause::Field { field, value: value.into() })
}
