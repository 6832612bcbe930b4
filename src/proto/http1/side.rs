//! Where does each message of one direction begin and end? Cuts a stream into heads and bodies.

use std::borrow::Cow;

use super::body::{Body, Passed};
use super::framing::{BodyKind, Framing};
use super::head::{BlankLine, HEAD_LIMIT};
use super::line::{Expect, Rigour, begins, may_begin, request_line};
use super::watch::Watch;
use crate::base::time::Stamp;
use crate::flow::Interest;
use crate::proto::HttpVersion;

/// One direction of an HTTP/1 connection. Bytes are read in place where a head lies whole in one
/// event; only a head that straddles events is copied, at most [`HEAD_LIMIT`] bytes of it.
#[derive(Default)]
pub(super) struct Side {
    /// Stream offset of the next byte; `None` before the first event.
    pos: Option<u64>,
    state: State,
    /// The head being read, as far as it lay in earlier events.
    head: Vec<u8>,
    /// Frame of the first byte of that head.
    first: Stamp,
    /// That head is longer than may be held, and its first part was given out.
    part: bool,
    /// Bytes were lost since the last head: any segment may begin with a message.
    adrift: bool,
    /// Other plausible ends of the body.
    watch: Option<Box<Watch>>,
    /// Bytes looked at, to show that work is linear.
    #[cfg(test)]
    pub(super) work: u64,
}

#[derive(Default)]
enum State {
    /// A message is due; blank lines before it are skipped (RFC 9112 §2.2).
    #[default]
    Between,
    /// In what may be its first line. What the head buffer holds before `from` is the beginning of
    /// another reading of the same line.
    FirstLine { rigour: Rigour, from: usize },
    /// In its fields; the first line ended before `line`.
    Fields { line: usize, scan: BlankLine },
    /// In its body.
    Body(Body),
    /// Somewhere: the next first line is searched for.
    Lost,
    /// Nothing of interest comes any more.
    Finished,
}

/// A head, complete or as far as it came.
pub(super) struct Head<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where the first line ends, LF included.
    pub(super) line: usize,
    /// Frame of the first byte.
    pub(super) first: Stamp,
    /// The blank line was reached.
    pub(super) whole: bool,
    /// It goes on with a head whose first part was given out before.
    pub(super) part: bool,
}

/// What [`Side::next`] came to.
pub(super) enum Found<'a> {
    /// Nothing yet.
    Nothing,
    /// A head. The caller says what follows with [`Side::follow`].
    Head(Head<'a>),
    /// A message was due and something else is there.
    NotMessage,
    /// A first line is longer than a head may be.
    TooLong,
    /// The body followed until here is none: it is not chunked, or a message begins inside it.
    Misframed,
}

/// How reading goes on after a head.
pub(super) enum Then {
    /// With its body, if it has one.
    Framed(Framing),
    /// With whatever looks like a message.
    Search,
    /// With the rest of a head that is too long to hold; `carried` goes before it, and the first line
    /// in that ends before `line`.
    Rest { carried: Vec<u8>, line: usize },
}

impl Side {
    /// A side joined in the middle: a message may begin with any segment.
    pub(super) fn joined_late() -> Self {
        Self { state: State::Lost, adrift: true, ..Self::default() }
    }

    /// An event begins at `offset`. Returns how many of its bytes were seen already, and what there
    /// was of a head before a gap.
    pub(super) fn arrive(&mut self, offset: u64) -> (usize, Option<Head<'static>>) {
        let pos = *self.pos.get_or_insert(offset);
        let cut = self.jump(offset);
        if self.adrift && self.is_lost() {
            self.state = State::FirstLine { rigour: Rigour::Strict, from: self.head.len() };
        }
        (usize::try_from(pos.saturating_sub(offset)).unwrap_or(usize::MAX), cut)
    }

    /// Bytes before `to` will not be shown. Returns what there was of a head.
    pub(super) fn jump(&mut self, to: u64) -> Option<Head<'static>> {
        let pos = *self.pos.get_or_insert(to);
        if to <= pos {
            return None;
        }
        self.pos = Some(to);
        if let Some(watch) = &mut self.watch {
            watch.jump(to);
        }
        let survives = match self.state {
            State::Finished => true,
            State::Body(Body::Until(end)) if end == to => {
                self.between();
                true
            }
            State::Body(body) => body.skip_to().is_some_and(|end| to <= end),
            _ => false,
        };
        if survives {
            return None;
        }
        let cut = self.unfinished();
        self.lose();
        self.adrift = true;
        cut
    }

    /// The head that has begun, as far as it came: its first line and at least one field (HTTP/0.9
    /// has none), whole lines only.
    pub(super) fn unfinished(&mut self) -> Option<Head<'static>> {
        let State::Fields { line, .. } = self.state else { return None };
        let mut bytes = std::mem::take(&mut self.head);
        self.state = State::Lost;
        let lines = memchr::memrchr(b'\n', &bytes)?.saturating_add(1);
        bytes.truncate(lines);
        let enough = lines > line || is_simple(bytes.get(..line).unwrap_or_default());
        let part = std::mem::take(&mut self.part);
        enough.then_some(Head { bytes: Cow::Owned(bytes), line, first: self.first, whole: false, part })
    }

    /// Whether bytes were lost on this side since its last head.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost | State::FirstLine { rigour: Rigour::Strict, .. })
    }

    /// Whether the beginning of a message is waiting for its rest.
    pub(super) const fn is_in_head(&self) -> bool {
        matches!(self.state, State::FirstLine { rigour: Rigour::Permissive, .. } | State::Fields { .. })
    }

    /// A head has begun and is not complete.
    pub(super) fn is_mid_head(&self) -> bool {
        matches!(self.state, State::FirstLine { .. } | State::Fields { .. })
    }

    /// What is wanted of this direction after the bytes seen.
    pub(super) fn interest(&self) -> Interest {
        match (&self.state, self.pos, &self.watch) {
            (State::Finished, ..) => Interest::StopDirection,
            (State::Body(_), _, Some(watch)) if watch.is_reading() => Interest::Continue,
            (State::Body(body), Some(pos), watch) => {
                let end = body.skip_to().unwrap_or(pos);
                let end = watch.as_ref().and_then(|w| w.next_end()).map_or(end, |other| end.min(other));
                match end.saturating_sub(pos) {
                    0 => Interest::Continue,
                    n => Interest::SkipBytes(n),
                }
            }
            _ => Interest::Continue,
        }
    }

    /// Says how reading goes on after a head.
    pub(super) fn follow(&mut self, then: Then) {
        let pos = self.pos.unwrap_or_default();
        match then {
            Then::Search => self.lose(),
            Then::Rest { carried, line } => {
                let inked = !carried.ends_with(b"\n");
                self.state = State::Fields { line, scan: BlankLine::after(inked) };
                self.head = carried;
                self.part = true;
            }
            Then::Framed(framing) => {
                self.adrift = false;
                if !framing.others.is_empty() {
                    self.watch = Some(Box::new(Watch::new(pos, framing.others)));
                }
                self.state = match framing.kind {
                    BodyKind::None => State::Between,
                    BodyKind::Length(n) => State::Body(Body::Until(pos.saturating_add(n))),
                    BodyKind::Chunked => State::Body(Body::CHUNKED),
                    BodyKind::UntilClose => State::Finished,
                    BodyKind::Unknown => State::FirstLine { rigour: Rigour::Strict, from: 0 },
                };
            }
        }
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        self.head.capacity().saturating_add(self.watch.as_ref().map_or(0, |w| w.held_bytes()))
    }

    /// Reads the beginning of `rest`. Returns how many bytes were read and what they came to; calls
    /// with the remainder go on until none is left.
    pub(super) fn next<'a>(&mut self, rest: &'a [u8], at: Stamp, expect: Expect) -> (usize, Found<'a>) {
        let (used, found) = match self.state {
            State::Between => self.skip_blank_lines(rest),
            State::FirstLine { rigour, from } => self.first_line(rest, at, expect, rigour, from),
            State::Fields { line, scan } => self.fields(rest, line, scan),
            State::Body(body) => self.body(rest, at, expect, body),
            State::Lost => self.search(rest, expect),
            State::Finished => (rest.len(), Found::Nothing),
        };
        self.pos = self.pos.map(|p| p.saturating_add(used as u64));
        (used, found)
    }

    fn between(&mut self) {
        self.state = State::Between;
        self.watch = None;
    }

    fn lose(&mut self) {
        self.state = State::Lost;
        self.head = Vec::new();
        self.part = false;
        self.watch = None;
    }

    #[cfg(test)]
    fn looked_at(&mut self, bytes: &[u8]) {
        self.work += bytes.len() as u64;
    }

    #[cfg(not(test))]
    fn looked_at(&self, _: &[u8]) {}

    fn skip_blank_lines<'a>(&mut self, rest: &'a [u8]) -> (usize, Found<'a>) {
        let blank = rest.iter().position(|b| !matches!(b, b'\r' | b'\n'));
        self.looked_at(rest.get(..blank.unwrap_or(rest.len())).unwrap_or_default());
        if blank.is_some() {
            self.state = State::FirstLine { rigour: Rigour::Permissive, from: 0 };
        }
        (blank.unwrap_or(rest.len()), Found::Nothing)
    }

    /// Looks for the next line. While nothing is known of the connection, only a segment may begin
    /// with a first line: a body may be all that was seen of it.
    fn search<'a>(&mut self, rest: &'a [u8], expect: Expect) -> (usize, Found<'a>) {
        if expect == Expect::Either {
            return (rest.len(), Found::Nothing);
        }
        let line = memchr::memchr(b'\n', rest).map(|lf| lf.saturating_add(1));
        self.looked_at(rest.get(..line.unwrap_or(rest.len())).unwrap_or_default());
        if line.is_some() {
            self.state = State::FirstLine { rigour: Rigour::Strict, from: 0 };
        }
        (line.unwrap_or(rest.len()), Found::Nothing)
    }

    /// The bytes that still belong to a head of at most [`HEAD_LIMIT`] bytes.
    fn room<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        rest.get(..HEAD_LIMIT.saturating_sub(self.head.len())).unwrap_or(rest)
    }

    fn first_line<'a>(
        &mut self,
        rest: &'a [u8],
        at: Stamp,
        expect: Expect,
        rigour: Rigour,
        from: usize,
    ) -> (usize, Found<'a>) {
        if self.head.is_empty() {
            self.first = at;
        }
        let room = self.room(rest);
        let Some(lf) = memchr::memchr(b'\n', room) else {
            self.looked_at(room);
            return self.part_of_first_line(room, expect, rigour, from);
        };
        let (line, after) = room.split_at_checked(lf.saturating_add(1)).unwrap_or((room, &[]));
        self.looked_at(line);
        if self.head.is_empty() {
            return match begins(strip(line), expect, rigour) {
                true => self.fields_in_place(room, line.len(), after),
                false => self.not_message(line.len(), expect, rigour, true),
            };
        }
        self.head.extend_from_slice(line);
        let own = self.head.get(from..).unwrap_or_default();
        if begins(strip(own), expect, rigour) {
            self.head.drain(..from);
        } else if from == 0 || !begins(strip(&self.head), expect, Rigour::Strict) {
            let blank = own.iter().all(|b| matches!(b, b'\r' | b'\n'));
            if blank && rigour == Rigour::Permissive {
                self.head = Vec::new();
                self.state = State::Between;
                return (line.len(), Found::Nothing);
            }
            return self.not_message(line.len(), expect, rigour, true);
        }
        self.state = State::Fields { line: self.head.len(), scan: BlankLine::default() };
        (line.len(), Found::Nothing)
    }

    /// The line goes on beyond `piece`: is it worth keeping?
    fn part_of_first_line<'a>(
        &mut self,
        piece: &'a [u8],
        expect: Expect,
        rigour: Rigour,
        from: usize,
    ) -> (usize, Found<'a>) {
        if self.head.is_empty() && !may_begin(piece, expect, rigour) {
            return self.not_message(0, expect, rigour, false);
        }
        self.head.extend_from_slice(piece);
        let own = self.head.get(from..).unwrap_or_default();
        if !may_begin(own, expect, rigour) && (from == 0 || !may_begin(&self.head, expect, Rigour::Strict)) {
            return self.not_message(piece.len(), expect, rigour, false);
        }
        if self.head.len() >= HEAD_LIMIT {
            self.lose();
            return (piece.len(), Found::TooLong);
        }
        (piece.len(), Found::Nothing)
    }

    /// The line, of which `used` bytes were read, is no first line.
    fn not_message<'a>(&mut self, used: usize, expect: Expect, rigour: Rigour, line_ended: bool) -> (usize, Found<'a>) {
        self.lose();
        if line_ended && expect != Expect::Either {
            self.state = State::FirstLine { rigour: Rigour::Strict, from: 0 };
        }
        (used, if rigour == Rigour::Permissive { Found::NotMessage } else { Found::Nothing })
    }

    /// The fields of a head that begins with `room`, whose first line ended before `line`.
    fn fields_in_place<'a>(&mut self, room: &'a [u8], line: usize, after: &'a [u8]) -> (usize, Found<'a>) {
        let mut scan = BlankLine::default();
        self.looked_at(after);
        if let Some(end) = scan.find(after) {
            let end = line.saturating_add(end);
            return (end, self.found(Cow::Borrowed(room.get(..end).unwrap_or(room)), line, true));
        }
        if room.len() >= HEAD_LIMIT {
            return (room.len(), self.found(Cow::Borrowed(room), line, false));
        }
        self.head.extend_from_slice(room);
        self.state = State::Fields { line, scan };
        (room.len(), Found::Nothing)
    }

    fn fields<'a>(&mut self, rest: &'a [u8], line: usize, mut scan: BlankLine) -> (usize, Found<'a>) {
        let room = self.room(rest);
        self.looked_at(room);
        let end = scan.find(room);
        let piece = end.and_then(|end| room.get(..end)).unwrap_or(room);
        self.head.extend_from_slice(piece);
        if end.is_none() && self.head.len() < HEAD_LIMIT {
            self.state = State::Fields { line, scan };
            return (piece.len(), Found::Nothing);
        }
        let bytes = std::mem::take(&mut self.head);
        (piece.len(), self.found(Cow::Owned(bytes), line, end.is_some()))
    }

    /// A head is found; until [`Side::follow`] says more, the next message is due.
    fn found<'a>(&mut self, bytes: Cow<'a, [u8]>, line: usize, whole: bool) -> Found<'a> {
        self.between();
        Found::Head(Head { bytes, line, first: self.first, whole, part: std::mem::take(&mut self.part) })
    }

    fn body<'a>(&mut self, rest: &'a [u8], at: Stamp, expect: Expect, mut body: Body) -> (usize, Found<'a>) {
        let pos = self.pos.unwrap_or_default();
        if body.at_trailer_line() && !matches!(rest.first(), Some(b'\r' | b'\n')) {
            self.watch.get_or_insert_default().start(at); // some servers know no trailer
        }
        let mut piece = rest;
        if let Some(watch) = self.watch.as_deref_mut() {
            watch.arrive(pos, at);
            // The watch and the body see the same pieces: none goes beyond a place where either may end.
            let turn = watch.next_end().into_iter().chain(body.skip_to()).filter(|end| *end > pos).min();
            let until = turn.and_then(|end| usize::try_from(end.saturating_sub(pos)).ok());
            piece = until.and_then(|n| piece.get(..n)).unwrap_or(piece);
            if watch.is_reading() {
                piece = memchr::memchr(b'\n', piece).and_then(|lf| piece.get(..=lf)).unwrap_or(piece);
                if let Some(line) = watch.read(piece, expect) {
                    self.first = line.first;
                    self.head = line.bytes;
                    self.state = State::Fields { line: self.head.len(), scan: BlankLine::default() };
                    self.watch = None;
                    return (piece.len(), Found::Misframed);
                }
            }
        }
        let (used, passed) = body.pass(pos, piece);
        if body.skip_to().is_none() {
            self.looked_at(piece.get(..used).unwrap_or_default());
        }
        match passed {
            Passed::More => self.state = State::Body(body),
            Passed::Done => self.after_body(),
            Passed::Malformed => return self.not_chunked(pos, used, piece.len()),
        }
        (used, Found::Nothing)
    }

    /// The body is over. A line that the watch has begun is kept as another reading of the next one.
    fn after_body(&mut self) {
        let line = self.watch.as_mut().and_then(|w| w.take_line());
        self.between();
        if let Some(line) = line {
            self.first = line.first;
            self.state = State::FirstLine { rigour: Rigour::Permissive, from: line.bytes.len() };
            self.head = line.bytes;
        }
    }

    /// The body is not chunked after all: believe the length if there was one, else search. `piece`
    /// bytes were shown to the watch, of which `used` are behind the chunk reader.
    fn not_chunked<'a>(&mut self, pos: u64, used: usize, piece: usize) -> (usize, Found<'a>) {
        let here = pos.saturating_add(used as u64);
        if let Some(end) = self.watch.as_ref().and_then(|w| w.last_end()).filter(|end| *end >= here) {
            // The watch has seen the whole piece, and no end lies inside it.
            let shown = pos.saturating_add(piece as u64).min(end);
            self.state = State::Body(Body::Until(end));
            if shown == end {
                self.after_body();
            }
            return (usize::try_from(shown.saturating_sub(pos)).unwrap_or(piece), Found::Nothing);
        }
        match self.watch.as_mut().and_then(|w| w.take_line()) {
            Some(line) => {
                self.lose();
                self.first = line.first;
                self.head = line.bytes;
                self.state = State::FirstLine { rigour: Rigour::Strict, from: 0 };
                (piece, Found::Misframed)
            }
            None => {
                self.lose();
                (used, Found::Misframed)
            }
        }
    }
}

fn strip(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Whether a request line says no version, so that fields need not follow.
fn is_simple(line: &[u8]) -> bool {
    request_line(strip(line), Rigour::Permissive).is_some_and(|r| r.version == HttpVersion::V09)
}
