//! Which requests wait for their replies? Replies come in any order, by stream.

use std::collections::VecDeque;

/// Requests that may wait on one connection.
pub(super) const STREAM_LIMIT: usize = 1024;

/// Requests that wait although their client has called them off: the reply may be under way.
const CALLED_OFF_LIMIT: usize = 32;

/// The unanswered requests of a connection.
#[derive(Default)]
pub(super) struct Streams {
    /// Their streams, in rising order.
    open: Vec<u32>,
    called_off: VecDeque<u32>,
    /// The highest stream of any request.
    latest: u32,
}

impl Streams {
    /// Of a connection of which the first request came by HTTP/1 and is stream 1 (RFC 7540 §3.2).
    pub(super) fn upgraded() -> Self {
        Self { open: vec![1], latest: 1, ..Self::default() }
    }

    /// Whether a request may begin this stream: a client counts its streams up.
    pub(super) const fn may_begin(&self, stream: u32) -> bool {
        stream > self.latest
    }

    /// The highest stream of any request.
    pub(super) const fn latest(&self) -> u32 {
        self.latest
    }

    /// A request was read. Gives the one that is forgotten for it, at the limit.
    pub(super) fn ask(&mut self, stream: u32) -> Option<u32> {
        let oldest = (self.open.len() >= STREAM_LIMIT).then(|| self.open.remove(0));
        self.open.push(stream);
        self.latest = stream;
        oldest
    }

    /// Whether the request of this stream waited; it does no longer.
    pub(super) fn close(&mut self, stream: u32) -> bool {
        let place = self.open.binary_search(&stream);
        if let Ok(place) = place {
            self.open.remove(place);
        }
        if self.open.is_empty() {
            *self = Self { latest: self.latest, ..Self::default() };
        }
        place.is_ok()
    }

    /// The client wants no reply any more. Gives the stream that waited longest since then, when those are
    /// too many.
    pub(super) fn call_off(&mut self, stream: u32) -> Option<u32> {
        if self.open.binary_search(&stream).is_ok() {
            self.called_off.push_back(stream);
        }
        if self.called_off.len() > CALLED_OFF_LIMIT { self.called_off.pop_front() } else { None }
    }

    /// The server takes up no stream after `last`: one of those that wait behind it, the highest first.
    pub(super) fn beyond(&self, last: u32) -> Option<u32> {
        self.open.last().copied().filter(|stream| *stream > last)
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.open.capacity().saturating_add(self.called_off.capacity()).saturating_mul(size_of::<u32>())
    }
}
