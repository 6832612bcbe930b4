//! Which fields does a header block say? A decoder of HPACK (RFC 7541) for a reader that may have missed a
//! part: what it cannot know it calls unknown, and never guesses.
//!
//! | file | question |
//! |---|---|
//! | `integer` | which number is this? |
//! | `huffman` | which bytes does a Huffman code mean? |
//! | `fixed` | which fields does everybody know? |
//! | `table` | which fields did this direction say before? |
//! | `list` | which fields does a message have, as far as they are kept? |

mod fixed;
mod huffman;
mod integer;
mod list;
mod table;
#[cfg(test)]
mod tests;

pub(super) use list::{LIST_LIMIT, List};

use fixed::FIXED;
use table::{Name, Table};

/// Bytes of fields that a direction may say beyond what its blocks earn it: a few bytes that refer to long
/// entries again and again must not cost more than an honest client does.
const CREDIT: u32 = 1024 * 1024;

/// What each block earns, and each of its bytes: enough for any ordinary request.
const EARNED_BY_BLOCK: u32 = 8 * 1024;
const EARNED_BY_BYTE: u32 = 16;

/// What is wrong with a block, so that the fields after it cannot be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// The decoder of one direction: its blocks share one table, in their order, whatever becomes of their streams.
/// (No `Debug`: the table holds cookies.)
pub(super) struct Decoder {
    table: Table,
    credit: u32,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: Table::default(), credit: CREDIT }
    }
}

impl Decoder {
    /// Reads a block into `list`, which becomes its fields, as far as they are known and kept. After an error
    /// it has the fields before that, and earlier entries of the table are unknown.
    pub(super) fn decode(&mut self, block: &[u8], list: &mut List) -> Result<(), Malformed> {
        let bytes = u32::try_from(block.len()).unwrap_or(u32::MAX);
        let earned = bytes.saturating_mul(EARNED_BY_BYTE).saturating_add(EARNED_BY_BLOCK);
        self.credit = self.credit.saturating_add(earned).min(CREDIT);
        list.begin(LIST_LIMIT.min(self.credit as usize));
        self.table.begin_block();
        let mut told = 0;
        let mut rest = block;
        let mut read = Ok(());
        while read.is_ok() && !rest.is_empty() {
            read = self.field(&mut rest, list, &mut told);
        }
        self.credit = self.credit.saturating_sub(u32::try_from(list.size()).unwrap_or(u32::MAX));
        if read.is_err() {
            self.table.lose();
        }
        read
    }

    /// A part of what was said is missing: entries so far are unknown from here on.
    pub(super) fn lose(&mut self) {
        self.table.lose();
    }

    /// The receiver said how large a table it allows.
    ///
    /// That counts at once, and only if it allows more: the table shrinks when the sender says so, as it
    /// has to (RFC 7541 §4.2). Entries that are kept longer than the sender does no harm, because indices
    /// count from the latest one.
    pub(super) fn allow(&mut self, size: u32) {
        self.table.allow(size);
    }

    /// Entries were forgotten to keep the bound of the table, since this was last asked.
    pub(super) fn take_limit_hits(&mut self) -> u64 {
        self.table.take_limit_hits()
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.table.held_bytes()
    }

    /// Reads one representation (RFC 7541 §6). `told` has a bit for each fixed field that the block named.
    fn field(&mut self, rest: &mut &[u8], list: &mut List, told: &mut u64) -> Result<(), Malformed> {
        let Some(&kind) = rest.first() else { return Err(Malformed) };
        match kind {
            0x80.. => {
                let index = integer::read(rest, 7)?;
                self.indexed(index, list, told)
            }
            0x40.. => self.literal(rest, 6, true, list),
            0x20.. => {
                let size = integer::read(rest, 5)?;
                self.table.resize(size);
                Ok(())
            }
            // Never indexed (0x10) or only not now: to us the same.
            _ => self.literal(rest, 4, false, list),
        }
    }

    /// A field that is in a table. One that the block named before says nothing new.
    fn indexed(&mut self, index: u32, list: &mut List, told: &mut u64) -> Result<(), Malformed> {
        let index = (index as usize).checked_sub(1).ok_or(Malformed)?;
        match FIXED.get(index) {
            Some((name, value)) => {
                if *told & (1 << index) == 0 {
                    *told |= 1 << index;
                    list.push(name, value);
                }
            }
            None => match self.table.field(index.saturating_sub(FIXED.len()))? {
                table::Found::Field(name, value) => list.push(name, value),
                table::Found::Repeated => {}
                table::Found::Unknown => list.unknown = true,
            },
        }
        Ok(())
    }

    fn literal(&mut self, rest: &mut &[u8], prefix: u32, insert: bool, list: &mut List) -> Result<(), Malformed> {
        let index = integer::read(rest, prefix)?;
        let mark = list.mark();
        let mut unknown = None;
        match (index as usize).checked_sub(1) {
            None => string(rest, list)?,
            Some(index) => match FIXED.get(index) {
                Some((name, _)) => list.bytes.extend_from_slice(name),
                None => match self.table.name(index.saturating_sub(FIXED.len()))? {
                    Name::Known(name) => list.bytes.extend_from_slice(name),
                    Name::Unknown(length) => unknown = Some(Name::Unknown(length)),
                },
            },
        }
        let middle = list.mark();
        string(rest, list)?;
        if insert {
            let (name, value) = list.between(mark, middle);
            self.table.insert(unknown.unwrap_or(Name::Known(name)), value);
        }
        list.settle(mark, middle, unknown.is_none());
        Ok(())
    }
}

/// Reads a string (RFC 7541 §5.2) onto the end of the list.
fn string(rest: &mut &[u8], list: &mut List) -> Result<(), Malformed> {
    let huffman = rest.first().is_some_and(|b| b & 0x80 != 0);
    let length = integer::read(rest, 7)?;
    let (text, after) = rest.split_at_checked(length as usize).ok_or(Malformed)?;
    *rest = after;
    if huffman {
        huffman::decode(text, &mut list.bytes)
    } else {
        list.bytes.extend_from_slice(text);
        Ok(())
    }
}

/// Writes a string without a Huffman code, for tests.
#[cfg(test)]
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    loona_hpack::encoder::encode_integer_into(text.len(), 7, 0, &mut length).unwrap();
    [length, text.to_vec()].concat()
}
