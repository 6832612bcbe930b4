//! What the detectors get: a sighting with an owned view of what it touched, after it was applied.

use std::sync::Arc;

use super::neighbours::Takeover;
use crate::base::ids::{Digest16, TokenRef};
use crate::base::time::{Stamp, Timestamp};
use crate::identity::{ClientIdentity, IdentityDiff};
use crate::token::{Outcome, PathKind, RequestView, SeenToken};

/// What a finding can rest on.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// A token was used or issued.
    Use(Arc<Observation>),
    /// Something on the path of a flow is odd, whether or not a token is known there.
    Path(Arc<PathObservation>),
    /// An address of a segment went to another device without a lease, by this frame.
    Takeover(Takeover, Stamp),
}

impl Evidence {
    /// The request that shows it; of a path, the flow as its client's request would be seen. None where no
    /// connection is concerned.
    #[must_use]
    pub fn request(&self) -> Option<&Arc<RequestView>> {
        match self {
            Self::Use(seen) => Some(&seen.request),
            Self::Path(seen) => Some(&seen.request),
            Self::Takeover(..) => None,
        }
    }

    /// The frame that decided it.
    #[must_use]
    pub fn at(&self) -> Stamp {
        match self {
            Self::Use(seen) => seen.request.complete,
            Self::Path(seen) => seen.at,
            Self::Takeover(_, at) => *at,
        }
    }

    /// When it was judged.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Use(seen) => seen.now,
            Self::Path(seen) => seen.at.ts,
            Self::Takeover(_, at) => at.ts,
        }
    }

    /// The use of a token, where it is one.
    #[must_use]
    pub const fn token_use(&self) -> Option<&Arc<Observation>> {
        match self {
            Self::Use(seen) => Some(seen),
            Self::Path(_) | Self::Takeover(..) => None,
        }
    }
}

/// Odd behaviour on the path of a flow, with the token that the flow is known to carry.
#[derive(Clone, Debug)]
pub struct PathObservation {
    /// What is odd.
    pub kind: PathKind,
    /// The side that sent it, or in whose name it was sent.
    pub from_client: bool,
    /// The flow: its latest unanswered request, or as a request of its client would be seen.
    pub request: Arc<RequestView>,
    /// The frame that showed it.
    pub at: Stamp,
    /// The first token of that request, and its session where it has one.
    pub token: Option<(SeenToken, Option<SessionView>)>,
}

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
    /// A client has tried many values that nobody was seen issuing.
    Guessed,
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
    /// When its home ended it (deleted, logged out), where that was before this sighting.
    pub ended: Option<Timestamp>,
    /// The actors as they use it, the owner first; empty while there are fewer than three.
    pub crowd: Box<[Member]>,
}

/// One of several actors on one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Last use.
    pub last_seen: Timestamp,
    /// Actors of one number differ in nothing but the address.
    pub kind: u8,
    /// It takes turns with another actor.
    pub interleaved: Option<Interleaving>,
}

/// Tokens of others that one actor presents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FanIn {
    /// The actor: keyed digest of its address and user agent.
    pub actor: Digest16,
    /// Sessions whose owners were seen shortly before and again after.
    pub tokens: u32,
    /// Distinct owners of these.
    pub owners: u32,
}

/// Values of one token id that a client tried and that nobody was seen issuing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guesses {
    /// Who: keyed digest of the client's address, or its IPv6 /64, and the token id.
    pub guesser: Digest16,
    /// Distinct values in the window.
    pub values: u32,
    /// Of these, rejected, or answered with an error and another value.
    pub rejected: u32,
    /// Of these, answered with success and another value.
    pub renewed: u32,
    /// Of these, accepted as they were.
    pub accepted: u32,
}

/// One actor using one session.
#[derive(Clone, Debug)]
pub struct BindingView {
    /// Keyed digest of (session, actor): a stable name for "this suspect of this session". Zeros for an owner
    /// who uses a live session alone.
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
    /// Only the address differs between the two, and what comes with another network.
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
    /// The reply handed out another value in its place: what was accepted is not the token.
    pub renewed: bool,
    /// The request went to a login page, where any value is welcome.
    pub login: bool,
    /// The subject presents tokens of other owners too.
    pub fan_in: Option<FanIn>,
    /// Of [`Trigger::Guessed`]: how many.
    pub guesses: Option<Guesses>,
    /// The path of the prior actor was attacked in the last 15 minutes.
    pub path_attack: bool,
    /// When this is judged.
    pub now: Timestamp,
}

impl Observation {
    /// Whether the owner only got the token and has not presented it yet.
    #[must_use]
    pub fn is_unused_by_owner(&self) -> bool {
        self.prior.as_ref().is_some_and(|owner| owner.requests == 0)
    }
}
