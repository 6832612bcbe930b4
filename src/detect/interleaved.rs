//! Do two clients take turns on one token? TT-1004.
//!
//! Attack: the thief uses the session while its owner goes on using it, be the user agent copied or not.
//! Signal: A→B→A→B between distinct actors, each silence at most two minutes, neither only rejected.
//! Known false alarms: one person on two networks at once (address-only: at most medium).

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity};
use super::score::{points_of, score};
use super::settings::{DetectorSettings, Settings, Weights};
use crate::session::{Observation, Trigger};

/// TT-1004.
pub const INTERLEAVED: DetectorInfo =
    DetectorInfo::new("TT-1004", "token.interleaved", "Two clients take turns on one token");

/// The detector.
#[derive(Debug)]
pub struct Interleaved {
    settings: DetectorSettings,
    weights: Weights,
}

impl Interleaved {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let own = settings.of(INTERLEAVED.id).filter(|s| s.enabled)?.clone();
        Some(Self { settings: own, weights: settings.weights })
    }
}

impl Detector for Interleaved {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let Some(interleaving) = observation.interleaved else { return };
        if observation.trigger == Trigger::Issued || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let mut scored = score(observation, &self.weights).under(self.settings.severity, observation.subject.outcome());
        if interleaving.address_only && scored.severity() > Severity::Medium {
            scored.points = points_of(Severity::Medium);
        }
        findings.push(Finding::of_suspect(&INTERLEAVED, &self.settings, scored, observation));
    }
}
