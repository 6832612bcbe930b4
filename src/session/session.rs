//! What is remembered of one session: its owner, who else used it, and in which turns.

use std::iter;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::binding::Binding;
use super::fairness::Place;
use super::home::{Home, Homes};
use super::observation::{Interleaving, Member, SessionView};
use super::turns::Turns;
use super::{SessionConfig, neighbours::Neighbours};
use crate::base::ids::{Digest16, DigestKey, TokenRef};
use crate::base::net::MacAddr;
use crate::base::time::Timestamp;
use crate::identity::{AddressChange, ClientIdentity, Comparison, IdentityDiff};
use crate::token::{Outcome, TokenClass};

/// One session; it can be serialised, so that a restart forgets nothing. Nearly all have one owner
/// and no story: what else there may be is boxed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Ref of the first token of its chain.
    pub id: TokenRef,
    /// Last sighting.
    pub last_seen: Timestamp,
    /// [`Timestamp::MIN`] when no server was seen issuing it: smaller than an `Option`.
    issued: Timestamp,
    /// Sightings; stops at the end of its range.
    pub sightings: u32,
    /// Class of its token.
    pub class: TokenClass,
    /// The one browser update of the session has been seen.
    pub upgraded: bool,
    /// Where it stands in the order of giving way.
    #[serde(skip)]
    pub place: Place,
    /// Where it was issued or its owner was accepted.
    home: Option<Arc<Home>>,
    owner: Binding,
    story: Option<Box<Story>>,
}

/// What few sessions have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Story {
    /// When its home ended it.
    ended: Option<Timestamp>,
    /// Somebody else than the owner asked for that.
    ended_by_another: bool,
    /// Rotations so far.
    lineage: u32,
    /// Later and alternative refs that lead here, oldest first.
    aliases: SmallVec<[TokenRef; 1]>,
    /// When the absolute timeout was last counted from.
    period: Timestamp,
    /// The actors beside the owner, in the order of their first use.
    suspects: Vec<Binding>,
    /// Who used it in which order; empty while the owner is alone.
    turns: Turns,
}

impl Story {
    fn is_over(&self) -> bool {
        self.ended.is_none() && self.lineage == 0 && self.aliases.is_empty() && self.suspects.is_empty()
    }
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
    pub fn new(id: TokenRef, class: TokenClass, client: &ClientIdentity, at: Timestamp) -> Self {
        Self {
            id,
            last_seen: at,
            issued: Timestamp::MIN,
            sightings: 0,
            class,
            upgraded: false,
            place: Place::NOWHERE,
            home: None,
            owner: Binding::new(client, at),
            story: None,
        }
    }

    /// The actors, the owner first.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        iter::once(&self.owner).chain(self.story.iter().flat_map(|story| &story.suspects))
    }

    /// One of them by its place.
    #[must_use]
    pub fn binding(&self, index: usize) -> Option<&Binding> {
        match index.checked_sub(1) {
            None => Some(&self.owner),
            Some(suspect) => self.story.as_ref()?.suspects.get(suspect),
        }
    }

    /// The first actor.
    #[must_use]
    pub const fn owner(&self) -> &Binding {
        &self.owner
    }

    fn binding_mut(&mut self, index: usize) -> Option<&mut Binding> {
        match index.checked_sub(1) {
            None => Some(&mut self.owner),
            Some(suspect) => self.story.as_mut()?.suspects.get_mut(suspect),
        }
    }

    fn story(&mut self) -> &mut Story {
        self.story.get_or_insert_default()
    }

    /// When a server was first seen issuing it.
    #[must_use]
    pub fn issued(&self) -> Option<Timestamp> {
        (self.issued > Timestamp::MIN).then_some(self.issued)
    }

    /// A server was seen issuing it; the first time stays.
    pub fn note_issue(&mut self, at: Timestamp) {
        self.issued = self.issued().unwrap_or(at);
    }

    /// The home of a session that nobody has used yet.
    #[must_use]
    pub fn unused_home(&self) -> Option<Arc<Home>> {
        self.home.clone().filter(|_| self.sightings == 0 && self.ended().is_none())
    }

    /// Its home, where it is known.
    #[must_use]
    pub const fn home(&self) -> Option<&Arc<Home>> {
        self.home.as_ref()
    }

    /// Fills in what was not known of the actor that `client` is.
    pub fn learn(&mut self, client: &ClientIdentity, neighbours: &Neighbours, key: &DigestKey) {
        self.owner.name(self.id, key);
        let fit = self.fit(client, neighbours);
        if let Some(binding) = fit.and_then(|(index, _)| self.binding_mut(index)) {
            binding.follow(client, neighbours, false);
        }
    }

    /// When its home ended it.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        self.story.as_ref()?.ended
    }

    /// Its home ended it at the request of its owner, or of another. What the owner ends is over, whoever
    /// ended it before.
    pub fn end(&mut self, at: Timestamp, by_owner: bool, key: &DigestKey) {
        self.owner.name(self.id, key);
        let story = self.story();
        story.ended_by_another = !by_owner && (story.ended.is_none() || story.ended_by_another);
        story.ended = story.ended.or(Some(at));
    }

    /// It was ended by somebody who had no right to it: handed out anew, it is still the owner's.
    #[must_use]
    pub fn is_ended_by_another(&self) -> bool {
        self.story.as_ref().is_some_and(|story| story.ended.is_some() && story.ended_by_another)
    }

    /// Its home took the end back.
    pub fn revive(&mut self) {
        if let Some(story) = &mut self.story {
            (story.ended, story.ended_by_another) = (None, false);
        }
    }

    /// Later and alternative refs that lead here, oldest first.
    #[must_use]
    pub fn aliases(&self) -> &[TokenRef] {
        self.story.as_ref().map_or(&[], |story| &story.aliases)
    }

    /// One more of them. Beyond `limit` the oldest is given back, to be forgotten.
    pub fn add_alias(&mut self, token: TokenRef, limit: usize) -> Option<TokenRef> {
        let aliases = &mut self.story().aliases;
        aliases.push(token);
        (aliases.len() > limit).then(|| aliases.remove(0))
    }

    /// Its token was replaced by another value.
    pub fn rotated(&mut self) {
        let story = self.story();
        story.lineage = story.lineage.saturating_add(1);
    }

    /// Heap and inline bytes of the session, roughly: what it counts against the memory bound. Its
    /// home is counted apart.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let story = self.story.as_ref().map_or(0, |story| {
            let suspects = story.suspects.capacity() * size_of::<Binding>();
            let aliases = if story.aliases.spilled() { story.aliases.capacity() * size_of::<TokenRef>() } else { 0 };
            let held: usize = story.suspects.iter().map(Binding::heap_bytes).sum();
            size_of::<Story>() + suspects + held + aliases + story.turns.heap_bytes()
        });
        (size_of::<Self>() + self.owner.heap_bytes() + story) as u64
    }

    /// Whether the server is where the session lives. Only home may end or reissue a session, and a
    /// Host field alone proves nothing: anyone can name it.
    #[must_use]
    pub fn is_home(&self, server: IpAddr) -> bool {
        self.home.as_ref().is_some_and(|home| home.has(server))
    }

    /// Whether its home is known.
    #[must_use]
    pub const fn has_home(&self) -> bool {
        self.home.is_some()
    }

    /// Whether the word of a server counts as an outcome: it is home by address or by name, or home is
    /// not known yet.
    #[must_use]
    pub fn counts_from(&self, server: IpAddr, host: &str) -> bool {
        self.home.as_ref().is_none_or(|home| home.has(server) || home.is_site_of(host))
    }

    /// Whether `client` is the owner, as far as can be told.
    #[must_use]
    pub fn is_owner(&self, client: &ClientIdentity, neighbours: &Neighbours) -> bool {
        matches!(self.fit(client, neighbours), Some((0, _)))
    }

    /// The actor that a suspect was compared with.
    #[must_use]
    pub fn prior_of(&self, suspect: &Binding) -> Option<&Binding> {
        let prior = suspect.suspected().prior?;
        self.bindings().find(|b| b.id() == prior)
    }

    /// The server issued the session or accepted its owner under the name `host`.
    pub fn add_home(&mut self, server: IpAddr, host: &str, homes: &mut Homes) {
        if let Some(wider) = homes.widen(self.home.as_ref(), server, host) {
            self.home = Some(wider);
        }
    }

    /// Whether the MAC address of `client` is more than one host's: see [`Binding::goes_to_and_fro`].
    pub fn refutes_mac(
        &mut self,
        client: &ClientIdentity,
        at: Timestamp,
        neighbours: &Neighbours,
        gap: Duration,
    ) -> bool {
        let fit = client.mac.and_then(|_| self.fit(client, neighbours));
        let binding = fit.and_then(|(index, _)| self.binding_mut(index));
        binding.is_some_and(|binding| binding.goes_to_and_fro(client, at, gap, neighbours))
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
        if self.present_again(client, None, at) {
            return Presented { binding: 0, prior: None, returned: SmallVec::new(), evicted: false };
        }
        self.present_anew(client, at, neighbours, config, key)
    }

    /// One that tells something new of somebody: from now on its owner has a name.
    fn present_anew(
        &mut self,
        client: &ClientIdentity,
        at: Timestamp,
        neighbours: &Neighbours,
        config: &SessionConfig,
        key: &DigestKey,
    ) -> Presented {
        self.owner.name(self.id, key);
        self.sightings = self.sightings.saturating_add(1);
        self.last_seen = self.last_seen.max(at);
        let (fit, anybody) = (self.fit(client, neighbours), self.is_anybody(client, neighbours));
        let (index, evicted) = match fit {
            Some((index, _)) => (index, false),
            None => self.add_suspect(client, at, config, key),
        };
        let explained = fit.map(|(_, diff)| diff).filter(|d| d.address.is_explained() || d.user_agent.is_explained());
        let upgraded = explained.is_some_and(|d| d.user_agent.is_explained());
        // What explains a suspect by its own earlier use does not explain it by the owner's.
        let prior = match index {
            0 => explained.map(|diff| (index, diff)),
            suspect => self.baseline(suspect, client, neighbours),
        };
        let compared = prior.filter(|(p, _)| *p != index).and_then(|(p, _)| self.binding(p));
        let (prior_id, was_live) =
            (compared.map(|p| p.id()), compared.is_some_and(|p| at.since(p.last_seen) <= config.live_window));
        let mut returned = SmallVec::new();
        let new_turn = !anybody && {
            returned = self.returned_to(index);
            self.take_turn(index, at, neighbours, config, &mut returned)
        };
        if let Some(binding) = self.binding_mut(index) {
            binding.requests = binding.requests.saturating_add(1);
            binding.last_seen = binding.last_seen.max(at);
            if prior_id.is_some() {
                let suspicion = binding.suspicion();
                suspicion.prior = prior_id;
                suspicion.prior_was_live |= new_turn && was_live;
            }
            binding.follow(client, neighbours, upgraded);
        }
        self.upgraded |= upgraded;
        Presented { binding: index, prior, returned, evicted }
    }

    /// One more presentation by its owner, of whom nothing is new, while nobody else uses it: what
    /// [`Self::present`] does then. False, and nothing is done, when it is anything else.
    pub fn present_again(&mut self, client: &ClientIdentity, mac: Option<MacAddr>, at: Timestamp) -> bool {
        let again = self.is_owners_alone() && self.owner.is_unchanged(client, mac);
        if again {
            self.sightings = self.sightings.saturating_add(1);
            self.last_seen = self.last_seen.max(at);
            self.owner.requests = self.owner.requests.saturating_add(1);
            self.owner.last_seen = self.owner.last_seen.max(at);
        }
        again
    }

    /// Whether it is live and nobody but its owner was seen using it.
    fn is_owners_alone(&self) -> bool {
        self.story.as_ref().is_none_or(|story| story.ended.is_none() && story.suspects.is_empty())
    }

    fn add_suspect(
        &mut self,
        client: &ClientIdentity,
        at: Timestamp,
        config: &SessionConfig,
        key: &DigestKey,
    ) -> (usize, bool) {
        let mut binding = Binding::new(client, at);
        binding.name(self.id, key);
        let story = self.story.get_or_insert_with(|| Box::new(Story { period: at, ..Story::default() }));
        if story.suspects.is_empty() {
            story.period = at;
            story.turns = Turns::of(self.owner.id(), self.owner.first_seen, self.owner.last_seen);
        }
        let suspects = &mut story.suspects;
        let full = suspects.len() + 1 >= config.bindings.max(2);
        if full {
            let idle_longest = suspects.iter().enumerate().min_by_key(|(_, b)| b.last_seen).map(|(index, _)| index);
            if let Some(index) = idle_longest {
                suspects.remove(index);
            }
        }
        suspects.push(binding);
        (suspects.len(), full)
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
        let Some(actor) = self.binding(index).map(|b| b.id()) else { return false };
        let Some(story) = self.story.as_mut().filter(|story| !story.suspects.is_empty()) else { return false };
        if !story.turns.note(actor, at) {
            return false;
        }
        for partner in story.turns.partners(config.turn_gap) {
            let newly = self.mark_interleaved(partner, actor, neighbours);
            returned.extend(newly.filter(|suspect| *suspect != index));
        }
        true
    }

    /// Marks the later of the two as interleaved; its index when that is news.
    fn mark_interleaved(&mut self, one: Digest16, other: Digest16, neighbours: &Neighbours) -> Option<usize> {
        let position = |id| self.bindings().position(|b| b.id() == id);
        let (one, other) = (position(one)?, position(other)?);
        let (earlier, later) = (one.min(other), one.max(other));
        let (a, b) = (self.binding(earlier)?, self.binding(later)?);
        let diff = a.compare(&b.client, neighbours, false);
        // An unlinked change of address family may be one dual-stack client: never by itself. An app and
        // its web view take turns all the time.
        let family_only =
            diff.address == Comparison::Different(AddressChange::OtherFamily) && !diff.differs_beside_address();
        let innocent = family_only || diff.is_app_and_view() || !diff.is_distinct();
        if b.suspected().interleaved || a.only_rejected() || b.only_rejected() || innocent {
            return None;
        }
        self.binding_mut(later)?.suspicion().interleaved = true;
        Some(later)
    }

    /// Suspects whose prior actor is `index`, was live before them and is back now for the first time.
    fn returned_to(&mut self, index: usize) -> SmallVec<[usize; 2]> {
        let Some(id) = self.binding(index).map(|b| b.id()) else { return SmallVec::new() };
        let mut returned = SmallVec::new();
        let suspects = self.story.iter_mut().flat_map(|story| &mut story.suspects);
        for (i, suspicion) in suspects.enumerate().filter_map(|(i, b)| Some((i + 1, b.known_suspicion()?))) {
            if suspicion.prior == Some(id) && suspicion.prior_was_live && !suspicion.prior_returned {
                suspicion.prior_returned = true;
                returned.push(i);
            }
        }
        returned
    }

    /// What the server at `server`, asked for `host`, made of a request of `client`. Counts only from
    /// home, by address or by name. The first server that accepts the owner becomes home where none is
    /// known, and so does another address of the same site; a server elsewhere may accept whom it
    /// likes. Returns the outcome as it counts.
    pub fn outcome(
        &mut self,
        client: &ClientIdentity,
        server: IpAddr,
        host: &str,
        outcome: Outcome,
        neighbours: &Neighbours,
        homes: &mut Homes,
    ) -> Outcome {
        let Some((index, _)) = self.fit(client, neighbours) else { return Outcome::Unknown };
        if !self.counts_from(server, host) {
            return Outcome::Unknown;
        }
        if index == 0 && outcome == Outcome::Accepted && self.ended().is_none() {
            self.add_home(server, host, homes);
        }
        if let Some(binding) = self.binding_mut(index) {
            binding.count(outcome);
        }
        outcome
    }

    /// What its home made of one more request of its owner, while nobody else uses it and nothing is
    /// new: what [`Self::outcome`] does then. False, and nothing is done, when it is anything else.
    pub fn outcome_again(
        &mut self,
        (client, mac): (&ClientIdentity, Option<MacAddr>),
        server: IpAddr,
        host: &str,
        outcome: Outcome,
    ) -> bool {
        let at_home = self.home.as_ref().is_some_and(|home| home.knows(server, host));
        let again = at_home && self.is_owners_alone() && self.owner.is_unchanged(client, mac);
        if again {
            self.owner.count(outcome);
        }
        again
    }

    /// Whether two actors of the session take turns, from the suspect's point of view.
    #[must_use]
    pub fn interleaving(&self, suspect: usize, diff: &IdentityDiff) -> Option<Interleaving> {
        self.binding(suspect)
            .filter(|b| b.suspected().interleaved)
            .map(|_| Interleaving { address_only: !diff.differs_beside_address() })
    }

    /// What the turns of a suspect say, compared with whom it was compared.
    fn turns_of(&self, suspect: &Binding, neighbours: &Neighbours) -> Interleaving {
        let prior = self.prior_of(suspect).unwrap_or(&self.owner);
        Interleaving { address_only: !suspect.compare_with(prior, neighbours).differs_beside_address() }
    }

    /// An owned view as of `now`.
    #[must_use]
    pub fn view(&self, now: Timestamp, neighbours: &Neighbours, config: &SessionConfig) -> SessionView {
        let trusted =
            self.issued().is_some() || self.owner.accepted >= 2 || now.since(self.owner.first_seen) >= config.adoption;
        SessionView {
            id: self.id,
            first_seen: self.owner.first_seen,
            issued: self.issued(),
            lineage: self.story.as_ref().map_or(0, |story| story.lineage),
            sightings: self.sightings.into(),
            actors: u32::try_from(self.bindings().count()).unwrap_or(u32::MAX),
            adopted: !trusted,
            ended: self.ended(),
            crowd: self.crowd(neighbours),
        }
    }

    /// The actors of a session that at least three use, told apart by what is not the address.
    fn crowd(&self, neighbours: &Neighbours) -> Box<[Member]> {
        if self.story.as_ref().is_none_or(|story| story.suspects.len() < 2) {
            return Box::default();
        }
        let mut kinds: SmallVec<[&Binding; 4]> = SmallVec::new();
        let members = self.bindings().map(|binding| {
            let alike = |kind: &&Binding| !binding.compare_with(kind, neighbours).differs_beside_address();
            let kind = kinds.iter().position(alike).unwrap_or_else(|| {
                kinds.push(binding);
                kinds.len() - 1
            });
            Member {
                last_seen: binding.last_seen,
                kind: u8::try_from(kind).unwrap_or(u8::MAX),
                interleaved: binding.suspected().interleaved.then(|| self.turns_of(binding, neighbours)),
            }
        });
        members.collect()
    }

    /// Reduces the session to its owner when it is past its idle or absolute timeout: policy ends
    /// a session, memory of its victim stays.
    pub fn reduce(&mut self, now: Timestamp, idle: Duration, absolute: Duration) {
        let Some(story) = &mut self.story else { return };
        if now.since(self.last_seen) >= idle || now.since(story.period) >= absolute {
            story.suspects = Vec::new();
            story.turns.clear();
            if story.is_over() {
                self.story = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{browser, client, curl, with_mac};
    use super::*;

    /// One of some clients that are alike in most.
    fn some_client(n: u8) -> ClientIdentity {
        let agent = if n & 1 == 0 { browser("Firefox", "Windows", 140 + u32::from(n >> 6)) } else { curl() };
        let one = client(if n & 2 == 0 { "2001:db8::1" } else { "2001:db8::2" }, &agent);
        let one = if n & 4 == 0 { one } else { with_mac(one, n >> 5) };
        let names: &[&[u8]] = if n & 8 == 0 { &[b"host", b"accept"] } else { &[b"accept", b"host"] };
        let order = crate::identity::HeaderOrder::read(names.iter().copied(), false);
        let language = (n & 16 == 0).then(|| crate::identity::Language::read(b"en")).flatten();
        ClientIdentity { header_order: Some(Arc::new(order)), language, ..one }
    }

    #[test]
    fn a_session_is_small() {
        assert!(
            size_of::<Session>() <= 192,
            "{} bytes: allocators have no class between 192 and 224",
            size_of::<Session>()
        );
    }

    proptest! {
        #[test]
        fn what_is_counted_only_is_what_presenting_and_answering_do(steps in prop::collection::vec((any::<u8>(), 0_usize..4, 0_usize..3), 1..40)) {
            let (config, key) = (SessionConfig::default(), DigestKey::derive(&[7; 32], "actor"));
            let (neighbours, mut homes) = (Neighbours::new(8, 1), Homes::new(1));
            let owner = some_client(0);
            let mut session = Session::new(TokenRef::default(), TokenClass::Session, &owner, Timestamp(0));
            let server = IpAddr::from([10, 0, 1, 20]);
            let mut at = Timestamp(0);
            for (n, often, outcome) in steps {
                let outcome = [Outcome::Accepted, Outcome::Rejected, Outcome::Unknown][outcome];
                // The owner comes often, others sometimes.
                let now = if often > 0 { owner.clone() } else { some_client(n) };
                at = at.after(Duration::from_secs(1));
                let text = |session: &Session| serde_json::to_string(session).unwrap();
                let mut short = session.clone();
                let again = short.present_again(&now, None, at);
                let presented = session.present_anew(&now, at, &neighbours, &config, &key);
                if again {
                    short.owner.name(short.id, &key);
                    prop_assert_eq!(text(&short), text(&session));
                    prop_assert!(presented.prior.is_none() && presented.returned.is_empty() && !presented.evicted);
                }
                let mut short = session.clone();
                let again = short.outcome_again((&now, None), server, "shop.test", outcome);
                session.outcome(&now, server, "shop.test", outcome, &neighbours, &mut homes);
                if again {
                    prop_assert_eq!(text(&short), text(&session));
                }
            }
        }
    }
}
