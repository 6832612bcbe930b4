//! Does a token travel in cleartext? TT-2001.
//!
//! Attack: anyone on the path (an open network, a mirror, a provider) reads the token and owns the session.
//! Signal: a token presented or issued on a connection without TLS.
//! Known false alarms: the internal hop behind a TLS terminator.
//! Told once a day for each (service, token id), with totals: half of all plaintext requests of a
//! site carry a token, and each by itself is no news.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::finding::{Detector, DetectorInfo, ExposureTotals, Finding, Subject};
use super::score::points_of;
use super::settings::{DetectorSettings, Settings, SeverityRule};
use crate::base::ids::TokenRef;
use crate::session::{Observation, Trigger};

/// TT-2001.
pub const PLAINTEXT: DetectorInfo =
    DetectorInfo { id: "TT-2001", name: "token.plaintext", title: "Tokens travel in cleartext" };

/// Exposures remembered; beyond it the oldest is told and forgotten.
const EXPOSURES: usize = 4096;

/// Tokens and clients told apart per exposure; beyond it the totals are lower bounds.
const DISTINCT: usize = 65_536;

const DAY_NANOS: i64 = 86_400_000_000_000;

type Key = (Arc<str>, Arc<str>, i64);

#[derive(Debug)]
struct Exposure {
    tokens: HashSet<TokenRef, FixedState>,
    clients: HashSet<IpAddr, FixedState>,
    requests: u64,
    told: u64,
    first: Arc<Observation>,
}

/// The detector.
#[derive(Debug)]
pub struct Plaintext {
    settings: DetectorSettings,
    seed: u64,
    exposures: HashMap<Key, Exposure, FixedState>,
    order: VecDeque<Key>,
}

impl Plaintext {
    /// With the rules' settings; `None` when it does not run. `seed` keys the hashes.
    #[must_use]
    pub fn new(settings: &Settings, seed: u64) -> Option<Self> {
        let own = settings.of(PLAINTEXT.id).filter(|s| s.enabled)?.clone();
        let exposures = HashMap::with_hasher(FixedState::with_seed(seed));
        Some(Self { settings: own, seed, exposures, order: VecDeque::new() })
    }

    fn finding(&self, key: &Key, exposure: &Exposure) -> Finding {
        let class = exposure.first.token.class;
        let severity = match self.settings.severity {
            SeverityRule::Fixed(severity) if self.settings.graver_classes.contains(class) => severity.higher(),
            SeverityRule::Fixed(severity) => severity,
            SeverityRule::Score => super::finding::Severity::Medium,
        };
        let (service, token_id, day) = key.clone();
        Finding {
            detector: &PLAINTEXT,
            tags: Arc::clone(&self.settings.tags),
            subject: Subject::Exposure { service, token_id, day },
            severity,
            score: points_of(severity),
            signals: Vec::new(),
            totals: Some(ExposureTotals {
                tokens: exposure.tokens.len() as u64,
                clients: exposure.clients.len() as u64,
                requests: exposure.requests,
            }),
            observation: Arc::clone(&exposure.first),
        }
    }

    fn tell(&mut self, key: &Key, findings: &mut Vec<Finding>) {
        if let Some(exposure) = self.exposures.get_mut(key)
            && exposure.requests > exposure.told
        {
            exposure.told = exposure.requests;
            findings.extend(self.exposures.get(key).map(|e| self.finding(key, e)));
        }
    }
}

impl Detector for Plaintext {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let told_by_itself = matches!(observation.trigger, Trigger::Presented | Trigger::Issued);
        if !observation.plaintext || !told_by_itself || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let token = &observation.token;
        let day = observation.now.0.div_euclid(DAY_NANOS);
        let key: Key = (Arc::clone(&token.service), Arc::clone(&token.id), day);
        if !self.exposures.contains_key(&key) {
            if self.order.len() >= EXPOSURES
                && let Some(oldest) = self.order.pop_front()
            {
                self.tell(&oldest, findings);
                self.exposures.remove(&oldest);
            }
            let fresh = Exposure {
                tokens: HashSet::with_hasher(FixedState::with_seed(self.seed)),
                clients: HashSet::with_hasher(FixedState::with_seed(self.seed)),
                requests: 0,
                told: 0,
                first: Arc::clone(observation),
            };
            self.exposures.insert(key.clone(), fresh);
            self.order.push_back(key.clone());
        }
        let Some(exposure) = self.exposures.get_mut(&key) else { return };
        exposure.requests += 1;
        if exposure.tokens.len() < DISTINCT {
            exposure.tokens.insert(token.token);
        }
        if let Some(address) = observation.request.client.address
            && exposure.clients.len() < DISTINCT
        {
            exposure.clients.insert(address);
        }
        if exposure.requests.is_power_of_two() {
            self.tell(&key, findings);
        }
    }

    fn finish(&mut self, findings: &mut Vec<Finding>) {
        for key in std::mem::take(&mut self.order) {
            self.tell(&key, findings);
        }
    }
}
