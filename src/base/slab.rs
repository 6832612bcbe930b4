//! Where are many entries of one kind kept? In slots, of which groups never move: they grow in number
//! without being copied, and without room for twice as many.

use super::prefetch::prefetch;

/// Slots of a group.
const GROUP: usize = 256;

/// Entries by slot. Slots are handed out one after the other and reused, the one freed last first.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    groups: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    /// Slots handed out so far, the free ones included.
    used: u32,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { groups: Vec::new(), free: Vec::new(), used: 0 }
    }

    /// Entries held.
    pub(crate) const fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    /// Slots handed out so far; all entries are in slots below this number.
    pub(crate) const fn slots(&self) -> usize {
        self.used as usize
    }

    /// Asks for the first `lines` cache lines of a slot.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32, lines: usize) {
        let slot = slot as usize;
        if let Some(place) = self.groups.get(slot / GROUP).and_then(|group| group.get(slot % GROUP)) {
            prefetch(place, lines);
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let slot = slot as usize;
        self.groups.get(slot / GROUP)?.get(slot % GROUP)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.place(slot)?.as_mut()
    }

    /// Puts an entry into a free slot.
    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.place(slot) {
                *place = Some(entry);
            }
            return slot;
        }
        let slot = self.used;
        self.used += 1;
        match self.groups.last_mut().filter(|group| group.len() < GROUP) {
            Some(group) => group.push(Some(entry)),
            None => {
                let mut group = Vec::with_capacity(GROUP);
                group.push(Some(entry));
                self.groups.push(group);
            }
        }
        slot
    }

    /// Takes an entry out; its slot is free.
    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let entry = self.place(slot)?.take()?;
        self.free.push(slot);
        Some(entry)
    }

    /// Every entry with its slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.groups.iter().flatten()).filter_map(|(slot, entry)| Some((slot, entry.as_ref()?)))
    }

    #[inline]
    fn place(&mut self, slot: u32) -> Option<&mut Option<T>> {
        let slot = slot as usize;
        self.groups.get_mut(slot / GROUP)?.get_mut(slot % GROUP)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_map(ops in proptest::collection::vec(proptest::option::weighted(0.3, 0_u32..900), 0..2000)) {
            let mut slab = Slab::new();
            let mut model = BTreeMap::new();
            for (value, op) in ops.into_iter().enumerate() {
                match op {
                    None => {
                        let slot = slab.insert(value);
                        prop_assert!(model.insert(slot, value).is_none());
                    }
                    Some(slot) => prop_assert_eq!(slab.remove(slot), model.remove(&slot)),
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            prop_assert_eq!(slab.iter().map(|(slot, value)| (slot, *value)).collect::<BTreeMap<_, _>>(), model.clone());
            for slot in 0..1000 {
                prop_assert_eq!(slab.get(slot), model.get(&slot));
                prop_assert_eq!(slab.get_mut(slot).copied(), model.get(&slot).copied());
            }
        }
    }
}
