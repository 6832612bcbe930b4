//! Which requests count on a connection that was joined in the middle?
//!
//! The first bytes seen may lie inside a body, and a body may hold requests: a log, say. So after bytes that
//! are no message requests are kept back until the server has answered as often as it would have if they
//! were requests: an upload is answered once, whatever is in it.

use smallvec::SmallVec;

use super::head::HEAD_LIMIT;
use super::hidden::Held;
use super::side::Head;
use crate::flow::Direction;
use crate::proto::conversation::of;

/// Requests kept back of one direction, [`HEAD_LIMIT`] bytes in all; of more the first ones are told.
const HELD: usize = 8;

/// What is doubtful about a connection, until the server has answered a request that was told.
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
    /// The latest bytes are none.
    in_text: bool,
    /// Answers that are due if the requests kept back are requests: one each, and one for text behind them,
    /// or right before the first in its segment.
    due: u32,
    /// Answers since, to nothing that was told.
    answers: u32,
    held: SmallVec<[Held; 1]>,
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
        if side.due > 0 && !side.in_text {
            side.due = side.due.saturating_add(1);
        }
        side.in_text = true;
    }

    /// Whether a request of this direction would be doubtful.
    pub(super) fn doubts(&self, dir: Direction) -> bool {
        self.sides.get(dir.index()).is_some_and(|side| side.text)
    }

    /// Keeps a doubtful request back; false where there is no room for it.
    pub(super) fn hold(&mut self, dir: Direction, head: &Head<'_>) -> bool {
        let at_segment = self.at_segment;
        let side = of(&mut self.sides, dir);
        let behind_text = side.due == 0 && !at_segment;
        side.due = side.due.saturating_add(1 + u32::from(behind_text));
        side.in_text = false;
        let held: usize = side.held.iter().map(|held| held.bytes.len()).sum();
        let has_room = side.held.len() < HELD && held.saturating_add(head.bytes.len()) <= HEAD_LIMIT;
        if has_room && head.whole {
            side.held.push(Held { line: head.line, first: head.first, bytes: head.bytes.to_vec() });
        }
        has_room
    }

    /// The server has answered what this direction said, which may be nothing that was told: the requests
    /// that were kept back, once all of them are answered.
    pub(super) fn answered(&mut self, dir: Direction) -> SmallVec<[Held; 1]> {
        let side = of(&mut self.sides, dir);
        side.text = false;
        side.answers = side.answers.saturating_add(1);
        if side.answers < side.due { SmallVec::new() } else { side.settle() }
    }

    /// A request of this direction is told: answers from here on are to it.
    pub(super) fn told(&mut self, dir: Direction) {
        of(&mut self.sides, dir).settle();
    }

    /// Nothing more comes: a request that was kept back, if it is one alone.
    pub(super) fn over(&mut self, dir: Direction) -> SmallVec<[Held; 1]> {
        let side = of(&mut self.sides, dir);
        if side.due == 1 { side.settle() } else { SmallVec::new() }
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let spilled = |side: &Joined| if side.held.spilled() { side.held.capacity() * size_of::<Held>() } else { 0 };
        let heads = self.sides.iter().flat_map(|side| &side.held).map(|held| held.bytes.capacity());
        heads.chain(self.sides.iter().map(spilled)).fold(size_of::<Self>(), usize::saturating_add)
    }
}

impl Joined {
    /// Gives the requests that were kept back, and counts anew.
    fn settle(&mut self) -> SmallVec<[Held; 1]> {
        (self.due, self.answers) = (0, 0);
        std::mem::take(&mut self.held)
    }
}
