//! Floor 7: is it an attack? Takes observations, gives scored findings.

pub mod finding;

pub use finding::{Detector, DetectorInfo, ExposureTotals, Finding, Severity, Signal, Subject};
