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

/// Makes IP fragments of at most `size` bytes of every plain segment, the last one first.
pub fn fragmented(frames: &[Owned], size: usize) -> Vec<Owned> {
    let fragments = |(id, frame): (u32, &Owned)| {
        let Some(mut whole) = rewritten(frame) else { return vec![frame.clone()] };
        whole.id = id;
        whole.fragments(size).into_iter().rev().map(|bytes| with_bytes(frame, bytes)).collect()
    };
    (0..).zip(frames).flat_map(fragments).collect()
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
    let whole = rewritten(frame)?;
    let count = whole.payload.len().div_ceil(size);
    let piece = |(n, bytes): (usize, &[u8])| {
        let mut piece = whole.clone().seq(whole.seq.wrapping_add(u32::try_from(n * size).unwrap_or_default()));
        piece.payload = bytes.to_vec();
        if n + 1 < count {
            piece.flags &= !TcpFlags::PSH;
        }
        with_bytes(frame, piece.bytes())
    };
    Some(whole.payload.chunks(size).enumerate().map(piece).collect())
}

/// The same plain segment, to be changed; `None` for what is none, or cannot be written again as it was.
fn rewritten(frame: &Owned) -> Option<TcpFrame> {
    Plain::of(frame)?;
    let Ok(Decoded::Tcp(segment)) = decode(&frame.frame(1)) else { return None };
    let mut crafted = TcpFrame::new(segment.source, segment.destination)
        .link(frame.link)
        .ttl(segment.ttl)
        .seq(segment.seq.0)
        .ack(segment.ack.0)
        .flags(segment.flags.0)
        .options(segment.options.0)
        .payload(segment.payload);
    crafted.window = segment.window;
    crafted.mac = segment.mac.unwrap_or(crafted.mac);
    crafted.vlans = vlans(frame);
    let whole = with_bytes(frame, crafted.bytes());
    let Ok(Decoded::Tcp(again)) = decode(&whole.frame(1)) else { return None };
    let identity = |s: &Segment<'_>| (s.tenant, s.source, s.destination, s.ttl, s.flags, s.window);
    (identity(&again) == identity(&segment) && again.payload == segment.payload).then_some(crafted)
}

/// Other bytes at the same time on the same link.
fn with_bytes(frame: &Owned, data: Vec<u8>) -> Owned {
    Owned { ts: frame.ts, link: frame.link, wire_len: u32::try_from(data.len()).unwrap_or_default(), data }
}

/// The VLAN tags of an Ethernet frame, as type and tag control.
fn vlans(frame: &Owned) -> Vec<(u16, u16)> {
    let word = |at: usize| frame.data.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).unwrap_or_default();
    let tags = (0..4).map(|n| (word(12 + 4 * n), word(14 + 4 * n)));
    tags.take_while(|(kind, _)| frame.link.0 == 1 && matches!(kind, 0x8100 | 0x88a8 | 0x9100)).collect()
}
