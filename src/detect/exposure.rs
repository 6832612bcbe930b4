//! What is exposed on the way, and how much of it? The book that detectors of exposure keep.
//!
//! Told once a day for each (service, token id), with totals: half of all plaintext requests of a
//! site carry a token, and each by itself is no news.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::finding::{Detector, DetectorInfo, ExposureTotals, Finding, Severity, Subject};
use super::score::points_of;
use super::settings::{DetectorSettings, Settings, SeverityRule};
use crate::base::ids::TokenRef;
use crate::base::time::Timestamp;
use crate::session::{Evidence, Observation, Trigger};
use crate::token::{RequestId, SeenToken, TokenSighting};

/// Services told apart a day and token id; the others are told as one, [`OTHERS`]: anyone can make up Hosts.
const SERVICES: usize = 128;

/// The name of all further services of a day.
const OTHERS: &str = "other services";

/// Tokens and clients told apart, over all exposures of a day; beyond it the totals are lower bounds.
const DISTINCT: usize = 262_144;

const DAY_NANOS: i64 = 86_400_000_000_000;

/// Places for exposures that are found again without a hash of their texts; a power of two.
const RECENT: usize = 64;

/// Service and token id.
type Key = (Arc<str>, Arc<str>);

#[derive(Debug)]
struct Exposure {
    key: Key,
    /// Keyed hashes of tokens and of client addresses: they are only counted. Two of 10,000 are alike once
    /// in eighty days.
    tokens: HashSet<u32, FixedState>,
    clients: HashSet<u32, FixedState>,
    requests: u64,
    /// The request counted last: one exchange may present and issue.
    counted: Option<RequestId>,
    told: u64,
    first: Arc<Observation>,
}

/// A cheap number below [`RECENT`] of a key: whoever finds two keys with the same makes them be hashed.
fn recent_place(service: &str, id: &str) -> usize {
    let number = |text: &str| {
        let end = text
            .as_bytes()
            .last_chunk::<6>()
            .map_or(0, |[a, b, c, d, e, f]| u64::from_le_bytes([*a, *b, *c, *d, *e, *f, 0, 0]));
        (end ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    ((number(service) ^ number(id).rotate_left(8)) >> (u64::BITS - RECENT.ilog2())) as usize
}

/// A detector of what travels in cleartext, of the classes that the rules give it.
#[derive(Debug)]
pub struct Exposures {
    detector: &'static DetectorInfo,
    settings: DetectorSettings,
    seed: u64,
    /// Days since 1970-01-01; the exposures are this day's.
    day: i64,
    exposures: Vec<Exposure>,
    /// Where the exposure of a key is.
    places: HashMap<Key, usize, FixedState>,
    /// Where those counted lately are, by a cheap number of their keys.
    recent: [usize; RECENT],
    /// [`OTHERS`], once for all keys.
    others: Arc<str>,
    /// Services told apart, by token id.
    services: HashMap<Arc<str>, usize, FixedState>,
    distinct: usize,
    limit_hits: u64,
}

impl Exposures {
    /// What `detector` finds, with the rules' settings; `None` when it does not run. `seed` keys the hashes.
    #[must_use]
    pub fn new(detector: &'static DetectorInfo, settings: &Settings, seed: u64) -> Option<Self> {
        let settings = settings.of(detector.id).filter(|s| s.enabled)?.clone();
        let hasher = || FixedState::with_seed(seed);
        Some(Self {
            detector,
            settings,
            seed,
            day: 0,
            exposures: Vec::new(),
            places: HashMap::with_hasher(hasher()),
            recent: [0; RECENT],
            others: Arc::from(OTHERS),
            services: HashMap::with_hasher(hasher()),
            distinct: 0,
            limit_hits: 0,
        })
    }

    fn finding(&self, exposure: &Exposure) -> Finding {
        let class = exposure.first.token.class;
        let severity = match self.settings.severity {
            SeverityRule::Fixed(severity) if self.settings.graver_classes.contains(class) => severity.higher(),
            SeverityRule::Fixed(severity) => severity,
            SeverityRule::Score => Severity::Medium,
        };
        let (service, token_id) = exposure.key.clone();
        Finding {
            detector: self.detector,
            tags: Arc::clone(&self.settings.tags),
            subject: Subject::Exposure { service, token_id, day: self.day },
            severity,
            score: points_of(severity),
            signals: Vec::new(),
            totals: Some(ExposureTotals {
                tokens: exposure.tokens.len() as u64,
                clients: exposure.clients.len() as u64,
                requests: exposure.requests,
            }),
            evidence: Evidence::Use(Arc::clone(&exposure.first)),
        }
    }

    fn tell(&mut self, place: usize, findings: &mut Vec<Finding>) {
        if let Some(exposure) = self.exposures.get_mut(place)
            && exposure.requests > exposure.told
        {
            exposure.told = exposure.requests;
            findings.extend(self.exposures.get(place).map(|exposure| self.finding(exposure)));
        }
    }

    /// Where the exposure of a token is, by itself or among the others, when it is known.
    fn place_of(&mut self, token: &SeenToken) -> Option<usize> {
        self.place_alone(token).or_else(|| self.place_among_others(token))
    }

    fn place_alone(&mut self, token: &SeenToken) -> Option<usize> {
        let is_it = |exposure: &Exposure| *exposure.key.0 == *token.service && *exposure.key.1 == *token.id;
        let recent = self.recent.get_mut(recent_place(&token.service, &token.id))?;
        if !self.exposures.get(*recent).is_some_and(is_it) {
            *recent = *self.places.get(&(Arc::clone(&token.service), Arc::clone(&token.id)))?;
        }
        Some(*recent)
    }

    /// The place of all others, where no further service of this token id is told apart.
    fn place_among_others(&mut self, token: &SeenToken) -> Option<usize> {
        self.services.get(&token.id).filter(|told_apart| **told_apart >= SERVICES)?;
        let place = self.places.get(&(Arc::clone(&self.others), Arc::clone(&token.id)))?;
        self.limit_hits += 1;
        Some(*place)
    }

    /// The exposure of an observation; a new one for the first [`SERVICES`] of a token id, then one for the rest.
    fn place_for(&mut self, observation: &Arc<Observation>) -> usize {
        let token = &observation.token;
        if let Some(place) = self.place_of(token) {
            return place;
        }
        let mut key: Key = (Arc::clone(&token.service), Arc::clone(&token.id));
        let told_apart = self.services.entry(Arc::clone(&token.id)).or_default();
        if *told_apart >= SERVICES {
            key.0 = Arc::clone(&self.others);
            self.limit_hits += 1;
        }
        *told_apart += 1;
        let (place, hasher) = (self.exposures.len(), || FixedState::with_seed(self.seed));
        self.places.insert(key.clone(), place);
        self.exposures.push(Exposure {
            key,
            tokens: HashSet::with_hasher(hasher()),
            clients: HashSet::with_hasher(hasher()),
            requests: 0,
            counted: None,
            told: 0,
            first: Arc::clone(observation),
        });
        place
    }

    /// Counts a request that exposes a token.
    fn count(
        &mut self,
        place: usize,
        token: TokenRef,
        (request, client): (RequestId, Option<IpAddr>),
        findings: &mut Vec<Finding>,
    ) {
        let Some(exposure) = self.exposures.get_mut(place) else { return };
        let again = exposure.counted.replace(request) == Some(request);
        exposure.requests += u64::from(!again);
        if self.distinct < DISTINCT {
            let hasher = FixedState::with_seed(self.seed);
            self.distinct += usize::from(exposure.tokens.insert((hasher.hash_one(token) >> 32) as u32));
            let client = client.map(|address| (hasher.hash_one(address) >> 32) as u32);
            self.distinct += usize::from(client.is_some_and(|client| exposure.clients.insert(client)));
        } else {
            self.limit_hits += 1;
        }
        if !again && exposure.requests.is_power_of_two() {
            self.tell(place, findings);
        }
    }

    /// A day is over: its last totals are told, and all is forgotten.
    fn turn_day(&mut self, day: i64, findings: &mut Vec<Finding>) {
        if day > self.day {
            self.finish(findings);
            self.day = day;
        }
    }
}

impl Detector for Exposures {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let told_by_itself = matches!(observation.trigger, Trigger::Presented | Trigger::Issued);
        // A request that only a rival copy holds may name a host that nobody named.
        let request = &observation.request;
        let exposed = observation.plaintext && !request.inner_hop && !request.id.is_rival();
        if !exposed || !told_by_itself || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        if self.exposures.is_empty() {
            self.day = observation.now.0.div_euclid(DAY_NANOS);
        }
        let place = self.place_for(observation);
        let request = &observation.request;
        self.count(place, observation.token.token, (request.id, request.client.address), findings);
    }

    fn again(&mut self, sighting: &TokenSighting, findings: &mut Vec<Finding>) -> bool {
        let TokenSighting { token, request, plaintext, .. } = sighting;
        let exposed = *plaintext && !request.like.inner_hop && !request.id.is_rival();
        if !exposed || !self.settings.classes.contains(token.class) {
            return true;
        }
        let Some(place) = self.place_of(token) else { return false };
        self.count(place, token.token, (request.id, request.like.client.address), findings);
        true
    }

    fn counts_uses(&self) -> bool {
        true
    }

    fn limit_hits(&self) -> u64 {
        self.limit_hits
    }

    fn on_time(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.turn_day(now.0.div_euclid(DAY_NANOS), findings);
    }

    fn finish(&mut self, findings: &mut Vec<Finding>) {
        for place in 0..self.exposures.len() {
            self.tell(place, findings);
        }
        self.exposures.clear();
        self.places.clear();
        self.services.clear();
        self.distinct = 0;
    }
}
