//! What does a sighting mean for its session? The one place where sessions are made, changed,
//! judged ready and forgotten: `judge` says what a sighting means, `life` how long a session is kept.

mod judge;
mod life;

use std::sync::Arc;
use std::time::Duration;

use super::SessionConfig;
use super::attacked::Attacked;
use super::fairness::Fairness;
use super::guessers::Guessers;
use super::home::Homes;
use super::lineage::Lineage;
use super::neighbours::Neighbours;
use super::observation::{Evidence, Trigger};
use super::once::Once;
use super::pending::Pending;
use super::presenters::Presenters;
use super::session::Session;
use super::sighting::Sighting;
use super::suspects::Suspects;
use crate::base::ids::{DigestKey, TokenRef};
use crate::base::net::MacAddr;
use crate::base::time::Timestamp;
use crate::token::{RequestView, SeenToken, TokenSighting, TokenUse};

/// Time between two slices of expiry.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Plain counters of the session floor; the owner snapshots them.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionCounters {
    /// Sessions in the table (`sessions_tracked`).
    pub tracked: u64,
    /// Bytes they take, roughly (`memory_bytes{pool="sessions"}`).
    pub bytes: u64,
    /// Sessions made.
    pub created: u64,
    /// Sessions forgotten to make room (`sessions_evicted_total{reason="memory"}`).
    pub evicted_memory: u64,
    /// Sessions forgotten after the retention time (`sessions_evicted_total{reason="retention"}`).
    pub evicted_retention: u64,
    /// Suspects forgotten at the limit of a session (`limit_hits_total{limit="bindings"}`).
    pub binding_limit_hits: u64,
    /// Suspects judged early at the limit (`limit_hits_total{limit="pending_replies"}`).
    pub pending_limit_hits: u64,
    /// Earlier values of a rotated token forgotten at the limit (`limit_hits_total{limit="aliases"}`).
    pub alias_limit_hits: u64,
    /// Last requests of suspects forgotten at the limit (`limit_hits_total{limit="suspects"}`).
    pub suspect_limit_hits: u64,
    /// Clients that try unissued values forgotten at the limit (`limit_hits_total{limit="guessers"}`).
    pub guesser_limit_hits: u64,
    /// Presenters of others' tokens forgotten at the limit (`limit_hits_total{limit="presenters"}`).
    pub presenter_limit_hits: u64,
    /// Clients whose path was attacked forgotten at the limit (`limit_hits_total{limit="attacked"}`).
    pub attacked_limit_hits: u64,
    /// MAC addresses and bindings forgotten at the limit (`limit_hits_total{limit="neighbours"}`).
    pub neighbour_limit_hits: u64,
    /// Weak values presented but never issued in sight (`tokens_ignored_total{reason="weak_unissued"}`).
    pub weak_unissued: u64,
    /// Sightings that repeat another, in the order of [`Once::KINDS`] (`duplicates_total{kind}`).
    pub repeats: [u64; Once::KINDS.len()],
    /// Sightings too many to be compared with later ones (`limit_hits_total{limit="once"}`).
    pub once_limit_hits: u64,
    /// Values presented only by known fetchers (`tokens_ignored_total{reason="fetcher"}`).
    pub fetcher: u64,
}

/// All sessions, and the suspects waiting for a reply.
#[derive(Debug)]
pub struct SessionTable {
    config: SessionConfig,
    key: DigestKey,
    lineage: Lineage,
    order: Fairness,
    /// The place of the order that is swept next.
    sweep: usize,
    neighbours: Neighbours,
    homes: Homes,
    guessers: Guessers,
    presenters: Presenters,
    attacked: Attacked,
    pending: Pending,
    suspects: Suspects,
    once: Once,
    counters: SessionCounters,
    now: Timestamp,
    next_sweep: Timestamp,
}

impl SessionTable {
    /// An empty table. `installation` is the 32-byte key of the installation, `seed` keys hashes.
    #[must_use]
    pub fn new(config: SessionConfig, installation: &[u8; 32], seed: u64) -> Self {
        Self {
            key: DigestKey::derive(installation, "actor"),
            lineage: Lineage::default(),
            order: Fairness::new(seed),
            sweep: 0,
            neighbours: Neighbours::new(config.neighbours, seed).within(Arc::clone(&config.topology)),
            homes: Homes::new(seed),
            guessers: Guessers::new(config.guessers, seed),
            presenters: Presenters::new(config.presenters, seed),
            attacked: Attacked::new(config.attacked, seed),
            pending: Pending::default(),
            suspects: Suspects::new(config.pending, seed),
            once: Once::new(Arc::clone(&config.topology), config.legs),
            counters: SessionCounters::default(),
            now: Timestamp::MIN,
            next_sweep: Timestamp::MIN,
            config,
        }
    }

    /// The counters so far.
    #[must_use]
    pub fn counters(&self) -> SessionCounters {
        SessionCounters {
            bytes: self.counters.bytes + self.homes.bytes(),
            guesser_limit_hits: self.guessers.limit_hits,
            presenter_limit_hits: self.presenters.limit_hits(),
            attacked_limit_hits: self.attacked.limit_hits(),
            neighbour_limit_hits: self.neighbours.limit_hits,
            suspect_limit_hits: self.suspects.limit_hits(),
            repeats: self.once.repeats,
            once_limit_hits: self.once.limit_hits,
            ..self.counters
        }
    }

    /// Applies one sighting, in frame order. What the detectors should judge is appended to `out`.
    /// Time is told by [`Self::on_time`] alone: a frame may carry any.
    /// Of what is nothing new, as most are, nothing is appended and the token is told instead: an owner
    /// presented it once more. [`Self::whole`] makes an observation of it for whoever wants one.
    pub fn apply<'a>(&mut self, sighting: &'a Sighting, out: &mut Vec<Evidence>) -> Option<&'a TokenSighting> {
        match sighting {
            Sighting::Token(token) => {
                let mac = self.locate(&token.request.like);
                let repeat = self.once.repeat_of(token);
                if repeat.is_none() && self.presented_again(token, mac) {
                    return Some(token);
                }
                let token = with_mac(token.clone(), mac);
                match (&token.action, repeat) {
                    (TokenUse::Presented, None) => self.presented(token, out),
                    (TokenUse::Presented, Some(repeat)) => self.repeated(token, repeat, Trigger::Presented, out),
                    (TokenUse::Issued(issued), None) => {
                        let issued = *issued;
                        self.issued(&token, issued);
                        self.exposed(token, Trigger::Issued, out);
                    }
                    (TokenUse::Issued(issued), Some(repeat)) => {
                        let issued = *issued;
                        if repeat.nearer {
                            self.reissued(&token, issued);
                        }
                        self.repeated(token, repeat, Trigger::Issued, out);
                    }
                    (TokenUse::Deleted, _) => self.deleted(&token),
                }
            }
            Sighting::Outcome(outcome) => self.answered(outcome, out),
            Sighting::Path(path) => self.path(path.clone(), out),
            Sighting::Neighbour(claim, at) => {
                if let Some(taken) = self.neighbours.claim(claim, at.ts) {
                    self.attacked.note(claim.ip, at.ts);
                    out.push(Evidence::Takeover(taken, *at));
                }
            }
        }
        None
    }

    /// Notes where a request's client is on its segment; its MAC address where the segment confirms it.
    fn locate(&mut self, request: &RequestView) -> Option<MacAddr> {
        let client = &request.client;
        if let (Some(mac), Some(ip)) = (client.frame_mac, client.address) {
            self.neighbours.note(mac, ip);
        }
        if let Some(mac) = request.next_hop {
            self.neighbours.note_next_hop(request.tenant, mac, request.destination.ip);
        }
        self.mac_of(request)
    }

    /// The MAC address of a request's client, where its packets came straight from its segment.
    fn mac_of(&mut self, request: &RequestView) -> Option<MacAddr> {
        let client = &request.client;
        let (Some(frame_mac), Some(ip), true) = (client.frame_mac, client.address, client.direct) else { return None };
        self.neighbours.mac_of(request.tenant, ip, frame_mac)
    }

    /// Time has passed: suspects whose reply did not come in time are judged, old sessions are
    /// reduced or forgotten, a slice at a time. When time runs back, what waited is judged.
    #[inline]
    pub fn on_time(&mut self, now: Timestamp, out: &mut Vec<Evidence>) {
        if now < self.now || now >= self.next_sweep || !self.pending.is_empty() {
            self.on_time_due(now, out);
        }
        self.now = now;
    }

    fn on_time_due(&mut self, now: Timestamp, out: &mut Vec<Evidence>) {
        if now < self.now {
            // The time before was wrong: nothing may wait for it to come again.
            self.pending.drain(self.now, out);
            self.next_sweep = now;
        }
        self.now = now;
        self.pending.due(self.now, self.config.late_reply, out);
        if self.now >= self.next_sweep {
            self.next_sweep = self.now.after(SWEEP_EVERY);
            for _ in 0..self.order.places().min(self.order.places() / 256 + 16) {
                self.sweep_one();
            }
            self.neighbours.on_time(self.now);
            self.homes.tidy();
        }
    }

    /// The end of the history: everything that waits is judged.
    pub fn drain(&mut self, out: &mut Vec<Evidence>) {
        self.pending.drain(self.now, out);
    }

    #[cfg(test)]
    pub(crate) const fn home_bytes(&self) -> u64 {
        self.homes.bytes()
    }

    #[cfg(test)]
    pub(crate) const fn places(&self) -> usize {
        self.order.places()
    }

    fn find(&self, token: &SeenToken) -> Option<TokenRef> {
        self.lineage.resolve(token.token).or_else(|| self.lineage.resolve(token.by_address?))
    }
}

/// A session that a sighting begins.
fn fresh(sighting: &TokenSighting) -> Box<Session> {
    let token = &sighting.token;
    Box::new(Session::new(token.token, token.class, &sighting.request.like.client, sighting.at.ts))
}

/// The sighting, with the client's MAC address where its segment confirms it.
fn with_mac(mut token: TokenSighting, mac: Option<MacAddr>) -> TokenSighting {
    if mac.is_some() {
        Arc::make_mut(&mut Arc::make_mut(&mut token.request).like).client.mac = mac;
    }
    token
}

/// Changes a session and accounts for the bytes that it takes afterwards.
fn change<T>(
    lineage: &Lineage,
    counters: &mut SessionCounters,
    id: TokenRef,
    change: impl FnOnce(&mut Session) -> T,
) -> Option<T> {
    let (answer, before, after) = lineage.write(id, |session| {
        let before = session.bytes();
        (change(session), before, session.bytes())
    })?;
    counters.bytes = (counters.bytes + after).saturating_sub(before);
    Some(answer)
}

/// The host that a request was for; empty when there is none.
fn host(request: &RequestView) -> &str {
    request.http.as_ref().map_or("", |http| &http.host)
}
