//! What does an alert say? Who, what, why, and what to do about it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::{advice, words};
use crate::base::ids::Digest16;
use crate::base::time::{Stamp, Timestamp};
use crate::detect::{DetectorInfo, ExposureTotals, Finding, Severity, Signal};
use crate::identity::{AddressReason, AgentReason, Comparison, IdentityDiff};
use crate::session::Evidence;

/// Whether more may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was told for the first time or again; it may be told again.
    Ongoing,
    /// The history ended; this is the final count.
    Ended,
}

impl Status {
    /// The word used in lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ongoing => "ongoing",
            Self::Ended => "ended",
        }
    }
}

/// Why a facet that differs is still believed to be the same client's; by its name in rules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Explanation {
    /// Of another address.
    Address(AddressReason),
    /// Of another user agent.
    Agent(AgentReason),
}

impl Explanation {
    /// Every explanation in a comparison.
    #[must_use]
    pub fn of(diff: &IdentityDiff) -> Vec<Self> {
        let address = match diff.address {
            Comparison::SameBecause(reason) => Some(Self::Address(reason)),
            _ => None,
        };
        let agent = match diff.user_agent {
            Comparison::SameBecause(reason) => Some(Self::Agent(reason)),
            _ => None,
        };
        address.into_iter().chain(agent).collect()
    }
}

/// One alert as it is told, now or again. Owned; every text in it is masked, and still as long
/// and as odd as the wire had it: the formats cut and clean.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Keyed digest of (detector, subject): the same at every update.
    pub id: Digest16,
    /// Keyed digest of (session, suspect): shared by all alerts about the two.
    pub incident: Digest16,
    /// Whether more may come.
    pub status: Status,
    /// How many findings (for exposures: requests) it stands for.
    pub count: u64,
    /// Who claims it.
    pub detector: &'static DetectorInfo,
    /// MITRE ATT&CK techniques and subtechniques: `T1550.004`.
    pub tags: Arc<[Box<str>]>,
    /// How bad.
    pub severity: Severity,
    /// 0 to 100.
    pub score: u8,
    /// What the score is made of.
    pub signals: Vec<Signal>,
    /// What differs and has an innocent explanation.
    pub explained: Vec<Explanation>,
    /// Totals, for exposures.
    pub totals: Option<ExposureTotals>,
    /// First use by the suspect; of an exposure: when it was first found.
    pub first: Timestamp,
    /// Latest use by the suspect; of an exposure: when it was last found.
    pub last: Timestamp,
    /// What happened, in one sentence.
    pub message: String,
    /// What it rests on, in one sentence.
    pub reason: String,
    /// What to do about it, the most urgent first.
    pub advice: Vec<String>,
    /// Suspect, victim, token, request and visibility; or the path.
    pub evidence: Evidence,
}

/// What the desk knows of an alert beyond its finding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) id: Digest16,
    pub(crate) incident: Digest16,
    pub(crate) status: Status,
    pub(crate) count: u64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

impl Alert {
    pub(crate) fn new(standing: Standing, finding: &Finding) -> Self {
        let Standing { id, incident, status, count, first, last } = standing;
        let evidence = finding.evidence.clone();
        let diff = evidence.token_use().and_then(|seen| seen.diff);
        Self {
            id,
            incident,
            status,
            count,
            detector: finding.detector,
            tags: Arc::clone(&finding.tags),
            severity: finding.severity,
            score: finding.score,
            signals: finding.signals.clone(),
            explained: diff.as_ref().map(Explanation::of).unwrap_or_default(),
            totals: finding.totals,
            first,
            last,
            message: words::message(finding),
            reason: words::reason(finding),
            advice: advice::of(finding.detector, &evidence),
            evidence,
        }
    }

    /// The frame that decided it: the one that completed the suspect's request, or showed the odd
    /// behaviour of a path.
    #[must_use]
    pub fn at(&self) -> Stamp {
        self.evidence.at()
    }
}
