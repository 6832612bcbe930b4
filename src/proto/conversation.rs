//! What does a flow speak? Probes each direction once, then feeds one parser; a tunnel inside is
//! probed afresh.

mod decoy;
mod follow;
mod inside;
mod rivals;
#[cfg(test)]
mod tests;

use decoy::{Said, WATCH_LIMIT};
use rivals::Rivals;

use super::http1::{Calm, Http1, Reading};
use super::http2::{self, Http2};
use super::probe::{PROBE_LIMIT, Verdict, classify};
use super::socks::{self, Phase};
use super::tls::keys::KeyStore;
use super::{Again, Message, MessageSink, ProtoCounters};
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowInfo, Interest, StreamEvent};
pub use follow::Conversation;
use inside::Secured;

/// Bytes of a flow joined in the middle, both directions, after which it is given up when nothing
/// in it was recognised. Until then each segment may begin a message.
const LATE_LIMIT: u32 = 4 * 1024 * 1024;

/// Tunnels in tunnels that are read: by CONNECT or SOCKS.
const TUNNEL_LIMIT: u8 = 8;

/// Who follows a flow while more has to be remembered of it than where its next messages are due.
/// (No `Debug`: it may hold a part of a head, and so a token.)
struct Reader {
    probes: [Probe; 2],
    parser: Parser,
    /// Rival copies of bytes, once there were any.
    rivals: Option<Box<Rivals>>,
    /// Requests are counted over all parsers of a conversation.
    next_ordinal: u32,
    /// Bytes seen while nothing was recognised.
    unread: u32,
    /// Bytes seen of directions that are nothing of ours.
    foreign: u32,
    /// The latest of them, which may yet be answered.
    said: Option<Box<Said>>,
    /// Tunnels around what is read now.
    depth: u8,
    /// A protocol of ours was recognised.
    recognised: bool,
}

/// Who reads the bytes that the probes let through. A parser of a protocol that carries another one
/// will hold the inner `Parser`.
enum Parser {
    /// Nothing is recognised yet.
    None,
    Http1(Box<Http1>),
    Http2(Box<Http2>),
    /// Reads no further than the hellos, unless it has secrets.
    Tls(Box<Secured>),
    /// Nothing more is read of this flow.
    Stopped,
}

/// What is known of how a direction begins.
enum Probe {
    Undecided {
        /// What there is beside a beginning that tells all at once.
        held: Option<Box<Held>>,
        /// The message of a SOCKS negotiation that is due.
        socks: Option<Phase>,
        /// The beginning was not seen.
        late: bool,
    },
    /// The parser reads it.
    Read,
    /// It is nothing of ours, as far as can be seen: see `decoy`.
    Foreign,
}

/// The first bytes of a direction, while they are too few.
#[derive(Default)]
struct Held {
    /// Fewer than [`PROBE_LIMIT`].
    bytes: Vec<u8>,
    first: Stamp,
    /// Stream offset at which a preamble ends that is being passed over.
    preamble: u64,
}

impl Probe {
    const fn new(late: bool) -> Self {
        Self::Undecided { held: None, socks: None, late }
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

    /// How much is wanted of the body of the message told last.
    pub(super) fn body_wanted(&mut self) -> usize {
        self.sink.body_wanted(self.state)
    }

    /// The key of hashes of fields.
    pub(super) fn fields_key(&self) -> [u8; 16] {
        self.sink.fields_key()
    }

    /// The secrets of TLS connections, where there are any.
    pub(super) fn keys(&self) -> Option<&KeyStore> {
        self.sink.keys()
    }

    /// Whether the sink takes a request that repeats the fields of the one before without them.
    pub(super) fn say_again(&mut self, again: &Again<'_>) -> bool {
        self.sink.on_again(self.state, self.flow, again)
    }

    pub(super) const fn flow(&self) -> &FlowInfo {
        self.flow
    }
}

impl Reader {
    /// A flow begins; `late` when it was joined in the middle.
    fn new(late: bool) -> Self {
        Self {
            probes: [Probe::new(late), Probe::new(late)],
            parser: Parser::None,
            rivals: None,
            next_ordinal: 0,
            unread: 0,
            foreign: 0,
            said: None,
            depth: 0,
            recognised: false,
        }
    }

    /// A calm connection has to be followed closely again.
    fn awake(http1: Box<Http1>, depth: u8) -> Self {
        let (next_ordinal, parser) = (http1.next_ordinal(), Parser::Http1(http1));
        let probes = [Probe::Read, Probe::Read];
        Self { probes, parser, next_ordinal, depth, recognised: true, ..Self::new(false) }
    }

    /// What is left of it, when little is.
    fn rest(&self) -> Option<Calm> {
        let Parser::Http1(http1) = &self.parser else { return None };
        let read = self.probes.iter().all(|probe| matches!(probe, Probe::Read));
        let alone = self.rivals.is_none() && self.said.is_none() && self.foreign == 0;
        if read && alone { http1.rest(self.depth) } else { None }
    }

    const fn is_over(&self) -> bool {
        matches!(self.parser, Parser::Stopped)
    }

    /// Heap bytes held, its own included.
    fn held_bytes(&self) -> usize {
        let parser = match &self.parser {
            Parser::Http1(http1) => http1.held_bytes(),
            Parser::Http2(http2) => http2.held_bytes(),
            Parser::Tls(tls) => tls.held_bytes(),
            Parser::None | Parser::Stopped => 0,
        };
        let probes = self.probes.iter().map(|p| match p {
            Probe::Undecided { held, .. } => held.as_ref().map_or(0, |h| size_of::<Held>() + h.bytes.capacity()),
            Probe::Read | Probe::Foreign => 0,
        });
        let rivals = self.rivals.as_ref().map_or(0, |r| r.held_bytes());
        let said = self.said.as_ref().map_or(0, |said| said.held_bytes());
        let aside = rivals.saturating_add(said).saturating_add(size_of::<Self>());
        probes.fold(parser, usize::saturating_add).saturating_add(aside)
    }

    fn is_mid_message(&self) -> bool {
        let parsing = match &self.parser {
            Parser::Http1(http1) => http1.is_mid_head(),
            Parser::Http2(http2) => http2.is_mid_message(),
            Parser::Tls(tls) => tls.is_mid_message(),
            Parser::None | Parser::Stopped => false,
        };
        parsing || self.probes.iter().any(|probe| matches!(probe, Probe::Undecided { held: Some(_), .. }))
    }

    fn hear<S: MessageSink>(&mut self, event: StreamEvent<'_>, voice: &mut Voice<'_, S>) -> Interest {
        match event {
            StreamEvent::Data { dir, offset, bytes, at } => {
                let piece = Piece { dir, offset, bytes, at };
                let interest = self.on_data(&piece, voice);
                if self.rivals.is_some() { self.after_rival(piece, interest, voice) } else { interest }
            }
            StreamEvent::Gap { dir, offset, len, at } => {
                self.hold_back_no_more(&Piece { dir, offset, bytes: &[], at }, voice);
                self.on_gap(dir, (offset, len), at, voice)
            }
            StreamEvent::Anomaly(anomaly) => {
                voice.say(Message::Anomaly(anomaly));
                self.otherwise()
            }
            StreamEvent::Rival { dir, offset, bytes, at } => {
                self.on_rival(Piece { dir, offset, bytes, at }, voice);
                self.otherwise()
            }
            StreamEvent::HalfClosed { .. } => self.otherwise(),
            StreamEvent::Closed { at, .. } => {
                let end = Piece { dir: Direction::Forward, offset: u64::MAX, bytes: &[], at };
                self.hold_back_no_more(&end, voice);
                match &mut self.parser {
                    Parser::Http1(http1) => http1.finish(at, voice),
                    Parser::Http2(http2) => http2.finish(at, voice),
                    Parser::None | Parser::Tls(_) | Parser::Stopped => {}
                }
                let dir = Direction::Forward; // the rival copy knows its own
                self.read_rival(Piece { dir, offset: 0, bytes: &[], at }, true, voice);
                self.stop(at, voice);
                Interest::StopFlow
            }
        }
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

impl Reader {
    /// Bytes looked at by the parser so far.
    #[cfg(test)]
    fn work(&self) -> u64 {
        match &self.parser {
            Parser::Http1(http1) => http1.work(),
            Parser::None | Parser::Http2(_) | Parser::Tls(_) | Parser::Stopped => 0,
        }
    }

    fn on_data<S: MessageSink>(&mut self, piece: &Piece<'_>, voice: &mut Voice<'_, S>) -> Interest {
        if !self.is_recognised() {
            self.unread = self.unread.saturating_add(u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX));
        }
        if !self.look_for_answer(piece, voice) {
            return self.otherwise();
        }
        self.read_on(*piece, voice)
    }

    /// Reads bytes by what is known of their direction.
    fn read_on<S: MessageSink>(&mut self, piece: Piece<'_>, voice: &mut Voice<'_, S>) -> Interest {
        let mut rest = piece;
        if rest.bytes.is_empty() {
            return self.otherwise();
        }
        loop {
            let step = match (of(&mut self.probes, rest.dir), &self.parser) {
                (_, Parser::Stopped) => Step::Done(Interest::StopFlow),
                (Probe::Foreign, _) => self.watch(&rest),
                (Probe::Read, Parser::Http1(_) | Parser::Http2(_) | Parser::Tls(_)) => self.read(rest, voice),
                (Probe::Undecided { .. } | Probe::Read, _) => self.find_out(rest, voice),
            };
            match step {
                Step::Done(interest) => {
                    let foreign = self.probes.iter().all(|p| matches!(p, Probe::Foreign));
                    if (foreign && self.foreign > WATCH_LIMIT) || (!self.is_recognised() && self.unread > LATE_LIMIT) {
                        return self.stop(rest.at, voice);
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

    fn on_gap<S: MessageSink>(
        &mut self,
        dir: Direction,
        (offset, len): (u64, u64),
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Interest {
        let to = offset.saturating_add(len);
        match (of(&mut self.probes, dir), &mut self.parser) {
            (Probe::Read, Parser::Http1(http1)) => http1.on_gap(dir, to, at, voice),
            (Probe::Read, Parser::Http2(http2)) => http2.on_gap(dir, to, at, voice),
            (Probe::Read | Probe::Undecided { .. }, Parser::Tls(tls)) => {
                let interest = tls.on_gap(dir, len, voice);
                if interest == Interest::StopFlow && tls.is_agreed() {
                    return self.stop(at, voice);
                }
                if interest == Interest::Continue {
                    return interest;
                }
                *self.probe(dir) = Probe::Foreign;
                self.otherwise()
            }
            (Probe::Foreign, Parser::None | Parser::Http1(_) | Parser::Http2(_) | Parser::Tls(_)) => self.otherwise(),
            (probe @ Probe::Undecided { .. }, Parser::Http2(http2)) if http2.is_established() => {
                *probe = Probe::Read;
                http2.begin(dir, true, false);
                self.otherwise()
            }
            (probe @ Probe::Undecided { .. }, Parser::Http1(http1)) if http1.is_established() => {
                *probe = Probe::Read;
                http1.begin(dir, true);
                self.otherwise()
            }
            (Probe::Undecided { held: Some(held), .. }, _) if to <= held.preamble => self.otherwise(),
            (probe, _) => {
                *probe = Probe::new(true);
                self.otherwise()
            }
        }
    }

    /// Reads what follows a message that was read while the connection was calm.
    fn go_on<S: MessageSink>(&mut self, piece: Piece<'_>, voice: &mut Voice<'_, S>) -> Interest {
        match &self.parser {
            Parser::Http1(http1) if piece.bytes.is_empty() => http1.interest(piece.dir),
            _ => self.read_on(piece, voice),
        }
    }

    /// Finds out what a direction speaks.
    fn find_out<S: MessageSink>(&mut self, piece: Piece<'_>, voice: &mut Voice<'_, S>) -> Step {
        let parsing = self.is_parsing();
        let other_is_read = matches!(self.probe(piece.dir.opposite()), Probe::Read);
        let Probe::Undecided { held, socks, late } = of(&mut self.probes, piece.dir) else {
            return Step::Done(Interest::StopDirection);
        };
        let (late, due) = (*late, *socks);
        let left = held.as_ref().map_or(0, |h| h.preamble).saturating_sub(piece.offset);
        if left > 0 {
            let passed = usize::try_from(left).unwrap_or(usize::MAX).min(piece.bytes.len());
            return match left.saturating_sub(passed as u64) {
                0 => Step::Again(passed),
                more => Step::Done(Interest::SkipBytes(more)),
            };
        }
        let earlier = held.as_ref().map_or(0, |h| h.bytes.len());
        let new = piece.bytes.get(..PROBE_LIMIT.saturating_sub(earlier)).unwrap_or(piece.bytes);
        let judge = |bytes: &[u8]| match due.map(|phase| socks::step(phase, bytes)) {
            None => Ok(classify(bytes, late)),
            Some(step) => Err(step),
        };
        let verdict = match held {
            Some(held) if earlier > 0 => {
                held.bytes.extend_from_slice(new);
                judge(&held.bytes)
            }
            _ => judge(new),
        };
        match verdict {
            Ok(Verdict::NeedMore) | Err(socks::Step::NeedMore) => {
                if earlier == 0 {
                    let held = held.get_or_insert_default();
                    (held.bytes, held.first) = (new.to_vec(), piece.at);
                }
                Step::Done(Interest::Continue)
            }
            Ok(Verdict::Blank) => self.pass(piece, earlier, 1),
            Ok(Verdict::Proxy(n, client)) => {
                voice.say(Message::ProxyPreamble { dir: piece.dir, client });
                self.pass(piece, earlier, n)
            }
            Ok(Verdict::Socks(n, next, server)) if !parsing => {
                if !self.enter_tunnel(voice) {
                    return Step::Done(self.stop(piece.at, voice));
                }
                if let Probe::Undecided { socks, .. } = self.probe(piece.dir.opposite()) {
                    *socks = Some(server);
                }
                self.negotiate(piece, earlier, n, next)
            }
            Err(socks::Step::Pass(n, next)) => self.negotiate(piece, earlier, n, next),
            Ok(Verdict::Tls) if !parsing => {
                self.recognised = true;
                self.parser = Parser::Tls(Box::new(Secured::begin(self.depth, self.next_ordinal, voice)));
                self.hand_over(&piece, earlier, late, voice)
            }
            // Not while the other side's first line may still become one of HTTP/1.
            Ok(Verdict::Http2) if !parsing && (!other_is_read || !matches!(self.parser, Parser::Http1(_))) => {
                if !matches!(self.parser, Parser::Http2(_)) {
                    self.parser = Parser::Http2(Box::new(Http2::new(self.next_ordinal)));
                }
                self.hand_over(&piece, earlier, late, voice)
            }
            Ok(verdict) if verdict == Verdict::Http1 || parsing => {
                if matches!(&self.parser, Parser::Http2(http2) if !http2.is_established()) {
                    self.parser = Parser::None; // that was a guess
                    *self.probe(piece.dir.opposite()) = Probe::new(true);
                }
                self.hand_over(&piece, earlier, late, voice)
            }
            // Nothing of ours: it never will be, or perhaps from the next segment on.
            Ok(_) | Err(socks::Step::Refused) if late => {
                *self.probe(piece.dir) = Probe::new(true);
                Step::Done(Interest::Continue)
            }
            Ok(_) => self.leave_be(&piece),
            Err(socks::Step::Refused) => self.pass_by(&piece, earlier),
        }
    }

    /// Passes over a preamble: `n` bytes of those held, of which there were `earlier` before `piece`,
    /// and of the piece.
    fn pass(&mut self, piece: Piece<'_>, earlier: usize, n: usize) -> Step {
        if let Probe::Undecided { held, .. } = self.probe(piece.dir) {
            match held.as_mut().filter(|_| n < earlier) {
                Some(held) => {
                    held.bytes.truncate(earlier);
                    held.bytes.drain(..n);
                }
                None if earlier == 0 && n <= piece.bytes.len() => return Step::Again(n),
                None => {
                    let preamble = piece.offset.saturating_add(n.saturating_sub(earlier) as u64);
                    *held = Some(Box::new(Held { preamble, ..Held::default() }));
                }
            }
        }
        Step::Again(0)
    }

    /// Passes over `n` bytes of a SOCKS negotiation; `next` is due then, or the conversation inside.
    fn negotiate(&mut self, piece: Piece<'_>, earlier: usize, n: usize, next: Option<Phase>) -> Step {
        if let Probe::Undecided { socks, .. } = self.probe(piece.dir) {
            *socks = next;
        }
        self.recognised |= next.is_none();
        self.pass(piece, earlier, n)
    }

    /// Counts a tunnel; `false` when it is too deep to be read.
    fn enter_tunnel<S: MessageSink>(&mut self, voice: &mut Voice<'_, S>) -> bool {
        let fits = self.depth < TUNNEL_LIMIT;
        self.depth = self.depth.saturating_add(1);
        voice.counters().tunnel_limit_hits += u64::from(!fits);
        fits
    }

    /// Gives a direction to the parser, of HTTP/1 where there is none, and tells it how the direction
    /// was joined. The first `earlier` bytes held of it are read before this piece.
    fn hand_over<S: MessageSink>(
        &mut self,
        piece: &Piece<'_>,
        earlier: usize,
        late: bool,
        voice: &mut Voice<'_, S>,
    ) -> Step {
        let probe = std::mem::replace(self.probe(piece.dir), Probe::Read);
        let parsing = self.is_parsing();
        if matches!(self.parser, Parser::None) {
            self.parser = Parser::Http1(Box::new(Http1::from_ordinal(self.next_ordinal)));
        }
        match &mut self.parser {
            Parser::Http1(http1) => http1.begin(piece.dir, late),
            Parser::Http2(http2) => http2.begin(piece.dir, late, !parsing),
            Parser::None | Parser::Tls(_) | Parser::Stopped => {}
        }
        if let Probe::Undecided { held: Some(mut before), .. } = probe
            && earlier > 0
        {
            before.bytes.truncate(earlier);
            let offset = piece.offset.saturating_sub(earlier as u64);
            self.read(Piece { offset, bytes: &before.bytes, at: before.first, ..*piece }, voice);
        }
        Step::Again(0)
    }

    /// Feeds the parser.
    fn read<S: MessageSink>(&mut self, piece: Piece<'_>, voice: &mut Voice<'_, S>) -> Step {
        let http1 = match &mut self.parser {
            Parser::Http1(http1) => http1,
            Parser::Tls(tls) => {
                return match tls.on_data(&piece, voice) {
                    Interest::StopFlow if tls.is_agreed() => Step::Done(self.stop(piece.at, voice)),
                    // Until both sides have agreed on TLS, a hello may be a decoy.
                    Interest::StopFlow | Interest::StopDirection => self.leave_be(&piece),
                    interest => Step::Done(interest),
                };
            }
            Parser::Http2(http2) => {
                return match http2.on_data(piece.dir, piece.offset, piece.bytes, piece.at, voice) {
                    http2::Reading::Read(interest) => Step::Done(interest),
                    http2::Reading::NotHttp2 { used } => {
                        self.parser = Parser::None;
                        self.probes = [Probe::new(true), Probe::new(true)];
                        Step::Again(used)
                    }
                };
            }
            Parser::None | Parser::Stopped => return Step::Done(self.otherwise()),
        };
        match http1.on_data(piece.dir, piece.offset, piece.bytes, piece.at, voice) {
            Reading::Read(interest) => Step::Done(interest),
            Reading::NotHttp => self.leave_be(&piece),
            Reading::ToHttp2 { used, client, ordinal } => {
                self.parser = Parser::Http2(Box::new(Http2::upgraded(client, ordinal)));
                self.probes = [Probe::Read, Probe::Read];
                Step::Again(used)
            }
            Reading::Upgraded => {
                self.next_ordinal = http1.next_ordinal();
                self.recognised = true;
                voice.counters().upgrades_unread += 1;
                self.parser = Parser::None;
                self.probes = [Probe::Foreign, Probe::Foreign];
                Step::Done(Interest::Continue)
            }
            Reading::Tunnel { used } => {
                self.next_ordinal = http1.next_ordinal();
                self.recognised = true;
                if !self.enter_tunnel(voice) {
                    return Step::Done(self.stop(piece.at, voice));
                }
                self.parser = Parser::None;
                self.probes = [Probe::new(false), Probe::new(false)];
                Step::Again(used)
            }
        }
    }

    /// Nothing more will be read.
    fn stop<S: MessageSink>(&mut self, at: Stamp, voice: &mut Voice<'_, S>) -> Interest {
        let recognised = self.is_recognised();
        if !matches!(self.parser, Parser::Stopped) {
            voice.counters().unknown_protocol += u64::from(!recognised && self.unread > 0);
            let ended = if let Parser::Tls(tls) = &mut self.parser { tls.finish(at, voice) } else { false };
            if !ended {
                voice.say(Message::End { at });
            }
            self.parser = Parser::Stopped;
            self.said = None;
            self.probes = [Probe::Foreign, Probe::Foreign];
        }
        Interest::StopFlow
    }

    /// Whether the parser has read a message.
    fn is_parsing(&self) -> bool {
        match &self.parser {
            Parser::Http1(http1) => http1.is_established(),
            Parser::Http2(http2) => http2.is_established(),
            Parser::Tls(_) => true,
            Parser::None | Parser::Stopped => false,
        }
    }

    fn is_recognised(&self) -> bool {
        self.recognised || self.is_parsing()
    }

    /// What is wanted when an event says nothing else.
    const fn otherwise(&self) -> Interest {
        match self.parser {
            Parser::Stopped => Interest::StopFlow,
            Parser::None | Parser::Http1(_) | Parser::Http2(_) | Parser::Tls(_) => Interest::Continue,
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
