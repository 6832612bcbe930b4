//! Is a frame read as it was written, and a broken one refused without harm?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{LaxSlicedPacket, TransportSlice};
use proptest::collection::vec;
use proptest::prelude::*;

use super::craft::{Conversation, TcpFrame, endpoint, frame};
use super::*;
use crate::base::time::Stamp;

const LINKS: [LinkType; 17] = [
    LinkType::ETHERNET,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::RAW,
    LinkType::RAW_BSD,
    LinkType::RAW_OPENBSD,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::PPP,
    LinkType::PPP_HDLC,
    LinkType::CISCO_HDLC,
    LinkType::WIFI,
    LinkType::WIFI_RADIOTAP,
    LinkType::PPI,
    LinkType::NFLOG,
];

fn request() -> TcpFrame {
    TcpFrame::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80")).payload(b"GET / HTTP/1.1\r\n\r\n")
}

fn request6() -> TcpFrame {
    TcpFrame::new(endpoint("[2001:db8::5]:40000"), endpoint("[2001:db8:1::20]:80")).payload(b"GET / HTTP/1.1\r\n\r\n")
}

fn decoded<'a>(link: LinkType, data: &'a [u8], wire_len: usize) -> Result<Decoded<'a>, DecodeError> {
    decode(&Frame { at: Stamp::default(), link, wire_len: wire_len as u32, data })
}

#[track_caller]
fn segment(link: LinkType, data: &[u8]) -> Segment<'_> {
    match decoded(link, data, data.len()) {
        Ok(Decoded::Tcp(segment)) => segment,
        other => panic!("{other:?}"),
    }
}

/// Offset of the IP header in an Ethernet frame.
const IP: usize = 14;

#[test]
fn tenants_follow_vlan_tags_and_ignore_priority_tags() {
    let tenant = |frame: TcpFrame| segment(frame.link, &frame.bytes()).tenant;
    let plain = Tenant::default();
    assert_eq!(tenant(request()), plain);
    assert_eq!(tenant(request().vlan(5)), plain.with(5));
    assert_eq!(tenant(request().vlan(5).vlan(7)), plain.with(5).with(7));
    // Priority bits are no part of the id; VLAN 0 is none.
    assert_eq!(tenant(request().vlan(0xe000 | 5)), plain.with(5));
    assert_eq!(tenant(request().vlan(0xe000)), plain);
    assert_eq!(tenant(request().vlan(0).vlan(7)), plain.with(7));
    for ether_type in link::VLAN {
        let mut frame = request();
        frame.vlans = vec![(ether_type, 9), (0x8100, 10)];
        assert_eq!(tenant(frame.clone()), plain.with(9).with(10));
        assert_eq!(tenant(frame.link(LinkType::LINUX_SLL2)), plain.with(9).with(10));
    }
    let deep = (0..=link::MAX_TAGS as u16).fold(request(), TcpFrame::vlan);
    let bytes = deep.bytes();
    assert_eq!(
        decoded(deep.link, &bytes, bytes.len()).unwrap_err(),
        DecodeError::Link(Cause::TooDeep { limit: link::MAX_TAGS })
    );
}

#[test]
fn loopback_families_of_every_system_in_both_byte_orders() {
    for (frame, families) in [(request(), &[2_u32][..]), (request6(), &[10, 24, 28, 30])] {
        let ip = frame.link(LinkType::RAW).bytes();
        for family in families.iter().copied() {
            for header in [family.to_le_bytes(), family.to_be_bytes()] {
                let bytes = [&header[..], &ip].concat();
                assert_eq!(segment(LinkType::NULL, &bytes).payload.len(), 18);
                assert_eq!(segment(LinkType::LOOP, &bytes).payload.len(), 18);
            }
        }
    }
    assert!(matches!(decoded(LinkType::NULL, &[7, 0, 0, 0, 1], 5), Ok(Decoded::NotTracked)));
}

#[test]
fn padding_and_trailers_are_no_payload() {
    let mut ack = TcpFrame::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80"));
    ack.trailer = vec![0; 6];
    let bytes = ack.bytes();
    assert_eq!(bytes.len(), 60);
    assert_eq!(segment(ack.link, &bytes).payload, b"");
    let mut trailed = request6();
    trailed.trailer = b"not part of it".to_vec();
    assert_eq!(segment(trailed.link, &trailed.bytes()).payload, b"GET / HTTP/1.1\r\n\r\n");
    // Nor is it missing when the snap length cuts only the trailer.
    let bytes = trailed.bytes();
    let Ok(Decoded::Tcp(cut)) = decoded(trailed.link, &bytes[..bytes.len() - 14], bytes.len()) else { panic!() };
    assert_eq!((cut.payload, cut.cut), (&b"GET / HTTP/1.1\r\n\r\n"[..], 0));
}

#[test]
fn a_snap_length_cut_is_counted() {
    let bytes = request().bytes();
    for missing in 0..=18 {
        let Ok(Decoded::Tcp(cut)) = decoded(LinkType::ETHERNET, &bytes[..bytes.len() - missing], bytes.len()) else {
            panic!()
        };
        assert_eq!((cut.payload.len(), cut.cut), (18 - missing, missing as u32));
        assert_eq!(cut.checksum(), if missing == 0 { Checksum::Valid } else { Checksum::Unverifiable });
    }
    assert!(matches!(
        decoded(LinkType::ETHERNET, &bytes[..bytes.len() - 19], bytes.len()),
        Err(DecodeError::Tcp(Cause::Short { have: 19, need: 20 }))
    ));
}

#[test]
fn a_total_length_of_zero_reaches_to_the_end_of_the_frame() {
    for (frame, field) in [(request(), IP + 2), (request6(), IP + 4)] {
        let big = frame.payload(&[b'x'; 3000]);
        let mut bytes = big.bytes();
        bytes[field..field + 2].fill(0);
        assert_eq!(segment(big.link, &bytes).payload.len(), 3000);
        let Ok(Decoded::Tcp(cut)) = decoded(big.link, &bytes[..1000], bytes.len()) else { panic!() };
        assert_eq!(cut.payload.len() + cut.cut as usize, 3000);
    }
}

#[test]
fn lengths_that_contradict_the_frame_are_errors() {
    let mut bytes = request().bytes();
    let len = bytes.len();
    bytes[IP + 3] += 1;
    let error = decoded(LinkType::ETHERNET, &bytes, len).unwrap_err();
    assert_eq!(error.to_string(), "IP header: total length is 59");
    bytes[IP + 3] = 19;
    assert_eq!(decoded(LinkType::ETHERNET, &bytes, len).unwrap_err().to_string(), "IP header: total length is 19");
    let mut bytes = request().bytes();
    bytes[IP] = 0x44;
    assert_eq!(decoded(LinkType::ETHERNET, &bytes, len).unwrap_err().to_string(), "IP header: header length is 4");
    bytes[IP] = 0x65;
    assert_eq!(decoded(LinkType::ETHERNET, &bytes, len).unwrap_err().to_string(), "IP header: version is 6");
    let mut bytes = request().bytes();
    bytes[IP + 20 + 12] = 0x40;
    assert_eq!(decoded(LinkType::ETHERNET, &bytes, len).unwrap_err().to_string(), "TCP header: data offset is 4");
    bytes[IP + 20 + 12] = 0xf0;
    assert_eq!(
        decoded(LinkType::ETHERNET, &bytes, len).unwrap_err().to_string(),
        "TCP header: 38 bytes where 60 are needed"
    );
    assert_eq!(
        decoded(LinkType::ETHERNET, &bytes[..13], len).unwrap_err().to_string(),
        "link header: 13 bytes where 14 are needed"
    );
    let error = decoded(LinkType(147), &bytes, len).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.layer()), ("link type 147 is not supported", "link"));
}

#[test]
fn checksums_tell_damage_in_every_part() {
    for frame in [request(), request6(), request().payload(b"odd"), request().link(LinkType::RAW)] {
        let bytes = frame.bytes();
        assert_eq!(segment(frame.link, &bytes).checksum(), Checksum::Valid);
        let bad = frame.clone().bad_checksum().bytes();
        assert_eq!(segment(frame.link, &bad).checksum(), Checksum::Invalid);
    }
    // Addresses, ports, flags, payload of TCP; time to live of IPv4: the host drops all of them.
    for at in [IP + 8, IP + 15, IP + 19, IP + 20, IP + 20 + 13, IP + 20 + 20] {
        let mut bytes = request().bytes();
        bytes[at] ^= 0x80;
        assert_eq!(segment(LinkType::ETHERNET, &bytes).checksum(), Checksum::Invalid, "byte {at}");
    }
}

#[test]
fn extension_headers_are_followed_up_to_a_limit() {
    let mut frame = request6();
    frame.extensions = vec![
        (0, vec![1, 4, 0, 0, 0, 0]),
        (60, vec![0; 14]),
        (43, vec![4, 0, 0, 0, 0, 0]),
        (44, vec![]),
        (51, vec![0; 22]),
        (60, vec![]),
    ];
    let bytes = frame.bytes();
    let read = segment(frame.link, &bytes);
    assert_eq!((read.payload, read.checksum()), (&b"GET / HTTP/1.1\r\n\r\n"[..], Checksum::Valid));

    frame.extensions = vec![(60, vec![]); ip::MAX_EXTENSIONS];
    assert_eq!(segment(frame.link, &frame.bytes()).payload.len(), 18);
    frame.extensions.push((60, vec![]));
    let bytes = frame.bytes();
    let error = decoded(frame.link, &bytes, bytes.len()).unwrap_err();
    assert_eq!(error.to_string(), "IP header: more than 16 headers in a chain");
}

#[test]
fn other_protocols_are_not_tracked() {
    let mut bytes = request().bytes();
    bytes[IP + 9] = 17;
    assert!(matches!(decoded(LinkType::ETHERNET, &bytes, bytes.len()), Ok(Decoded::Udp(_))));
    bytes[IP + 9] = 132;
    assert!(matches!(decoded(LinkType::ETHERNET, &bytes, bytes.len()), Ok(Decoded::NotTracked)));
    bytes[12..14].copy_from_slice(&[0x08, 0x06]);
    assert!(matches!(decoded(LinkType::ETHERNET, &bytes, bytes.len()), Ok(Decoded::NotTracked)));
    // An IPv6 extension type is nothing in IPv4.
    let mut bytes = request().bytes();
    bytes[IP + 9] = 44;
    assert!(matches!(decoded(LinkType::ETHERNET, &bytes, bytes.len()), Ok(Decoded::NotTracked)));
}

#[test]
fn fragments_carry_what_it_takes_to_put_them_together() {
    for whole in [request().payload(&[7; 100]).vlan(3), request6().payload(&[7; 100])] {
        let pieces = whole.fragments(50);
        assert_eq!(pieces.len(), 3);
        let mut datagram = Vec::new();
        let mut first = None;
        for (n, bytes) in pieces.iter().enumerate() {
            let Ok(Decoded::Fragment(piece)) = decoded(whole.link, bytes, bytes.len()) else { panic!() };
            assert_eq!((piece.source, piece.destination), (whole.source.ip, whole.destination.ip));
            assert_eq!((piece.id, piece.ttl, piece.mac), (whole.id, whole.ttl, Some(whole.mac)));
            assert_eq!((piece.offset as usize, piece.more, piece.cut), (n * 48, n < 2, 0));
            assert_eq!(piece.header_checksum(), Checksum::Valid);
            datagram.extend(piece.payload);
            first.get_or_insert(piece);
        }
        let Ok(Decoded::Tcp(read)) = first.unwrap().datagram().decode(&datagram, 0) else { panic!() };
        assert_eq!((read.payload, read.checksum()), (&[7; 100][..], Checksum::Valid));
        assert_eq!(read.tenant, segment(whole.link, &whole.bytes()).tenant);
    }
    let mut bytes = request().fragments(24).swap_remove(0);
    bytes[IP + 8] ^= 1;
    let Ok(Decoded::Fragment(piece)) = decoded(LinkType::ETHERNET, &bytes, bytes.len()) else { panic!() };
    assert_eq!(piece.header_checksum(), Checksum::Invalid);
}

#[test]
fn a_conversation_counts_its_bytes() {
    let mut talk = Conversation::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80"));
    talk.mss = 10;
    talk.open();
    talk.client(b"fifteen bytes..");
    talk.server(b"ok");
    talk.close();
    let numbers: Vec<_> = talk.frames.iter().map(|(_, f)| (f.seq, f.ack, f.payload.len())).collect();
    assert_eq!(
        numbers,
        [
            (1000, 0, 0),
            (5000, 1001, 0),
            (1001, 5001, 0),
            (1001, 5001, 10),
            (1011, 5001, 5),
            (5001, 1016, 2),
            (1016, 5003, 0),
            (5003, 1017, 0),
            (1017, 5004, 0),
        ]
    );
}

fn any_frame() -> impl Strategy<Value = TcpFrame> {
    let ip = prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (IpAddr::V4(Ipv4Addr::from(a)), IpAddr::V4(Ipv4Addr::from(b)))),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (IpAddr::V6(Ipv6Addr::from(a)), IpAddr::V6(Ipv6Addr::from(b)))),
    ];
    let extension = prop_oneof![
        (prop_oneof![Just(0), Just(43), Just(60)], vec(any::<u8>(), 0..40)),
        Just((44, Vec::new())),
        vec(any::<u8>(), 10..11).prop_map(|content| (51, [content, vec![0; 12]].concat())),
    ];
    (
        (0..LINKS.len(), ip, any::<([u8; 6], [u8; 6])>(), vec(0..4096_u16, 0..4)),
        (any::<(u16, u16, u8, u32)>(), vec(any::<u8>(), 0..40), vec(extension, 0..5)),
        (any::<(u32, u32, u8, u16)>(), vec(any::<u8>(), 0..=40)),
        (vec(any::<u8>(), 0..3000), vec(any::<u8>(), 0..10)),
    )
        .prop_map(|((link, (from, to), mac, vlans), ip, tcp, (payload, trailer))| {
            let ((source, destination, ttl, id), ip_options, extensions) = ip;
            let ((seq, ack, flags, window), options) = tcp;
            let link = match (LINKS[link], from) {
                (LinkType::IPV4, IpAddr::V6(_)) => LinkType::IPV6,
                (LinkType::IPV6, IpAddr::V4(_)) => LinkType::IPV4,
                (link, _) => link,
            };
            TcpFrame {
                link,
                vlans: vlans.into_iter().map(|id| (link::VLAN[usize::from(id) % 3], id)).collect(),
                mac: MacPair { source: MacAddr(mac.0), destination: MacAddr(mac.1) },
                source: Endpoint { ip: from, port: source },
                destination: Endpoint { ip: to, port: destination },
                ttl,
                id: if from.is_ipv4() { id & 0xffff } else { id },
                ip_options,
                extensions,
                seq,
                ack,
                flags,
                window,
                urgent: window.rotate_left(3),
                options,
                payload,
                trailer,
                checksum_error: 0,
            }
        })
}

proptest! {
    #[test]
    fn what_was_written_is_read(written in any_frame(), keep in 0.0..1.5_f64) {
        let bytes = written.bytes();
        let headers = bytes.len() - written.payload.len() - written.trailer.len();
        // Sometimes cut by the snap length, though never inside the headers.
        let captured = headers + (((bytes.len() - headers) as f64 * keep) as usize).min(bytes.len() - headers);
        let mut cut = frame(&written, &bytes, Stamp::default());
        cut.data = &bytes[..captured];
        let Ok(Decoded::Tcp(read)) = decode(&cut) else { panic!("{:?}", decode(&cut)) };

        let is_wifi = matches!(written.link, LinkType::WIFI | LinkType::WIFI_RADIOTAP | LinkType::PPI);
        let has_macs = is_wifi || written.link == LinkType::ETHERNET;
        let has_tags = has_macs
            || matches!(written.link, LinkType::LINUX_SLL | LinkType::LINUX_SLL2 | LinkType::CISCO_HDLC);
        let ids = written.vlans.iter().map(|(_, id)| *id).filter(|id| has_tags && *id != 0);
        prop_assert_eq!(read.tenant, ids.fold(Tenant::default(), |tenant, id| tenant.with(id.into())));
        prop_assert_eq!(read.mac, has_macs.then_some(written.mac));
        prop_assert_eq!((read.source, read.destination, read.ttl), (written.source, written.destination, written.ttl));
        prop_assert_eq!((read.seq.0, read.ack.0), (written.seq, written.ack));
        prop_assert_eq!((read.flags.0, read.window), (written.flags, written.window));
        prop_assert_eq!(read.urgent(), read.flags.urg().then_some(written.urgent));
        prop_assert_eq!(read.ip_id(), written.source.ip.is_ipv4().then_some(written.id as u16));
        prop_assert!(read.options.0.starts_with(&written.options) && read.options.0.len() < written.options.len() + 4);
        let payload_end = bytes.len() - written.trailer.len();
        prop_assert_eq!(read.payload, &written.payload[..captured.min(payload_end) - headers]);
        prop_assert_eq!(read.payload.len() + read.cut as usize, written.payload.len());
        let complete = captured >= payload_end;
        prop_assert_eq!(read.checksum(), if complete { Checksum::Valid } else { Checksum::Unverifiable });
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(link in 0..300_u32, data in vec(any::<u8>(), 0..200), more in 0..5000_u32) {
        for link in LINKS.into_iter().chain([LinkType(link)]) {
            touch(&Frame { at: Stamp::default(), link, wire_len: data.len() as u32 + more, data: &data });
            // A capture may claim that less was on the wire than it has.
            touch(&Frame { at: Stamp::default(), link, wire_len: more, data: &data });
        }
    }

    #[test]
    fn damaged_frames_do_no_harm(
        written in any_frame(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = written.bytes();
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        touch(&frame(&written, &bytes, Stamp::default()));
        let kept = cut.index(bytes.len());
        touch(&Frame { at: Stamp::default(), link: written.link, wire_len: bytes.len() as u32, data: &bytes[..kept] });
    }

    /// A second implementation reads the same, wherever it reads anything.
    #[test]
    fn agrees_with_etherparse(written in any_frame(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
        let mut bytes = written.link(LinkType::ETHERNET).bytes();
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        let Ok(Decoded::Tcp(ours)) = decoded(LinkType::ETHERNET, &bytes, bytes.len()) else { return Ok(()) };
        let theirs = LaxSlicedPacket::from_ethernet(&bytes).unwrap();
        // It stops at four tags and at misplaced extension headers, which hosts may well accept.
        let Some(TransportSlice::Tcp(tcp)) = theirs.transport else { return Ok(()) };
        prop_assert_eq!((ours.seq.0, ours.ack.0, ours.window), (tcp.sequence_number(), tcp.acknowledgment_number(), tcp.window_size()));
        prop_assert_eq!((ours.options.0, ours.payload), (tcp.options(), tcp.payload()));
        prop_assert_eq!((ours.source.port, ours.destination.port), (tcp.source_port(), tcp.destination_port()));
    }
}

/// Decodes, and reads everything that is read lazily.
fn touch(frame: &Frame<'_>) {
    touch_decoded(decode(frame));
}

fn touch_decoded(decoded: Result<Decoded<'_>, DecodeError>) {
    match decoded {
        Ok(Decoded::Tcp(segment)) => {
            let _ = segment.checksum();
            let options = segment.options;
            let _ =
                (options.mss(), options.window_scale(), options.timestamps(), options.has_md5(), options.fast_open());
        }
        Ok(Decoded::Fragment(fragment)) => {
            let _ = fragment.header_checksum();
            fragment.datagram().decode(fragment.payload, fragment.cut).ok();
        }
        Ok(Decoded::Aggregate(frames)) => frames.for_each(|inner| touch(&inner)),
        Ok(Decoded::Inner(inner)) => touch_decoded(inner.decode()),
        Ok(Decoded::Udp(datagram)) => {
            if let Ok(Some(inner)) = TunnelPorts::default().open(&datagram) {
                touch_decoded(inner.decode());
            }
        }
        Ok(Decoded::Neighbour(_) | Decoded::NotTracked) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
