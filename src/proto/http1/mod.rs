//! What is said on an HTTP/1 connection? Cuts both directions into heads, pairs responses with
//! requests (RFC 9112).
//!
//! | file | question |
//! |---|---|
//! | `line` | is this line the first line of a message? |
//! | `head` | where does a head end, and which fields are in it? |
//! | `framing` | how long is the body? |
//! | `body` | where in the body are we? |
//! | `watch` | where else might the next message begin? |
//! | `side` | where does each message of one direction begin and end? |
//! | `pairing` | which request does a response answer? |
//!
//! Real servers disagree on odd bytes. Where a message is due, what any of them takes for one is
//! read; where framing is ambiguous, the next message is looked for at every plausible end. Bodies
//! that are framed soundly are passed over, whatever text they hold.

mod body;
mod framing;
mod head;
mod line;
mod pairing;
mod side;
mod watch;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use head::HEAD_LIMIT;

use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};
use crate::proto::conversation::{Voice, of};
use crate::proto::{Message, MessageSink, RequestHead, ResponseHead};
use framing::{Framing, of_request, of_response};
use head::{carried, fields};
use line::{Expect, Rigour, request_line, status_line};
use pairing::{Asked, Pairing};
use side::{Found, Head, Side, Then};

pub(super) use line::{is_first_line, may_be_first_line};

/// One HTTP/1 connection. The side that sends requests is the client, whoever opened the connection.
#[derive(Default)]
pub(super) struct Http1 {
    sides: [Side; 2],
    client: Option<Direction>,
    pairing: Pairing,
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
    Tunnel,
}

impl Http1 {
    /// A connection whose requests are counted from `ordinal`.
    pub(super) fn from_ordinal(ordinal: u32) -> Self {
        Self { pairing: Pairing::from_ordinal(ordinal), ..Self::default() }
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
        let (seen, cut) = self.side(dir).arrive(offset);
        if let Some(head) = cut {
            self.pairing.doubt();
            self.on_head(dir, head, at, voice);
        }
        let (mut used, mut idle) = (seen, 0);
        while let Some(rest @ [_, ..]) = bytes.get(used..) {
            let expect = self.expect(dir);
            let (n, found) = self.side(dir).next(rest, at, expect);
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
                // A client that asks for a tunnel need not wait for the answer; any other one is up to something.
                Found::Misframed if self.pairing.last_was_connect() => {}
                Found::Misframed => self.pairing.doubt(),
            }
        }
        Reading::Read(self.side(dir).interest())
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
        if let Some(head) = cut {
            self.on_head(dir, head, at, voice);
        }
        self.side(dir).interest()
    }

    /// The connection is over: heads that never ended are read as far as they came, since a server
    /// may have acted on them.
    pub(super) fn finish<S: MessageSink>(&mut self, at: Stamp, voice: &mut Voice<'_, S>) {
        let client = self.client.unwrap_or(Direction::Forward);
        for dir in [client, client.opposite()] {
            if let Some(head) = self.side(dir).unfinished() {
                self.on_head(dir, head, at, voice);
            }
        }
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.sides.iter().map(Side::held_bytes).fold(size_of::<Self>(), usize::saturating_add)
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
        let Some((line, block)) = head.bytes.split_at_checked(head.line) else { return Turn::None };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (headers, beyond) = fields(block);
        voice.counters().header_limit_hits += beyond as u64;
        let too_long = !head.whole && head.bytes.len() >= HEAD_LIMIT;
        if too_long && !head.part {
            voice.counters().head_limit_hits += 1;
        }
        let stamps = Stamps { first: head.first, complete: at, whole: head.whole };
        if self.expect(dir) != Expect::Response
            && let Some(line) = request_line(line, Rigour::Permissive)
        {
            self.client = Some(dir);
            let request =
                RequestHead { method: line.method, target: line.target, version: line.version, headers: &headers };
            self.on_request(dir, request, (stamps, head.part), voice);
            if too_long {
                match carried(&head.bytes, head.line) {
                    Some(carried) => self.side(dir).follow(Then::Rest { carried, line: head.line }),
                    None => self.pairing.doubt(),
                }
            }
            Turn::None
        } else if let Some(line) = status_line(line) {
            self.client = Some(dir.opposite());
            if too_long {
                self.pairing.doubt();
            }
            self.on_response(
                dir,
                ResponseHead { status: line.status, version: line.version, headers: &headers },
                stamps,
                voice,
            )
        } else {
            Turn::None
        }
    }

    fn on_request<S: MessageSink>(
        &mut self,
        dir: Direction,
        head: RequestHead<'_>,
        (stamps, part): (Stamps, bool),
        voice: &mut Voice<'_, S>,
    ) {
        let asked = match head.method {
            b"HEAD" => Asked::Head,
            b"CONNECT" => Asked::Connect,
            _ if head.headers.iter().any(|h| h.name.eq_ignore_ascii_case(b"upgrade")) => Asked::Upgrade,
            _ => Asked::Other,
        };
        // A part of a long head asks for nothing more than its first part did.
        let ordinal = if part { self.pairing.next_ordinal().wrapping_sub(1) } else { self.count(asked, voice) };
        let then = match stamps.whole {
            true => Then::Framed(of_request(asked, head.headers)),
            false => Then::Search,
        };
        voice.say(Message::Request { ordinal, dir, first: stamps.first, complete: stamps.complete, head });
        self.side(dir).follow(then);
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
        // A switch that nobody asked for is none: text that looks like one must not end the reading.
        let switches = status == 101 && self.pairing.next_may_upgrade();
        if matches!(status, 100..=199) && !switches {
            // Interim: the final response is still to come (RFC 9110 §15.2).
            self.side(dir).follow(if stamps.whole { Then::Framed(Framing::NONE) } else { Then::Search });
            return Turn::None;
        }
        let (answers, asked) = self.pairing.answer();
        let framing = of_response(asked, status, head.version, head.headers);
        voice.counters().http1_responses += 1;
        voice.say(Message::Response { answers, dir, first: stamps.first, complete: stamps.complete, head });
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
        Turn::None
    }
}

/// When a head was seen, and how much of it.
#[derive(Clone, Copy)]
struct Stamps {
    first: Stamp,
    complete: Stamp,
    whole: bool,
}
