//! Is somebody at work between client and server? TT-4001 to TT-4004, TT-4011, TT-4012.
//!
//! Attack: bytes are injected into a connection, or packets are formed so that a sensor and the
//! server read different things. Either way what was read is in doubt, and a token may have passed
//! unseen: the alert names the flow.
//! Signal: an anomaly of TCP, of IP fragments, or of the framing of HTTP that no honest stack makes.
//! Known false alarms: broken middleboxes and load balancers that answer twice; scanners.
//! Source: RFC 5722 (overlapping fragments), RFC 9112 §11.2 (request smuggling), RFC 5961 (blind
//! in-window attacks).
//! Told once for a client and server; anybody can make up addresses, so only the first of an hour
//! are told apart.

use std::net::IpAddr;
use std::sync::Arc;

use super::finding::{Detector, DetectorInfo, Finding, Severity, Subject};
use super::hourly::Hourly;
use super::settings::{DetectorSettings, Settings, SeverityRule};
use crate::base::net::Tenant;
use crate::base::time::Timestamp;
use crate::flow::AnomalyKind;
use crate::session::{Evidence, PathObservation};
use crate::token::PathKind;

/// TT-4001.
pub const OVERLAP_CONFLICT: DetectorInfo = DetectorInfo::new(
    "TT-4001",
    "tcp.overlap_conflict",
    "A range of the connection was sent again with other bytes: one copy is forged",
);
/// TT-4002.
pub const SYNACK_CONFLICT: DetectorInfo = DetectorInfo::new(
    "TT-4002",
    "tcp.synack_conflict",
    "One attempt to connect was answered twice with other sequence numbers",
);
/// TT-4003.
pub const RST_INJECTED: DetectorInfo =
    DetectorInfo::new("TT-4003", "tcp.rst_injected", "A reset was sent in the name of a side that went on");
/// TT-4004.
pub const DESYNC_STORM: DetectorInfo = DetectorInfo::new(
    "TT-4004",
    "tcp.desync_storm",
    "Client and server no longer agree where the connection stands, as after an injection",
);
/// TT-4011.
pub const AMBIGUOUS: DetectorInfo = DetectorInfo::new(
    "TT-4011",
    "http.ambiguous",
    "A message can be read in two ways that differ in tokens or framing",
);
/// TT-4012.
pub const FRAGMENT_CONFLICT: DetectorInfo =
    DetectorInfo::new("TT-4012", "ip.fragment_conflict", "Fragments of one datagram overlap with other bytes");

/// Of which detector an anomaly is the business; `None` for one that by itself says nothing.
const fn detector_of(kind: PathKind) -> Option<&'static DetectorInfo> {
    Some(match kind {
        PathKind::Tcp(AnomalyKind::OverlapConflict) => &OVERLAP_CONFLICT,
        PathKind::Tcp(AnomalyKind::SynAckConflict) => &SYNACK_CONFLICT,
        PathKind::Tcp(AnomalyKind::RstInjected) => &RST_INJECTED,
        PathKind::Tcp(AnomalyKind::DesyncStorm) => &DESYNC_STORM,
        // Within a head it comes as an ambiguity; elsewhere some programs do it.
        PathKind::Tcp(AnomalyKind::UrgentInside) => return None,
        PathKind::Ambiguous(_) => &AMBIGUOUS,
        PathKind::Tcp(AnomalyKind::FragmentConflict) | PathKind::FragmentConflict => &FRAGMENT_CONFLICT,
    })
}

/// One of them.
#[derive(Debug)]
pub struct Path {
    detector: &'static DetectorInfo,
    settings: DetectorSettings,
    paths: Hourly<(Tenant, IpAddr, IpAddr)>,
}

impl Path {
    /// With the rules' settings; `None` when it does not run. `seed` keys the hash.
    #[must_use]
    pub fn new(detector: &'static DetectorInfo, settings: &Settings, seed: u64) -> Option<Self> {
        let settings = settings.of(detector.id).filter(|s| s.enabled)?.clone();
        Some(Self { detector, settings, paths: Hourly::new(seed) })
    }

    fn subject(&mut self, seen: &PathObservation) -> Subject {
        let client = seen.request.client.address.unwrap_or(seen.request.source.ip);
        Subject::Path(self.paths.told_apart((seen.request.tenant, client, seen.request.destination.ip)))
    }
}

impl Detector for Path {
    fn path(&mut self, observation: &Arc<PathObservation>, findings: &mut Vec<Finding>) {
        if detector_of(observation.kind) != Some(self.detector) {
            return;
        }
        let severity = match self.settings.severity {
            SeverityRule::Fixed(severity) => severity,
            SeverityRule::Score => Severity::Medium,
        };
        let subject = self.subject(observation);
        let evidence = Evidence::Path(Arc::clone(observation));
        findings.push(Finding::of(self.detector, &self.settings, subject, severity, evidence));
    }

    fn on_time(&mut self, now: Timestamp, _findings: &mut Vec<Finding>) {
        self.paths.on_time(now);
    }

    fn limit_hits(&self) -> u64 {
        self.paths.limit_hits
    }
}
