//! Which requests count on a connection that was joined in the middle?
//!
//! The first bytes seen may lie inside a body, and a body may hold requests: a log, say. So after bytes that
//! are no message a request is kept back until the server answers it, and it alone.

use super::head::HEAD_LIMIT;
use super::hidden::Held;
use super::side::Head;
use crate::flow::Direction;
use crate::proto::conversation::of;

/// What is doubtful about a connection, until the server has answered a request.
#[derive(Default)]
pub(super) struct Late {
    sides: [Joined; 2],
    /// The next head begins with a segment.
    pub(super) at_segment: bool,
}

/// A direction that was joined in the middle.
#[derive(Default)]
struct Joined {
    late: bool,
    /// Bytes came that are no message, and no answer since.
    text: bool,
    /// Requests found after them.
    found: u32,
    /// The latest, while nothing but its body follows.
    held: Option<Held>,
}

impl Late {
    /// A direction was joined in the middle.
    pub(super) fn join(&mut self, dir: Direction) {
        *of(&mut self.sides, dir) = Joined { late: true, ..Joined::default() };
    }

    /// Bytes of this direction are no message: requests beside them may be part of a body.
    pub(super) fn saw_text(&mut self, dir: Direction) {
        let side = of(&mut self.sides, dir);
        side.text = side.late;
        side.held = None;
    }

    /// Whether a request of this direction would be doubtful.
    pub(super) fn doubts(&self, dir: Direction) -> bool {
        self.sides.get(dir.index()).is_some_and(|side| side.text)
    }

    /// Keeps a doubtful request back.
    pub(super) fn hold(&mut self, dir: Direction, head: &Head<'_>) {
        let at_segment = self.at_segment;
        let side = of(&mut self.sides, dir);
        side.found = side.found.saturating_add(1);
        let keep = at_segment && head.whole && head.bytes.len() <= HEAD_LIMIT;
        side.held = keep.then(|| Held { line: head.line, first: head.first, bytes: head.bytes.to_vec() });
    }

    /// The server has answered what this direction said, or will not any more: the request that it said, if
    /// it was one alone.
    pub(super) fn settle(&mut self, dir: Direction) -> Option<Held> {
        let side = of(&mut self.sides, dir);
        side.text = false;
        let alone = std::mem::take(&mut side.found) == 1;
        side.held.take().filter(|_| alone)
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let held = self.sides.iter().filter_map(|side| side.held.as_ref());
        held.map(|held| held.bytes.capacity()).fold(size_of::<Self>(), usize::saturating_add)
    }
}
