//! Which frame or packet is in a UDP datagram? VXLAN, GENEVE, GTP-U, Teredo, AYIYA, and GRE and MPLS on UDP.

use super::{Begins, DecodeError, Encapsulation, Header, Inner, Outer, gre, mpls};
use crate::base::net::Tenant;
use crate::packet::Udp;
use crate::packet::link::Network;

/// Ports of tunnels that have one everywhere: the extended VXLAN, RFC 4380, RFC 8086, RFC 7510,
/// draft-massar-v6ops-ayiya.
const VXLAN_GPE: u16 = 4790;
const TEREDO: u16 = 3544;
const GRE: u16 = 4754;
const MPLS: u16 = 6635;
const AYIYA: u16 = 5072;

/// An Ethernet frame, where an `EtherType` is due (RFC 8926 §3.4).
const ETHERNET: u16 = 0x6558;

/// To which UDP ports tunnels speak, where networks differ in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TunnelPorts {
    /// VXLAN. Default 4789 and 8472, which Linux used before there was one.
    pub vxlan: Vec<u16>,
    /// GENEVE. Default 6081.
    pub geneve: Vec<u16>,
    /// GTP-U. Default 2152.
    pub gtpu: Vec<u16>,
}

impl Default for TunnelPorts {
    fn default() -> Self {
        Self { vxlan: vec![4789, 8472], geneve: vec![6081], gtpu: vec![2152] }
    }
}

impl TunnelPorts {
    /// What a datagram carries, if it is one of a tunnel.
    ///
    /// # Errors
    /// When the header of the tunnel is cut or broken.
    pub fn open<'a>(&self, udp: &Udp<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
        let outer = Outer { tenant: udp.tenant, bytes: udp.payload, lost: udp.cut as usize };
        match udp.destination.port {
            port if self.vxlan.contains(&port) => vxlan(&outer),
            port if self.geneve.contains(&port) => geneve(&outer),
            port if self.gtpu.contains(&port) => gtpu(&outer),
            VXLAN_GPE => vxlan(&outer),
            GRE => gre(&outer),
            MPLS => mpls(&outer),
            AYIYA => ayiya(&outer),
            port if port == TEREDO || udp.source.port == TEREDO => Ok(teredo(&outer)),
            _ => Ok(None),
        }
    }
}

/// A network of a tunnel beside those before it. Numbers of VLANs have 12 bits and these have 24: the
/// kind above them keeps all apart.
fn network(tenant: Tenant, kind: u32, [a, b, c]: [u8; 3]) -> Tenant {
    tenant.with(kind << 24 | u32::from_be_bytes([0, a, b, c]))
}

/// Flags, reserved or of extensions, network, reserved (RFC 7348 §5); what must be 0 is not asked.
fn vxlan<'a>(outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    const NETWORK: u8 = 0x08;
    /// The last byte of the first word says what follows (draft-ietf-nvo3-vxlan-gpe).
    const NEXT: u8 = 0x04;
    let mut header = Header::new(outer.bytes);
    let [flags, _, _, next, a, b, c, _] = header.array()?;
    if flags & NETWORK == 0 {
        return Ok(None);
    }
    let begins = match next {
        1 if flags & NEXT != 0 => Begins::Ip(Network::Ipv4),
        2 if flags & NEXT != 0 => Begins::Ip(Network::Ipv6),
        _ => Begins::Ethernet,
    };
    let tenant = network(outer.tenant, 1, [a, b, c]);
    Ok(Some(header.inner(Encapsulation::Vxlan, begins, tenant, outer.lost)))
}

/// Version and length of options in words, flags, type, network, reserved, options (RFC 8926 §3.4).
fn geneve<'a>(outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    const CONTROL: u8 = 0x80;
    let mut header = Header::new(outer.bytes);
    let [first, flags, type0, type1, a, b, c, _] = header.array()?;
    if first >> 6 != 0 || flags & CONTROL != 0 {
        return Ok(None);
    }
    header.skip(usize::from(first & 0x3f) * 4)?;
    let begins = match u16::from_be_bytes([type0, type1]) {
        ETHERNET => Begins::Ethernet,
        ether_type => Begins::Announced(ether_type),
    };
    let tenant = network(outer.tenant, 2, [a, b, c]);
    Ok(Some(header.inner(Encapsulation::Geneve, begins, tenant, outer.lost)))
}

/// Flags, message type, length, tunnel, and more where a flag says so (TS 29.281 §5.1). The two
/// directions have tunnels of their own, so their numbers tell no flows apart.
fn gtpu<'a>(outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    const VERSION_1: u8 = 0x30;
    const VERSION_MASK: u8 = 0xf0;
    const EXTENSIONS: u8 = 0x04;
    const MORE: u8 = 0x07;
    const USER_DATA: u8 = 0xff;
    let mut header = Header::new(outer.bytes);
    let [flags, kind, _, _, _, _, _, _] = header.array()?;
    if flags & VERSION_MASK != VERSION_1 || kind != USER_DATA {
        return Ok(None);
    }
    if flags & MORE != 0 {
        let [_, _, _, mut next] = header.array()?;
        while next != 0 && flags & EXTENSIONS != 0 {
            // Its length counts words, of which the last byte says what follows; 0 would never end.
            let [words] = header.array()?;
            let content =
                (usize::from(words) * 4).checked_sub(2).ok_or_else(|| super::field("GTP-U extension", words))?;
            header.skip(content)?;
            [next] = header.array()?;
        }
    }
    // What is no IP is signalling, or a network of another kind.
    let Some(version) = header.ip_version() else { return Ok(None) };
    Ok(Some(header.inner(Encapsulation::Gtpu, Begins::Ip(version), outer.tenant, outer.lost)))
}

/// IPv6, perhaps behind an authentication and behind where the peer is seen (RFC 4380 §5.1.1).
fn teredo<'a>(outer: &Outer<'a>) -> Option<Inner<'a>> {
    let mut header = Header::new(outer.bytes);
    if let [0, 1, id, value, ..] = *outer.bytes {
        // A nonce and a confirmation follow the two texts.
        header.skip(4 + usize::from(id) + usize::from(value) + 9).ok()?;
    }
    if header.rest.rest().starts_with(&[0, 0]) {
        header.skip(8).ok()?;
    }
    let is_ipv6 = header.ip_version() == Some(Network::Ipv6);
    is_ipv6.then(|| header.inner(Encapsulation::Teredo, Begins::Ip(Network::Ipv6), outer.tenant, outer.lost))
}

/// Length (a power of two) and kind of the identity, words of the signature and its method, what is to be
/// done, next header, time.
fn ayiya<'a>(outer: &Outer<'a>) -> Result<Option<Inner<'a>>, DecodeError> {
    const FORWARD: u8 = 1;
    const IPV4: u8 = 4;
    const IPV6: u8 = 41;
    let mut header = Header::new(outer.bytes);
    let [identity, signature, operation, next, _, _, _, _] = header.array()?;
    header.skip((1 << (identity >> 4)) + usize::from(signature >> 4) * 4)?;
    let version = match next {
        IPV4 => Network::Ipv4,
        IPV6 => Network::Ipv6,
        _ => return Ok(None),
    };
    let inner = header.inner(Encapsulation::Ipip, Begins::Ip(version), outer.tenant, outer.lost);
    Ok((operation & 0x0f == FORWARD).then_some(inner))
}
