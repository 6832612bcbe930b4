//! What a detector claims, how sure it is, and what it rests on.

use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::score::{Score, points_of};
use super::settings::DetectorSettings;
use crate::base::ids::{Digest16, TokenRef};
use crate::base::net::Tenant;
use crate::base::time::{Stamp, Timestamp};
use crate::session::{Evidence, Observation, PathObservation, Takeover};
use crate::token::TokenSighting;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Counted and shown in reports.
    Informational,
    /// Worth a look.
    Low,
    /// Probably wrong.
    Medium,
    /// Very probably an attack.
    High,
    /// An attack.
    Critical,
}

impl Severity {
    /// All, from the mildest.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// ECS `event.severity`.
    #[must_use]
    pub const fn ecs(self) -> u8 {
        match self {
            Self::Informational => 10,
            Self::Low => 30,
            Self::Medium => 50,
            Self::High => 73,
            Self::Critical => 95,
        }
    }

    /// The band of a score: 0–19, 20–39, 40–64, 65–84, 85–100.
    #[must_use]
    pub const fn of_score(score: u8) -> Self {
        match score {
            0..=19 => Self::Informational,
            20..=39 => Self::Low,
            40..=64 => Self::Medium,
            65..=84 => Self::High,
            _ => Self::Critical,
        }
    }

    /// One step graver.
    #[must_use]
    pub const fn higher(self) -> Self {
        match self {
            Self::Informational => Self::Low,
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }

    /// One step milder.
    #[must_use]
    pub const fn lower(self) -> Self {
        match self {
            Self::Informational | Self::Low => Self::Informational,
            Self::Medium => Self::Low,
            Self::High => Self::Medium,
            Self::Critical => Self::High,
        }
    }
}

/// One reason for a score, by its name in the weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Signal {
    /// Name: `network`, `ua_family` …
    pub name: &'static str,
    /// Points it gave.
    pub points: u8,
}

/// What is fixed about a detector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DetectorInfo {
    /// Stable id: `TT-1003`.
    pub id: &'static str,
    /// Name: `token.new_client`.
    pub name: &'static str,
    /// One line for people: what it noticed.
    pub title: &'static str,
    /// Numbers that it compares with, by the names that rules give them, with their defaults.
    pub thresholds: &'static [(&'static str, u32)],
}

impl DetectorInfo {
    /// A detector without thresholds.
    #[must_use]
    pub const fn new(id: &'static str, name: &'static str, title: &'static str) -> Self {
        Self { id, name, title, thresholds: &[] }
    }

    /// The same with thresholds.
    #[must_use]
    pub const fn with(self, thresholds: &'static [(&'static str, u32)]) -> Self {
        Self { thresholds, ..self }
    }
}

impl Subject {
    /// The suspect of an observation.
    #[must_use]
    pub fn suspect(observation: &Observation) -> Self {
        Self::Suspect { session: observation.session.id, suspect: observation.subject.id }
    }
}

/// What a finding is about: the key under which it is told once.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Subject {
    /// One suspect on one session.
    Suspect {
        /// The session.
        session: TokenRef,
        /// The suspect ([`crate::session::BindingView::id`]).
        suspect: Digest16,
    },
    /// All suspects of one session together.
    Session(TokenRef),
    /// One client across sessions, by a keyed digest of what it is known by.
    Client(Digest16),
    /// The path between a client and a server; `None` stands for all paths beyond those told apart.
    Path(Option<(Tenant, IpAddr, IpAddr)>),
    /// An address of a segment; `None` stands for all addresses beyond those told apart.
    Address(Option<(Tenant, IpAddr)>),
    /// A flaw of a service, told once a day of capture time.
    Exposure {
        /// Service.
        service: Arc<str>,
        /// Token id.
        token_id: Arc<str>,
        /// Days since 1970-01-01.
        day: i64,
    },
}

/// What an exposure adds up to so far that day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ExposureTotals {
    /// Distinct tokens.
    pub tokens: u64,
    /// Distinct clients.
    pub clients: u64,
    /// Sightings.
    pub requests: u64,
}

/// A detector's claim.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Who claims it.
    pub detector: &'static DetectorInfo,
    /// MITRE ATT&CK techniques and subtechniques, as the rules give them: `T1550.004`.
    pub tags: Arc<[Box<str>]>,
    /// What it is about.
    pub subject: Subject,
    /// How bad.
    pub severity: Severity,
    /// 0 to 100; the middle of the severity's band for detectors that do not score.
    pub score: u8,
    /// What the score is made of.
    pub signals: Vec<Signal>,
    /// Totals, for exposures: the finding replaces the earlier one of the same subject.
    pub totals: Option<ExposureTotals>,
    /// What was seen.
    pub evidence: Evidence,
}

impl Finding {
    /// A claim about the suspect of an observation, with the severity of its score.
    #[must_use]
    pub fn of_suspect(
        detector: &'static DetectorInfo,
        settings: &DetectorSettings,
        score: Score,
        observation: &Arc<Observation>,
    ) -> Self {
        Self {
            detector,
            tags: Arc::clone(&settings.tags),
            subject: Subject::suspect(observation),
            severity: score.severity(),
            score: score.points,
            signals: score.signals,
            totals: None,
            evidence: Evidence::Use(Arc::clone(observation)),
        }
    }

    /// A claim about `subject` whose severity is not scored.
    #[must_use]
    pub fn of(
        detector: &'static DetectorInfo,
        settings: &DetectorSettings,
        subject: Subject,
        severity: Severity,
        evidence: Evidence,
    ) -> Self {
        let tags = Arc::clone(&settings.tags);
        let score = points_of(severity);
        Self { detector, tags, subject, severity, score, signals: Vec::new(), totals: None, evidence }
    }
}

/// A pure function with memory from observations to findings.
pub trait Detector: Send {
    /// Judges one use of a token.
    fn observe(&mut self, _observation: &Arc<Observation>, _findings: &mut Vec<Finding>) {}

    /// Whether it counts every use of a token: whoever does not is not told of [`Self::again`].
    fn counts_uses(&self) -> bool {
        false
    }

    /// An owner presented its token once more and nothing about it is new. False when it wants to observe
    /// the whole.
    fn again(&mut self, _sighting: &TokenSighting, _findings: &mut Vec<Finding>) -> bool {
        true
    }

    /// Judges odd behaviour on a path.
    fn path(&mut self, _observation: &Arc<PathObservation>, _findings: &mut Vec<Finding>) {}

    /// Judges that an address went to another device, by the frame `at`.
    fn takeover(&mut self, _taken: Takeover, _at: Stamp, _findings: &mut Vec<Finding>) {}

    /// Time has passed (`now` is the highest capture time seen): whatever was waiting is told.
    fn on_time(&mut self, _now: Timestamp, _findings: &mut Vec<Finding>) {}

    /// Times that a bound of what it remembers was reached.
    fn limit_hits(&self) -> u64 {
        0
    }

    /// The end of the history: whatever was waiting is told.
    fn finish(&mut self, _findings: &mut Vec<Finding>) {}
}
