//! Does a client guess tokens? TT-3006.
//!
//! Attack: session ids are tried one after the other until one is accepted.
//! Signal: at least thirty distinct values of one name within a minute by one client that nobody was
//! seen issuing, four fifths of them rejected or answered with another value. Once one of them is
//! accepted as it was, the guess may have hit; so may one that is answered with success and another
//! value by a server that otherwise rejects guesses: it changes values when it lets somebody in.
//! Known false alarms: a server that lost its sessions, behind whose users is one address (low).

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity, Subject};
use super::score::severity_of;
use super::settings::{DetectorSettings, Settings};
use crate::session::{Evidence, Observation, Trigger};
use crate::token::Outcome;

/// TT-3006.
pub const ENUMERATION: DetectorInfo = DetectorInfo::new("TT-3006", "token.enumeration", "A client guesses tokens")
    .with(&[("values", 30), ("refused_percent", 80)]);

/// The detector.
#[derive(Debug)]
pub struct Enumeration {
    settings: DetectorSettings,
    values: u32,
    refused_percent: u32,
}

impl Enumeration {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let settings = settings.of(ENUMERATION.id).filter(|s| s.enabled)?.clone();
        let threshold = |name| settings.thresholds.of(&ENUMERATION, name);
        let (values, refused_percent) = (threshold("values"), threshold("refused_percent"));
        Some(Self { settings, values, refused_percent })
    }
}

impl Detector for Enumeration {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let Some(guesses) = observation.guesses.filter(|_| observation.trigger == Trigger::Guessed) else { return };
        let mostly = |some: u32| u64::from(some) * 100 >= u64::from(guesses.values) * u64::from(self.refused_percent);
        let refused = guesses.rejected + guesses.renewed;
        if guesses.values < self.values || !mostly(refused) || !self.settings.classes.contains(observation.token.class)
        {
            return;
        }
        let mut severity = severity_of(self.settings.severity, Outcome::Accepted);
        let hit = guesses.accepted > 0 || (guesses.renewed > 0 && mostly(guesses.rejected));
        if hit {
            severity = severity.max(Severity::High);
        }
        let evidence = Evidence::Use(Arc::clone(observation));
        findings.push(Finding::of(&ENUMERATION, &self.settings, Subject::Client(guesses.guesser), severity, evidence));
    }
}
