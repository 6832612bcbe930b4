//! What does a flow speak? Probes each direction once, then feeds one parser; a tunnel inside is
//! probed afresh.

use super::http1::{Http1, Reading};
use super::probe::{PROBE_LIMIT, Verdict, classify};
use super::{Message, MessageSink, ProtoCounters};
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowInfo, Interest, StreamConsumer, StreamEvent};

/// Bytes of a flow joined in the middle, both directions, after which it is given up when nothing
/// in it was recognised. Until then each segment may begin a message.
const LATE_LIMIT: u64 = 4 * 1024 * 1024;

/// One flow's conversation: it lives in the flow's entry and tells the sink what is said.
/// (No `Debug`: it may hold a part of a head, and so a token.)
pub struct Conversation<S: MessageSink> {
    /// What the sink remembers of the flow.
    state: S::FlowState,
    probes: [Probe; 2],
    parser: Parser,
    /// Requests are counted over all parsers of a conversation.
    next_ordinal: u32,
    /// Bytes seen while nothing was recognised.
    unread: u64,
    /// A protocol of ours was recognised.
    recognised: bool,
    ended: bool,
}

/// Who reads the bytes that the probes let through. A parser of a protocol that carries another one
/// will hold the inner `Parser`.
enum Parser {
    /// Nothing is recognised yet.
    None,
    Http1(Box<Http1>),
    /// Nothing more is read of this flow.
    Stopped,
}

/// What is known of how a direction begins.
enum Probe {
    Undecided {
        /// Its first bytes, while they are too few.
        held: Option<Box<Held>>,
        /// Stream offset at which the preamble ends, if there was one.
        preamble: u64,
        /// The beginning was not seen.
        late: bool,
    },
    /// The parser reads it.
    Read,
    /// It is nothing of ours.
    Foreign,
}

/// Bytes that were too few for a verdict, fewer than [`PROBE_LIMIT`].
#[derive(Default)]
struct Held {
    bytes: Vec<u8>,
    first: Stamp,
}

impl Probe {
    const fn new(late: bool) -> Self {
        Self::Undecided { held: None, preamble: 0, late }
    }
}

/// How a parser speaks to the sink of its flow.
pub(super) struct Voice<'v, S: MessageSink> {
    state: &'v mut S::FlowState,
    sink: &'v mut S,
    flow: &'v FlowInfo,
}

impl<S: MessageSink> Voice<'_, S> {
    pub(super) fn say(&mut self, message: Message<'_>) {
        self.sink.on_message(self.state, self.flow, message);
    }

    pub(super) fn counters(&mut self) -> &mut ProtoCounters {
        self.sink.counters()
    }

    pub(super) const fn flow(&self) -> &FlowInfo {
        self.flow
    }
}

impl<S: MessageSink> StreamConsumer for Conversation<S> {
    type Shared = S;

    fn open(flow: &FlowInfo, _: &mut S) -> Self {
        Self {
            state: S::FlowState::default(),
            probes: [Probe::new(flow.midstream), Probe::new(flow.midstream)],
            parser: Parser::None,
            next_ordinal: 0,
            unread: 0,
            recognised: false,
            ended: false,
        }
    }

    fn on_event(&mut self, flow: &FlowInfo, event: StreamEvent<'_>, shared: &mut S) -> Interest {
        match event {
            StreamEvent::Data { dir, offset, bytes, at } => {
                self.on_data(flow, &Piece { dir, offset, bytes, at }, shared)
            }
            StreamEvent::Gap { dir, offset, len, at } => self.on_gap(flow, dir, offset.saturating_add(len), at, shared),
            StreamEvent::Anomaly(anomaly) => {
                shared.on_message(&mut self.state, flow, Message::Anomaly(anomaly));
                self.otherwise()
            }
            StreamEvent::Rival { .. } | StreamEvent::HalfClosed { .. } => self.otherwise(),
            StreamEvent::Closed { at, .. } => {
                if let Parser::Http1(http1) = &mut self.parser {
                    http1.finish(at, &mut Voice { state: &mut self.state, sink: shared, flow });
                }
                self.stop(flow, at, shared);
                Interest::StopFlow
            }
        }
    }

    fn held_bytes(&self) -> usize {
        let parser = match &self.parser {
            Parser::Http1(http1) => http1.held_bytes(),
            Parser::None | Parser::Stopped => 0,
        };
        let probes = self.probes.iter().map(|p| match p {
            Probe::Undecided { held, .. } => held.as_ref().map_or(0, |h| size_of::<Held>() + h.bytes.capacity()),
            Probe::Read | Probe::Foreign => 0,
        });
        probes.fold(parser, usize::saturating_add).saturating_add(S::held_bytes(&self.state))
    }

    fn is_mid_message(&self) -> bool {
        let parsing = if let Parser::Http1(http1) = &self.parser { http1.is_mid_head() } else { false };
        parsing || self.probes.iter().any(|probe| matches!(probe, Probe::Undecided { held: Some(_), .. }))
    }
}

/// The bytes of a data event.
#[derive(Clone, Copy)]
struct Piece<'a> {
    dir: Direction,
    offset: u64,
    bytes: &'a [u8],
    at: Stamp,
}

impl Piece<'_> {
    /// What follows the first `n` bytes.
    fn after(self, n: usize) -> Self {
        let bytes = self.bytes.get(n..).unwrap_or_default();
        let passed = self.bytes.len().saturating_sub(bytes.len());
        Self { offset: self.offset.saturating_add(passed as u64), bytes, ..self }
    }
}

/// What a step of reading came to.
enum Step {
    /// The bytes are dealt with.
    Done(Interest),
    /// So many bytes are; the others are to be looked at again.
    Again(usize),
}

impl<S: MessageSink> Conversation<S> {
    /// What the sink remembers of the flow.
    pub const fn state(&self) -> &S::FlowState {
        &self.state
    }

    /// Bytes looked at by the parser so far.
    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        if let Parser::Http1(http1) = &self.parser { http1.work() } else { 0 }
    }

    fn on_data(&mut self, flow: &FlowInfo, piece: &Piece<'_>, shared: &mut S) -> Interest {
        let mut rest = *piece;
        if !self.is_recognised() {
            self.unread = self.unread.saturating_add(rest.bytes.len() as u64);
        }
        loop {
            let step = match (of(&mut self.probes, rest.dir), &self.parser) {
                (_, Parser::Stopped) => Step::Done(Interest::StopFlow),
                (Probe::Foreign, _) => Step::Done(Interest::StopDirection),
                (Probe::Read, Parser::Http1(_)) => self.read(flow, rest, shared),
                (Probe::Undecided { .. } | Probe::Read, _) => self.find_out(flow, rest, shared),
            };
            match step {
                Step::Done(interest) => {
                    let foreign = self.probes.iter().all(|p| matches!(p, Probe::Foreign));
                    if foreign || (!self.is_recognised() && self.unread > LATE_LIMIT) {
                        return self.stop(flow, rest.at, shared);
                    }
                    return interest;
                }
                Step::Again(used) => rest = rest.after(used),
            }
            if rest.bytes.is_empty() {
                return self.otherwise();
            }
        }
    }

    fn on_gap(&mut self, flow: &FlowInfo, dir: Direction, to: u64, at: Stamp, shared: &mut S) -> Interest {
        match (of(&mut self.probes, dir), &mut self.parser) {
            (Probe::Read, Parser::Http1(http1)) => {
                http1.on_gap(dir, to, at, &mut Voice { state: &mut self.state, sink: shared, flow })
            }
            (Probe::Foreign, Parser::None | Parser::Http1(_)) => Interest::StopDirection,
            (probe @ Probe::Undecided { .. }, Parser::Http1(http1)) if http1.is_established() => {
                *probe = Probe::Read;
                http1.begin(dir, true);
                self.otherwise()
            }
            (Probe::Undecided { preamble, .. }, _) if to <= *preamble => self.otherwise(),
            (probe, _) => {
                *probe = Probe::new(true);
                self.otherwise()
            }
        }
    }

    /// Finds out what a direction speaks.
    fn find_out(&mut self, flow: &FlowInfo, piece: Piece<'_>, shared: &mut S) -> Step {
        let parsing = self.is_parsing();
        let Probe::Undecided { held, preamble, late } = of(&mut self.probes, piece.dir) else {
            return Step::Done(Interest::StopDirection);
        };
        let late = *late;
        let left = preamble.saturating_sub(piece.offset);
        if left > 0 {
            let passed = usize::try_from(left).unwrap_or(usize::MAX).min(piece.bytes.len());
            return match left.saturating_sub(passed as u64) {
                0 => Step::Again(passed),
                more => Step::Done(Interest::SkipBytes(more)),
            };
        }
        let earlier = held.as_ref().map_or(0, |h| h.bytes.len());
        let new = piece.bytes.get(..PROBE_LIMIT.saturating_sub(earlier)).unwrap_or(piece.bytes);
        let verdict = match held {
            None => classify(new, late),
            Some(held) => {
                held.bytes.extend_from_slice(new);
                classify(&held.bytes, late)
            }
        };
        match verdict {
            Verdict::NeedMore => {
                held.get_or_insert_with(|| Box::new(Held { bytes: new.to_vec(), first: piece.at }));
                Step::Done(Interest::Continue)
            }
            Verdict::Preamble(n) => {
                match held.as_mut().filter(|_| n < earlier) {
                    Some(held) => {
                        held.bytes.truncate(earlier);
                        held.bytes.drain(..n);
                    }
                    None => {
                        *held = None;
                        *preamble = piece.offset.saturating_add(n.saturating_sub(earlier) as u64);
                    }
                }
                Step::Again(0)
            }
            Verdict::Tls if !parsing => {
                shared.counters().tls_opaque += 1;
                shared.on_message(&mut self.state, flow, Message::TlsOpaque);
                self.recognised = true;
                Step::Done(self.stop(flow, piece.at, shared))
            }
            Verdict::Http2 if !parsing => {
                shared.counters().http2_unread += 1;
                self.recognised = true;
                Step::Done(self.stop(flow, piece.at, shared))
            }
            _ if verdict == Verdict::Http1 || parsing => {
                let before = held.take();
                *self.probe(piece.dir) = Probe::Read;
                self.hand_over(piece.dir, late);
                if let Some(mut before) = before {
                    before.bytes.truncate(earlier);
                    let offset = piece.offset.saturating_sub(earlier as u64);
                    self.read(flow, Piece { offset, bytes: &before.bytes, at: before.first, ..piece }, shared);
                }
                Step::Again(0)
            }
            // Nothing of ours: it never will be, or perhaps from the next segment on.
            _ => {
                *self.probe(piece.dir) = if late { Probe::new(true) } else { Probe::Foreign };
                Step::Done(if late { Interest::Continue } else { Interest::StopDirection })
            }
        }
    }

    /// Makes sure that there is a parser of HTTP/1, and that it knows how the direction was joined.
    fn hand_over(&mut self, dir: Direction, late: bool) {
        if !matches!(self.parser, Parser::Http1(_)) {
            self.parser = Parser::Http1(Box::new(Http1::from_ordinal(self.next_ordinal)));
        }
        if let Parser::Http1(http1) = &mut self.parser {
            http1.begin(dir, late);
        }
    }

    /// Feeds the parser.
    fn read(&mut self, flow: &FlowInfo, piece: Piece<'_>, shared: &mut S) -> Step {
        let Parser::Http1(http1) = &mut self.parser else { return Step::Done(self.otherwise()) };
        let mut voice = Voice { state: &mut self.state, sink: shared, flow };
        match http1.on_data(piece.dir, piece.offset, piece.bytes, piece.at, &mut voice) {
            Reading::Read(interest) => Step::Done(interest),
            Reading::NotHttp => {
                *self.probe(piece.dir) = Probe::Foreign;
                Step::Done(Interest::StopDirection)
            }
            Reading::Upgraded => {
                shared.counters().upgrades_unread += 1;
                Step::Done(self.stop(flow, piece.at, shared))
            }
            Reading::Tunnel { used } => {
                self.next_ordinal = http1.next_ordinal();
                self.recognised = true;
                self.parser = Parser::None;
                self.probes = [Probe::new(false), Probe::new(false)];
                Step::Again(used)
            }
        }
    }

    /// Nothing more will be read.
    fn stop(&mut self, flow: &FlowInfo, at: Stamp, shared: &mut S) -> Interest {
        let recognised = self.is_recognised();
        if !matches!(self.parser, Parser::Stopped) {
            shared.counters().unknown_protocol += u64::from(!recognised && self.unread > 0);
            self.parser = Parser::Stopped;
            self.probes = [Probe::Foreign, Probe::Foreign];
        }
        if !std::mem::replace(&mut self.ended, true) {
            shared.on_message(&mut self.state, flow, Message::End { at });
        }
        Interest::StopFlow
    }

    /// Whether the parser has read a message.
    fn is_parsing(&self) -> bool {
        matches!(&self.parser, Parser::Http1(http1) if http1.is_established())
    }

    fn is_recognised(&self) -> bool {
        self.recognised || self.is_parsing()
    }

    /// What is wanted when an event says nothing else.
    const fn otherwise(&self) -> Interest {
        match self.parser {
            Parser::Stopped => Interest::StopFlow,
            Parser::None | Parser::Http1(_) => Interest::Continue,
        }
    }

    const fn probe(&mut self, dir: Direction) -> &mut Probe {
        of(&mut self.probes, dir)
    }
}

/// One direction's of two.
pub(super) const fn of<T>(both: &mut [T; 2], dir: Direction) -> &mut T {
    let [forward, reverse] = both;
    match dir {
        Direction::Forward => forward,
        Direction::Reverse => reverse,
    }
}
