//! Which other copies of its bytes does a stream have? Finds conflicts and tells the other readings.
//!
//! The copy told first is the stream; another one is remembered beside it. What the stream would have
//! been is told when as much of it is known as the receiver needs for an answer: when the other side
//! says something, when half of what is remembered has come since, after a second of silence, or at
//! the end.

use smallvec::SmallVec;

use super::chunks::{CHUNK_OVERHEAD, Label, part};
use super::reassembler::Outlet;
use super::recall::{Comparison, Memory, Piece, REACH};
use super::stream::Stream;
use super::{Anomaly, AnomalyKind, StreamConsumer, StreamEvent};
use crate::base::time::Stamp;
use crate::packet::Segment;

/// Readings told of one direction, at most: a bound on the work that copies make.
const READINGS: u16 = 256;
/// Urgent bytes followed at once in one direction.
const URGENT: usize = 64;
/// Datagrams are of one counter when their identifications are nearer than this, and of different
/// ones when they are much further apart.
const ID_NEAR: u16 = 64;
const ID_FAR: u16 = 4096;

/// Another copy of held bytes.
pub(super) struct HeldCopy {
    pub(super) start: i64,
    pub(super) bytes: Vec<u8>,
    pub(super) label: Label,
    /// Bytes that differ.
    pub(super) differing: u64,
    /// Beyond doubt; or it was in doubt as the held copy was, and that one counts.
    pub(super) firm: bool,
}

impl HeldCopy {
    fn end(&self) -> i64 {
        self.start + self.bytes.len() as i64
    }
}

/// Other copies of held bytes, kept until the held ones are told.
#[derive(Default)]
pub(super) struct Copies(Vec<HeldCopy>);

impl Copies {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|copy| copy.bytes.len() as u64).sum()
    }

    /// Bytes of memory, about.
    pub(super) fn cost(&self) -> u64 {
        self.bytes() + self.0.len() as u64 * CHUNK_OVERHEAD
    }

    /// Keeps a copy, unless it is kept already: then false.
    pub(super) fn keep(&mut self, copy: HeldCopy) -> bool {
        let is_new = !self.0.iter().any(|old| (old.start, &old.bytes) == (copy.start, &copy.bytes));
        if is_new {
            self.0.push(copy);
        }
        is_new
    }

    /// Forgets the copy kept last.
    pub(super) fn pop(&mut self) -> Option<HeldCopy> {
        self.0.pop()
    }

    /// The held bytes from `start` to `end` count, and so do doubtful copies of them. Gives the number
    /// of bytes that differ.
    pub(super) fn confirm(&mut self, start: i64, end: i64) -> u64 {
        let overlapping = self.0.iter_mut().filter(|copy| !copy.firm && copy.start < end && start < copy.end());
        overlapping.map(|copy| (copy.firm = true, copy.differing).1).sum()
    }

    /// Moves everything `by` positions towards the beginning.
    pub(super) fn shift(&mut self, by: i64) {
        self.0.iter_mut().for_each(|copy| copy.start -= by);
    }

    /// Takes out the copies of what was told before `next`.
    fn take_told(&mut self, next: i64) -> Vec<HeldCopy> {
        self.0.extract_if(.., |copy| copy.end() <= next).collect()
    }
}

/// Other readings of what was told of a stream.
#[derive(Default)]
pub(super) struct Contest {
    open: Option<Open>,
    /// Positions of urgent bytes.
    urgent: SmallVec<[i64; 2]>,
    /// Readings told so far.
    readings: u16,
}

/// A stretch with several readings.
struct Open {
    /// Where they first differ.
    first: i64,
    /// How far they were told.
    told_to: i64,
    /// The frame of the newest copy.
    at: Stamp,
    /// Copies since they were told last, from the first one on that could not be compared.
    alone: usize,
}

/// How a copy of what was told compares with it.
#[derive(Clone, Copy, Default)]
pub(super) struct Copy {
    /// Bytes that differ.
    pub(super) differing: u64,
    /// What was told is forgotten, in part at least.
    pub(super) forgotten: bool,
}

impl Copy {
    /// It may be another reading.
    pub(super) const fn may_differ(self) -> bool {
        self.differing > 0 || self.forgotten
    }
}

impl Contest {
    /// There is something to remember.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some() || self.readings > 0 || !self.urgent.is_empty()
    }

    /// Readings are to be told of a stream that has come to `next`.
    fn is_pending(&self, next: i64) -> bool {
        self.open.as_ref().is_some_and(|open| open.told_to < next)
    }

    fn open(&mut self, first: i64, at: Stamp) {
        let (first, alone) = self.open.as_ref().map_or((first, 0), |open| (open.first.min(first), open.alone));
        self.open = Some(Open { first, told_to: i64::MIN, at, alone });
    }
}

/// A reset that may be none of the side whose name it bears.
pub(super) struct ResetSeen {
    ttl: u8,
    id: Option<u16>,
    /// Identification of the first segment after it.
    next_id: Option<u16>,
}

impl ResetSeen {
    pub(super) fn of(segment: &Segment<'_>) -> Self {
        Self { ttl: segment.ttl, id: counted_id(segment), next_id: None }
    }

    /// Whether data that goes on shows that the reset came from elsewhere: by its number of hops, or
    /// by identifications that go on from each other and not from the reset's.
    pub(super) fn is_refuted_by(&mut self, segment: &Segment<'_>) -> bool {
        let distance = |a: u16, b: u16| a.wrapping_sub(b).min(b.wrapping_sub(a));
        let id = counted_id(segment);
        let of_another_line = match (self.id, self.next_id, id) {
            (Some(reset), Some(before), Some(now)) => {
                distance(before, now) <= ID_NEAR && distance(reset, before) >= ID_FAR
            }
            _ => false,
        };
        self.next_id = id;
        segment.ttl != self.ttl || of_another_line
    }
}

/// The datagram's identification; 0 is what hosts write that do not count (RFC 6864 §4).
fn counted_id(segment: &Segment<'_>) -> Option<u16> {
    segment.ip_id().filter(|&id| id != 0)
}

impl Stream {
    /// Compares a copy of bytes told before with what was told; one that is known already says nothing.
    pub(super) fn compare<C: StreamConsumer>(&self, start: i64, bytes: &[u8], out: &mut Outlet<'_, C>) -> Copy {
        if self.told.is_none() || self.is_stopped() || self.is_keep_alive(start, bytes) {
            return Copy::default();
        }
        let from = start.max(0);
        let told = part(bytes, start, from, self.next);
        if told.is_empty() {
            return Copy::default();
        }
        let Comparison { differing, known, forgotten } = out.recall.compare(self.memory(out), from, told);
        out.counters.limit_recall += u64::from(forgotten);
        if known { Copy::default() } else { Copy { differing, forgotten } }
    }

    /// One byte before the next one is sent to hear an answer, and may be any (RFC 9293 §3.8.4). But
    /// where it was not acknowledged yet it may be a copy.
    fn is_keep_alive(&self, start: i64, bytes: &[u8]) -> bool {
        start + 1 == self.next && bytes.len() == 1 && (self.acked() >= self.next || bytes == [0])
    }

    /// A conflict was found in so many bytes.
    pub(super) fn report_conflict<C: StreamConsumer>(&mut self, bytes: u64, out: &mut Outlet<'_, C>) {
        if bytes > 0 {
            out.counters.conflicting_overlap_bytes += bytes;
            self.report(AnomalyKind::OverlapConflict, out);
        }
    }

    /// Tells an anomaly.
    pub(super) fn report<C: StreamConsumer>(&mut self, kind: AnomalyKind, out: &mut Outlet<'_, C>) {
        let interest = out.tell(StreamEvent::Anomaly(Anomaly { kind, dir: out.dir, at: out.at }));
        self.obey(interest, out);
    }

    /// Remembers another copy of what was told.
    pub(super) fn contest<C: StreamConsumer>(
        &mut self,
        start: i64,
        bytes: &[u8],
        label: (Stamp, u8),
        out: &mut Outlet<'_, C>,
    ) {
        self.remember_copy((start, bytes, start), label, out);
    }

    /// The same where what was told is forgotten: the copy is then read alone, with what goes on from it.
    pub(super) fn contest_alone<C: StreamConsumer>(
        &mut self,
        start: i64,
        bytes: &[u8],
        label: (Stamp, u8),
        out: &mut Outlet<'_, C>,
    ) {
        let from = start.max(0);
        let bytes = part(bytes, start, from, start + bytes.len() as i64);
        // More of it may come before it is told.
        self.remember_copy((from, bytes, self.next), label, out);
        if let Some(open) = self.rare.as_mut().and_then(|rare| rare.contest.open.as_mut()) {
            open.alone = open.alone.max(1);
        }
    }

    /// Remembers a copy; as one that differs at `first`.
    fn remember_copy<C: StreamConsumer>(
        &mut self,
        (start, bytes, first): (i64, &[u8], i64),
        (at, ttl): (Stamp, u8),
        out: &mut Outlet<'_, C>,
    ) {
        if self.is_stopped() || out.stop {
            return;
        }
        let contest = &mut self.rare().contest;
        if contest.readings >= READINGS {
            out.counters.limit_rivals += 1;
            return;
        }
        contest.open(first, at);
        if let Some(open) = contest.open.as_mut().filter(|open| open.alone > 0) {
            open.alone += 1;
        }
        self.told = out.recall.push(self.memory(out), Piece { start, bytes, ttl, rival: true });
    }

    /// Held bytes were told: copies of them that differ are other readings.
    pub(super) fn settle_copies<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        let next = self.next;
        let Some(rare) = self.rare.as_mut().filter(|rare| !rare.copies.is_empty()) else { return };
        for copy in rare.copies.take_told(next) {
            if !copy.firm {
                out.counters.doubtful_dropped_bytes += copy.bytes.len() as u64;
            } else if out.recall.compare(self.memory(out), copy.start, &copy.bytes).differing > 0 {
                self.contest(copy.start, &copy.bytes, (copy.label.at, copy.label.ttl), out);
            }
        }
    }

    /// Bytes came with the SYN and other ones after it. Which the receiver took, its acknowledgement
    /// says; where that is not seen, both may count (RFC 7413).
    pub(super) fn settle_syn_data<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        let told = self.next;
        let Some(rare) = self.rare.as_mut().filter(|rare| rare.syn_bytes > 0 && told >= rare.syn_bytes) else { return };
        let seen = rare.aside.first_span().is_some_and(|(start, _)| start == 0);
        if self.is_acknowledged() || !seen {
            return;
        }
        let Some((_, chunk)) = self.rare.as_mut().and_then(|rare| rare.aside.pop_first()) else { return };
        out.counters.doubtful_dropped_bytes += chunk.bytes.len() as u64;
        let differing = out.recall.compare(self.memory(out), 0, &chunk.bytes).differing;
        if differing > 0 {
            self.report_conflict(differing, out);
            self.contest(0, &chunk.bytes, (chunk.label.at, chunk.label.ttl), out);
        }
    }

    /// A segment that begins at `start` says where its urgent byte is: at the position before the
    /// one that it points to, say most hosts, or at that one (RFC 6093 §3). Hosts may leave either out.
    pub(super) fn note_urgent<C: StreamConsumer>(&mut self, start: i64, pointer: u16, out: &mut Outlet<'_, C>) {
        let position = start + i64::from(pointer) - 1;
        if pointer > 0 && position >= self.next && position >= self.skip_to() {
            let urgent = &mut self.rare().contest.urgent;
            if urgent.contains(&position) {
                return;
            }
            if urgent.len() < URGENT {
                urgent.push(position);
            } else {
                out.counters.limit_rivals += 1;
            }
        }
    }

    /// Urgent bytes that were told are an anomaly, and without them the stream reads otherwise.
    pub(super) fn settle_urgent<C: StreamConsumer>(&mut self, before: i64, out: &mut Outlet<'_, C>) {
        let (next, at) = (self.next, out.at);
        let Some(contest) = self.rare.as_mut().map(|rare| &mut rare.contest) else { return };
        contest.urgent.retain(|position| *position >= before - REACH as i64);
        let reached = contest.urgent.iter().copied().find(|position| (before..next).contains(position));
        let Some(position) = reached else { return };
        if contest.readings < READINGS {
            contest.open(position, at);
        } else {
            out.counters.limit_rivals += 1;
        }
        self.report(AnomalyKind::UrgentInside, out);
    }

    /// Readings are to be told soon.
    pub(super) fn is_contested(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.contest.is_pending(self.next))
    }

    /// Tells the other readings once half of what is remembered has come since they were told or
    /// began to differ.
    pub(super) fn tell_rivals_if_grown<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        let open = self.rare.as_ref().and_then(|rare| rare.contest.open.as_ref());
        if open.is_some_and(|open| self.next - open.first.max(open.told_to) >= REACH as i64 / 2) {
            self.tell_rivals(out);
        }
    }

    /// Tells the other readings of the stream as far as it has come.
    pub(super) fn tell_rivals<C: StreamConsumer>(&mut self, out: &mut Outlet<'_, C>) {
        let (next, memory) = (self.next, self.memory(out));
        let Some(contest) = self.rare.as_mut().map(|rare| &mut rare.contest) else { return };
        if !contest.is_pending(next) {
            return;
        }
        let Some(open) = &mut contest.open else { return };
        open.told_to = next;
        let (at, alone) = (open.at, std::mem::take(&mut open.alone));
        let readings = out.recall.readings(memory, open.first, &contest.urgent);
        for reading in out.recall.readings_alone(memory, alone).into_iter().chain(readings) {
            if contest.readings >= READINGS {
                out.counters.limit_rivals += 1;
                break;
            }
            contest.readings += 1;
            let offset = reading.start as u64;
            out.tell(StreamEvent::Rival { dir: out.dir, offset, bytes: &reading.bytes, at });
        }
        if next - open.first > REACH as i64 {
            contest.open = None;
        }
    }

    /// Where the table's recall finds this stream.
    pub(super) fn memory<C: StreamConsumer>(&self, out: &Outlet<'_, C>) -> Memory {
        Memory { newest: self.told, owner: out.slot << 1 | u32::from(out.dir == super::Direction::Reverse) }
    }
}
