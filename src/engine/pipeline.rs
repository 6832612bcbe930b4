//! What becomes of a frame? One worker and the session stage on one thread: frames in, alerts and
//! transactions out, in frame order.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use super::reading::Reading;
use super::stage::Stage;
use super::timekeeper::Timekeeper;
use crate::alert::Alert;
use crate::base::net::Tenant;
use crate::base::time::Timestamp;
use crate::flow::FlowTable;
use crate::packet::{DecodeError, Decoded, Frame, decode};
use crate::proto::Conversation;
use crate::session::Sighting;
use crate::token::{Seen, TokenTap, Transaction};

/// Every connection, each with its conversation.
pub type Flows = FlowTable<Conversation<TokenTap>>;

/// How a frame is read.
type Decode<'a> = fn(&Frame<'a>) -> Result<Decoded<'a>, DecodeError>;

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
        self.frame_by(decode, frame, audience);
    }

    /// Takes the next frame as `decode` reads it. A panic in that loses the frame, not the run.
    fn frame_by<'a>(&mut self, decode: Decode<'a>, frame: &Frame<'a>, audience: &mut impl Audience) {
        self.reading.frame(frame);
        self.on_time(frame.at.ts, audience);
        match panic::catch_unwind(|| decode(frame)) {
            Ok(Ok(Decoded::Tcp(segment))) => {
                self.reading.in_vlans += u64::from(segment.tenant != Tenant::default());
                self.guarded(|flows, tap| flows.on_segment(&segment, frame.at, tap));
                self.pass_on(audience);
            }
            Ok(Ok(Decoded::Neighbour(claim))) => {
                self.stage.apply(Sighting::Neighbour(claim, frame.at), self.time.now(), &mut self.alerts);
                self.tell(audience);
            }
            Ok(Ok(Decoded::Fragment(_))) => self.reading.fragments += 1,
            Ok(Ok(Decoded::NotTracked)) => {}
            Ok(Err(error)) => self.reading.undecoded(error),
            Err(_) => self.reading.panics += 1,
        }
    }

    /// Capture time has come to `now`; an idle interface tells it by the clock. What is believed of
    /// it, the timekeeper says.
    pub fn on_time(&mut self, now: Timestamp, audience: &mut impl Audience) {
        self.time.hear(now);
        let timers = self.time.timers();
        if timers < self.next_tick {
            return;
        }
        self.next_tick = timers.after(TICK);
        self.guarded(|flows, tap| flows.on_time(timers, tap));
        self.pass_on(audience);
        self.stage.on_time(self.time.now(), &mut self.alerts);
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
                Seen::Path(path) => self.stage.apply(Sighting::Path(path), now, &mut self.alerts),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::net::Endpoint;
    use crate::base::time::{FrameId, Stamp};
    use crate::engine::build::{self, Ground};
    use crate::engine::config::Config;
    use crate::packet::LinkType;
    use crate::packet::craft::TcpFrame;
    use crate::token::TapRules;

    struct Nobody;

    impl Audience for Nobody {
        fn alert(&mut self, _: &Alert) {}
        fn transaction(&mut self, _: &Transaction) {}
    }

    #[test]
    fn a_panic_of_the_decoder_loses_one_frame() {
        let rules = crate::rules::load(true, &[]).unwrap();
        let tap = TapRules {
            names: rules.tokens.clone(),
            login: rules.logins.clone(),
            agents: Arc::new(rules.agents.clone()),
        };
        let ground = Ground {
            tap: Arc::new(tap),
            settings: &rules.detectors,
            key: &[7; 32],
            min_severity: crate::detect::Severity::Low,
            transactions: false,
        };
        let mut pipeline = build::pipeline(&Config::default(), &ground);
        let end = |address: [u8; 4], port| Endpoint { ip: address.into(), port };
        let data = TcpFrame::new(end([10, 0, 0, 5], 40_000), end([10, 0, 1, 20], 80)).payload(b"GET ").bytes();
        let at = Stamp { ts: Timestamp::from_parts(1, 0), frame: FrameId { capture: 0, number: 1 } };
        let frame = Frame { at, link: LinkType::ETHERNET, wire_len: data.len() as u32, data: &data };
        pipeline.frame_by(|_| panic!("a mistake in a parser"), &frame, &mut Nobody);
        pipeline.frame(&frame, &mut Nobody);
        assert_eq!((pipeline.reading().frames, pipeline.reading().panics), (2, 1));
        assert_eq!(pipeline.flows().counters().flows_created, 1);
    }
}
