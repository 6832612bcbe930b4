//! How is a packet put into a frame? Every link type that `decode` reads.

use super::TcpFrame;
use crate::packet::{LinkType, MacPair, link};

/// The datagram, and what follows it, as the link of `frame` carries it. Link types that are not known
/// carry it bare.
pub(super) fn framed(frame: &TcpFrame, datagram: &[u8]) -> Vec<u8> {
    let is_v4 = frame.source.ip.is_ipv4();
    let mut out = Vec::with_capacity(datagram.len() + 64);
    let MacPair { source, destination } = frame.mac;
    // Each tag is announced by the type field before it.
    let ip = if is_v4 { link::IPV4 } else { link::IPV6 };
    let types = frame.vlans.iter().map(|(ether_type, _)| *ether_type).chain([ip]);
    let tags = std::iter::once(None).chain(frame.vlans.iter().map(|(_, tag)| Some(*tag)));
    let tagged = types.zip(tags).flat_map(|(ether_type, tag)| tag.into_iter().chain([ether_type]));
    let mut tagged = tagged.flat_map(u16::to_be_bytes);
    match frame.link {
        LinkType::ETHERNET => {
            out.extend(destination.0);
            out.extend(source.0);
            out.extend(tagged);
        }
        LinkType::LINUX_SLL => {
            out.extend([0, 0, 0, 1, 0, 6]);
            out.extend(source.0);
            out.extend([0, 0]);
            out.extend(tagged);
        }
        LinkType::LINUX_SLL2 => {
            out.extend(tagged.by_ref().take(2));
            out.extend([0, 0, 0, 0, 0, 1, 0, 1, 0, 6]);
            out.extend(source.0);
            out.extend([0, 0]);
            out.extend(tagged);
        }
        LinkType::CISCO_HDLC => {
            out.extend([0x0f, 0]);
            out.extend(tagged);
        }
        LinkType::WIFI | LinkType::WIFI_RADIOTAP | LinkType::PPI => {
            match frame.link {
                LinkType::WIFI_RADIOTAP => out.extend([0, 0, 9, 0, 2, 0, 0, 0, 0]),
                LinkType::PPI => out.extend([0, 0, 8, 0, 105, 0, 0, 0]),
                _ => {}
            }
            // A QoS data frame from a station to its access point.
            out.extend([0x88, 0x01, 0, 0, 2, 0, 0, 0, 0, 1]);
            out.extend(source.0);
            out.extend(destination.0);
            out.extend([0x10, 0, 0, 0, 0xaa, 0xaa, 3, 0, 0, 0]);
            out.extend(tagged);
        }
        LinkType::PPP if is_v4 => out.extend([0, 0x21]),
        LinkType::PPP => out.extend([0, 0x57]),
        LinkType::PPP_HDLC if is_v4 => out.extend([0xff, 3, 0, 0x21]),
        LinkType::PPP_HDLC => out.extend([0xff, 3, 0, 0x57]),
        LinkType::NFLOG => {
            out.extend([if is_v4 { 2 } else { 10 }, 0, 0, 0]);
            // The input hook, then the packet.
            out.extend([8, 0, 1, 0, 8, 0, 1, 0]);
            out.extend((datagram.len() as u16 + 4).to_le_bytes());
            out.extend([9, 0]);
        }
        LinkType::NULL => out.extend(if is_v4 { [2, 0, 0, 0] } else { [30, 0, 0, 0] }),
        LinkType::LOOP => out.extend(if is_v4 { [0, 0, 0, 2] } else { [0, 0, 0, 24] }),
        _ => {}
    }
    out.extend(datagram);
    out
}
