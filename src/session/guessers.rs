//! Who tries values that nobody was issued? Guessing shows only in numbers, so the last values of
//! each client are counted, with what the server made of them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::base::ids::TokenRef;
use crate::base::net::Source;
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
    answer: Answer,
}

/// What a server made of a guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Answer {
    /// Nothing that says more.
    #[default]
    Unknown,
    /// A rejection, or an error and another value.
    Rejected,
    /// Success, and another value in its place.
    Renewed,
    /// Success.
    Accepted,
}

/// Values of one guesser in the last minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tries {
    /// Distinct values.
    pub values: u32,
    /// Of these, rejected, or answered with an error and another value.
    pub rejected: u32,
    /// Of these, answered with success and another value.
    pub renewed: u32,
    /// Of these, accepted as they were.
    pub accepted: u32,
}

/// What is remembered of a client.
#[derive(Debug, Default)]
struct Tried {
    guesses: VecDeque<Guess>,
    /// A server has refused a value of it.
    refused: bool,
}

/// Guessers, bounded; who began first is forgotten first. Nearly every value that was never seen before
/// begins a session, so clients of whom nothing was refused yet take no room from others.
#[derive(Debug)]
pub struct Guessers {
    known: HashMap<Guesser, Tried, FixedState>,
    /// Clients of whom a value was refused.
    order: VecDeque<Guesser>,
    /// The others, and some that were among them once.
    harmless: VecDeque<Guesser>,
    waiting: HashMap<RequestId, SmallVec<[TokenSighting; 1]>, FixedState>,
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
            harmless: VecDeque::new(),
            waiting: HashMap::with_hasher(FixedState::with_seed(seed)),
            waiting_order: VecDeque::new(),
            held: 0,
            limit: limit.max(1),
            limit_hits: 0,
        }
    }

    /// A client presented a value that was never seen before.
    pub fn presented(&mut self, sighting: &TokenSighting) {
        let request = sighting.request.id;
        let guesser = guesser(sighting);
        if !self.known.contains_key(&guesser) {
            self.harmless.push_back(guesser.clone());
            if self.harmless.len() > self.limit
                && let Some(oldest) = self.harmless.pop_front()
                && self.known.get(&oldest).is_some_and(|tried| !tried.refused)
            {
                self.known.remove(&oldest);
            }
        }
        guess_of(&mut self.known.entry(guesser).or_default().guesses, sighting);
        let waiting = self.waiting.entry(request).or_default();
        if waiting.is_empty() {
            self.waiting_order.push_back(request);
        }
        waiting.push(sighting.clone());
        self.held += 1;
        // Answered requests leave their place in the queue; too many of them are swept out.
        if self.waiting_order.len() > 2 * self.waiting.len() + 1024 {
            self.waiting_order.retain(|request| self.waiting.contains_key(request));
        }
        while self.held > WAITING * self.limit
            && let Some(oldest) = self.waiting_order.pop_front()
        {
            self.limit_hits += u64::from(!self.take(oldest).is_empty());
        }
    }

    /// Whether a request with guesses waits for its reply.
    #[must_use]
    pub fn awaits(&self, request: RequestId) -> bool {
        self.waiting.contains_key(&request)
    }

    /// The guesses of a request, which wait no longer.
    fn take(&mut self, request: RequestId) -> SmallVec<[TokenSighting; 1]> {
        let waiting = self.waiting.remove(&request).unwrap_or_default();
        self.held -= waiting.len();
        waiting
    }

    /// A server has refused a value of this client.
    fn refused(&mut self, guesser: Guesser) {
        let tried = self.known.entry(guesser.clone()).or_default();
        if std::mem::replace(&mut tried.refused, true) {
            return;
        }
        self.order.push_back(guesser);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.limit_hits += 1;
        }
    }

    /// Forgets who has tried nothing for `window`, those who began first before others.
    fn forget_before(&mut self, now: Timestamp, window: Duration) {
        while let Some(first) = self.order.front() {
            let latest = self.known.get(first).and_then(|tried| tried.guesses.back());
            if latest.is_some_and(|guess| now.since(guess.at) <= window) {
                return;
            }
            self.known.remove(first);
            self.order.pop_front();
        }
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
        for sighting in self.take(request) {
            let (outcome, renewed) = said(sighting.token.token);
            let answer = match (outcome, renewed) {
                (Outcome::Rejected, _) | (Outcome::Unknown, true) => Answer::Rejected,
                (Outcome::Accepted, true) => Answer::Renewed,
                (Outcome::Accepted, false) => Answer::Accepted,
                (Outcome::Unknown, false) => Answer::Unknown,
            };
            if matches!(answer, Answer::Rejected | Answer::Renewed) {
                self.forget_before(sighting.at.ts, window);
                self.refused(guesser(&sighting));
            }
            let Some(Tried { guesses, .. }) = self.known.get_mut(&guesser(&sighting)) else { continue };
            let Some(guess) = guess_of(guesses, &sighting) else { continue };
            if answer != Answer::Unknown {
                guess.answer = answer;
            }
            let now = guesses.back().map_or(Timestamp::MIN, |latest| latest.at);
            let mut tries = Tries::default();
            for guess in guesses.iter().filter(|guess| now.since(guess.at) <= window) {
                tries.values += 1;
                match guess.answer {
                    Answer::Unknown => {}
                    Answer::Rejected => tries.rejected += 1,
                    Answer::Renewed => tries.renewed += 1,
                    Answer::Accepted => tries.accepted += 1,
                }
            }
            tried.push((sighting, tries));
        }
        tried
    }
}

fn guesser(sighting: &TokenSighting) -> Guesser {
    (sighting.request.like.client.address.into(), Arc::clone(&sighting.token.id))
}

/// The guess among those of a client; noted if it is new.
fn guess_of<'g>(guesses: &'g mut VecDeque<Guess>, sighting: &TokenSighting) -> Option<&'g mut Guess> {
    let (value, at) = (sighting.token.token, sighting.at.ts);
    let known = guesses.iter().position(|guess| guess.value == value);
    if known.is_none() {
        if guesses.len() >= VALUES {
            guesses.pop_front();
        }
        guesses.push_back(Guess { value, at, answer: Answer::default() });
    }
    match known {
        Some(known) => guesses.get_mut(known),
        None => guesses.back_mut(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, client, curl, strong};
    use super::*;
    use crate::session::{Guesses, SessionConfig};

    #[test]
    fn after_a_flood_of_clients_one_is_still_counted() {
        let config = SessionConfig { guessers: 16, ..SessionConfig::default() };
        let mut world = World::with(config);
        for n in 0..200u8 {
            world.exchange(&client(&format!("10.0.{n}.1"), &curl()), &strong(n), Outcome::Rejected);
        }
        assert_eq!(world.table.counters().guesser_limit_hits, 200 - 16);
        let mut tries = Tries::default();
        for n in 200..=u8::MAX {
            let seen = world.wait(0.1).exchange(&client("203.0.113.9", &curl()), &strong(n), Outcome::Rejected);
            for guesses in seen.iter().filter_map(|o| o.guesses) {
                let Guesses { values, rejected, renewed, accepted, .. } = guesses;
                tries = Tries { values, rejected, renewed, accepted };
            }
        }
        assert_eq!(tries, Tries { values: 56, rejected: 56, ..Tries::default() });
    }

    #[test]
    fn who_presents_one_value_that_is_accepted_is_no_guesser() {
        let config = SessionConfig { guessers: 16, ..SessionConfig::default() };
        let mut world = World::with(config);
        for n in 0..200u8 {
            world.exchange(&client(&format!("10.0.{n}.1"), &curl()), &strong(n), Outcome::Accepted);
        }
        assert_eq!(world.table.counters().guesser_limit_hits, 0);
    }

    #[test]
    fn who_stopped_guessing_makes_room_for_others() {
        let config = SessionConfig { guessers: 16, ..SessionConfig::default() };
        let mut world = World::with(config);
        for n in 0..200u8 {
            world.wait(10.0).exchange(&client(&format!("10.0.{n}.1"), &curl()), &strong(n), Outcome::Rejected);
        }
        assert_eq!(world.table.counters().guesser_limit_hits, 0);
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
