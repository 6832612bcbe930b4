//! What do the beginnings of bodies say? Holds those that are wanted, while their data comes in between that
//! of other streams.

use crate::flow::Direction;
use crate::proto::collect::Collect;

/// Bodies of one connection that are read at a time.
const BODY_LIMIT: usize = 4;

/// The bodies that are read.
#[derive(Default)]
pub(super) struct Bodies(Vec<Body>);

struct Body {
    dir: Direction,
    stream: u32,
    collect: Collect,
}

impl Bodies {
    /// Whether one more may be read.
    pub(super) const fn has_room(&self) -> bool {
        self.0.len() < BODY_LIMIT
    }

    /// Reads one more.
    pub(super) fn begin(&mut self, dir: Direction, stream: u32, collect: Collect) {
        self.0.push(Body { dir, stream, collect });
    }

    /// Whether the data of a stream is wanted.
    pub(super) fn wants(&self, dir: Direction, stream: u32) -> bool {
        self.0.iter().any(|b| (b.dir, b.stream) == (dir, stream))
    }

    /// More data. Gives the body when it is over or no more is wanted.
    pub(super) fn take(&mut self, dir: Direction, stream: u32, bytes: &[u8], ends: bool) -> Option<Collect> {
        let place = self.0.iter().position(|b| (b.dir, b.stream) == (dir, stream))?;
        let collect = &mut self.0.get_mut(place)?.collect;
        collect.take(bytes);
        collect.whole = ends && !collect.broken;
        if ends || collect.is_full() { self.remove(place) } else { None }
    }

    /// No more data of a stream comes, though there is some.
    pub(super) fn end(&mut self, dir: Direction, stream: u32) -> Option<Collect> {
        let place = self.0.iter().position(|b| (b.dir, b.stream) == (dir, stream))?;
        self.remove(place)
    }

    /// No more data of a direction comes: one of its bodies.
    pub(super) fn lose(&mut self, dir: Direction) -> Option<Collect> {
        let place = self.0.iter().position(|b| b.dir == dir)?;
        self.remove(place)
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let bodies = self.0.iter().map(|b| b.collect.held_bytes()).sum::<usize>();
        self.0.capacity().saturating_mul(size_of::<Body>()).saturating_add(bodies)
    }

    fn remove(&mut self, place: usize) -> Option<Collect> {
        let body = self.0.remove(place);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(body.collect)
    }
}
