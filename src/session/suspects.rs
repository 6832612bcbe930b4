//! What did a suspect last do? Kept so that the owner's return can be told with the suspect's own
//! request as evidence.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::observation::Observation;
use crate::base::ids::Digest16;
use crate::base::time::{Stamp, Timestamp};
use crate::token::{Outcome, RequestView, SeenToken, TokenSighting, TokenUse};

/// The last request of a suspect.
#[derive(Clone, Debug)]
pub struct LastRequest {
    /// The token it presented.
    pub token: SeenToken,
    /// The request.
    pub request: Arc<RequestView>,
    /// It travelled in cleartext.
    pub plaintext: bool,
    /// What the server made of it.
    pub outcome: Outcome,
    /// Status code of the reply, when seen.
    pub status: Option<u16>,
}

impl LastRequest {
    /// The request as a sighting that is judged at `at`.
    #[must_use]
    pub fn sighting(&self, at: Timestamp) -> TokenSighting {
        let frame = self.request.complete.frame;
        TokenSighting {
            token: self.token.clone(),
            action: TokenUse::Presented,
            request: Arc::clone(&self.request),
            at: Stamp { ts: at, frame },
            plaintext: self.plaintext,
        }
    }
}

/// Last requests by suspect, bounded; the suspect noted longest ago is forgotten first.
#[derive(Debug)]
pub struct Suspects {
    last: HashMap<Digest16, LastRequest, FixedState>,
    order: VecDeque<Digest16>,
    limit: usize,
    /// Suspects forgotten at the limit.
    pub limit_hits: u64,
}

impl Suspects {
    /// Room for `limit` suspects; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self {
            last: HashMap::with_hasher(FixedState::with_seed(seed)),
            order: VecDeque::new(),
            limit: limit.max(1),
            limit_hits: 0,
        }
    }

    /// Remembers the request of a suspect's observation.
    pub fn note(&mut self, observation: &Observation) {
        let suspect = observation.subject.id;
        let last = LastRequest {
            token: observation.token.clone(),
            request: Arc::clone(&observation.request),
            plaintext: observation.plaintext,
            outcome: observation.outcome,
            status: observation.status,
        };
        if self.last.insert(suspect, last).is_none() {
            self.order.push_back(suspect);
            if self.order.len() > self.limit
                && let Some(oldest) = self.order.pop_front()
            {
                self.last.remove(&oldest);
                self.limit_hits += 1;
            }
        }
    }

    /// Its last request, while remembered.
    #[must_use]
    pub fn last(&self, suspect: Digest16) -> Option<&LastRequest> {
        self.last.get(&suspect)
    }
}
