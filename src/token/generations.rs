//! How is something remembered that can be read again? By a keyed hash, for as long as it is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

/// Values by their keyed hashes, in two generations. When the young one is full, what was not asked for
/// since the last time that it was is forgotten.
pub(super) struct Generations<V: ?Sized> {
    limit: usize,
    young: HashMap<u128, Arc<V>, FixedState>,
    old: HashMap<u128, Arc<V>, FixedState>,
}

impl<V: ?Sized> Generations<V> {
    /// Each generation holds at most `limit` values.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, young: HashMap::default(), old: HashMap::default() }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }

    pub(super) fn get(&mut self, key: u128) -> Option<Arc<V>> {
        if let Some(value) = self.young.get(&key) {
            return Some(value.clone());
        }
        let value = self.old.remove(&key)?;
        self.put(key, value.clone());
        Some(value)
    }

    /// Whether others were forgotten for it.
    pub(super) fn put(&mut self, key: u128, value: Arc<V>) -> bool {
        let forgets = self.young.len() >= self.limit && self.turn();
        self.young.insert(key, value);
        forgets
    }

    /// The young generation becomes the old one. Whether another was forgotten for it.
    pub(super) fn turn(&mut self) -> bool {
        let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        !forgotten.is_empty()
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        const LIMIT: usize = 100;
        let mut values = Generations::new(LIMIT);
        values.put(u128::MAX, Arc::new(0));
        let mut forgets = 0;
        for n in 0..3 * LIMIT as u128 {
            forgets += u32::from(values.put(n, Arc::new(n)));
            assert!(values.get(u128::MAX).is_some());
            assert!(values.young.len() <= LIMIT && values.old.len() <= LIMIT);
        }
        assert!(values.get(0).is_none() && forgets >= 1);
        values.clear();
        assert_eq!(values.len(), 0);
    }
}
