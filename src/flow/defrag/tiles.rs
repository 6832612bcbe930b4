//! Which bytes are known, in the first and in the last copy? A sparse array of up to 64 KiB.

use std::collections::BTreeMap;

/// Bytes in a tile: as many as a mask has bits.
const TILE: usize = u128::BITS as usize;
/// What a tile costs, its place in the tree included.
const TILE_COST: u64 = size_of::<Tile>() as u64 + 16;

/// Which copy of a byte that came several times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    First,
    Last,
}

struct Tile {
    first: [u8; TILE],
    /// Made when it differs.
    last: Option<Box<[u8; TILE]>>,
    /// Bytes that were captured.
    known: u128,
    /// Bytes that were sent, whether captured or not.
    sent: u128,
}

/// Bytes by their place, each in its first and its last copy.
#[derive(Default)]
pub(super) struct Tiles {
    by_place: BTreeMap<usize, Tile>,
    /// Tiles with another last copy.
    rivals: u64,
    /// From 0 to here every byte was sent.
    solid: usize,
    /// Beyond the last byte that was sent.
    reach: usize,
}

/// What writing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Written {
    /// Some byte is new, or its last copy is another than before.
    pub(super) is_new: bool,
    /// Some byte differs from its first copy.
    pub(super) differs: bool,
}

impl Tiles {
    /// From 0 to here every byte was sent.
    pub(super) const fn solid(&self) -> usize {
        self.solid
    }

    /// Beyond the last byte that was sent.
    pub(super) const fn reach(&self) -> usize {
        self.reach
    }

    /// Whether some byte's last copy may differ from its first.
    pub(super) const fn has_rivals(&self) -> bool {
        self.rivals > 0
    }

    /// Bytes of memory, about.
    pub(super) fn cost(&self) -> u64 {
        self.by_place.len() as u64 * TILE_COST + self.rivals * TILE as u64
    }

    /// Writes `bytes` at `offset`, and notes that `cut` more were sent after them.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8], cut: usize) -> Written {
        let mut written = Written::default();
        let mut rest = bytes;
        let end = offset + bytes.len();
        for (place, from, to) in spans(offset, end) {
            let Some((piece, later)) = rest.split_at_checked(to - from) else { break };
            rest = later;
            let tile = self.by_place.entry(place).or_insert(Tile::EMPTY);
            let had_rival = tile.last.is_some();
            let by_piece = tile.write(from, piece);
            self.rivals += u64::from(tile.last.is_some() && !had_rival);
            written.is_new |= by_piece.is_new;
            written.differs |= by_piece.differs;
        }
        for (place, from, to) in spans(end, end + cut) {
            let tile = self.by_place.entry(place).or_insert(Tile::EMPTY);
            let bits = mask(from, to);
            written.is_new |= tile.sent & bits != bits;
            tile.sent |= bits;
        }
        self.reach = self.reach.max(end + cut);
        self.advance();
        written
    }

    /// Each tile is passed once, so this is cheap however the bytes come.
    fn advance(&mut self) {
        while let Some(tile) = self.by_place.get(&(self.solid / TILE)) {
            let run = run(tile.sent, self.solid % TILE);
            self.solid += run;
            if run == 0 || !self.solid.is_multiple_of(TILE) {
                return;
            }
        }
    }

    /// The bytes from 0 up to `end`, or to the first that was not captured.
    pub(super) fn read(&self, which: Which, end: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(end);
        for (place, _, to) in spans(0, end) {
            let Some(tile) = self.by_place.get(&place) else { break };
            let known = run(tile.known, 0).min(to);
            let bytes = match (&tile.last, which) {
                (Some(last), Which::Last) => last.as_ref(),
                _ => &tile.first,
            };
            out.extend(bytes.iter().take(known));
            if known < to {
                break;
            }
        }
        out
    }
}

impl Tile {
    const EMPTY: Self = Self { first: [0; TILE], last: None, known: 0, sent: 0 };

    fn write(&mut self, from: usize, bytes: &[u8]) -> Written {
        let bits = mask(from, from + bytes.len());
        let mut written = Written { is_new: self.known & bits != bits, differs: false };
        if self.known & bits == 0 {
            copy(&mut self.first, from, bytes);
            self.last.iter_mut().for_each(|last| copy(last, from, bytes));
        } else {
            let known = self.known;
            for (at, &byte) in (from..).zip(bytes) {
                let Some(first) = self.first.get_mut(at) else { break };
                if known >> at & 1 == 0 {
                    *first = byte;
                }
                written.differs |= *first != byte;
                let before = self.last.as_ref().and_then(|last| last.get(at)).copied().unwrap_or(*first);
                if before != byte {
                    written.is_new |= known >> at & 1 == 1;
                    let last = self.last.get_or_insert_with(|| Box::new(self.first));
                    last.get_mut(at).into_iter().for_each(|last| *last = byte);
                }
            }
        }
        self.known |= bits;
        self.sent |= bits;
        written
    }
}

/// The tiles that `from..to` touches, each with the part of it that is meant.
fn spans(from: usize, to: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (from / TILE..to.div_ceil(TILE)).map(move |place| {
        let start = place * TILE;
        (place, from.saturating_sub(start), (to - start).min(TILE))
    })
}

/// Bits `from..to`.
const fn mask(from: usize, to: usize) -> u128 {
    below(to) & !below(from)
}

const fn below(n: usize) -> u128 {
    if n >= TILE { u128::MAX } else { (1 << n) - 1 }
}

/// How many bits are set from `from` on without a break.
const fn run(bits: u128, from: usize) -> usize {
    (bits >> from).trailing_ones() as usize
}

fn copy(to: &mut [u8; TILE], from: usize, bytes: &[u8]) {
    to.iter_mut().skip(from).zip(bytes).for_each(|(to, byte)| *to = *byte);
}
