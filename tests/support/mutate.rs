//! The same conversation in other packets: what a network does to segments without changing what is said.
//!
//! Only plain, valid segments are touched: the odd ones of an evasion are its point, and stay.

use std::collections::BTreeSet;

use tokentrail::base::net::Endpoint;
use tokentrail::packet::craft::TcpFrame;
use tokentrail::packet::{Checksum, Decoded, Segment, SeqNumber, TcpFlags, decode};

use super::inside::Owned;

/// Cuts the payload of every plain segment into pieces of at most `size` bytes.
pub fn recut(frames: &[Owned], size: usize) -> Vec<Owned> {
    frames.iter().flat_map(|frame| pieces(frame, size).unwrap_or_else(|| vec![frame.clone()])).collect()
}

/// Every frame twice.
pub fn duplicated(frames: &[Owned]) -> Vec<Owned> {
    frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect()
}

/// Swaps neighbours of one direction of a flow that carry one piece of the stream each, where no more
/// than `window` frames lie between them. Times stay where they are, and so does the first that is seen
/// of a direction: where no SYN came before it, nothing could tell that something is missing.
pub fn reordered(frames: &[Owned], window: usize) -> Vec<Owned> {
    let mut frames = frames.to_vec();
    let mut moved = vec![false; frames.len()];
    let mut begun = BTreeSet::new();
    for first in 0..frames.len() {
        if Ends::of(&frames[first]).is_none_or(|Ends(from, to)| begun.insert((from, to))) {
            continue;
        }
        let Some(a) = Plain::of(&frames[first]).filter(|_| !moved[first]) else { continue };
        // The other side must not have spoken between them: it answered what it had.
        let mut between = (first + 1..frames.len()).take(window);
        let Some(second) = between.find(|&at| Ends::of(&frames[at]).is_none_or(|ends| ends.touches(&a.ends))) else {
            continue;
        };
        let follows = |b: &Plain| b.ends == a.ends && b.seq == a.seq.plus(a.len);
        if !moved[second] && Plain::of(&frames[second]).is_some_and(|b| follows(&b)) {
            let (early, late) = (frames[first].ts, frames[second].ts);
            frames.swap(first, second);
            (frames[first].ts, frames[second].ts) = (early, late);
            (moved[first], moved[second]) = (true, true);
        }
    }
    frames
}

/// Sender and receiver of a segment.
#[derive(PartialEq, Eq)]
struct Ends(Endpoint, Endpoint);

impl Ends {
    fn of(frame: &Owned) -> Option<Self> {
        match decode(&frame.frame(1)) {
            Ok(Decoded::Tcp(segment)) => Some(Self(segment.source, segment.destination)),
            _ => None,
        }
    }

    fn touches(&self, other: &Self) -> bool {
        self == other || (self.0 == other.1 && self.1 == other.0)
    }
}

/// A segment that carries a piece of a stream and nothing else.
struct Plain {
    ends: Ends,
    seq: SeqNumber,
    len: u32,
}

impl Plain {
    fn of(frame: &Owned) -> Option<Self> {
        let Ok(Decoded::Tcp(segment)) = decode(&frame.frame(1)) else { return None };
        let special = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST | TcpFlags::URG;
        let plain = segment.flags.0 & special == 0 && segment.flags.0 & TcpFlags::ACK != 0;
        let whole = segment.checksum() == Checksum::Valid && !segment.payload.is_empty() && segment.cut == 0;
        let len = u32::try_from(segment.payload.len()).ok()?;
        (plain && whole).then_some(Self { ends: Ends(segment.source, segment.destination), seq: segment.seq, len })
    }
}

/// A plain segment in pieces; `None` for what is none, or is wrapped in more than VLAN tags.
fn pieces(frame: &Owned, size: usize) -> Option<Vec<Owned>> {
    Plain::of(frame)?;
    let Ok(Decoded::Tcp(segment)) = decode(&frame.frame(1)) else { return None };
    let vlans = vlans(frame);
    let piece = |offset: usize, bytes: &[u8], last: bool| {
        let flags = if last { segment.flags.0 } else { segment.flags.0 & !TcpFlags::PSH };
        let mut crafted = TcpFrame::new(segment.source, segment.destination)
            .link(frame.link)
            .ttl(segment.ttl)
            .seq(segment.seq.plus(u32::try_from(offset).unwrap_or_default()).0)
            .ack(segment.ack.0)
            .flags(flags)
            .options(segment.options.0)
            .payload(bytes);
        crafted.window = segment.window;
        crafted.mac = segment.mac.unwrap_or(crafted.mac);
        crafted.vlans.clone_from(&vlans);
        let data = crafted.bytes();
        Owned { ts: frame.ts, link: frame.link, wire_len: u32::try_from(data.len()).unwrap_or_default(), data }
    };
    // What cannot be written again as it was is left alone.
    let whole = piece(0, segment.payload, true);
    let Ok(Decoded::Tcp(again)) = decode(&whole.frame(1)) else { return None };
    let identity = |s: &Segment<'_>| (s.tenant, s.source, s.destination, s.ttl, s.flags, s.window);
    if identity(&again) != identity(&segment) || again.payload != segment.payload {
        return None;
    }
    let count = segment.payload.len().div_ceil(size);
    let cut = (0..count).map(|n| {
        let end = segment.payload.len().min((n + 1) * size);
        piece(n * size, &segment.payload[n * size..end], n + 1 == count)
    });
    Some(cut.collect())
}

/// The VLAN tags of an Ethernet frame, as type and tag control.
fn vlans(frame: &Owned) -> Vec<(u16, u16)> {
    let word = |at: usize| frame.data.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).unwrap_or_default();
    let tags = (0..4).map(|n| (word(12 + 4 * n), word(14 + 4 * n)));
    tags.take_while(|(kind, _)| frame.link.0 == 1 && matches!(kind, 0x8100 | 0x88a8 | 0x9100)).collect()
}
