//! How is a pcap file read? The format of libpcap (draft-ietf-opsawg-pcap), in every variant met in the wild.

use super::MAX_FRAME;
use super::byte_order::ByteOrder;
use super::file::{Damage, Record, Stop};
use super::window::Window;
use crate::base::time::Timestamp;
use crate::packet::LinkType;

const HEADER: usize = 24;
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Written by a patched libpcap of the 1990s: microseconds, and 8 more bytes before each frame.
const MODIFIED: u32 = 0xa1b2_cd34;

/// What the file header said.
pub(super) struct PcapFile {
    order: ByteOrder,
    /// Nanoseconds in a unit of the second time field.
    unit: u32,
    /// Length of the header of a frame.
    record_header: usize,
    /// Before version 2.3 the two lengths stood the other way round; 2.3 was written in both ways.
    swapped_lengths: Option<bool>,
    link: LinkType,
}

/// Byte order and variant of a file that begins so, if it is pcap.
fn variant(magic: [u8; 4]) -> Option<(ByteOrder, u32)> {
    [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| match order.u32(magic) {
        known @ (MICROSECONDS | NANOSECONDS | MODIFIED) => Some((order, known)),
        _ => None,
    })
}

impl PcapFile {
    /// Whether a file that begins so is pcap.
    pub(super) fn is(magic: [u8; 4]) -> bool {
        variant(magic).is_some()
    }

    /// Reads the file header; `None` when this is no pcap file.
    pub(super) fn open(window: &mut Window) -> Result<Option<Self>, Stop> {
        window.have(HEADER);
        let header = window.bytes();
        let Some((order, kind)) = header.first_chunk().and_then(|magic| variant(*magic)) else { return Ok(None) };
        let (Some(major), Some(minor), Some(network)) =
            (order.u16_at(header, 4), order.u16_at(header, 6), order.u32_at(header, 20))
        else {
            return Err(Stop::Short { need: HEADER, within: "the file header" });
        };
        if major != 2 {
            return Err(Stop::Damaged(Damage::Version { major, minor }));
        }
        window.consume(HEADER);
        Ok(Some(Self {
            order,
            unit: if kind == NANOSECONDS { 1 } else { 1000 },
            record_header: if kind == MODIFIED { 24 } else { 16 },
            swapped_lengths: match minor {
                0..3 => Some(true),
                3 => None,
                _ => Some(false),
            },
            // The high bits say how long the frame check sequence is.
            link: LinkType(network & 0x03ff_ffff),
        }))
    }

    /// Reads on until a whole frame stands at the start of the window; false at the end of the stream.
    pub(super) fn advance(&self, window: &mut Window) -> Result<bool, Stop> {
        loop {
            match self.record(window.bytes()).map(|_| ()) {
                Ok(()) => return Ok(true),
                Err(Stop::Short { need, .. }) if window.have(need) => {}
                Err(Stop::Short { .. }) if window.bytes().is_empty() => return Ok(false),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// The frame at the start of `bytes`.
    #[inline]
    pub(super) fn record<'a>(&self, bytes: &'a [u8]) -> Result<Record<'a>, Stop> {
        let Some(header) = bytes.get(..self.record_header).and_then(<[u8]>::first_chunk) else {
            return Err(Stop::Short { need: self.record_header, within: "the header of a frame" });
        };
        let [seconds, fraction, mut captured, mut wire_len] = self.order.words(header);
        if self.swapped_lengths.unwrap_or(captured > wire_len) {
            (captured, wire_len) = (wire_len, captured);
        }
        let len = captured as usize;
        if len > MAX_FRAME {
            return Err(Stop::TooLarge(u64::from(captured)));
        }
        let whole = self.record_header.saturating_add(len);
        let Some(data) = bytes.get(self.record_header..whole) else {
            return Err(Stop::Short { need: whole, within: "a frame" });
        };
        // Writers that count more than a second in the fraction are believed.
        let nanos = i64::from(fraction).saturating_mul(i64::from(self.unit));
        let ts = Timestamp(Timestamp::from_parts(i64::from(seconds), 0).0.saturating_add(nanos));
        Ok(Record { ts, link: self.link, wire_len, data, whole })
    }
}
