//! What does a sighting mean for its session? The one place where sessions are made, changed,
//! judged ready and forgotten.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::SessionConfig;
use super::fairness::{self, Fairness};
use super::lineage::{ENTRY_BYTES, Lineage};
use super::neighbours::Neighbours;
use super::observation::{Observation, Trigger};
use super::once::{Once, Repeat};
use super::pending::Pending;
use super::session::{Binding, Presented, Session};
use super::sighting::Sighting;
use super::suspects::Suspects;
use crate::base::ids::{DigestKey, TokenRef};
use crate::base::time::Timestamp;
use crate::identity::user_agent::Kind;
use crate::token::{Issued, Outcome, OutcomeSighting, RequestView, TokenSighting, TokenUse};

/// Bits from which a value is unique in the world; weaker ones are followed only once issued.
const STRONG_BITS: u16 = 64;

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
    /// MAC addresses forgotten at the limit (`limit_hits_total{limit="neighbours"}`).
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
    sweep: VecDeque<TokenRef>,
    neighbours: Neighbours,
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
            sweep: VecDeque::new(),
            neighbours: Neighbours::new(config.neighbours, seed).within(Arc::clone(&config.topology)),
            pending: Pending::default(),
            suspects: Suspects::new(config.pending, seed),
            once: Once::new(Arc::clone(&config.topology), seed),
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
            neighbour_limit_hits: self.neighbours.limit_hits,
            suspect_limit_hits: self.suspects.limit_hits,
            repeats: self.once.repeats,
            once_limit_hits: self.once.limit_hits,
            ..self.counters
        }
    }

    /// Applies one sighting, in frame order. What the detectors should judge is appended to `out`.
    /// Time is told by [`Self::on_time`] alone: a frame may carry any.
    pub fn apply(&mut self, sighting: Sighting, out: &mut Vec<Arc<Observation>>) {
        match sighting {
            Sighting::Token(token) => {
                let client = &token.request.client;
                if let (Some(mac), Some(ip)) = (client.frame_mac, client.address) {
                    self.neighbours.note(mac, ip);
                }
                let repeat = self.once.repeat_of(&token);
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
            Sighting::Outcome(outcome) => self.answered(&outcome, out),
            Sighting::Path(_) | Sighting::Neighbour(..) => {}
        }
    }

    /// Time has passed: suspects whose reply did not come in time are judged, old sessions are
    /// reduced or forgotten, a slice at a time. When time runs back, what waited is judged.
    pub fn on_time(&mut self, now: Timestamp, out: &mut Vec<Arc<Observation>>) {
        if now < self.now {
            // The time before was wrong: nothing may wait for it to come again.
            self.pending.drain(self.now, out);
            self.next_sweep = now;
        }
        self.now = now;
        self.pending.due(self.now, self.config.late_reply, out);
        if self.now >= self.next_sweep {
            self.next_sweep = self.now.after(SWEEP_EVERY);
            for _ in 0..self.sweep.len() / 256 + 16 {
                self.sweep_one();
            }
            self.tidy();
        }
    }

    /// The end of the history: everything that waits is judged.
    pub fn drain(&mut self, out: &mut Vec<Arc<Observation>>) {
        self.pending.drain(self.now, out);
    }

    #[cfg(test)]
    pub(crate) fn queue_lengths(&self) -> (usize, usize) {
        (self.order.len(), self.sweep.len())
    }

    fn find(&self, sighting: &TokenSighting) -> Option<TokenRef> {
        self.lineage.resolve(sighting.token.token).or_else(|| self.lineage.resolve(sighting.token.by_address?))
    }

    fn presented(&mut self, sighting: TokenSighting, out: &mut Vec<Arc<Observation>>) {
        let client = &sighting.request.client;
        let Some(id) = self.find(&sighting) else {
            if sighting.token.strength < STRONG_BITS {
                self.counters.weak_unissued += 1;
            } else if client.user_agent.as_ref().is_some_and(|ua| ua.kind == Kind::Fetcher) {
                self.counters.fetcher += 1;
            } else {
                let session = self.fresh(&sighting);
                self.insert(session, client.address);
                return self.presented(sighting, out);
            }
            return self.exposed(sighting, Trigger::Presented, out);
        };
        let ts = sighting.at.ts;
        let (config, key, neighbours) = (&self.config, &self.key, &self.neighbours);
        let Some(what) = change(&self.lineage, &mut self.counters, id, |session| {
            session.present(client, ts, neighbours, config, key)
        }) else {
            return;
        };
        self.counters.binding_limit_hits += u64::from(what.evicted);
        self.observe(id, sighting, &what, out);
        self.make_room();
    }

    /// Builds the observations of a presentation.
    fn observe(&mut self, id: TokenRef, sighting: TokenSighting, what: &Presented, out: &mut Vec<Arc<Observation>>) {
        for suspect in &what.returned {
            let seen = self.lineage.read(id, |session| {
                let binding = session.bindings().get(*suspect)?;
                let prior = session.prior_of(binding)?;
                let last = self.suspects.last(binding.id)?;
                let diff = binding.compare_with(prior, &self.neighbours);
                Some(Observation {
                    trigger: Trigger::OwnerReturned,
                    token: last.token.clone(),
                    request: Arc::clone(&last.request),
                    plaintext: last.plaintext,
                    outcome: last.outcome,
                    status: last.status,
                    session: session.view(self.now.max(sighting.at.ts), &self.config),
                    subject: binding.view(),
                    prior: Some(prior.view()),
                    prior_live: binding.prior_was_live && binding.prior_returned,
                    interleaved: session.interleaving(*suspect, &diff),
                    diff: Some(diff),
                    now: sighting.at.ts,
                })
            });
            out.extend(seen.flatten().map(Arc::new));
        }
        let observation = self.lineage.read(id, |session| {
            let subject = session.bindings().get(what.binding)?;
            let prior = what.prior.and_then(|(index, _)| session.bindings().get(index));
            let diff = what.prior.map(|(_, diff)| diff);
            Some(Observation {
                trigger: Trigger::Presented,
                token: sighting.token,
                request: sighting.request,
                plaintext: sighting.plaintext,
                outcome: Outcome::Unknown,
                status: None,
                session: session.view(self.now.max(sighting.at.ts), &self.config),
                subject: subject.view(),
                prior: prior.map(Binding::view),
                prior_live: subject.prior_was_live && subject.prior_returned,
                interleaved: diff.and_then(|d| session.interleaving(what.binding, &d)),
                diff,
                now: sighting.at.ts,
            })
        });
        let Some(observation) = observation.flatten() else { return };
        if observation.diff.is_some() {
            self.suspects.note(&observation);
            let deadline = self.now.after(self.config.reply_wait);
            self.pending.push(observation, deadline);
            if self.pending.len() > self.config.pending {
                self.counters.pending_limit_hits += 1;
                self.pending.shed(self.now, out);
            }
        } else {
            out.push(Arc::new(observation));
        }
    }

    /// A token that travelled but is not followed, or was only issued: the exposure detectors see it.
    fn exposed(&self, sighting: TokenSighting, trigger: Trigger, out: &mut Vec<Arc<Observation>>) {
        let look = |s: &Session| (s.view(self.now, &self.config), s.bindings().first().map(Binding::view));
        let known = self.find(&sighting).and_then(|id| self.lineage.read(id, look));
        let (view, subject) = known.unwrap_or_else(|| look(&self.fresh(&sighting)));
        let Some(subject) = subject else { return };
        out.push(Arc::new(Observation {
            trigger,
            token: sighting.token,
            request: sighting.request,
            plaintext: sighting.plaintext,
            outcome: Outcome::Unknown,
            status: None,
            session: view,
            subject,
            prior: None,
            diff: None,
            prior_live: false,
            interleaved: None,
            now: sighting.at.ts,
        }));
    }

    /// A server handed a token out: a new session, the child of one, or one that it knows already.
    fn issued(&mut self, sighting: &TokenSighting, issued: Issued) {
        let request = &*sighting.request;
        let (server, ts) = (request.destination.ip, sighting.at.ts);
        let host = host(request);
        if let Some(id) = self.find(sighting) {
            let reissue = change(&self.lineage, &mut self.counters, id, |session| {
                let home = session.home.is_empty() || session.is_home(server);
                if home && session.ended.is_none() {
                    session.issued = session.issued.or(Some(ts));
                    session.add_home(server, host);
                }
                home && session.ended.is_some()
            });
            if reissue != Some(true) {
                return;
            }
            self.forget(id);
        } else if let Some(parent) = [issued.replaces, issued.replaces_by_address]
            .into_iter()
            .flatten()
            .find_map(|old| self.lineage.resolve(old))
        {
            let live = self.lineage.read(parent, |s| s.ended.is_none() && (s.home.is_empty() || s.is_home(server)));
            if live == Some(true) {
                self.rotate(parent, sighting);
                return;
            }
        }
        let mut session = self.fresh(sighting);
        session.issued = Some(ts);
        session.add_home(server, host);
        session.aliases.extend(sighting.token.by_address);
        self.insert(session, request.client.address);
    }

    /// A reply that hands out a token has come to the leg of its client: a session that nobody has used
    /// yet is his. Until now it was the proxy's, or nobody's.
    fn reissued(&mut self, sighting: &TokenSighting, issued: Issued) {
        let Some(id) = self.find(sighting) else { return };
        if let Some(home) = self.lineage.read(id, Session::unused_home).flatten() {
            self.forget(id);
            self.issued(sighting, issued);
            change(&self.lineage, &mut self.counters, id, |session| {
                home.iter().for_each(|server| session.add_home(*server, host(&sighting.request)));
            });
        }
    }

    /// Another leg of a request that was applied: tells more of its client, and no more of its session.
    fn repeated(&mut self, sighting: TokenSighting, repeat: Repeat, trigger: Trigger, out: &mut Vec<Arc<Observation>>) {
        if let Some(id) = self.find(&sighting).filter(|_| repeat.same_address) {
            let (client, neighbours) = (&sighting.request.client, &self.neighbours);
            change(&self.lineage, &mut self.counters, id, |session| session.learn(client, neighbours));
        }
        if repeat.newly_exposed {
            self.exposed(sighting, trigger, out);
        }
    }

    /// The new value leads to the parent's session from now on; so does the old one.
    fn rotate(&mut self, parent: TokenRef, sighting: &TokenSighting) {
        for token in [Some(sighting.token.token), sighting.token.by_address].into_iter().flatten() {
            if !self.lineage.alias(token, parent) {
                continue;
            }
            self.counters.bytes += ENTRY_BYTES;
            let limit = self.config.aliases;
            let dropped = change(&self.lineage, &mut self.counters, parent, |session| {
                session.aliases.push(token);
                (session.aliases.len() > limit).then(|| session.aliases.remove(0))
            });
            if let Some(Some(oldest)) = dropped {
                self.lineage.unalias(oldest, parent);
                self.counters.bytes = self.counters.bytes.saturating_sub(ENTRY_BYTES);
                self.counters.alias_limit_hits += 1;
            }
        }
        let (server, host, ts) = (sighting.request.destination.ip, host(&sighting.request), sighting.at.ts);
        change(&self.lineage, &mut self.counters, parent, |session| {
            session.lineage += 1;
            session.issued = session.issued.or(Some(ts));
            session.add_home(server, host);
        });
    }

    fn deleted(&mut self, sighting: &TokenSighting) {
        if let Some(id) = self.find(sighting) {
            let server = sighting.request.destination.ip;
            self.lineage.write(id, |session| {
                if session.is_home(server) && session.ended.is_none() {
                    session.ended = Some(sighting.at.ts);
                }
            });
        }
    }

    /// A reply: counts for the bindings, and completes the observations that waited for it.
    fn answered(&mut self, reply: &OutcomeSighting, out: &mut Vec<Arc<Observation>>) {
        let request = &*reply.request;
        // Several refs may lead to one session: its request was answered once.
        let mut counted: SmallVec<[TokenRef; 2]> = SmallVec::new();
        for (token, outcome) in &reply.tokens {
            let Some(id) = self.lineage.resolve(*token).filter(|id| !counted.contains(id)) else { continue };
            counted.push(id);
            if self.once.is_repeat(request.id, *token) {
                continue;
            }
            let (client, server) = (&request.client, request.destination.ip);
            let neighbours = &self.neighbours;
            change(&self.lineage, &mut self.counters, id, |s| {
                s.outcome(client, server, host(request), *outcome, neighbours)
            });
        }
        for (mut observation, judged) in self.pending.answered(request.id) {
            let sent = observation.token.token;
            let said = reply.tokens.iter().find(|(token, _)| *token == sent).map_or(Outcome::Unknown, |(_, o)| *o);
            if judged {
                observation.trigger = Trigger::LateOutcome;
            }
            observation.status = Some(reply.status);
            observation.now = reply.at.ts;
            self.refresh(&mut observation, said);
            self.suspects.note(&observation);
            out.push(Arc::new(observation));
        }
    }

    /// Brings the counts of a waiting observation up to date, now that its reply is known.
    fn refresh(&self, observation: &mut Observation, said: Outcome) {
        let (id, subject) = (observation.session.id, observation.subject.id);
        let server = observation.request.destination.ip;
        let _gone_meanwhile = self.lineage.read(id, |session| {
            observation.outcome =
                if session.counts_from(server, host(&observation.request)) { said } else { Outcome::Unknown };
            let adopted = observation.session.adopted;
            observation.session = super::SessionView { adopted, ..session.view(self.now, &self.config) };
            if let Some(binding) = session.bindings().iter().find(|b| b.id == subject) {
                observation.subject = binding.view();
                observation.prior_live = binding.prior_was_live && binding.prior_returned;
            }
        });
    }

    fn fresh(&self, sighting: &TokenSighting) -> Box<Session> {
        let token = &sighting.token;
        Box::new(Session::new(token.token, token.class, &sighting.request.client, sighting.at.ts, &self.key))
    }

    fn insert(&mut self, session: Box<Session>, owner: Option<IpAddr>) {
        let (id, bytes) = (session.id, cost(&session));
        let aliases = session.aliases.clone();
        if let Some(old) = self.lineage.insert(session) {
            self.counters.bytes = self.counters.bytes.saturating_sub(cost(&old));
            self.counters.tracked -= 1;
        }
        for alias in aliases {
            self.lineage.alias(alias, id);
        }
        self.order.push(owner, id);
        self.sweep.push_back(id);
        self.counters.bytes += bytes;
        self.counters.tracked += 1;
        self.counters.created += 1;
        self.make_room();
    }

    fn forget(&mut self, id: TokenRef) -> bool {
        let Some(session) = self.lineage.remove(id) else { return false };
        self.counters.bytes = self.counters.bytes.saturating_sub(cost(&session));
        self.counters.tracked = self.counters.tracked.saturating_sub(1);
        true
    }

    fn make_room(&mut self) {
        while self.counters.bytes > self.config.table_bytes {
            let Some(id) = self.order.pop() else { return };
            self.counters.evicted_memory += u64::from(self.forget(id));
        }
    }

    /// Drops what is left in the queues of sessions that are gone.
    fn tidy(&mut self) {
        let most = 2 * usize::try_from(self.counters.tracked).unwrap_or(usize::MAX) + 1024;
        // A value that was issued again after its end stands in them more than once.
        let mut seen = BTreeSet::new();
        if self.order.len() > most {
            self.order.retain(|id| self.lineage.is_session(id) && seen.insert(id));
        }
        seen.clear();
        if self.sweep.len() > most {
            self.sweep.retain(|id| self.lineage.is_session(*id) && seen.insert(*id));
        }
    }

    /// Looks at the session that has waited longest: reduces or forgets it when it is time.
    fn sweep_one(&mut self) {
        let Some(id) = self.sweep.pop_front() else { return };
        let (now, config) = (self.now, &self.config);
        let swept = change(&self.lineage, &mut self.counters, id, |session| {
            session.reduce(now, config.idle_timeout, config.absolute_timeout);
            now.since(session.last_seen) >= config.retention
        });
        let Some(over) = swept else { return };
        if over {
            self.counters.evicted_retention += u64::from(self.forget(id));
        } else {
            self.sweep.push_back(id);
        }
    }
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

fn cost(session: &Session) -> u64 {
    session.bytes() + ENTRY_BYTES * (1 + session.aliases.len() as u64) + fairness::BYTES_PER_SESSION
}

fn host(request: &RequestView) -> &str {
    request.http.as_ref().map_or("", |http| &http.host)
}
