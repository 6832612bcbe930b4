//! Which requests may a body hold from a server that does not know bodies?
//!
//! Small servers ignore Content-Length or Transfer-Encoding of methods they do not expect a body of,
//! and read what it holds as the next request. A file that holds requests, such as a log, looks the
//! same; so heads found in bodies are kept, and told only if the server answers one.

use super::head::HEAD_LIMIT;
use super::seeker::Seeker;
use super::side::Head;
use crate::base::time::Stamp;

/// Bytes of a body in which requests are looked for.
const LOOK_LIMIT: u64 = 8 * 1024;

/// Heads kept of one connection; of more, the latest are.
const HEADS_LIMIT: usize = 4;

/// What bodies of one connection hold.
#[derive(Default)]
pub(super) struct Hidden {
    seeker: Option<Seeker>,
    /// Offset up to which is looked.
    until: u64,
    heads: Vec<Held>,
}

/// A request head, whole.
pub(super) struct Held {
    pub(super) bytes: Vec<u8>,
    /// Where its first line ends.
    pub(super) line: usize,
    /// Frame of its first byte.
    pub(super) first: Stamp,
}

impl Hidden {
    /// A request's body begins at `from`.
    pub(super) fn body(&mut self, from: u64) {
        self.seeker = Some(Seeker::at(from));
        self.until = from.saturating_add(LOOK_LIMIT);
    }

    /// Whether the body is looked at now.
    pub(super) const fn is_reading(&self) -> bool {
        self.seeker.is_some()
    }

    /// Reads bytes of the body, which stand at `pos`.
    pub(super) fn read(&mut self, pos: u64, bytes: &[u8], at: Stamp) {
        let Some(seeker) = self.seeker.as_mut() else { return };
        let room = usize::try_from(self.until.saturating_sub(pos)).unwrap_or(usize::MAX);
        let heads = &mut self.heads;
        seeker.read(pos, bytes.get(..room).unwrap_or(bytes), at, |head| keep(heads, head));
        if pos.saturating_add(bytes.len() as u64) >= self.until {
            self.seeker = None;
        }
    }

    /// The body is over. Gives whether nothing is kept.
    pub(super) fn end_body(&mut self) -> bool {
        self.seeker = None;
        self.heads.is_empty()
    }

    /// The first head that is kept.
    pub(super) fn take(&mut self) -> Option<Held> {
        (!self.heads.is_empty()).then(|| self.heads.remove(0))
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let heads = self.heads.iter().map(|h| h.bytes.capacity().saturating_add(size_of::<Held>()));
        let seeker = self.seeker.as_ref().map_or(0, Seeker::held_bytes);
        heads.fold(size_of::<Self>().saturating_add(seeker), usize::saturating_add)
    }
}

fn keep(heads: &mut Vec<Held>, head: Head<'_>) {
    if head.whole && head.bytes.len() <= HEAD_LIMIT {
        if heads.len() >= HEADS_LIMIT {
            heads.remove(0);
        }
        heads.push(Held { line: head.line, first: head.first, bytes: head.bytes.into_owned() });
    }
}
