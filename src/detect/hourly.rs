//! Which of subjects that anybody can make up are told apart? The first of an hour of capture time.

use std::collections::HashSet;
use std::hash::Hash;

use foldhash::fast::FixedState;

use crate::base::time::Timestamp;

/// Subjects told apart in an hour.
const SUBJECTS: usize = 64;

const HOUR_NANOS: i64 = 3_600_000_000_000;

/// The subjects of one detector in the hour under way.
#[derive(Debug)]
pub struct Hourly<S> {
    /// Hours since 1970-01-01.
    hour: i64,
    known: HashSet<S, FixedState>,
    /// Subjects that were not told apart.
    pub limit_hits: u64,
}

impl<S: Eq + Hash + Clone> Hourly<S> {
    /// None so far; `seed` keys the hash.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { hour: 0, known: HashSet::with_hasher(FixedState::with_seed(seed)), limit_hits: 0 }
    }

    /// The subject, unless it comes after too many others of this hour.
    pub fn told_apart(&mut self, subject: S) -> Option<S> {
        if self.known.len() >= SUBJECTS && !self.known.contains(&subject) {
            self.limit_hits += 1;
            return None;
        }
        self.known.insert(subject.clone());
        Some(subject)
    }

    /// Time has passed; a new hour begins with none.
    pub fn on_time(&mut self, now: Timestamp) {
        let hour = now.0.div_euclid(HOUR_NANOS);
        if hour > self.hour {
            self.hour = hour;
            self.known.clear();
        }
    }
}
