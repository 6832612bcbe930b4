//! Which session does a token ref lead to? Rotated values and alternative refs are aliases of the
//! session's first ref.

use std::hash::{BuildHasherDefault, Hasher};

use dashmap::DashMap;
use dashmap::mapref::one::{Ref, RefMut};

use super::session::Session;
use crate::base::ids::TokenRef;

/// Bytes that a map entry costs besides the session itself: the table is between half and almost full.
pub const ENTRY_BYTES: u64 = (size_of::<(TokenRef, Entry)>() as u64 + 1) * 7 / 4;

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

#[derive(Debug)]
enum Entry {
    Session(Box<Session>),
    Alias(TokenRef),
}

/// All sessions by ref. One stage writes; others may read at the same time.
#[derive(Debug, Default)]
pub struct Lineage {
    entries: DashMap<TokenRef, Entry, BuildHasherDefault<RefHasher>>,
}

impl Lineage {
    /// Id of the session that `token` leads to.
    #[must_use]
    pub fn resolve(&self, token: TokenRef) -> Option<TokenRef> {
        match &*self.entries.get(&token)? {
            Entry::Session(session) => Some(session.id),
            Entry::Alias(id) => Some(*id),
        }
    }

    /// Whether `id` is a session.
    #[must_use]
    pub fn is_session(&self, id: TokenRef) -> bool {
        self.read(id, |_| ()).is_some()
    }

    /// Puts a session under its id; the session that was there, if any, is returned.
    pub fn insert(&self, session: Box<Session>) -> Option<Box<Session>> {
        match self.entries.insert(session.id, Entry::Session(session)) {
            Some(Entry::Session(old)) => Some(old),
            _ => None,
        }
    }

    /// Makes `token` lead to session `id`. A ref that is a session of its own stays one.
    pub fn alias(&self, token: TokenRef, id: TokenRef) -> bool {
        match self.entries.entry(token) {
            dashmap::Entry::Occupied(taken) => matches!(taken.get(), Entry::Alias(known) if *known == id),
            dashmap::Entry::Vacant(free) => {
                free.insert(Entry::Alias(id));
                true
            }
        }
    }

    /// Forgets an alias of session `id`.
    pub fn unalias(&self, token: TokenRef, id: TokenRef) {
        self.entries.remove_if(&token, |_, entry| matches!(entry, Entry::Alias(known) if *known == id));
    }

    /// Takes a session out, with its aliases.
    pub fn remove(&self, id: TokenRef) -> Option<Box<Session>> {
        let (_, entry) = self.entries.remove_if(&id, |_, entry| matches!(entry, Entry::Session(_)))?;
        let Entry::Session(session) = entry else { return None };
        for alias in session.aliases() {
            self.unalias(*alias, id);
        }
        Some(session)
    }

    /// Reads a session by its id. Hold it across no other call into the map.
    #[must_use]
    pub fn read<T>(&self, id: TokenRef, look: impl FnOnce(&Session) -> T) -> Option<T> {
        let entry: Ref<'_, _, _> = self.entries.get(&id)?;
        match &*entry {
            Entry::Session(session) => Some(look(session)),
            Entry::Alias(_) => None,
        }
    }

    /// Changes a session by its id.
    pub fn write<T>(&self, id: TokenRef, change: impl FnOnce(&mut Session) -> T) -> Option<T> {
        let mut entry: RefMut<'_, _, _> = self.entries.get_mut(&id)?;
        match &mut *entry {
            Entry::Session(session) => Some(change(session)),
            Entry::Alias(_) => None,
        }
    }
}
