//! Which requests and replies do header blocks make?

use super::block::{BLOCK_LIMIT, Block, Grown, Opening};
use super::frame::{END_HEADERS, END_STREAM, PUSH_PROMISE};
use super::head::Head;
use super::hpack::List;
use super::side::Payload;
use super::{Http2, tell_body};
use crate::base::time::Stamp;
use crate::flow::Direction;
use crate::proto::collect::Collect;
use crate::proto::conversation::Voice;
use crate::proto::{HttpVersion, Message, MessageSink, RequestHead, ResponseHead};

impl Http2 {
    pub(super) fn on_headers<S: MessageSink>(
        &mut self,
        dir: Direction,
        payload: &Payload<'_>,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        let frame = payload.frame;
        let Some(fragment) = frame.fragment(&payload.bytes, !payload.cut) else {
            voice.counters().http2_errors += 1;
            return self.way(dir).hpack.lose();
        };
        let is_promise = frame.kind == PUSH_PROMISE;
        let is_last = !is_promise && frame.has(END_STREAM);
        let opening = Opening { stream: frame.stream, is_last, is_promise, first: payload.first };
        match (payload.cut, frame.has(END_HEADERS)) {
            (cut, true) => {
                self.count_cut(payload, voice);
                self.on_block(dir, opening, fragment, !cut, list, at, voice);
            }
            (true, false) => {
                self.count_cut(payload, voice);
                self.way(dir).block = Some(Box::new(Block::passed_over(opening)));
                self.on_block(dir, opening, fragment, false, list, at, voice);
            }
            (false, false) => self.way(dir).block = Some(Box::new(Block::new(opening, fragment))),
        }
    }

    pub(super) fn on_continuation<S: MessageSink>(
        &mut self,
        dir: Direction,
        payload: &Payload<'_>,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        let way = self.way(dir);
        let Some(mut block) = way.block.take().filter(|b| b.opening.stream == payload.frame.stream) else {
            return way.hpack.lose(); // its beginning was not seen
        };
        let opening = block.opening;
        let ends = payload.frame.has(END_HEADERS);
        let grown = block.grow(&payload.bytes, !payload.cut, ends);
        if !ends {
            way.block = Some(block);
        }
        match grown {
            Grown::More | Grown::Over => {}
            Grown::Whole(bytes) => self.on_block(dir, opening, &bytes, true, list, at, voice),
            Grown::Full(bytes) => {
                voice.counters().block_limit_hits += u64::from(bytes.len() >= BLOCK_LIMIT);
                self.on_block(dir, opening, &bytes, false, list, at, voice);
            }
        }
    }

    fn count_cut<S: MessageSink>(&self, payload: &Payload<'_>, voice: &mut Voice<'_, S>) {
        voice.counters().block_limit_hits += u64::from(payload.cut && payload.bytes.len() >= BLOCK_LIMIT);
    }

    /// The block that has begun will not become whole.
    pub(super) fn break_off<S: MessageSink>(
        &mut self,
        dir: Direction,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        let Some(block) = self.way(dir).block.take() else { return };
        let opening = block.opening;
        if let Some(bytes) = block.unread() {
            self.on_block(dir, opening, &bytes, false, list, at, voice);
        }
    }

    /// A header block: all of it where `whole`, else its beginning.
    #[allow(clippy::too_many_arguments, reason = "the block, and where it is read")]
    fn on_block<S: MessageSink>(
        &mut self,
        dir: Direction,
        opening: Opening,
        bytes: &[u8],
        whole: bool,
        list: &mut List,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        let hpack = &mut self.way(dir).hpack;
        let read = hpack.decode(bytes, list);
        if !whole {
            hpack.lose();
        }
        let counters = voice.counters();
        counters.table_limit_hits += hpack.take_limit_hits();
        counters.list_limit_hits += u64::from(list.cut);
        // What is cut may well end in the middle of a field.
        counters.http2_errors += u64::from(read.is_err() && whole && self.established);
        if opening.is_promise {
            return;
        }
        let head = Head::read(list);
        // The method may be among the fields that are not known.
        let asks = head.method.is_some() || (self.client == Some(dir) && list.unknown);
        if self.client != Some(dir.opposite()) && asks {
            self.on_request(dir, opening, &head, at, voice);
        } else if self.client != Some(dir)
            && let Some(status) = head.status
        {
            self.on_response(dir, opening, &head, status, at, voice);
        }
        if opening.is_last {
            tell_body(dir, self.bodies.take(dir, opening.stream, &[], true), at, voice);
        }
    }

    fn on_request<S: MessageSink>(
        &mut self,
        dir: Direction,
        opening: Opening,
        head: &Head<'_>,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        let stream = opening.stream;
        let doubtful = !self.established || self.way(dir).side.is_on_trial();
        if doubtful && !head.is_sound() {
            return;
        }
        // Another block of a stream that has begun ends it, and asks for nothing.
        if !self.streams.may_begin(stream) {
            return;
        }
        self.client = Some(dir);
        self.establish();
        if let Some(forgotten) = self.streams.ask(stream) {
            voice.counters().stream_limit_hits += 1;
            voice.say(Message::Abandoned { ordinal: self.ordinal(forgotten), at });
        }
        if let Some(shape) = self.shape.take() {
            voice.say(Message::Http2Client { dir, at, shape: &shape.text(&head.order) });
        }
        voice.counters().http2_requests += 1;
        let ordinal = self.ordinal(stream);
        let (method, target) = head.first_line();
        let told = RequestHead { method, target, version: HttpVersion::V2, headers: &head.headers };
        voice.say(Message::Request { ordinal, dir, first: opening.first, complete: at, head: told });
        self.collect(dir, opening, head, ordinal, voice);
    }

    fn on_response<S: MessageSink>(
        &mut self,
        dir: Direction,
        opening: Opening,
        head: &Head<'_>,
        status: u16,
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) {
        self.client = Some(dir.opposite());
        self.establish();
        if matches!(status, 100..=199) {
            return; // the final one is still to come; there is no 101 (RFC 9113 §8.6)
        }
        let answers = self.streams.close(opening.stream).then(|| self.ordinal(opening.stream));
        voice.counters().http2_responses += 1;
        let told = ResponseHead { status, version: HttpVersion::V2, headers: &head.headers };
        voice.say(Message::Response { answers, dir, first: opening.first, complete: at, head: told });
        if let Some(ordinal) = answers {
            self.collect(dir, opening, head, ordinal, voice);
        }
    }

    /// Reads the body of the message that was told last, if somebody wants it.
    fn collect<S: MessageSink>(
        &mut self,
        dir: Direction,
        opening: Opening,
        head: &Head<'_>,
        ordinal: u32,
        voice: &mut Voice<'_, S>,
    ) {
        let wanted = voice.body_wanted();
        if wanted == 0 || opening.is_last {
            return;
        }
        if !self.bodies.has_room() {
            voice.counters().body_limit_hits += 1;
            return;
        }
        let length = head.headers.iter().find(|h| h.name.eq_ignore_ascii_case(b"content-length"));
        let length = length.and_then(|h| str::from_utf8(&h.value).ok()?.parse().ok());
        self.bodies.begin(dir, opening.stream, Collect::new(ordinal, wanted, length));
    }
}
