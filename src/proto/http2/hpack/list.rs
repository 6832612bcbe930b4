//! Which fields does a message have, as far as they are kept? Names and values one behind the other in one
//! buffer.

use smallvec::SmallVec;

/// Size of all fields of a message that are kept, each with [`OVERHEAD`].
pub(in crate::proto::http2) const LIST_LIMIT: usize = 256 * 1024;

/// What a field counts beside its bytes (RFC 7541 §4.1, RFC 9113 §6.5.2).
pub(super) const OVERHEAD: usize = 32;

/// The fields of one message. (No `Debug`: they may be secrets.)
#[derive(Default)]
pub(in crate::proto::http2) struct List {
    /// Names and values; whoever decodes a field writes it here first.
    pub(super) bytes: Vec<u8>,
    fields: SmallVec<[Span; 32]>,
    size: usize,
    limit: usize,
    /// Some fields are left out: they are beyond the limit.
    pub(in crate::proto::http2) cut: bool,
    /// Some fields are not known: they refer to what was not seen.
    pub(in crate::proto::http2) unknown: bool,
}

/// Where a field lies.
#[derive(Clone, Copy)]
struct Span {
    name: u32,
    value: u32,
    end: u32,
}

/// A place in the buffer.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl List {
    /// Empties it, for fields of at most `limit`.
    pub(super) fn begin(&mut self, limit: usize) {
        self.bytes.clear();
        self.fields.clear();
        (self.size, self.limit) = (0, limit);
        (self.cut, self.unknown) = (false, false);
    }

    /// Size of the fields.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Adds a field, where it fits.
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) {
        if self.fits(name.len().saturating_add(value.len())) {
            let mark = self.mark();
            self.bytes.extend_from_slice(name);
            let middle = self.mark();
            self.bytes.extend_from_slice(value);
            self.settle(mark, middle, true);
        }
    }

    /// Where the next byte is written.
    pub(super) const fn mark(&self) -> Mark {
        Mark(self.bytes.len())
    }

    /// What was written from one place to the other, and from there on.
    pub(super) fn between(&self, mark: Mark, middle: Mark) -> (&[u8], &[u8]) {
        (self.bytes.get(mark.0..middle.0).unwrap_or_default(), self.bytes.get(middle.0..).unwrap_or_default())
    }

    /// Makes a field of what was written, or takes it back where its name is not known or it does not fit.
    pub(super) fn settle(&mut self, mark: Mark, middle: Mark, named: bool) {
        let end = self.mark();
        let length = end.0.saturating_sub(mark.0);
        self.unknown |= !named;
        if !named || !self.fits(length) {
            return self.bytes.truncate(mark.0);
        }
        self.size = self.size.saturating_add(length).saturating_add(OVERHEAD);
        // What fits is below 4 GiB by far.
        self.fields.push(Span { name: mark.0 as u32, value: middle.0 as u32, end: end.0 as u32 });
    }

    /// Names and values in order.
    pub(in crate::proto::http2) fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |from: u32, to: u32| self.bytes.get(from as usize..to as usize).unwrap_or_default();
        self.fields.iter().map(move |f| (part(f.name, f.value), part(f.value, f.end)))
    }

    fn fits(&mut self, length: usize) -> bool {
        let fits = self.size.saturating_add(length).saturating_add(OVERHEAD) <= self.limit;
        self.cut |= !fits;
        fits
    }
}
