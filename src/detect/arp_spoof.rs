//! Does somebody take the address of another device of the segment? TT-4005.
//!
//! Attack: ARP spoofing. The attacker says that the gateway's address, or a victim's, is at his MAC
//! address; the traffic of the two then passes through his device, and he reads every token in it.
//! Signal: an IPv4 address in use moves to another MAC address without a DHCP lease. At once critical
//! when it is that of the gateway: a device to which frames for other networks go.
//! Known false alarms: a device replaced by hand under its old address; fail-over between two devices
//! that use their own MAC addresses; a lease that the sensor did not see.
//! Source: RFC 826, which has no proof of who may answer.

use std::net::IpAddr;

use super::finding::{Detector, DetectorInfo, Finding, Severity, Subject};
use super::hourly::Hourly;
use super::settings::{DetectorSettings, Settings, SeverityRule};
use crate::base::net::Tenant;
use crate::base::time::{Stamp, Timestamp};
use crate::session::{Evidence, Takeover};

/// TT-4005.
pub const ARP_SPOOF: DetectorInfo =
    DetectorInfo::new("TT-4005", "arp.spoof", "An address of the segment was taken over by another device");

/// The detector.
#[derive(Debug)]
pub struct ArpSpoof {
    settings: DetectorSettings,
    addresses: Hourly<(Tenant, IpAddr)>,
}

impl ArpSpoof {
    /// With the rules' settings; `None` when it does not run. `seed` keys the hash.
    #[must_use]
    pub fn new(settings: &Settings, seed: u64) -> Option<Self> {
        let settings = settings.of(ARP_SPOOF.id).filter(|s| s.enabled)?.clone();
        Some(Self { settings, addresses: Hourly::new(seed) })
    }
}

impl Detector for ArpSpoof {
    fn takeover(&mut self, taken: Takeover, at: Stamp, findings: &mut Vec<Finding>) {
        if taken.ip.is_ipv6() {
            return; // neighbour discovery, not ARP
        }
        let severity = match self.settings.severity {
            SeverityRule::Fixed(severity) if taken.gateway => severity.higher().higher(),
            SeverityRule::Fixed(severity) => severity,
            SeverityRule::Score => Severity::Medium,
        };
        let subject = Subject::Address(self.addresses.told_apart((taken.tenant, taken.ip)));
        findings.push(Finding::of(&ARP_SPOOF, &self.settings, subject, severity, Evidence::Takeover(taken, at)));
    }

    fn on_time(&mut self, now: Timestamp, _findings: &mut Vec<Finding>) {
        self.addresses.on_time(now);
    }

    fn limit_hits(&self) -> u64 {
        self.addresses.limit_hits
    }
}
