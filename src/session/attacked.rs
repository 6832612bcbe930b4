//! Whose path was attacked lately? A token that is used elsewhere soon after was hardly found.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::bounded::Bounded;
use crate::base::time::Timestamp;

/// How long an attack counts.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Clients whose paths were attacked, bounded; the oldest goes first.
#[derive(Debug)]
pub struct Attacked(Bounded<IpAddr, Timestamp>);

impl Attacked {
    /// Room for `limit` clients; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self(Bounded::new(limit, seed))
    }

    /// The path of `client` was attacked.
    pub fn note(&mut self, client: IpAddr, at: Timestamp) {
        self.0.insert(client, at);
    }

    /// Whether that was so in the 15 minutes before `now`.
    #[must_use]
    pub fn lately(&self, client: Option<IpAddr>, now: Timestamp) -> bool {
        client.and_then(|client| self.0.get(&client)).is_some_and(|at| now.since(*at) <= WINDOW)
    }

    /// Clients forgotten at the limit.
    #[must_use]
    pub const fn limit_hits(&self) -> u64 {
        self.0.limit_hits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_counts_a_quarter_of_an_hour() {
        let (at, client) = (|s| Timestamp::from_parts(s, 0), |n| IpAddr::from([10, 0, 0, n]));
        let mut attacked = Attacked::new(2, 1);
        attacked.note(client(1), at(0));
        assert!(attacked.lately(Some(client(1)), at(900)) && !attacked.lately(Some(client(1)), at(901)));
        assert!(!attacked.lately(Some(client(2)), at(1)) && !attacked.lately(None, at(1)));
        for n in 2..=4 {
            attacked.note(client(n), at(1));
        }
        assert!(!attacked.lately(Some(client(1)), at(1)) && attacked.lately(Some(client(4)), at(1)));
        assert_eq!(attacked.limit_hits(), 2);
    }
}
