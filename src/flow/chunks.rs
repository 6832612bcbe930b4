//! Which bytes are held? Pieces of a stream that wait for others, sorted and without overlap.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::base::time::{Stamp, Timestamp};

/// What a chunk costs beside its bytes: a node of the tree, the allocation.
pub(super) const CHUNK_OVERHEAD: u64 = 128;

/// Held bytes of one segment.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) label: Label,
}

/// What is known of held bytes.
#[derive(Clone, Copy)]
pub(super) struct Label {
    /// The frame that carried them.
    pub(super) at: Stamp,
    /// The highest packet time when they came.
    pub(super) since: Timestamp,
    /// TTL or hop limit of that frame.
    pub(super) ttl: u8,
    /// They count when the flow ends, though nobody acknowledged them.
    pub(super) counts_at_last: bool,
}

impl Chunk {
    fn len(&self) -> i64 {
        self.bytes.len() as i64
    }
}

/// Chunks by the position of their first byte.
#[derive(Default)]
pub(super) struct Chunks {
    by_position: BTreeMap<i64, Chunk>,
    bytes: u64,
}

impl Chunks {
    /// Number of chunks.
    pub(super) fn count(&self) -> usize {
        self.by_position.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_position.is_empty()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of memory, about.
    pub(super) fn cost(&self) -> u64 {
        self.bytes + self.by_position.len() as u64 * CHUNK_OVERHEAD
    }

    /// Begin and end of the first chunk.
    pub(super) fn first_span(&self) -> Option<(i64, i64)> {
        self.by_position.first_key_value().map(|(&start, chunk)| (start, start + chunk.len()))
    }

    /// When the first chunk came.
    pub(super) fn first_since(&self) -> Option<Timestamp> {
        self.by_position.first_key_value().map(|(_, chunk)| chunk.label.since)
    }

    pub(super) fn pop_first(&mut self) -> Option<(i64, Chunk)> {
        let popped = self.by_position.pop_first();
        self.bytes -= popped.as_ref().map_or(0, |(_, chunk)| chunk.bytes.len() as u64);
        popped
    }

    pub(super) fn pop_last(&mut self) -> Option<(i64, Chunk)> {
        let popped = self.by_position.pop_last();
        self.bytes -= popped.as_ref().map_or(0, |(_, chunk)| chunk.bytes.len() as u64);
        popped
    }

    /// Holds those of `bytes` whose place is free; the copy held first stays. Gives the number of
    /// bytes that differ from the copy held.
    pub(super) fn insert(&mut self, start: i64, bytes: &[u8], label: Label) -> u64 {
        let mut free = SmallVec::<[(i64, i64); 4]>::new();
        let mut cursor = start;
        let mut conflicts = 0;
        for (p, chunk) in self.overlapping(start, bytes) {
            let Some((from, to, differing)) = overlap(start, bytes, p, chunk) else { continue };
            if cursor < from {
                free.push((cursor, from));
            }
            cursor = to;
            conflicts += differing;
        }
        let end = start + bytes.len() as i64;
        if cursor < end {
            free.push((cursor, end));
        }
        for (from, to) in free {
            let piece = part(bytes, start, from, to);
            self.bytes += piece.len() as u64;
            self.by_position.insert(from, Chunk { bytes: piece.to_vec(), label });
        }
        conflicts
    }

    /// The chunks that `bytes` contradict, with the number of bytes that differ.
    pub(super) fn contradicted(&self, start: i64, bytes: &[u8]) -> SmallVec<[(i64, &Chunk, u64); 2]> {
        let mut contradicted = SmallVec::new();
        for (p, chunk) in self.overlapping(start, bytes) {
            let differing = overlap(start, bytes, p, chunk).map_or(0, |(_, _, differing)| differing);
            if differing > 0 {
                contradicted.push((p, chunk, differing));
            }
        }
        contradicted
    }

    /// The chunks that may share something with `bytes`, in order.
    fn overlapping(&self, start: i64, bytes: &[u8]) -> impl Iterator<Item = (i64, &Chunk)> {
        let end = start + bytes.len() as i64;
        let first = self.by_position.range(..=start).next_back().map_or(start, |(&p, _)| p);
        self.by_position.range(first..end).map(|(&p, chunk)| (p, chunk))
    }

    /// Forgets what lies before `position`; gives the number of bytes.
    pub(super) fn forget_before(&mut self, position: i64) -> u64 {
        let before = self.bytes;
        while let Some((start, end)) = self.first_span().filter(|&(start, _)| start < position) {
            let Some((_, mut chunk)) = self.pop_first() else { break };
            if end > position {
                chunk.bytes.drain(..(position - start) as usize);
                self.bytes += chunk.bytes.len() as u64;
                self.by_position.insert(position, chunk);
            }
        }
        before - self.bytes
    }

    /// Forgets what does not count when the flow ends; gives the number of bytes.
    pub(super) fn keep_what_counts_at_last(&mut self) -> u64 {
        self.by_position.retain(|_, chunk| chunk.label.counts_at_last);
        let before = self.bytes;
        self.bytes = self.by_position.values().map(|chunk| chunk.bytes.len() as u64).sum();
        before - self.bytes
    }

    /// Moves everything `by` positions towards the beginning; what would lie before it is forgotten.
    pub(super) fn shift(&mut self, by: i64) {
        self.by_position = std::mem::take(&mut self.by_position).into_iter().map(|(p, c)| (p - by, c)).collect();
        self.forget_before(0);
    }
}

/// The bytes `from..to` of a piece that begins at `start`.
pub(super) fn part(bytes: &[u8], start: i64, from: i64, to: i64) -> &[u8] {
    let index = |position: i64| usize::try_from(position - start).unwrap_or(0);
    bytes.get(index(from)..index(to).min(bytes.len())).unwrap_or_default()
}

/// The range that `bytes` share with a chunk at `p`, and the number of bytes in it that differ.
fn overlap(start: i64, bytes: &[u8], p: i64, chunk: &Chunk) -> Option<(i64, i64, u64)> {
    let (from, to) = (p.max(start), (p + chunk.len()).min(start + bytes.len() as i64));
    let differing = || differing(part(bytes, start, from, to), part(&chunk.bytes, p, from, to));
    (from < to).then(|| (from, to, differing()))
}

/// Number of positions at which two copies differ.
pub(super) fn differing(a: &[u8], b: &[u8]) -> u64 {
    if a == b { 0 } else { a.iter().zip(b).filter(|(a, b)| a != b).count() as u64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_the_first_copy_of_each_byte(
            ops in proptest::collection::vec((0i64..60, proptest::collection::vec(0u8..4, 1..20)), 0..30),
            forget in 0i64..60,
        ) {
            let mut chunks = Chunks::default();
            let label = Label { at: Stamp::default(), since: Timestamp::MIN, ttl: 64, counts_at_last: false };
            let mut model: BTreeMap<i64, u8> = BTreeMap::new();
            for (start, bytes) in ops {
                let mut differ = 0;
                for (position, byte) in (start..).zip(&bytes) {
                    differ += u64::from(*model.entry(position).or_insert(*byte) != *byte);
                }
                let contradicted: u64 = chunks.contradicted(start, &bytes).iter().map(|(_, _, differing)| differing).sum();
                prop_assert_eq!(contradicted, differ);
                prop_assert_eq!(chunks.insert(start, &bytes, label), differ);
            }
            let total = model.len();
            model.retain(|&p, _| p >= forget);
            prop_assert_eq!(chunks.forget_before(forget), (total - model.len()) as u64);
            prop_assert_eq!(chunks.bytes(), model.len() as u64);
            let mut held = Vec::new();
            while let Some((start, chunk)) = chunks.pop_first() {
                held.extend((start..).zip(chunk.bytes));
            }
            prop_assert_eq!(held, model.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(chunks.cost(), 0);
        }
    }
}
