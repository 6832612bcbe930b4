//! Who presents the tokens of others? One thief with many tokens shows across sessions what no
//! single session shows.

use smallvec::SmallVec;

use crate::base::bounded::Bounded;
use crate::base::ids::{Digest16, TokenRef};
use crate::base::time::Timestamp;

/// Tokens of others remembered of one presenter; beyond it the oldest goes.
const TOKENS: usize = 16;

/// Another's token that somebody presented.
#[derive(Clone, Copy, Debug)]
struct Foreign {
    session: TokenRef,
    owner: Digest16,
    used: Timestamp,
    returned: bool,
}

/// Suspects and the live sessions of others that they used, bounded; who came first is forgotten first.
#[derive(Debug)]
pub struct Presenters {
    known: Bounded<Digest16, SmallVec<[Foreign; 1]>>,
    /// Tokens forgotten at the limit of a presenter.
    token_limit_hits: u64,
}

/// Another's tokens whose owners came back, so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Takings {
    /// How many.
    pub tokens: u32,
    /// Of how many owners. Who use one another's tokens, too, are one person at several addresses.
    pub owners: u32,
}

impl Presenters {
    /// Room for `limit` presenters; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self { known: Bounded::new(limit, seed), token_limit_hits: 0 }
    }

    /// `actor` used a session whose owner was live shortly before.
    pub fn used(&mut self, actor: Digest16, session: TokenRef, owner: Digest16, at: Timestamp) {
        let tokens = self.known.get_or_insert_with(actor, SmallVec::new);
        if let Some(known) = tokens.iter_mut().find(|known| known.session == session) {
            known.used = known.used.max(at);
            return;
        }
        if tokens.len() >= TOKENS {
            tokens.remove(0);
            self.token_limit_hits += 1;
        }
        tokens.push(Foreign { session, owner, used: at, returned: false });
    }

    /// The owner of a session was seen again; true when `actor` had used it within `window` before
    /// and this was not known yet.
    pub fn owner_returned(
        &mut self,
        actor: Digest16,
        session: TokenRef,
        at: Timestamp,
        window: std::time::Duration,
    ) -> bool {
        let Some(tokens) = self.known.get_mut(&actor) else { return false };
        let Some(known) = tokens.iter_mut().find(|known| known.session == session) else { return false };
        let news = !known.returned && at.since(known.used) <= window;
        known.returned |= news;
        news
    }

    /// What `actor` is known to have taken.
    #[must_use]
    pub fn takings(&self, actor: Digest16) -> Takings {
        let taken = || self.known.get(&actor).into_iter().flatten().filter(|taken| taken.returned);
        let mut people: SmallVec<[&Foreign; 4]> = SmallVec::new();
        for one in taken() {
            let known = |other: &&Foreign| self.uses(one.owner, other) || self.uses(other.owner, one);
            if !people.iter().any(known) {
                people.push(one);
            }
        }
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Takings { tokens: count(taken().count()), owners: count(people.len()) }
    }

    /// Whether `actor` owns what was taken, or uses it beside its owner.
    fn uses(&self, actor: Digest16, taken: &Foreign) -> bool {
        let beside = || self.known.get(&actor).into_iter().flatten().any(|used| used.session == taken.session);
        taken.owner == actor || beside()
    }

    /// Presenters and tokens forgotten at the limit.
    #[must_use]
    pub const fn limit_hits(&self) -> u64 {
        self.known.limit_hits() + self.token_limit_hits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(600);

    fn id(n: u8) -> Digest16 {
        Digest16([n; 16])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    #[test]
    fn tokens_count_once_their_owners_are_back() {
        let mut all = Presenters::new(8, 1);
        for (session, owner) in [(1, 11), (2, 12), (3, 12)] {
            all.used(id(66), id(session), id(owner), at(0));
            assert!(!all.owner_returned(id(67), id(session), at(1), WINDOW), "another presenter");
        }
        assert_eq!(all.takings(id(66)), Takings::default());
        assert!(all.owner_returned(id(66), id(1), at(600), WINDOW));
        assert!(!all.owner_returned(id(66), id(1), at(600), WINDOW), "no news");
        assert!(!all.owner_returned(id(66), id(2), at(601), WINDOW), "too late");
        assert!(all.owner_returned(id(66), id(3), at(9), WINDOW));
        assert_eq!(all.takings(id(66)), Takings { tokens: 2, owners: 2 });
    }

    #[test]
    fn owners_who_use_one_anothers_tokens_are_one() {
        let mut all = Presenters::new(8, 1);
        for (session, owner) in [(1, 11), (2, 12), (3, 13)] {
            all.used(id(66), id(session), id(owner), at(0));
            all.owner_returned(id(66), id(session), at(1), WINDOW);
        }
        assert_eq!(all.takings(id(66)), Takings { tokens: 3, owners: 3 });
        all.used(id(12), id(1), id(11), at(2));
        assert_eq!(all.takings(id(66)), Takings { tokens: 3, owners: 2 });
        all.used(id(11), id(3), id(13), at(2));
        assert_eq!(all.takings(id(66)), Takings { tokens: 3, owners: 1 });
    }

    #[test]
    fn after_a_flood_the_plain_case_is_still_seen() {
        let mut all = Presenters::new(4, 1);
        for n in 0..100 {
            all.used(id(n), id(n), id(0), at(0));
            all.used(id(200), id(n), id(0), at(0));
        }
        assert!(all.limit_hits() > 100, "{}", all.limit_hits());
        for (session, owner) in [(1, 11), (2, 12)] {
            all.used(id(66), id(session), id(owner), at(1));
            all.owner_returned(id(66), id(session), at(2), WINDOW);
        }
        assert_eq!(all.takings(id(66)).owners, 2);
    }
}
