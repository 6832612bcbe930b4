//! What does a segment mean for its connection? One flow: two streams, their consumer, opening and closing.

use super::contest::ResetSeen;
use super::counters::FlowCounters;
use super::handshake::{self, Offer, Reopened, Side};
use super::news::{News, settle_origin, take_ack, take_bytes};
use super::profile::Profile;
use super::reassembler::Outlet;
use super::recall::Recall;
use super::storm::{self, Storm};
use super::stream::{Origin, Rare, Stream};
use super::timer::{Link, Linked, Waiting};
use super::{AnomalyKind, CloseReason, Direction, FlowConfig, StreamConsumer, StreamEvent, doubt};
use crate::base::time::{Stamp, Timestamp};
use crate::packet::{Checksum, Segment};

/// Further timeouts for which a flow in the middle of a message is kept.
const EXTRA_WAITS: u8 = 3;

/// What a flow needs of its table while it handles something.
pub(super) struct Desk<'a, S> {
    pub(super) config: &'a FlowConfig,
    pub(super) counters: &'a mut FlowCounters,
    pub(super) shared: &'a mut S,
    pub(super) recall: &'a mut Recall,
    /// Where the table keeps the flow.
    pub(super) slot: u32,
    /// The highest packet time.
    pub(super) now: Timestamp,
}

/// What the table must do after a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing: it was of this flow.
    Taken,
    /// It is of a new connection between the same endpoints.
    Reopened {
        /// Who opened it.
        opener: Direction,
        /// Its SYN, if that was seen, and whose.
        began: Option<(Direction, Offer)>,
    },
}

/// Bytes of heap memory that belong to a flow.
#[derive(Clone, Copy, Default)]
pub(super) struct Counted {
    /// Of the consumer, and of what few flows need.
    pub(super) heap: u32,
    /// Bytes that wait.
    pub(super) held: u32,
}

/// One connection.
pub(super) struct Flow<C> {
    pub(super) profile: Profile,
    /// Gone when it wants no more.
    pub(super) consumer: Option<C>,
    pub(super) streams: [Stream; 2],
    /// Its place in the lists of timeouts.
    pub(super) link: Link,
    /// What the table has counted of the flow.
    pub(super) counted: Counted,
    /// Who sent a believable reset and nothing since.
    reset: Option<Direction>,
    /// Kinds of anomalies that are told once.
    told: Told,
    /// Timeouts passed since the last segment, in the middle of a message.
    waited: u8,
    /// `Closed` was told or is not wanted; late segments are still known by this entry.
    pub(super) over: bool,
}

/// Which kinds of anomalies were told of a flow, of those that are told once.
#[derive(Clone, Copy, Default)]
struct Told(u8);

impl Told {
    /// True the first time.
    fn is_first(&mut self, kind: AnomalyKind) -> bool {
        let bit = 1 << kind as u8;
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first
    }
}

impl<C> Linked for Flow<C> {
    fn link(&self) -> &Link {
        &self.link
    }

    fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl<C: StreamConsumer> Flow<C> {
    pub(super) fn new(profile: Profile, consumer: C) -> Self {
        Self {
            profile,
            consumer: Some(consumer),
            streams: [Stream::new(), Stream::new()],
            link: Link::NONE,
            counted: Counted::default(),
            reset: None,
            told: Told::default(),
            waited: 0,
            over: false,
        }
    }

    /// The connection began with this SYN, seen before the flow was made.
    pub(super) fn began(&mut self, dir: Direction, offer: Offer) {
        let (stream, _) = pair(&mut self.streams, dir);
        stream.begin_with(offer);
    }

    /// One segment of this flow.
    pub(super) fn on_segment(
        &mut self,
        dir: Direction,
        segment: &Segment<'_>,
        at: Stamp,
        desk: &mut Desk<'_, C::Shared>,
    ) -> Verdict {
        if self.over {
            return self.after_the_end(dir, segment, desk.counters);
        }
        self.hear(dir, at);
        if segment.flags.rst() {
            self.on_reset(dir, segment, desk.counters);
            return Verdict::Taken;
        }
        if self.reset == Some(dir) {
            self.reset = None;
        }

        let two_sided = self.profile.is_two_sided();
        let (own, peer) = pair(&mut self.streams, dir);
        let new = News::of(segment, own, peer);
        let oddities = [
            (AnomalyKind::SynAckConflict, handshake::is_second_answer(segment, own, peer)),
            (AnomalyKind::RstInjected, new.refutes_reset(segment, own)),
            (AnomalyKind::DesyncStorm, self.is_storm(dir, segment, desk.now)),
            (AnomalyKind::FragmentConflict, segment.fragment_conflict),
        ];
        let oddities = oddities.map(|(kind, seen)| (kind, seen && self.told.is_first(kind)));
        let (streams, mut out) = self.parts(dir, desk);
        out.ttl = segment.ttl;
        let (own, peer) = pair(streams, dir);
        if let Some(Reopened { opener, began }) = settle_origin(segment, &new, own, peer, two_sided) {
            let direction = |side| if side == Side::Sender { dir } else { dir.opposite() };
            return Verdict::Reopened {
                opener: direction(opener),
                began: began.map(|(side, offer)| (direction(side), offer)),
            };
        }
        if own.is_offered() || peer.is_offered() {
            out.profile.note_handshake();
        }
        for (kind, _) in oddities.into_iter().filter(|(_, seen)| *seen) {
            own.report(kind, &mut out);
        }
        if new.ack_counts(segment) && (!segment.flags.syn() || peer.is_answered_by(segment.ack)) {
            out.dir = dir.opposite();
            take_ack(segment, peer, &mut out);
            if new.len > 0 && peer.is_contested() {
                peer.tell_rivals(&mut out);
            }
            out.dir = dir;
        }
        take_bytes(segment, &new, own, peer, &mut out);
        for (stream, dir) in [(own, dir), (peer, dir.opposite())] {
            out.dir = dir;
            if stream.rare.is_some() {
                stream.lose_patience(&mut out);
                stream.tell_rivals_if_grown(&mut out);
            }
            if stream.is_complete() {
                stream.tell_half_closed(&mut out);
            }
        }
        let stop = out.stop;
        self.after_events(stop, desk);
        Verdict::Taken
    }

    /// A segment of this direction has come.
    pub(super) fn hear(&mut self, dir: Direction, at: Stamp) {
        self.profile.hear(dir, at);
        self.waited = 0;
    }

    /// The flow goes on, and nobody has reset it.
    pub(super) fn is_undisturbed(&self) -> bool {
        !self.over && self.reset.is_none()
    }

    /// Whether both sides tell each other again and again that they are out of step.
    fn is_storm(&mut self, dir: Direction, segment: &Segment<'_>, now: Timestamp) -> bool {
        if !storm::is_pure_ack(segment) {
            return false;
        }
        let (own, peer) = pair(&mut self.streams, dir);
        let out_of_step = storm::is_out_of_step(segment, own, peer);
        let (initiator, _) = pair(&mut self.streams, Direction::Forward);
        if out_of_step && initiator.rare.as_ref().is_none_or(|rare| rare.storm.is_none()) {
            initiator.rare().storm = Some(Storm::begin(dir, now));
        }
        let Some(rare) = &mut initiator.rare else { return false };
        if rare.storm.as_ref().is_some_and(|storm| storm.is_past(now)) {
            rare.storm = None;
            initiator.tidy();
            return false;
        }
        rare.storm.as_mut().is_some_and(|storm| storm.hear(dir))
    }

    /// Silence for as long as the timeout of what the flow waited for. Gives whether the flow is over.
    pub(super) fn on_timeout(&mut self, waiting: Waiting, desk: &mut Desk<'_, C::Shared>) -> bool {
        match waiting {
            Waiting::Over => {}
            // The silence was over before anybody believed how long it had been: a first segment after
            // it, such as the SYN of a connection on the same ports, came at a time not yet believed.
            Waiting::Short | Waiting::Established | Waiting::Held if self.was_heard_lately(desk) => {}
            Waiting::Established | Waiting::Held if self.waits_on() => self.waited += 1,
            Waiting::Short | Waiting::Established | Waiting::Held => self.finish(self.reason_of_silence(), desk),
            Waiting::Overdue => self.on_each_stream(desk, |stream, out| {
                stream.give_up(stream.acked(), out);
                stream.tell_rivals(out);
            }),
            Waiting::OneSided => self.on_each_stream(desk, |stream, out| stream.give_up_one_sided(out)),
        }
        self.over
    }

    /// In the middle of a message a slow sender is waited for longer.
    fn waits_on(&self) -> bool {
        self.waited < EXTRA_WAITS && self.consumer.as_ref().is_some_and(StreamConsumer::is_mid_message)
    }

    fn was_heard_lately(&self, desk: &Desk<'_, C::Shared>) -> bool {
        let last = self.profile.last().ts;
        last <= desk.now && desk.now.since(last) < desk.config.closing_timeout
    }

    /// Holds nothing any more: holes are gaps, doubtful bytes are dropped.
    pub(super) fn relieve(&mut self, desk: &mut Desk<'_, C::Shared>) {
        self.on_each_stream(desk, |stream, out| {
            stream.give_up(i64::MAX, out);
            stream.release(out);
        });
    }

    /// The flow ends: what is left is told, then `Closed`.
    pub(super) fn finish(&mut self, reason: CloseReason, desk: &mut Desk<'_, C::Shared>) {
        if self.over {
            return;
        }
        self.over = true;
        desk.counters.flows_active -= 1;
        self.on_each_stream(desk, |stream, out| stream.flush(out));
        self.close(reason, desk);
    }

    /// Nothing of this flow is told any more, not even `Closed`.
    pub(super) fn quarantine(&mut self, desk: &mut Desk<'_, C::Shared>) {
        self.consumer = None;
        self.on_each_stream(desk, Stream::stop);
    }

    /// What belongs to the flow now.
    pub(super) fn holds(&self) -> Counted {
        let (mut boxes, mut held) = (self.profile.heap_bytes(), 0);
        for rare in self.streams.iter().filter_map(|stream| stream.rare.as_deref()) {
            boxes += size_of::<Rare>();
            held += rare.cost();
        }
        let heap = self.consumer.as_ref().map_or(0, StreamConsumer::held_bytes).saturating_add(boxes);
        Counted { heap: u32::try_from(heap).unwrap_or(u32::MAX), held: u32::try_from(held).unwrap_or(u32::MAX) }
    }

    /// What the flow waits for now.
    pub(super) fn waiting(&self) -> Waiting {
        let [forward, reverse] = &self.streams;
        if self.is_undisturbed() && forward.is_usual() && reverse.is_usual() {
            return Waiting::Established;
        }
        let any = |is: fn(&Stream) -> bool| is(forward) || is(reverse);
        if self.over {
            Waiting::Over
        } else if any(Stream::is_overdue) || any(Stream::is_contested) {
            Waiting::Overdue
        } else if any(|s| s.is_holding() && !s.is_acknowledged()) {
            Waiting::OneSided
        } else if any(Stream::is_holding) {
            Waiting::Held
        } else if self.reset.is_some() || self.is_finishing() || !self.is_established() {
            Waiting::Short
        } else {
            Waiting::Established
        }
    }

    fn is_established(&self) -> bool {
        self.streams.iter().any(|s| s.next > 0) || self.streams.iter().all(|s| s.origin == Origin::Known)
    }

    /// All sides that were heard have sent a FIN.
    fn is_finishing(&self) -> bool {
        self.streams.iter().zip(self.profile.heard()).all(|(stream, heard)| stream.fin().is_some() || !heard)
    }

    fn reason_of_silence(&self) -> CloseReason {
        if self.reset.is_some() {
            CloseReason::Reset
        } else if self.is_finishing() {
            CloseReason::Fin
        } else {
            CloseReason::Timeout
        }
    }

    /// A reset ends nothing: where it is believable and nothing follows, the flow is forgotten sooner.
    /// Believable is the next number that the receiver expects (RFC 5961 §3.2), or, from a side that has
    /// sent nothing else, the acknowledgement of what the other side sent (RFC 9293 §3.10.7.3).
    fn on_reset(&mut self, dir: Direction, segment: &Segment<'_>, counters: &mut FlowCounters) {
        let (own, peer) = pair(&mut self.streams, dir);
        let exact = if own.origin == Origin::Known {
            [own.next, own.sent(), own.acked()].contains(&own.position(segment.seq))
        } else {
            segment.flags.ack() && peer.origin == Origin::Known && peer.position(segment.ack) == peer.sent()
        };
        let sound = !doubt::unexpected_signature(segment, own, peer) && segment.checksum() != Checksum::Invalid;
        if sound && own.is_near(segment.seq) && (own.next > 0 || own.is_acknowledged()) {
            own.rare().reset = Some(ResetSeen::of(segment));
        }
        if exact && sound {
            self.reset = Some(dir);
        } else {
            counters.resets_ignored += 1;
        }
    }

    /// A segment after `Closed`: late, sent again, captured twice, or the first of a new connection.
    fn after_the_end(&mut self, dir: Direction, segment: &Segment<'_>, counters: &mut FlowCounters) -> Verdict {
        let (own, _) = pair(&mut self.streams, dir);
        let flags = segment.flags;
        let opener = if flags.rst() {
            None
        } else if flags.syn() {
            let opener = if flags.ack() { dir.opposite() } else { dir };
            (!own.began_with(segment.seq)).then_some(opener)
        } else {
            let elsewhere = !segment.payload.is_empty() && flags.ack() && !own.is_near(segment.seq);
            elsewhere.then_some(Direction::Forward)
        };
        match opener {
            Some(opener) => Verdict::Reopened { opener, began: None },
            None => {
                counters.duplicates += u64::from(!segment.payload.is_empty());
                Verdict::Taken
            }
        }
    }

    fn on_each_stream(&mut self, desk: &mut Desk<'_, C::Shared>, act: impl Fn(&mut Stream, &mut Outlet<'_, C>)) {
        let (streams, mut out) = self.parts(Direction::Forward, desk);
        for (stream, dir) in streams.iter_mut().zip([Direction::Forward, Direction::Reverse]) {
            out.dir = dir;
            act(stream, &mut out);
        }
        let stop = out.stop;
        self.after_events(stop, desk);
    }

    pub(super) fn after_events(&mut self, stop: bool, desk: &mut Desk<'_, C::Shared>) {
        if stop {
            let (streams, mut out) = self.parts(Direction::Forward, desk);
            for stream in streams {
                stream.stop(&mut out);
            }
            self.close(CloseReason::Stopped, desk);
        }
        if !self.over && self.streams.iter().all(Stream::is_complete) {
            self.finish(CloseReason::Fin, desk);
        }
    }

    /// Tells `Closed` and drops the consumer.
    fn close(&mut self, reason: CloseReason, desk: &mut Desk<'_, C::Shared>) {
        if let Some(mut consumer) = self.consumer.take() {
            desk.counters.count_closed(reason);
            let at = self.profile.last();
            consumer.on_event(&self.profile.info(), StreamEvent::Closed { reason, at }, desk.shared);
        }
    }

    #[inline]
    pub(super) fn parts<'a, 'd>(
        &'a mut self,
        dir: Direction,
        desk: &'a mut Desk<'d, C::Shared>,
    ) -> (&'a mut [Stream; 2], Outlet<'a, C>) {
        let at = self.profile.last();
        let out = Outlet {
            profile: &mut self.profile,
            consumer: self.consumer.as_mut(),
            shared: &mut *desk.shared,
            counters: &mut *desk.counters,
            config: desk.config,
            recall: &mut *desk.recall,
            slot: desk.slot,
            now: desk.now,
            at,
            ttl: 0,
            dir,
            stop: false,
        };
        (&mut self.streams, out)
    }
}

/// The streams of this direction and of the other.
#[inline]
pub(super) fn pair(streams: &mut [Stream; 2], dir: Direction) -> (&mut Stream, &mut Stream) {
    let [forward, reverse] = streams;
    match dir {
        Direction::Forward => (forward, reverse),
        Direction::Reverse => (reverse, forward),
    }
}
