//! What does a use of a token, a reply or an odd path mean, and when can it be judged?

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::super::binding::{Binding, traits};
use super::super::guessers::Tries;
use super::super::observation::{Evidence, FanIn, Guesses, Observation, PathObservation, SessionView, Trigger};
use super::super::once::Repeat;
use super::super::session::{Presented, Session};
use super::{SessionTable, change, fresh, host};
use crate::base::ids::{Digest16, TokenRef};
use crate::base::net::{MacAddr, Source};
use crate::base::time::Timestamp;
use crate::flow::AnomalyKind;
use crate::identity::ClientIdentity;
use crate::identity::user_agent::Kind;
use crate::token::strength;
use crate::token::{Outcome, OutcomeSighting, PathKind, PathSighting, TokenClass, TokenSighting, TokenUse};

/// Fewest unissued values of one client that are worth an observation; the rules ask for more.
const FEWEST_GUESSES: u32 = 5;

/// What a reply says of the tokens of its request, to be looked up: one may speak of thousands.
struct Said {
    /// In order, the first word on a token before others.
    outcomes: SmallVec<[(TokenRef, Outcome); 4]>,
    /// In order.
    renewed: SmallVec<[TokenRef; 4]>,
}

impl Said {
    fn by(reply: &OutcomeSighting) -> Self {
        let mut outcomes = SmallVec::from_slice(&reply.tokens);
        let mut renewed = SmallVec::from_slice(&reply.renewed);
        outcomes.sort_by_key(|(token, _)| *token);
        renewed.sort_unstable();
        Self { outcomes, renewed }
    }

    /// What became of a token, and whether another value was handed out in its place.
    fn of(&self, token: TokenRef) -> (Outcome, bool) {
        let first = self.outcomes.partition_point(|(known, _)| *known < token);
        let said = self.outcomes.get(first).filter(|(known, _)| *known == token);
        (said.map_or(Outcome::Unknown, |(_, outcome)| *outcome), self.renewed.binary_search(&token).is_ok())
    }
}

impl SessionTable {
    /// Whether a token was presented by its owner, of whom nothing is new, while nobody else uses it.
    /// Then the session has counted it and nothing is left to be judged.
    pub(super) fn presented_again(&mut self, sighting: &TokenSighting, mac: Option<MacAddr>) -> bool {
        let TokenSighting { token, request, at, .. } = sighting;
        let again = matches!(sighting.action, TokenUse::Presented)
            && self.lineage.write_where(token.token, |session| session.present_again(&request.like.client, mac, at.ts))
                == Some(true);
        if again {
            self.make_room();
        }
        again
    }

    /// The observation of what [`Self::apply`] gave back.
    #[must_use]
    pub fn whole(&self, again: &TokenSighting) -> Arc<Observation> {
        Arc::new(self.of_owner(again.clone(), Trigger::Presented))
    }

    /// A client presented a token.
    pub(super) fn presented(&mut self, sighting: TokenSighting, out: &mut Vec<Evidence>) {
        if sighting.token.is_password() {
            return self.exposed(sighting, Trigger::Presented, out);
        }
        let Some(id) = self.find(&sighting.token).or_else(|| self.adopt(&sighting)) else {
            return self.exposed(sighting, Trigger::Presented, out);
        };
        let (client, ts) = (&sighting.request.like.client, sighting.at.ts);
        self.refute_mac(id, client, ts);
        let (config, key, neighbours) = (&self.config, &self.key, &self.neighbours);
        let Some(what) = change(&self.lineage, &mut self.counters, id, |session| {
            session.present(client, ts, neighbours, config, key)
        }) else {
            return;
        };
        self.counters.binding_limit_hits += u64::from(what.evicted);
        if sighting.token.class.is_personal() {
            self.note_presenter(id, &what, ts);
        }
        self.tell_returns(id, &what, ts, out);
        self.observe(id, sighting, &what, out);
        self.make_room();
    }

    /// A host that uses a token at two addresses in turn is two that go by one MAC address.
    fn refute_mac(&mut self, id: TokenRef, client: &ClientIdentity, at: Timestamp) {
        let Some(mac) = client.mac else { return };
        let (gap, neighbours) = (self.config.turn_gap, &self.neighbours);
        let refuted =
            change(&self.lineage, &mut self.counters, id, |session| session.refutes_mac(client, at, neighbours, gap));
        if refuted == Some(true) {
            self.neighbours.distrust(mac, at);
        }
    }

    /// A session whose first use is seen, where the token is one to be followed. `None` also where no
    /// memory is left for it.
    fn adopt(&mut self, sighting: &TokenSighting) -> Option<TokenRef> {
        let client = &sighting.request.like.client;
        if sighting.token.class != TokenClass::Basic {
            self.guessers.presented(sighting);
        }
        if sighting.token.strength < strength::STRONG {
            self.counters.weak_unissued += 1;
            return None;
        }
        if client.user_agent.as_ref().is_some_and(|ua| ua.kind == Kind::Fetcher) {
            self.counters.fetcher += 1;
            return None;
        }
        let session = fresh(sighting);
        self.insert(session, client.address);
        self.find(&sighting.token)
    }

    /// Another leg of a request that was applied: tells more of its client, and no more of its session.
    pub(super) fn repeated(
        &mut self,
        sighting: TokenSighting,
        repeat: Repeat,
        trigger: Trigger,
        out: &mut Vec<Evidence>,
    ) {
        if let Some(id) = self.find(&sighting.token).filter(|_| repeat.same_address) {
            let (client, neighbours, key) = (&sighting.request.like.client, &self.neighbours, &self.key);
            change(&self.lineage, &mut self.counters, id, |session| session.learn(client, neighbours, key));
        }
        if repeat.newly_exposed {
            self.exposed(sighting, trigger, out);
        }
    }

    /// A suspect presents a token whose owner was seen lately: perhaps not its only one.
    fn note_presenter(&mut self, id: TokenRef, what: &Presented, at: Timestamp) {
        let Some((prior, _)) = what.prior.filter(|(prior, _)| *prior != what.binding) else { return };
        let clients = self.lineage.read(id, |session| {
            let (suspect, prior) = (session.binding(what.binding)?, session.binding(prior)?);
            let live = at.since(prior.last_seen) <= self.config.fan_window;
            live.then(|| (self.presenter(&suspect.client), self.presenter(&prior.client)))
        });
        if let Some((suspect, owner)) = clients.flatten() {
            self.presenters.used(suspect, id, owner, at);
        }
    }

    /// An actor is back: the suspects that were compared with it are told again, now that more is
    /// known of them.
    fn tell_returns(&mut self, id: TokenRef, what: &Presented, at: Timestamp, out: &mut Vec<Evidence>) {
        let mut returned = what.returned.clone();
        let compared: SmallVec<[(usize, Digest16); 2]> = self
            .lineage
            .read(id, |session| {
                let back = session.binding(what.binding).map(Binding::id);
                let suspects = session.bindings().enumerate().skip(1);
                let of_it = suspects.filter(|(_, b)| back.is_some() && b.suspected().prior == back);
                of_it.map(|(index, b)| (index, self.presenter(&b.client))).collect()
            })
            .unwrap_or_default();
        for (index, suspect) in compared {
            let news = self.presenters.owner_returned(suspect, id, at, self.config.fan_window);
            if news && !returned.contains(&index) && self.presenters.takings(suspect).owners >= 2 {
                returned.push(index);
            }
        }
        for suspect in returned {
            let seen = self.lineage.read(id, |session| {
                let binding = session.binding(suspect)?;
                let prior = session.prior_of(binding)?;
                let last = self.suspects.last(binding.id())?;
                let diff = binding.compare_with(prior, &self.neighbours);
                Some(Observation {
                    outcome: last.outcome,
                    status: last.status,
                    prior: Some(prior.view()),
                    prior_live: binding.prior_is_live(),
                    interleaved: session.interleaving(suspect, &diff),
                    diff: Some(diff),
                    path_attack: self.attacked.lately(prior.client.address, at),
                    ..self.plain(Trigger::OwnerReturned, session, binding, last.sighting(at))
                })
            });
            out.extend(seen.flatten().map(|seen| Evidence::Use(Arc::new(self.with_fan_in(seen)))));
        }
    }

    /// Builds the observation of a presentation. What may accuse somebody waits for the reply.
    fn observe(&mut self, id: TokenRef, sighting: TokenSighting, what: &Presented, out: &mut Vec<Evidence>) {
        let ts = sighting.at.ts;
        let observation = self.lineage.read(id, |session| {
            let subject = session.binding(what.binding)?;
            let prior = what.prior.and_then(|(index, _)| session.binding(index));
            let diff = what.prior.map(|(_, diff)| diff);
            Some(Observation {
                prior: prior.map(Binding::view),
                prior_live: subject.prior_is_live(),
                interleaved: diff.and_then(|d| session.interleaving(what.binding, &d)),
                path_attack: prior.is_some_and(|prior| self.attacked.lately(prior.client.address, ts)),
                diff,
                ..self.plain(Trigger::Presented, session, subject, sighting)
            })
        });
        let Some(observation) = observation.flatten().map(|seen| self.with_fan_in(seen)) else { return };
        if observation.diff.is_none() && observation.session.ended.is_none() {
            out.push(Evidence::Use(Arc::new(observation)));
            return;
        }
        if observation.diff.is_some() {
            self.suspects.note(&observation);
        }
        let deadline = self.now.after(self.config.reply_wait);
        self.pending.push(observation, deadline);
        if self.pending.len() > self.config.pending {
            self.counters.pending_limit_hits += 1;
            self.pending.shed(self.now, out);
        }
    }

    /// A token that travelled but is not followed, or was only issued: the exposure detectors see it.
    pub(super) fn exposed(&self, sighting: TokenSighting, trigger: Trigger, out: &mut Vec<Evidence>) {
        out.push(Evidence::Use(Arc::new(self.of_owner(sighting, trigger))));
    }

    /// An observation of the token's own session, or of one that it might begin.
    fn of_owner(&self, sighting: TokenSighting, trigger: Trigger) -> Observation {
        let known = self.find(&sighting.token).and_then(|id| {
            self.lineage.read(id, |session| self.plain(trigger, session, session.owner(), sighting.clone()))
        });
        known.unwrap_or_else(|| {
            let session = fresh(&sighting);
            self.plain(trigger, &session, session.owner(), sighting)
        })
    }

    /// An observation that speaks against nobody.
    fn plain(&self, trigger: Trigger, session: &Session, subject: &Binding, sighting: TokenSighting) -> Observation {
        Observation {
            trigger,
            token: Arc::unwrap_or_clone(sighting.token),
            request: sighting.request.view(),
            plaintext: sighting.plaintext,
            outcome: Outcome::Unknown,
            status: None,
            session: self.view(session, sighting.at.ts),
            subject: subject.view(),
            prior: None,
            diff: None,
            prior_live: false,
            interleaved: None,
            renewed: false,
            login: false,
            fan_in: None,
            guesses: None,
            path_attack: false,
            now: sighting.at.ts,
        }
    }

    fn view(&self, session: &Session, at: Timestamp) -> SessionView {
        session.view(self.now.max(at), &self.neighbours, &self.config)
    }

    /// A reply: counts for the bindings, and completes the observations that waited for it.
    pub(super) fn answered(&mut self, reply: &OutcomeSighting, out: &mut Vec<Evidence>) {
        let request = &*reply.request.like;
        let mac = self.mac_of(request);
        let mut located = None;
        for (token, outcome) in self.answered_refs(reply) {
            let server = request.destination.ip;
            let known = self.lineage.write_where(token, |session| {
                let done = self.once.is_repeat(reply.request.id, token)
                    || session.outcome_again((&request.client, mac), server, host(request), outcome);
                (session.id, done)
            });
            let Some((id, done)) = known else { continue };
            if done {
                continue;
            }
            let client = located.get_or_insert_with(|| {
                let client = request.client.clone();
                ClientIdentity { mac: mac.or(client.mac), ..client }
            });
            let (neighbours, homes) = (&self.neighbours, &mut self.homes);
            change(&self.lineage, &mut self.counters, id, |session| {
                let counts = session.outcome(client, server, host(request), outcome, neighbours, homes);
                let logs_in = reply.login && request.http.as_ref().is_some_and(|http| &*http.method == "POST");
                if logs_in && counts == Outcome::Accepted && session.is_owner(client, neighbours) {
                    // The server keeps one value over logout and login.
                    session.revive();
                }
            });
        }
        let said = Said::by(reply);
        let waited = if self.pending.is_empty() { Vec::new() } else { self.pending.answered(reply.request.id) };
        for (mut observation, judged) in waited {
            let (outcome, renewed) = said.of(observation.token.token);
            if judged {
                observation.trigger = Trigger::LateOutcome;
            }
            observation.status = Some(reply.status);
            observation.now = reply.at.ts;
            (observation.renewed, observation.login) = (renewed, reply.login);
            self.refresh(&mut observation, outcome);
            let observation = self.with_fan_in(observation);
            if observation.diff.is_some() {
                self.suspects.note(&observation);
            }
            out.push(Evidence::Use(Arc::new(observation)));
        }
        if self.guessers.awaits(reply.request.id) {
            self.tell_guesses(reply, &said, out);
        }
    }

    /// The refs that a reply speaks of, one of each session, in order: several may lead to one, whose request
    /// was answered once.
    fn answered_refs(&self, reply: &OutcomeSighting) -> SmallVec<[(TokenRef, Outcome); 2]> {
        if let [only] = *reply.tokens {
            return smallvec![only];
        }
        let resolved = reply.tokens.iter().enumerate();
        let resolved = resolved.filter_map(|(at, (token, _))| Some((self.lineage.resolve(*token)?, at)));
        let mut places: SmallVec<[(TokenRef, usize); 2]> = resolved.collect();
        places.sort_unstable();
        places.dedup_by_key(|(id, _)| *id);
        places.sort_unstable_by_key(|(_, at)| *at);
        places.into_iter().filter_map(|(_, at)| reply.tokens.get(at).copied()).collect()
    }

    fn tell_guesses(&mut self, reply: &OutcomeSighting, said: &Said, out: &mut Vec<Evidence>) {
        // A login page welcomes any value: that lets nobody in.
        let said_of = |token| match said.of(token) {
            (Outcome::Accepted, true) if reply.login => (Outcome::Rejected, true),
            (Outcome::Accepted, false) if reply.login => (Outcome::Unknown, false),
            said => said,
        };
        for (guess, tries) in self.guessers.answered(reply.request.id, self.config.guess_window, said_of) {
            if tries.values < FEWEST_GUESSES {
                continue;
            }
            let (outcome, new_value) = said.of(guess.token.token);
            let source = Source::from(guess.request.like.client.address).bytes();
            let guesser = self.key.digest(&[b"guesser", &source, guess.token.id.as_bytes()]);
            let Tries { values, rejected, renewed, accepted } = tries;
            let guesses = Guesses { guesser, values, rejected, renewed, accepted };
            out.push(Evidence::Use(Arc::new(Observation {
                outcome,
                renewed: new_value,
                status: Some(reply.status),
                guesses: Some(guesses),
                now: reply.at.ts,
                ..self.of_owner(guess, Trigger::Guessed)
            })));
        }
    }

    /// Brings the counts of a waiting observation up to date, now that its reply is known.
    fn refresh(&self, observation: &mut Observation, said: Outcome) {
        let (id, subject) = (observation.session.id, observation.subject.id);
        let server = observation.request.destination.ip;
        let _gone_meanwhile = self.lineage.read(id, |session| {
            observation.outcome =
                if session.counts_from(server, host(&observation.request)) { said } else { Outcome::Unknown };
            let (adopted, ended) = (observation.session.adopted, observation.session.ended);
            observation.session = SessionView { adopted, ended, ..self.view(session, self.now) };
            if let Some(binding) = session.bindings().find(|b| b.id() == subject) {
                observation.subject = binding.view();
                observation.prior_live = binding.prior_is_live();
            }
        });
    }

    /// Whether the suspect is known to present the tokens of others too.
    fn with_fan_in(&self, mut observation: Observation) -> Observation {
        if observation.diff.is_some() {
            observation.fan_in = self.fan_in(&observation.subject.client);
        }
        observation
    }

    /// Whether an actor is known to present the tokens of several others. An address that owns many
    /// tokens itself is a proxy or NAT.
    fn fan_in(&self, suspect: &ClientIdentity) -> Option<FanIn> {
        let actor = self.presenter(suspect);
        let takings = self.presenters.takings(actor);
        if takings.owners < 2 {
            return None;
        }
        let owned = |id: &&TokenRef| self.lineage.read(**id, |session| session.issued().is_some()) == Some(true);
        let own = self.order.latest(suspect.address, 4 * self.config.fan_own).filter(owned).count();
        (own < self.config.fan_own).then_some(FanIn { actor, tokens: takings.tokens, owners: takings.owners })
    }

    /// An actor across sessions.
    fn presenter(&self, client: &ClientIdentity) -> Digest16 {
        let (address, family, os, major) = traits(client);
        self.key.digest(&[b"presenter", &address, family.as_bytes(), os.as_bytes(), &major.to_be_bytes()])
    }

    /// Something is odd on the path of a flow.
    pub(super) fn path(&mut self, path: PathSighting, out: &mut Vec<Evidence>) {
        let attack = matches!(path.kind, PathKind::Tcp(kind) if kind != AnomalyKind::UrgentInside);
        if let Some(client) = path.request.client.address.filter(|_| attack) {
            self.attacked.note(client, path.at.ts);
        }
        let PathSighting { kind, from_client, request, tokens, at } = path;
        let token = tokens.into_iter().next().map(|token| {
            let session = self.find(&token).and_then(|id| self.lineage.read(id, |s| self.view(s, at.ts)));
            (Arc::unwrap_or_clone(token), session)
        });
        out.push(Evidence::Path(Arc::new(PathObservation { kind, from_client, request, at, token })));
    }
}

#[cfg(test)]
mod tests;
