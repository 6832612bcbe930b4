//! What becomes of a frame? It is decoded and its time is believed or not; then a worker reads it and
//! the judge hears what was seen, in frame order.

use std::array;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use super::crew::Crew;
use super::judge::{Audience, Judge};
use super::reading::Reading;
use super::stage::Stage;
use super::timekeeper::Timekeeper;
use super::worker::{Worker, WorkerCounts};
use crate::base::net::Tenant;
use crate::base::time::{Stamp, Timestamp};
use crate::capture::Secrets;
use crate::flow::{Defragmenter, FlowHash};
use crate::packet::{
    Cause, Decapsulation, DecodeError, Decoded, Encapsulation, Frame, Inner, NeighbourClaim, Segment, decode, usual,
};
use crate::proto::tls::keys::KeyLog;

/// Capture time between two rounds of timers.
const TICK: Duration = Duration::from_millis(100);

/// Frames that are decoded before the first of them has its turn.
const BATCH: usize = 16;

/// Tunnels in tunnels, and datagrams that are put together of pieces of one that was put together …
const MAX_DEPTH: usize = 8;

/// The floors from packet to alert, tied together.
pub struct Pipeline {
    reading: Reading,
    time: Timekeeper,
    next_tick: Timestamp,
    /// Segments found in the frame under way.
    parts: u16,
    /// By which the workers file their flows.
    hash: FlowHash,
    decapsulation: Decapsulation,
    defragmenter: Defragmenter,
    hands: Hands,
    judge: Judge,
    /// Times that a capture held more secrets at once than are read.
    secrets_cut: u64,
}

/// How a packet came to be decoded.
#[derive(Clone, Copy, Default)]
struct Depth {
    /// Layers of tunnels, fragments and aggregates around it.
    layers: usize,
    /// The network of the innermost tunnel; what differs from it has VLAN tags.
    tenant: Tenant,
}

/// Who reads the flows.
pub enum Hands {
    /// One worker on the thread of the reader: nothing is copied and nothing waits.
    One(Box<Worker>),
    /// Several workers on threads of their own. What they tell is the same, and comes a little later.
    Many(Crew),
}

impl Pipeline {
    /// Ties workers, whose flows are filed under `hash`, and a judge together.
    #[must_use]
    pub fn new(
        hash: FlowHash,
        decapsulation: Decapsulation,
        defragmenter: Defragmenter,
        hands: Hands,
        judge: Judge,
    ) -> Self {
        let (reading, time, next_tick) = (Reading::NOTHING, Timekeeper::NOTHING, Timestamp::MIN);
        Self { reading, time, next_tick, parts: 0, hash, decapsulation, defragmenter, hands, judge, secrets_cut: 0 }
    }

    /// Takes the next frame.
    pub fn frame(&mut self, frame: &Frame<'_>, audience: &mut impl Audience) {
        self.frame_by(decode, frame, audience);
    }

    /// Takes the next frame as `decode` reads it. A panic in that loses the frame, not the run.
    fn frame_by<'a>(
        &mut self,
        decode: impl FnOnce(&Frame<'a>) -> Result<Decoded<'a>, DecodeError>,
        frame: &Frame<'a>,
        audience: &mut impl Audience,
    ) {
        self.reading.frame(frame);
        self.on_time(frame.at.ts, audience);
        self.parts = 0;
        self.decoded(&caught(|| decode(frame)), frame.at, Depth::default(), audience);
    }

    /// Takes the next frames, each in its turn, and says how many.
    pub fn frames<'a>(&mut self, frames: impl Iterator<Item = Frame<'a>>, audience: &mut impl Audience) -> u64 {
        self.frames_by(usual, frames, audience)
    }

    /// Takes the next frames. A few at a time are looked at by `usual` before the first of them has its
    /// turn, so that the memory of their flows can be asked for. Those that it does not read, or panics
    /// at, go the way of single ones.
    #[inline]
    fn frames_by<'a>(
        &mut self,
        usual: impl Fn(&Frame<'a>) -> Option<Segment<'a>>,
        mut frames: impl Iterator<Item = Frame<'a>>,
        audience: &mut impl Audience,
    ) -> u64 {
        let mut taken = 0;
        let mut batch: [Peeked<'a>; BATCH] = array::from_fn(|_| Peeked::NOTHING);
        loop {
            let mut len = 0;
            for (place, frame) in batch.iter_mut().zip(&mut frames) {
                (place.frame, place.segment) = (frame, None);
                len += 1;
            }
            let batch = batch.get_mut(..len).unwrap_or_default();
            self.peek(&usual, batch);
            for Peeked { frame, segment, hash } in &*batch {
                if let Some(segment) = segment {
                    self.reading.frame(frame);
                    self.on_time(frame.at.ts, audience);
                    self.parts = 0;
                    self.segment(segment, *hash, frame.at, audience);
                } else {
                    self.frame(frame, audience);
                }
            }
            taken += len as u64;
            if len < BATCH {
                return taken;
            }
        }
    }

    /// Looks at frames that come next.
    #[inline]
    fn peek<'a>(&self, usual: impl Fn(&Frame<'a>) -> Option<Segment<'a>>, batch: &mut [Peeked<'a>]) {
        let _panic = panic::catch_unwind(AssertUnwindSafe(|| {
            for Peeked { frame, segment, hash } in &mut *batch {
                if let Some(usual) = usual(frame) {
                    *hash = self.hash.of(&usual);
                    *segment = Some(usual);
                }
            }
        }));
        if let Hands::One(worker) = &self.hands {
            worker.expect(batch.iter().filter(|peeked| peeked.segment.is_some()).map(|peeked| peeked.hash));
        }
    }

    /// Takes what a frame, or something inside it, decodes to.
    fn decoded(&mut self, decoded: &Caught<'_>, at: Stamp, depth: Depth, audience: &mut impl Audience) {
        match decoded {
            Some(Ok(Decoded::Tcp(segment))) => {
                let is_tagged = segment.tenant != depth.tenant;
                if !is_tagged || self.opens(Encapsulation::Vlan) {
                    self.segment(segment, self.hash.of(segment), at, audience);
                }
            }
            Some(Ok(Decoded::Neighbour(claim))) => self.neighbour(*claim, at, audience),
            Some(Ok(Decoded::Inner(inner))) => self.inner(inner, at, depth, audience),
            Some(Ok(Decoded::Udp(datagram))) => match self.decapsulation.ports.open(datagram) {
                Ok(Some(inner)) => self.inner(&inner, at, depth, audience),
                Ok(None) => {}
                Err(error) => self.reading.undecoded(error),
            },
            Some(Ok(Decoded::Fragment(fragment))) => {
                let Some(depth) = self.further(depth) else { return };
                let readings = panic::catch_unwind(AssertUnwindSafe(|| self.defragmenter.on_fragment(fragment, at.ts)));
                self.reading.panics += u64::from(readings.is_err());
                for reading in readings.unwrap_or_default() {
                    self.decoded(&caught(|| reading.decode()), at, depth, audience);
                }
            }
            Some(Ok(Decoded::Aggregate(frames))) => {
                let Some(depth) = self.further(depth) else { return };
                for frame in *frames {
                    self.decoded(&caught(|| decode(&frame)), at, depth, audience);
                }
            }
            Some(Ok(Decoded::NotTracked)) => {}
            Some(Err(error)) => self.reading.undecoded(*error),
            None => self.reading.panics += 1,
        }
    }

    /// Opens a tunnel, if it is one that is opened.
    fn inner(&mut self, inner: &Inner<'_>, at: Stamp, depth: Depth, audience: &mut impl Audience) {
        if !self.opens(inner.encapsulation) {
            return;
        }
        let Some(depth) = self.further(depth) else { return };
        self.decoded(&caught(|| inner.decode()), at, Depth { tenant: inner.tenant, ..depth }, audience);
    }

    /// Whether what came in such a tunnel is read; then it is counted.
    fn opens(&mut self, kind: Encapsulation) -> bool {
        let opens = self.decapsulation.kinds.contains(&kind);
        if opens {
            self.reading.decapsulated(kind);
        }
        opens
    }

    /// One layer further inside, unless that is too deep.
    fn further(&mut self, depth: Depth) -> Option<Depth> {
        if depth.layers == MAX_DEPTH {
            self.reading.too_deep += 1;
            self.reading.undecoded(DecodeError::Tunnel(Cause::TooDeep { limit: MAX_DEPTH }));
            return None;
        }
        Some(Depth { layers: depth.layers + 1, ..depth })
    }

    /// A whole segment, of one frame or put together.
    #[inline(always)]
    fn segment(&mut self, segment: &Segment<'_>, hash: u32, mut at: Stamp, audience: &mut impl Audience) {
        at.frame.part = self.parts;
        self.parts = self.parts.saturating_add(1);
        match &mut self.hands {
            Hands::One(worker) => {
                worker.segment(segment, hash, at, self.time.timers());
                if !worker.is_silent() {
                    self.hear(audience);
                }
            }
            Hands::Many(crew) => {
                crew.segment(segment, hash, at, self.time.timers(), self.time.now());
                if crew.is_full() {
                    self.hand_out(audience);
                }
            }
        }
    }

    /// The judge hears what one worker has seen.
    #[inline(never)]
    fn hear(&mut self, audience: &mut impl Audience) {
        if let Hands::One(worker) = &mut self.hands {
            self.judge.hear(worker.drain(), self.time.now(), audience);
        }
    }

    fn neighbour(&mut self, claim: NeighbourClaim, at: Stamp, audience: &mut impl Audience) {
        match &mut self.hands {
            Hands::One(_) => self.judge.neighbour(claim, at, self.time.now(), audience),
            Hands::Many(crew) => {
                crew.neighbour(claim, at, self.time.now());
                if crew.is_full() {
                    self.hand_out(audience);
                }
            }
        }
    }

    /// Secrets of TLS connections came with the capture, before the frames that follow: lines of key logs.
    /// Gives the number of broken ones.
    pub fn secrets(&mut self, secrets: &Secrets) -> u64 {
        self.secrets_cut += u64::from(secrets.cut);
        let mut broken = 0_u64;
        for block in &secrets.blocks {
            let keys = Arc::new(KeyLog::read(block.expose()));
            broken = broken.saturating_add(keys.broken);
            match &mut self.hands {
                Hands::One(worker) => worker.learn(&keys),
                Hands::Many(crew) => crew.learn(&keys, self.time.timers(), self.time.now()),
            }
        }
        broken
    }

    /// Times that a capture held more secrets at once than are read.
    #[must_use]
    pub const fn secrets_cut(&self) -> u64 {
        self.secrets_cut
    }

    /// Capture time has come to `now`; an idle interface tells it by the clock. What is believed of
    /// it, the timekeeper says.
    #[inline(always)]
    pub fn on_time(&mut self, now: Timestamp, audience: &mut impl Audience) {
        self.time.hear(now);
        if self.time.timers() >= self.next_tick {
            self.tick(audience);
        }
    }

    /// A round of timers.
    fn tick(&mut self, audience: &mut impl Audience) {
        let timers = self.time.timers();
        self.next_tick = timers.after(TICK);
        self.defragmenter.on_time(timers);
        match &mut self.hands {
            Hands::One(worker) => {
                worker.on_time(timers);
                self.judge.hear(worker.drain(), self.time.now(), audience);
                self.judge.on_time(self.time.now(), audience);
            }
            Hands::Many(crew) => crew.on_time(timers, self.time.now()),
        }
    }

    /// The end of the history: flows end, what waited is judged, final counts are told.
    pub fn finish(&mut self, audience: &mut impl Audience) {
        self.defragmenter.drain();
        match &mut self.hands {
            Hands::One(worker) => {
                worker.finish();
                self.judge.hear(worker.drain(), self.time.now(), audience);
            }
            Hands::Many(crew) => {
                crew.finish(self.time.timers(), self.time.now());
                self.settle(audience);
            }
        }
        self.judge.finish(audience);
    }

    /// Lets several workers begin with what was read so far, and tells what they are done with. It
    /// waits only while they are far behind.
    pub fn hand_out(&mut self, audience: &mut impl Audience) {
        let Hands::Many(crew) = &mut self.hands else { return };
        while !crew.has_room()
            && let Some(round) = crew.take_back(true)
        {
            self.judge.hear_round(round, audience);
        }
        crew.hand_out();
        while let Some(round) = crew.take_back(false) {
            self.judge.hear_round(round, audience);
        }
    }

    /// Waits until all that was read so far is told.
    pub fn settle(&mut self, audience: &mut impl Audience) {
        self.hand_out(audience);
        let Hands::Many(crew) = &mut self.hands else { return };
        while let Some(round) = crew.take_back(true) {
            self.judge.hear_round(round, audience);
        }
    }

    /// What was read of the capture.
    #[must_use]
    pub const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// What puts fragments together, for its counters.
    #[must_use]
    pub const fn defragmenter(&self) -> &Defragmenter {
        &self.defragmenter
    }

    /// What the workers have counted.
    #[must_use]
    pub fn counts(&self) -> WorkerCounts {
        match &self.hands {
            Hands::One(worker) => worker.counts(),
            Hands::Many(crew) => crew.counts(),
        }
    }

    /// How long each of several workers has been at work; empty for one, whose reader knows.
    #[must_use]
    pub fn busy(&self) -> Vec<Duration> {
        match &self.hands {
            Hands::One(_) => Vec::new(),
            Hands::Many(crew) => crew.busy().collect(),
        }
    }

    /// The session stage, for its counters.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        self.judge.stage()
    }
}

/// A frame that comes next.
struct Peeked<'a> {
    frame: Frame<'a>,
    /// What is in it, if it is a usual one.
    segment: Option<Segment<'a>>,
    /// Of the segment's flow.
    hash: u32,
}

impl Peeked<'_> {
    const NOTHING: Self = Self { frame: Frame::EMPTY, segment: None, hash: 0 };
}

/// What decoding came to; nothing where it panicked.
type Caught<'a> = Option<Result<Decoded<'a>, DecodeError>>;

#[inline]
fn caught<'a>(decode: impl FnOnce() -> Result<Decoded<'a>, DecodeError>) -> Caught<'a> {
    let mut decoded = None;
    // Written in place: a segment is long enough for copies of it to be felt.
    let _panic = panic::catch_unwind(AssertUnwindSafe(|| decoded = Some(decode())));
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;
    use crate::base::net::Endpoint;
    use crate::base::time::{FrameId, Stamp};
    use crate::engine::build::{self, Ground};
    use crate::engine::config::Config;
    use crate::flow::FlowId;
    use crate::packet::LinkType;
    use crate::packet::craft::{TcpFrame, endpoint};
    use crate::token::{TapRules, TlsHandshake, Transaction};

    struct Nobody;

    impl Audience for Nobody {
        fn alert(&mut self, _: &Alert) {}
        fn transaction(&mut self, _: &Transaction) {}
        fn handshake(&mut self, _: &TlsHandshake) {}
    }

    /// Hears which requests there are.
    #[derive(Default)]
    struct Requests(Vec<FlowId>);

    impl Audience for Requests {
        fn alert(&mut self, _: &Alert) {}
        fn transaction(&mut self, transaction: &Transaction) {
            self.0.push(transaction.request.id.flow);
        }
        fn handshake(&mut self, _: &TlsHandshake) {}
    }

    fn pipeline() -> Pipeline {
        let rules = crate::rules::load(true, &[]).unwrap();
        let tap = TapRules {
            names: rules.tokens.clone(),
            login: rules.logins.clone(),
            agents: Arc::new(rules.agents.clone()),
            ..TapRules::default()
        };
        let ground = Ground {
            tap: Arc::new(tap),
            settings: &rules.detectors,
            key: &[7; 32],
            keys: &[],
            min_severity: crate::detect::Severity::Low,
            transactions: true,
            workers: std::num::NonZeroU32::MIN,
        };
        build::pipeline(&Config::default(), &ground).unwrap()
    }

    #[test]
    fn a_panic_of_the_decoder_loses_one_frame() {
        let mut pipeline = pipeline();
        let end = |address: [u8; 4], port| Endpoint { ip: address.into(), port };
        let data = TcpFrame::new(end([10, 0, 0, 5], 40_000), end([10, 0, 1, 20], 80)).payload(b"GET ").bytes();
        let at = Stamp { ts: Timestamp::from_parts(1, 0), frame: FrameId { number: 1, ..FrameId::default() } };
        let frame = Frame { at, link: LinkType::ETHERNET, wire_len: data.len() as u32, data: &data };
        pipeline.frame_by(|_| panic!("a mistake in a parser"), &frame, &mut Nobody);
        pipeline.frame(&frame, &mut Nobody);
        assert_eq!((pipeline.reading().frames, pipeline.reading().panics), (2, 1));
        assert_eq!(pipeline.counts().flows.flows_created, 1);
    }

    /// Many usual frames with some that are not, by number: a request on each of a few flows.
    fn frames_of_every_kind() -> Vec<(u64, LinkType, Vec<u8>)> {
        let mut frames = Vec::new();
        for port in 40_000..40_040 {
            let client = Endpoint { port, ..endpoint("10.0.0.5:0") };
            let request = TcpFrame::new(client, endpoint("10.0.1.20:80")).seq(1000);
            let text = b"GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: PHPSESSID=0123456789abcdef\r\n\r\n";
            let (first, second) = text.split_at(usize::from(port % 40) + 1);
            let first = request.clone().payload(first);
            let second = request.seq(1000 + first.payload.len() as u32).payload(second);
            let second = if port % 7 == 0 { second.vlan(0) } else { second };
            frames.push(first.bytes());
            match port % 5 {
                0 => frames.extend(second.fragments(24)),
                _ => frames.push(second.bytes()),
            }
            frames.extend((port % 11 == 0).then(|| vec![2; 20]));
        }
        (1..).zip(frames).map(|(number, data)| (number, LinkType::ETHERNET, data)).collect()
    }

    /// Reads what is usual, and panics at every fifth frame.
    fn mistaken<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
        assert_ne!(frame.at.frame.number % 5, 0, "a mistake in a parser");
        usual(frame)
    }

    #[test]
    fn frames_may_come_one_by_one_or_many_at_a_time() {
        let written = frames_of_every_kind();
        let frames = || {
            written.iter().map(|(number, link, data)| {
                let ts = Timestamp::from_parts(*number as i64, 0);
                let at = Stamp { ts, frame: FrameId { number: *number, ..FrameId::default() } };
                Frame { at, link: *link, wire_len: data.len() as u32, data }
            })
        };
        let outcome = |feed: &dyn Fn(&mut Pipeline, &mut Requests)| {
            let (mut pipeline, mut heard) = (pipeline(), Requests::default());
            feed(&mut pipeline, &mut heard);
            pipeline.finish(&mut heard);
            (heard.0, *pipeline.reading(), format!("{:?}", pipeline.counts()))
        };
        let expected = outcome(&|pipeline, heard| frames().for_each(|frame| pipeline.frame(&frame, heard)));
        assert_eq!((expected.0.len(), expected.1.panics), (40, 0));
        assert_eq!(
            outcome(&|pipeline, heard| assert_eq!(pipeline.frames(frames(), heard), written.len() as u64)),
            expected
        );
        assert_eq!(outcome(&|pipeline, heard| _ = pipeline.frames_by(mistaken, frames(), heard)), expected);
    }

    #[test]
    fn fragments_and_aggregates_become_segments() {
        let mut pipeline = pipeline();
        let talk = |port| {
            let mut client = endpoint("10.0.0.5:40000");
            client.port = port;
            TcpFrame::new(client, endpoint("10.0.1.20:80")).payload(b"GET / HTTP/1.1")
        };
        let frame = |link, data: &[u8], pipeline: &mut Pipeline| {
            let at = Stamp { ts: Timestamp::from_parts(1, 0), ..Stamp::default() };
            pipeline.frame(&Frame { at, link, wire_len: data.len() as u32, data }, &mut Nobody);
        };
        for piece in talk(40_000).fragments(16) {
            frame(LinkType::ETHERNET, &piece, &mut pipeline);
        }
        assert_eq!(pipeline.counts().flows.flows_created, 1);
        // One fragment that lacks the others.
        frame(LinkType::ETHERNET, &talk(40_001).fragments(16)[1], &mut pipeline);

        frame(LinkType::WIFI, &aggregate(&[talk(40_002), talk(40_003)]), &mut pipeline);
        assert_eq!(pipeline.counts().flows.flows_created, 3);
        pipeline.finish(&mut Nobody);
        assert_eq!(pipeline.defragmenter().counters().unread, 1);
    }

    /// An 802.11 aggregate of these frames.
    fn aggregate(frames: &[TcpFrame]) -> Vec<u8> {
        let mut aggregate = frames[0].clone().link(LinkType::WIFI).bytes()[..26].to_vec();
        aggregate[24] |= 0x80;
        for frame in frames {
            let inner = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &*frame.clone().link(LinkType::RAW).bytes()].concat();
            aggregate.extend([2; 12]);
            aggregate.extend((inner.len() as u16).to_be_bytes());
            aggregate.extend(inner);
            aggregate.resize((aggregate.len() - 26).next_multiple_of(4) + 26, 0);
        }
        aggregate
    }

    #[test]
    fn flows_that_one_frame_opens_are_told_apart() {
        let get = |port| {
            let client = Endpoint { port, ..endpoint("10.0.0.5:0") };
            TcpFrame::new(client, endpoint("10.0.1.20:80")).payload(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        };
        let (mut pipeline, mut heard) = (pipeline(), Requests::default());
        for (number, ports) in [(7, [40_002, 40_003]), (8, [40_004, 40_005])] {
            let data = aggregate(&ports.map(get));
            let at = Stamp { ts: Timestamp::from_parts(1, 0), frame: FrameId { number, ..FrameId::default() } };
            let frame = Frame { at, link: LinkType::WIFI, wire_len: data.len() as u32, data: &data };
            pipeline.frame(&frame, &mut heard);
        }
        pipeline.finish(&mut heard);
        let parts: Vec<(u64, u16)> = heard.0.iter().map(|flow| (flow.0.number, flow.0.part)).collect();
        assert_eq!(parts, [(7, 0), (7, 1), (8, 0), (8, 1)]);
    }

    #[test]
    fn nesting_has_an_end() {
        // Each fragment header is the only piece of a datagram that an earlier frame has ended.
        let mut pipeline = pipeline();
        let header = |next: u8, offset: u16, more: bool, id: u8| {
            let field = (offset | u16::from(more)).to_be_bytes();
            [next, 0, field[0], field[1], 0, 0, 0, id]
        };
        let send = |payload: &[u8], pipeline: &mut Pipeline| {
            let mut data = vec![0x60, 0, 0, 0, 0, payload.len() as u8, 44, 64];
            data.extend([[0x20; 16], [0x21; 16]].concat());
            data.extend(payload);
            let frame = Frame { at: Stamp::default(), link: LinkType::RAW, wire_len: data.len() as u32, data: &data };
            pipeline.frame(&frame, &mut Nobody);
        };
        let depth = MAX_DEPTH as u8 + 4;
        for id in 0..depth {
            let end = u16::from(depth - 1 - id) * 8;
            send(&[&header(44, end.max(8), false, id)[..], &[0; 8]].concat(), &mut pipeline);
        }
        let nested: Vec<u8> = (0..depth).flat_map(|id| header(44, 0, true, id)).chain([0; 8]).collect();
        send(&nested, &mut pipeline);
        let reading = pipeline.reading();
        assert_eq!((reading.undecoded_by_layer().map(|(_, n)| n).sum::<u64>(), reading.panics), (1, 0));
        assert_eq!(pipeline.defragmenter().counters().reassembled, MAX_DEPTH as u64);
    }

    #[test]
    fn tunnels_are_opened_to_a_depth_and_where_they_may_be() {
        // GRE in IPv4, so many times around a segment.
        let nested = |layers: usize| {
            let segment = TcpFrame::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80")).payload(b"GET ").bytes();
            let mut packet = segment[14..].to_vec();
            for _ in 0..layers {
                let [len0, len1] = (24 + packet.len() as u16).to_be_bytes();
                let header = [0x45, 0, len0, len1, 0, 0, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 8, 0];
                packet = [&header[..], &packet].concat();
            }
            packet
        };
        let counted = |layers, kinds: Option<Vec<Encapsulation>>| {
            let mut pipeline = pipeline();
            if let Some(kinds) = kinds {
                pipeline.decapsulation.kinds = kinds;
            }
            let data = nested(layers);
            let frame = Frame { at: Stamp::default(), link: LinkType::RAW, wire_len: data.len() as u32, data: &data };
            pipeline.frame(&frame, &mut Nobody);
            let opened: u64 = pipeline.reading().decapsulated_by_kind().map(|(_, n)| n).sum();
            (pipeline.counts().flows.flows_created, opened, pipeline.reading().too_deep)
        };
        assert_eq!(counted(MAX_DEPTH, None), (1, 8, 0));
        assert_eq!(counted(MAX_DEPTH + 1, None), (0, 9, 1));
        assert_eq!(counted(1, Some(vec![Encapsulation::Vxlan])), (0, 0, 0));
    }
}
