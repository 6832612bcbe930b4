//! Which user agent is this? Each text is read once and shared by all its sightings.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::FixedState;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::identity::UserAgent;
use crate::identity::user_agent::AgentRules;

use super::mask::{self, Known};

/// Texts kept, and bytes of shown text kept; beyond either all are forgotten and read again.
const TEXT_LIMIT: usize = 65_536;
const BYTE_LIMIT: usize = 16 << 20;

/// Interned user agents of one worker, found by a keyed hash of their text: the text itself may
/// hold a secret and is not kept.
pub(super) struct UserAgents {
    rules: Arc<AgentRules>,
    hash_key: [u8; 16],
    seen: std::collections::HashMap<u128, Arc<UserAgent>, FixedState>,
    shown_bytes: usize,
    absent: Arc<UserAgent>,
}

impl UserAgents {
    pub(super) fn new(rules: Arc<AgentRules>, hash_key: [u8; 16]) -> Self {
        let absent = Arc::new(UserAgent::absent());
        Self { rules, hash_key, seen: Default::default(), shown_bytes: 0, absent }
    }

    /// From now on reads by other rules.
    pub(super) fn set_rules(&mut self, rules: Arc<AgentRules>) {
        self.rules = rules;
        self.seen.clear();
        self.shown_bytes = 0;
    }

    /// The user agent that a field's value means; `limit_hits` counts the times all were forgotten.
    pub(super) fn read(&mut self, wire: Option<&[u8]>, known: &[Known<'_>], limit_hits: &mut u64) -> Arc<UserAgent> {
        let Some(wire) = wire.map(<[u8]>::trim_ascii).filter(|w| !w.is_empty()) else { return self.absent.clone() };
        if mask::may_hold(wire, known) {
            return Arc::new(self.parse(wire, known));
        }
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        wire.hash(&mut hasher);
        let key = hasher.finish128().as_u128();
        if let Some(agent) = self.seen.get(&key) {
            return agent.clone();
        }
        if self.seen.len() >= TEXT_LIMIT || self.shown_bytes >= BYTE_LIMIT {
            self.seen.clear();
            self.shown_bytes = 0;
            *limit_hits += 1;
        }
        let agent = Arc::new(self.parse(wire, &[]));
        self.shown_bytes += agent.original.len();
        self.seen.insert(key, agent.clone());
        agent
    }

    fn parse(&self, wire: &[u8], known: &[Known<'_>]) -> UserAgent {
        UserAgent::read(&String::from_utf8_lossy(wire), mask::text(wire, known), &self.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::TokenRef;

    #[test]
    fn one_text_is_read_once_and_a_token_in_it_is_hidden() {
        let mut agents = UserAgents::new(Arc::default(), [1; 16]);
        let mut hits = 0;
        let first = agents.read(Some(b"Acme/1"), &[], &mut hits);
        assert!(Arc::ptr_eq(&first, &agents.read(Some(b" Acme/1 "), &[], &mut hits)));
        assert!(!Arc::ptr_eq(&first, &agents.read(Some(b"Acme/2"), &[], &mut hits)));
        let known = [Known { value: b"hunter", token: TokenRef::default() }];
        assert_eq!(&*agents.read(Some(b"Acme/1 hunter"), &known, &mut hits).original, "Acme/1 ‹ref:0000›");
        assert_eq!(*agents.read(None, &known, &mut hits), UserAgent::absent());
        assert_eq!(hits, 0);
    }

    #[test]
    fn a_flood_of_texts_is_forgotten_and_counted() {
        let mut agents = UserAgents::new(Arc::default(), [1; 16]);
        let mut hits = 0;
        let before = agents.read(Some(b"Acme/1"), &[], &mut hits);
        for n in 1..=TEXT_LIMIT {
            agents.read(Some(format!("A/{n}").as_bytes()), &[], &mut hits);
        }
        assert_eq!((hits, agents.seen.len()), (1, 1));
        let after = agents.read(Some(b"Acme/1"), &[], &mut hits);
        assert_eq!((*after).clone(), (*before).clone(), "the same program, though another copy of the text");
    }
}
