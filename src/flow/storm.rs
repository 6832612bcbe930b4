//! Are both sides out of step? Acknowledgements that answer each other and carry nothing.

use std::time::Duration;

use super::Direction;
use super::stream::{Origin, Stream};
use crate::base::time::Timestamp;
use crate::packet::Segment;

/// So many turns make a storm,
const TURNS: u8 = 10;
/// within this time.
const SPAN: Duration = Duration::from_secs(1);

/// Turns taken since a side was first out of step.
pub(super) struct Storm {
    began: Timestamp,
    last: Direction,
    turns: u8,
}

impl Storm {
    /// An acknowledgement out of step.
    pub(super) fn begin(last: Direction, began: Timestamp) -> Self {
        Self { began, last, turns: 1 }
    }

    /// A further acknowledgement without data. True when it makes the storm.
    pub(super) fn hear(&mut self, dir: Direction) -> bool {
        let turned = self.last != dir;
        self.last = dir;
        self.turns = self.turns.saturating_add(u8::from(turned));
        turned && self.turns == TURNS
    }

    pub(super) fn is_past(&self, now: Timestamp) -> bool {
        now.since(self.began) >= SPAN
    }
}

/// Nothing but an acknowledgement.
pub(super) fn is_pure_ack(segment: &Segment<'_>) -> bool {
    let flags = segment.flags;
    segment.payload.is_empty() && segment.cut == 0 && flags.ack() && !(flags.syn() || flags.fin() || flags.rst())
}

/// Whether an acknowledgement is of another place than the sender has come to, or of bytes that the
/// other side never sent. (A probe is one byte behind its place.)
pub(super) fn is_out_of_step(segment: &Segment<'_>, own: &Stream, peer: &Stream) -> bool {
    let place = own.position(segment.seq);
    let elsewhere = own.origin == Origin::Known && ![own.sent(), own.sent() - 1, own.next].contains(&place);
    elsewhere || (peer.origin == Origin::Known && peer.position(segment.ack) > peer.sent())
}
