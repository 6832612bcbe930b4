//! Floor 7: is it an attack? Takes observations, gives scored findings.
//!
//! A detector is a pure function with memory, one file a family. A new one is its file, its entry
//! in [`CATALOGUE`] and a line in [`Detectors::new`], and its rule in `rules/detectors.yaml`.

pub mod after_logout;
pub mod arp_spoof;
pub mod credential;
pub mod enumeration;
pub mod exposure;
pub mod fan_in;
pub mod fan_out;
pub mod finding;
pub mod fingerprint_shift;
pub mod hourly;
pub mod interleaved;
pub mod mac_conflict;
pub mod new_client;
pub mod path;
pub mod plaintext;
pub mod score;
pub mod settings;
pub mod tool_replay;

pub use finding::{Detector, DetectorInfo, ExposureTotals, Finding, Severity, Signal, Subject};
pub use score::Score;
pub use settings::{Classes, DetectorSettings, Settings, SeverityRule, SignalName, Thresholds, Weights};

use std::sync::Arc;

use crate::base::time::Timestamp;
use crate::session::{Evidence, Observation};
use crate::token::TokenSighting;

/// Every detector there is, in the order of the ids.
pub const CATALOGUE: [&DetectorInfo; 20] = [
    &new_client::NEW_IP,
    &new_client::NEW_USER_AGENT,
    &new_client::NEW_CLIENT,
    &interleaved::INTERLEAVED,
    &fan_out::FAN_OUT,
    &fan_in::FAN_IN,
    &tool_replay::TOOL_REPLAY,
    &fingerprint_shift::FINGERPRINT_SHIFT,
    &mac_conflict::MAC_CONFLICT,
    &plaintext::PLAINTEXT,
    &credential::CREDENTIAL,
    &after_logout::AFTER_LOGOUT,
    &enumeration::ENUMERATION,
    &path::OVERLAP_CONFLICT,
    &path::SYNACK_CONFLICT,
    &path::RST_INJECTED,
    &path::DESYNC_STORM,
    &arp_spoof::ARP_SPOOF,
    &path::AMBIGUOUS,
    &path::FRAGMENT_CONFLICT,
];

/// The detectors that the rules enable.
pub struct Detectors {
    all: Vec<Box<dyn Detector>>,
    /// Places of those that count every use.
    counting: Vec<usize>,
}

impl Detectors {
    /// With the rules' settings. `seed` keys the hashes of those that remember.
    #[must_use]
    pub fn new(settings: &Settings, seed: u64) -> Self {
        fn boxed<D: Detector + 'static>(detector: Option<D>) -> Option<Box<dyn Detector>> {
            detector.map(|d| Box::new(d) as Box<dyn Detector>)
        }
        let all = [
            boxed(new_client::NewClient::new(settings)),
            boxed(interleaved::Interleaved::new(settings)),
            boxed(fan_out::FanOut::new(settings)),
            boxed(fan_in::ClientFanIn::new(settings)),
            boxed(tool_replay::ToolReplay::new(settings)),
            boxed(fingerprint_shift::FingerprintShift::new(settings)),
            boxed(mac_conflict::MacConflict::new(settings)),
            boxed(exposure::Exposures::new(&plaintext::PLAINTEXT, settings, seed)),
            boxed(exposure::Exposures::new(&credential::CREDENTIAL, settings, seed)),
            boxed(after_logout::AfterLogout::new(settings)),
            boxed(enumeration::Enumeration::new(settings)),
            boxed(path::Path::new(&path::OVERLAP_CONFLICT, settings, seed)),
            boxed(path::Path::new(&path::SYNACK_CONFLICT, settings, seed)),
            boxed(path::Path::new(&path::RST_INJECTED, settings, seed)),
            boxed(path::Path::new(&path::DESYNC_STORM, settings, seed)),
            boxed(arp_spoof::ArpSpoof::new(settings, seed)),
            boxed(path::Path::new(&path::AMBIGUOUS, settings, seed)),
            boxed(path::Path::new(&path::FRAGMENT_CONFLICT, settings, seed)),
        ];
        let all: Vec<_> = all.into_iter().flatten().collect();
        let counting = (0..).zip(&all).filter(|(_, detector)| detector.counts_uses()).map(|(place, _)| place).collect();
        Self { all, counting }
    }

    /// Lets each detector judge what was seen.
    pub fn judge(&mut self, evidence: &Evidence, findings: &mut Vec<Finding>) {
        for detector in &mut self.all {
            match evidence {
                Evidence::Use(observation) => detector.observe(observation, findings),
                Evidence::Path(observation) => detector.path(observation, findings),
                Evidence::Takeover(taken, at) => detector.takeover(*taken, *at, findings),
            }
        }
    }

    /// Tells those that count of a use that is nothing new; `whole` makes the observation for those that
    /// want it.
    pub fn again(
        &mut self,
        sighting: &TokenSighting,
        whole: impl Fn() -> Arc<Observation>,
        findings: &mut Vec<Finding>,
    ) {
        for place in &self.counting {
            let Some(detector) = self.all.get_mut(*place) else { continue };
            if !detector.again(sighting, findings) {
                detector.observe(&whole(), findings);
            }
        }
    }

    /// Time has passed; `now` is the highest capture time seen.
    pub fn on_time(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        for detector in &mut self.all {
            detector.on_time(now, findings);
        }
    }

    /// Times that the bounds of what they remember were reached (`limit_hits_total{limit="exposures"}`).
    #[must_use]
    pub fn limit_hits(&self) -> u64 {
        self.all.iter().map(|detector| detector.limit_hits()).sum()
    }

    /// The end of the history.
    pub fn finish(&mut self, findings: &mut Vec<Finding>) {
        for detector in &mut self.all {
            detector.finish(findings);
        }
    }
}

impl std::fmt::Debug for Detectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} detectors", self.all.len())
    }
}

#[cfg(test)]
mod tests;
