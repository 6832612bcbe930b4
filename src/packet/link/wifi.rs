//! What does a frame of a wireless network hold? 802.11 data frames that are not encrypted, bare or
//! behind a radiotap header.

use super::{Content, DecodeError, Header, field};
use crate::base::net::MacAddr;
use crate::base::reader::Reader;
use crate::base::time::Stamp;
use crate::packet::{Frame, LinkType, MacPair};

/// Protocol version 0, type data: the low half of the first byte (802.11 §9.2.4.1).
const DATA: u8 = 0x08;
/// Subtypes without a body.
const NO_DATA: u8 = 0x40;
/// Subtypes with a `QoS` control field.
const QOS: u8 = 0x80;

/// Flags of the second byte.
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const HAS_HT_CONTROL: u8 = 0x80;

/// In the `QoS` control field: the body is an aggregate.
const AMSDU: u8 = 0x80;

/// What the receiver said of a frame (radiotap field 1).
#[derive(Clone, Copy, Default)]
struct Reception(u8);

impl Reception {
    /// The frame check sequence is captured too.
    const FCS: u8 = 0x10;
    /// The header is filled up to 4 bytes.
    const PADDED: u8 = 0x20;
    /// The frame check sequence does not hold.
    const DAMAGED: u8 = 0x40;

    const fn is(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// A frame that begins with its frame control field.
pub(super) fn bare(header: Header<'_>) -> Result<Content<'_>, DecodeError> {
    data(header, Reception::default())
}

/// A frame behind what the receiver noted (radiotap.org): version, padding, length, fields.
pub(super) fn radiotap(mut header: Header<'_>) -> Result<Content<'_>, DecodeError> {
    let [version, _, len @ ..] = header.array::<4>()?;
    if version != 0 {
        return Err(field("radiotap version", version));
    }
    let len = u16::from_le_bytes(len);
    let fields = usize::from(len).checked_sub(4).ok_or_else(|| field("radiotap length", len))?;
    let fields = header.take(fields)?;
    data(header, reception(fields).unwrap_or_default())
}

/// The flags among the fields, whose presence is told by words of 32 bits in front of them.
fn reception(fields: &[u8]) -> Option<Reception> {
    const TIME: u32 = 1;
    const FLAGS: u32 = 1 << 1;
    const ANOTHER_WORD: u32 = 1 << 31;
    let mut rest = Reader::new(fields);
    let first = rest.array().map(u32::from_le_bytes)?;
    let mut word = first;
    while word & ANOTHER_WORD != 0 {
        word = rest.array().map(u32::from_le_bytes)?;
    }
    if first & TIME != 0 {
        // 8 bytes, aligned to 8 counted from the header's start, which is 4 bytes before the fields.
        let at = fields.len() - rest.remaining() + 4;
        rest.take(at.next_multiple_of(8) - at + 8)?;
    }
    if first & FLAGS == 0 { None } else { rest.u8().map(Reception) }
}

/// Reads the MAC header (802.11 §9.3.2.1) of a data frame; all other frames hold nothing for us, nor
/// do encrypted and damaged ones, and pieces of frames, which hardware puts together.
fn data(mut header: Header<'_>, reception: Reception) -> Result<Content<'_>, DecodeError> {
    let [kind, how] = header.array()?;
    let is_plain_data = kind & 0x0f == DATA && kind & NO_DATA == 0 && how & (PROTECTED | MORE_FRAGMENTS) == 0;
    if !is_plain_data || reception.is(Reception::DAMAGED) {
        return Ok(Content::Other);
    }
    let mut len = 24;
    header.array::<2>()?;
    let [first, second, third] = [header.array()?, header.array()?, header.array()?].map(MacAddr);
    let [sequence, _] = header.array()?;
    let (destination, source) = match how & (TO_DS | FROM_DS) {
        0 => (first, second),
        TO_DS => (third, second),
        FROM_DS => (first, third),
        _ => {
            len += 6;
            (third, MacAddr(header.array()?))
        }
    };
    let is_first_piece = sequence & 0x0f == 0;
    let mut is_aggregate = false;
    if kind & QOS != 0 {
        len += 2;
        let [control, _] = header.array()?;
        is_aggregate = control & AMSDU != 0;
        if how & HAS_HT_CONTROL != 0 {
            len += 4;
            header.array::<4>()?;
        }
    }
    if reception.is(Reception::PADDED) {
        header.take(usize::next_multiple_of(len, 4) - len)?;
    }
    if !is_first_piece {
        return Ok(Content::Other);
    }
    if is_aggregate {
        let mut rest = header.rest;
        if reception.is(Reception::FCS) && header.lost == 0 {
            rest = Reader::new(rest.take(rest.remaining().saturating_sub(4)).unwrap_or_default());
        }
        return Ok(Content::Aggregate(Aggregate { rest, at: header.at, lost: header.lost }));
    }
    header.mac = Some(MacPair { source, destination });
    let ether_type = header.snap();
    ether_type.map_or(Ok(Content::Other), |ether_type| header.announced(ether_type))
}

/// The frames of an aggregate (A-MSDU, 802.11 §9.3.2.2). Each is as Ethernet frames with a length
/// are: receiver, sender, length, LLC; and filled up to 4 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Aggregate<'a> {
    rest: Reader<'a>,
    at: Stamp,
    lost: usize,
}

impl<'a> Iterator for Aggregate<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        const HEADER: usize = 14;
        let rest = self.rest.rest();
        let len = rest.get(12..HEADER)?.first_chunk().map(|len| u16::from_be_bytes(*len))?;
        let whole = HEADER + usize::from(len);
        let data = rest.get(..whole).unwrap_or(rest);
        // Where more is missing than the snap length took, this is no subframe.
        let wire_len = whole.min(data.len() + self.lost);
        if self.rest.take(whole.next_multiple_of(4)).is_none() {
            self.rest = Reader::new(&[]);
        }
        Some(Frame { at: self.at, link: LinkType::ETHERNET, wire_len: wire_len as u32, data })
    }
}
