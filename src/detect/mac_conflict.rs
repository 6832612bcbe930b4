//! Do two devices of one segment use one token? TT-1011.
//!
//! Attack: a thief in the same network, even with the victim's address and a copied user agent.
//! Signal: two MAC addresses, each confirmed by an ARP, neighbour or DHCP claim of one segment: at one
//! address, or while the owner's is in use before and after.
//! Known false alarms: a laptop that changes between cable and Wi-Fi and back within a minute.
//! Works where the sensor sees layer 2.

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Subject};
use super::score::severity_of;
use super::settings::{DetectorSettings, Settings};
use crate::identity::Comparison;
use crate::session::{Evidence, Observation, Trigger};

/// TT-1011.
pub const MAC_CONFLICT: DetectorInfo =
    DetectorInfo::new("TT-1011", "token.mac_conflict", "Two devices of one network segment use one token");

/// The detector.
#[derive(Debug)]
pub struct MacConflict {
    settings: DetectorSettings,
}

impl MacConflict {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let settings = settings.of(MAC_CONFLICT.id).filter(|s| s.enabled)?.clone();
        Some(Self { settings })
    }
}

impl Detector for MacConflict {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let Some(diff) = observation.diff.filter(|diff| diff.mac.is_different()) else { return };
        // A device that moves to another address and stays there is no conflict.
        let live = diff.address == Comparison::Same || observation.prior_live;
        if !live || observation.trigger == Trigger::Issued || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let severity = severity_of(self.settings.severity, observation.subject.outcome());
        let evidence = Evidence::Use(Arc::clone(observation));
        findings.push(Finding::of(&MAC_CONFLICT, &self.settings, Subject::suspect(observation), severity, evidence));
    }
}
