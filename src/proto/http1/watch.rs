//! Where else might the next message begin? Looks for a first line at the other plausible ends of a
//! body whose framing is ambiguous, while the body is passed over.

use super::framing::Lengths;
use super::line::{Expect, Rigour, begins, may_begin};
use crate::base::time::Stamp;

/// Longest first line that is found inside a body, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// What the watch on a body keeps.
#[derive(Default)]
pub(super) struct Watch {
    /// Ascending stream offsets at which the next message may begin.
    ends: Lengths,
    /// Lines, each begun later than the one before it, that may be the first line of a message.
    /// All of them end at the same LF.
    lines: Vec<Line>,
}

/// The beginning of a line that may still be a first line.
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) first: Stamp,
}

impl Watch {
    /// For a body that begins at `from` and may end after any of these lengths.
    pub(super) fn new(from: u64, lengths: Lengths) -> Self {
        let mut ends = lengths;
        ends.iter_mut().for_each(|n| *n = n.saturating_add(from));
        Self { ends, lines: Vec::new() }
    }

    /// The stream has come to `pos`: starts a line where the body may have ended.
    pub(super) fn arrive(&mut self, pos: u64, at: Stamp) {
        if self.ends.contains(&pos) {
            self.start(at);
        }
        self.ends.retain(|end| *end > pos);
    }

    /// Starts a line here.
    pub(super) fn start(&mut self, at: Stamp) {
        self.lines.push(Line { bytes: Vec::new(), first: at });
    }

    /// Bytes are missing up to `pos`.
    pub(super) fn jump(&mut self, pos: u64) {
        self.lines.clear();
        self.ends.retain(|end| *end >= pos);
    }

    /// Whether every byte matters now.
    pub(super) const fn is_reading(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The next offset that matters.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.ends.first().copied()
    }

    /// The last plausible end.
    pub(super) fn last_end(&self) -> Option<u64> {
        self.ends.last().copied()
    }

    /// Takes the oldest line that is still undecided.
    pub(super) fn take_line(&mut self) -> Option<Line> {
        std::mem::take(&mut self.lines).into_iter().next()
    }

    /// Reads on; `piece` ends with the lines' LF or holds none. Gives the line that is complete and
    /// the first line of a message.
    pub(super) fn read(&mut self, piece: &[u8], expect: Expect) -> Option<Line> {
        self.lines.retain_mut(|line| {
            if line.bytes.is_empty() && !may_begin(piece, expect, Rigour::Strict) {
                return false; // most lines go without being copied
            }
            line.bytes.extend_from_slice(piece);
            line.bytes.len() <= LINE_LIMIT && may_begin(&line.bytes, expect, Rigour::Strict)
        });
        if !piece.ends_with(b"\n") {
            return None;
        }
        let whole = |line: &Line| line.bytes.strip_suffix(b"\n").is_some_and(|l| begins(l, expect, Rigour::Strict));
        std::mem::take(&mut self.lines).into_iter().rfind(whole)
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let lines = self.lines.iter().map(|l| l.bytes.capacity().saturating_add(size_of::<Line>()));
        lines.fold(size_of::<Self>(), usize::saturating_add)
    }
}
