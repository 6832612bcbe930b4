//! Could a name be one of those that rules know? Its first letter and its length tell most that are not,
//! before anything is hashed.

/// Lengths from here on count as one.
const LONG: usize = 63;

/// First letters and lengths of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    /// For each first letter (lower 5 bits: without its case) a bit for each length.
    lengths: [u64; 32],
}

impl Shapes {
    pub(super) fn add(&mut self, name: &[u8]) {
        if let Some(bits) = self.lengths.get_mut(slot(name.first())) {
            *bits |= bit(name.len());
        }
    }

    /// False where no name that was added fits.
    #[inline]
    pub(super) fn may_fit(&self, name: &[u8]) -> bool {
        self.lengths.get(slot(name.first())).is_some_and(|bits| bits & bit(name.len()) != 0)
    }
}

fn slot(first: Option<&u8>) -> usize {
    usize::from(first.copied().unwrap_or_default() & 31)
}

fn bit(len: usize) -> u64 {
    1 << len.min(LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_may_fit_and_little_else() {
        let mut shapes = Shapes::default();
        shapes.add(b"sid");
        shapes.add(&[b'x'; 200]);
        for name in [&b"sid"[..], b"SID", b"sum", &[b'X'; 100]] {
            assert!(shapes.may_fit(name));
        }
        for name in [&b""[..], b"si", b"aid", b"side", &[b'x'; 62]] {
            assert!(!shapes.may_fit(name));
        }
    }
}
