//! What is said on an HTTP/2 connection? Reads the frames of both directions, and the header blocks in
//! them, into requests and replies (RFC 9113).
//!
//! | file | question |
//! |---|---|
//! | `side` | where does each frame of one direction begin and end? |
//! | `frame` | what is this frame? |
//! | `block` | where does a header block end? |
//! | `hpack` | which fields does a header block say? |
//! | `messages` | which requests and replies do header blocks make? |
//! | `head` | what do the fields of a message say? |
//! | `streams` | which requests wait for their replies? |
//! | `bodies` | what do the beginnings of bodies say? |
//! | `shape` | how does a client begin a connection? |
//!
//! A host ends a connection on nearly any fault. Here reading goes on wherever it can: whatever a server
//! may have taken for a request is told. What a direction said while nobody listened is never guessed:
//! fields that refer to it are left out.

mod block;
mod bodies;
mod frame;
mod head;
mod hpack;
mod messages;
#[cfg(test)]
mod properties;
mod shape;
mod side;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) mod write;

use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};
use crate::proto::collect::Collect;
use crate::proto::conversation::{Voice, of};
use crate::proto::{FIRST_RIVAL, Message, MessageSink};

use block::{BLOCK_LIMIT, Block};
use bodies::Bodies;
use frame::{
    ACK, CONTINUATION, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use hpack::{Decoder, List};
use shape::Shape;
use side::{Found, Missing, Payload, Side, Want};
use streams::Streams;

/// Bytes of SETTINGS and GOAWAY that are looked at.
const CONTROL_LIMIT: u32 = 1024;

/// Streams that may begin unseen before one that is believed after a loss.
const STREAMS_AHEAD: u32 = 2048;

/// The setting that says how large a table the other side may use.
const HEADER_TABLE_SIZE: u16 = 1;

/// One HTTP/2 connection.
#[derive(Default)]
pub(super) struct Http2 {
    ways: [Way; 2],
    client: Option<Direction>,
    /// A message or a preface was read, so that there is no doubt about the protocol.
    established: bool,
    /// The server has answered in HTTP/2.
    answered: bool,
    /// Added to a stream, this is the ordinal of its request.
    base: u32,
    streams: Streams,
    bodies: Bodies,
    /// Highest stream that was heard of.
    heard: u32,
    /// How the client began, until its first request.
    shape: Option<Box<Shape>>,
}

/// One direction.
#[derive(Default)]
struct Way {
    side: Side,
    hpack: Decoder,
    /// The header block that is not whole.
    block: Option<Box<Block>>,
}

/// What became of an event's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// They were read.
    Read(Interest),
    /// What looked like HTTP/2 is none, as the bytes show that follow the first `used` of the event.
    NotHttp2 {
        /// Bytes of the event before those.
        used: usize,
    },
}

/// Whether a direction of which the beginning was not seen, or a server that speaks first, may be HTTP/2, by
/// its first bytes; `None` where they are too few.
pub(super) fn may_begin(bytes: &[u8], late: bool) -> Option<bool> {
    let Some(header) = bytes.first_chunk() else {
        // In the middle each segment is judged alone: it may as well begin with another protocol.
        return if late || bytes.first().is_some_and(|b| *b != 0) { Some(false) } else { None };
    };
    let frame = Frame::read(*header);
    // A server begins with its settings (RFC 9113 §3.4).
    Some(frame.is_telling() && (late || frame.kind == SETTINGS && !frame.has(ACK)))
}

impl Http2 {
    /// A connection; `ordinal` is free for its requests.
    pub(super) fn new(ordinal: u32) -> Self {
        Self { base: ordinal, shape: Some(Box::default()), ..Self::default() }
    }

    /// A connection that goes on from HTTP/1 (RFC 7540 §3.2): `client` sent the request with this ordinal, and
    /// its reply comes on stream 1.
    pub(super) fn upgraded(client: Direction, ordinal: u32) -> Self {
        let base = ordinal.wrapping_sub(1);
        let (client, streams) = (Some(client), Streams::upgraded());
        Self { client, streams, established: true, answered: true, ..Self::new(base) }
    }

    /// The ordinal of a request that comes after this connection.
    pub(super) const fn next_ordinal(&self) -> u32 {
        match self.streams.latest() {
            0 => self.base,
            latest => self.ordinal(latest.saturating_add(1)),
        }
    }

    /// Whether there is no doubt about the protocol.
    pub(super) const fn is_established(&self) -> bool {
        self.established
    }

    /// Whether this direction has sent a preface that the other side did not answer in HTTP/2.
    pub(super) fn is_unanswered_client(&self, dir: Direction) -> bool {
        !self.answered && self.client == Some(dir)
    }

    /// A direction begins; `late` when bytes of it came before. Then `aligned` says that a frame seems to begin.
    pub(super) fn begin(&mut self, dir: Direction, late: bool, aligned: bool) {
        let established = self.established;
        let way = self.way(dir);
        if late {
            way.hpack.lose();
            way.side = if aligned && !established { Side::on_trial() } else { Side::joined_late() };
        } else if !established {
            way.side = Side::on_trial();
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
        let mut list = List::default();
        let (seen, missing) = self.way(dir).side.arrive(offset);
        self.on_missing(dir, missing, &mut list, at, voice);
        let mut used = seen;
        while let Some(rest @ [_, ..]) = bytes.get(used..) {
            let heard = self.heard;
            let fits = |frame: Frame| heard == 0 || frame.stream <= heard.saturating_add(STREAMS_AHEAD);
            let before = used;
            let (n, found) = self.way(dir).side.next(rest, at, fits);
            used = used.saturating_add(n);
            match found {
                Found::Nothing => {}
                Found::Preface => {
                    self.client.get_or_insert(dir);
                    self.establish();
                }
                Found::Begin(frame) if self.way(dir).side.is_on_trial() && !(frame.is_usual() && fits(frame)) => {
                    if !self.established {
                        return Reading::NotHttp2 { used: before };
                    }
                    self.lose(dir, &mut list, at, voice);
                }
                Found::Begin(frame) => self.on_frame(dir, frame, &mut list, at, voice),
                Found::Payload(payload) => self.on_payload(dir, &payload, &mut list, at, voice),
                Found::Data { stream, bytes, ends } => {
                    let body = self.bodies.take(dir, stream, bytes, ends);
                    tell_body(dir, body, at, voice);
                }
            }
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
        let missing = self.way(dir).side.jump(to);
        self.on_missing(dir, missing, &mut List::default(), at, voice);
        self.interest(dir)
    }

    /// What is wanted of a direction. Until both sides have spoken it, all of it is: what begins as a long
    /// frame may turn out to be a decoy.
    fn interest(&mut self, dir: Direction) -> Interest {
        if self.answered { self.way(dir).side.interest() } else { Interest::Continue }
    }

    /// The connection is over. Blocks without an end are told nobody: no server acts on them.
    pub(super) fn finish<S: MessageSink>(&mut self, at: Stamp, voice: &mut Voice<'_, S>) {
        for dir in [Direction::Forward, Direction::Reverse] {
            self.lose_bodies(dir, at, voice);
        }
    }

    /// Whether a header block, or a frame that is wanted, has begun and is not whole.
    pub(super) fn is_mid_message(&self) -> bool {
        self.ways.iter().any(|way| way.block.is_some() || way.side.is_mid_frame())
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let ways = self.ways.iter().map(|way| {
            let block = way.block.as_ref().map_or(0, |b| size_of::<Block>().saturating_add(b.held_bytes()));
            way.side.held_bytes().saturating_add(way.hpack.held_bytes()).saturating_add(block)
        });
        let shape = self.shape.as_ref().map_or(0, |s| size_of::<Shape>().saturating_add(s.held_bytes()));
        let aside = shape.saturating_add(self.streams.held_bytes()).saturating_add(self.bodies.held_bytes());
        ways.fold(size_of::<Self>(), usize::saturating_add).saturating_add(aside)
    }

    const fn way(&mut self, dir: Direction) -> &mut Way {
        of(&mut self.ways, dir)
    }

    /// Which request of the conversation begins a stream.
    const fn ordinal(&self, stream: u32) -> u32 {
        self.base.wrapping_add(stream) & (FIRST_RIVAL - 1)
    }

    /// There is no doubt any more.
    fn establish(&mut self) {
        if !std::mem::replace(&mut self.established, true) {
            self.ways.iter_mut().for_each(|way| way.side.trust());
        }
    }

    fn on_missing<S: MessageSink>(
        &mut self,
        dir: Direction,
        missing: Missing,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        match missing {
            Missing::Nothing => {}
            Missing::Data(stream) => tell_body(dir, self.bodies.end(dir, stream), at, voice),
            Missing::Payload(payload) => self.on_payload(dir, &payload, list, at, voice),
            Missing::Place => self.lose(dir, list, at, voice),
        }
    }

    /// Nobody knows what came before the next frame of a direction.
    fn lose<S: MessageSink>(&mut self, dir: Direction, list: &mut List, at: Stamp, voice: &mut Voice<'_, S>) {
        self.break_off(dir, list, at, voice);
        self.lose_bodies(dir, at, voice);
        let way = self.way(dir);
        way.side.lose();
        way.hpack.lose();
    }

    fn lose_bodies<S: MessageSink>(&mut self, dir: Direction, at: Stamp, voice: &mut Voice<'_, S>) {
        while let Some(body) = self.bodies.lose(dir) {
            tell_body(dir, Some(body), at, voice);
        }
    }

    /// A frame begins: what of it is wanted.
    fn on_frame<S: MessageSink>(
        &mut self,
        dir: Direction,
        frame: Frame,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        self.way(dir).side.pass_trial();
        if self.client == Some(dir.opposite()) {
            self.answered = true;
        }
        if self.way(dir).block.is_some() && frame.kind != CONTINUATION {
            self.break_off(dir, list, at, voice); // hosts end the connection
        }
        if frame.stream % 2 == 1 && frame.kind == HEADERS {
            self.heard = self.heard.max(frame.stream);
        }
        let want = match frame.kind {
            DATA if self.bodies.wants(dir, frame.stream) => Want::Data,
            HEADERS | PUSH_PROMISE | CONTINUATION => Want::Payload(BLOCK_LIMIT as u32),
            SETTINGS | GOAWAY => Want::Payload(CONTROL_LIMIT),
            RST_STREAM => Want::Payload(4),
            WINDOW_UPDATE if frame.stream == 0 && self.shape.is_some() => Want::Payload(4),
            _ => Want::Nothing,
        };
        if frame.length > 0 {
            return self.way(dir).side.follow(frame, want);
        }
        let first = self.way(dir).side.first();
        match want {
            Want::Nothing => {}
            Want::Payload(_) => {
                let payload = Payload { frame, bytes: (&[][..]).into(), first, cut: false };
                self.on_payload(dir, &payload, list, at, voice);
            }
            Want::Data => {
                let body = self.bodies.take(dir, frame.stream, &[], frame.has(END_STREAM));
                tell_body(dir, body, at, voice);
            }
        }
    }

    /// The payload of a frame that was wanted.
    fn on_payload<S: MessageSink>(
        &mut self,
        dir: Direction,
        payload: &Payload<'_>,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        let frame = payload.frame;
        match frame.kind {
            HEADERS | PUSH_PROMISE => self.on_headers(dir, payload, list, at, voice),
            CONTINUATION => self.on_continuation(dir, payload, list, at, voice),
            SETTINGS if !frame.has(ACK) => {
                for setting in payload.bytes.as_chunks::<6>().0 {
                    let [i0, i1, v0, v1, v2, v3] = *setting;
                    let (id, value) = (u16::from_be_bytes([i0, i1]), u32::from_be_bytes([v0, v1, v2, v3]));
                    if id == HEADER_TABLE_SIZE {
                        self.way(dir.opposite()).hpack.allow(value);
                    }
                    if self.client == Some(dir)
                        && let Some(shape) = &mut self.shape
                    {
                        shape.setting(id, value);
                    }
                }
            }
            WINDOW_UPDATE => {
                if let (Some(by), Some(shape)) = (payload.bytes.first_chunk(), &mut self.shape)
                    && self.client == Some(dir)
                {
                    shape.window(u32::from_be_bytes(*by) & 0x7fff_ffff);
                }
            }
            RST_STREAM => {
                for dir in [Direction::Forward, Direction::Reverse] {
                    tell_body(dir, self.bodies.end(dir, frame.stream), at, voice);
                }
                if self.client == Some(dir) {
                    let given_up = self.streams.call_off(frame.stream);
                    given_up.into_iter().for_each(|stream| self.abandon(stream, at, voice));
                } else {
                    self.abandon(frame.stream, at, voice);
                }
            }
            GOAWAY if self.client == Some(dir.opposite()) => {
                let Some(last) = payload.bytes.first_chunk() else { return };
                while let Some(stream) = self.streams.beyond(u32::from_be_bytes(*last) & 0x7fff_ffff) {
                    self.abandon(stream, at, voice);
                }
            }
            _ => {}
        }
    }

    /// The request of a stream gets no reply.
    fn abandon<S: MessageSink>(&mut self, stream: u32, at: Stamp, voice: &mut Voice<'_, S>) {
        if self.streams.close(stream) {
            voice.say(Message::Abandoned { ordinal: self.ordinal(stream), at });
        }
    }
}

/// Tells a body of which no more comes.
fn tell_body<S: MessageSink>(dir: Direction, body: Option<Collect>, at: Stamp, voice: &mut Voice<'_, S>) {
    if let Some(body) = body {
        voice.say(Message::Body { ordinal: body.ordinal, dir, at, bytes: &body.bytes, whole: body.whole });
    }
}
