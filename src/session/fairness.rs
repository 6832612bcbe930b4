//! Who must give way when memory is full? The oldest session of the source that owns most, so that
//! one client cannot push out another's session.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::FixedState;

use crate::base::ids::TokenRef;

/// A source of sessions: an IPv4 address or an IPv6 /64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source(u128);

impl Source {
    /// The source as bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

/// The source that an address belongs to.
#[must_use]
pub fn source(address: Option<IpAddr>) -> Source {
    Source(match address {
        None => 0,
        Some(IpAddr::V4(v4)) => 0xffff_0000_0000 | u128::from(v4.to_bits()),
        Some(IpAddr::V6(v6)) => v6.to_bits() & !u128::from(u64::MAX),
    })
}

/// Sessions of each source in order of arrival, and the sources in order of weight.
#[derive(Debug)]
pub struct Fairness {
    queues: HashMap<Source, VecDeque<(u64, TokenRef)>, FixedState>,
    /// (sessions, arrival of the oldest counted backwards, source): the last one gives way.
    weights: BTreeSet<(usize, std::cmp::Reverse<u64>, Source)>,
    arrivals: u64,
    sessions: usize,
}

/// Bytes that the order of giving way costs per session, roughly.
pub const BYTES_PER_SESSION: u64 = 32;

impl Fairness {
    /// Empty; `seed` keys the hash of sources.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            queues: HashMap::with_hasher(FixedState::with_seed(seed)),
            weights: BTreeSet::new(),
            arrivals: 0,
            sessions: 0,
        }
    }

    /// A session arrived, owned by the client at `address`.
    pub fn push(&mut self, address: Option<IpAddr>, session: TokenRef) {
        let source = source(address);
        self.arrivals += 1;
        self.sessions += 1;
        let queue = self.queues.entry(source).or_default();
        if let Some((oldest, _)) = queue.front() {
            self.weights.remove(&(queue.len(), std::cmp::Reverse(*oldest), source));
        }
        queue.push_back((self.arrivals, session));
        if let Some((oldest, _)) = queue.front() {
            self.weights.insert((queue.len(), std::cmp::Reverse(*oldest), source));
        }
    }

    /// The sessions that arrived last from where `address` belongs to, at most `most`, the latest first.
    pub fn latest(&self, address: Option<IpAddr>, most: usize) -> impl Iterator<Item = &TokenRef> {
        self.queues.get(&source(address)).into_iter().flatten().rev().take(most).map(|(_, session)| session)
    }

    /// Sessions in the order, the forgotten ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions == 0
    }

    /// Drops sessions that are gone for another reason.
    pub fn retain(&mut self, mut alive: impl FnMut(TokenRef) -> bool) {
        self.weights.clear();
        self.queues.retain(|source, queue| {
            queue.retain(|(_, session)| alive(*session));
            if let Some((oldest, _)) = queue.front() {
                self.weights.insert((queue.len(), std::cmp::Reverse(*oldest), *source));
            }
            !queue.is_empty()
        });
        self.sessions = self.weights.iter().map(|(sessions, _, _)| sessions).sum();
    }

    /// The session that gives way next; it is forgotten here.
    pub fn pop(&mut self) -> Option<TokenRef> {
        let (_, _, source) = self.weights.pop_last()?;
        let queue = self.queues.get_mut(&source)?;
        let (_, session) = queue.pop_front()?;
        self.sessions -= 1;
        match queue.front() {
            Some((oldest, _)) => {
                self.weights.insert((queue.len(), std::cmp::Reverse(*oldest), source));
            }
            None => {
                self.queues.remove(&source);
            }
        }
        Some(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::Digest16;

    fn token(n: u8) -> TokenRef {
        Digest16([n; 16])
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
        for n in 1..=4 {
            order.push(Some(IpAddr::from([10, 0, 0, n % 2])), token(n));
        }
        order.retain(|session| session != token(1) && session != token(3));
        assert_eq!(order.len(), 2);
        assert_eq!([order.pop(), order.pop(), order.pop()], [Some(token(2)), Some(token(4)), None]);
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
