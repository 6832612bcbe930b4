//! What does a use of a token, a reply or an odd path mean, and when can it be judged?

use std::sync::Arc;

use smallvec::SmallVec;

use super::super::binding::{Binding, traits};
use super::super::observation::{Evidence, FanIn, Guesses, Observation, PathObservation, SessionView, Trigger};
use super::super::once::Repeat;
use super::super::session::{Presented, Session};
use super::{SessionTable, change, host};
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

impl SessionTable {
    /// Whether a token was presented by its owner, of whom nothing is new, while nobody else uses it.
    /// Then the session has counted it and nothing is left to be judged.
    pub(super) fn presented_again(&mut self, sighting: &TokenSighting, mac: Option<MacAddr>) -> bool {
        let TokenSighting { token, request, at, .. } = sighting;
        let again = matches!(sighting.action, TokenUse::Presented)
            && self.lineage.write(token.token, |session| session.present_again(&request.like.client, mac, at.ts))
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
        let session = self.fresh(sighting);
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
            let (client, neighbours) = (&sighting.request.like.client, &self.neighbours);
            change(&self.lineage, &mut self.counters, id, |session| session.learn(client, neighbours));
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
                let back = session.binding(what.binding).map(|b| b.id);
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
                let last = self.suspects.last(binding.id)?;
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
            let session = self.fresh(&sighting);
            self.plain(trigger, &session, session.owner(), sighting)
        })
    }

    /// An observation that speaks against nobody.
    fn plain(&self, trigger: Trigger, session: &Session, subject: &Binding, sighting: TokenSighting) -> Observation {
        Observation {
            trigger,
            token: sighting.token,
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
        // Several refs may lead to one session: its request was answered once.
        let mut counted: SmallVec<[TokenRef; 2]> = SmallVec::new();
        for (token, outcome) in &reply.tokens {
            let Some(id) = self.lineage.resolve(*token).filter(|id| !counted.contains(id)) else { continue };
            counted.push(id);
            if self.once.is_repeat(reply.request.id, *token) {
                continue;
            }
            let server = request.destination.ip;
            let again =
                |session: &mut Session| session.outcome_again((&request.client, mac), server, host(request), *outcome);
            if self.lineage.write(id, again) == Some(true) {
                continue;
            }
            let client = located.get_or_insert_with(|| {
                let client = request.client.clone();
                ClientIdentity { mac: mac.or(client.mac), ..client }
            });
            let (neighbours, homes) = (&self.neighbours, &mut self.homes);
            change(&self.lineage, &mut self.counters, id, |session| {
                let counts = session.outcome(client, server, host(request), *outcome, neighbours, homes);
                let logs_in = reply.login && request.http.as_ref().is_some_and(|http| &*http.method == "POST");
                if logs_in && counts == Outcome::Accepted && session.is_owner(client, neighbours) {
                    // The server keeps one value over logout and login.
                    session.set_ended(None);
                }
            });
        }
        let said = |token: TokenRef| {
            let outcome = reply.tokens.iter().find(|(t, _)| *t == token).map_or(Outcome::Unknown, |(_, o)| *o);
            (outcome, reply.renewed.contains(&token))
        };
        for (mut observation, judged) in self.pending.answered(reply.request.id) {
            let (outcome, renewed) = said(observation.token.token);
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
        self.tell_guesses(reply, said, out);
    }

    fn tell_guesses(
        &mut self,
        reply: &OutcomeSighting,
        said: impl Fn(TokenRef) -> (Outcome, bool),
        out: &mut Vec<Evidence>,
    ) {
        for (guess, tries) in self.guessers.answered(reply.request.id, self.config.guess_window, &said) {
            if tries.values < FEWEST_GUESSES {
                continue;
            }
            let (outcome, renewed) = said(guess.token.token);
            let source = Source::from(guess.request.like.client.address).bytes();
            let guesser = self.key.digest(&[b"guesser", &source, guess.token.id.as_bytes()]);
            let guesses = Guesses { guesser, values: tries.values, refused: tries.refused, accepted: tries.accepted };
            out.push(Evidence::Use(Arc::new(Observation {
                outcome,
                renewed,
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
            if let Some(binding) = session.bindings().find(|b| b.id == subject) {
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
            (token, session)
        });
        out.push(Evidence::Path(Arc::new(PathObservation { kind, from_client, request, at, token })));
    }
}
