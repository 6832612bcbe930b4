//! Is the packet found behind every form of these links, and nowhere else?

use crate::base::net::{MacAddr, Tenant};
use crate::base::time::Stamp;
use crate::packet::craft::{TcpFrame, endpoint};
use crate::packet::{DecodeError, Decoded, Frame, LinkType, MacPair, Segment, decode};

const SNAP: [u8; 8] = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
const A: [u8; 6] = [2, 0, 0, 0, 0, 0xa];
const B: [u8; 6] = [2, 0, 0, 0, 0, 0xb];
const C: [u8; 6] = [2, 0, 0, 0, 0, 0xc];
const D: [u8; 6] = [2, 0, 0, 0, 0, 0xd];

fn datagram() -> Vec<u8> {
    let request =
        TcpFrame::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80")).payload(b"GET / HTTP/1.1\r\n\r\n");
    request.link(LinkType::RAW).bytes()
}

fn read(link: LinkType, data: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    decode(&Frame { at: Stamp::default(), link, wire_len: data.len() as u32, data })
}

#[track_caller]
fn segment(link: LinkType, data: &[u8]) -> Segment<'_> {
    match read(link, data) {
        Ok(Decoded::Tcp(segment)) => segment,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn holds_nothing(link: LinkType, data: &[u8]) {
    assert!(matches!(read(link, data), Ok(Decoded::NotTracked)), "{:?}", read(link, data));
}

/// A data frame of 802.11 with these two first bytes.
fn wifi(kind: u8, how: u8, behind_addresses: &[u8]) -> Vec<u8> {
    [&[kind, how, 0, 0][..], &A, &B, &C, &[0x10, 0], behind_addresses, &SNAP, &datagram()].concat()
}

fn radiotap(fields: &[u8], frame: &[u8]) -> Vec<u8> {
    [&[0, 0], &(fields.len() as u16 + 4).to_le_bytes()[..], fields, frame].concat()
}

#[test]
fn a_length_in_place_of_the_type_means_llc() {
    let head = [&B[..], &A, &[0, 66]].concat();
    let bytes = [&head[..], &SNAP, &datagram()].concat();
    let macs = MacPair { source: MacAddr(A), destination: MacAddr(B) };
    assert_eq!(segment(LinkType::ETHERNET, &bytes).mac, Some(macs));
    // Behind a VLAN tag too, and with one behind it.
    let tagged = [&B[..], &A, &[0x81, 0, 0, 5, 0, 66], &SNAP, &datagram()].concat();
    assert_eq!(segment(LinkType::ETHERNET, &tagged).tenant, Tenant::default().with(5));
    let inside = [&head[..], &[0xaa, 0xaa, 3, 0, 0, 0xf8, 0x81, 0, 0, 5, 8, 0], &datagram()].concat();
    assert_eq!(segment(LinkType::ETHERNET, &inside).tenant, Tenant::default().with(5));
    // Spanning tree has no SNAP; other organisations have types of their own.
    holds_nothing(LinkType::ETHERNET, &[&head[..], &[0x42, 0x42, 3, 0, 0]].concat());
    holds_nothing(LinkType::ETHERNET, &[&head[..], &[0xaa, 0xaa, 3, 0, 0, 0xc, 8, 0], &datagram()].concat());
}

#[test]
fn addresses_of_wireless_frames_depend_on_their_way() {
    for (how, extra, source, destination) in
        [(0, &[][..], B, A), (1, &[], B, C), (2, &[], C, A), (3, &D[..], D, C), (0x19, &[], B, C)]
    {
        let expected = Some(MacPair { source: MacAddr(source), destination: MacAddr(destination) });
        assert_eq!(segment(LinkType::WIFI, &wifi(0x08, how, extra)).mac, expected);
        let quality = [extra, &[0, 0]].concat();
        assert_eq!(segment(LinkType::WIFI, &wifi(0x88, how, &quality)).mac, expected);
        let with_control = [extra, &[0, 0, 9, 9, 9, 9]].concat();
        assert_eq!(segment(LinkType::WIFI, &wifi(0x88, how | 0x80, &with_control)).mac, expected);
    }
    // Encrypted, without data, a piece of a frame; a beacon, an acknowledgement.
    holds_nothing(LinkType::WIFI, &wifi(0x08, 0x41, &[]));
    holds_nothing(LinkType::WIFI, &wifi(0x48, 1, &[]));
    holds_nothing(LinkType::WIFI, &wifi(0x08, 5, &[]));
    let mut second_piece = wifi(0x08, 1, &[]);
    second_piece[22] |= 1;
    holds_nothing(LinkType::WIFI, &second_piece);
    holds_nothing(LinkType::WIFI, &wifi(0x80, 0, &[]));
    holds_nothing(LinkType::WIFI, &[0xd4, 0, 0, 0, 2, 0, 0, 0, 0, 1]);
    assert!(read(LinkType::WIFI, &wifi(0x08, 1, &[])[..20]).is_err());
}

#[test]
fn radiotap_tells_padding_and_damage() {
    let plain = wifi(0x88, 1, &[0, 0]);
    assert_eq!(segment(LinkType::WIFI_RADIOTAP, &radiotap(&[0; 4], &plain)).payload.len(), 18);
    // Time (aligned to 8), flags; the words of presence go on.
    let flags = |flags: u8| {
        let mut fields = vec![3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0];
        fields.extend([1; 8]);
        fields.push(flags);
        fields
    };
    let padded = wifi(0x88, 1, &[0, 0, 0, 0]);
    assert_eq!(segment(LinkType::WIFI_RADIOTAP, &radiotap(&flags(0x20), &padded)).payload.len(), 18);
    assert_eq!(segment(LinkType::WIFI_RADIOTAP, &radiotap(&flags(0), &plain)).payload.len(), 18);
    holds_nothing(LinkType::WIFI_RADIOTAP, &radiotap(&flags(0x40), &plain));
    for (broken, why) in [
        (&[1, 0, 8, 0, 0, 0, 0, 0][..], "link header: radiotap version is 1"),
        (&[0, 0, 3, 0, 0, 0, 0, 0], "link header: radiotap length is 3"),
        (&[0, 0, 60, 0, 0, 0, 0, 0], "link header: 8 bytes where 60 are needed"),
    ] {
        assert_eq!(read(LinkType::WIFI_RADIOTAP, broken).unwrap_err().to_string(), why);
    }
}

#[test]
fn aggregates_give_each_of_their_frames() {
    let inner = [&SNAP[..], &datagram()].concat();
    let subframe = |to: [u8; 6], from: [u8; 6]| [&to[..], &from, &(inner.len() as u16).to_be_bytes(), &inner].concat();
    let mut aggregate = wifi(0x88, 1, &[0x80, 0])[..26].to_vec();
    for (to, from) in [(A, B), (C, D)] {
        aggregate.extend(subframe(to, from));
        aggregate.resize((aggregate.len() - 26).next_multiple_of(4) + 26, 0);
    }
    // The last is not filled up, and the frame check sequence is no frame.
    let with_sum = radiotap(&[2, 0, 0, 0, 0x10], &[&aggregate[..], &[1, 2, 3, 4]].concat());
    for (link, bytes) in [(LinkType::WIFI, &aggregate), (LinkType::WIFI_RADIOTAP, &with_sum)] {
        let Ok(Decoded::Aggregate(frames)) = read(link, bytes) else { panic!() };
        let macs: Vec<_> = frames
            .map(|frame| segment(frame.link, frame.data).mac.map(|mac| (mac.source.0, mac.destination.0)))
            .collect();
        assert_eq!(macs, [Some((B, A)), Some((D, C))]);
    }
    // Cut by the snap length: the second is known to be longer.
    let cut = Frame {
        at: Stamp::default(),
        link: LinkType::WIFI,
        wire_len: aggregate.len() as u32,
        data: &aggregate[..aggregate.len() - 12],
    };
    let Ok(Decoded::Aggregate(frames)) = decode(&cut) else { panic!() };
    let cuts: Vec<_> = frames
        .map(|frame| match decode(&frame) {
            Ok(Decoded::Tcp(segment)) => (segment.payload.len(), segment.cut),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(cuts[0] == (18, 0) && cuts[1].0 + cuts[1].1 as usize == 18 && cuts[1].1 > 0, "{cuts:?}");
}

#[test]
fn ppp_leaves_bytes_out() {
    for head in [&[0, 0x21][..], &[0x21], &[0xff, 3, 0, 0x21], &[0xff, 3, 0x21]] {
        let bytes = [head, &datagram()].concat();
        assert_eq!(segment(LinkType::PPP, &bytes).payload.len(), 18);
        assert_eq!(segment(LinkType::PPP_HDLC, &bytes).payload.len(), 18);
    }
    for address in [0x0f, 0x8f] {
        let bytes = [&[address, 0, 8, 0][..], &datagram()].concat();
        assert_eq!(segment(LinkType::PPP_HDLC, &bytes).payload.len(), 18);
        assert_eq!(segment(LinkType::CISCO_HDLC, &bytes).payload.len(), 18);
    }
    holds_nothing(LinkType::PPP, &[0xc0, 0x21, 1, 1, 0, 4]);
    holds_nothing(LinkType::CISCO_HDLC, &[0x8f, 0, 0x80, 0x35, 0, 0]);
    assert!(read(LinkType::PPP, &[0xff, 3, 0]).is_err());
}

#[test]
fn ppi_says_what_follows() {
    let inside = |link: u8, fields: &[u8], data: &[u8]| {
        [&[0, 0][..], &(fields.len() as u16 + 8).to_le_bytes(), &[link, 0, 0, 0], fields, data].concat()
    };
    assert_eq!(segment(LinkType::PPI, &inside(105, &[9; 12], &wifi(0x08, 1, &[]))).payload.len(), 18);
    assert_eq!(segment(LinkType::PPI, &inside(101, &[], &datagram())).payload.len(), 18);
    assert_eq!(read(LinkType::PPI, &inside(192, &[], &[0; 20])).unwrap_err(), DecodeError::LinkType(192));
    assert_eq!(read(LinkType::PPI, &[0, 0, 7, 0, 1, 0, 0, 0]).unwrap_err().to_string(), "link header: PPI length is 7");
}

#[test]
fn the_netfilter_log_is_read_in_both_byte_orders() {
    let attribute = |order: fn(u16) -> [u8; 2], kind: u16, value: &[u8]| {
        let mut out = [order(value.len() as u16 + 4), order(kind)].concat();
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    };
    for order in [u16::to_le_bytes, u16::to_be_bytes] {
        let others =
            [attribute(order, 1, &[8, 0, 1, 0]), attribute(order, 10, b"ACCEPT\0"), attribute(order, 5, &[0; 4])]
                .concat();
        let bytes = [&[2, 0, 0, 0][..], &others, &attribute(order, 9, &datagram())].concat();
        assert_eq!(segment(LinkType::NFLOG, &bytes).payload.len(), 18);
        let wire_len = bytes.len() as u32;
        let cut = Frame { at: Stamp::default(), link: LinkType::NFLOG, wire_len, data: &bytes[..bytes.len() - 8] };
        let Ok(Decoded::Tcp(cut)) = decode(&cut) else { panic!() };
        assert_eq!(cut.payload.len() + cut.cut as usize, 18);
        // Without a packet; of another family.
        holds_nothing(LinkType::NFLOG, &[&[2, 0, 0, 0][..], &others].concat());
        holds_nothing(LinkType::NFLOG, &[&[7, 0, 0, 0][..], &others].concat());
    }
    assert_eq!(
        read(LinkType::NFLOG, &[2, 1, 0, 0]).unwrap_err().to_string(),
        "link header: netfilter log version is 1"
    );
}
