//! Is a browser's token presented by a command-line tool? TT-1007.
//!
//! Attack: the usual first step after a theft: the cookie is pasted into curl, a script, a headless browser.
//! Signal: the session belongs to a browser; the suspect is a tool.
//! Known false alarms: a developer who copies a request "as curl" from the browser (same address: half points).

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity};
use super::score::score;
use super::settings::{DetectorSettings, Settings, Weights};
use crate::identity::Comparison;
use crate::session::{Observation, Trigger};

/// TT-1007.
pub const TOOL_REPLAY: DetectorInfo =
    DetectorInfo::new("TT-1007", "token.tool_replay", "A browser's token was presented by a tool");

/// The detector.
#[derive(Debug)]
pub struct ToolReplay {
    settings: DetectorSettings,
    weights: Weights,
}

impl ToolReplay {
    /// With the rules' settings; `None` when it does not run.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let own = settings.of(TOOL_REPLAY.id).filter(|s| s.enabled)?.clone();
        Some(Self { settings: own, weights: settings.weights })
    }
}

impl Detector for ToolReplay {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        let tool = matches!(observation.diff.map(|d| d.user_agent), Some(Comparison::Different(agent)) if agent.tool);
        if !tool || observation.trigger == Trigger::Issued || !self.settings.classes.contains(observation.token.class) {
            return;
        }
        let scored = score(observation, &self.weights)
            .at_least(Severity::Low)
            .under(self.settings.severity, observation.subject.outcome());
        findings.push(Finding::of_suspect(&TOOL_REPLAY, &self.settings, scored, observation));
    }
}
