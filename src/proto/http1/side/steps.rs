//! What does each state of a side make of the next bytes? First lines, fields and bodies, piece by piece.

use std::borrow::Cow;

use super::super::body::{Body, Passed};
use super::super::head::{BlankLine, HEAD_LIMIT};
use super::super::line::{Beginning, Expect, FirstLine, Rigour, begins, first_line};
use super::super::watch::Watch;
use super::{Found, Head, Partial, Side, State, line_end, strip};
use crate::base::time::Stamp;

impl Side {
    pub(super) fn skip_blank_lines<'a>(&mut self, rest: &'a [u8]) -> (usize, Found<'a>) {
        let blank = rest.iter().position(|b| !matches!(b, b'\r' | b'\n'));
        self.looked_at(rest.get(..blank.unwrap_or(rest.len())).unwrap_or_default());
        if blank.is_some() {
            self.state = State::FirstLine(Rigour::Permissive);
        }
        (blank.unwrap_or(rest.len()), Found::Nothing)
    }

    /// Looks for the next line. While nothing is known of the connection, only a segment may begin
    /// with a first line: a body may be all that was seen of it.
    pub(super) fn search<'a>(&mut self, rest: &'a [u8], expect: Expect) -> (usize, Found<'a>) {
        if expect == Expect::Either {
            return (rest.len(), Found::Nothing);
        }
        let line = memchr::memchr(b'\n', rest).map(|lf| lf.saturating_add(1));
        self.looked_at(rest.get(..line.unwrap_or(rest.len())).unwrap_or_default());
        if line.is_some() {
            self.state = State::FirstLine(Rigour::Strict);
        }
        (line.unwrap_or(rest.len()), Found::Nothing)
    }

    /// The bytes that still belong to a head of at most [`HEAD_LIMIT`] bytes.
    fn room<'a>(&self, rest: &'a [u8]) -> &'a [u8] {
        let held = self.partial.as_ref().map_or(0, |p| p.bytes.len());
        rest.get(..HEAD_LIMIT.saturating_sub(held)).unwrap_or(rest)
    }

    /// Keeps the beginning of a head, of which `piece` is the first or the next.
    fn keep(&mut self, piece: &[u8], at: Stamp) -> &[u8] {
        let partial = self.partial.get_or_insert_with(|| Box::new(Partial { first: at, ..Partial::default() }));
        partial.bytes.extend_from_slice(piece);
        &partial.bytes
    }

    pub(super) fn first_line<'a>(
        &mut self,
        rest: &'a [u8],
        at: Stamp,
        expect: Expect,
        rigour: Rigour,
    ) -> (usize, Found<'a>) {
        let room = self.room(rest);
        let Some(lf) = memchr::memchr(b'\n', room) else {
            self.looked_at(room);
            return self.part_of_first_line(room, at, expect, rigour);
        };
        let (line, after) = room.split_at_checked(lf.saturating_add(1)).unwrap_or((room, &[]));
        self.looked_at(line);
        if self.partial.is_none() {
            return match first_line(strip(line), expect, rigour) {
                Some(read) => self.fields_in_place(room, (line.len(), read), after, at),
                None => self.not_message(line.len(), expect, rigour, true),
            };
        }
        let whole = self.keep(line, at);
        let (begins, length) = (begins(strip(whole), expect, rigour), whole.len());
        if !begins {
            return self.not_message(line.len(), expect, rigour, true);
        }
        self.state = State::Fields { line: line_end(length), scan: BlankLine::default() };
        (line.len(), Found::Nothing)
    }

    /// The line goes on beyond `piece`: is it worth keeping?
    fn part_of_first_line<'a>(
        &mut self,
        piece: &'a [u8],
        at: Stamp,
        expect: Expect,
        rigour: Rigour,
    ) -> (usize, Found<'a>) {
        let mut beginning = self.partial.as_ref().map_or_else(Beginning::default, |partial| partial.beginning);
        beginning.go_on(piece);
        if !beginning.may_begin(expect, rigour) {
            let used = if self.partial.is_none() { 0 } else { piece.len() };
            return self.not_message(used, expect, rigour, false);
        }
        let length = self.keep(piece, at).len();
        if let Some(partial) = self.partial.as_deref_mut() {
            partial.beginning = beginning;
        }
        if length >= HEAD_LIMIT {
            self.lose();
            return (piece.len(), Found::TooLong);
        }
        (piece.len(), Found::Nothing)
    }

    /// The line, of which `used` bytes were read, is no first line.
    fn not_message<'a>(&mut self, used: usize, expect: Expect, rigour: Rigour, line_ended: bool) -> (usize, Found<'a>) {
        self.lose();
        if line_ended && expect != Expect::Either {
            self.state = State::FirstLine(Rigour::Strict);
        }
        let watch = self.aside.as_deref_mut().and_then(|a| a.watch.as_mut());
        let fails = rigour == Rigour::Permissive && !watch.is_some_and(Watch::fail);
        (used, if fails { Found::NotMessage } else { Found::Nothing })
    }

    /// The fields of a head that begins with `room`, whose first line ended before `line` and says `read`.
    fn fields_in_place<'a>(
        &mut self,
        room: &'a [u8],
        (line, read): (usize, FirstLine<'a>),
        after: &'a [u8],
        at: Stamp,
    ) -> (usize, Found<'a>) {
        let mut scan = BlankLine::default();
        self.looked_at(after);
        let head = |bytes, whole| {
            let bytes = Cow::Borrowed(bytes);
            Found::Head(Head { bytes, line, first: at, whole, part: false, read: Some(read) })
        };
        if let Some(end) = scan.find(after) {
            self.state = State::Between;
            let end = line.saturating_add(end);
            return (end, head(room.get(..end).unwrap_or(room), true));
        }
        if room.len() >= HEAD_LIMIT {
            self.state = State::Between;
            return (room.len(), head(room, false));
        }
        self.keep(room, at);
        self.state = State::Fields { line: line_end(line), scan };
        (room.len(), Found::Nothing)
    }

    pub(super) fn fields<'a>(&mut self, rest: &'a [u8], line: u32, mut scan: BlankLine) -> (usize, Found<'a>) {
        let room = self.room(rest);
        self.looked_at(room);
        let end = scan.find(room);
        let piece = end.and_then(|end| room.get(..end)).unwrap_or(room);
        let held = self.keep(piece, Stamp::default()).len(); // there is a first part, which has its stamp
        if end.is_none() && held < HEAD_LIMIT {
            self.state = State::Fields { line, scan };
            return (piece.len(), Found::Nothing);
        }
        // Until the caller says more, the next message is due.
        self.state = State::Between;
        let Partial { bytes, first, part, .. } = self.partial.take().map(|p| *p).unwrap_or_default();
        let head =
            Head { bytes: Cow::Owned(bytes), line: line as usize, first, whole: end.is_some(), part, read: None };
        (piece.len(), Found::Head(head))
    }

    pub(super) fn body<'a>(&mut self, piece: &'a [u8], mut body: Body) -> (usize, Found<'a>) {
        let collect = self.aside.as_deref_mut().and_then(|a| a.collect.as_mut()).filter(|c| !c.broken);
        let (used, passed) = body.pass(self.pos, piece, collect);
        if body.skip_to().is_none() {
            self.looked_at(piece.get(..used).unwrap_or_default());
        }
        self.state = State::Body(body);
        let found = match passed {
            Passed::More => Found::Nothing,
            Passed::Odd => Found::Odd,
            Passed::Done => {
                self.state = State::Between;
                self.leave_body();
                self.aside.iter_mut().filter_map(|a| a.collect.as_mut()).for_each(|c| c.whole = !c.broken);
                Found::Nothing
            }
            Passed::Malformed => return self.not_chunked(used),
        };
        (used, found)
    }

    /// The body is not chunked after all: believe the length if there was one, else search. `used`
    /// bytes were taken for chunks.
    fn not_chunked<'a>(&mut self, used: usize) -> (usize, Found<'a>) {
        let here = self.pos.saturating_add(used as u64);
        let watch = self.aside.as_deref().and_then(|a| a.watch.as_ref());
        let end = watch.and_then(Watch::last_end).filter(|end| *end >= here);
        self.aside.iter_mut().filter_map(|a| a.collect.as_mut()).for_each(|c| c.broken = true);
        self.leave_body();
        match end {
            Some(end) => {
                self.state = State::Body(Body::Until(end));
                (used, Found::Nothing)
            }
            None => {
                self.lose();
                (used, Found::Misframed(None, None))
            }
        }
    }
}
