//! How far has one side sent, and how far has the other acknowledged? The numbers of one direction.
//!
//! Sequence numbers wrap; inside the floor they are *positions*: signed stream offsets, 0 for the
//! first byte after the SYN (or the first seen), negative before it. A sequence number means the
//! position nearest to the next one expected, so a stream may be longer than 4 GiB.

use super::chunks::Chunks;
use super::handshake::Offer;
use crate::base::time::Timestamp;
use crate::packet::SeqNumber;

/// How a stream's position 0 became known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// Not at all.
    Unknown,
    /// From what the other side acknowledged.
    Guessed,
    /// From a SYN or from the first bytes seen.
    Known,
}

/// No FIN has been seen.
const NO_FIN: i64 = i64::MAX;
/// What is further than this from all that was sent and acknowledged belongs to another connection,
/// or makes no sense.
const NEAR: i64 = 1 << 20;

/// One direction of a flow.
pub(super) struct Stream {
    /// Sequence number of `next`.
    seq: SeqNumber,
    pub(super) origin: Origin,
    /// `HalfClosed` was told.
    pub(super) finished: bool,
    /// The next position to be told.
    pub(super) next: i64,
    /// Positions before this one are not told; `i64::MAX` when the direction is stopped.
    pub(super) skip_to: i64,
    /// End of all that was sent, a FIN included.
    pub(super) sent: i64,
    /// End of all that was acknowledged, a FIN included.
    pub(super) acked: i64,
    /// Position of the FIN.
    fin: i64,
    /// When the other side acknowledged anything of this stream last; `MIN` when it was never seen to.
    pub(super) ack_heard: Timestamp,
    /// Bytes passed over unseen while skipping, which may still come.
    pub(super) passed_over: u32,
    /// Timestamp of the last segment taken in order, if the offer has timestamps.
    pub(super) timestamp: u32,
    /// The SYN that this stream began with.
    pub(super) offer: Option<Offer>,
    /// Another SYN of the same side; what comes next decides which of them counts.
    pub(super) rival: Option<Offer>,
    /// Bytes that wait.
    pub(super) held: Option<Box<Held>>,
}

/// What a stream holds; allocated only while it holds something.
#[derive(Default)]
pub(super) struct Held {
    /// Bytes that came before their turn.
    pub(super) early: Chunks,
    /// Doubtful bytes.
    pub(super) aside: Chunks,
    /// Two doubtful copies of one byte differed.
    pub(super) disputed: bool,
    /// In-order bytes came after the last early ones.
    pub(super) went_on: bool,
    /// The receiver was heard after the last doubtful bytes came: it ignored what it did not acknowledge.
    pub(super) ignored: bool,
    /// A long silence has passed, and what is left is only looked at when the flow ends.
    pub(super) parked: bool,
    /// Bytes that came with the SYN.
    pub(super) syn_bytes: i64,
    /// Segments of the flow since an acknowledgement passed the first hole.
    pub(super) overdue: u8,
    /// How far that acknowledgement went, and when.
    pub(super) overdue_to: i64,
    pub(super) overdue_since: Timestamp,
}

impl Stream {
    pub(super) const fn new() -> Self {
        Self {
            seq: SeqNumber(0),
            origin: Origin::Unknown,
            finished: false,
            next: 0,
            skip_to: 0,
            sent: 0,
            acked: 0,
            fin: NO_FIN,
            ack_heard: Timestamp::MIN,
            passed_over: 0,
            timestamp: 0,
            offer: None,
            rival: None,
            held: None,
        }
    }

    /// Position 0 has this sequence number. Only for a stream of which nothing was told yet.
    pub(super) fn begin(&mut self, seq: SeqNumber, origin: Origin) {
        if self.origin != Origin::Unknown {
            let by = i64::from(seq.distance_from(self.seq));
            let shifted = |position: i64| Some(position - by).filter(|p| (0..NEAR).contains(p)).unwrap_or(0);
            self.sent = shifted(self.sent);
            self.acked = shifted(self.acked);
            self.fin = NO_FIN;
            if let Some(held) = &mut self.held {
                held.early.shift(by);
                held.aside.shift(by);
            }
        }
        self.seq = seq;
        self.origin = origin;
    }

    /// Nothing of this stream was told yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.next == 0
    }

    /// The position that this sequence number means.
    pub(super) fn position(&self, seq: SeqNumber) -> i64 {
        self.next + i64::from(seq.distance_from(self.seq))
    }

    /// Whether a segment at this sequence number could belong to this stream, judged by distance alone.
    pub(super) fn is_near(&self, seq: SeqNumber) -> bool {
        let position = self.position(seq);
        position >= self.next.min(self.acked) - NEAR && position <= self.sent.max(self.acked) + NEAR
    }

    /// Whether the stream began with this initial sequence number.
    pub(super) fn began_with(&self, isn: SeqNumber) -> bool {
        self.seq == isn.plus(1).plus(self.next as u32)
    }

    /// `next` moves on to `position`.
    pub(super) fn advance_to(&mut self, position: i64) {
        self.seq = self.seq.plus((position - self.next) as u32);
        self.next = position;
        // What was told cannot move any more.
        self.origin = Origin::Known;
        self.sent = self.sent.max(position);
    }

    /// Something was sent up to here.
    pub(super) fn note_sent(&mut self, end: i64) {
        self.sent = self.sent.max(end);
    }

    /// A FIN was seen at `position`.
    pub(super) fn note_fin(&mut self, position: i64) {
        if position >= self.next && !self.fin_acked() {
            self.fin = position;
            self.note_sent(position + 1);
        }
    }

    /// Where the stream ends, if that is known.
    pub(super) fn fin(&self) -> Option<i64> {
        Some(self.fin).filter(|&fin| fin != NO_FIN)
    }

    /// Bytes up to `end` were seen. A FIN before them was none, unless it is acknowledged: then the
    /// bytes do not count. Gives the end of those that do.
    pub(super) fn limit_to_fin(&mut self, end: i64) -> i64 {
        if self.fin_acked() {
            return end.min(self.fin);
        }
        if end > self.fin {
            self.fin = NO_FIN;
        }
        end
    }

    /// The receiver has acknowledged the FIN.
    pub(super) fn fin_acked(&self) -> bool {
        self.acked > self.fin
    }

    /// Everything up to an acknowledged FIN was told.
    pub(super) fn is_complete(&self) -> bool {
        self.fin_acked() && self.next >= self.fin
    }

    /// The other side was seen acknowledging this stream.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.ack_heard != Timestamp::MIN
    }

    /// The receiver acknowledges everything before this sequence number. Gives the number of bytes
    /// that this is news for, or nothing when the number makes no sense.
    pub(super) fn acknowledge(&mut self, seq: SeqNumber, now: Timestamp) -> Option<u64> {
        if self.origin == Origin::Unknown {
            self.begin(seq, Origin::Guessed);
        }
        if !self.is_near(seq) {
            return None;
        }
        self.ack_heard = now;
        if let Some(held) = &mut self.held {
            held.ignored = true;
        }
        let position = self.position(seq);
        let news = position - self.acked;
        self.acked = self.acked.max(position);
        Some(u64::try_from(news).unwrap_or(0))
    }

    /// The receiver has got past a hole in what was seen.
    pub(super) fn is_overdue(&self) -> bool {
        self.acked > self.next && (self.has_early() || (self.fin_acked() && self.next < self.fin))
    }

    /// Something is held that a timeout must look at.
    pub(super) fn is_holding(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.parked)
    }

    /// Bytes wait for others before them.
    pub(super) fn has_early(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.early.is_empty())
    }
}
