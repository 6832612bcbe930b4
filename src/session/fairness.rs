//! Who must give way when memory is full? The oldest session of the source that owns most, so that
//! one client cannot push out another's session.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::iter;
use std::net::IpAddr;
use std::num::NonZeroU32;

use foldhash::fast::FixedState;

use crate::base::ids::TokenRef;
use crate::base::index::Index;
use crate::base::net::Source;
use crate::base::slab::Slab;

/// No neighbour in a list.
const NONE: u32 = u32::MAX;

/// Where a session stands in the order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(u32);

impl Place {
    /// Not in the order.
    pub const NOWHERE: Self = Self(NONE);
}

impl Default for Place {
    fn default() -> Self {
        Self::NOWHERE
    }
}

/// The slot of an owner and one more: never 0, so that an empty place takes no more room than a full one.
#[derive(Clone, Copy, Debug)]
struct OwnerSlot(NonZeroU32);

impl OwnerSlot {
    const fn of(slot: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(slot))
    }

    const fn get(self) -> u32 {
        self.0.get() - 1
    }
}

/// A session among those of its source.
#[derive(Debug)]
struct Standing {
    session: TokenRef,
    owner: OwnerSlot,
    older: u32,
    newer: u32,
}

/// A source, among those that own as many sessions.
#[derive(Debug)]
struct Owner {
    source: Source,
    sessions: NonZeroU32,
    oldest: u32,
    newest: u32,
    before: u32,
    after: u32,
}

/// First and last of the sources that own one number of sessions: the one that has done so longest is
/// the first.
type Ends = (u32, u32);

/// Sessions of each source in order of arrival, and the sources by how many they own.
#[derive(Debug)]
pub struct Fairness {
    standings: Slab<Standing>,
    owners: Slab<Owner>,
    /// Owners by source.
    index: Index,
    weights: BTreeMap<u32, Ends>,
    hasher: FixedState,
}

/// Bytes that the order of giving way costs per session, roughly: each of a source of its own.
pub const BYTES_PER_SESSION: u64 =
    (size_of::<Option<Standing>>() + size_of::<Option<Owner>>() + Index::BYTES_PER_ENTRY) as u64;

impl Fairness {
    /// Empty; `seed` keys the hash of sources.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            standings: Slab::new(),
            owners: Slab::new(),
            index: Index::new(),
            weights: BTreeMap::new(),
            hasher: FixedState::with_seed(seed),
        }
    }

    /// A session arrived, owned by the client at `address`.
    pub fn push(&mut self, address: Option<IpAddr>, session: TokenRef) -> Place {
        let source = Source::from(address);
        let owner = match self.owner_of(source) {
            Some(owner) => {
                self.unlink_owner(owner);
                if let Some(known) = self.owners.get_mut(owner) {
                    known.sessions = known.sessions.saturating_add(1);
                }
                owner
            }
            None => {
                let sessions = NonZeroU32::MIN;
                let fresh = Owner { source, sessions, oldest: NONE, newest: NONE, before: NONE, after: NONE };
                let owner = self.owners.insert(fresh);
                self.index.insert(self.hash(source), owner);
                owner
            }
        };
        let older = self.owners.get(owner).map_or(NONE, |owner| owner.newest);
        let place = self.standings.insert(Standing { session, owner: OwnerSlot::of(owner), older, newer: NONE });
        if let Some(older) = self.standings.get_mut(older) {
            older.newer = place;
        }
        if let Some(owner) = self.owners.get_mut(owner) {
            owner.newest = place;
            owner.oldest = if older == NONE { place } else { owner.oldest };
        }
        self.link_owner(owner);
        Place(place)
    }

    /// A session is gone.
    pub fn remove(&mut self, place: Place) -> Option<TokenRef> {
        let Standing { session, owner, older, newer } = self.standings.remove(place.0)?;
        let owner = owner.get();
        self.unlink_owner(owner);
        if let Some(older) = self.standings.get_mut(older) {
            older.newer = newer;
        }
        if let Some(newer) = self.standings.get_mut(newer) {
            newer.older = older;
        }
        let known = self.owners.get_mut(owner)?;
        known.oldest = if older == NONE { newer } else { known.oldest };
        known.newest = if newer == NONE { older } else { known.newest };
        if let Some(left) = NonZeroU32::new(known.sessions.get() - 1) {
            known.sessions = left;
            self.link_owner(owner);
        } else if let Some(gone) = self.owners.remove(owner) {
            self.index.remove(self.hash(gone.source), owner);
        }
        Some(session)
    }

    /// The session that gives way next; it is forgotten here.
    pub fn pop(&mut self) -> Option<TokenRef> {
        let (_, &(heaviest, _)) = self.weights.last_key_value()?;
        let oldest = self.owners.get(heaviest)?.oldest;
        self.remove(Place(oldest))
    }

    /// The sessions that arrived last from where `address` belongs to, at most `most`, the latest first.
    pub fn latest(&self, address: Option<IpAddr>, most: usize) -> impl Iterator<Item = &TokenRef> {
        let newest = self.owner_of(address.into()).and_then(|owner| self.owners.get(owner)).map(|owner| owner.newest);
        let newest = newest.and_then(|place| self.standings.get(place));
        let backwards = iter::successors(newest, |standing| self.standings.get(standing.older));
        backwards.take(most).map(|standing| &standing.session)
    }

    /// The session at a place, counted from 0 up to [`Self::places`]; `None` where nothing stands.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<TokenRef> {
        let standing = self.standings.get(u32::try_from(place).ok()?)?;
        Some(standing.session)
    }

    /// Places in use, and those that have become free.
    #[must_use]
    pub const fn places(&self) -> usize {
        self.standings.slots()
    }

    /// Sessions in the order.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.standings.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn hash(&self, source: Source) -> u32 {
        (self.hasher.hash_one(source) >> 32) as u32
    }

    fn owner_of(&self, source: Source) -> Option<u32> {
        let is_it = |slot| self.owners.get(slot).is_some_and(|owner| owner.source == source);
        self.index.find(self.hash(source), is_it)
    }

    /// Puts a source last among those that own as many sessions.
    fn link_owner(&mut self, slot: u32) {
        let Some(owner) = self.owners.get_mut(slot) else { return };
        let (_, last) = self.weights.entry(owner.sessions.get()).or_insert((slot, NONE));
        (owner.before, owner.after) = (*last, NONE);
        let before = std::mem::replace(last, slot);
        if let Some(before) = self.owners.get_mut(before) {
            before.after = slot;
        }
    }

    fn unlink_owner(&mut self, slot: u32) {
        let Some(&Owner { sessions, before, after, .. }) = self.owners.get(slot) else { return };
        if let Some(before) = self.owners.get_mut(before) {
            before.after = after;
        }
        if let Some(after) = self.owners.get_mut(after) {
            after.before = before;
        }
        if let Some((first, last)) = self.weights.get_mut(&sessions.get()) {
            *first = if *first == slot { after } else { *first };
            *last = if *last == slot { before } else { *last };
            if *first == NONE {
                self.weights.remove(&sessions.get());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::base::ids::Digest16;

    proptest! {
        /// Of the sources that own most, one loses its oldest session, whatever came and went.
        #[test]
        fn behaves_like_queues(ops in proptest::collection::vec((0u8..6, 0u8..4), 0..300)) {
            let mut order = Fairness::new(7);
            let mut model: Vec<VecDeque<(TokenRef, Place)>> = vec![VecDeque::new(); 6];
            for (n, (source, op)) in (0u32..).zip(ops) {
                let address = Some(IpAddr::from([10, 0, 0, source]));
                let queue = &mut model[usize::from(source)];
                match op {
                    0 if !queue.is_empty() => {
                        let gone = queue.remove(queue.len() / 2).unwrap();
                        prop_assert_eq!(order.remove(gone.1), Some(gone.0));
                    }
                    1 => {
                        let most = model.iter().map(VecDeque::len).max().filter(|most| *most > 0);
                        let popped = order.pop();
                        prop_assert_eq!(popped.is_some(), most.is_some());
                        let mut heaviest = model.iter_mut().filter(|queue| Some(queue.len()) == most);
                        if let Some(popped) = popped {
                            let queue = heaviest.find(|queue| queue[0].0 == popped);
                            prop_assert!(queue.is_some());
                            queue.unwrap().pop_front();
                        }
                    }
                    _ => {
                        let mut session = [0; 16];
                        session[..4].copy_from_slice(&n.to_le_bytes());
                        let place = order.push(address, Digest16(session));
                        queue.push_back((Digest16(session), place));
                    }
                }
                for (source, queue) in (0..).zip(&model) {
                    let latest: Vec<_> = order.latest(Some(IpAddr::from([10, 0, 0, source])), 3).copied().collect();
                    prop_assert_eq!(latest, queue.iter().rev().take(3).map(|(s, _)| *s).collect::<Vec<_>>());
                }
                prop_assert_eq!(order.len(), model.iter().map(VecDeque::len).sum::<usize>());
            }
        }
    }

    fn token(n: u8) -> TokenRef {
        Digest16([n; 16])
    }

    #[test]
    fn a_place_takes_no_room_for_being_empty() {
        assert_eq!((size_of::<Option<Standing>>(), size_of::<Option<Owner>>()), (28, 36));
    }

    #[test]
    fn the_heaviest_source_gives_way_oldest_first() {
        let mut order = Fairness::new(7);
        let (victim, flooder) = (Some(IpAddr::from([10, 0, 0, 10])), Some(IpAddr::from([10, 0, 0, 66])));
        order.push(victim, token(1));
        for n in 2..=5 {
            order.push(flooder, token(n));
        }
        assert_eq!([order.pop(), order.pop(), order.pop()], [Some(token(2)), Some(token(3)), Some(token(4))]);
        // Both own one now: the older session goes.
        assert_eq!([order.pop(), order.pop(), order.pop()], [Some(token(1)), Some(token(5)), None]);
    }

    #[test]
    fn sessions_gone_otherwise_leave_the_order() {
        let mut order = Fairness::new(7);
        let places = [1, 2, 3, 4].map(|n| order.push(Some(IpAddr::from([10, 0, 0, n % 2])), token(n)));
        assert_eq!([0, 2].map(|n| order.remove(places[n])), [Some(token(1)), Some(token(3))]);
        assert_eq!((order.remove(places[0]), order.remove(Place::NOWHERE)), (None, None));
        assert_eq!((order.len(), order.at(0), order.at(1)), (2, None, Some(token(2))));
        assert_eq!([order.pop(), order.pop(), order.pop()], [Some(token(2)), Some(token(4)), None]);
        assert!(order.is_empty() && order.weights.is_empty() && order.owners.len() == 0);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let mut order = Fairness::new(7);
        order.push(Some(IpAddr::from([10, 0, 0, 10])), token(1));
        for n in 2..=4 {
            order.push(Some(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)])), token(n));
        }
        assert_eq!(order.pop(), Some(token(2)));
    }
}
