//! What did a suspect last do? Kept so that the owner's return can be told with the suspect's own
//! request as evidence.

use std::sync::Arc;

use super::observation::Observation;
use crate::base::bounded::Bounded;
use crate::base::ids::Digest16;
use crate::base::time::{Stamp, Timestamp};
use crate::token::{Outcome, Request, RequestView, SeenToken, TokenSighting, TokenUse};

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
            token: Arc::new(self.token.clone()),
            action: TokenUse::Presented,
            request: Request::new(Arc::clone(&self.request), None),
            at: Stamp { ts: at, frame },
            plaintext: self.plaintext,
        }
    }
}

/// Last requests by suspect, bounded; the suspect that came first is forgotten first.
#[derive(Debug)]
pub struct Suspects(Bounded<Digest16, LastRequest>);

impl Suspects {
    /// Room for `limit` suspects; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self(Bounded::new(limit, seed))
    }

    /// Remembers the request of a suspect's observation.
    pub fn note(&mut self, observation: &Observation) {
        let last = LastRequest {
            token: observation.token.clone(),
            request: Arc::clone(&observation.request),
            plaintext: observation.plaintext,
            outcome: observation.outcome,
            status: observation.status,
        };
        self.0.insert(observation.subject.id, last);
    }

    /// Its last request, while remembered.
    #[must_use]
    pub fn last(&self, suspect: Digest16) -> Option<&LastRequest> {
        self.0.get(&suspect)
    }

    /// Suspects forgotten at the limit.
    #[must_use]
    pub const fn limit_hits(&self) -> u64 {
        self.0.limit_hits()
    }
}
