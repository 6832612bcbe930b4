//! Do many clients use one token? TT-1005.
//!
//! Attack: a stolen token is sold or shared, or one thief works from many machines.
//! Signal: at least three actors on one token within ten minutes that differ in more than their
//! addresses, or of whom two take turns.
//! Known false alarms: an account that a team shares on purpose; an app, its web view and a desktop
//! browser that share one token.
//! One phone on Wi-Fi, cellular and VPN is one kind of client with three addresses, and no fan. A carrier
//! that translates each connection to another address of a pool makes one browser look like many that
//! take turns, and its parallel connections overlap: such a fan is no surer than the turns it rests
//! on (medium).

use std::sync::Arc;
use std::time::Duration;

use super::finding::{Detector, DetectorInfo, Finding, Severity, Subject};
use super::score::severity_of;
use super::settings::{DetectorSettings, Settings};
use crate::session::{Evidence, Observation, Trigger};

/// TT-1005.
pub const FAN_OUT: DetectorInfo = DetectorInfo::new("TT-1005", "token.fan_out", "Many clients use one token")
    .with(&[("actors", 3), ("seconds", 600)]);

/// The detector.
#[derive(Debug)]
pub struct FanOut {
    settings: DetectorSettings,
    actors: usize,
    window: Duration,
}

impl FanOut {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let settings = settings.of(FAN_OUT.id).filter(|s| s.enabled)?.clone();
        let threshold = |name| settings.thresholds.of(&FAN_OUT, name);
        let actors = usize::try_from(threshold("actors")).unwrap_or(usize::MAX);
        let window = Duration::from_secs(threshold("seconds").into());
        Some(Self { settings, actors, window })
    }
}

impl Detector for FanOut {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let judged = observation.diff.is_some() && !matches!(observation.trigger, Trigger::Issued | Trigger::Guessed);
        if !judged || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let live: Vec<_> =
            observation.session.crowd.iter().filter(|m| observation.now.since(m.last_seen) <= self.window).collect();
        let mut kinds: Vec<_> = live.iter().map(|member| member.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if live.len() < self.actors {
            return;
        }
        let mut turns = live.iter().filter_map(|member| member.interleaved).peekable();
        let severity = severity_of(self.settings.severity, observation.subject.outcome());
        let severity = if kinds.len() >= self.actors {
            severity
        } else if turns.peek().is_none() {
            return;
        } else if turns.all(|turns| turns.address_only) {
            severity.min(Severity::Medium)
        } else {
            severity
        };
        let evidence = Evidence::Use(Arc::clone(observation));
        findings.push(Finding::of(
            &FAN_OUT,
            &self.settings,
            Subject::Session(observation.session.id),
            severity,
            evidence,
        ));
    }
}
