//! Which alerts are known? A bounded table, the longest silent forgotten first.

use std::collections::{BTreeMap, VecDeque, btree_map};
use std::time::Duration;

use super::super::alert::{Alert, Standing, Status};
use crate::base::ids::{Digest16, TokenRef};
use crate::base::time::Timestamp;
use crate::detect::{Finding, Severity, Subject};
use crate::session::Evidence;

/// Lines of one incident in any [`RATE_SPAN`].
const RATE_LINES: usize = 10;
/// Span of the rate limit, in capture time.
const RATE_SPAN: Duration = Duration::from_secs(60);

/// What was last told of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) count: u64,
    pub(super) severity: Severity,
    /// The highest severity ever told.
    pub(super) peak: Severity,
}

/// One alert, told or only counted.
#[derive(Debug)]
pub(super) struct Entry {
    incident: Digest16,
    pub(super) rank: Option<u8>,
    /// The finding that the alert shows.
    pub(super) finding: Finding,
    count: u64,
    first: Timestamp,
    last: Timestamp,
    pub(super) told: Option<Told>,
    /// The highest severity under which it was counted.
    pub(super) counted: Option<Severity>,
    /// Which alert of the history it is.
    born: u64,
    touched: u64,
}

impl Entry {
    fn new(incident: Digest16, rank: Option<u8>, finding: Finding, now: Timestamp, born: u64) -> Self {
        let last = latest(&finding, now);
        Self {
            incident,
            rank,
            count: finding.totals.map_or(1, |totals| totals.requests),
            first: match (&finding.subject, &finding.evidence) {
                (Subject::Suspect { .. }, Evidence::Use(seen)) => seen.subject.first_seen,
                (_, evidence) => evidence.at().ts,
            },
            last,
            finding,
            told: None,
            counted: None,
            born,
            touched: born,
        }
    }

    /// Counts one more finding. It is shown from now on unless it is the weaker one; about the
    /// very request that is shown, what is known later is known better.
    fn absorb(&mut self, finding: Finding, now: Timestamp) {
        let request = |finding: &Finding| finding.evidence.request().map(|request| request.id);
        self.count = finding.totals.map_or(self.count.saturating_add(1), |totals| totals.requests);
        self.last = self.last.max(latest(&finding, now));
        let newer_knowledge =
            finding.totals.is_some() || request(&finding).is_some() && request(&finding) == request(&self.finding);
        if newer_knowledge || finding.severity >= self.finding.severity {
            self.finding = finding;
        }
    }

    /// Whether it is to be told (again).
    pub(super) fn is_due(&self) -> bool {
        self.told.is_none_or(|told| {
            self.finding.totals.is_some() || self.finding.severity > told.peak || self.count.is_power_of_two()
        })
    }

    /// Whether its count or severity has changed since it was last told.
    pub(super) fn has_news(&self) -> bool {
        self.told.is_none_or(|told| (told.count, told.severity) != (self.count, self.finding.severity))
    }

    /// The alert as it stands; from now on it counts as told.
    pub(super) fn tell(&mut self, id: Digest16, status: Status) -> Alert {
        let severity = self.finding.severity;
        let peak = self.told.map_or(severity, |told| told.peak.max(severity));
        self.told = Some(Told { count: self.count, severity, peak });
        let Self { incident, count, first, last, .. } = *self;
        Alert::new(Standing { id, incident, status, count, first, last }, &self.finding)
    }
}

/// When what a finding is about happened last. An exposure shows its first observation with totals up to `now`.
fn latest(finding: &Finding, now: Timestamp) -> Timestamp {
    match finding.subject {
        Subject::Exposure { .. } => now,
        _ => finding.evidence.at().ts,
    }
}

/// What the alerts about one session and suspect share.
#[derive(Debug, Default)]
pub(super) struct Incident {
    /// How many alerts of it are known.
    alerts: usize,
    /// The highest precedence among those that pass the severity filter.
    claimed: Option<u8>,
    /// When its latest lines were told; at most [`RATE_LINES`].
    lines: VecDeque<Timestamp>,
}

impl Incident {
    /// Whether a fuller claim than one of `rank` was made.
    pub(super) fn outranks(&self, rank: Option<u8>) -> bool {
        rank.is_some() && self.claimed > rank
    }

    pub(super) fn claim(&mut self, rank: Option<u8>) {
        self.claimed = self.claimed.max(rank);
    }

    /// Whether one more line may be told at `now`; if so it is noted.
    pub(super) fn admits(&mut self, now: Timestamp) -> bool {
        if self.lines.len() >= RATE_LINES {
            if self.lines.front().is_some_and(|oldest| now.since(*oldest) < RATE_SPAN) {
                return false;
            }
            self.lines.pop_front();
        }
        self.lines.push_back(now);
        true
    }
}

/// Session and detector of a finding about one suspect.
fn suspect_key(finding: &Finding) -> Option<(TokenRef, &'static str)> {
    match finding.subject {
        Subject::Suspect { session, .. } => Some((session, finding.detector.id)),
        _ => None,
    }
}

/// Every alert known, and the incidents they belong to. Keys are keyed digests: nobody on the
/// wire chooses them, and ordered maps keep the same history in the same order.
#[derive(Debug)]
pub(super) struct Ledger {
    max_keys: usize,
    entries: BTreeMap<Digest16, Entry>,
    incidents: BTreeMap<Digest16, Incident>,
    /// Alerts by when they last moved.
    by_age: BTreeMap<u64, Digest16>,
    /// Suspects with an alert of their own, by session and detector.
    suspects: BTreeMap<(TokenRef, &'static str), usize>,
    moves: u64,
}

impl Ledger {
    pub(super) fn new(max_keys: usize) -> Self {
        Self {
            max_keys: max_keys.max(1),
            entries: BTreeMap::new(),
            incidents: BTreeMap::new(),
            by_age: BTreeMap::new(),
            suspects: BTreeMap::new(),
            moves: 0,
        }
    }

    pub(super) fn knows(&self, id: Digest16) -> bool {
        self.entries.contains_key(&id)
    }

    /// How many suspects of a session have an alert of a detector of their own.
    pub(super) fn suspects(&self, session: TokenRef, detector: &'static str) -> usize {
        self.suspects.get(&(session, detector)).copied().unwrap_or_default()
    }

    pub(super) fn incident(&self, id: Digest16) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// Counts a finding into its alert and makes that the youngest. Gives the alert, its incident,
    /// and whether another alert was forgotten to make room.
    pub(super) fn absorb(
        &mut self,
        id: Digest16,
        incident: Digest16,
        rank: Option<u8>,
        finding: Finding,
        now: Timestamp,
    ) -> (&mut Entry, &mut Incident, bool) {
        let is_new = !self.entries.contains_key(&id);
        let forgot = is_new && self.entries.len() >= self.max_keys && self.forget_oldest();
        self.moves += 1;
        self.by_age.insert(self.moves, id);
        let shared = self.incidents.entry(incident).or_default();
        shared.alerts += usize::from(is_new);
        if let Some(key) = suspect_key(&finding).filter(|_| is_new) {
            *self.suspects.entry(key).or_default() += 1;
        }
        let entry = match self.entries.entry(id) {
            btree_map::Entry::Vacant(place) => place.insert(Entry::new(incident, rank, finding, now, self.moves)),
            btree_map::Entry::Occupied(place) => {
                let entry = place.into_mut();
                self.by_age.remove(&entry.touched);
                entry.touched = self.moves;
                entry.absorb(finding, now);
                entry
            }
        };
        (entry, shared, forgot)
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(entry) = self.by_age.pop_first().and_then(|(_, id)| self.entries.remove(&id)) else { return false };
        if let Some(key) = suspect_key(&entry.finding)
            && let Some(known) = self.suspects.get_mut(&key)
        {
            *known = known.saturating_sub(1);
            if *known == 0 {
                self.suspects.remove(&key);
            }
        }
        if let Some(incident) = self.incidents.get_mut(&entry.incident) {
            incident.alerts = incident.alerts.saturating_sub(1);
            if incident.alerts == 0 {
                self.incidents.remove(&entry.incident);
            }
        }
        true
    }

    /// All alerts in the order in which they were first found, each with whether a fuller claim was made.
    pub(super) fn in_order(&mut self) -> Vec<(Digest16, &mut Entry, bool)> {
        let incidents = &self.incidents;
        let mut all: Vec<_> = self
            .entries
            .iter_mut()
            .map(|(id, entry)| {
                let outranked = incidents.get(&entry.incident).is_some_and(|incident| incident.outranks(entry.rank));
                (*id, entry, outranked)
            })
            .collect();
        all.sort_by_key(|(_, entry, _)| entry.born);
        all
    }
}
