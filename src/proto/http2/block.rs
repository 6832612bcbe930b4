//! Where does a header block end? In the frame that begins it, or in a later CONTINUATION (RFC 9113 §6.10).

use crate::base::time::Stamp;

/// Bytes of a header block that are read.
pub(super) const BLOCK_LIMIT: usize = 256 * 1024;

/// What is known of a header block beside its bytes.
#[derive(Clone, Copy)]
pub(super) struct Opening {
    pub(super) stream: u32,
    /// No data follows.
    pub(super) is_last: bool,
    /// It is of a request that the server promises to have got.
    pub(super) is_promise: bool,
    /// Frame of the capture with its first byte.
    pub(super) first: Stamp,
}

/// A block that is not whole.
pub(super) struct Block {
    pub(super) opening: Opening,
    bytes: Vec<u8>,
    /// Its beginning is read already, and the rest is passed over.
    cut: bool,
}

/// What a further piece of a block came to.
pub(super) enum Grown {
    /// It is not whole.
    More,
    /// It is not whole, and may not grow: its beginning is to be read now.
    Full(Vec<u8>),
    /// It is whole.
    Whole(Vec<u8>),
    /// It is over, and its beginning was read.
    Over,
}

impl Block {
    /// A block that begins with these bytes.
    pub(super) fn new(opening: Opening, bytes: &[u8]) -> Self {
        Self { opening, bytes: bytes.to_vec(), cut: false }
    }

    /// A block that is passed over up to its end.
    pub(super) const fn passed_over(opening: Opening) -> Self {
        Self { opening, bytes: Vec::new(), cut: true }
    }

    /// Takes the next piece, `whole` unless bytes of it are missing; `ends` when no further one follows.
    pub(super) fn grow(&mut self, piece: &[u8], whole: bool, ends: bool) -> Grown {
        if self.cut {
            return if ends { Grown::Over } else { Grown::More };
        }
        let room = BLOCK_LIMIT.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.cut = !whole || piece.len() > room;
        match (self.cut, ends) {
            (true, _) => Grown::Full(std::mem::take(&mut self.bytes)),
            (false, true) => Grown::Whole(std::mem::take(&mut self.bytes)),
            (false, false) => Grown::More,
        }
    }

    /// The bytes so far, unless they were read already.
    pub(super) fn unread(self) -> Option<Vec<u8>> {
        (!self.cut).then_some(self.bytes)
    }

    /// Heap bytes held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
