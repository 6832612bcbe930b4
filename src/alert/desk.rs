//! Is a finding told, and when again? Exclusion, dedup, severity filter and rate limit.
//!
//! One alert per (detector, subject). It is told at once, again at the 2nd, 4th, 8th, 16th …
//! finding, whenever its severity rises, and at the end. An exposure comes with totals of its
//! own and is told each time. Whatever is not told is counted with its reason.

mod ledger;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::alert::{Alert, Status};
use crate::base::ids::{Digest16, DigestKey};
use crate::base::time::Timestamp;
use crate::detect::{Finding, Severity, Subject};
use ledger::Ledger;

/// What the desk lets through, and what it may remember.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeskConfig {
    /// The mildest severity that is told. Default low.
    pub min_severity: Severity,
    /// Alerts remembered for dedup. One costs about 2 KiB with what it shows; beyond the number
    /// the one that was silent longest is forgotten, and told anew if it comes again. Default 16,384.
    pub max_keys: usize,
    /// Suspects of one session that a detector's alerts tell apart; all others share one alert, with a
    /// count. Default 16.
    pub suspects: usize,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self { min_severity: Severity::Low, max_keys: 16_384, suspects: 16 }
    }
}

/// Plain counters of the desk; the owner snapshots them. Each finding is counted once in `told`
/// or in one reason of `suppressed`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeskCounters {
    /// Alerts by detector id and severity (`alerts_total{detector,severity}`): counted when first
    /// found and whenever the severity rises, told or not.
    pub alerts: BTreeMap<(&'static str, Severity), u64>,
    /// Findings that were told, first or again.
    pub told: u64,
    /// Findings that were not (`alerts_suppressed_total{reason}`).
    pub suppressed: Suppressed,
    /// Alerts forgotten at [`DeskConfig::max_keys`] (`limit_hits_total{limit="dedup"}`).
    pub dedup_limit_hits: u64,
    /// Findings about suspects beyond [`DeskConfig::suspects`] (`limit_hits_total{limit="session_alerts"}`).
    pub session_limit_hits: u64,
}

/// Why findings were not told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Suppressed {
    /// Milder than [`DeskConfig::min_severity`].
    pub below_min_severity: u64,
    /// A stronger claim about the same session and suspect had been told.
    pub excluded: u64,
    /// More than 10 lines of one incident in a minute.
    pub incident_rate: u64,
    /// A repeat between two powers of two.
    pub repeat: u64,
}

impl Suppressed {
    /// Every reason with its number; the labels of the metric.
    #[must_use]
    pub const fn by_reason(self) -> [(&'static str, u64); 4] {
        [
            ("below_min_severity", self.below_min_severity),
            ("excluded", self.excluded),
            ("incident_rate", self.incident_rate),
            ("repeat", self.repeat),
        ]
    }
}

/// Of detectors that say the same thing more or less fully, only the fullest is told for one
/// session and suspect: the more facets a claim rests on, the higher.
fn precedence(detector: &str) -> Option<u8> {
    match detector {
        "TT-1001" => Some(0),
        "TT-1008" => Some(1),
        "TT-1002" => Some(2),
        "TT-1003" => Some(3),
        _ => None,
    }
}

/// Decides what is told. One for a whole history.
#[derive(Debug)]
pub struct AlertDesk {
    config: DeskConfig,
    key: DigestKey,
    ledger: Ledger,
    counters: DeskCounters,
    /// Alerts by the highest severity that each has reached.
    tally: BTreeMap<Severity, u64>,
}

impl AlertDesk {
    /// For which purpose the desk's key is derived.
    pub const KEY_PURPOSE: &'static str = "event id";

    /// A desk that has seen nothing. `key` is the installation's, derived for
    /// [`KEY_PURPOSE`](Self::KEY_PURPOSE): the same key names the same alerts the same.
    #[must_use]
    pub fn new(config: DeskConfig, key: DigestKey) -> Self {
        Self {
            ledger: Ledger::new(config.max_keys),
            config,
            key,
            counters: DeskCounters::default(),
            tally: Severity::ALL.map(|severity| (severity, 0)).into(),
        }
    }

    /// Takes a finding; gives the alert when it is to be told now. `now` is capture time.
    pub fn absorb(&mut self, finding: Finding, now: Timestamp) -> Option<Alert> {
        let finding = self.told_apart(finding);
        let (id, incident_id) = self.names(&finding);
        let rank = precedence(finding.detector.id);
        if self.ledger.incident(incident_id).is_some_and(|incident| incident.outranks(rank)) {
            self.counters.suppressed.excluded += 1;
            return None;
        }

        let (severity, detector) = (finding.severity, finding.detector.id);
        let (entry, incident, forgot) = self.ledger.absorb(id, incident_id, rank, finding, now);
        self.counters.dedup_limit_hits += u64::from(forgot);
        if entry.counted.is_none_or(|counted| severity > counted) {
            *self.counters.alerts.entry((detector, severity)).or_default() += 1;
            *self.tally.entry(severity).or_default() += 1;
            if let Some(n) = entry.counted.replace(severity).and_then(|milder| self.tally.get_mut(&milder)) {
                *n = n.saturating_sub(1);
            }
        }

        let suppressed = &mut self.counters.suppressed;
        if entry.finding.severity < self.config.min_severity {
            suppressed.below_min_severity += 1;
            return None;
        }
        incident.claim(rank);
        if !entry.is_due() {
            suppressed.repeat += 1;
            return None;
        }
        if !incident.admits(now) {
            suppressed.incident_rate += 1;
            return None;
        }
        self.counters.told += 1;
        Some(entry.tell(id, Status::Ongoing))
    }

    /// The end of the history: every alert whose count or severity has changed since it was last
    /// told, in the order in which they were first found. The rate limit does not apply: these
    /// lines carry the counts of what it held back.
    pub fn finish(&mut self) -> Vec<Alert> {
        let mut ended = Vec::new();
        for (id, entry, outranked) in self.ledger.in_order() {
            if entry.has_news() && entry.finding.severity >= self.config.min_severity && !outranked {
                ended.push(entry.tell(id, Status::Ended));
            }
        }
        ended
    }

    /// Counters since the start.
    #[must_use]
    pub const fn counters(&self) -> &DeskCounters {
        &self.counters
    }

    /// Alerts so far, told or not, by the highest severity that each has reached; every severity is there.
    #[must_use]
    pub const fn tally(&self) -> &BTreeMap<Severity, u64> {
        &self.tally
    }

    /// The finding, about the whole session where too many of its suspects have alerts of their own:
    /// whoever fans a token out over thousands of addresses shall not get thousands of alerts.
    fn told_apart(&mut self, mut finding: Finding) -> Finding {
        if let Subject::Suspect { session, .. } = finding.subject {
            let (id, _) = self.names(&finding);
            let crowded = self.ledger.suspects(session, finding.detector.id) >= self.config.suspects;
            if crowded && !self.ledger.knows(id) {
                self.counters.session_limit_hits += 1;
                finding.subject = Subject::Session(session);
            }
        }
        finding
    }

    /// The ids of a finding's alert and of its incident.
    fn names(&self, finding: &Finding) -> (Digest16, Digest16) {
        let detector = finding.detector.id.as_bytes();
        match &finding.subject {
            Subject::Suspect { session, suspect } => (
                self.key.digest(&[b"alert", detector, b"suspect", &session.0, &suspect.0]),
                self.key.digest(&[b"incident", b"suspect", &session.0, &suspect.0]),
            ),
            Subject::Session(session) => (
                self.key.digest(&[b"alert", detector, b"session", &session.0]),
                self.key.digest(&[b"incident", b"session", &session.0]),
            ),
            Subject::Client(client) => (
                self.key.digest(&[b"alert", detector, b"client", &client.0]),
                self.key.digest(&[b"incident", b"client", &client.0]),
            ),
            Subject::Path(None) => {
                (self.key.digest(&[b"alert", detector, b"paths"]), self.key.digest(&[b"incident", b"paths"]))
            }
            Subject::Path(Some((tenant, client, server))) => {
                let (client, server) = (client.to_string(), server.to_string());
                let parts = [&tenant.0.to_be_bytes()[..], client.as_bytes(), server.as_bytes()];
                (
                    self.key.digest(&[&[&b"alert"[..], detector, b"path"][..], &parts].concat()),
                    self.key.digest(&[&[&b"incident"[..], b"path"][..], &parts].concat()),
                )
            }
            Subject::Address(None) => {
                (self.key.digest(&[b"alert", detector, b"addresses"]), self.key.digest(&[b"incident", b"addresses"]))
            }
            Subject::Address(Some((tenant, ip))) => {
                let (tenant, ip) = (tenant.0.to_be_bytes(), ip.to_string());
                (
                    self.key.digest(&[b"alert", detector, b"address", &tenant, ip.as_bytes()]),
                    self.key.digest(&[b"incident", b"address", &tenant, ip.as_bytes()]),
                )
            }
            Subject::Exposure { service, token_id, day } => {
                let (service, token_id) = (service.as_bytes(), token_id.as_bytes());
                (
                    self.key.digest(&[b"alert", detector, b"exposure", service, token_id, &day.to_be_bytes()]),
                    self.key.digest(&[b"incident", b"exposure", service, token_id]),
                )
            }
        }
    }
}
