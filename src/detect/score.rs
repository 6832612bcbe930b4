//! How sure are we? The sum of what differs, bounded by what is known to mislead.

use super::finding::{Severity, Signal};
use super::settings::{SeverityRule, SignalName, Weights};
use crate::identity::{AddressChange, Comparison};
use crate::session::Observation;
use crate::token::Outcome;

/// Most that an address alone can reach while the move is one-way.
const ONE_WAY_ADDRESS: u8 = 35;

/// Most that an address alone can reach when two actors take turns: a person with two networks
/// looks like that. One of the facets that say little alone lifts it no more.
const INTERLEAVED_ADDRESS: u8 = 64;

/// Most that two programs can reach that may be an app and its web view on one device.
const APP_AND_VIEW: u8 = 39;

/// Most that a suspect can reach whose every request was rejected.
const ONLY_REJECTED: u8 = 35;

/// A score with its reasons.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Score {
    /// 0 to 100.
    pub points: u8,
    /// What it is made of.
    pub signals: Vec<Signal>,
}

impl Score {
    /// This score, at least in the band of `floor`.
    #[must_use]
    pub fn at_least(mut self, floor: Severity) -> Self {
        self.points = self.points.max(band_start(floor));
        self
    }

    /// This score, or the points of the severity that the rules fix.
    #[must_use]
    pub fn under(mut self, rule: SeverityRule, outcome: Outcome) -> Self {
        if let SeverityRule::Fixed(severity) = rule {
            self.points = points_of(by_outcome(severity, outcome));
        }
        self
    }

    /// The band of the points.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        Severity::of_score(self.points)
    }
}

/// Fewest points of a severity.
const fn band_start(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 0,
        Severity::Low => 20,
        Severity::Medium => 40,
        Severity::High => 65,
        Severity::Critical => 85,
    }
}

/// The score of a suspect before any detector's floor.
#[must_use]
pub fn score(observation: &Observation, weights: &Weights) -> Score {
    let mut signals = Vec::new();
    let mut add = |name: SignalName, points: u8| {
        if points > 0 {
            signals.push(Signal { name: name.as_str(), points });
        }
    };
    let Some(diff) = observation.diff else { return Score { points: 0, signals } };
    match diff.address {
        Comparison::Different(AddressChange::SameNetwork) => add(SignalName::Address, weights.of(SignalName::Address)),
        Comparison::Different(AddressChange::OtherNetwork | AddressChange::OtherFamily) => {
            add(SignalName::Network, weights.of(SignalName::Network));
        }
        Comparison::Same | Comparison::SameBecause(_) | Comparison::Unknown => {}
    }
    // At one address another user agent is often another program of the same person, and that has
    // a TLS library of its own. Another TCP stack or MAC is another machine.
    let share = if diff.address.is_different() || diff.is_other_machine() { 1 } else { 2 };
    if let Comparison::Different(agent) = diff.user_agent {
        for (differs, name) in [
            (agent.os, SignalName::UaOs),
            (agent.family, SignalName::UaFamily),
            (agent.tool, SignalName::Tool),
            (agent.downgrade, SignalName::UaDowngrade),
        ] {
            if differs {
                add(name, weights.of(name) / share);
            }
        }
    }
    let tls_share = if diff.user_agent.is_different() { share } else { 1 };
    for (facet, name, share) in [
        (diff.tls, SignalName::Tls, tls_share),
        (diff.header_order, SignalName::HeaderOrder, 1),
        (diff.tcp_stack, SignalName::TcpStack, 1),
        (diff.language, SignalName::Language, 1),
        (diff.mac, SignalName::Mac, 1),
    ] {
        if facet.is_different() {
            add(name, weights.of(name) / share);
        }
    }
    if observation.interleaved.is_some() {
        add(SignalName::Interleaved, weights.of(SignalName::Interleaved));
    }
    if observation.prior_live {
        add(SignalName::PriorLive, weights.of(SignalName::PriorLive));
    }
    for (holds, name) in [
        (observation.fan_in.is_some(), SignalName::FanIn),
        (observation.path_attack && diff.is_distinct(), SignalName::PathAttack),
    ] {
        if holds {
            add(name, weights.of(name));
        }
    }
    let mut points = signals.iter().fold(0u8, |sum, s| sum.saturating_add(s.points)).min(100);
    // What only the network tells is a move, unless something else speaks against the suspect.
    let else_innocent = observation.fan_in.is_none() && !observation.path_attack;
    if diff.address.is_different() && !diff.differs_beside_address() && else_innocent {
        let cap = match (observation.interleaved, diff.weak_differences()) {
            (Some(_), 0 | 1) => INTERLEAVED_ADDRESS,
            (None, 0) => ONE_WAY_ADDRESS,
            _ => 100,
        };
        points = points.min(cap);
    }
    if diff.is_app_and_view() && else_innocent {
        points = points.min(APP_AND_VIEW);
    }
    if observation.session.adopted {
        points /= 2;
    }
    if observation.subject.outcome() == Outcome::Rejected {
        points = points.min(ONLY_REJECTED);
    }
    Score { points, signals }
}

/// The severity of a detector that does not score, by what became of the suspect's requests.
#[must_use]
pub fn by_outcome(severity: Severity, outcome: Outcome) -> Severity {
    match outcome {
        Outcome::Accepted => severity,
        Outcome::Unknown => severity.lower(),
        Outcome::Rejected => severity.min(Severity::Low),
    }
}

/// The severity of a detector that does not score: as the rules fix it, by what became of the
/// suspect's requests. Rules that ask for a score get medium.
#[must_use]
pub fn severity_of(rule: SeverityRule, outcome: Outcome) -> Severity {
    match rule {
        SeverityRule::Fixed(severity) => by_outcome(severity, outcome),
        SeverityRule::Score => by_outcome(Severity::Medium, outcome),
    }
}

/// The points shown for a severity that was not scored: the middle of its band.
#[must_use]
pub const fn points_of(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 10,
        Severity::Low => 30,
        Severity::Medium => 50,
        Severity::High => 75,
        Severity::Critical => 95,
    }
}
