//! Which fields did this direction say before? The dynamic table (RFC 7541 §2.3.2), as far as it is known.

use std::collections::VecDeque;

use super::Malformed;
use super::list::OVERHEAD;

/// Largest table that is kept, by the count of RFC 7541 §4.1; hosts use 4 KiB, browsers up to 64.
const TABLE_LIMIT: u32 = 64 * 1024;

/// Longest name that is kept. Two bytes that refer to a name add a copy of it to the table: without a
/// bound they could cost as much as a whole table. No field that matters has nearly such a name.
const NAME_LIMIT: usize = 1024;

/// Size of a table of which nothing was said (RFC 9113 §6.5.2).
const USUAL: u32 = 4096;

/// The entries, latest last, whose bytes lie one behind the other. (No `Debug`: they may be secrets.)
pub(super) struct Table {
    bytes: Vec<u8>,
    entries: VecDeque<Entry>,
    /// Where the bytes begin that are held; places count on over what was forgotten, and may wrap.
    forgotten: u32,
    size: u32,
    /// How large it may become.
    capacity: u32,
    /// There may be older entries, which are not known.
    deep: bool,
    /// The sender's own table may be larger than [`TABLE_LIMIT`].
    beyond: bool,
    limit_hits: u64,
    /// Which block is read.
    block: u32,
}

struct Entry {
    /// Place of its first byte.
    at: u32,
    name: u32,
    value: u32,
    /// The block that named it last.
    told: u32,
    /// The bytes of its name are held.
    named: bool,
}

/// The name of a field.
#[derive(Clone, Copy)]
pub(super) enum Name<'n> {
    /// Its bytes.
    Known(&'n [u8]),
    /// It was not seen, or is not kept: so many bytes, as far as that is known.
    Unknown(u32),
}

/// What an index means.
pub(super) enum Found<'t> {
    /// A field.
    Field(&'t [u8], &'t [u8]),
    /// One that the block named before.
    Repeated,
    /// An entry that was not seen.
    Unknown,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            entries: VecDeque::new(),
            forgotten: 0,
            size: 0,
            capacity: USUAL,
            deep: false,
            beyond: false,
            limit_hits: 0,
            block: 0,
        }
    }
}

impl Table {
    /// The next block begins.
    pub(super) fn begin_block(&mut self) {
        self.block = self.block.wrapping_add(1);
    }

    /// Something was missed: what the table holds is unknown, and how large it may be. Later entries are
    /// known again, since indices count from the latest one.
    pub(super) fn lose(&mut self) {
        self.clear();
        self.deep = true;
        self.capacity = TABLE_LIMIT;
    }

    /// It may become so large, if it may not already be larger.
    pub(super) fn allow(&mut self, size: u32) {
        if size > self.capacity {
            self.limit(size);
        }
    }

    /// The sender says how large it is from now on.
    pub(super) fn resize(&mut self, size: u32) {
        self.limit(size);
        while self.size > self.capacity && self.evict() {}
        // No entry fits, so there is none, known or not.
        self.deep &= (size as usize) >= OVERHEAD;
    }

    fn limit(&mut self, size: u32) {
        self.beyond = size > TABLE_LIMIT;
        self.capacity = size.min(TABLE_LIMIT);
    }

    /// The field of an entry, counted from the latest.
    pub(super) fn field(&mut self, index: usize) -> Result<Found<'_>, Malformed> {
        let Some(place) = self.place(index)? else { return Ok(Found::Unknown) };
        let block = self.block;
        let Some(entry) = self.entries.get_mut(place) else { return Ok(Found::Unknown) };
        if std::mem::replace(&mut entry.told, block) == block {
            return Ok(Found::Repeated);
        }
        if !entry.named {
            return Ok(Found::Unknown);
        }
        let (at, name, value) = (entry.at, entry.name, entry.value);
        Ok(Found::Field(self.bytes_at(at, name), self.bytes_at(at.wrapping_add(name), value)))
    }

    /// The name of an entry, counted from the latest.
    pub(super) fn name(&self, index: usize) -> Result<Name<'_>, Malformed> {
        Ok(match self.place(index)?.and_then(|place| self.entries.get(place)) {
            Some(entry) if entry.named => Name::Known(self.bytes_at(entry.at, entry.name)),
            Some(entry) => Name::Unknown(entry.name),
            None => Name::Unknown(0),
        })
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, name: Name<'_>, value: &[u8]) {
        let (text, name) = match name {
            Name::Known(text) if text.len() <= NAME_LIMIT => (Some(text), length(text)),
            Name::Known(text) => (None, length(text)),
            Name::Unknown(length) => (None, length),
        };
        let size = name.saturating_add(length(value)).saturating_add(OVERHEAD as u32);
        let room = self.capacity.saturating_sub(size);
        while self.size > room && self.evict() {}
        if size > self.capacity {
            // It empties the table, and is none of it (RFC 7541 §4.4).
            self.forget_one();
            return;
        }
        self.give_back();
        let at = self.forgotten.wrapping_add(length(&self.bytes));
        // Without its name it is never told, so its value is not kept either.
        if let Some(text) = text {
            self.bytes.extend_from_slice(text);
            self.bytes.extend_from_slice(value);
        }
        // The block that adds it tells it.
        let entry = Entry { at, name, value: length(value), told: self.block, named: text.is_some() };
        self.entries.push_back(entry);
        self.size = self.size.saturating_add(size);
    }

    /// Entries were forgotten to keep the bound, since this was last asked.
    pub(super) fn take_limit_hits(&mut self) -> u64 {
        std::mem::take(&mut self.limit_hits)
    }

    /// Size of the entries.
    #[cfg(test)]
    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<Entry>());
        self.bytes.capacity().saturating_add(entries)
    }

    /// Where an entry lies, counted from the latest. An error where the sender has none.
    fn place(&self, index: usize) -> Result<Option<usize>, Malformed> {
        let place = self.entries.len().checked_sub(1).and_then(|last| last.checked_sub(index));
        if place.is_none() && !self.deep { Err(Malformed) } else { Ok(place) }
    }

    fn bytes_at(&self, at: u32, length: u32) -> &[u8] {
        let from = at.wrapping_sub(self.forgotten) as usize;
        self.bytes.get(from..from.saturating_add(length as usize)).unwrap_or_default()
    }

    /// Forgets the oldest entry; false when there is none.
    fn evict(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        let size = oldest.name.saturating_add(oldest.value).saturating_add(OVERHEAD as u32);
        self.size = self.size.saturating_sub(size);
        self.forget_one();
        true
    }

    /// An entry is not kept: where the sender may still have it, it is unknown from now on.
    fn forget_one(&mut self) {
        if self.beyond {
            self.deep = true;
            self.limit_hits = self.limit_hits.saturating_add(1);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.size = 0;
    }

    /// Takes out the bytes of entries that are gone, once they are no fewer than those of the others: so
    /// each byte is moved once on average.
    fn give_back(&mut self) {
        let gone = self.entries.front().map_or(self.bytes.len(), |e| e.at.wrapping_sub(self.forgotten) as usize);
        let gone = gone.min(self.bytes.len());
        if gone > 0 && gone >= self.bytes.len().saturating_sub(gone) {
            self.bytes.drain(..gone);
            self.forgotten = self.forgotten.wrapping_add(gone as u32);
        }
    }
}

/// Bytes of a text. All that is decoded is far below 4 GiB.
fn length(text: &[u8]) -> u32 {
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}
