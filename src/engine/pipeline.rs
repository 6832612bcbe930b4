//! What becomes of a frame? One worker and the session stage on one thread: frames in, alerts and
//! transactions out, in frame order.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use super::reading::Reading;
use super::stage::Stage;
use super::timekeeper::Timekeeper;
use crate::alert::Alert;
use crate::base::time::Timestamp;
use crate::flow::FlowTable;
use crate::packet::{Decoded, Frame, decode};
use crate::proto::Conversation;
use crate::session::Sighting;
use crate::token::{Seen, TokenTap, Transaction};

/// Every connection, each with its conversation.
pub type Flows = FlowTable<Conversation<TokenTap>>;

/// Capture time between two rounds of timers.
const TICK: Duration = Duration::from_millis(100);

/// Who is told.
pub trait Audience {
    /// An alert, now or again.
    fn alert(&mut self, alert: &Alert);

    /// A finished HTTP transaction.
    fn transaction(&mut self, transaction: &Transaction);
}

/// The floors from packet to alert, tied together.
pub struct Pipeline {
    flows: Flows,
    tap: TokenTap,
    stage: Stage,
    alerts: Vec<Alert>,
    reading: Reading,
    time: Timekeeper,
    next_tick: Timestamp,
}

impl Pipeline {
    /// Ties the floors together.
    #[must_use]
    pub fn new(flows: Flows, tap: TokenTap, stage: Stage) -> Self {
        Self {
            flows,
            tap,
            stage,
            alerts: Vec::new(),
            reading: Reading::NOTHING,
            time: Timekeeper::default(),
            next_tick: Timestamp::MIN,
        }
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>, audience: &mut impl Audience) {
        self.reading.frame(frame);
        self.on_time(frame.at.ts, audience);
        match decode(frame) {
            Ok(Decoded::Tcp(segment)) => {
                self.guarded(|flows, tap| flows.on_segment(&segment, frame.at, tap));
                self.pass_on(audience);
            }
            Ok(Decoded::Fragment(_)) => self.reading.fragments += 1,
            Ok(Decoded::NotTracked) => {}
            Err(error) => self.reading.undecoded(error),
        }
    }

    /// Capture time has come to `now`; an idle interface tells it by the clock. Time that runs
    /// backwards changes nothing.
    pub fn on_time(&mut self, now: Timestamp, audience: &mut impl Audience) {
        let now = self.time.hear(now);
        if now < self.next_tick {
            return;
        }
        self.next_tick = now.after(TICK);
        self.guarded(|flows, tap| flows.on_time(now, tap));
        self.pass_on(audience);
        self.stage.on_time(now, &mut self.alerts);
        self.tell(audience);
    }

    /// The end of the history: flows end, what waited is judged, final counts are told.
    pub fn finish(&mut self, audience: &mut impl Audience) {
        // Each failure loses one flow, so this ends.
        while !self.guarded(|flows, tap| flows.drain(tap)) {}
        self.pass_on(audience);
        self.stage.finish(&mut self.alerts);
        self.tell(audience);
    }

    /// Does one step of the flow floor. A panic in a parser loses the flow that caused it, not the run.
    /// True when there was none, or nobody knows which flow it was.
    fn guarded(&mut self, step: impl FnOnce(&mut Flows, &mut TokenTap)) -> bool {
        let (flows, tap) = (&mut self.flows, &mut self.tap);
        match panic::catch_unwind(AssertUnwindSafe(|| step(flows, tap))) {
            Ok(()) => true,
            Err(_) => self.flows.quarantine(&mut self.tap).is_none(),
        }
    }

    fn pass_on(&mut self, audience: &mut impl Audience) {
        let now = self.time.now();
        for seen in self.tap.drain() {
            match seen {
                Seen::Token(token) => self.stage.apply(Sighting::Token(token), now, &mut self.alerts),
                Seen::Outcome(outcome) => self.stage.apply(Sighting::Outcome(outcome), now, &mut self.alerts),
                Seen::Transaction(transaction) => audience.transaction(&transaction),
            }
        }
        self.tell(audience);
    }

    fn tell(&mut self, audience: &mut impl Audience) {
        for alert in self.alerts.drain(..) {
            audience.alert(&alert);
        }
    }

    /// What was read of the capture.
    #[must_use]
    pub const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The flow table, for its counters.
    #[must_use]
    pub const fn flows(&self) -> &Flows {
        &self.flows
    }

    /// The token floor, for its counters and those of the protocol floor.
    pub const fn tap(&mut self) -> &mut TokenTap {
        &mut self.tap
    }

    /// The session stage, for its counters.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }
}
