//! What becomes of sightings? The session stage judges them in frame order, and whoever listens is told.

use super::batch::{Heard, What};
use super::stage::Stage;
use crate::alert::Alert;
use crate::base::time::{Stamp, Timestamp};
use crate::packet::NeighbourClaim;
use crate::session::Sighting;
use crate::token::{Seen, TlsHandshake, Transaction};

/// Who is told.
pub trait Audience {
    /// An alert, now or again.
    fn alert(&mut self, alert: &Alert);

    /// A finished HTTP transaction.
    fn transaction(&mut self, transaction: &Transaction);

    /// The hellos of a TLS connection.
    fn handshake(&mut self, handshake: &TlsHandshake);
}

/// The session stage and the alerts that it has not told yet.
pub struct Judge {
    stage: Stage,
    alerts: Vec<Alert>,
}

impl Judge {
    /// Judges by `stage`.
    #[must_use]
    pub const fn new(stage: Stage) -> Self {
        Self { stage, alerts: Vec::new() }
    }

    /// Takes what one step of a worker has seen, at the believed capture time `now`.
    pub fn hear(&mut self, seen: impl Iterator<Item = Seen>, now: Timestamp, audience: &mut impl Audience) {
        seen.for_each(|seen| self.take(seen, now, audience));
        self.tell(audience);
    }

    /// Takes a round of several workers, in order. Each step is told as [`Judge::hear`] tells it.
    pub fn hear_round(&mut self, round: Vec<Heard>, audience: &mut impl Audience) {
        let mut step = None;
        for Heard { moment, what, .. } in round {
            if step.replace(moment.step) != Some(moment.step) {
                self.tell(audience);
            }
            match what {
                What::Seen(seen) => self.take(seen, moment.now, audience),
                What::Time => self.on_time(moment.now, audience),
                What::Neighbour(claim, at) => self.neighbour(claim, at, moment.now, audience),
            }
        }
        self.tell(audience);
    }

    fn take(&mut self, seen: Seen, now: Timestamp, audience: &mut impl Audience) {
        match seen {
            Seen::Token(token) => self.stage.apply(Sighting::Token(token), now, &mut self.alerts),
            Seen::Outcome(outcome) => self.stage.apply(Sighting::Outcome(outcome), now, &mut self.alerts),
            Seen::Path(path) => self.stage.apply(Sighting::Path(path), now, &mut self.alerts),
            Seen::Transaction(transaction) => audience.transaction(&transaction),
            Seen::Tls(handshake) => audience.handshake(&handshake),
        }
    }

    /// Takes a claim about where an address is.
    pub fn neighbour(&mut self, claim: NeighbourClaim, at: Stamp, now: Timestamp, audience: &mut impl Audience) {
        self.stage.apply(Sighting::Neighbour(claim, at), now, &mut self.alerts);
        self.tell(audience);
    }

    /// Capture time has come to `now`.
    pub fn on_time(&mut self, now: Timestamp, audience: &mut impl Audience) {
        self.stage.on_time(now, &mut self.alerts);
        self.tell(audience);
    }

    /// The end of the history: what waited is judged, final counts are told.
    pub fn finish(&mut self, audience: &mut impl Audience) {
        self.stage.finish(&mut self.alerts);
        self.tell(audience);
    }

    fn tell(&mut self, audience: &mut impl Audience) {
        if self.alerts.is_empty() {
            return;
        }
        for alert in self.alerts.drain(..) {
            audience.alert(&alert);
        }
    }

    /// The session stage, for its counters.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }
}
