//! Who tries values that nobody was issued? Guessing shows only in numbers, so the last values of
//! each client are counted, with what the server made of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::fairness::{Source, source};
use crate::base::ids::TokenRef;
use crate::base::time::Timestamp;
use crate::token::{Outcome, RequestId, TokenSighting};

/// Values remembered of one guesser.
const VALUES: usize = 64;

/// Guesses that wait for the reply to their request, by the number of guessers that are remembered.
const WAITING: usize = 4;

/// A client, by its address or IPv6 /64, and the token id that it tries.
pub type Guesser = (Source, Arc<str>);

#[derive(Clone, Copy, Debug)]
struct Guess {
    value: TokenRef,
    at: Timestamp,
    refused: bool,
    accepted: bool,
}

/// Values of one guesser in the last minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tries {
    /// Distinct values.
    pub values: u32,
    /// Of these, rejected or answered with another value.
    pub refused: u32,
    /// Of these, accepted as they were.
    pub accepted: u32,
}

/// Guessers, bounded; who began first is forgotten first.
#[derive(Debug)]
pub struct Guessers {
    known: HashMap<Guesser, VecDeque<Guess>, FixedState>,
    order: VecDeque<Guesser>,
    waiting: HashMap<RequestId, SmallVec<[(Guesser, TokenSighting); 1]>, FixedState>,
    waiting_order: VecDeque<RequestId>,
    /// Guesses in `waiting`: one request may hold thousands.
    held: usize,
    limit: usize,
    /// Guessers and waiting requests forgotten at the limit.
    pub limit_hits: u64,
}

impl Guessers {
    /// Room for `limit` guessers; `seed` keys the hashes.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self {
            known: HashMap::with_hasher(FixedState::with_seed(seed)),
            order: VecDeque::new(),
            waiting: HashMap::with_hasher(FixedState::with_seed(seed)),
            waiting_order: VecDeque::new(),
            held: 0,
            limit: limit.max(1),
            limit_hits: 0,
        }
    }

    /// A client presented a value that was never seen before.
    pub fn presented(&mut self, sighting: &TokenSighting) {
        let (token, at) = (sighting.token.token, sighting.at.ts);
        let guesser = (source(sighting.request.client.address), Arc::clone(&sighting.token.id));
        if !self.known.contains_key(&guesser) {
            self.order.push_back(guesser.clone());
            if self.order.len() > self.limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
                self.limit_hits += 1;
            }
        }
        let guesses = self.known.entry(guesser.clone()).or_default();
        if guesses.iter().any(|guess| guess.value == token) {
            return;
        }
        if guesses.len() >= VALUES {
            guesses.pop_front();
        }
        guesses.push_back(Guess { value: token, at, refused: false, accepted: false });
        self.wait(guesser, sighting.clone());
    }

    fn wait(&mut self, guesser: Guesser, sighting: TokenSighting) {
        let request = sighting.request.id;
        let waiting = self.waiting.entry(request).or_default();
        if waiting.is_empty() {
            self.waiting_order.push_back(request);
        }
        waiting.push((guesser, sighting));
        self.held += 1;
        // Answered requests leave their place in the queue; they go with the oldest.
        while self.held.max(self.waiting_order.len()) > WAITING * self.limit
            && let Some(oldest) = self.waiting_order.pop_front()
        {
            self.limit_hits += u64::from(!self.take(oldest).is_empty());
        }
    }

    fn take(&mut self, request: RequestId) -> SmallVec<[(Guesser, TokenSighting); 1]> {
        let waiting = self.waiting.remove(&request).unwrap_or_default();
        self.held -= waiting.len();
        waiting
    }

    /// The reply to a request has come. `said` tells what became of a token, and whether another value
    /// was handed out in its place. Gives each guess in that request, with the guesser's tries in
    /// `window` so far.
    pub fn answered(
        &mut self,
        request: RequestId,
        window: Duration,
        said: impl Fn(TokenRef) -> (Outcome, bool),
    ) -> SmallVec<[(TokenSighting, Tries); 1]> {
        let mut tried = SmallVec::new();
        for (guesser, sighting) in self.take(request) {
            let token = sighting.token.token;
            let Some(guesses) = self.known.get_mut(&guesser) else { continue };
            let Some(guess) = guesses.iter_mut().find(|guess| guess.value == token) else { continue };
            let (outcome, renewed) = said(token);
            guess.refused = renewed || outcome == Outcome::Rejected;
            guess.accepted = !renewed && outcome == Outcome::Accepted;
            let now = guesses.back().map_or(Timestamp::MIN, |latest| latest.at);
            let mut tries = Tries::default();
            for guess in guesses.iter().filter(|guess| now.since(guess.at) <= window) {
                tries.values += 1;
                tries.refused += u32::from(guess.refused);
                tries.accepted += u32::from(guess.accepted);
            }
            tried.push((sighting, tries));
        }
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, client, curl, strong};
    use super::*;
    use crate::session::SessionConfig;

    #[test]
    fn after_a_flood_of_clients_one_is_still_counted() {
        let config = SessionConfig { guessers: 16, ..SessionConfig::default() };
        let mut world = World::with(config);
        for n in 0..200u8 {
            world.present(&client(&format!("10.0.{n}.1"), &curl()), &strong(n));
        }
        assert!(world.table.counters().guesser_limit_hits >= 200 - 16);
        let mut tries = Tries::default();
        for n in 200..=u8::MAX {
            let seen = world.wait(0.1).exchange(&client("203.0.113.9", &curl()), &strong(n), Outcome::Rejected);
            for guesses in seen.iter().filter_map(|o| o.guesses) {
                tries = Tries { values: guesses.values, refused: guesses.refused, accepted: guesses.accepted };
            }
        }
        assert_eq!(tries, Tries { values: 56, refused: 56, accepted: 0 });
    }

    #[test]
    fn what_is_remembered_of_requests_is_bounded() {
        let config = SessionConfig { guessers: 4, ..SessionConfig::default() };
        let mut world = World::with(config);
        for n in 0..=u8::MAX {
            world.present(&client("203.0.113.9", &curl()), &strong(n));
        }
        assert_eq!(world.table.counters().guesser_limit_hits, 256 - 4 * WAITING as u64);
    }

    #[test]
    fn one_request_with_very_many_guesses_is_bounded_too() {
        let mut world = World::new();
        let mut guessers = Guessers::new(4, 1);
        for _ in 0..3 {
            let request = Arc::new(world.on_leg("203.0.113.9", "10.0.1.20", &client("203.0.113.9", &curl())));
            for n in 0..=u8::MAX {
                guessers.presented(&world.sighting(&strong(n), &request));
            }
            assert!(guessers.held <= 4 * WAITING);
            let held: usize = guessers.waiting.values().map(SmallVec::len).sum();
            assert_eq!(guessers.held, held);
        }
        assert!(guessers.limit_hits > 0);
    }
}
