//! Which session does a token ref lead to? Rotated values and alternative refs are aliases of the
//! session's first ref.

use super::session::Session;
use crate::base::ids::TokenRef;
use crate::base::index::Index;
use crate::base::slab::Slab;

/// Bytes that a ref costs besides the session that it leads to.
pub const ENTRY_BYTES: u64 = Index::BYTES_PER_ENTRY as u64;

/// All sessions, and which refs lead to them. Sessions lie side by side, and the refs are only in them:
/// to find one costs one look into the index and one at the session.
#[derive(Debug)]
pub struct Lineage {
    sessions: Slab<Session>,
    /// Slots of sessions by their refs.
    index: Index,
}

impl Default for Lineage {
    fn default() -> Self {
        Self { sessions: Slab::new(), index: Index::new() }
    }
}

/// A ref's own bytes. Refs are keyed digests: uniform already, and not to be chosen by whoever sends a token.
const fn hash(token: TokenRef) -> u32 {
    let [a, b, c, d, ..] = token.0;
    u32::from_le_bytes([a, b, c, d])
}

impl Lineage {
    fn slot(&self, token: TokenRef) -> Option<u32> {
        let leads_here = |session: &Session| session.id == token || session.aliases().contains(&token);
        self.index.find(hash(token), |slot| self.sessions.get(slot).is_some_and(leads_here))
    }

    /// The slot of the session `id`: aliases lead nowhere here.
    fn slot_of(&self, id: TokenRef) -> Option<u32> {
        self.index.find(hash(id), |slot| self.sessions.get(slot).is_some_and(|session| session.id == id))
    }

    /// Id of the session that `token` leads to.
    #[must_use]
    pub fn resolve(&self, token: TokenRef) -> Option<TokenRef> {
        self.id_at(self.slot(token)?)
    }

    /// The session in a slot.
    #[must_use]
    pub fn at(&self, slot: u32) -> Option<&Session> {
        self.sessions.get(slot)
    }

    /// Its id.
    #[must_use]
    pub fn id_at(&self, slot: u32) -> Option<TokenRef> {
        Some(self.at(slot)?.id)
    }

    /// Whether `id` is a session.
    #[must_use]
    pub fn is_session(&self, id: TokenRef) -> bool {
        self.slot_of(id).is_some()
    }

    /// Puts a session, to whose id nothing leads yet, into a slot.
    pub fn insert(&mut self, session: Session) -> u32 {
        let hash = hash(session.id);
        let slot = self.sessions.insert(session);
        self.index.insert(hash, slot);
        slot
    }

    /// Makes `token` lead to session `id`, which lists it among its aliases, or will. A ref that is a
    /// session of its own stays one.
    pub fn alias(&mut self, token: TokenRef, id: TokenRef) -> bool {
        if let Some(known) = self.resolve(token) {
            return known == id;
        }
        let Some(slot) = self.slot_of(id) else { return false };
        self.index.insert(hash(token), slot);
        true
    }

    /// Forgets an alias of session `id`.
    pub fn unalias(&mut self, token: TokenRef, id: TokenRef) {
        if let Some(slot) = self.slot_of(id).filter(|_| token != id) {
            self.index.remove(hash(token), slot);
        }
    }

    /// Takes a session out, with its aliases.
    pub fn remove(&mut self, id: TokenRef) -> Option<Session> {
        let slot = self.slot_of(id)?;
        let session = self.sessions.remove(slot)?;
        for token in session.aliases().iter().chain([&id]) {
            self.index.remove(hash(*token), slot);
        }
        Some(session)
    }

    /// Reads a session by its id.
    #[must_use]
    pub fn read<T>(&self, id: TokenRef, look: impl FnOnce(&Session) -> T) -> Option<T> {
        self.sessions.get(self.slot_of(id)?).map(look)
    }

    /// Changes a session by its id.
    pub fn write<T>(&mut self, id: TokenRef, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let slot = self.slot_of(id)?;
        self.sessions.get_mut(slot).map(change)
    }

    /// The session that `token` leads to, to be changed.
    #[inline]
    pub fn get_mut(&mut self, token: TokenRef) -> Option<&mut Session> {
        let slot = self.slot(token)?;
        self.sessions.get_mut(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::testing::{client, curl};
    use super::*;
    use crate::base::ids::Digest16;
    use crate::base::time::Timestamp;
    use crate::token::TokenClass;

    proptest! {
        /// Refs of few hashes, so that they collide in the index.
        #[test]
        fn behaves_like_a_map_of_refs(ops in prop::collection::vec((0_u8..3, 0_u8..12, 0_u8..12), 0..200)) {
            let owner = client("10.0.0.5", &curl());
            let token = |n: u8| {
                let mut bytes = [n % 3; 16];
                bytes[15] = n;
                Digest16(bytes)
            };
            let mut lineage = Lineage::default();
            let mut model: BTreeMap<u8, u8> = BTreeMap::new();
            for (op, a, b) in ops {
                match op {
                    0 if !model.contains_key(&a) => {
                        let session = Session::new(token(a), TokenClass::Session, &owner, Timestamp(0));
                        lineage.insert(session);
                        model.insert(a, a);
                    }
                    1 if model.get(&b) == Some(&b) && !model.contains_key(&a) => {
                        prop_assert!(lineage.alias(token(a), token(b)));
                        model.insert(a, b);
                        let oldest = lineage.write(token(b), |session| session.add_alias(token(a), 2)).flatten();
                        if let Some(oldest) = oldest {
                            lineage.unalias(oldest, token(b));
                            model.retain(|n, _| token(*n) != oldest);
                        }
                    }
                    2 => {
                        prop_assert_eq!(lineage.remove(token(a)).is_some(), model.get(&a) == Some(&a));
                        if model.get(&a) == Some(&a) {
                            model.retain(|_, id| *id != a);
                        }
                    }
                    _ => {}
                }
                for n in 0..12 {
                    prop_assert_eq!(lineage.resolve(token(n)), model.get(&n).map(|id| token(*id)));
                    prop_assert_eq!(lineage.is_session(token(n)), model.get(&n) == Some(&n));
                    prop_assert_eq!(lineage.get_mut(token(n)).map(|s| s.id), model.get(&n).map(|id| token(*id)));
                }
            }
        }
    }
}
