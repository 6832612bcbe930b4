//! Where does each message of one direction begin and end? Cuts a stream into heads and bodies.

mod steps;

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::body::Body;
use super::framing::{BodyKind, Framing};
use super::head::BlankLine;
use super::line::{Beginning, Expect, FirstLine, Rigour, begins, request_line};
use super::watch::Watch;
use crate::base::time::Stamp;
use crate::flow::Interest;
use crate::proto::collect::Collect;
use crate::proto::{Ambiguity, HttpVersion};

/// One direction of an HTTP/1 connection. Bytes are read in place where a head lies whole in one
/// event; only a head that straddles events is copied, at most [`HEAD_LIMIT`] bytes of it.
///
/// Every open connection has two of them: what is rarely there is kept apart.
#[derive(Default)]
pub(super) struct Side {
    /// Stream offset of the next byte.
    pos: u64,
    state: State,
    /// The head being read, as far as it lay in earlier events.
    partial: Option<Box<Partial>>,
    aside: Option<Box<Aside>>,
    /// An event came before.
    begun: bool,
    /// Bytes were lost since the last head: any segment may begin with a message.
    adrift: bool,
    /// Bytes looked at, to show that work is linear.
    #[cfg(test)]
    pub(super) work: u64,
}

#[derive(Default)]
enum State {
    /// A message is due; blank lines before it are skipped (RFC 9112 §2.2).
    #[default]
    Between,
    /// In what may be its first line.
    FirstLine(Rigour),
    /// In its fields; the first line ended before `line`.
    Fields { line: u32, scan: BlankLine },
    /// In its body.
    Body(Body),
    /// Somewhere: the next first line is searched for.
    Lost,
    /// Nothing of interest comes any more.
    Finished,
}

/// The beginning of a head.
#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    /// Frame of its first byte.
    first: Stamp,
    /// What the beginning of the first line tells, while that is not whole.
    beginning: Beginning,
    /// The head is longer than may be held, and its first part was given out.
    part: bool,
}

/// What is beside the reading that is followed.
#[derive(Default)]
struct Aside {
    /// Other plausible ends of messages.
    watch: Option<Watch>,
    /// The wanted beginning of the body.
    collect: Option<Collect>,
}

/// A head, complete or as far as it came.
pub(in crate::proto) struct Head<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Where the first line ends, LF included.
    pub(super) line: usize,
    /// Frame of the first byte.
    pub(super) first: Stamp,
    /// The blank line was reached.
    pub(super) whole: bool,
    /// It goes on with a head whose first part was given out before.
    pub(super) part: bool,
    /// What the first line says, where that is known.
    pub(super) read: Option<FirstLine<'a>>,
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
    /// A line of a body ends so that hosts read it differently.
    Odd,
    /// The message followed until here does not end where it said: its body is not chunked, or a
    /// message begins inside it. With what there was of a head that is cut short.
    Misframed(Option<Head<'a>>, Option<Ambiguity>),
}

/// How reading goes on after a head.
pub(super) enum Then {
    /// With its body, if it has one.
    Framed(Framing),
    /// With whatever looks like a message.
    Search,
    /// With the rest of a head that is too long to hold; `carried` goes before it, and the first line
    /// in that ends before `line`.
    Rest { carried: Vec<u8>, line: usize, first: Stamp },
}

impl Side {
    /// A side between two messages; the next one is due at `pos`.
    pub(super) fn at_rest(pos: u64) -> Self {
        Self { pos, begun: true, ..Self::default() }
    }

    /// With so many bytes looked at before.
    #[cfg(test)]
    pub(super) fn worked(self, work: u64) -> Self {
        Self { work, ..self }
    }

    /// Where the next message is due, if that is all there is to know.
    pub(super) fn rests_at(&self) -> Option<u64> {
        let due = match self.state {
            State::Between => self.pos,
            State::Body(Body::Until(end)) => end.max(self.pos), // nothing of the body will be shown
            _ => return None,
        };
        let rests = self.partial.is_none() && self.aside.is_none() && self.begun && !self.adrift;
        rests.then_some(due)
    }

    /// A side joined in the middle: a message may begin with any segment.
    pub(super) fn joined_late() -> Self {
        Self { state: State::Lost, adrift: true, ..Self::default() }
    }

    /// A side that looks for a complete first line, from `offset` on, in bytes that are no messages.
    pub(super) fn searching(offset: u64) -> Self {
        Self { pos: offset, begun: true, state: State::FirstLine(Rigour::Strict), ..Self::default() }
    }

    /// An event begins at `offset`. Returns how many of its bytes were seen already, and what there
    /// was of a head before a gap.
    pub(super) fn arrive(&mut self, offset: u64) -> (usize, Option<Head<'static>>) {
        let pos = self.begin_at(offset);
        let cut = self.jump(offset);
        if self.adrift && self.is_lost() {
            match self.partial {
                None => self.state = State::FirstLine(Rigour::Strict),
                Some(_) => self.watch().start(), // the line that has begun may go on, or be nothing
            }
        }
        (usize::try_from(pos.saturating_sub(offset)).unwrap_or(usize::MAX), cut)
    }

    const fn begin_at(&mut self, offset: u64) -> u64 {
        if !self.begun {
            self.begun = true;
            self.pos = offset;
        }
        self.pos
    }

    /// Bytes before `to` will not be shown. Returns what there was of a head.
    pub(super) fn jump(&mut self, to: u64) -> Option<Head<'static>> {
        if to <= self.begin_at(to) {
            return None;
        }
        self.pos = to;
        if let Some(aside) = self.aside.as_deref_mut() {
            aside.watch.iter_mut().for_each(|w| w.jump(to));
            aside.collect.iter_mut().for_each(|c| c.broken = true);
        }
        let survives = match self.state {
            State::Finished => true,
            State::Body(Body::Until(end)) if end == to => {
                self.state = State::Between;
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
        let enough = |h: &Head<'_>| h.bytes.len() > h.line || is_simple(h.bytes.get(..h.line).unwrap_or_default());
        self.so_far().filter(enough)
    }

    /// The whole lines of the head that has begun.
    fn so_far(&mut self) -> Option<Head<'static>> {
        let State::Fields { line, .. } = self.state else { return None };
        self.state = State::Lost;
        let Partial { mut bytes, first, part, .. } = *self.partial.take()?;
        bytes.truncate(memchr::memrchr(b'\n', &bytes)?.saturating_add(1));
        Some(Head { bytes: Cow::Owned(bytes), line: line as usize, first, whole: false, part, read: None })
    }

    /// Whether bytes were lost on this side since its last head.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost | State::FirstLine(Rigour::Strict))
    }

    /// Whether the beginning of a message is waiting for its rest.
    pub(super) const fn is_in_head(&self) -> bool {
        matches!(self.state, State::FirstLine(Rigour::Permissive) | State::Fields { .. })
    }

    /// Whether the beginning of what may be a head is held.
    pub(super) const fn holds_head(&self) -> bool {
        self.partial.is_some()
    }

    /// Whether any byte of it was shown.
    pub(super) const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Whether a body is being passed over.
    pub(super) const fn is_in_body(&self) -> bool {
        matches!(self.state, State::Body(_))
    }

    /// Stream offset of the next byte.
    pub(super) const fn pos(&self) -> u64 {
        self.pos
    }

    /// A head has begun and is not complete.
    pub(super) fn is_mid_head(&self) -> bool {
        matches!(self.state, State::FirstLine { .. } | State::Fields { .. })
    }

    /// What is wanted of this direction after the bytes seen.
    pub(super) fn interest(&self) -> Interest {
        let State::Body(body) = &self.state else {
            let over = matches!(self.state, State::Finished);
            return if over { Interest::StopDirection } else { Interest::Continue };
        };
        let mut end = body.skip_to().unwrap_or(self.pos);
        if let Some(Aside { watch, collect }) = self.aside.as_deref() {
            if collect.is_some() || watch.as_ref().is_some_and(Watch::is_reading) {
                return Interest::Continue;
            }
            end = watch.as_ref().and_then(Watch::next_end).map_or(end, |other| end.min(other));
        }
        match end.saturating_sub(self.pos) {
            0 => Interest::Continue,
            n => Interest::SkipBytes(n),
        }
    }

    /// Says how reading goes on after a head.
    pub(super) fn follow(&mut self, then: Then) {
        match then {
            // What was found at another end is followed already.
            Then::Search if matches!(self.state, State::Fields { .. }) => {}
            Then::Search => self.lose(),
            Then::Rest { carried, line, first } => {
                let inked = !carried.ends_with(b"\n");
                self.state = State::Fields { line: line_end(line), scan: BlankLine::after(inked) };
                self.partial = Some(Box::new(Partial { bytes: carried, first, part: true, ..Partial::default() }));
            }
            Then::Framed(framing) => {
                self.adrift = false;
                if !framing.others.is_empty() {
                    let pos = self.pos;
                    self.watch().add(pos, &framing.others, framing.ambiguity);
                }
                self.state = match framing.kind {
                    BodyKind::None => State::Between,
                    BodyKind::Length(n) => State::Body(Body::Until(self.pos.saturating_add(n))),
                    BodyKind::Chunked => State::Body(Body::CHUNKED),
                    BodyKind::UntilClose => State::Finished,
                    BodyKind::Unknown => State::FirstLine(Rigour::Strict),
                };
            }
        }
    }

    /// Keeps at most `wanted` bytes of the body that follows, if one does; [`Side::body`] gives them.
    pub(super) fn collect(&mut self, ordinal: u32, wanted: usize) {
        let length = match self.state {
            State::Body(Body::Until(end)) => Some(end.saturating_sub(self.pos)),
            State::Body(_) => None,
            State::Finished => {
                self.state = State::Body(Body::Until(u64::MAX));
                None
            }
            _ => return,
        };
        self.aside.get_or_insert_default().collect = Some(Collect::new(ordinal, wanted, length));
    }

    /// The collected body, once no more of it will come or is wanted; `over` when nothing more comes at all.
    pub(super) fn collected(&mut self, over: bool) -> Option<Collect> {
        let aside = self.aside.as_deref_mut()?;
        let until_close = matches!(self.state, State::Body(Body::Until(u64::MAX)));
        let ended = !matches!(self.state, State::Body(_));
        let mut body = aside.collect.take_if(|c| over || ended || c.broken || c.is_full())?;
        body.whole |= over && until_close && !body.broken;
        if until_close {
            self.state = State::Finished;
        }
        self.drop_aside();
        Some(body)
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let partial = self.partial.as_ref().map_or(0, |p| p.bytes.capacity().saturating_add(size_of::<Partial>()));
        let aside = self.aside.as_ref().map_or(0, |a| {
            let watch = a.watch.as_ref().map_or(0, Watch::held_bytes);
            let collect = a.collect.as_ref().map_or(0, Collect::held_bytes);
            size_of::<Aside>().saturating_add(watch).saturating_add(collect)
        });
        partial.saturating_add(aside)
    }

    /// Reads the beginning of `rest`. Returns how many bytes were read and what they came to; calls
    /// with the remainder go on until none is left.
    pub(super) fn next<'a>(&mut self, rest: &'a [u8], at: Stamp, expect: Expect) -> (usize, Found<'a>) {
        let (used, found) = match self.look_aside(rest, at, expect) {
            ControlFlow::Continue(piece) => match self.state {
                // Nearly always the message that is due follows at once.
                State::Between if self.aside.is_none() && !matches!(piece.first(), Some(b'\r' | b'\n')) => {
                    self.state = State::FirstLine(Rigour::Permissive);
                    self.first_line(piece, at, expect, Rigour::Permissive)
                }
                State::Between => self.skip_blank_lines(piece),
                State::FirstLine(rigour) => self.first_line(piece, at, expect, rigour),
                State::Fields { line, scan } => self.fields(piece, line, scan),
                State::Body(body) => self.body(piece, body),
                State::Lost => self.search(piece, expect),
                State::Finished => (piece.len(), Found::Nothing),
            },
            ControlFlow::Break(misframed) => misframed,
        };
        self.pos = self.pos.saturating_add(used as u64);
        (used, found)
    }

    /// Looks for messages in other readings. Gives what the reading that is followed may read, or the
    /// message that was found instead of it.
    fn look_aside<'a>(
        &mut self,
        rest: &'a [u8],
        at: Stamp,
        expect: Expect,
    ) -> ControlFlow<(usize, Found<'a>), &'a [u8]> {
        if let State::Body(body) = self.state
            && body.at_trailer_line()
            && !matches!(rest.first(), Some(b'\r' | b'\n'))
        {
            self.watch().start(); // some servers know no trailer
        }
        let Some(watch) = self.aside.as_deref_mut().and_then(|a| a.watch.as_mut()) else {
            return ControlFlow::Continue(rest);
        };
        let due = matches!(self.state, State::Between);
        let look = watch.look(self.pos, rest, at, expect, due);
        let (kind, failed) = (watch.kind(), watch.take_failure());
        if watch.is_over() {
            self.drop_watch();
        }
        let piece = rest.get(..look.shown).unwrap_or(rest);
        if failed {
            return ControlFlow::Break((0, Found::NotMessage));
        }
        let Some(line) = look.found.filter(|_| !self.own_line_begins(piece, expect)) else {
            return ControlFlow::Continue(piece);
        };
        let cut = self.so_far();
        self.state = State::Fields { line: line_end(line.bytes.len()), scan: BlankLine::default() };
        self.partial = Some(Box::new(Partial { bytes: line.bytes, first: line.first, ..Partial::default() }));
        ControlFlow::Break((piece.len(), Found::Misframed(cut, kind)))
    }

    /// Whether the reading that is followed takes the line that ends with `piece` for a first line, too.
    fn own_line_begins(&self, piece: &[u8], expect: Expect) -> bool {
        let State::FirstLine(rigour) = self.state else { return false };
        let before = self.partial.as_ref().map_or(&[][..], |p| &p.bytes);
        begins(strip(&[before, piece].concat()), expect, rigour)
    }

    fn watch(&mut self) -> &mut Watch {
        self.aside.get_or_insert_default().watch.get_or_insert_default()
    }

    fn drop_watch(&mut self) {
        if let Some(aside) = self.aside.as_deref_mut() {
            aside.watch = None;
            self.drop_aside();
        }
    }

    fn drop_aside(&mut self) {
        if self.aside.as_ref().is_some_and(|a| a.watch.is_none() && a.collect.is_none()) {
            self.aside = None;
        }
    }

    /// Nothing is known of where messages begin; what other readings say of it still counts.
    fn lose(&mut self) {
        self.state = State::Lost;
        self.partial = None;
        self.leave_body();
    }

    /// A line inside a body begins no message any more.
    fn leave_body(&mut self) {
        if let Some(watch) = self.aside.as_deref_mut().and_then(|a| a.watch.as_mut()) {
            watch.anywhere(false);
        }
    }

    #[cfg(test)]
    fn looked_at(&mut self, bytes: &[u8]) {
        self.work += bytes.len() as u64;
    }

    #[cfg(not(test))]
    fn looked_at(&self, _: &[u8]) {}

    /// Lines of the body end so that hosts read them differently: the next message may be anywhere.
    pub(super) fn doubt_lines(&mut self) {
        self.watch().anywhere(true);
    }
}

fn line_end(end: usize) -> u32 {
    u32::try_from(end).unwrap_or(u32::MAX)
}

pub(super) fn strip(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Whether a request line says no version, so that fields need not follow.
fn is_simple(line: &[u8]) -> bool {
    request_line(strip(line), Rigour::Permissive).is_some_and(|r| r.version == HttpVersion::V09)
}
