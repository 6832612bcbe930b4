//! What does the beginning of a body say? Holds it, while it is wanted, without chunk framing.

use zeroize::Zeroizing;

/// The wanted beginning of a body. It may hold a password: it is wiped when dropped.
pub(super) struct Collect {
    /// Of which request, or of the reply to which.
    pub(super) ordinal: u32,
    wanted: usize,
    /// The bytes so far.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// The body has ended.
    pub(super) whole: bool,
    /// Bytes are missing, or more than wanted came: nothing is added any more.
    pub(super) broken: bool,
}

impl Collect {
    /// Nothing yet of at most `wanted` bytes of a body; `length` when that is known.
    pub(super) fn new(ordinal: u32, wanted: usize, length: Option<u64>) -> Self {
        // Sized before it is filled: a buffer that grows leaves copies behind.
        let size = length.map_or(wanted, |n| usize::try_from(n).unwrap_or(wanted).min(wanted));
        Self { ordinal, wanted, bytes: Zeroizing::new(Vec::with_capacity(size)), whole: false, broken: false }
    }

    /// More of the body.
    pub(super) fn take(&mut self, data: &[u8]) {
        let room = self.wanted.saturating_sub(self.bytes.len());
        self.broken |= data.len() > room;
        self.bytes.extend_from_slice(data.get(..room).unwrap_or(data));
    }

    /// Whether no more is wanted.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= self.wanted
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}
