//! Does one client use the tokens of several others? TT-1006.
//!
//! Attack: a thief who reads many users' traffic (an open network, a stolen log) tries them one by one.
//! Signal: at least two tokens whose owners, other actors, were seen within ten minutes before and
//! again after.
//! Known false alarms: a proxy that is not configured as one; an address that owns five issued tokens
//! itself is taken for one. A person who changes networks back and forth takes along only their own
//! tokens: those count as one owner's, and so do those of owners who use one another's.

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity, Subject};
use super::score::severity_of;
use super::settings::{DetectorSettings, Settings};
use crate::session::{Evidence, Observation, Trigger};

/// TT-1006.
pub const FAN_IN: DetectorInfo =
    DetectorInfo::new("TT-1006", "client.fan_in", "One client uses the tokens of several others")
        .with(&[("tokens", 2), ("critical_tokens", 5)]);

/// The detector.
#[derive(Debug)]
pub struct ClientFanIn {
    settings: DetectorSettings,
    tokens: u32,
    critical_tokens: u32,
}

impl ClientFanIn {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let settings = settings.of(FAN_IN.id).filter(|s| s.enabled)?.clone();
        let threshold = |name| settings.thresholds.of(&FAN_IN, name);
        let (tokens, critical_tokens) = (threshold("tokens"), threshold("critical_tokens"));
        Some(Self { settings, tokens, critical_tokens })
    }
}

impl Detector for ClientFanIn {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let Some(fan) = observation.fan_in.filter(|fan| fan.tokens >= self.tokens) else { return };
        if observation.trigger == Trigger::Issued || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let outcome = observation.subject.outcome();
        let mut severity = severity_of(self.settings.severity, outcome);
        if fan.tokens >= self.critical_tokens {
            severity = severity.max(super::score::by_outcome(Severity::Critical, outcome));
        }
        let evidence = Evidence::Use(Arc::clone(observation));
        findings.push(Finding::of(&FAN_IN, &self.settings, Subject::Client(fan.actor), severity, evidence));
    }
}
