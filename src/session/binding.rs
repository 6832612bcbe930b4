//! What is remembered of one actor that uses one session?

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::observation::BindingView;
use super::turns::Turns;
use super::{actor, neighbours::Neighbours};
use crate::base::ids::{Digest16, DigestKey, TokenRef};
use crate::base::net::MacAddr;
use crate::base::time::Timestamp;
use crate::identity::user_agent::Kind;
use crate::identity::{ClientIdentity, HeaderOrder, IdentityDiff, Likeness, tcp_stack};
use crate::token::Outcome;

/// Explained addresses that a binding remembers.
const OTHER_ADDRESSES: usize = 8;

/// Header orders that a binding remembers beside its first: one browser has one for pages, one for
/// scripts …
const OTHER_ORDERS: usize = 4;

/// One actor using one session. Nearly every binding is an owner's who never moves: what only
/// suspects and movers have is boxed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binding {
    /// The actor: its first address, its latest user agent.
    pub client: ClientIdentity,
    /// First use.
    pub first_seen: Timestamp,
    /// Last use.
    pub last_seen: Timestamp,
    /// Requests; stops at the end of its range, as the next two.
    pub requests: u32,
    /// Requests that were accepted.
    pub accepted: u32,
    /// Requests that were rejected.
    pub rejected: u32,
    rare: Option<Box<Rare>>,
}

/// What few actors have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Rare {
    /// Keyed digest of (session, actor).
    id: Option<Digest16>,
    /// Of a suspect: what speaks against it.
    suspicion: Suspicion,
    /// Other addresses that were explained as the same client, latest last.
    addresses: SmallVec<[IpAddr; 1]>,
    /// Further header orders, each opposed to those before.
    orders: SmallVec<[Arc<HeaderOrder>; 1]>,
    /// In which turns it used addresses that nothing but its MAC address joins.
    places: Turns,
}

/// What is known of a suspect beside its requests.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Suspicion {
    /// The actor it is compared with.
    pub prior: Option<Digest16>,
    /// That actor was live shortly before a turn of this one …
    pub prior_was_live: bool,
    /// … and was seen again after it.
    pub prior_returned: bool,
    /// It takes turns with another actor.
    pub interleaved: bool,
}

impl Binding {
    /// The first use of a session by `client`, who has no name yet.
    #[must_use]
    pub fn new(client: &ClientIdentity, at: Timestamp) -> Self {
        Self {
            client: client.clone(),
            first_seen: at,
            last_seen: at,
            requests: 0,
            accepted: 0,
            rejected: 0,
            rare: None,
        }
    }

    /// Keyed digest of (session, actor); zeros while it has no name.
    #[must_use]
    pub fn id(&self) -> Digest16 {
        self.rare.as_ref().and_then(|rare| rare.id).unwrap_or_default()
    }

    /// Names the actor of `session` by what it was first seen as. A digest costs more than all else that a
    /// usual session needs, so only those get one of whom there may be something to be told.
    pub fn name(&mut self, session: TokenRef, key: &DigestKey) {
        if self.rare.as_ref().is_none_or(|rare| rare.id.is_none()) {
            self.rare().id = Some(actor_id(key, session, &self.client));
        }
    }

    /// An owned view.
    #[must_use]
    pub fn view(&self) -> BindingView {
        BindingView {
            id: self.id(),
            client: self.client.clone(),
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            requests: self.requests.into(),
            accepted: self.accepted.into(),
            rejected: self.rejected.into(),
        }
    }

    /// What speaks against it; nothing against an owner.
    #[must_use]
    pub fn suspected(&self) -> Suspicion {
        self.rare.as_ref().map(|rare| rare.suspicion).unwrap_or_default()
    }

    /// The same, where there is anything beside its requests, to be changed.
    pub fn known_suspicion(&mut self) -> Option<&mut Suspicion> {
        self.rare.as_mut().map(|rare| &mut rare.suspicion)
    }

    /// The same, to be changed.
    pub fn suspicion(&mut self) -> &mut Suspicion {
        &mut self.rare().suspicion
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The prior actor was live shortly before this one's use, and again after it.
    #[must_use]
    pub fn prior_is_live(&self) -> bool {
        let suspected = self.suspected();
        suspected.prior_was_live && suspected.prior_returned
    }

    /// This suspect compared with its prior actor.
    #[must_use]
    pub fn compare_with(&self, prior: &Self, neighbours: &Neighbours) -> IdentityDiff {
        prior.compare(&self.client, neighbours, false)
    }

    /// How `now` differs from this actor. `upgrade_left`: the one browser update is still free.
    #[must_use]
    pub fn compare(&self, now: &ClientIdentity, neighbours: &Neighbours, upgrade_left: bool) -> IdentityDiff {
        let elsewhere = self.rare.as_ref().zip(now.address).is_some_and(|(known, a)| known.addresses.contains(&a));
        let mut diff = if elsewhere {
            let known = ClientIdentity { address: now.address, ..self.client.clone() };
            actor::compare(&known, now, neighbours, upgrade_left)
        } else {
            actor::compare(&self.client, now, neighbours, upgrade_left)
        };
        if diff.header_order.is_different() && now.header_order.as_ref().is_some_and(|order| self.has_order(order)) {
            diff.header_order = Likeness::Same;
        }
        diff
    }

    /// Whether the actor was seen with a header order like this beside its first.
    fn has_order(&self, order: &HeaderOrder) -> bool {
        let others = self.rare.as_ref().map_or(&[][..], |rare| &rare.orders);
        others.iter().any(|known| known.likeness(order) == Likeness::Same)
    }

    /// Whether a request of `now`, whose segment confirms `mac`, shows this very actor and nothing new of
    /// it: comparing would find every facet the same or unknown, following would change nothing.
    #[must_use]
    pub fn is_unchanged(&self, now: &ClientIdentity, mac: Option<MacAddr>) -> bool {
        let known = &self.client;
        let same_agent = match (&known.user_agent, &now.user_agent) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (a, b) => a.is_none() && b.is_none(),
        };
        let same_order = match (&known.header_order, &now.header_order) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a.likeness(b) == Likeness::Same || self.has_order(b),
            (_, now) => now.is_none(),
        };
        known.address == now.address
            && known.address_from == now.address_from
            && same_agent
            && known.tls == now.tls
            && known.tcp_stack == now.tcp_stack
            && same_order
            && known.language == now.language
            && (known.frame_mac, known.direct) == (now.frame_mac, now.direct)
            && known.mac == mac.or(now.mac)
            && self.rare.as_ref().is_none_or(|rare| rare.places.is_empty())
    }

    /// Notes from where the actor comes this time, where nothing but its MAC address says that it is still
    /// the same: one host moves, but does not go to and fro. When it does, the addresses are taken
    /// apart, and true is given: another host goes by that MAC address.
    pub fn goes_to_and_fro(
        &mut self,
        now: &ClientIdentity,
        at: Timestamp,
        gap: Duration,
        neighbours: &Neighbours,
    ) -> bool {
        let (first_seen, last_seen, home) = (self.first_seen, self.last_seen, place(&self.client));
        let known = self.rare.as_ref().is_some_and(|rare| !rare.places.is_empty());
        let elsewhere = self.client.address != now.address && self.is_joined_by_mac_only(now, neighbours);
        let back = known && self.client.address == now.address;
        if !elsewhere && !back {
            return false;
        }
        let rare = self.rare();
        if rare.places.is_empty() {
            rare.places = Turns::of(home, first_seen, last_seen);
        }
        rare.places.note(place(now), at);
        let to_and_fro = !rare.places.partners(gap).is_empty();
        if to_and_fro {
            let places = std::mem::take(&mut rare.places);
            rare.addresses.retain(|address| !places.has(place_of(*address)));
        }
        to_and_fro
    }

    /// Whether `now` has another address of this actor's family and would be somebody else without its MAC
    /// address. IPv6 hosts have several addresses by design.
    fn is_joined_by_mac_only(&self, now: &ClientIdentity, neighbours: &Neighbours) -> bool {
        let (Some(IpAddr::V4(_)), Some(IpAddr::V4(_))) = (self.client.address, now.address) else { return false };
        let without_mac = |client: &ClientIdentity| ClientIdentity { mac: None, ..client.clone() };
        let same_mac = now.mac.is_some() && self.client.mac == now.mac;
        same_mac
            && actor::compare(&without_mac(&self.client), &without_mac(now), neighbours, false).address.is_different()
    }

    /// Counts what the server made of one of its requests.
    pub const fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => self.accepted = self.accepted.saturating_add(1),
            Outcome::Rejected => self.rejected = self.rejected.saturating_add(1),
            Outcome::Unknown => {}
        }
    }

    /// Follows the actor: an explained address, its latest user agent, and what was unknown before.
    /// `upgraded`: its program was just updated.
    pub fn follow(&mut self, now: &ClientIdentity, neighbours: &Neighbours, upgraded: bool) {
        let (known, topology) = (self.client.address, neighbours.topology());
        let translated = |(outside, inside)| topology.translates(inside, outside);
        // The address inside a translation tells more than the one that all behind it share.
        if known.is_none() || known.zip(now.address).is_some_and(translated) {
            (self.client.address, self.client.address_from) = (now.address, now.address_from);
            if let Some(known) = known {
                let others = &mut self.rare().addresses;
                others.retain(|other| Some(*other) != now.address);
                others.push(known);
            }
        }
        if let Some(address) = now.address.filter(|_| self.client.address != now.address) {
            let known = &mut self.rare().addresses;
            if !known.contains(&address) {
                if known.len() >= OTHER_ADDRESSES {
                    known.remove(0);
                }
                known.push(address);
            }
        }
        if now.frame_mac.is_some() {
            self.client.frame_mac = now.frame_mac;
            self.client.direct = now.direct;
        }
        self.client.mac = now.mac.or(self.client.mac);
        if let Some(agent) = now.user_agent.as_ref().filter(|agent| agent.kind != Kind::Helper) {
            self.client.user_agent = Some(Arc::clone(agent));
        }
        self.follow_facets(now, upgraded);
    }

    /// Fills in the facets that were unknown. What is known stays as it was first seen, so that nobody
    /// can lead it astray step by step; an update brings a new TLS hello.
    fn follow_facets(&mut self, now: &ClientIdentity, upgraded: bool) {
        let known = &mut self.client;
        if known.tls.is_none() || (upgraded && now.tls.is_some()) {
            known.tls.clone_from(&now.tls);
        }
        if !known.tcp_stack.is_some_and(|traits| tcp_stack::is_telling(&traits)) && now.tcp_stack.is_some() {
            known.tcp_stack = now.tcp_stack;
        }
        known.language = known.language.or(now.language);
        let Some(order) = &now.header_order else { return };
        match &self.client.header_order {
            None => self.client.header_order = Some(Arc::clone(order)),
            Some(first) if first.likeness(order) == Likeness::Same || self.has_order(order) => {}
            Some(_) => {
                let others = &mut self.rare().orders;
                if others.len() < OTHER_ORDERS {
                    others.push(Arc::clone(order));
                }
            }
        }
    }

    /// Whether each of its requests was rejected.
    #[must_use]
    pub const fn only_rejected(&self) -> bool {
        self.rejected > 0 && self.rejected >= self.requests
    }

    /// Heap bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| {
            let Rare { addresses, orders, places, .. } = &**rare;
            let addresses = if addresses.spilled() { addresses.capacity() * size_of::<IpAddr>() } else { 0 };
            let orders = if orders.spilled() { orders.capacity() * size_of::<Arc<HeaderOrder>>() } else { 0 };
            size_of::<Rare>() + addresses + orders + places.heap_bytes()
        })
    }
}

fn actor_id(key: &DigestKey, session: TokenRef, client: &ClientIdentity) -> Digest16 {
    let (address, family, os, major) = traits(client);
    let tls = client.tls.as_deref().unwrap_or_default();
    let mac = client.mac.map(|mac| mac.0).unwrap_or_default();
    let (options, ttl) = client.tcp_stack.map(|stack| (stack.options, stack.initial_ttl)).unwrap_or_default();
    key.digest(&[
        &session.0,
        &address,
        family.as_bytes(),
        os.as_bytes(),
        &major.to_be_bytes(),
        tls.as_bytes(),
        &options,
        &[ttl],
        &mac,
    ])
}

/// Its address as a participant of turns.
fn place(client: &ClientIdentity) -> Digest16 {
    Digest16(traits(client).0)
}

fn place_of(address: IpAddr) -> Digest16 {
    Digest16(mapped(address))
}

/// IPv4 mapped into IPv6.
fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What names an actor: its address (IPv4 mapped into IPv6; zero when unknown) and its program.
pub(super) fn traits(client: &ClientIdentity) -> ([u8; 16], &str, &str, u32) {
    let address = client.address.map_or([0; 16], mapped);
    let (family, os, major) =
        client.user_agent.as_ref().map_or(("", "", 0), |ua| (ua.family.as_ref(), ua.os.as_ref(), ua.major));
    (address, family, os, major)
}
