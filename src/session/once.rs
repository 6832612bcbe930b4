//! Was this seen before, on another leg of the same way? One request on both legs of a proxy or a NAT,
//! or in two mirrors, is one sighting.
//!
//! Two sightings are one when token, method, path, query and user agent are equal, at most 50 ms lie
//! between them, and the legs join: one ends where the other begins. Each leg is joined at most once
//! on either side, so of two equal requests through one proxy neither hides the other. Where nothing but
//! the addresses speaks for a proxy, the first leg must have been answered: anybody can send one packet
//! in the name of another.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::base::ids::TokenRef;
use crate::base::time::Timestamp;
use crate::identity::topology::Topology;
use crate::token::{RequestId, RequestView, TokenSighting, TokenUse};

/// The longest time between two legs of one request.
const WINDOW: Duration = Duration::from_millis(50);

/// Legs of one request that are looked at; beyond it the oldest goes. No honest way has more.
const LEGS_OF_ONE: usize = 16;

/// Legs that are passed in search of them: those of other requests are few, unless one is sent over and over.
const LEGS_PASSED: usize = 64;

/// What a sighting repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RepeatKind {
    /// One on the other leg of a proxy.
    ProxyLeg,
    /// One on the other side of an address translation.
    NatLeg,
    /// The same packets on another VLAN or tunnel.
    Mirror,
}

/// A sighting that repeats another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeat {
    /// What it repeats.
    pub kind: RepeatKind,
    /// It is nearer to the client than the other.
    pub nearer: bool,
    /// Both name the same client address.
    pub same_address: bool,
    /// The other leg was an internal hop and this one is not: only here the token is exposed.
    pub newly_exposed: bool,
}

/// One leg on which something was seen.
#[derive(Debug)]
struct Leg {
    key: Key,
    /// Number of the leg before it in its chain; [`NONE`] where there is none.
    before: u64,
    at: Timestamp,
    /// The request, or the one on its flow that it repeats.
    like: Arc<RequestView>,
    /// The leg before it, towards the client, was seen.
    has_upstream: bool,
    /// The leg after it, towards the server, was seen.
    has_downstream: bool,
}

impl Leg {
    /// The token was not exposed there: an inner hop, or decrypted.
    fn is_hidden(&self) -> bool {
        self.like.inner_hop || self.like.decrypted
    }

    /// Who asks, as far as is known.
    fn address(&self) -> Option<IpAddr> {
        self.like.client.address
    }
}

/// No leg has this number.
const NONE: u64 = u64::MAX;

/// What must be equal: token, request, and whether it was issued. A sum of keyed hashes, which nobody can
/// choose.
type Key = u64;

fn key(token: TokenRef, request: u64, issued: bool) -> Key {
    let token = token.0.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    token.wrapping_add(request.rotate_left(1)) ^ u64::from(issued)
}

/// Legs of the last moment.
#[derive(Debug)]
pub struct Once {
    topology: Arc<Topology>,
    /// In the order of their arrival; they are numbered, the first is number `first`.
    legs: VecDeque<Leg>,
    first: u64,
    /// Where chains of legs begin: the number of the latest leg whose key ends in these bits. What is told
    /// of legs before `first` is out of date; nothing needs to be taken out.
    latest: Vec<u64>,
    /// Legs remembered, and repeated requests whose replies are awaited; beyond either the oldest goes.
    limit: usize,
    repeated: BTreeSet<(RequestId, TokenRef)>,
    repeated_order: VecDeque<(RequestId, TokenRef)>,
    /// Repeats, in the order of [`Self::KINDS`].
    pub repeats: [u64; 3],
    /// Legs and repeats forgotten at the limit.
    pub limit_hits: u64,
}

/// How two legs join: the later one goes on where the earlier ended, or the other way round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    Downstream,
    Upstream,
    Beside,
}

impl Once {
    /// The kinds as they are counted: `duplicates_total{kind}`.
    pub const KINDS: [&'static str; 3] = ["proxy_leg", "nat_leg", "mirror"];

    /// Nothing seen yet; room for `limit` legs.
    #[must_use]
    pub fn new(topology: Arc<Topology>, limit: usize) -> Self {
        Self {
            topology,
            legs: VecDeque::new(),
            first: 0,
            latest: vec![NONE; 64],
            limit: limit.max(1),
            repeated: BTreeSet::new(),
            repeated_order: VecDeque::new(),
            repeats: [0; 3],
            limit_hits: 0,
        }
    }

    /// What this sighting repeats. `None` for the first one, for one that says more of its client than
    /// the first, and for deletions, which may well be told twice.
    pub fn repeat_of(&mut self, sighting: &TokenSighting) -> Option<Repeat> {
        let issued = match sighting.action {
            TokenUse::Presented => false,
            TokenUse::Issued(_) => true,
            TokenUse::Deleted => return None,
        };
        let (id, like) = (sighting.request.id, Arc::clone(&sighting.request.like));
        let key = key(sighting.token.token, sighting.request.hash?, issued);
        let at = sighting.at.ts;
        let mut leg = Leg { key, before: NONE, at, like, has_upstream: false, has_downstream: false };
        self.forget_before(leg.at);
        self.chain(&mut leg);
        // Nearly always there is none before it.
        let repeat = if self.leg(leg.before).is_some() { self.join(&mut leg, issued) } else { None };
        self.legs.push_back(leg);
        if self.legs.len() > self.limit {
            self.limit_hits += 1;
            self.forget_oldest();
        }
        let repeat = repeat?;
        if let Some(count) = self.repeats.get_mut(repeat.kind as usize) {
            *count += 1;
        }
        if !issued {
            self.remember(id, sighting.token.token);
            sighting.token.by_address.into_iter().for_each(|token| self.remember(id, token));
        }
        Some(repeat)
    }

    /// Whether this request presented the token only as a repeat: its reply is told on the first leg.
    #[must_use]
    pub fn is_repeat(&self, request: RequestId, token: TokenRef) -> bool {
        self.repeated.contains(&(request, token))
    }

    /// Puts a leg that comes next at the beginning of its chain.
    fn chain(&mut self, leg: &mut Leg) {
        if self.legs.len() >= self.latest.len() {
            self.latest = vec![NONE; 2 * self.latest.len()];
            let mask = self.latest.len() as u64 - 1;
            for (number, leg) in (self.first..).zip(&mut self.legs) {
                if let Some(latest) = self.latest.get_mut((leg.key & mask) as usize) {
                    leg.before = std::mem::replace(latest, number);
                }
            }
        }
        let number = self.first + self.legs.len() as u64;
        let mask = self.latest.len() as u64 - 1;
        if let Some(latest) = self.latest.get_mut((leg.key & mask) as usize) {
            leg.before = std::mem::replace(latest, number);
        }
    }

    /// Joins the leg to the first of those seen that it fits.
    fn join(&mut self, leg: &mut Leg, issued: bool) -> Option<Repeat> {
        let topology = Arc::clone(&self.topology);
        let mut same: SmallVec<[u64; LEGS_OF_ONE]> = SmallVec::new();
        let (mut number, mut passed) = (leg.before, 0);
        while let Some(earlier) = self.leg(number) {
            let is_same = earlier.key == leg.key;
            if passed >= LEGS_PASSED || is_same && same.len() >= LEGS_OF_ONE {
                self.limit_hits += 1;
                break;
            }
            if is_same {
                same.push(number);
            }
            passed += 1;
            number = earlier.before;
        }
        let (earlier, kind, join) = same.into_iter().rev().find_map(|number| {
            let (kind, join) = joint(&topology, self.leg(number)?, leg, issued)?;
            Some((number, kind, join))
        })?;
        let earlier = earlier.checked_sub(self.first).and_then(|n| self.legs.get_mut(usize::try_from(n).ok()?))?;
        match join {
            Join::Downstream => (earlier.has_downstream, leg.has_upstream) = (true, true),
            Join::Upstream => (earlier.has_upstream, leg.has_downstream) = (true, true),
            Join::Beside => {}
        }
        // A request by nobody in particular is no reason to pass over one by somebody.
        let by_anybody = match kind {
            RepeatKind::NatLeg => join == Join::Upstream,
            _ => earlier.address().is_none() && leg.address().is_some(),
        };
        if by_anybody && !issued {
            return None;
        }
        Some(Repeat {
            kind,
            nearer: join == Join::Upstream,
            same_address: leg.address().is_some() && leg.address() == earlier.address(),
            newly_exposed: earlier.is_hidden() && !leg.is_hidden(),
        })
    }

    fn remember(&mut self, request: RequestId, token: TokenRef) {
        if self.repeated.insert((request, token)) {
            self.repeated_order.push_back((request, token));
        }
        if self.repeated_order.len() > self.limit
            && let Some(oldest) = self.repeated_order.pop_front()
        {
            self.repeated.remove(&oldest);
            self.limit_hits += 1;
        }
    }

    fn leg(&self, number: u64) -> Option<&Leg> {
        self.legs.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn forget_before(&mut self, now: Timestamp) {
        while self.legs.front().is_some_and(|leg| now.since(leg.at) > WINDOW) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        self.first += u64::from(self.legs.pop_front().is_some());
    }
}

/// How the later leg joins the earlier one, when it does. Without configuration requests come downstream
/// and what is issued comes upstream; a configured proxy or translation may be seen in either order.
fn joint(topology: &Topology, earlier: &Leg, later: &Leg, issued: bool) -> Option<(RepeatKind, Join)> {
    let (from, to) = (&earlier.like, &later.like);
    let apart = later.at.since(earlier.at).max(earlier.at.since(later.at));
    let differ = match (&from.client.user_agent, &to.client.user_agent) {
        (Some(a), Some(b)) => !Arc::ptr_eq(a, b) && a != b,
        _ => false,
    };
    if from.id.flow == to.id.flow || apart > WINDOW || differ {
        return None;
    }
    if (from.source, from.destination) == (to.source, to.destination) {
        return (from.tenant != to.tenant).then_some((RepeatKind::Mirror, Join::Beside));
    }
    let downstream = || !earlier.has_downstream;
    let upstream = || !earlier.has_upstream;
    if from.destination == to.destination {
        let (a, b) = (from.source.ip, to.source.ip);
        return match () {
            () if topology.translates(a, b) && downstream() => Some((RepeatKind::NatLeg, Join::Downstream)),
            () if topology.translates(b, a) && upstream() => Some((RepeatKind::NatLeg, Join::Upstream)),
            () => None,
        };
    }
    let meet = |client_leg: &Leg, server_leg: &Leg, in_order: bool| {
        let proxy = topology.is_proxy(server_leg.like.source.ip);
        let there = client_leg.like.destination.ip == server_leg.like.source.ip;
        // A trusted proxy says whose request it is.
        let named = server_leg.address().filter(|_| proxy);
        match named {
            Some(client) => Some(client) == client_leg.address(),
            // Where nobody has said who is a proxy, the server must have answered on the first leg.
            None => there && (proxy || in_order && !client_leg.like.one_sided),
        }
    };
    match () {
        () if downstream() && meet(earlier, later, !issued) => Some((RepeatKind::ProxyLeg, Join::Downstream)),
        () if upstream() && meet(later, earlier, issued) => Some((RepeatKind::ProxyLeg, Join::Upstream)),
        () => None,
    }
}

#[cfg(test)]
mod tests;
