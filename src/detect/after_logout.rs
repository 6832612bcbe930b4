//! Is a token accepted after its end? TT-3003.
//!
//! Attack: a copy of the token outlives the logout, because the server deletes only the cookie in the
//! browser.
//! Signal: an accepted use at least five seconds after the token's home deleted it, or after a logout
//! path led to a login page. A use that was answered with another value was not accepted, and a login
//! page welcomes any value.
//! Known false alarms: requests that were under way at the logout (hence the five seconds); public
//! pages of a site that keeps one value for visitors (the same actor: medium).

use std::sync::Arc;
use std::time::Duration;

use super::finding::{Detector, DetectorInfo, Finding, Subject};
use super::score::severity_of;
use super::settings::{DetectorSettings, Settings};
use crate::session::{Evidence, Observation, Trigger};
use crate::token::Outcome;

/// TT-3003.
pub const AFTER_LOGOUT: DetectorInfo =
    DetectorInfo::new("TT-3003", "token.after_logout", "A token was accepted after its logout").with(&[("seconds", 5)]);

/// The detector.
#[derive(Debug)]
pub struct AfterLogout {
    settings: DetectorSettings,
    grace: Duration,
}

impl AfterLogout {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let settings = settings.of(AFTER_LOGOUT.id).filter(|s| s.enabled)?.clone();
        let grace = Duration::from_secs(settings.thresholds.of(&AFTER_LOGOUT, "seconds").into());
        Some(Self { settings, grace })
    }
}

impl Detector for AfterLogout {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let Some(ended) = observation.session.ended else { return };
        let accepted = observation.outcome == Outcome::Accepted && !observation.renewed && !observation.login;
        let used = matches!(observation.trigger, Trigger::Presented | Trigger::LateOutcome);
        let late = observation.request.complete.ts.since(ended) >= self.grace;
        if !accepted || !used || !late || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let mut severity = severity_of(self.settings.severity, observation.outcome);
        if observation.diff.is_some_and(|diff| diff.is_distinct()) {
            severity = severity.higher().higher();
        }
        let evidence = Evidence::Use(Arc::clone(observation));
        findings.push(Finding::of(&AFTER_LOGOUT, &self.settings, Subject::suspect(observation), severity, evidence));
    }
}
