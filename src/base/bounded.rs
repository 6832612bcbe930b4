//! How does a table stay small? A map in which the oldest entry makes room for a new one.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use foldhash::fast::FixedState;

/// A map of a bounded number of entries. Which one goes at the bound depends on the order of their
/// arrival alone; to change an entry does not make it younger.
#[derive(Debug)]
pub struct Bounded<K, V> {
    entries: HashMap<K, V, FixedState>,
    /// Keys by their arrival, the oldest first.
    order: VecDeque<K>,
    limit: usize,
    limit_hits: u64,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    /// Room for `limit` entries, at least one; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        let entries = HashMap::with_hasher(FixedState::with_seed(seed));
        Self { entries, order: VecDeque::new(), limit: limit.max(1), limit_hits: 0 }
    }

    /// The entry of `key`.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }

    /// The entry of `key`, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    /// Whether there is an entry of `key`.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// The entry of `key`, made where there is none; at the bound the oldest is forgotten for it.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.contains(&key) {
            self.make_room_for(&key);
        }
        self.entries.entry(key).or_insert_with(make)
    }

    /// Puts `value` in the place of the entry of `key`, or in a new one.
    pub fn insert(&mut self, key: K, value: V) {
        if !self.contains(&key) {
            self.make_room_for(&key);
        }
        self.entries.insert(key, value);
    }

    fn make_room_for(&mut self, key: &K) {
        if self.order.len() >= self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
            self.limit_hits += 1;
        }
        self.order.push_back(key.clone());
    }

    /// Entries forgotten at the bound.
    #[must_use]
    pub const fn limit_hits(&self) -> u64 {
        self.limit_hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut table = Bounded::new(2, 7);
        table.insert("a", 1);
        table.insert("b", 2);
        table.insert("a", 3);
        assert_eq!((table.get(&"a"), table.limit_hits()), (Some(&3), 0), "it is known already");
        *table.get_or_insert_with("c", || 4) += 1;
        assert!(!table.contains(&"a"), "to be changed made it no younger");
        assert_eq!((table.get(&"b"), table.get(&"c"), table.limit_hits()), (Some(&2), Some(&5), 1));
        assert_eq!(*table.get_or_insert_with("c", || 0), 5);
    }
}
