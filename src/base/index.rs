//! In which slot is an entry? An open-addressing index from hash to slot.
//!
//! The keys stay in the entries, so an index entry is 8 bytes and a lookup costs one cache
//! miss here and one in the entry.

use super::prefetch::prefetch;

/// Marks an empty place.
const EMPTY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    slot: u32,
}

/// Hash → slot, linear probing, at most 7/8 full, deletion by shifting back.
#[derive(Debug)]
pub(crate) struct Index {
    places: Vec<Place>,
    mask: usize,
    len: usize,
}

impl Index {
    /// Memory for one entry, about: the table is between half and almost full.
    pub(crate) const BYTES_PER_ENTRY: usize = size_of::<Place>() * 2;

    pub(crate) fn new() -> Self {
        Self::with_places(64)
    }

    /// `n` must be a power of two.
    fn with_places(n: usize) -> Self {
        Self { places: vec![Place { hash: 0, slot: EMPTY }; n], mask: n - 1, len: 0 }
    }

    /// Asks for the memory in which [`Index::find`] will look.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u32) {
        if let Some(place) = self.places.get(hash as usize & self.mask) {
            prefetch(place, 1);
        }
    }

    /// The first slot filed under `hash` for which `is_it` holds.
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = hash as usize & self.mask;
        loop {
            let place = self.places.get(at)?;
            if place.slot == EMPTY {
                return None;
            }
            if place.hash == hash && is_it(place.slot) {
                return Some(place.slot);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Files `slot` under `hash`.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        if (self.len + 1) * 8 > self.places.len() * 7 {
            let mut larger = Self::with_places(self.places.len() * 2);
            for place in self.places.iter().filter(|p| p.slot != EMPTY) {
                larger.put(*place);
            }
            *self = larger;
        }
        self.put(Place { hash, slot });
    }

    fn put(&mut self, new: Place) {
        let mut at = new.hash as usize & self.mask;
        while let Some(place) = self.places.get_mut(at) {
            if place.slot == EMPTY {
                *place = new;
                self.len += 1;
                return;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Takes `slot` out; it must have been filed under `hash`.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        let mut hole = hash as usize & self.mask;
        while self.places.get(hole).is_some_and(|p| p.slot != slot) {
            if self.places.get(hole).is_none_or(|p| p.slot == EMPTY) {
                return;
            }
            hole = (hole + 1) & self.mask;
        }
        self.len -= 1;
        // Whoever was pushed past the hole by it moves back into it.
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let Some(&place) = self.places.get(at) else { return };
            if place.slot == EMPTY {
                break;
            }
            let home = place.hash as usize & self.mask;
            let travelled = at.wrapping_sub(home) & self.mask;
            if travelled >= (at.wrapping_sub(hole) & self.mask) {
                self.places.get_mut(hole).into_iter().for_each(|p| *p = place);
                hole = at;
            }
        }
        self.places.get_mut(hole).into_iter().for_each(|p| p.slot = EMPTY);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in proptest::collection::vec((0u32..300, any::<bool>(), 0u32..40), 0..2000)) {
            let mut index = Index::new();
            let mut model: HashMap<u32, u32> = HashMap::new();
            for (slot, add, spread) in ops {
                // Few different hashes, some at the end of the table: long runs that wrap.
                let hash = (slot / 4).wrapping_mul(spread % 2 + 61);
                if add && !model.contains_key(&slot) {
                    index.insert(hash, slot);
                    model.insert(slot, hash);
                } else if let Some(hash) = model.remove(&slot) {
                    index.remove(hash, slot);
                }
                prop_assert_eq!(index.len, model.len());
            }
            for slot in 0..300 {
                let found = model.get(&slot).and_then(|&hash| index.find(hash, |s| s == slot));
                prop_assert_eq!(found, model.contains_key(&slot).then_some(slot));
            }
        }
    }
}
