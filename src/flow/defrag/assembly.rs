//! What have the fragments of one datagram said? Its bytes, its end, its protocol, and whether they agree.

use super::Reassembled;
use super::tiles::{Tiles, Which};
use crate::packet::{Datagram, Fragment};

/// Both readings of something: by the first fragment that said it, and by the last.
#[derive(Clone, Copy)]
struct Both<T> {
    first: T,
    last: T,
}

impl<T: Copy> Both<T> {
    /// Notes what another fragment says.
    fn note(said: &mut Option<Self>, value: T) {
        *said = Some(Self { first: said.map_or(value, |both| both.first), last: value });
    }
}

/// A datagram while it is being put together, and after.
#[derive(Default)]
pub(super) struct Assembly {
    tiles: Tiles,
    /// Where the datagram ends, by the fragments without more.
    end: Option<Both<usize>>,
    /// What the fragments at offset 0 say of it.
    datagram: Option<Both<Datagram>>,
    pieces: u32,
    in_conflict: bool,
    /// The reading by first copies was given; it changes no more.
    told_first: bool,
    /// The conflict was counted.
    pub(super) told_conflict: bool,
}

/// How many bytes of a fragment count as captured, and how many as cut off; `None` for no bytes at
/// all. Hosts that accept an odd length before more fragments ignore what is beyond a multiple of 8.
pub(super) fn extent(fragment: &Fragment<'_>) -> Option<(usize, usize)> {
    let sent = fragment.payload.len() + fragment.cut as usize;
    let sent = if fragment.more { sent / 8 * 8 } else { sent };
    let captured = fragment.payload.len().min(sent);
    (sent > 0).then_some((captured, sent - captured))
}

impl Assembly {
    /// Adds a fragment; gives whether it says anything that the last copies did not say already.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>) -> bool {
        let Some((captured, cut)) = extent(fragment) else { return false };
        let offset = fragment.offset as usize;
        let end = offset + captured + cut;
        let mut is_new = false;
        if !fragment.more {
            is_new |= self.end.is_none_or(|said| said.last != end);
            Both::note(&mut self.end, end);
        }
        if offset == 0 {
            let datagram = fragment.datagram();
            is_new |= self.datagram.is_none_or(|said| said.last.protocol != datagram.protocol);
            Both::note(&mut self.datagram, datagram);
        }
        let written = self.tiles.write(offset, fragment.payload.get(..captured).unwrap_or_default(), cut);
        // Bytes beyond an end are a conflict: some hosts forget them, some move the end.
        self.in_conflict |= written.differs
            || self.end.is_some_and(|said| said.first != said.last || self.tiles.reach() > said.first)
            || self.datagram.is_some_and(|said| said.first.protocol != said.last.protocol);
        self.pieces = self.pieces.saturating_add(1);
        is_new || written.is_new
    }

    /// Nothing was added.
    pub(super) const fn is_empty(&self) -> bool {
        self.pieces == 0
    }

    /// Fragments added.
    pub(super) const fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Hosts may read it differently.
    pub(super) const fn is_in_conflict(&self) -> bool {
        self.in_conflict
    }

    /// Some host has all of it.
    pub(super) fn is_whole(&self) -> bool {
        self.datagram.is_some() && self.end.is_some_and(|said| said.first.min(said.last) <= self.tiles.solid())
    }

    /// Bytes of memory, about.
    pub(super) fn cost(&self) -> u64 {
        self.tiles.cost()
    }

    /// The readings that are whole, without those that were given before by first copies.
    pub(super) fn readings(&mut self) -> impl Iterator<Item = Reassembled> {
        let (mut by_first, mut by_last) = (None, None);
        if let (Some(datagram), Some(end)) = (self.datagram, self.end) {
            if !self.told_first {
                by_first = self.reading(Which::First, datagram.first, end.first);
                self.told_first = by_first.is_some();
            }
            let is_same =
                !self.tiles.has_rivals() && end.first == end.last && datagram.first.protocol == datagram.last.protocol;
            if !is_same {
                by_last = self.reading(Which::Last, datagram.last, end.last);
            }
        }
        by_first.into_iter().chain(by_last)
    }

    fn reading(&self, which: Which, datagram: Datagram, end: usize) -> Option<Reassembled> {
        if end > self.tiles.solid() {
            return None;
        }
        let payload = self.tiles.read(which, end);
        let cut = (end - payload.len()) as u32;
        Some(Reassembled { datagram, payload, cut, conflict: self.in_conflict })
    }
}
