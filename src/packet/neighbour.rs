//! Who says that an IP address is at a MAC address? ARP, neighbour discovery and DHCP.

use std::net::IpAddr;

use crate::base::net::{MacAddr, Tenant};

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
