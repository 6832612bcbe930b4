//! When does a session begin, change its value, end, and when is it forgotten?

use std::net::IpAddr;

use smallvec::SmallVec;

use super::super::fairness;
use super::super::lineage::ENTRY_BYTES;
use super::super::session::Session;
use super::{SessionTable, change, fresh, host};
use crate::base::ids::TokenRef;
use crate::token::{Issued, TokenSighting, strength};

impl SessionTable {
    /// A server handed a token out: a new session, the child of one, or one that it knows already.
    pub(super) fn issued(&mut self, sighting: &TokenSighting, issued: Issued) {
        let request = &*sighting.request.like;
        let (server, ts) = (request.destination.ip, sighting.at.ts);
        let host = host(request);
        if let Some(id) = self.find(&sighting.token) {
            let (homes, neighbours) = (&mut self.homes, &self.neighbours);
            let strong = sighting.token.strength >= strength::STRONG;
            let reissue = change(&self.lineage, &mut self.counters, id, |session| {
                let home = !session.has_home() || session.is_home(server);
                // Only who knew a strong value gets it again. Who ended another's session and logs in with
                // its value has not become its owner.
                if home && strong && session.is_ended_by_another() && !session.is_owner(&request.client, neighbours) {
                    session.revive();
                }
                if home && session.ended().is_none() {
                    session.note_issue(ts);
                    session.add_home(server, host, homes);
                }
                home && session.ended().is_some()
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
            let live = self.lineage.read(parent, |s| s.ended().is_none() && (!s.has_home() || s.is_home(server)));
            if live == Some(true) {
                self.rotate(parent, sighting);
                return;
            }
        }
        let mut session = fresh(sighting);
        session.note_issue(ts);
        session.add_home(server, host, &mut self.homes);
        if let Some(by_address) = sighting.token.by_address {
            session.add_alias(by_address, usize::MAX);
        }
        self.insert(session, request.client.address);
    }

    /// A reply that hands out a token has come to the leg of its client: a session that nobody has used
    /// yet is his. Until now it was the proxy's, or nobody's.
    pub(super) fn reissued(&mut self, sighting: &TokenSighting, issued: Issued) {
        let Some(id) = self.find(&sighting.token) else { return };
        if let Some(home) = self.lineage.read(id, Session::unused_home).flatten() {
            self.forget(id);
            self.issued(sighting, issued);
            let homes = &mut self.homes;
            change(&self.lineage, &mut self.counters, id, |session| {
                home.servers().for_each(|server| session.add_home(server, host(&sighting.request.like), homes));
            });
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
            let dropped = change(&self.lineage, &mut self.counters, parent, |session| session.add_alias(token, limit));
            if let Some(Some(oldest)) = dropped {
                self.lineage.unalias(oldest, parent);
                self.counters.bytes = self.counters.bytes.saturating_sub(ENTRY_BYTES);
                self.counters.alias_limit_hits += 1;
            }
        }
        let (server, host, ts) = (sighting.request.like.destination.ip, host(&sighting.request.like), sighting.at.ts);
        let homes = &mut self.homes;
        change(&self.lineage, &mut self.counters, parent, |session| {
            session.rotated();
            session.note_issue(ts);
            session.add_home(server, host, homes);
        });
    }

    /// Its home ended a token. What is known of the session stays: whoever uses it now is odd.
    pub(super) fn deleted(&mut self, sighting: &TokenSighting) {
        if let Some(id) = self.find(&sighting.token) {
            let (client, server) = (&sighting.request.like.client, sighting.request.like.destination.ip);
            let (neighbours, key) = (&self.neighbours, &self.key);
            change(&self.lineage, &mut self.counters, id, |session| {
                if session.is_home(server) {
                    session.end(sighting.at.ts, session.is_owner(client, neighbours), key);
                }
            });
        }
    }

    pub(super) fn insert(&mut self, mut session: Box<Session>, owner: Option<IpAddr>) {
        let (id, bytes) = (session.id, cost(&session));
        let aliases = SmallVec::<[TokenRef; 2]>::from_slice(session.aliases());
        session.place = self.order.push(owner, id);
        if let Some(old) = self.lineage.insert(session) {
            self.order.remove(old.place);
            self.counters.bytes = self.counters.bytes.saturating_sub(cost(&old));
            self.counters.tracked -= 1;
        }
        for alias in aliases {
            self.lineage.alias(alias, id);
        }
        self.counters.bytes += bytes;
        self.counters.tracked += 1;
        self.counters.created += 1;
        self.make_room();
    }

    pub(super) fn forget(&mut self, id: TokenRef) -> bool {
        let Some(session) = self.lineage.remove(id) else { return false };
        self.order.remove(session.place);
        if let Some(home) = session.home() {
            self.homes.left(home);
        }
        self.counters.bytes = self.counters.bytes.saturating_sub(cost(&session));
        self.counters.tracked = self.counters.tracked.saturating_sub(1);
        true
    }

    pub(super) fn make_room(&mut self) {
        while self.counters.bytes + self.homes.bytes() > self.config.table_bytes {
            let Some(id) = self.order.pop() else { return };
            self.counters.evicted_memory += u64::from(self.forget(id));
            self.homes.tidy();
        }
    }

    /// Looks at the session in the next place: reduces or forgets it when it is time.
    pub(super) fn sweep_one(&mut self) {
        let place = self.sweep % self.order.places().max(1);
        self.sweep = place + 1;
        let Some(id) = self.order.at(place) else { return };
        let (now, config) = (self.now, &self.config);
        let over = change(&self.lineage, &mut self.counters, id, |session| {
            session.reduce(now, config.idle_timeout, config.absolute_timeout);
            now.since(session.last_seen) >= config.retention
        });
        if over == Some(true) {
            self.counters.evicted_retention += u64::from(self.forget(id));
        }
    }
}

fn cost(session: &Session) -> u64 {
    let entries = ENTRY_BYTES * (1 + session.aliases().len() as u64);
    session.bytes() + entries + fairness::BYTES_PER_SESSION
}
