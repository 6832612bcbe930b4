//! Which request heads lie in bytes that are no part of the conversation? Reads rival copies of
//! bytes, and bodies that a server may not know to be bodies.

use super::framing::Framing;
use super::line::Expect;
use super::side::{Found, Head, Side, Then};
use crate::base::time::Stamp;

/// Reads whole request heads that begin with a line of their own, in their complete form.
pub(in crate::proto) struct Seeker {
    side: Side,
    /// Bytes read.
    read: u64,
}

/// Bytes after which a seeker has seen enough.
const READ_LIMIT: u64 = 128 * 1024;

impl Seeker {
    /// Whoever reads from a stream's `offset` on; the bytes there may be in the middle of a line.
    pub(in crate::proto) fn at(offset: u64) -> Self {
        Self { side: Side::searching(offset), read: 0 }
    }

    /// Reads bytes that stand at `offset`, as far as they are new. Heads that they complete go to `found`.
    pub(in crate::proto) fn read(&mut self, offset: u64, bytes: &[u8], at: Stamp, mut found: impl FnMut(Head<'_>)) {
        let (seen, cut) = self.side.arrive(offset);
        cut.into_iter().for_each(&mut found);
        let (mut used, mut idle) = (seen, 0);
        self.read = self.read.saturating_add(bytes.len() as u64);
        while let Some(rest @ [_, ..]) = bytes.get(used..)
            && idle < 8
        {
            let (n, what) = self.side.next(rest, at, Expect::Request);
            used = used.saturating_add(n);
            idle = if n == 0 { idle + 1 } else { 0 };
            if let Found::Head(head) = what {
                found(head);
                self.side.follow(Then::Framed(Framing::UNKNOWN));
            }
        }
    }

    /// The head that never came to its end, as far as it came.
    pub(in crate::proto) fn unfinished(&mut self) -> Option<Head<'static>> {
        self.side.unfinished()
    }

    /// Whether a head is waiting for its rest.
    pub(in crate::proto) const fn is_waiting(&self) -> bool {
        self.side.holds_head() && self.read < READ_LIMIT
    }

    /// Heap bytes held.
    pub(in crate::proto) fn held_bytes(&self) -> usize {
        self.side.held_bytes()
    }
}
