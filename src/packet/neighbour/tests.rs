//! Does every claim come out as it was made, and nothing else?

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::time::Stamp;
use crate::packet::checksum::{fold, pseudo_header, sum};
use crate::packet::{Frame, LinkType, decode};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x42]);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 66);
const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// An Ethernet frame, in a VLAN where there is one.
fn ethernet(vlan: Option<u16>, ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xff; 6];
    out.extend([2, 0, 0, 0, 0, 1]);
    vlan.iter().for_each(|id| out.extend([[0x81, 0], id.to_be_bytes()].concat()));
    out.extend(ether_type.to_be_bytes());
    out.extend(payload);
    out
}

fn read(bytes: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    decode(&Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len: bytes.len() as u32, data: bytes })
}

#[track_caller]
fn claimed(bytes: &[u8]) -> NeighbourClaim {
    match read(bytes) {
        Ok(Decoded::Neighbour(claim)) => claim,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn says_nothing(bytes: &[u8]) {
    assert!(matches!(read(bytes), Ok(Decoded::NotTracked | Decoded::Udp(_))), "{:?}", read(bytes));
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let error = read(bytes).unwrap_err();
    assert_eq!((error.layer(), error.to_string().as_str()), ("neighbour", &*format!("neighbour message: {why}")));
}

fn arp(operation: u16, sender: Ipv4Addr) -> Vec<u8> {
    let mut out = vec![0, 1, 8, 0, 6, 4];
    out.extend(operation.to_be_bytes());
    out.extend(MAC.0);
    out.extend(sender.octets());
    out.extend([0; 6]);
    out.extend([10, 0, 0, 1]);
    out
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend((20 + payload.len() as u16).to_be_bytes());
    out.extend([0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 255, 255, 255, 255]);
    out.extend(payload);
    out
}

fn ipv6(next: u8, hops: u8, from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, hops]);
    out.extend(from.octets());
    out.extend(to.octets());
    out.extend(payload);
    out
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = [from.to_be_bytes(), to.to_be_bytes(), (payload.len() as u16 + 8).to_be_bytes(), [0, 0]].concat();
    out.extend(payload);
    out
}

/// A message of neighbour discovery with one option, its sum right.
fn discovery(kind: u8, flags: u8, from: Ipv6Addr, to: Ipv6Addr, target: Ipv6Addr, option: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    out.extend(target.octets());
    out.extend(option);
    let sum = !fold(pseudo_header(from.into(), to.into(), 58, out.len()) + sum(&out));
    out[2..4].copy_from_slice(&sum.to_be_bytes());
    out
}

fn option_of(kind: u8) -> Vec<u8> {
    [&[kind, 1], &MAC.0[..]].concat()
}

fn dhcp_ack(kind: u8) -> Vec<u8> {
    let mut out = vec![2, 1, 6, 0];
    out.extend([0; 12]);
    out.extend(HOST.octets());
    out.extend([0; 8]);
    out.extend(MAC.0);
    out.resize(236, 0);
    out.extend([99, 130, 83, 99, 0, 54, 4, 10, 0, 0, 1, 53, 1, kind, 255]);
    out
}

fn dhcp6_reply(kind: u8, valid: u32, id: &[u8]) -> Vec<u8> {
    let option = |code: u16, value: &[u8]| [&code.to_be_bytes(), &(value.len() as u16).to_be_bytes(), value].concat();
    let address = |ip: Ipv6Addr, valid: u32| [&ip.octets()[..], &[0, 0, 1, 0], &valid.to_be_bytes()].concat();
    let addresses = [option(5, &address(ALL_NODES, 0)), option(5, &address(HOST6, valid))].concat();
    [&[kind, 1, 2, 3][..], &option(3, &[&[0; 12][..], &addresses].concat()), &option(2, b"server"), &option(1, id)]
        .concat()
}

/// A good frame of each kind, with what it claims.
fn good(vlan: Option<u16>) -> Vec<(Vec<u8>, IpAddr, ClaimKind)> {
    let (v4, v6) = (IpAddr::V4(HOST), IpAddr::V6(HOST6));
    let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let found = |flags, to| discovery(136, flags, HOST6, to, HOST6, &option_of(2));
    let asked = discovery(135, 0, HOST6, ALL_NODES, router, &option_of(1));
    let advertisement = |solicited, overrides| ClaimKind::Advertisement { solicited, overrides };
    let lease6 = |id: &[u8]| ipv6(17, 64, router, HOST6, &udp(547, 546, &dhcp6_reply(7, 60, id)));
    let with_time = [&[0, 1, 0, 1, 9, 9, 9, 9], &MAC.0[..]].concat();
    let alone = [&[0, 3, 0, 1], &MAC.0[..]].concat();
    vec![
        (ethernet(vlan, 0x0806, &arp(1, HOST)), v4, ClaimKind::ArpRequest),
        (ethernet(vlan, 0x0806, &arp(2, HOST)), v4, ClaimKind::ArpReply),
        (ethernet(vlan, 0x86dd, &ipv6(58, 255, HOST6, ALL_NODES, &asked)), v6, ClaimKind::Solicitation),
        (ethernet(vlan, 0x86dd, &ipv6(58, 255, HOST6, router, &found(0x60, router))), v6, advertisement(true, true)),
        (
            ethernet(vlan, 0x86dd, &ipv6(58, 255, HOST6, ALL_NODES, &found(0, ALL_NODES))),
            v6,
            advertisement(false, false),
        ),
        (ethernet(vlan, 0x0800, &ipv4(17, &udp(67, 68, &dhcp_ack(5)))), v4, ClaimKind::Lease),
        (ethernet(vlan, 0x0800, &ipv4(17, &udp(67, 67, &dhcp_ack(5)))), v4, ClaimKind::Lease),
        (ethernet(vlan, 0x86dd, &lease6(&with_time)), v6, ClaimKind::Lease),
        (ethernet(vlan, 0x86dd, &lease6(&alone)), v6, ClaimKind::Lease),
    ]
}

#[test]
fn every_kind_of_claim_is_read_in_its_vlan() {
    for vlan in [None, Some(9)] {
        let tenant = vlan.map_or(Tenant::default(), |id| Tenant::default().with(id.into()));
        for (frame, ip, kind) in good(vlan) {
            assert_eq!(claimed(&frame), NeighbourClaim { tenant, ip, mac: MAC, kind });
            // Ethernet pads short frames.
            assert_eq!(claimed(&[frame, vec![0; 18]].concat()).ip, ip);
        }
    }
}

#[test]
fn probes_and_other_arp_claim_nothing() {
    let arp_frame = |message: &[u8]| ethernet(None, 0x0806, message);
    says_nothing(&arp_frame(&arp(1, Ipv4Addr::UNSPECIFIED)));
    says_nothing(&arp_frame(&arp(2, Ipv4Addr::BROADCAST)));
    says_nothing(&arp_frame(&arp(8, HOST)));
    let mut message = arp(1, HOST);
    message[1] = 15;
    says_nothing(&arp_frame(&message));
    let mut message = arp(1, HOST);
    message[4] = 8;
    refused(&arp_frame(&message), "address lengths is 2052");
    refused(&arp_frame(&arp(2, HOST)[..27]), "27 bytes where 28 are needed");
}

#[test]
fn discovery_that_hosts_discard_is_refused() {
    let frame = |hops, message: &[u8]| ethernet(None, 0x86dd, &ipv6(58, hops, HOST6, ALL_NODES, message));
    let advertisement = |flags, option: &[u8]| discovery(136, flags, HOST6, ALL_NODES, HOST6, option);
    refused(&frame(254, &advertisement(0, &option_of(2))), "hop limit is 254");
    refused(&frame(255, &advertisement(0x40, &option_of(2))), "flags is 64");
    refused(&frame(255, &advertisement(0, &[2, 0, 1, 2, 3, 4, 5, 6])), "option length is 0");
    refused(&frame(255, &advertisement(0, &[2, 2, 1, 2, 3, 4, 5, 6])), "8 bytes where 16 are needed");
    refused(
        &frame(255, &discovery(136, 0, HOST6, ALL_NODES, ALL_NODES, &option_of(2))),
        "first byte of the target is 255",
    );
    refused(&frame(255, &advertisement(0, &[])[..20]), "20 bytes where 24 are needed");
    let mut damaged = advertisement(0, &option_of(2));
    damaged[30] ^= 1;
    assert!(read(&frame(255, &damaged)).unwrap_err().to_string().starts_with("neighbour message: checksum is "));
    // Without the option that tells the address, or from nobody, nothing is claimed.
    says_nothing(&frame(255, &advertisement(0, &option_of(1))));
    says_nothing(&frame(255, &advertisement(0, &[])));
    let probe = discovery(135, 0, Ipv6Addr::UNSPECIFIED, ALL_NODES, HOST6, &option_of(1));
    says_nothing(&ethernet(None, 0x86dd, &ipv6(58, 255, Ipv6Addr::UNSPECIFIED, ALL_NODES, &probe)));
    // Other messages of ICMPv6 are no concern of ours.
    says_nothing(&frame(64, &[128, 0, 0, 0]));
}

#[test]
fn only_leases_of_servers_count() {
    let frame = |from, to, message: &[u8]| ethernet(None, 0x0800, &ipv4(17, &udp(from, to, message)));
    says_nothing(&frame(68, 67, &dhcp_ack(5)));
    says_nothing(&frame(5353, 68, &dhcp_ack(5)));
    // An offer, a refusal; an answer to one that had its address already.
    says_nothing(&frame(67, 68, &dhcp_ack(2)));
    says_nothing(&frame(67, 68, &dhcp_ack(6)));
    let mut inform = dhcp_ack(5);
    inform[16..20].fill(0);
    says_nothing(&frame(67, 68, &inform));
    refused(&frame(67, 68, &dhcp_ack(5)[..200]), "200 bytes where 240 are needed");

    let frame = |from, message: &[u8]| ethernet(None, 0x86dd, &ipv6(17, 64, HOST6, HOST6, &udp(from, 546, message)));
    let id = [&[0, 3, 0, 1], &MAC.0[..]].concat();
    says_nothing(&frame(546, &dhcp6_reply(7, 60, &id)));
    says_nothing(&frame(547, &dhcp6_reply(2, 60, &id)));
    says_nothing(&frame(547, &dhcp6_reply(7, 0, &id)));
    says_nothing(&frame(547, &dhcp6_reply(7, 60, b"\x00\x02vendor")));
    refused(&frame(547, &[7, 1]), "2 bytes where 4 are needed");
}

proptest! {
    #[test]
    fn arbitrary_messages_do_no_harm(bytes in vec(any::<u8>(), 0..400), ether_type in any::<prop::sample::Index>()) {
        let messages = [
            ethernet(None, 0x0806, &bytes),
            ethernet(None, 0x86dd, &ipv6(58, 255, HOST6, ALL_NODES, &bytes)),
            ethernet(None, 0x86dd, &ipv6(17, 64, HOST6, HOST6, &udp(547, 546, &bytes))),
            ethernet(None, 0x0800, &ipv4(17, &udp(67, 68, &bytes))),
        ];
        if let Err(error) = read(ether_type.get(&messages[..]).as_slice()) {
            prop_assert_eq!(error.layer(), "neighbour");
        }
    }

    /// A damaged message makes no claim that its bytes do not hold, and cut ones make none.
    #[test]
    fn damaged_messages_do_no_harm(
        which in any::<prop::sample::Index>(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, ..) = which.get(&good(Some(5))).clone();
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        if let Ok(Decoded::Neighbour(claim)) = read(&bytes) {
            let ip = match claim.ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            prop_assert!(holds(&ip) && holds(&claim.mac.0));
        }
        let kept = &bytes[..cut.index(bytes.len())];
        let _ = read(kept);
        let snapped = Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len: bytes.len() as u32, data: kept };
        let _ = decode(&snapped);
    }

    /// A second implementation reads the same ARP messages.
    #[test]
    fn agrees_with_etherparse(damage in vec((0..28_usize, any::<u8>()), 0..3), reply in any::<bool>()) {
        let mut message = arp(1 + u16::from(reply), HOST);
        for (at, value) in damage {
            message[at] = value;
        }
        let theirs = etherparse::ArpPacketSlice::from_slice(&message).ok();
        if let Ok(Decoded::Neighbour(claim)) = read(&ethernet(None, 0x0806, &message)) {
            let theirs = theirs.unwrap();
            prop_assert_eq!(theirs.sender_hw_addr(), &claim.mac.0[..]);
            prop_assert_eq!(IpAddr::from(<[u8; 4]>::try_from(theirs.sender_protocol_addr()).unwrap()), claim.ip);
            let operation = if claim.kind == ClaimKind::ArpReply { 2 } else { 1 };
            prop_assert_eq!(theirs.operation().0, operation);
        }
    }
}
