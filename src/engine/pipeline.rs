//! What becomes of a frame? It is decoded and its time is believed or not; then a worker reads it and
//! the judge hears what was seen, in frame order.

use std::panic;
use std::time::Duration;

use super::judge::{Audience, Judge};
use super::reading::Reading;
use super::stage::Stage;
use super::timekeeper::Timekeeper;
use super::worker::{Flows, Worker};
use crate::base::net::Tenant;
use crate::base::time::{Stamp, Timestamp};
use crate::packet::{DecodeError, Decoded, Frame, Segment, decode};
use crate::token::TokenTap;

/// How a frame is read.
type Decode<'a> = fn(&Frame<'a>) -> Result<Decoded<'a>, DecodeError>;

/// Capture time between two rounds of timers.
const TICK: Duration = Duration::from_millis(100);

/// The floors from packet to alert, tied together.
pub struct Pipeline {
    reading: Reading,
    time: Timekeeper,
    next_tick: Timestamp,
    worker: Worker,
    judge: Judge,
}

impl Pipeline {
    /// Ties a worker and a judge together.
    #[must_use]
    pub fn new(worker: Worker, judge: Judge) -> Self {
        Self { reading: Reading::NOTHING, time: Timekeeper::default(), next_tick: Timestamp::MIN, worker, judge }
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
            Ok(Ok(Decoded::Tcp(segment))) => self.segment(&segment, frame.at, audience),
            Ok(Ok(Decoded::Neighbour(claim))) => self.judge.neighbour(claim, frame.at, self.time.now(), audience),
            Ok(Ok(Decoded::Fragment(_))) => self.reading.fragments += 1,
            Ok(Ok(Decoded::NotTracked)) => {}
            Ok(Err(error)) => self.reading.undecoded(error),
            Err(_) => self.reading.panics += 1,
        }
    }

    /// A whole segment, of one frame or put together.
    fn segment(&mut self, segment: &Segment<'_>, at: Stamp, audience: &mut impl Audience) {
        self.reading.in_vlans += u64::from(segment.tenant != Tenant::default());
        self.worker.segment(segment, at);
        self.judge.hear(self.worker.drain(), self.time.now(), audience);
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
        self.worker.on_time(timers);
        self.judge.hear(self.worker.drain(), self.time.now(), audience);
        self.judge.on_time(self.time.now(), audience);
    }

    /// The end of the history: flows end, what waited is judged, final counts are told.
    pub fn finish(&mut self, audience: &mut impl Audience) {
        self.worker.finish();
        self.judge.hear(self.worker.drain(), self.time.now(), audience);
        self.judge.finish(audience);
    }

    /// What was read of the capture.
    #[must_use]
    pub const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The flow table, for its counters.
    #[must_use]
    pub const fn flows(&self) -> &Flows {
        self.worker.flows()
    }

    /// The token floor, for its counters and those of the protocol floor.
    pub const fn tap(&mut self) -> &mut TokenTap {
        self.worker.tap()
    }

    /// The session stage, for its counters.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        self.judge.stage()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::alert::Alert;
    use crate::base::net::Endpoint;
    use crate::base::time::{FrameId, Stamp};
    use crate::engine::build::{self, Ground};
    use crate::engine::config::Config;
    use crate::packet::LinkType;
    use crate::packet::craft::TcpFrame;
    use crate::token::{TapRules, Transaction};

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
