//! Is every kind of tunnel opened, and what is not one left alone?

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::base::time::Stamp;
use crate::packet::craft::{TcpFrame, endpoint};
use crate::packet::{Frame, LinkType, decode};

/// A frame with a request, and the packet in it.
fn inner() -> (Vec<u8>, Vec<u8>) {
    let frame = TcpFrame::new(endpoint("10.9.0.5:4000"), endpoint("10.9.0.20:80")).payload(b"GET / HTTP/1.1").bytes();
    let packet = frame[14..].to_vec();
    (frame, packet)
}

fn inner_v6() -> Vec<u8> {
    let (client, server) = (endpoint("[2001:db8::5]:4000"), endpoint("[2001:db8::20]:80"));
    TcpFrame::new(client, server).payload(b"GET / HTTP/1.1").bytes()[14..].to_vec()
}

/// An Ethernet frame of this type.
fn ethernet(ether_type: u16, content: &[u8]) -> Vec<u8> {
    [&[2; 6][..], &[4; 6], &ether_type.to_be_bytes(), content].concat()
}

/// An IPv4 packet of this protocol on Ethernet.
fn ipv4(protocol: u8, content: &[u8]) -> Vec<u8> {
    let len = (20 + content.len()) as u16;
    let [len0, len1] = len.to_be_bytes();
    let header = [0x45, 0, len0, len1, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    ethernet(0x0800, &[&header[..], content].concat())
}

fn udp(port: u16, content: &[u8]) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    let [len0, len1] = (8 + content.len() as u16).to_be_bytes();
    ipv4(17, &[&[0xc0, 0, high, low, len0, len1, 0, 0][..], content].concat())
}

/// What a frame holds: the tunnels on the way, and the segment's tenant and payload.
fn opened(data: &[u8]) -> (Vec<Encapsulation>, Option<(Tenant, Vec<u8>)>) {
    let frame = Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len: data.len() as u32, data };
    let ports = TunnelPorts::default();
    let (mut tunnels, mut decoded) = (Vec::new(), decode(&frame));
    loop {
        let inner = match decoded {
            Ok(Decoded::Inner(inner)) => inner,
            Ok(Decoded::Udp(udp)) => match ports.open(&udp) {
                Ok(Some(inner)) => inner,
                _ => return (tunnels, None),
            },
            Ok(Decoded::Tcp(segment)) => return (tunnels, Some((segment.tenant, segment.payload.to_vec()))),
            _ => return (tunnels, None),
        };
        tunnels.push(inner.encapsulation);
        decoded = inner.decode();
    }
}

/// The frame holds the request, in these tunnels and no network of their own.
#[track_caller]
fn holds(data: &[u8], tunnels: &[Encapsulation]) {
    let (met, segment) = opened(data);
    let (tenant, payload) = segment.expect("a segment");
    assert_eq!((met.as_slice(), &payload[..]), (tunnels, &b"GET / HTTP/1.1"[..]));
    assert_eq!(tenant, Tenant::default());
}

#[test]
fn ip_in_ip() {
    holds(&ipv4(4, &inner().1), &[Encapsulation::Ipip]);
    holds(&ipv4(41, &inner_v6()), &[Encapsulation::Ipip]);
    holds(&ipv4(4, &ipv4(4, &inner().1)[14..]), &[Encapsulation::Ipip; 2]);
}

#[test]
fn gre_with_every_field() {
    let (frame, packet) = inner();
    for (flags, fields) in [(0x00, 0), (0x80, 4), (0x20, 4), (0x10, 4), (0xb0, 12)] {
        let header = |protocol: [u8; 2]| [&[flags, 0][..], &protocol, &vec![0; fields]].concat();
        holds(&ipv4(47, &[header([8, 0]), packet.clone()].concat()), &[Encapsulation::Gre]);
        holds(&ipv4(47, &[header([0x65, 0x58]), frame.clone()].concat()), &[Encapsulation::Gre]);
        holds(&ipv4(47, &[header([0x88, 0x0b]), vec![0, 0x21], packet.clone()].concat()), &[Encapsulation::Gre]);
        holds(&udp(4754, &[header([8, 0]), packet.clone()].concat()), &[Encapsulation::Gre]);
    }
    // A source route, and the second kind of redirection.
    let routed = [&[0x40, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 2, 9, 9, 0, 0, 0, 0][..], &packet].concat();
    holds(&ipv4(47, &routed), &[Encapsulation::Gre]);
    let redirected = [&[0, 0, 0x88, 0x3e, 0, 0, 0, 0][..], &packet].concat();
    holds(&ipv4(47, &redirected), &[Encapsulation::Gre]);
    // PPTP: with a sequence number, and one more for the acknowledgement.
    let pptp = [&[0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 3, 0, 0x21][..], &packet].concat();
    holds(&ipv4(47, &pptp), &[Encapsulation::Gre]);
}

#[test]
fn mirrored_frames() {
    let (frame, _) = inner();
    let first = [&[0, 0, 0x88, 0xbe][..], &frame].concat();
    let second = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 7, 0, 0, 0, 0][..], &frame].concat();
    let third = |last, more: &[u8]| {
        [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, last][..], more, &frame].concat()
    };
    for mirrored in [first, second.clone(), third(0, &[]), third(1, &[9; 8])] {
        holds(&ipv4(47, &mirrored), &[Encapsulation::Erspan]);
    }
    // The switch has cut the frame, and says so: what is missing is counted, not refused.
    let mut cut = second;
    cut[10] |= 0x04;
    cut.truncate(cut.len() - 4);
    assert_eq!(opened(&ipv4(47, &cut)).1.map(|(_, payload)| payload), Some(b"GET / HTTP"[..].to_vec()));
}

#[test]
fn labels_and_sessions() {
    let (frame, packet) = inner();
    for below in [packet.clone(), inner_v6(), [&[0; 4][..], &frame].concat(), frame] {
        let stack = [&[0, 0, 0x10, 64, 0, 0, 0x21, 64][..], &below].concat();
        holds(&ethernet(0x8847, &stack), &[Encapsulation::Mpls]);
        holds(&ipv4(137, &stack), &[Encapsulation::Mpls]);
        holds(&udp(6635, &stack), &[Encapsulation::Mpls]);
    }
    let session = |code, content: &[u8]| ethernet(0x8864, &[&[0x11, code, 0, 1, 0, 0][..], content].concat());
    holds(&session(0, &[&[0, 0x21][..], &packet].concat()), &[Encapsulation::Pppoe]);
    assert_eq!(opened(&session(9, &[&[0, 0x21][..], &packet].concat())), (vec![], None));
    assert_eq!(opened(&ethernet(0x8847, &[0; 4 * 20])), (vec![], None), "a stack without a bottom");
}

#[test]
fn networks_of_overlays_are_kept_apart() {
    let (frame, packet) = inner();
    let vxlan = |vni, content: &[u8]| [&[8, 0, 0, 0, 0, 0, vni, 0][..], content].concat();
    let geneve = |vni, options: u8, ether_type: [u8; 2], content: &[u8]| {
        let [type0, type1] = ether_type;
        [&[options, 0, type0, type1, 0, 0, vni, 0][..], &vec![7; usize::from(options) * 4], content].concat()
    };
    let tenant = |data: &[u8]| opened(data).1.expect("a segment").0;
    let mut tenants = vec![
        tenant(&udp(4789, &vxlan(5, &frame))),
        tenant(&udp(8472, &vxlan(6, &frame))),
        tenant(&udp(6081, &geneve(5, 0, [0x65, 0x58], &frame))),
        tenant(&udp(6081, &geneve(6, 3, [8, 0], &packet))),
        tenant(&ethernet(0x8100, &[&[0, 5, 8, 0][..], &packet].concat())),
        tenant(&udp(4789, &vxlan(5, &[&frame[..12], &[0x81, 0, 0, 5], &frame[12..]].concat()))),
        Tenant::default(),
    ];
    assert_eq!(tenant(&udp(8472, &vxlan(5, &frame))), tenants[0]);
    let all = tenants.len();
    tenants.sort_unstable();
    tenants.dedup();
    assert_eq!(tenants.len(), all);
    // Without the flag of a network it is no VXLAN; one GENEVE flag marks what is no data.
    assert_eq!(opened(&udp(4789, &[&[0; 8][..], &frame].concat())), (vec![], None));
    assert_eq!(opened(&udp(6081, &[&[0, 0x80, 0x65, 0x58, 0, 0, 5, 0][..], &frame].concat())), (vec![], None));
    assert_eq!(opened(&udp(53, &vxlan(5, &frame))), (vec![], None));
}

#[test]
fn tunnels_of_subscribers() {
    let (_, packet) = inner();
    for header in [
        &[0x30, 0xff, 0, 0, 0, 0, 0, 1][..],
        &[0x32, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0],
        &[0x34, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 9, 0x85, 2, 1, 2, 3, 4, 5, 6, 0],
    ] {
        holds(&udp(2152, &[header, &packet].concat()), &[Encapsulation::Gtpu]);
    }
    assert_eq!(opened(&udp(2152, &[&[0x30, 1, 0, 0, 0, 0, 0, 1][..], &packet].concat())), (vec![], None));
    let endless = [&[0x34, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x85][..], &[0; 64]].concat();
    assert_eq!(opened(&udp(2152, &endless)), (vec![], None));

    let origin = [0, 0, 1, 2, 3, 4, 5, 6];
    let authentication = [&[0, 1, 1, 2][..], &[9; 3], &[0; 9]].concat();
    for before in [Vec::new(), origin.to_vec(), authentication.clone(), [&authentication[..], &origin].concat()] {
        holds(&udp(3544, &[before, inner_v6()].concat()), &[Encapsulation::Teredo]);
    }
    let ayiya = [&[0x44, 0x52, 0x11, 41][..], &[0; 4], &[1; 16], &[2; 20]].concat();
    holds(&udp(5072, &[ayiya, inner_v6()].concat()), &[Encapsulation::Ipip]);
}

proptest! {
    /// Bytes of every kind end in an answer, within the bounds.
    #[test]
    fn anything_has_an_answer(kind in 0_usize..12, content in proptest::collection::vec(any::<u8>(), 0..128)) {
        let frames: VecDeque<Vec<u8>> = [4, 41, 47, 137].map(|protocol| ipv4(protocol, &content)).into_iter()
            .chain([0x8847, 0x8864].map(|ether_type| ethernet(ether_type, &content)))
            .chain([4789, 6081, 2152, 3544, 4754, 5072].map(|port| udp(port, &content)))
            .collect();
        let (tunnels, _) = opened(&frames[kind]);
        prop_assert!(tunnels.len() <= content.len() + 1);
    }
}
