//! Where else might the next message begin? Looks for a first line at the other plausible ends of
//! messages whose framing is ambiguous, beside the reading that is followed.

use super::framing::Lengths;
use super::line::{Beginning, Expect, Rigour, begins};
use crate::base::time::Stamp;
use crate::proto::Ambiguity;

/// Longest first line that is found inside a body, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// Ends that are watched for at once; further ones are not.
const ENDS_LIMIT: usize = 16;

/// Lines that are read at once; of more, the latest are.
const LINES_LIMIT: usize = 8;

/// What is kept of other readings. They outlast the message that gave rise to them: where the reading
/// that is followed proves wrong, the other ends are as plausible as before.
#[derive(Default)]
pub(super) struct Watch {
    /// Ascending stream offsets at which the next message may begin.
    ends: Vec<u64>,
    /// It may begin with any line of the body that is passed over.
    anywhere: bool,
    /// Lines, each begun later than the one before it, that may be the first line of a message.
    /// All of them end at the same LF.
    lines: Vec<Line>,
    /// Offset up to which bytes were looked at.
    seen: u64,
    /// What is told when a message is found.
    kind: Option<Ambiguity>,
    /// The reading that is followed has failed, which counts only if the others do, too.
    failed: bool,
}

/// The beginning of a line that may still be a first line.
#[derive(Default)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) first: Stamp,
    beginning: Beginning,
}

/// What a look came to.
pub(super) struct Look {
    /// So many bytes may be read by the reading that is followed before the next look.
    pub(super) shown: usize,
    /// The first line of a message is complete with them.
    pub(super) found: Option<Line>,
}

impl Watch {
    /// The message that begins at `from` may end after any of these lengths, too.
    pub(super) fn add(&mut self, from: u64, lengths: &Lengths, kind: Option<Ambiguity>) {
        for end in lengths.iter().map(|n| n.saturating_add(from)) {
            if let Err(at) = self.ends.binary_search(&end)
                && self.ends.len() < ENDS_LIMIT
            {
                self.ends.insert(at, end);
            }
        }
        self.kind = kind;
    }

    /// From here on any line of the body may begin a message.
    pub(super) const fn anywhere(&mut self, any: bool) {
        self.anywhere = any;
    }

    /// What is told when a message is found.
    pub(super) const fn kind(&self) -> Option<Ambiguity> {
        self.kind
    }

    /// Starts a line with the next byte.
    pub(super) fn start(&mut self) {
        if self.lines.len() >= LINES_LIMIT {
            self.lines.remove(0);
        }
        self.lines.push(Line::default());
    }

    /// Looks at the beginning of `rest`, which stands at `pos`; a message that is `due` there anyway
    /// needs no watching for.
    pub(super) fn look(&mut self, pos: u64, rest: &[u8], at: Stamp, expect: Expect, due: bool) -> Look {
        if pos < self.seen {
            let shown = usize::try_from(self.seen.saturating_sub(pos)).unwrap_or(usize::MAX).min(rest.len());
            return Look { shown, found: None };
        }
        if self.ends.contains(&pos) && !due {
            self.start();
        }
        self.ends.retain(|end| *end > pos);
        let until = self.ends.first().and_then(|end| usize::try_from(end.saturating_sub(pos)).ok());
        let mut shown = until.map_or(rest.len(), |n| n.min(rest.len()));
        let mut found = None;
        if self.is_reading() {
            // Up to the end of the line and that end itself are looked at apart, so that both
            // readings see the same bytes, however they are cut.
            let lf = rest.get(..shown).and_then(|r| memchr::memchr(b'\n', r));
            shown = lf.map_or(shown, |n| n.max(1));
            found = self.read(rest.get(..shown).unwrap_or(rest), at, expect);
            if lf == Some(0) && self.anywhere {
                self.start();
            }
        }
        self.seen = pos.saturating_add(shown as u64);
        Look { shown, found }
    }

    /// Bytes are missing up to `pos`.
    pub(super) fn jump(&mut self, pos: u64) {
        self.lines.clear();
        self.ends.retain(|end| *end >= pos);
    }

    /// The reading that is followed has failed. Gives whether another one may still be right.
    pub(super) const fn fail(&mut self) -> bool {
        self.failed = !self.lines.is_empty();
        self.failed
    }

    /// Whether all readings have failed since that was asked last.
    pub(super) const fn take_failure(&mut self) -> bool {
        self.lines.is_empty() && std::mem::replace(&mut self.failed, false)
    }

    /// Whether every byte matters now.
    pub(super) const fn is_reading(&self) -> bool {
        self.anywhere || !self.lines.is_empty()
    }

    /// Whether there is nothing to watch for.
    pub(super) const fn is_over(&self) -> bool {
        self.ends.is_empty() && !self.is_reading()
    }

    /// The next offset that matters.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.ends.first().copied()
    }

    /// The last plausible end.
    pub(super) fn last_end(&self) -> Option<u64> {
        self.ends.last().copied()
    }

    /// Reads on; `piece` ends with the lines' LF or holds none. Gives the line that is complete and
    /// the first line of a message.
    fn read(&mut self, piece: &[u8], at: Stamp, expect: Expect) -> Option<Line> {
        self.lines.retain_mut(|line| {
            line.beginning.go_on(piece);
            if !line.beginning.may_begin(expect, Rigour::Strict) {
                return false; // most lines go without being copied
            }
            if line.bytes.is_empty() {
                line.first = at;
            }
            line.bytes.extend_from_slice(piece);
            line.bytes.len() <= LINE_LIMIT
        });
        if !piece.ends_with(b"\n") {
            return None;
        }
        let whole = |line: &Line| line.bytes.strip_suffix(b"\n").is_some_and(|l| begins(l, expect, Rigour::Strict));
        let found = std::mem::take(&mut self.lines).into_iter().rfind(whole);
        self.failed &= found.is_none();
        found
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let lines = self.lines.iter().map(|l| l.bytes.capacity().saturating_add(size_of::<Line>()));
        lines.fold(self.ends.capacity().saturating_mul(size_of::<u64>()), usize::saturating_add)
    }
}
