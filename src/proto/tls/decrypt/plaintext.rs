//! What came out? Application data of both directions, in order, and how much of it is missing.

use smallvec::SmallVec;

use crate::flow::Direction;

/// One part of what came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proto) enum Part {
    /// So many bytes of a direction.
    Data(Direction, usize),
    /// About so many bytes of a direction are missing.
    Gap(Direction, u64),
}

/// What came out of some records. (No `Debug`: nobody else may see it.)
#[derive(Default)]
pub(in crate::proto) struct Plaintext {
    bytes: Vec<u8>,
    parts: SmallVec<[Part; 4]>,
}

impl Plaintext {
    /// Adds application data.
    pub(super) fn push(&mut self, dir: Direction, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        match self.parts.last_mut() {
            Some(Part::Data(of, len)) if *of == dir => *len = len.saturating_add(data.len()),
            _ => self.parts.push(Part::Data(dir, data.len())),
        }
    }

    /// Adds a hole.
    pub(super) fn gap(&mut self, dir: Direction, len: u64) {
        self.parts.push(Part::Gap(dir, len));
    }

    /// The parts, with their bytes.
    pub(in crate::proto) fn parts(&self) -> impl Iterator<Item = (Part, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.parts.iter().map(move |part| {
            let len = if let Part::Data(_, len) = part { *len } else { 0 };
            let (bytes, behind) = rest.split_at_checked(len).unwrap_or_default();
            rest = behind;
            (*part, bytes)
        })
    }
}
