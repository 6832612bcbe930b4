//! Floor 8: what are people told? Takes findings, gives alerts and the lines that say them.
//!
//! The [`AlertDesk`] decides whether a finding is told at all, and when again; an [`Alert`] is
//! what it lets through. [`ecs`] and [`text`] write alerts, [`incidents`] tells all of a history at its end, [`event`], [`tls_event`] and [`summary`]
//! write the metadata log, [`schema`] publishes the form of the lines.

pub mod advice;
#[allow(clippy::module_inception, reason = "the file answers what an alert is")]
pub mod alert;
pub mod community_id;
pub mod desk;
pub mod ecs;
pub mod event;
pub mod fields;
pub mod fit;
pub mod incidents;
pub mod schema;
pub mod summary;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod tls_event;
pub mod words;

pub use alert::{Alert, Status};
pub use desk::{AlertDesk, DeskConfig, DeskCounters};
pub use schema::{schema_alert, schema_event};
pub use summary::Summary;

use crate::base::time::FrameId;

/// Who watches, and what: the same for every line of one run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sensor {
    /// Host name of the sensor: `observer.name`.
    pub name: Box<str>,
    /// Names of the captures (files or interfaces) in the order of their index.
    pub captures: Vec<Box<str>>,
}

impl Sensor {
    /// Name of the capture that `frame` came from, when it has one.
    #[must_use]
    pub fn capture(&self, frame: FrameId) -> Option<&str> {
        self.captures.get(usize::try_from(frame.capture).ok()?).map(AsRef::as_ref)
    }
}
