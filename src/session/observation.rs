//! What the detectors get: a sighting with an owned view of the session after it was applied.

use std::sync::Arc;

use crate::base::ids::{Digest16, TokenRef};
use crate::base::time::Timestamp;
use crate::identity::{ClientIdentity, IdentityDiff};
use crate::token::{Outcome, RequestView, SeenToken};

/// What an observation is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// A client presented a token.
    Presented,
    /// A server issued one.
    Issued,
    /// The owner came back after a suspect's use: the suspect is judged again with that knowledge.
    OwnerReturned,
    /// The reply to a suspect's request came after it had been judged.
    LateOutcome,
}

/// A session after a sighting was applied.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Identity: the ref of the first token of its chain.
    pub id: TokenRef,
    /// First sighting.
    pub first_seen: Timestamp,
    /// When a server was seen issuing it.
    pub issued: Option<Timestamp>,
    /// How many rotations lie behind the token.
    pub lineage: u32,
    /// Sightings of it, in all.
    pub sightings: u64,
    /// Distinct actors, the owner included.
    pub actors: u32,
    /// Its owner is half trusted: never issued in sight, fewer than two accepted requests, younger than 60 s.
    pub adopted: bool,
    /// The token was ended (deleted, logged out) before this sighting.
    pub ended: bool,
}

/// One actor using one session.
#[derive(Clone, Debug)]
pub struct BindingView {
    /// Keyed digest of (session, actor): a stable name for "this suspect of this session".
    pub id: Digest16,
    /// The actor as last seen.
    pub client: ClientIdentity,
    /// First use.
    pub first_seen: Timestamp,
    /// Last use.
    pub last_seen: Timestamp,
    /// Requests.
    pub requests: u64,
    /// Requests that were accepted.
    pub accepted: u64,
    /// Requests that were rejected.
    pub rejected: u64,
}

impl BindingView {
    /// The best that the server made of any of its requests.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        if self.accepted > 0 {
            Outcome::Accepted
        } else if self.rejected > 0 && self.rejected >= self.requests {
            Outcome::Rejected
        } else {
            Outcome::Unknown
        }
    }
}

/// Two actors taking turns on one token: A→B→A→B.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interleaving {
    /// Only the address differs between the two.
    pub address_only: bool,
}

/// A sighting, the session after it, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What it is about.
    pub trigger: Trigger,
    /// The token of the (suspect's) sighting.
    pub token: SeenToken,
    /// The (suspect's) request.
    pub request: Arc<RequestView>,
    /// It travelled in cleartext.
    pub plaintext: bool,
    /// What the server made of it.
    pub outcome: Outcome,
    /// Status code of the reply, when seen.
    pub status: Option<u16>,
    /// The session.
    pub session: SessionView,
    /// The actor that the observation is about; the owner itself in the innocent case.
    pub subject: BindingView,
    /// The actor it is compared with: the owner, or where the owner has moved to.
    /// `None` when `subject` is that actor and nothing about it changed.
    pub prior: Option<BindingView>,
    /// `subject` as it was in this request, compared with `prior`.
    pub diff: Option<IdentityDiff>,
    /// The prior actor was seen at most 60 s before the subject's use, and again after it.
    pub prior_live: bool,
    /// The two take turns.
    pub interleaved: Option<Interleaving>,
    /// When this is judged.
    pub now: Timestamp,
}
