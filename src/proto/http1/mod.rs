//! What is said on an HTTP/1 connection? Cuts both directions into heads, pairs responses with
//! requests (RFC 9112).
//!
//! | file | question |
//! |---|---|
//! | `line` | is this line the first line of a message? |
//! | `lines` | where do its lines end? |
//! | `head` | where does a head end, and which fields are in it? |
//! | `framing` | how long is the body? |
//! | `body` | where in the body are we? |
//! | `watch` | where else might the next message begin? |
//! | `seeker` | which request heads lie in bytes that are no part of the conversation? |
//! | `late` | which requests count on a connection that was joined in the middle? |
//! | `hidden` | which requests may a body hold from a server that does not know bodies? |
//! | `side` | where does each message of one direction begin and end? |
//! | `request` | what does the head of a request say? |
//! | `pairing` | which request does a response answer? |
//! | `calm` | can a message be read where it lies? |
//!
//! Real servers disagree on odd bytes. Where a message is due, what any of them takes for one is
//! read; where framing is ambiguous, the next message is looked for at every plausible end. Bodies
//! that are framed soundly are passed over, whatever text they hold; only where a server answers more
//! often than it was asked, a request in a body is what it answered. What hosts read differently is
//! told once a message.

mod body;
mod calm;
mod framing;
mod head;
mod hidden;
mod late;
mod line;
mod lines;
mod pairing;
mod request;
mod seeker;
mod side;
mod watch;

#[cfg(test)]
mod again;
#[cfg(test)]
mod evasion;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use head::HEAD_LIMIT;
use smallvec::SmallVec;

use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};
use crate::proto::conversation::{Voice, of};
use crate::proto::{Ambiguity, Header, Message, MessageSink, ResponseHead};
use framing::{Framing, of_request, of_response};
use head::{Fields, carried};
use hidden::{Held, Hidden};
use late::Late;
use line::{Expect, FirstLine, RequestLine};
use pairing::{Asked, Pairing};
use request::{Block, asked, fingerprint, head_of, request, status};
use side::{Found, Head, Side, Then};

pub(super) use calm::Calm;
pub(super) use line::{is_first_line, is_status_line, may_be_first_line, may_be_status_line};
pub(super) use request::tell_rival;
pub(super) use seeker::Seeker;

/// One HTTP/1 connection. The side that sends requests is the client, whoever opened the connection.
#[derive(Default)]
pub(super) struct Http1 {
    sides: [Side; 2],
    pairing: Pairing,
    client: Option<Direction>,
    /// A request was read. Until then the client is known by an answer alone, which may be a decoy.
    asked: bool,
    /// The latest request has told that its lines end oddly.
    told_lines: bool,
    /// Hashes of the latest request heads, to know them again in a rival copy.
    recent: [u32; 3],
    /// The fields of the latest request, if it was plain.
    block: Block,
    /// Requests in bodies.
    hidden: Option<Box<Hidden>>,
    /// It was joined in the middle, and the server has answered nothing that was read yet.
    late: Option<Box<Late>>,
}

/// Steps in a row that may read nothing: each changes the state. More would be a fault of ours; the
/// rest of the event is then left unread, because a sensor must never hang.
const IDLE_LIMIT: u32 = 8;

/// What became of an event's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// They were read.
    Read(Interest),
    /// This direction does not speak HTTP/1, and nothing was read of the other one so far.
    NotHttp,
    /// The server agreed to speak another protocol (101).
    Upgraded,
    /// The server agreed to speak HTTP/2 (RFC 7540 §3.2): its reply to this request is still to come.
    ToHttp2 {
        /// Bytes of the event that belong to this conversation.
        used: usize,
        /// Who asked for it.
        client: Direction,
        /// The request that asked.
        ordinal: u32,
    },
    /// The server opened a tunnel (2xx to a CONNECT): what follows the first `used` bytes, and all
    /// that follows in the other direction, is a conversation of its own.
    Tunnel {
        /// Bytes of the event that belong to this conversation.
        used: usize,
    },
}

/// What a head changes beyond its own direction.
enum Turn {
    None,
    Upgraded,
    /// With the request that asked for it.
    ToHttp2(u32),
    Tunnel,
}

impl Http1 {
    /// A connection whose requests are counted from `ordinal`.
    pub(super) fn from_ordinal(ordinal: u32) -> Self {
        Self { pairing: Pairing::from_ordinal(ordinal), ..Self::default() }
    }

    /// What is left of it, when nothing is under way; `depth` goes with it.
    pub(super) fn rest(&self, depth: u8) -> Option<Calm> {
        Calm::of(self, depth)
    }

    /// The ordinal of the next request.
    pub(super) const fn next_ordinal(&self) -> u32 {
        self.pairing.next_ordinal()
    }

    /// Whether a message was read, so that there is no doubt about the protocol.
    pub(super) const fn is_established(&self) -> bool {
        self.client.is_some()
    }

    /// A direction begins; `late` when it was joined in the middle, perhaps inside a body.
    pub(super) fn begin(&mut self, dir: Direction, late: bool) {
        *self.side(dir) = if late { Side::joined_late() } else { Side::default() };
        if late {
            self.pairing.doubt();
            self.late.get_or_insert_default().join(dir);
        }
    }

    /// Reads the bytes of one event.
    pub(super) fn on_data<S: MessageSink>(
        &mut self,
        dir: Direction,
        offset: u64,
        bytes: &[u8],
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Reading {
        if offset > 0 && self.client.is_none() && !self.side(dir).has_begun() {
            self.saw_text(dir); // what came before was nothing that anybody reads
        }
        let (seen, cut) = self.side(dir).arrive(offset);
        if let Some(head) = cut {
            self.pairing.doubt();
            self.on_head(dir, head, at, voice);
        }
        self.tell_body(dir, at, false, voice);
        let (mut used, mut idle) = (seen, 0);
        while let Some(rest @ [_, ..]) = bytes.get(used..) {
            let expect = self.expect(dir);
            let carried = self.side(dir).holds_head();
            if let Some(late) = self.late.as_deref_mut() {
                late.at_segment = used == 0 || carried;
            }
            let side = self.side(dir);
            let body_at = side.is_in_body().then(|| side.pos());
            let (n, found) = side.next(rest, at, expect);
            if let Some(pos) = body_at.filter(|_| expect == Expect::Request) {
                self.look_for_hidden(dir, pos, rest.get(..n).unwrap_or_default(), at);
            }
            if self.late.is_some() && n > 0 && self.side(dir).is_lost() && !self.side(dir).holds_head() {
                self.saw_text(dir);
            }
            used = used.saturating_add(n);
            idle = if n == 0 { idle + 1 } else { 0 };
            if idle > IDLE_LIMIT {
                debug_assert!(false, "reading makes no progress");
                break;
            }
            match found {
                Found::Nothing => {}
                Found::Head(head) => match self.on_head(dir, head, at, voice) {
                    Turn::None => {}
                    Turn::Upgraded => return Reading::Upgraded,
                    Turn::ToHttp2(ordinal) => return Reading::ToHttp2 { used, client: dir.opposite(), ordinal },
                    Turn::Tunnel => return Reading::Tunnel { used },
                },
                Found::NotMessage | Found::TooLong if !self.is_established() => return Reading::NotHttp,
                Found::NotMessage => {
                    voice.counters().http1_errors += 1;
                    self.pairing.doubt();
                }
                Found::TooLong => {
                    voice.counters().head_limit_hits += 1;
                    self.pairing.doubt();
                }
                Found::Odd => self.on_odd_line(dir, at, voice),
                Found::Misframed(cut, kind) => self.on_misframed(dir, cut, kind, at, voice),
            }
            self.tell_body(dir, at, false, voice);
        }
        Reading::Read(self.interest(dir))
    }

    /// Bytes of one direction up to offset `to` will never come.
    pub(super) fn on_gap<S: MessageSink>(
        &mut self,
        dir: Direction,
        to: u64,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Interest {
        let cut = self.side(dir).jump(to);
        if self.side(dir).is_lost() {
            self.pairing.doubt();
        }
        self.tell_body(dir, at, false, voice);
        if let Some(head) = cut {
            self.on_head(dir, head, at, voice);
        }
        self.interest(dir)
    }

    /// The connection is over: heads that never ended are read as far as they came, since a server
    /// may have acted on them.
    pub(super) fn finish<S: MessageSink>(&mut self, at: Stamp, voice: &mut Voice<'_, S>) {
        let client = self.client.unwrap_or(Direction::Forward);
        for dir in [client, client.opposite()] {
            self.tell_body(dir, at, true, voice);
            let alone = self.late.as_deref_mut().map(|late| late.over(dir));
            self.tell_late(dir, alone.unwrap_or_default(), at, voice);
            if let Some(head) = self.side(dir).unfinished() {
                self.on_head(dir, head, at, voice);
            }
        }
    }

    /// Whether this head was told as a request lately.
    pub(super) fn has_told<S: MessageSink>(&self, head: &Head<'_>, voice: &Voice<'_, S>) -> bool {
        let block = Block::behind(head, &voice.fields_key());
        self.recent.contains(&fingerprint(head, &block, voice.flow()))
    }

    /// Whether this direction was taken for the client's, and no request was read that says so.
    pub(super) fn is_guessed_client(&self, dir: Direction) -> bool {
        !self.asked && self.client == Some(dir)
    }

    /// Who sends the requests, once one was read.
    pub(super) const fn known_client(&self) -> Option<Direction> {
        if self.asked { self.client } else { None }
    }

    pub(super) fn interest(&self, dir: Direction) -> Interest {
        let [forward, reverse] = &self.sides;
        let side = if dir == Direction::Forward { forward } else { reverse };
        match (side.interest(), &self.hidden) {
            (Interest::SkipBytes(_), Some(hidden)) if self.client == Some(dir) && hidden.is_reading() => {
                Interest::Continue
            }
            (interest, _) => interest,
        }
    }

    /// Looks at bytes of a request's body, which stand at `pos`.
    fn look_for_hidden(&mut self, dir: Direction, pos: u64, bytes: &[u8], at: Stamp) {
        let over = !self.side(dir).is_in_body();
        let Some(hidden) = self.hidden.as_deref_mut() else { return };
        hidden.read(pos, bytes, at);
        if over && hidden.end_body() {
            self.hidden = None;
        }
    }

    /// Tells a body that was asked for, once no more of it will come.
    fn tell_body<S: MessageSink>(&mut self, dir: Direction, at: Stamp, over: bool, voice: &mut Voice<'_, S>) {
        if let Some(body) = self.side(dir).collected(over) {
            voice.say(Message::Body { ordinal: body.ordinal, dir, at, bytes: &body.bytes, whole: body.whole });
        }
    }

    /// A line of a body ends in a way that hosts read differently. Of replies it is not told: their
    /// client does not come under a false name by it.
    fn on_odd_line<S: MessageSink>(&mut self, dir: Direction, at: Stamp, voice: &mut Voice<'_, S>) {
        if self.expect(dir) == Expect::Request {
            self.side(dir).doubt_lines();
            if !std::mem::replace(&mut self.told_lines, true) {
                let ordinal = self.pairing.next_ordinal().checked_sub(1);
                voice.say(Message::Ambiguous { ordinal, dir, at, kind: Ambiguity::BareLineEnd });
            }
        }
    }

    /// A message is found where the one that is followed goes on.
    fn on_misframed<S: MessageSink>(
        &mut self,
        dir: Direction,
        cut: Option<Head<'_>>,
        kind: Option<Ambiguity>,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        // A client that asks for a tunnel need not wait for the answer; any other one is up to something.
        if !self.pairing.last_was_connect() {
            self.pairing.doubt();
        }
        if let Some(head) = cut {
            self.on_head(dir, head, at, voice);
        }
        if let Some(kind) = kind.filter(|_| self.expect(dir) == Expect::Response) {
            let ordinal = self.pairing.last_answered();
            voice.say(Message::Ambiguous { ordinal, dir, at, kind });
        }
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let sides = self.sides.iter().map(Side::held_bytes).fold(size_of::<Self>(), usize::saturating_add);
        let hidden = self.hidden.as_ref().map_or(0, |h| h.held_bytes());
        let late = self.late.as_ref().map_or(0, |l| l.held_bytes());
        sides.saturating_add(hidden).saturating_add(late).saturating_add(self.pairing.held_bytes())
    }

    /// A head has begun and is not complete.
    pub(super) fn is_mid_head(&self) -> bool {
        self.sides.iter().any(Side::is_mid_head)
    }

    /// Bytes looked at so far, in both directions.
    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        self.sides.iter().map(|s| s.work).sum()
    }

    const fn side(&mut self, dir: Direction) -> &mut Side {
        of(&mut self.sides, dir)
    }

    fn expect(&self, dir: Direction) -> Expect {
        match self.client {
            None => Expect::Either,
            Some(client) if client == dir => Expect::Request,
            Some(_) => Expect::Response,
        }
    }

    fn on_head<S: MessageSink>(&mut self, dir: Direction, head: Head<'_>, at: Stamp, voice: &mut Voice<'_, S>) -> Turn {
        let too_long = !head.whole && head.bytes.len() >= HEAD_LIMIT;
        if too_long && !head.part {
            voice.counters().head_limit_hits += 1;
        }
        let stamps = Stamps { first: head.first, complete: at, whole: head.whole };
        let mut fields = Fields::default();
        if self.expect(dir) != Expect::Response
            && let Some(line) = request(&head, &mut fields)
        {
            let two_sided = voice.flow().two_sided; // without the other side nothing is ever answered
            if let Some(late) = self.late.as_deref_mut().filter(|_| two_sided)
                && late.doubts(dir)
            {
                voice.counters().pipeline_limit_hits += u64::from(!late.hold(dir, &head));
                let asked = asked(&head_of(line, &fields.headers));
                let framing = of_request(asked, line.version, &fields.headers, fields.framing);
                self.client = Some(dir);
                self.side(dir).follow(if head.whole { Then::Framed(framing) } else { Then::Search });
                return Turn::None;
            }
            if let Some(late) = self.late.as_deref_mut() {
                late.told(dir);
            }
            (self.client, self.asked) = (Some(dir), true);
            voice.counters().header_limit_hits += fields.beyond as u64;
            let [latest, before, _] = self.recent;
            let block = Block::behind(&head, &voice.fields_key());
            self.recent = [fingerprint(&head, &block, voice.flow()), latest, before];
            self.block = if is_plain(&head) && fields.beyond == 0 { block } else { Block::default() };
            self.on_request(dir, line, &fields, (stamps, head.part), voice);
            if too_long {
                match carried(&head.bytes, head.line) {
                    Some(carried) => {
                        self.side(dir).follow(Then::Rest { carried, line: head.line, first: head.first });
                    }
                    None => self.pairing.doubt(),
                }
            }
            Turn::None
        } else if let Some(line) = status(&head, &mut fields) {
            self.client = Some(dir.opposite());
            if too_long {
                self.pairing.doubt();
            }
            voice.counters().header_limit_hits += fields.beyond as u64;
            let head = ResponseHead { status: line.status, version: line.version, headers: &fields.headers };
            self.on_response(dir, head, stamps, voice)
        } else {
            Turn::None
        }
    }

    fn on_request<S: MessageSink>(
        &mut self,
        dir: Direction,
        line: RequestLine<'_>,
        fields: &Fields<'_>,
        (stamps, part): (Stamps, bool),
        voice: &mut Voice<'_, S>,
    ) {
        let head = head_of(line, &fields.headers);
        let asked = asked(&head);
        // A part of a long head asks for nothing more than its first part did.
        let ordinal = if part { self.pairing.next_ordinal().wrapping_sub(1) } else { self.count(asked, voice) };
        let framing = of_request(asked, line.version, head.headers, fields.framing);
        let ambiguity = framing.ambiguity.filter(|_| stamps.whole);
        if asked != Asked::Other || framing != Framing::NONE || fields.is_odd() {
            self.block = Block::default();
        }
        let then = if stamps.whole { Then::Framed(framing) } else { Then::Search };
        voice.say(Message::Request { ordinal, dir, first: stamps.first, complete: stamps.complete, head });
        let wanted = voice.body_wanted();
        let oddities = [
            ambiguity,
            fields.space.then_some(Ambiguity::SpaceBeforeColon),
            fields.line_end.then_some(Ambiguity::BareLineEnd),
        ];
        for kind in oddities.into_iter().flatten() {
            voice.say(Message::Ambiguous { ordinal: Some(ordinal), dir, at: stamps.complete, kind });
        }
        self.told_lines = fields.line_end;
        self.side(dir).follow(then);
        if stamps.whole && wanted > 0 {
            self.side(dir).collect(ordinal, wanted);
        }
        if self.side(dir).is_in_body() {
            let from = self.side(dir).pos();
            self.hidden.get_or_insert_default().body(from);
        }
    }

    /// Counts a request; which of the connection it is.
    fn count<S: MessageSink>(&mut self, asked: Asked, voice: &mut Voice<'_, S>) -> u32 {
        let counted = self.pairing.ask(asked);
        let two_sided = voice.flow().two_sided; // without the other side nothing is ever answered
        voice.counters().http1_requests += 1;
        voice.counters().pipeline_limit_hits += u64::from(counted.beyond_limit && two_sided);
        counted.ordinal
    }

    fn on_response<S: MessageSink>(
        &mut self,
        dir: Direction,
        head: ResponseHead<'_>,
        stamps: Stamps,
        voice: &mut Voice<'_, S>,
    ) -> Turn {
        let status = head.status;
        self.reveal(dir.opposite(), status, stamps.complete, voice);
        // A switch that nobody asked for is none: text that looks like one must not end the reading.
        let switches = status == 101 && self.pairing.next_may_upgrade();
        if matches!(status, 100..=199) && !switches {
            // Interim: the final response is still to come (RFC 9110 §15.2).
            self.side(dir).follow(if stamps.whole { Then::Framed(Framing::NONE) } else { Then::Search });
            return Turn::None;
        }
        let counted = self.late.as_deref_mut().map(|late| late.answered(dir.opposite()));
        self.tell_late(dir.opposite(), counted.unwrap_or_default(), stamps.complete, voice);
        let (answers, asked) = self.pairing.answer();
        if answers.is_some() {
            self.late = None;
        }
        let to_http2 = |h: &Header<'_>| h.name.eq_ignore_ascii_case(b"upgrade") && h.value.eq_ignore_ascii_case(b"h2c");
        if let Some(ordinal) = answers.filter(|_| switches && stamps.whole && head.headers.iter().any(to_http2)) {
            return Turn::ToHttp2(ordinal);
        }
        let framing = of_response(asked, status, head.version, head.headers);
        voice.counters().http1_responses += 1;
        voice.say(Message::Response { answers, dir, first: stamps.first, complete: stamps.complete, head });
        let wanted = if answers.is_some() { voice.body_wanted() } else { 0 };
        if !stamps.whole {
            self.side(dir).follow(Then::Search);
            return Turn::None;
        }
        if switches {
            return Turn::Upgraded;
        }
        if asked == Asked::Connect && matches!(status, 200..=299) {
            // A client that did not wait for the answer may have begun to speak HTTP/1 already.
            if self.pairing.any_open() || self.side(dir.opposite()).is_in_head() {
                self.side(dir).follow(Then::Framed(Framing::NONE));
                return Turn::None;
            }
            return Turn::Tunnel;
        }
        self.side(dir).follow(Then::Framed(framing));
        if let Some(ordinal) = answers.filter(|_| wanted > 0) {
            self.side(dir).collect(ordinal, wanted);
        }
        Turn::None
    }

    /// A server that answers though nothing is open, on a connection of which nothing was missed, has
    /// read a request where none was meant to be: the first in a body, if there is one. Errors that a
    /// server tells unasked when it gives up on a connection are no such answer.
    fn reveal<S: MessageSink>(&mut self, client: Direction, status: u16, at: Stamp, voice: &mut Voice<'_, S>) {
        let flow = voice.flow();
        let sure = self.pairing.is_settled() && flow.gaps == 0 && flow.two_sided && !flow.midstream;
        if !sure || matches!(status, 100..=199 | 400 | 408 | 503) {
            return;
        }
        if let Some(held) = self.hidden.as_deref_mut().and_then(Hidden::take) {
            self.tell_held(client, &held, at, voice);
        }
    }

    /// Bytes of a direction that was joined in the middle are no message.
    fn saw_text(&mut self, dir: Direction) {
        if let Some(late) = self.late.as_deref_mut() {
            late.saw_text(dir);
        }
    }

    /// Tells requests that were kept back because the connection was joined in the middle.
    fn tell_late<S: MessageSink>(
        &mut self,
        client: Direction,
        held: SmallVec<[Held; 1]>,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        for held in held {
            self.asked = true;
            self.tell_held(client, &held, at, voice);
        }
    }

    /// Tells a request that was kept back.
    fn tell_held<S: MessageSink>(&mut self, client: Direction, held: &Held, at: Stamp, voice: &mut Voice<'_, S>) {
        let (first, bytes) = (held.first, (&held.bytes).into());
        let head = Head { first, whole: true, part: false, line: held.line, bytes, read: None };
        let mut fields = Fields::default();
        if let Some(line) = request(&head, &mut fields) {
            let head = head_of(line, &fields.headers);
            let ordinal = self.count(asked(&head), voice);
            self.block = Block::default();
            voice.say(Message::Request { ordinal, dir: client, first: held.first, complete: at, head });
        }
    }
}

/// Whether a head is whole, and its first line ends as it should: its fields are what they would be read
/// as behind any such line.
fn is_plain(head: &Head<'_>) -> bool {
    let ends_well = head.bytes.get(..head.line).is_some_and(|line| line.ends_with(b"\r\n"));
    head.whole && !head.part && ends_well && matches!(head.read, Some(FirstLine::Request(_)))
}

/// When a head was seen, and how much of it.
#[derive(Clone, Copy)]
struct Stamps {
    first: Stamp,
    complete: Stamp,
    whole: bool,
}
