//! Who takes turns on a token? The last turns of a session, and the pairs that alternate in them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::base::ids::Digest16;
use crate::base::time::Timestamp;

/// Turns remembered: enough for an alternation of two with others in between.
const TURNS: usize = 8;

/// A run of requests by one actor, uninterrupted by another.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Turn {
    actor: Digest16,
    started: Timestamp,
    ended: Timestamp,
}

/// The last turns of a session, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Turns(SmallVec<[Turn; 2]>);

impl Turns {
    /// One turn of `actor`, so far alone.
    #[must_use]
    pub fn of(actor: Digest16, started: Timestamp, ended: Timestamp) -> Self {
        Self(SmallVec::from_iter([Turn { actor, started, ended }]))
    }

    /// Notes a request of `actor`; returns whether a new turn began with it.
    pub fn note(&mut self, actor: Digest16, at: Timestamp) -> bool {
        if let Some(last) = self.0.last_mut().filter(|turn| turn.actor == actor) {
            last.ended = last.ended.max(at);
            return false;
        }
        if self.0.len() >= TURNS {
            self.0.remove(0);
        }
        self.0.push(Turn { actor, started: at, ended: at });
        true
    }

    /// The actors with whom the one whose turn it is completes A, B, A, B, whoever came in between,
    /// each silence at most `gap`.
    #[must_use]
    pub fn partners(&self, gap: Duration) -> SmallVec<[Digest16; 2]> {
        let Some(actor) = self.0.last().map(|turn| turn.actor) else { return SmallVec::new() };
        let mut partners = SmallVec::new();
        for other in self.0.iter().map(|turn| turn.actor).filter(|other| *other != actor) {
            let mut pair = self.0.iter().rev().filter(|turn| turn.actor == actor || turn.actor == other);
            let last_four = [pair.next(), pair.next(), pair.next(), pair.next()];
            if let [Some(d), Some(c), Some(b), Some(a)] = last_four
                && (a.actor, b.actor, c.actor) == (other, actor, other)
                && [(a, b), (b, c), (c, d)].iter().all(|(x, y)| y.started.since(x.ended) <= gap)
                && !partners.contains(&other)
            {
                partners.push(other);
            }
        }
        partners
    }

    /// Whether none are known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them was this actor's.
    #[must_use]
    pub fn has(&self, actor: Digest16) -> bool {
        self.0.iter().any(|turn| turn.actor == actor)
    }

    /// Forgets all turns.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Heap bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        if self.0.spilled() { self.0.capacity() * size_of::<Turn>() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partners(turns: &str) -> Vec<u8> {
        let mut all = Turns::default();
        for (n, actor) in (0..).zip(turns.bytes()) {
            all.note(Digest16([actor; 16]), Timestamp(n * 1_000_000_000));
        }
        all.partners(Duration::from_secs(5)).iter().map(|d| d.0[0]).collect()
    }

    #[test]
    fn pairs_alternate_whoever_comes_in_between() {
        assert_eq!(partners("ABAB"), b"A");
        assert_eq!(partners("AABBAAB"), b"A");
        assert_eq!(partners("ABCABC"), b"AB");
        assert_eq!(partners("ACBACB"), b"AC");
        for none in ["", "A", "AB", "ABA", "AABB", "ABCA", "ABBB"] {
            assert!(partners(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_long_silence_breaks_it() {
        assert_eq!(partners("ABAAAAAAAB"), b"A", "a turn may be long");
        let mut all = Turns::default();
        for (actor, second) in [(1, 0), (2, 1), (1, 2), (2, 200)] {
            all.note(Digest16([actor; 16]), Timestamp(second * 1_000_000_000));
        }
        assert!(all.partners(Duration::from_secs(120)).is_empty());
    }
}
