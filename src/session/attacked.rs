//! Whose path was attacked lately? A token that is used elsewhere soon after was hardly found.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::base::time::Timestamp;

/// How long an attack counts.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Clients whose paths were attacked, bounded; the oldest goes first.
#[derive(Debug)]
pub struct Attacked {
    last: HashMap<IpAddr, Timestamp, FixedState>,
    order: VecDeque<IpAddr>,
    limit: usize,
    /// Clients forgotten at the limit.
    pub limit_hits: u64,
}

impl Attacked {
    /// Room for `limit` clients; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self {
            last: HashMap::with_hasher(FixedState::with_seed(seed)),
            order: VecDeque::new(),
            limit: limit.max(1),
            limit_hits: 0,
        }
    }

    /// The path of `client` was attacked.
    pub fn note(&mut self, client: IpAddr, at: Timestamp) {
        if self.last.insert(client, at).is_none() {
            self.order.push_back(client);
            if self.order.len() > self.limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.last.remove(&oldest);
                self.limit_hits += 1;
            }
        }
    }

    /// Whether that was so in the 15 minutes before `now`.
    #[must_use]
    pub fn lately(&self, client: Option<IpAddr>, now: Timestamp) -> bool {
        client.and_then(|client| self.last.get(&client)).is_some_and(|at| now.since(*at) <= WINDOW)
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
        assert_eq!(attacked.limit_hits, 2);
    }
}
