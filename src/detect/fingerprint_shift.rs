//! Is a token presented at its own address and with its own user agent by another machine or program?
//! TT-1008, which excludes TT-1001, TT-1002 and TT-1003.
//!
//! Attack: the thief sits behind the same NAT, or sends through the victim's network, and copies the
//! user agent.
//! Signal: the TLS fingerprint or the TCP stack differs, which a copied text does not change.
//! Known false alarms: a middlebox that opens connections of its own for some of a client's requests (a
//! transparent proxy); a system that was started anew as another one behind the same address; a security
//! product that intercepts TLS and was just switched on.

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity};
use super::score::score;
use super::settings::{DetectorSettings, Settings, Weights};
use crate::identity::IdentityDiff;
use crate::session::{Observation, Trigger};

/// TT-1008.
pub const FINGERPRINT_SHIFT: DetectorInfo = DetectorInfo::new(
    "TT-1008",
    "token.fingerprint_shift",
    "A known token was presented at its address and with its user agent by another machine",
);

/// The detector.
#[derive(Debug)]
pub struct FingerprintShift {
    settings: DetectorSettings,
    weights: Weights,
}

impl FingerprintShift {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let own = settings.of(FINGERPRINT_SHIFT.id).filter(|s| s.enabled)?.clone();
        Some(Self { settings: own, weights: settings.weights })
    }
}

/// Whether only what a client cannot easily copy differs.
pub(super) const fn is_shift(diff: &IdentityDiff) -> bool {
    !diff.address.is_different()
        && !diff.user_agent.is_different()
        && (diff.tls.is_different() || diff.tcp_stack.is_different())
}

impl Detector for FingerprintShift {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let shifted = observation.diff.is_some_and(|diff| is_shift(&diff));
        if !shifted
            || observation.trigger == Trigger::Issued
            || !self.settings.classes.contains(observation.token.class)
        {
            return;
        }
        let scored = score(observation, &self.weights)
            .at_least(Severity::Low)
            .under(self.settings.severity, observation.subject.outcome());
        findings.push(Finding::of_suspect(&FINGERPRINT_SHIFT, &self.settings, scored, observation));
    }
}
