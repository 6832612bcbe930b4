//! Is it what most frames are: Ethernet without a tag, whole, TCP right behind the IP header? Then a
//! few tests replace the walk through the layers; anything else is left to it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ip::Envelope;
use super::link::{IPV4, IPV6};
use super::{Frame, LinkType, MacPair, Segment, tcp};
use crate::base::net::{MacAddr, Tenant};

/// TCP's protocol number.
const TCP: u8 = 6;
/// Version 4, a header without options.
const VERSION_4_PLAIN: u8 = 0x45;
/// The bit of an IPv4 header that forbids fragments; with any other of its field the datagram is not
/// the usual one.
const DO_NOT_FRAGMENT: u16 = 0x4000;

/// The segment in a usual frame; `None` when the frame is not usual, or broken.
#[inline]
pub(super) fn segment<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    if frame.link != LinkType::ETHERNET {
        return None;
    }
    let (ethernet, packet) = frame.data.split_first_chunk::<14>()?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, type0, type1] = *ethernet;
    let mac = MacPair { source: MacAddr([s0, s1, s2, s3, s4, s5]), destination: MacAddr([d0, d1, d2, d3, d4, d5]) };
    let (envelope, bytes) = match u16::from_be_bytes([type0, type1]) {
        IPV4 => ipv4(packet, mac)?,
        IPV6 => ipv6(packet, mac)?,
        _ => return None,
    };
    tcp::segment(&envelope, bytes, 0)
}

#[inline]
fn ipv4(packet: &[u8], mac: MacPair) -> Option<(Envelope<'_>, &[u8])> {
    let header = packet.first_chunk::<20>()?;
    let [first, _, len0, len1, _, _, part0, part1, ttl, protocol, _, _, a, b, c, d, e, f, g, h] = *header;
    let part = u16::from_be_bytes([part0, part1]) & !DO_NOT_FRAGMENT;
    if first != VERSION_4_PLAIN || protocol != TCP || part != 0 {
        return None;
    }
    let bytes = packet.get(header.len()..u16::from_be_bytes([len0, len1]).into())?;
    let envelope = Envelope {
        tenant: Tenant::default(),
        mac: Some(mac),
        source: Ipv4Addr::new(a, b, c, d).into(),
        destination: Ipv4Addr::new(e, f, g, h).into(),
        ttl,
        header,
    };
    Some((envelope, bytes))
}

#[inline]
fn ipv6(packet: &[u8], mac: MacPair) -> Option<(Envelope<'_>, &[u8])> {
    let (header, behind) = packet.split_first_chunk::<40>()?;
    let ([first, _, _, _, len0, len1, next, hops], addresses) = header.split_first_chunk::<8>()?;
    let (source, destination) = addresses.split_first_chunk::<16>()?;
    let len = u16::from_be_bytes([*len0, *len1]);
    if first >> 4 != 6 || *next != TCP || len == 0 {
        return None;
    }
    let envelope = Envelope {
        tenant: Tenant::default(),
        mac: Some(mac),
        source: Ipv6Addr::from(*source).into(),
        destination: Ipv6Addr::from(*destination.first_chunk::<16>()?).into(),
        ttl: *hops,
        header: &[],
    };
    Some((envelope, behind.get(..len.into())?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::time::Stamp;
    use crate::packet::craft::{TcpFrame, endpoint};
    use crate::packet::{DecodeError, Decoded, decode_by_layers};

    /// A usual frame with some bytes changed, and cut or lengthened.
    fn nearly_usual() -> impl Strategy<Value = (Vec<u8>, u32)> {
        let change = (0_usize..60, any::<u8>());
        (any::<bool>(), proptest::collection::vec(change, 0..3), 0_usize..120, 0_u32..3).prop_map(
            |(is_v6, changes, len, lost)| {
                let (client, server) =
                    if is_v6 { ("[2001:db8::5]:4000", "[2001:db8::20]:80") } else { ("10.0.0.5:4000", "10.0.1.20:80") };
                let mut bytes =
                    TcpFrame::new(endpoint(client), endpoint(server)).options(&[1, 1, 4, 2]).payload(b"GET /").bytes();
                for (at, byte) in changes {
                    bytes[at % 54] = byte;
                }
                if len > 20 {
                    bytes.resize(len, 0);
                }
                let wire_len = bytes.len() as u32 + lost;
                (bytes, wire_len)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn a_usual_frame_is_read_as_the_layers_read_it((bytes, wire_len) in nearly_usual()) {
            let frame = Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len, data: &bytes };
            if let Some(segment) = segment(&frame) {
                let (ours, theirs) = (Ok::<_, DecodeError>(Decoded::Tcp(segment)), decode_by_layers(&frame));
                prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
            }
        }
    }

    #[test]
    fn usual_frames_are_usual() {
        for (client, server) in [("10.0.0.5:4000", "10.0.1.20:80"), ("[2001:db8::5]:4000", "[2001:db8::20]:80")] {
            let bytes = TcpFrame::new(endpoint(client), endpoint(server)).payload(b"GET /").bytes();
            let wire_len = bytes.len() as u32;
            let frame = Frame { at: Stamp::default(), link: LinkType::ETHERNET, wire_len, data: &bytes };
            assert!(segment(&frame).is_some_and(|segment| segment.payload == b"GET /"));
            let cut = Frame { data: &bytes[..bytes.len() - 1], ..frame };
            assert!(segment(&cut).is_none());
        }
    }
}
