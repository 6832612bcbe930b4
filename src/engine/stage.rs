//! Who judges? The session stage: sightings in, alerts out, in frame order.

use std::panic::{self, AssertUnwindSafe};

use crate::alert::{Alert, AlertDesk, DeskCounters};
use crate::base::time::Timestamp;
use crate::detect::{Detectors, Finding, Severity};
use crate::session::{Evidence, SessionCounters, SessionTable, Sighting};

/// Sessions, detectors and the alert desk, one after the other.
#[derive(Debug)]
pub struct Stage {
    table: SessionTable,
    detectors: Detectors,
    desk: AlertDesk,
    evidence: Vec<Evidence>,
    findings: Vec<Finding>,
    now: Timestamp,
    counters: StageCounters,
}

/// Plain counters of the stage; the owner snapshots them.
#[derive(Clone, Copy, Debug, Default)]
pub struct StageCounters {
    /// Panics caught; each lost one sighting (`panics_total{stage="session"}`).
    pub panics: u64,
}

impl Stage {
    /// A stage that has seen nothing.
    #[must_use]
    pub fn new(table: SessionTable, detectors: Detectors, desk: AlertDesk) -> Self {
        Self {
            table,
            detectors,
            desk,
            evidence: Vec::new(),
            findings: Vec::new(),
            now: Timestamp::MIN,
            counters: StageCounters::default(),
        }
    }

    /// Applies one sighting at the believed capture time `now`; alerts to be told are appended to
    /// `alerts`. The sighting's own time may be damaged and moves no timer.
    pub fn apply(&mut self, sighting: Sighting, now: Timestamp, alerts: &mut Vec<Alert>) {
        self.now = now;
        // Borrowed: it is too long to be moved about.
        self.guarded(alerts, |stage| {
            stage.table.on_time(stage.now, &mut stage.evidence);
            let again = stage.table.apply(&sighting, &mut stage.evidence);
            if let Some(again) = again {
                // What waited until now comes first.
                stage.judge();
                let table = &stage.table;
                stage.detectors.again(again, || table.whole(again), &mut stage.findings);
            }
        });
    }

    /// Capture time has come to `now`: what waited is judged, what is old is forgotten.
    pub fn on_time(&mut self, now: Timestamp, alerts: &mut Vec<Alert>) {
        self.now = now;
        self.guarded(alerts, |stage| {
            stage.table.on_time(stage.now, &mut stage.evidence);
            stage.detectors.on_time(stage.now, &mut stage.findings);
        });
    }

    /// The end of the history: everything that waited is told, with final counts.
    pub fn finish(&mut self, alerts: &mut Vec<Alert>) {
        self.guarded(alerts, |stage| stage.table.drain(&mut stage.evidence));
        self.guarded(alerts, |stage| stage.detectors.finish(&mut stage.findings));
        alerts.extend(self.desk.finish());
    }

    /// Does one step and passes on what it found. A panic in it loses this step, not the run.
    fn guarded(&mut self, alerts: &mut Vec<Alert>, step: impl FnOnce(&mut Self)) {
        let whole = AssertUnwindSafe(|| {
            step(self);
            self.judge();
            if !self.findings.is_empty() {
                for finding in self.findings.drain(..) {
                    alerts.extend(self.desk.absorb(finding, self.now));
                }
            }
        });
        if panic::catch_unwind(whole).is_err() {
            self.counters.panics += 1;
            self.evidence.clear();
            self.findings.clear();
        }
    }

    /// Lets the detectors judge what was seen so far.
    #[inline]
    fn judge(&mut self) {
        // Nearly always: a loop over nothing costs more than to see it.
        if self.evidence.is_empty() {
            return;
        }
        for evidence in self.evidence.drain(..) {
            self.detectors.judge(&evidence, &mut self.findings);
        }
    }

    /// Counters of the stage itself.
    #[must_use]
    pub const fn counters(&self) -> StageCounters {
        self.counters
    }

    /// Counters of the session table.
    #[must_use]
    pub fn sessions(&self) -> SessionCounters {
        self.table.counters()
    }

    /// Times that the bounds of the detectors' memory were reached.
    #[must_use]
    pub fn detector_limit_hits(&self) -> u64 {
        self.detectors.limit_hits()
    }

    /// Counters of the desk.
    #[must_use]
    pub const fn desk(&self) -> &DeskCounters {
        self.desk.counters()
    }

    /// Alerts so far by the highest severity that each has reached.
    #[must_use]
    pub const fn tally(&self) -> &std::collections::BTreeMap<Severity, u64> {
        self.desk.tally()
    }
}
