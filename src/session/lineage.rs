//! Which session does a token ref lead to? Rotated values and alternative refs are aliases of the
//! session's first ref.

use std::hash::{BuildHasherDefault, Hasher};

use dashmap::DashMap;

use super::session::Session;
use crate::base::ids::TokenRef;

/// Bytes that a map entry costs besides the session itself: the table is between half and almost full.
pub const ENTRY_BYTES: u64 = (size_of::<(TokenRef, Box<Session>)>() as u64 + 1) * 7 / 4;

/// Takes a key's own bytes for its hash. Refs are keyed digests: uniform already, and not to be chosen by whoever sends a token.
#[derive(Clone, Copy, Debug, Default)]
pub struct RefHasher(u64);

impl Hasher for RefHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*first);
        }
    }
}

/// Anything by ref.
type Refs<T> = DashMap<TokenRef, T, BuildHasherDefault<RefHasher>>;

/// All sessions by ref. One stage writes; others may read at the same time.
#[derive(Debug, Default)]
pub struct Lineage {
    sessions: Refs<Box<Session>>,
    /// Ids of sessions by the further refs that lead to them. No ref is in both maps.
    aliases: Refs<TokenRef>,
}

impl Lineage {
    /// Id of the session that `token` leads to.
    #[must_use]
    pub fn resolve(&self, token: TokenRef) -> Option<TokenRef> {
        if self.is_session(token) { Some(token) } else { self.aliases.get(&token).map(|id| *id) }
    }

    /// Whether `id` is a session.
    #[must_use]
    pub fn is_session(&self, id: TokenRef) -> bool {
        self.sessions.contains_key(&id)
    }

    /// Puts a session under its id; the session that was there, if any, is returned.
    pub fn insert(&self, session: Box<Session>) -> Option<Box<Session>> {
        self.aliases.remove(&session.id);
        self.sessions.insert(session.id, session)
    }

    /// Makes `token` lead to session `id`. A ref that is a session of its own stays one.
    pub fn alias(&self, token: TokenRef, id: TokenRef) -> bool {
        !self.is_session(token) && *self.aliases.entry(token).or_insert(id) == id
    }

    /// Forgets an alias of session `id`.
    pub fn unalias(&self, token: TokenRef, id: TokenRef) {
        self.aliases.remove_if(&token, |_, known| *known == id);
    }

    /// Takes a session out, with its aliases.
    pub fn remove(&self, id: TokenRef) -> Option<Box<Session>> {
        let (_, session) = self.sessions.remove(&id)?;
        for alias in session.aliases() {
            self.unalias(*alias, id);
        }
        Some(session)
    }

    /// Reads a session by its id. Hold it across no other call into the map.
    #[must_use]
    pub fn read<T>(&self, id: TokenRef, look: impl FnOnce(&Session) -> T) -> Option<T> {
        self.sessions.get(&id).map(|session| look(&session))
    }

    /// Changes a session by its id.
    pub fn write<T>(&self, id: TokenRef, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        self.sessions.get_mut(&id).map(|mut session| change(&mut session))
    }

    /// Changes the session that `token` leads to: with one look, unless it is an alias.
    #[inline]
    pub fn write_where<T>(&self, token: TokenRef, mut change: impl FnMut(&mut Session) -> T) -> Option<T> {
        self.write(token, &mut change).or_else(|| {
            let id = *self.aliases.get(&token)?;
            self.write(id, change)
        })
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
        /// Refs of few hashes, so that they collide.
        #[test]
        fn behaves_like_a_map_of_refs(ops in prop::collection::vec((0_u8..3, 0_u8..12, 0_u8..12), 0..200)) {
            let owner = client("10.0.0.5", &curl());
            let token = |n: u8| {
                let mut bytes = [n % 3; 16];
                bytes[15] = n;
                Digest16(bytes)
            };
            let lineage = Lineage::default();
            let mut model: BTreeMap<u8, u8> = BTreeMap::new();
            for (op, a, b) in ops {
                match op {
                    0 if !model.contains_key(&a) => {
                        let session = Session::new(token(a), TokenClass::Session, &owner, Timestamp(0));
                        lineage.insert(Box::new(session));
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
                    prop_assert_eq!(lineage.write_where(token(n), |session| session.id), model.get(&n).map(|id| token(*id)));
                }
            }
        }
    }
}
