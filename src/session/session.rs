//! What is remembered of one session: its owner, who else used it, and in which turns.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::observation::{BindingView, Interleaving, SessionView};
use super::turns::Turns;
use super::{SessionConfig, actor, neighbours::Neighbours};
use crate::base::ids::{Digest16, DigestKey, TokenRef};
use crate::base::time::Timestamp;
use crate::identity::user_agent::Kind;
use crate::identity::{AddressChange, ClientIdentity, Comparison, IdentityDiff};
use crate::token::{Outcome, TokenClass};

/// Servers that a session remembers as home.
const HOME_SERVERS: usize = 8;

/// Explained addresses that a binding remembers.
const OTHER_ADDRESSES: usize = 8;

/// One actor using one session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// Keyed digest of (session, actor).
    pub id: Digest16,
    /// The actor: its first address, its latest user agent.
    pub client: ClientIdentity,
    /// Other addresses that were explained as the same client, latest last.
    pub other_addresses: SmallVec<[IpAddr; 1]>,
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
    /// For a suspect: the actor it is compared with.
    pub prior: Option<Digest16>,
    /// That actor was live shortly before a turn of this one …
    pub prior_was_live: bool,
    /// … and was seen again after it.
    pub prior_returned: bool,
    /// It takes turns with another actor.
    pub interleaved: bool,
}

impl Binding {
    fn new(id: Digest16, client: ClientIdentity, at: Timestamp) -> Self {
        Self {
            id,
            client,
            other_addresses: SmallVec::new(),
            first_seen: at,
            last_seen: at,
            requests: 0,
            accepted: 0,
            rejected: 0,
            prior: None,
            prior_was_live: false,
            prior_returned: false,
            interleaved: false,
        }
    }

    /// An owned view.
    #[must_use]
    pub fn view(&self) -> BindingView {
        BindingView {
            id: self.id,
            client: self.client.clone(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            requests: self.requests,
            accepted: self.accepted,
            rejected: self.rejected,
        }
    }

    /// This suspect compared with its prior actor.
    #[must_use]
    pub fn compare_with(&self, prior: &Self, neighbours: &Neighbours) -> IdentityDiff {
        prior.compare(&self.client, neighbours, false)
    }

    fn compare(&self, now: &ClientIdentity, neighbours: &Neighbours, upgrade_left: bool) -> IdentityDiff {
        if now.address.is_some_and(|a| self.other_addresses.contains(&a)) {
            let known = ClientIdentity { address: now.address, ..self.client.clone() };
            return actor::compare(&known, now, neighbours, upgrade_left);
        }
        actor::compare(&self.client, now, neighbours, upgrade_left)
    }

    /// Follows the actor: an explained address, its latest user agent, and what was unknown before.
    fn follow(&mut self, now: &ClientIdentity, neighbours: &Neighbours) {
        let (known, topology) = (self.client.address, neighbours.topology());
        let translated = |(outside, inside)| topology.translates(inside, outside);
        // The address inside a translation tells more than the one that all behind it share.
        if known.is_none() || known.zip(now.address).is_some_and(translated) {
            (self.client.address, self.client.address_from) = (now.address, now.address_from);
            self.other_addresses.retain(|other| Some(*other) != now.address);
            self.other_addresses.extend(known);
        }
        if let Some(address) = now.address
            && self.client.address != now.address
            && !self.other_addresses.contains(&address)
        {
            if self.other_addresses.len() >= OTHER_ADDRESSES {
                self.other_addresses.remove(0);
            }
            self.other_addresses.push(address);
        }
        if now.frame_mac.is_some() {
            self.client.frame_mac = now.frame_mac;
            self.client.direct = now.direct;
        }
        if let Some(agent) = now.user_agent.as_ref().filter(|agent| agent.kind != Kind::Helper) {
            self.client.user_agent = Some(Arc::clone(agent));
        }
    }

    const fn only_rejected(&self) -> bool {
        self.rejected > 0 && self.rejected >= self.requests
    }
}

/// One session; it can be serialised, so that a restart forgets nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Ref of the first token of its chain.
    pub id: TokenRef,
    /// Class of its token.
    pub class: TokenClass,
    /// First sighting.
    pub first_seen: Timestamp,
    /// Last sighting.
    pub last_seen: Timestamp,
    /// When a server was seen issuing it.
    pub issued: Option<Timestamp>,
    /// When its home ended it.
    pub ended: Option<Timestamp>,
    /// Sightings.
    pub sightings: u64,
    /// Rotations so far.
    pub lineage: u32,
    /// Later and alternative refs that lead here, oldest first.
    pub aliases: SmallVec<[TokenRef; 2]>,
    /// Servers where it was issued or its owner was accepted.
    pub home: SmallVec<[IpAddr; 2]>,
    /// The host name it had there.
    pub home_host: Box<str>,
    /// The one browser update of the session has been seen.
    pub upgraded: bool,
    /// When the absolute timeout was last counted from.
    period: Timestamp,
    /// The actors, the owner first.
    bindings: Vec<Binding>,
    /// Who used it in which order.
    turns: Turns,
}

/// What a presentation meant for a session.
#[derive(Debug)]
pub struct Presented {
    /// Index of the actor's binding.
    pub binding: usize,
    /// Index of the binding it is compared with, and the comparison: only when they differ in anything.
    pub prior: Option<(usize, IdentityDiff)>,
    /// Bindings of suspects about whom this presentation of another actor says more: their prior
    /// actor is back for the first time, or has just completed an interleaving.
    pub returned: SmallVec<[usize; 2]>,
    /// A suspect was forgotten to make room for this one.
    pub evicted: bool,
}

impl Session {
    /// A session whose owner is `client`.
    #[must_use]
    pub fn new(id: TokenRef, class: TokenClass, client: &ClientIdentity, at: Timestamp, key: &DigestKey) -> Self {
        Self {
            id,
            class,
            first_seen: at,
            last_seen: at,
            issued: None,
            ended: None,
            sightings: 0,
            lineage: 0,
            aliases: SmallVec::new(),
            home: SmallVec::new(),
            home_host: Box::default(),
            upgraded: false,
            period: at,
            bindings: vec![Binding::new(actor_id(key, id, client), client.clone(), at)],
            turns: Turns::default(),
        }
    }

    /// The actors, the owner first.
    #[must_use]
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// Heap and inline bytes of the session, roughly: what it counts against the memory bound.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let parts = size_of::<Self>()
            + self.bindings.capacity() * size_of::<Binding>()
            + self.turns.heap_bytes()
            + self.home_host.len()
            + if self.aliases.spilled() { self.aliases.capacity() * size_of::<TokenRef>() } else { 0 };
        parts as u64
    }

    /// Whether the server is where the session lives. Only home may end or reissue a session, and a
    /// Host field alone proves nothing: anyone can name it.
    #[must_use]
    pub fn is_home(&self, server: IpAddr) -> bool {
        self.home.contains(&server)
    }

    /// Whether the word of a server counts as an outcome: it is home by address or by name, or home is
    /// not known yet.
    #[must_use]
    pub fn counts_from(&self, server: IpAddr, host: &str) -> bool {
        let named = !host.is_empty() && *host == *self.home_host;
        self.home.is_empty() || self.is_home(server) || named
    }

    /// The actor that a suspect was compared with.
    #[must_use]
    pub fn prior_of(&self, suspect: &Binding) -> Option<&Binding> {
        self.bindings.iter().find(|b| Some(b.id) == suspect.prior)
    }

    /// The server issued the session or accepted its owner under the name `host`.
    pub fn add_home(&mut self, server: IpAddr, host: &str) {
        if self.home.len() < HOME_SERVERS && !self.home.contains(&server) {
            self.home.push(server);
        }
        if self.home_host.is_empty() {
            self.home_host = host.into();
        }
    }

    /// One more presentation, by `client` at `at`. Finds or makes its binding.
    pub fn present(
        &mut self,
        client: &ClientIdentity,
        at: Timestamp,
        neighbours: &Neighbours,
        config: &SessionConfig,
        key: &DigestKey,
    ) -> Presented {
        self.sightings += 1;
        self.last_seen = self.last_seen.max(at);
        let (fit, anybody) = (self.fit(client, neighbours), self.is_anybody(client, neighbours));
        let (index, evicted) = match fit {
            Some((index, _)) => (index, false),
            None => self.add_suspect(client, at, config, key),
        };
        let explained = fit.map(|(_, diff)| diff).filter(|d| d.address.is_explained() || d.user_agent.is_explained());
        // What explains a suspect by its own earlier use does not explain it by the owner's.
        let prior = match index {
            0 => explained.map(|diff| (index, diff)),
            suspect => self.baseline(suspect, client, neighbours),
        };
        let compared = prior.filter(|(p, _)| *p != index).and_then(|(p, _)| self.bindings.get(p));
        let (prior_id, was_live) =
            (compared.map(|p| p.id), compared.is_some_and(|p| at.since(p.last_seen) <= config.live_window));
        let mut returned = SmallVec::new();
        let new_turn = !anybody && {
            returned = self.returned_to(index);
            self.take_turn(index, at, neighbours, config, &mut returned)
        };
        if let Some(binding) = self.bindings.get_mut(index) {
            binding.requests += 1;
            binding.last_seen = binding.last_seen.max(at);
            binding.prior = prior_id.or(binding.prior);
            binding.prior_was_live |= new_turn && was_live;
            binding.follow(client, neighbours);
        }
        if explained.is_some_and(|d| d.user_agent.is_explained()) {
            self.upgraded = true;
        }
        Presented { binding: index, prior, returned, evicted }
    }

    /// The binding that `client` fits: exactly, or else with an innocent explanation.
    /// Of several that an address fits which says little, the one that was seen last.
    fn fit(&self, client: &ClientIdentity, neighbours: &Neighbours) -> Option<(usize, IdentityDiff)> {
        let vague = is_vague(client, neighbours);
        self.fitting(client, neighbours).min_by_key(|(index, diff)| {
            let explained = u8::from(diff.address.is_explained()) + u8::from(diff.user_agent.is_explained());
            let last_seen = self.bindings.get(*index).filter(|_| vague).map(|b| b.last_seen);
            (Reverse(last_seen), explained)
        })
    }

    fn fitting(&self, client: &ClientIdentity, neighbours: &Neighbours) -> impl Iterator<Item = (usize, IdentityDiff)> {
        self.bindings
            .iter()
            .enumerate()
            .map(|(index, b)| (index, b.compare(client, neighbours, !self.upgraded)))
            .filter(|(_, diff)| !diff.is_distinct())
    }

    /// Whether its address says little and fits several actors: then nobody is known to be back.
    fn is_anybody(&self, client: &ClientIdentity, neighbours: &Neighbours) -> bool {
        is_vague(client, neighbours) && self.fitting(client, neighbours).nth(1).is_some()
    }

    /// Fills in what was not known of the actor that `client` is.
    pub fn learn(&mut self, client: &ClientIdentity, neighbours: &Neighbours) {
        let fit = self.fit(client, neighbours);
        if let Some(binding) = fit.and_then(|(index, _)| self.bindings.get_mut(index)) {
            binding.follow(client, neighbours);
        }
    }

    /// The home of a session that nobody has used yet.
    #[must_use]
    pub fn unused_home(&self) -> Option<SmallVec<[IpAddr; 2]>> {
        (self.sightings == 0 && self.ended.is_none()).then(|| self.home.clone())
    }

    /// The actor that a suspect is compared with: the owner; or the place the owner has moved to,
    /// when the suspect is nearer to that.
    fn baseline(
        &self,
        suspect: usize,
        client: &ClientIdentity,
        neighbours: &Neighbours,
    ) -> Option<(usize, IdentityDiff)> {
        self.bindings
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != suspect && (*index == 0 || self.is_moved_owner(*index, neighbours)))
            .map(|(index, b)| (index, b.compare(client, neighbours, !self.upgraded)))
            .min_by_key(|(_, diff)| distance(diff))
    }

    /// Whether a binding looks like the owner after a move: only the address differs, two requests
    /// were accepted, and the owner has not been seen at the old address since.
    fn is_moved_owner(&self, index: usize, neighbours: &Neighbours) -> bool {
        let (Some(owner), Some(moved)) = (self.bindings.first(), self.bindings.get(index)) else { return false };
        moved.accepted >= 2
            && !moved.interleaved
            && owner.last_seen < moved.first_seen
            && !owner.compare(&moved.client, neighbours, false).user_agent.is_different()
    }

    fn add_suspect(
        &mut self,
        client: &ClientIdentity,
        at: Timestamp,
        config: &SessionConfig,
        key: &DigestKey,
    ) -> (usize, bool) {
        let full = self.bindings.len() >= config.bindings.max(2);
        if full {
            let idle_longest =
                self.bindings.iter().enumerate().skip(1).min_by_key(|(_, b)| b.last_seen).map(|(index, _)| index);
            if let Some(index) = idle_longest {
                self.bindings.remove(index);
            }
        }
        self.bindings.push(Binding::new(actor_id(key, self.id, client), client.clone(), at));
        (self.bindings.len() - 1, full)
    }

    /// Notes whose turn it is. Returns whether a new turn began; marks the suspect of each pair that
    /// alternates.
    fn take_turn(
        &mut self,
        index: usize,
        at: Timestamp,
        neighbours: &Neighbours,
        config: &SessionConfig,
        returned: &mut SmallVec<[usize; 2]>,
    ) -> bool {
        let Some(actor) = self.bindings.get(index).map(|b| b.id) else { return false };
        if !self.turns.note(actor, at) {
            return false;
        }
        for partner in self.turns.partners(config.turn_gap) {
            let newly = self.mark_interleaved(partner, actor, neighbours);
            returned.extend(newly.filter(|suspect| *suspect != index));
        }
        true
    }

    /// Marks the later of the two as interleaved; its index when that is news.
    fn mark_interleaved(&mut self, one: Digest16, other: Digest16, neighbours: &Neighbours) -> Option<usize> {
        let position = |id| self.bindings.iter().position(|b| b.id == id);
        let (one, other) = (position(one)?, position(other)?);
        let (earlier, later) = (one.min(other), one.max(other));
        let (a, b) = (self.bindings.get(earlier)?, self.bindings.get(later)?);
        let diff = a.compare(&b.client, neighbours, false);
        // An unlinked change of address family may be one dual-stack client: never by itself.
        let family_only =
            diff.address == Comparison::Different(AddressChange::OtherFamily) && !diff.user_agent.is_different();
        if b.interleaved || a.only_rejected() || b.only_rejected() || family_only || !diff.is_distinct() {
            return None;
        }
        self.bindings.get_mut(later)?.interleaved = true;
        Some(later)
    }

    /// Suspects whose prior actor is `index`, was live before them and is back now for the first time.
    fn returned_to(&mut self, index: usize) -> SmallVec<[usize; 2]> {
        let Some(id) = self.bindings.get(index).map(|b| b.id) else { return SmallVec::new() };
        let mut returned = SmallVec::new();
        for (i, suspect) in self.bindings.iter_mut().enumerate() {
            if suspect.prior == Some(id) && suspect.prior_was_live && !suspect.prior_returned {
                suspect.prior_returned = true;
                returned.push(i);
            }
        }
        returned
    }

    /// What the server at `server`, asked for `host`, made of a request of `client`. Counts only from
    /// home, by address or by name; the first server that accepts the owner becomes home. Returns
    /// the outcome as it counts.
    pub fn outcome(
        &mut self,
        client: &ClientIdentity,
        server: IpAddr,
        host: &str,
        outcome: Outcome,
        neighbours: &Neighbours,
    ) -> Outcome {
        let Some((index, _)) = self.fit(client, neighbours) else { return Outcome::Unknown };
        if index == 0 && outcome == Outcome::Accepted && self.ended.is_none() {
            self.add_home(server, host);
        }
        if !self.counts_from(server, host) {
            return Outcome::Unknown;
        }
        if let Some(binding) = self.bindings.get_mut(index) {
            match outcome {
                Outcome::Accepted => binding.accepted += 1,
                Outcome::Rejected => binding.rejected += 1,
                Outcome::Unknown => {}
            }
        }
        outcome
    }

    /// Whether two actors of the session take turns, from the suspect's point of view.
    #[must_use]
    pub fn interleaving(&self, suspect: usize, diff: &IdentityDiff) -> Option<Interleaving> {
        self.bindings
            .get(suspect)
            .filter(|b| b.interleaved)
            .map(|_| Interleaving { address_only: !diff.user_agent.is_different() })
    }

    /// An owned view as of `now`.
    #[must_use]
    pub fn view(&self, now: Timestamp, config: &SessionConfig) -> SessionView {
        let trusted = self.issued.is_some()
            || self.bindings.first().is_some_and(|o| o.accepted >= 2)
            || now.since(self.first_seen) >= config.adoption;
        SessionView {
            id: self.id,
            first_seen: self.first_seen,
            issued: self.issued,
            lineage: self.lineage,
            sightings: self.sightings,
            actors: u32::try_from(self.bindings.len()).unwrap_or(u32::MAX),
            adopted: !trusted,
            ended: self.ended.is_some(),
        }
    }

    /// Reduces the session to its owner when it is past its idle or absolute timeout: policy ends
    /// a session, memory of its victim stays.
    pub fn reduce(&mut self, now: Timestamp, idle: Duration, absolute: Duration) {
        if now.since(self.last_seen) >= idle || now.since(self.period) >= absolute {
            // Counted anew: a session that goes on is not reduced at every look.
            self.period = now;
            self.bindings.truncate(1);
            self.bindings.shrink_to_fit();
            self.turns.clear();
        }
    }
}

/// Whether an address is unknown, or shared by all behind a translation.
fn is_vague(client: &ClientIdentity, neighbours: &Neighbours) -> bool {
    client.address.is_none_or(|address| neighbours.topology().is_outside_of_nat(address))
}

/// Rank of a difference: fewer different facets first, then the nearer address.
fn distance(diff: &IdentityDiff) -> (u8, u8) {
    let facets = u8::from(diff.address.is_different()) + u8::from(diff.user_agent.is_different());
    let address = match diff.address {
        Comparison::Different(AddressChange::OtherNetwork | AddressChange::OtherFamily) => 2,
        Comparison::Different(AddressChange::SameNetwork) => 1,
        _ => 0,
    };
    (facets, address)
}

fn actor_id(key: &DigestKey, session: TokenRef, client: &ClientIdentity) -> Digest16 {
    let address = client.address.map(|a| a.to_string()).unwrap_or_default();
    let (family, os, major) =
        client.user_agent.as_ref().map_or(("", "", 0), |ua| (ua.family.as_ref(), ua.os.as_ref(), ua.major));
    key.digest(&[&session.0, address.as_bytes(), family.as_bytes(), os.as_bytes(), &major.to_be_bytes()])
}
