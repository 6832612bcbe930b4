//! Floor 6: whose session is it? Takes sightings, gives observations.
//!
//! A session is a login, named by its token and the rotation chain of that token. Each actor that
//! uses it has a *binding*; the first is the owner. A sighting either fits a binding, fits one
//! with an innocent explanation, or opens a new one: a suspect.

pub mod actor;
pub mod attacked;
pub mod binding;
pub mod fairness;
mod fit;
pub mod guessers;
pub mod home;
pub mod lineage;
pub mod neighbours;
pub mod observation;
pub mod once;
pub mod pending;
pub mod presenters;
#[allow(clippy::module_inception, reason = "the session itself, among what surrounds it")]
pub mod session;
pub mod sighting;
pub mod suspects;
pub mod table;
pub mod turns;

use std::sync::Arc;
use std::time::Duration;

pub use neighbours::Takeover;
pub use observation::{
    BindingView, Evidence, FanIn, Guesses, Interleaving, Member, Observation, PathObservation, SessionView, Trigger,
};
pub use sighting::Sighting;
pub use table::{SessionCounters, SessionTable};

use crate::identity::topology::Topology;

/// Bounds and times of the session table.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Bytes for sessions; beyond it the oldest session of the source that owns most goes.
    /// Default 50 % of the memory budget.
    pub table_bytes: u64,
    /// Bindings of one session; beyond it the suspect idle longest goes, never the owner. Default 16.
    pub bindings: usize,
    /// Earlier values of a rotated token that still lead to its session. Default 32.
    pub aliases: usize,
    /// Silence after which a session is reduced to its owner. Default 1 hour.
    pub idle_timeout: Duration,
    /// Age after which a session is reduced to its owner. Default 24 hours.
    pub absolute_timeout: Duration,
    /// Silence after which a session is forgotten. Default 30 days.
    pub retention: Duration,
    /// How long a suspect's request waits for its reply before it is judged without. Default 500 ms.
    pub reply_wait: Duration,
    /// How long after that a reply still updates the verdict. Default 60 s.
    pub late_reply: Duration,
    /// Requests that wait for their reply, and suspects whose last request is remembered; beyond it
    /// the oldest is judged without, or forgotten. Default 65,536.
    pub pending: usize,
    /// Requests of the last 50 ms that are remembered, to know them again on another leg. At 1 Gb/s of
    /// nothing but short requests there are 30,000. Default 65,536.
    pub legs: usize,
    /// An adopted owner is fully trusted at this age, or after two accepted requests. Default 60 s.
    pub adoption: Duration,
    /// The owner is live when seen at most so long before the suspect. Default 60 s.
    pub live_window: Duration,
    /// Longest silence between two turns of an interleaving. Default 120 s.
    pub turn_gap: Duration,
    /// Bindings of an address to a MAC address that are remembered, and a quarter of the MAC addresses.
    /// Default 65,536.
    pub neighbours: usize,
    /// Who stands between clients and servers. Default: nobody.
    pub topology: Arc<Topology>,
    /// Clients remembered that try values nobody was issued. Default 4,096.
    pub guessers: usize,
    /// How long a tried value counts. Default 60 s.
    pub guess_window: Duration,
    /// Suspects remembered with the sessions of others that they used. Default 16,384.
    pub presenters: usize,
    /// The owner of a presented token is live when seen at most so long before, and again at most so
    /// long after. Default 10 minutes.
    pub fan_window: Duration,
    /// An address that owns so many issued tokens is a proxy's, and presents nobody's. Default 5.
    pub fan_own: usize,
    /// Clients remembered whose path was attacked. Default 16,384.
    pub attacked: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            table_bytes: 512 << 20,
            bindings: 16,
            aliases: 32,
            idle_timeout: Duration::from_secs(3600),
            absolute_timeout: Duration::from_secs(24 * 3600),
            retention: Duration::from_secs(30 * 24 * 3600),
            reply_wait: Duration::from_millis(500),
            late_reply: Duration::from_secs(60),
            pending: 65_536,
            legs: 65_536,
            adoption: Duration::from_secs(60),
            live_window: Duration::from_secs(60),
            turn_gap: Duration::from_secs(120),
            neighbours: 65_536,
            topology: Arc::default(),
            guessers: 4096,
            guess_window: Duration::from_secs(60),
            presenters: 16_384,
            fan_window: Duration::from_secs(600),
            fan_own: 5,
            attacked: 16_384,
        }
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
