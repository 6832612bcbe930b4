//! What does a packet of the netfilter log hold? Attributes of which one is the packet.

use super::{Content, DecodeError, Header, Network, field};
use crate::base::reader::Reader;

/// `AF_INET` of Linux.
const INET: u8 = 2;
/// `AF_INET6` of Linux.
const INET6: u8 = 10;
/// `NFULA_PAYLOAD`.
const PAYLOAD: u16 = 9;

/// Reads family, version, resource id, and then the attributes up to the packet.
pub(super) fn peel(mut header: Header<'_>) -> Result<Content<'_>, DecodeError> {
    let [family, version, ..] = header.array::<4>()?;
    if version != 0 {
        return Err(field("netfilter log version", version));
    }
    let network = match family {
        INET => Network::Ipv4,
        INET6 => Network::Ipv6,
        _ => return Ok(Content::Other),
    };
    // Attributes are in the byte order of the host that logged.
    let attributes = header.rest;
    let lost = header.lost;
    let packet =
        payload(attributes, lost, u16::from_le_bytes).or_else(|| payload(attributes, lost, u16::from_be_bytes));
    let Some((bytes, cut)) = packet else { return Ok(Content::Other) };
    (header.rest, header.lost) = (Reader::new(bytes), cut);
    Ok(header.content(Some(network)))
}

/// The packet among the attributes, and how many bytes of it were not captured (of `lost` behind
/// them all). Each begins with its length, these four bytes included, and its type, and is filled up
/// to four bytes.
fn payload(mut attributes: Reader<'_>, lost: usize, number: fn([u8; 2]) -> u16) -> Option<(&[u8], usize)> {
    loop {
        let len = usize::from(number(attributes.array()?)).checked_sub(4)?;
        // The two highest bits are flags.
        let kind = number(attributes.array()?) & 0x3fff;
        if kind == PAYLOAD {
            let rest = attributes.rest();
            let cut = len.saturating_sub(rest.len());
            return (cut <= lost).then(|| (rest.get(..len).unwrap_or(rest), cut));
        }
        attributes.take(len.next_multiple_of(4))?;
    }
}
