//! How are the detectors tuned? Thresholds, severities and weights, as the rules give them.

use crate::token::TokenClass;

use super::finding::Severity;

/// A reason for a score. The names are those of alerts and rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SignalName {
    /// Another /24, /64 or address family.
    Network,
    /// Another address of the same network.
    Address,
    /// Another operating system.
    UaOs,
    /// Another user-agent family.
    UaFamily,
    /// A browser's token used by a tool.
    Tool,
    /// The same browser in a lower version.
    UaDowngrade,
    /// Another TLS fingerprint.
    Tls,
    /// Header fields in opposite order.
    HeaderOrder,
    /// Another TCP stack.
    TcpStack,
    /// Another first language.
    Language,
    /// The two take turns.
    Interleaved,
    /// The owner was seen shortly before and again after.
    PriorLive,
    /// Two MAC addresses on one segment.
    Mac,
    /// The suspect presents the tokens of others too.
    FanIn,
    /// The victim's path was attacked lately.
    PathAttack,
}

impl SignalName {
    /// All of them, in the order in which alerts list them.
    pub const ALL: [Self; 15] = [
        Self::Network,
        Self::Address,
        Self::UaOs,
        Self::UaFamily,
        Self::Tool,
        Self::UaDowngrade,
        Self::Tls,
        Self::HeaderOrder,
        Self::TcpStack,
        Self::Language,
        Self::Interleaved,
        Self::PriorLive,
        Self::Mac,
        Self::FanIn,
        Self::PathAttack,
    ];

    /// The name in rules and alerts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Address => "address",
            Self::UaOs => "ua_os",
            Self::UaFamily => "ua_family",
            Self::Tool => "tool",
            Self::UaDowngrade => "ua_downgrade",
            Self::Tls => "tls",
            Self::HeaderOrder => "header_order",
            Self::TcpStack => "tcp_stack",
            Self::Language => "language",
            Self::Interleaved => "interleaved",
            Self::PriorLive => "prior_live",
            Self::Mac => "mac",
            Self::FanIn => "fan_in",
            Self::PathAttack => "path_attack",
        }
    }
}

/// Points of every signal, 0 to 100 each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weights([u8; SignalName::ALL.len()]);

impl Weights {
    /// Points of one signal.
    #[must_use]
    pub fn of(&self, signal: SignalName) -> u8 {
        self.0.get(signal as usize).copied().unwrap_or_default()
    }

    /// Sets the points of one signal.
    pub fn set(&mut self, signal: SignalName, points: u8) {
        if let Some(slot) = self.0.get_mut(signal as usize) {
            *slot = points.min(100);
        }
    }
}

/// Where a finding's severity comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SeverityRule {
    /// The band of its score.
    #[default]
    Score,
    /// Always the same, but one step lower when the outcome is unknown, and low when every use was
    /// rejected (detectors of presented tokens).
    Fixed(Severity),
}

/// A set of token classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classes(u16);

impl Classes {
    /// This set with one more class.
    #[must_use]
    pub const fn with(self, class: TokenClass) -> Self {
        Self(self.0 | 1 << class as u16)
    }

    /// Whether the class is in the set.
    #[must_use]
    pub const fn contains(self, class: TokenClass) -> bool {
        self.0 & 1 << class as u16 != 0
    }
}

impl FromIterator<TokenClass> for Classes {
    fn from_iter<I: IntoIterator<Item = TokenClass>>(classes: I) -> Self {
        classes.into_iter().fold(Self::default(), Self::with)
    }
}

/// What the rules say of one detector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DetectorSettings {
    /// It runs.
    pub enabled: bool,
    /// Classes of tokens that it judges.
    pub classes: Classes,
    /// Severity.
    pub severity: SeverityRule,
    /// Classes for which a fixed severity is one step higher.
    pub graver_classes: Classes,
    /// MITRE ATT&CK techniques and subtechniques for its alerts.
    pub tags: std::sync::Arc<[Box<str>]>,
    /// Numbers that the detector compares with, where the rules give others than its own.
    pub thresholds: Thresholds,
}

/// Thresholds of one detector by their names, at most a few.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Thresholds(Vec<(&'static str, u32)>);

impl Thresholds {
    /// The threshold of this name: as the rules say, else as the detector knows it; 0 for a name that
    /// it does not know.
    #[must_use]
    pub fn of(&self, detector: &super::DetectorInfo, name: &str) -> u32 {
        let given = self.0.iter().chain(detector.thresholds).find(|(known, _)| *known == name);
        given.map_or(0, |(_, value)| *value)
    }

    /// Sets the threshold of a name that the detector knows; false for another name.
    pub fn set(&mut self, detector: &super::DetectorInfo, name: &str, value: u32) -> bool {
        let Some((known, _)) = detector.thresholds.iter().find(|(known, _)| *known == name) else { return false };
        self.0.retain(|(set, _)| set != known);
        self.0.push((known, value));
        true
    }
}

/// What the rules say of all detectors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// By detector, in the order of [`super::CATALOGUE`].
    pub detectors: Vec<DetectorSettings>,
    /// Points of the signals.
    pub weights: Weights,
}

impl Settings {
    /// What the rules say of the detector with this id; a detector without a rule does not run.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&DetectorSettings> {
        let position = super::CATALOGUE.iter().position(|info| info.id == id)?;
        self.detectors.get(position)
    }
}
