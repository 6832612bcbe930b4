//! How far has one side sent, and how far has the other acknowledged? The numbers of one direction.
//!
//! Sequence numbers wrap; inside the floor they are *positions*: signed stream offsets, 0 for the
//! first byte after the SYN (or the first seen), negative before it. A sequence number means the
//! position nearest to the next one expected, so a stream may be longer than 4 GiB. To keep a stream
//! small, all but the next position are stored by their distance from it, and what few streams need
//! is in a box.

use std::time::Duration;

use super::chunks::Chunks;
use super::contest::{Contest, Copies, ResetSeen};
use super::doubt::is_older;
use super::handshake::Offer;
use super::recall::Trace;
use super::storm::Storm;
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
const NO_FIN: i32 = i32::MAX;
/// Nothing of the direction is wanted any more.
const STOPPED: u32 = u32::MAX;
/// More is skipped than the field can say: see [`Rare::skip_to`].
const FAR: u32 = u32::MAX - 1;
/// What is further than this from all that was sent and acknowledged belongs to another connection,
/// or makes no sense.
const NEAR: i64 = 1 << 20;

/// One direction of a flow. Positions other than `next` are distances from it.
pub(super) struct Stream {
    /// The next position to be told.
    pub(super) next: i64,
    /// What few streams need.
    pub(super) rare: Option<Box<Rare>>,
    /// Sequence number of `next`.
    seq: SeqNumber,
    sent: i32,
    acked: i32,
    fin: i32,
    skip: u32,
    /// Timestamp of the last segment taken in order, if the offer has timestamps.
    pub(super) timestamp: u32,
    /// Where what was told is remembered.
    pub(super) told: Trace,
    /// When the other side acknowledged anything of this stream last (see [`moment`]); 0 when it was never
    /// seen to.
    ack_heard: u16,
    pub(super) origin: Origin,
    marks: u8,
}

/// `HalfClosed` was told.
const FINISHED: u8 = 0x80;
/// The SYN that this stream began with was seen,
const OFFERED: u8 = 0x40;
/// has timestamps,
const TIMESTAMPS: u8 = 0x20;
/// and is signed.
const SIGNED: u8 = 0x10;
/// Its window scale; all ones for none.
const SCALE: u8 = 0x0f;

/// The part of a stream's state that most streams never need.
#[derive(Default)]
pub(super) struct Rare {
    /// Bytes that came before their turn.
    pub(super) early: Chunks,
    /// Doubtful bytes.
    pub(super) aside: Chunks,
    /// Other copies of held bytes.
    pub(super) copies: Copies,
    /// In-order bytes came after the last early ones.
    pub(super) went_on: bool,
    /// The receiver was heard after the last doubtful bytes came: it ignored what it did not acknowledge.
    pub(super) ignored: bool,
    /// A long silence has passed, and what is left is only looked at when the flow ends.
    pub(super) parked: bool,
    /// Segments of the flow since an acknowledgement passed the first hole.
    pub(super) overdue: u8,
    /// Bytes passed over unseen while skipping, which may still come.
    pub(super) passed_over: u32,
    /// Bytes that came with the SYN.
    pub(super) syn_bytes: i64,
    /// How far the acknowledgement went that passed the first hole, and when.
    pub(super) overdue_to: i64,
    pub(super) overdue_since: Timestamp,
    /// Positions before this one are not told, where the stream's own field is too small.
    skip_to: Option<i64>,
    /// Another SYN of the same side; what comes next decides which of them counts.
    pub(super) rival: Option<Offer>,
    /// Other readings of what was told.
    pub(super) contest: Contest,
    /// A reset of this side.
    pub(super) reset: Option<ResetSeen>,
    /// Both sides seem out of step (kept with the initiator's stream).
    pub(super) storm: Option<Storm>,
}

impl Rare {
    /// No bytes wait.
    pub(super) fn holds_nothing(&self) -> bool {
        self.early.is_empty() && self.aside.is_empty()
    }

    /// Forgets held bytes, and what was known of them.
    pub(super) fn release(&mut self) {
        let old = std::mem::take(self);
        let Self { passed_over, skip_to, rival, contest, reset, storm, .. } = old;
        *self = Self { passed_over, skip_to, rival, contest, reset, storm, ..Self::default() };
    }

    fn is_needed(&self) -> bool {
        !self.holds_nothing()
            || !self.copies.is_empty()
            || self.passed_over > 0
            || self.skip_to.is_some()
            || self.rival.is_some()
            || self.contest.is_open()
            || self.reset.is_some()
            || self.storm.is_some()
    }

    /// Bytes of memory that held bytes take, about.
    pub(super) fn cost(&self) -> u64 {
        self.early.cost() + self.aside.cost() + self.copies.cost()
    }
}

impl Stream {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            rare: None,
            seq: SeqNumber(0),
            sent: 0,
            acked: 0,
            fin: NO_FIN,
            skip: 0,
            timestamp: 0,
            told: Trace::NONE,
            ack_heard: 0,
            origin: Origin::Unknown,
            marks: 0,
        }
    }

    /// Position 0 has this sequence number. Only for a stream of which nothing was told yet.
    pub(super) fn begin(&mut self, seq: SeqNumber, origin: Origin) {
        if self.origin != Origin::Unknown {
            let by = i64::from(seq.distance_from(self.seq));
            let shifted = |position: i64| Some(position - by).filter(|p| (0..NEAR).contains(p)).unwrap_or(0);
            self.sent = self.distance(shifted(self.sent()));
            self.acked = self.distance(shifted(self.acked()));
            self.fin = NO_FIN;
            if let Some(rare) = &mut self.rare {
                rare.early.shift(by);
                rare.aside.shift(by);
                rare.copies.shift(by);
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

    /// A position by its distance, as near as 31 bits can say: further away it makes no difference.
    fn distance(&self, position: i64) -> i32 {
        (position - self.next).clamp(-i64::from(NO_FIN), i64::from(NO_FIN) - 1) as i32
    }

    /// End of all that was sent, a FIN included.
    pub(super) fn sent(&self) -> i64 {
        self.next + i64::from(self.sent)
    }

    /// End of all that was acknowledged, a FIN included.
    pub(super) fn acked(&self) -> i64 {
        self.next + i64::from(self.acked)
    }

    /// Positions before this one are not told; `i64::MAX` when the direction is stopped.
    pub(super) fn skip_to(&self) -> i64 {
        match self.skip {
            STOPPED => i64::MAX,
            FAR => self.rare.as_ref().and_then(|rare| rare.skip_to).unwrap_or(self.next),
            skip => self.next + i64::from(skip),
        }
    }

    /// Nothing before this position is told, which lies at or behind the next.
    pub(super) fn set_skip_to(&mut self, position: i64) {
        let distance = u32::try_from(position - self.next).unwrap_or(FAR);
        self.skip = if position == i64::MAX { STOPPED } else { distance.min(FAR) };
        if self.skip == FAR {
            self.rare().skip_to = Some(position);
        } else if let Some(rare) = &mut self.rare {
            rare.skip_to = None;
            self.tidy();
        }
    }

    /// Nothing of the direction is wanted.
    pub(super) fn is_stopped(&self) -> bool {
        self.skip == STOPPED
    }

    /// Whether a segment at this sequence number could belong to this stream, judged by distance alone.
    pub(super) fn is_near(&self, seq: SeqNumber) -> bool {
        let position = self.position(seq);
        position >= self.next.min(self.acked()) - NEAR && position <= self.sent().max(self.acked()) + NEAR
    }

    /// Whether the stream began with this initial sequence number.
    pub(super) fn began_with(&self, isn: SeqNumber) -> bool {
        self.seq == isn.plus(1).plus(self.next as u32)
    }

    /// `next` moves on to `position`.
    pub(super) fn advance_to(&mut self, position: i64) {
        let by = position - self.next;
        let skip_to = self.skip_to();
        let nearer = |distance: i32| i64::from(distance).saturating_sub(by).max(-i64::from(NO_FIN)) as i32;
        // What was told was sent.
        self.sent = nearer(self.sent).max(0);
        self.acked = nearer(self.acked);
        if self.fin != NO_FIN {
            self.fin = nearer(self.fin);
        }
        self.seq = self.seq.plus(by as u32);
        self.next = position;
        if self.skip != 0 && self.skip != STOPPED {
            self.set_skip_to(skip_to.max(position));
        }
        // What was told cannot move any more.
        self.origin = Origin::Known;
    }

    /// Something was sent up to here.
    pub(super) fn note_sent(&mut self, end: i64) {
        self.sent = self.sent.max(self.distance(end));
    }

    /// The timestamp of a segment that is next, or was.
    #[inline]
    pub(super) fn note_timestamp(&mut self, value: u32) {
        if is_older(self.timestamp, value) {
            self.timestamp = value;
        }
    }

    /// A FIN was seen at `position`.
    pub(super) fn note_fin(&mut self, position: i64) {
        if position >= self.next && !self.fin_acked() {
            self.fin = self.distance(position);
            self.note_sent(position + 1);
        }
    }

    /// Where the stream ends, if that is known.
    pub(super) fn fin(&self) -> Option<i64> {
        (self.fin != NO_FIN).then(|| self.next + i64::from(self.fin))
    }

    /// Bytes up to `end` were seen. A FIN before them was none, unless it is acknowledged: then the
    /// bytes do not count. Gives the end of those that do.
    pub(super) fn limit_to_fin(&mut self, end: i64) -> i64 {
        match self.fin() {
            Some(fin) if self.fin_acked() => end.min(fin),
            Some(fin) => {
                if end > fin {
                    self.fin = NO_FIN;
                }
                end
            }
            None => end,
        }
    }

    /// The receiver has acknowledged the FIN.
    pub(super) fn fin_acked(&self) -> bool {
        self.fin != NO_FIN && self.acked > self.fin
    }

    /// Everything up to an acknowledged FIN was told.
    pub(super) fn is_complete(&self) -> bool {
        self.fin_acked() && self.fin <= 0
    }

    /// The other side was seen acknowledging this stream.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.ack_heard != 0
    }

    /// The other side was seen acknowledging this stream within this time (to the second, and once in
    /// 19 hours by mistake).
    pub(super) fn was_acknowledged(&self, now: Timestamp, within: Duration) -> bool {
        let age = moment(now).wrapping_sub(self.ack_heard);
        self.is_acknowledged() && u64::from(age) < within.as_secs()
    }

    /// The receiver acknowledges everything before this sequence number. Gives the number of bytes
    /// that this is news for, or nothing when the number makes no sense.
    #[inline]
    pub(super) fn acknowledge(&mut self, seq: SeqNumber, now: Timestamp) -> Option<u64> {
        if self.origin == Origin::Unknown {
            self.begin(seq, Origin::Guessed);
        }
        let distance = seq.distance_from(self.seq).min(NO_FIN - 1);
        // Most often it is of something that was sent.
        if !(self.acked..=self.sent).contains(&distance) && !self.is_near(seq) {
            return None;
        }
        self.ack_heard = moment(now);
        if let Some(rare) = &mut self.rare {
            rare.ignored = true;
        }
        let news = i64::from(distance) - i64::from(self.acked);
        self.acked = self.acked.max(distance);
        Some(u64::try_from(news).unwrap_or(0))
    }

    /// Whether this is the sequence number of the next byte.
    #[inline]
    pub(super) fn is_next(&self, seq: SeqNumber) -> bool {
        self.seq == seq
    }

    /// Whether this sequence number is of something that was not sent yet.
    #[inline]
    pub(super) fn is_unsent(&self, seq: SeqNumber) -> bool {
        seq.distance_from(self.seq) > self.sent
    }

    /// Whether of so many bytes that are next any is told, where nothing of the stream is rare.
    #[inline]
    pub(super) fn is_read(&self, len: usize) -> bool {
        len > self.skip as usize
    }

    /// The next byte is told, where nothing of the stream is rare.
    #[inline]
    pub(super) fn skips_nothing(&self) -> bool {
        self.skip == 0
    }

    /// The receiver has got past a hole in what was seen.
    pub(super) fn is_overdue(&self) -> bool {
        self.acked > 0 && (self.has_early() || (self.fin_acked() && self.fin > 0))
    }

    /// Something is held that a timeout must look at.
    pub(super) fn is_holding(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.parked && !rare.holds_nothing())
    }

    /// Bytes wait for others before them.
    pub(super) fn has_early(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.early.is_empty())
    }

    /// The rare state, made where it is missing.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Frees the rare state where it says nothing.
    pub(super) fn tidy(&mut self) {
        if self.rare.as_ref().is_some_and(|rare| !rare.is_needed()) {
            self.rare = None;
        }
    }

    /// `HalfClosed` is to be told: true once.
    pub(super) fn finishes(&mut self) -> bool {
        let finished = self.marks & FINISHED != 0;
        self.marks |= FINISHED;
        !finished
    }

    /// The SYN that this stream began with was seen.
    pub(super) fn is_offered(&self) -> bool {
        self.marks & OFFERED != 0
    }

    /// That SYN offered timestamps.
    pub(super) fn has_timestamps(&self) -> bool {
        self.marks & (OFFERED | TIMESTAMPS) == OFFERED | TIMESTAMPS
    }

    /// That SYN was not signed.
    pub(super) fn is_unsigned(&self) -> bool {
        self.marks & (OFFERED | SIGNED) == OFFERED
    }

    /// The SYN that this stream began with; its sequence number is not kept.
    pub(super) fn terms(&self) -> Option<Terms> {
        self.is_offered().then(|| Terms {
            window_scale: Some(self.marks & SCALE).filter(|&scale| scale != SCALE),
            timestamps: self.marks & TIMESTAMPS != 0,
            signed: self.marks & SIGNED != 0,
        })
    }

    /// The stream began with a SYN that said this.
    pub(super) fn set_terms(&mut self, terms: Terms) {
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        let scale = terms.window_scale.map_or(SCALE, |shift| shift.min(LARGEST_SHIFT));
        let finished = self.marks & FINISHED;
        self.marks = finished | OFFERED | mark(terms.timestamps, TIMESTAMPS) | mark(terms.signed, SIGNED) | scale;
    }

    /// The other SYN of the same side.
    pub(super) fn rival(&self) -> Option<Offer> {
        self.rare.as_ref()?.rival
    }

    pub(super) fn set_rival(&mut self, rival: Option<Offer>) {
        if rival.is_some() || self.rare.is_some() {
            self.rare().rival = rival;
            self.tidy();
        }
    }
}

/// The largest shift of a window (RFC 7323 §2.3).
pub(super) const LARGEST_SHIFT: u8 = 14;

/// What a SYN offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    /// Shift of windows.
    pub(super) window_scale: Option<u8>,
    /// Timestamps.
    pub(super) timestamps: bool,
    /// It is signed.
    pub(super) signed: bool,
}

/// A time in units of about a second (2³⁰ ns), as far as 16 bits say it; never 0.
fn moment(time: Timestamp) -> u16 {
    ((time.0 >> 30) as u16).max(1)
}
