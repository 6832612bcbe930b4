//! What was told lately? A ring of delivered bytes, shared by all flows of a table, so that copies
//! which come later can be compared.
//!
//! Each piece lies behind a header that names its stream and the stream's piece before it; a stream
//! holds only the place of its newest piece. What the ring has overwritten is forgotten.

use smallvec::SmallVec;

use super::chunks::{differing, part};

/// Bytes of one direction that are read around a place where copies differ.
pub(super) const REACH: usize = 4096;
/// Of those so many lie behind that place, where the stream has gone on much further.
const BEHIND: i64 = REACH as i64 * 3 / 4;
/// Pieces that are looked back over, however small: a bound on work.
const PIECES: usize = 1024;
/// The same where they are more than [`REACH`] bytes.
const LARGE_PIECES: usize = 64;
/// Most readings that one question gives.
const READINGS: usize = 8;
/// Newest pieces that are put together where what was told is forgotten.
const NEIGHBOURS: usize = 256;
/// Places are counted in units of so many bytes.
const UNIT: u64 = 8;
const HEADER: usize = 24;

/// The place of a stream's newest piece; nothing yet by default.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Trace(u32);

impl Trace {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Which stream a question is about.
#[derive(Clone, Copy)]
pub(super) struct Memory {
    pub(super) newest: Trace,
    /// Differs between the streams of a table.
    pub(super) owner: u32,
}

/// A piece of a stream.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// Position of the first byte.
    pub(super) start: i64,
    pub(super) bytes: &'a [u8],
    /// TTL or hop limit of the packet that carried it.
    pub(super) ttl: u8,
    /// Another copy of bytes that were told.
    pub(super) rival: bool,
}

impl Piece<'_> {
    fn end(&self) -> i64 {
        self.start + self.bytes.len() as i64
    }
}

/// How a copy compares with what was told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Comparison {
    /// Bytes that differ.
    pub(super) differing: u64,
    /// The same copy came before.
    pub(super) known: bool,
    /// A part of what was asked for is forgotten.
    pub(super) forgotten: bool,
}

/// Another reading of a stretch of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) start: i64,
    pub(super) bytes: Vec<u8>,
}

/// The ring.
pub(super) struct Recall {
    ring: Vec<u8>,
    capacity: u64,
    /// Bytes ever written, those skipped at the end of the ring included.
    head: u64,
    /// Where in the ring that is, or its end.
    at: u64,
    /// The piece written last, counted as `head`.
    last: u64,
}

impl Recall {
    /// Nothing yet; it grows to `capacity` bytes. Less than two pieces' worth remembers nothing.
    pub(super) fn new(capacity: u64) -> Self {
        let capacity = capacity / UNIT * UNIT;
        let useful = capacity >= 2 * (REACH + HEADER) as u64;
        Self { ring: Vec::new(), capacity: if useful { capacity } else { 0 }, head: UNIT, at: UNIT, last: 0 }
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.ring.capacity() as u64
    }

    /// Remembers a piece, of a long one the beginning. Gives the stream's newest place.
    pub(super) fn push(&mut self, memory: Memory, piece: Piece<'_>) -> Trace {
        let bytes = piece.bytes.get(..REACH).unwrap_or(piece.bytes);
        if self.capacity == 0 || bytes.is_empty() {
            return memory.newest;
        }
        let is_newest = !memory.newest.is_none() && memory.newest.0 == (self.last / UNIT) as u32;
        if is_newest && self.extend(memory, Piece { bytes, ..piece }) {
            return memory.newest;
        }
        let size = HEADER + bytes.len();
        let left = self.capacity - self.at;
        if left < size as u64 {
            self.head += left;
            self.at = 0;
        }
        let at = self.at as usize;
        self.grow_to(at + size);
        let header = Header {
            before: memory.newest,
            owner: memory.owner,
            start: piece.start,
            len: bytes.len() as u16,
            ttl: piece.ttl,
            rival: piece.rival,
        };
        if let Some(place) = self.ring.get_mut(at..at + size)
            && let Some((front, body)) = place.split_first_chunk_mut()
        {
            *front = header.to_bytes();
            body.copy_from_slice(bytes);
        }
        self.last = self.head;
        self.move_on(size);
        Trace((self.last / UNIT) as u32)
    }

    /// Goes on behind the piece written last, of the same stream, if this follows it.
    fn extend(&mut self, memory: Memory, piece: Piece<'_>) -> bool {
        let Some((header, before)) = self.piece(memory.newest, memory.owner) else { return false };
        let (start, len) = (self.index(self.last), before.bytes.len() + piece.bytes.len());
        let fits = (start + HEADER + len) as u64 <= self.capacity && len <= REACH;
        let goes_on = before.end() == piece.start && before.ttl == piece.ttl && !before.rival && !piece.rival;
        if !fits || !goes_on {
            return false;
        }
        let at = start + HEADER + before.bytes.len();
        self.grow_to(at + piece.bytes.len());
        if let Some(place) = self.ring.get_mut(at..at + piece.bytes.len()) {
            place.copy_from_slice(piece.bytes);
        }
        if let Some(front) = self.ring.get_mut(start..).and_then(<[u8]>::first_chunk_mut) {
            *front = Header { len: len as u16, ..header }.to_bytes();
        }
        (self.head, self.at) = (self.last, start as u64);
        self.move_on(HEADER + len);
        true
    }

    /// The next piece begins `size` bytes on, or a little further.
    fn move_on(&mut self, size: usize) {
        let size = (size as u64).next_multiple_of(UNIT);
        self.head += size;
        self.at += size;
    }

    /// Compares a copy with what was told.
    pub(super) fn compare(&self, memory: Memory, start: i64, bytes: &[u8]) -> Comparison {
        let end = start + bytes.len() as i64;
        let mut comparison = Comparison::default();
        let mut back = self.back(memory);
        for piece in back.by_ref() {
            let (from, to) = (piece.start.max(start), piece.end().min(end));
            let differing = if from < to {
                differing(part(bytes, start, from, to), part(piece.bytes, piece.start, from, to))
            } else {
                0
            };
            if piece.rival {
                comparison.known |= (from, to) == (start, end) && differing == 0;
                continue;
            }
            comparison.differing += differing;
            if piece.start <= start {
                return comparison;
            }
        }
        comparison.forgotten = back.forgotten;
        comparison
    }

    /// What the stream would have been around `position` if other copies had been taken: the newest
    /// ones, those of one TTL, or one alone; and without the bytes at `urgent`, or those after them.
    pub(super) fn readings(&self, memory: Memory, position: i64, urgent: &[i64]) -> Vec<Reading> {
        let (mut run, mut rivals) = (SmallVec::<[Piece<'_>; 16]>::new(), SmallVec::<[Piece<'_>; 8]>::new());
        let (mut end, mut bytes) = (None, 0);
        for mut piece in self.back(memory) {
            if piece.rival {
                rivals.push(piece);
                continue;
            }
            if *end.get_or_insert(piece.end()) - position > REACH as i64 {
                piece.bytes = part(piece.bytes, piece.start, piece.start, position + BEHIND);
                if piece.bytes.is_empty() {
                    continue;
                }
            }
            let beyond = (bytes + piece.bytes.len()).saturating_sub(REACH);
            piece.bytes = piece.bytes.get(beyond..).unwrap_or_default();
            piece.start += beyond as i64;
            bytes += piece.bytes.len();
            let follows = run.last().is_none_or(|later| piece.end() == later.start);
            if !follows {
                if run.last().is_some_and(|first| first.start <= position) {
                    break;
                }
                run.clear();
            }
            run.push(piece);
            if bytes >= REACH {
                break;
            }
        }
        run.reverse();
        rivals.reverse();
        let Some(start) = run.first().map(|first| first.start) else { return Vec::new() };
        let told: Vec<u8> = run.iter().flat_map(|piece| piece.bytes).copied().collect();
        let told_ttls = || run.iter().flat_map(|piece| std::iter::repeat_n(piece.ttl, piece.bytes.len()));

        let mut readings = Vec::new();
        let mut add = |bytes: Vec<u8>| {
            let reading = Reading { start, bytes };
            if reading.bytes != told && !readings.contains(&reading) && readings.len() < READINGS {
                readings.push(reading);
            }
        };
        let mut newest = told.clone();
        rivals.iter().for_each(|rival| splice(&mut newest, start, rival));
        add(newest);
        let mut ttls = SmallVec::<[u8; 8]>::new();
        ttls.extend(run.iter().chain(&rivals).map(|piece| piece.ttl));
        ttls.sort_unstable();
        ttls.dedup();
        for ttl in ttls {
            let mut reading = told.clone();
            rivals.iter().filter(|rival| rival.ttl == ttl).for_each(|rival| splice(&mut reading, start, rival));
            for ((byte, told), of) in reading.iter_mut().zip(&told).zip(told_ttls()) {
                if of == ttl {
                    *byte = *told;
                }
            }
            add(reading);
        }
        for rival in &rivals {
            let mut reading = told.clone();
            splice(&mut reading, start, rival);
            add(reading);
        }
        for after in [0, 1] {
            let left_out = |at: i64| urgent.iter().any(|position| position + after == at);
            add((start..).zip(&told).filter(|(at, _)| !left_out(*at)).map(|(_, byte)| *byte).collect());
        }
        readings
    }

    /// What the last `count` copies say where their originals are forgotten: each with the pieces that
    /// it goes on from, and those that go on from it.
    pub(super) fn readings_alone(&self, memory: Memory, count: usize) -> Vec<Reading> {
        let pieces: SmallVec<[Piece<'_>; 16]> = self.back(memory).take(NEIGHBOURS).collect();
        let mut readings: Vec<Reading> = Vec::new();
        for copy in pieces.iter().filter(|piece| piece.rival).take(count) {
            let (mut start, mut bytes) = (copy.start, copy.bytes.to_vec());
            while bytes.len() < REACH {
                let end = start + bytes.len() as i64;
                if let Some(next) = pieces.iter().find(|piece| piece.start <= end && end < piece.end()) {
                    bytes.extend_from_slice(part(next.bytes, next.start, end, next.end()));
                } else if let Some(before) = pieces.iter().find(|piece| piece.start < start && start <= piece.end()) {
                    bytes.splice(..0, part(before.bytes, before.start, before.start, start).iter().copied());
                    start = before.start;
                } else {
                    break;
                }
            }
            let reading = Reading { start, bytes };
            if !readings.contains(&reading) && readings.len() < READINGS {
                readings.push(reading);
            }
        }
        readings
    }

    /// The pieces of a stream that are within reach, the newest first.
    fn back(&self, memory: Memory) -> Back<'_> {
        Back { recall: self, memory, bytes: 0, pieces: 0, forgotten: false }
    }

    /// A piece and what stands before it.
    fn piece(&self, place: Trace, owner: u32) -> Option<(Header, Piece<'_>)> {
        let units = self.head / UNIT;
        let back = u64::from((units as u32).wrapping_sub(place.0));
        let at = units.checked_sub(back)? * UNIT;
        if back * UNIT > self.capacity {
            return None;
        }
        let entry = self.ring.get(self.index(at)..)?;
        let (front, rest) = entry.split_first_chunk()?;
        let header = Header::from_bytes(*front);
        if header.owner != owner {
            return None;
        }
        let bytes = rest.get(..usize::from(header.len))?;
        Some((header, Piece { start: header.start, bytes, ttl: header.ttl, rival: header.rival }))
    }

    /// Where in the ring something is that was written within its capacity.
    fn index(&self, at: u64) -> usize {
        let back = self.head.saturating_sub(at);
        let index = if back <= self.at { self.at - back } else { (self.at + self.capacity).saturating_sub(back) };
        index as usize
    }

    /// Doubles where it is too short, up to the capacity.
    #[inline]
    fn grow_to(&mut self, len: usize) {
        if len > self.ring.len() {
            let wanted = (len.max(1 << 16) * 2).min(usize::try_from(self.capacity).unwrap_or(usize::MAX)).max(len);
            // Memory that comes as zeros is not touched before it is used.
            let mut ring = vec![0; wanted];
            ring.iter_mut().zip(&self.ring).for_each(|(to, from)| *to = *from);
            self.ring = ring;
        }
    }
}

/// What stands before a piece in the ring.
#[derive(Clone, Copy)]
struct Header {
    before: Trace,
    owner: u32,
    start: i64,
    len: u16,
    ttl: u8,
    rival: bool,
}

impl Header {
    fn to_bytes(self) -> [u8; HEADER] {
        let words = [
            u64::from(self.before.0) | u64::from(self.owner) << 32,
            self.start.cast_unsigned(),
            u64::from(self.len) | u64::from(self.ttl) << 16 | u64::from(self.rival) << 24,
        ];
        let mut bytes = [0; HEADER];
        bytes.as_chunks_mut().0.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; HEADER]) -> Self {
        let mut words = [0; HEADER / 8];
        words.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, word)| *to = u64::from_le_bytes(*word));
        let [place, start, about] = words;
        Self {
            before: Trace(place as u32),
            owner: (place >> 32) as u32,
            start: start.cast_signed(),
            len: about as u16,
            ttl: (about >> 16) as u8,
            rival: about >> 24 != 0,
        }
    }
}

/// See [`Recall::back`].
struct Back<'a> {
    recall: &'a Recall,
    memory: Memory,
    bytes: usize,
    pieces: usize,
    /// It ended at a piece that is forgotten.
    forgotten: bool,
}

impl<'a> Iterator for Back<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let most = if self.bytes < REACH { PIECES } else { LARGE_PIECES };
        if self.memory.newest.is_none() || self.pieces >= most {
            return None;
        }
        let Some((header, piece)) = self.recall.piece(self.memory.newest, self.memory.owner) else {
            self.forgotten = true;
            return None;
        };
        self.memory.newest = header.before;
        self.pieces += 1;
        self.bytes += if piece.rival { 0 } else { piece.bytes.len() };
        Some(piece)
    }
}

/// Puts a copy in the place of what was told.
fn splice(told: &mut [u8], start: i64, copy: &Piece<'_>) {
    let len = told.len();
    let index = |position: i64| usize::try_from(position - start).unwrap_or(0).min(len);
    let (from, to) = (index(copy.start), index(copy.end()));
    let bytes = part(copy.bytes, copy.start, start + from as i64, start + to as i64);
    if let Some(place) = told.get_mut(from..to) {
        place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }
}

#[cfg(test)]
mod tests;
