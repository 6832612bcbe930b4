//! Is a known token presented by another client? TT-1001, TT-1002 and TT-1003, which exclude one
//! another and TT-1008.
//!
//! Attack: a stolen session token is replayed (session hijacking, "sidejacking").
//! Signal: the address, the user agent, or both differ from the actor that the session belongs to. Where
//! the user agent was copied, the TLS fingerprint, the MAC or (within one network) the TCP stack
//! still tell another client.
//! Known false alarms: a person who changes networks (one-way: low), several people behind one
//! address, a browser that pretends to be another for one site.
//! Source: Zeek's `sidejack` policy (2010) for the idea; here each facet is compared by meaning and
//! each innocent explanation is looked for first.

use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity};
use super::fingerprint_shift;
use super::score::{Score, score};
use super::settings::{DetectorSettings, Settings, Weights};
use crate::identity::{AddressChange, Comparison, IdentityDiff};
use crate::session::{Observation, Trigger};
use crate::token::Outcome;

/// TT-1001.
pub const NEW_IP: DetectorInfo =
    DetectorInfo::new("TT-1001", "token.new_ip", "A known token was presented from another address");
/// TT-1002.
pub const NEW_USER_AGENT: DetectorInfo = DetectorInfo::new(
    "TT-1002",
    "token.new_user_agent",
    "A known token was presented by another user agent at the same address",
);
/// TT-1003.
pub const NEW_CLIENT: DetectorInfo = DetectorInfo::new(
    "TT-1003",
    "token.new_client",
    "A known token was presented by another client: other address, other software",
);

/// The three detectors, of which at most one speaks for a suspect.
#[derive(Debug)]
pub struct NewClient {
    new_ip: DetectorSettings,
    new_user_agent: DetectorSettings,
    new_client: DetectorSettings,
    weights: Weights,
}

impl NewClient {
    /// With the rules' settings; `None` when none of the three runs.
    #[must_use]
    pub fn new(settings: &Settings) -> Option<Self> {
        let of = |info: &DetectorInfo| settings.of(info.id).cloned();
        let made = Self {
            new_ip: of(&NEW_IP)?,
            new_user_agent: of(&NEW_USER_AGENT)?,
            new_client: of(&NEW_CLIENT)?,
            weights: settings.weights,
        };
        (made.new_ip.enabled || made.new_user_agent.enabled || made.new_client.enabled).then_some(made)
    }

    fn claim(&self, observation: &Observation) -> Option<(&'static DetectorInfo, &DetectorSettings, Score)> {
        let diff = observation.diff?;
        if fingerprint_shift::is_shift(&diff) {
            return None;
        }
        let scored = score(observation, &self.weights);
        if is_other_client(&diff) {
            let floor = match observation.subject.outcome() {
                Outcome::Accepted => Severity::High,
                Outcome::Unknown => Severity::Medium,
                Outcome::Rejected => Severity::Low,
            };
            return Some((&NEW_CLIENT, &self.new_client, scored.at_least(floor)));
        }
        match (diff.address, diff.user_agent) {
            (Comparison::Different(_), _) => Some((&NEW_IP, &self.new_ip, scored.at_least(Severity::Low))),
            (_, Comparison::Different(_)) => {
                Some((&NEW_USER_AGENT, &self.new_user_agent, scored.at_least(Severity::Low)))
            }
            (Comparison::SameBecause(_), _) => Some((&NEW_IP, &self.new_ip, scored)),
            (_, Comparison::SameBecause(_)) => Some((&NEW_USER_AGENT, &self.new_user_agent, scored)),
            _ => None,
        }
    }
}

/// Whether another address comes with other software, or near it with another machine.
fn is_other_client(diff: &IdentityDiff) -> bool {
    let near = diff.address == Comparison::Different(AddressChange::SameNetwork);
    let other = diff.user_agent.is_different() || diff.tls.is_different() || (near && diff.tcp_stack.is_different());
    diff.address.is_different() && other
}

impl Detector for NewClient {
    fn observe(&mut self, observation: &Arc<Observation>, findings: &mut Vec<Finding>) {
        if observation.trigger == Trigger::Issued {
            return;
        }
        let Some((detector, settings, scored)) = self.claim(observation) else { return };
        if settings.enabled && settings.classes.contains(observation.token.class) {
            let scored = match observation.diff {
                // What is explained stays informational whatever the rules say.
                Some(diff) if !diff.is_distinct() => scored,
                _ => scored.under(settings.severity, observation.subject.outcome()),
            };
            findings.push(Finding::of_suspect(detector, settings, scored, observation));
        }
    }
}
