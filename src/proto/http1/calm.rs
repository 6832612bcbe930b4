//! Can a message be read where it lies? At the end of a message a connection is a few numbers, and most
//! messages come whole in one segment and leave it so.

use super::framing::{BodyKind, Framing, of_request, of_response};
use super::head::{Fields, HEAD_LIMIT};
use super::line::{RequestLine, plain_request_line, status_line};
use super::pairing::{Asked, Pairing};
use super::request::{Block, asked, fingerprint_of, head_of};
use super::side::{Side, Then, strip};
use super::{Http1, of};
use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};
use crate::proto::conversation::Voice;
use crate::proto::{Again, Message, MessageSink, PIPELINE_LIMIT, ResponseHead};

/// A connection of which every message has ended, or ends at a known place, and nothing is in doubt.
/// The requests that wait for their replies, if any, asked for nothing special.
#[derive(Clone, Copy)]
pub(in crate::proto) struct Calm {
    /// Where the next message of each side is due.
    due: [u64; 2],
    /// The fields of the latest request.
    block: Block,
    /// The ordinal of the next request.
    next: u32,
    recent: [u32; 3],
    /// Requests that wait for their replies.
    open: u8,
    client: Direction,
    /// Tunnels around it.
    depth: u8,
    #[cfg(test)]
    work: [u64; 2],
}

/// A message is to be read with all that a connection may need: what it has become, and how many bytes
/// of the segment are read already.
pub(in crate::proto) type Woken = (Box<Http1>, usize);

/// How a segment that begins with a message goes on behind it.
enum After {
    /// The next message is due at this offset.
    Due(u64),
    /// Not so simply; with how much is wanted of the body, and of the reply to which request.
    Body(Framing, Option<(u32, usize)>),
}

impl Calm {
    /// What is left of a connection, when all its messages have ended and nothing else is under way.
    pub(super) fn of(http1: &Http1, depth: u8) -> Option<Self> {
        let [forward, reverse] = &http1.sides;
        let plain = http1.asked
            && !http1.told_lines
            && http1.hidden.is_none()
            && http1.late.is_none()
            && http1.pairing.is_plain();
        if !plain {
            return None;
        }
        Some(Self {
            due: [forward.rests_at()?, reverse.rests_at()?],
            block: http1.block,
            next: http1.pairing.next_ordinal(),
            recent: http1.recent,
            open: u8::try_from(http1.pairing.open()).ok()?,
            client: http1.client?,
            depth,
            #[cfg(test)]
            work: [forward.work, reverse.work],
        })
    }

    /// The connection, to be followed closely.
    pub(in crate::proto) fn wake(&self) -> Http1 {
        let sides = self.due.map(Side::at_rest);
        #[cfg(test)]
        let sides = {
            let ([forward, reverse], [one, other]) = (sides, self.work);
            [forward.worked(one), reverse.worked(other)]
        };
        Http1 {
            sides,
            pairing: Pairing::waiting(self.next, self.open.into()),
            client: Some(self.client),
            asked: true,
            told_lines: false,
            recent: self.recent,
            block: self.block,
            hidden: None,
            late: None,
        }
    }

    /// Tunnels around it.
    pub(in crate::proto) const fn depth(&self) -> u8 {
        self.depth
    }

    /// Whether the next message of a direction is due at an offset or behind it.
    pub(in crate::proto) fn has_passed(&self, dir: Direction, offset: u64) -> bool {
        self.due(dir) >= offset
    }

    /// What is wanted of a direction from an offset on.
    pub(in crate::proto) fn interest(&self, dir: Direction, offset: u64) -> Interest {
        match self.due(dir).saturating_sub(offset) {
            0 => Interest::Continue,
            n => Interest::SkipBytes(n),
        }
    }

    const fn due(&self, dir: Direction) -> u64 {
        let [forward, reverse] = self.due;
        match dir {
            Direction::Forward => forward,
            Direction::Reverse => reverse,
        }
    }

    /// Reads a segment, if it is one message that leaves the connection calm.
    pub(in crate::proto) fn read<S: MessageSink>(
        &mut self,
        dir: Direction,
        offset: u64,
        bytes: &[u8],
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Result<Interest, Woken> {
        let (due, end) = (self.due(dir), offset.saturating_add(bytes.len() as u64));
        if end <= due {
            return Ok(self.interest(dir, end)); // of a body that was passed over
        }
        let told = if offset != due {
            None
        } else if dir == self.client {
            self.request(dir, bytes, at, voice).map(|()| (bytes.len(), After::Due(end)))
        } else {
            self.reply(dir, (offset, bytes), at, voice)
        };
        let Some((used, after)) = told else { return Err((Box::new(self.wake()), 0)) };
        match after {
            After::Due(next) => {
                *of(&mut self.due, dir) = next;
                if next >= end {
                    return Ok(self.interest(dir, end));
                }
                Err((Box::new(self.wake()), usize::try_from(next.saturating_sub(offset)).unwrap_or(used)))
            }
            After::Body(framing, wanted) => {
                *of(&mut self.due, dir) = offset.saturating_add(used as u64);
                let mut http1 = Box::new(self.wake());
                let side = http1.side(dir);
                side.follow(Then::Framed(framing));
                if let Some((ordinal, wanted)) = wanted {
                    side.collect(ordinal, wanted);
                }
                Err((http1, used))
            }
        }
    }

    /// Reads a request that is all there is in a segment, and has neither a body nor anything odd. `None`
    /// when it is not of this kind; then nothing has happened.
    fn request<S: MessageSink>(
        &mut self,
        dir: Direction,
        bytes: &[u8],
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Option<()> {
        let (line, block) = bytes.split_at_checked(memchr::memchr(b'\n', bytes)?.saturating_add(1))?;
        let RequestLine { method, target, version } = plain_request_line(line)?;
        if u32::from(self.open) >= PIPELINE_LIMIT {
            return None;
        }
        self.looked_at(dir, bytes);
        let (ordinal, first, complete) = (self.next, at, at);
        let mut hash = None;
        if self.block.may_be(block) && !matches!(method, b"HEAD" | b"CONNECT") {
            let new = Block::of(block, &voice.fields_key());
            let again = Again { ordinal, dir, first, complete, method, target, version };
            if new == self.block && voice.say_again(&again) {
                self.asked(line, voice);
                return Some(());
            }
            hash = Some(new);
        }
        let mut fields = Fields::default();
        let end = fields.read(block, true);
        let head = head_of(RequestLine { method, target, version }, &fields.headers);
        let framing = of_request(Asked::Other, version, head.headers, fields.framing);
        let plain = end == Some(block.len()) && !fields.is_odd() && bytes.len() <= HEAD_LIMIT;
        if !plain || asked(&head) != Asked::Other || framing != Framing::NONE {
            return None;
        }
        self.block = hash.unwrap_or_else(|| Block::of(block, &voice.fields_key()));
        self.asked(line, voice);
        voice.say(Message::Request { ordinal, dir, first, complete, head });
        voice.body_wanted(); // it has none
        Some(())
    }

    /// Counts a request.
    fn asked<S: MessageSink>(&mut self, line: &[u8], voice: &mut Voice<'_, S>) {
        let [latest, before, _] = self.recent;
        self.recent = [fingerprint_of(line, &self.block, voice.flow()), latest, before];
        self.next = self.next.wrapping_add(1);
        self.open = self.open.saturating_add(1);
        voice.counters().http1_requests += 1;
    }

    /// Reads a final reply whose head lies whole in a segment; gives how long that is, and what follows.
    fn reply<S: MessageSink>(
        &mut self,
        dir: Direction,
        (offset, bytes): (u64, &[u8]),
        at: Stamp,
        voice: &mut Voice<'_, S>,
    ) -> Option<(usize, After)> {
        let answers = self.next.wrapping_sub(u32::from(self.open));
        let open = self.open.checked_sub(1)?;
        let room = bytes.get(..HEAD_LIMIT).unwrap_or(bytes);
        let (line, block) = room.split_at_checked(memchr::memchr(b'\n', room)?.saturating_add(1))?;
        let said = status_line(strip(line)).filter(|line| line.status >= 200)?;
        let mut fields = Fields::default();
        let used = line.len().saturating_add(fields.read(block, false)?);
        self.looked_at(dir, bytes.get(..used).unwrap_or_default());
        let head = ResponseHead { status: said.status, version: said.version, headers: &fields.headers };
        let framing = of_response(Asked::Other, head.status, head.version, head.headers);
        voice.counters().header_limit_hits += fields.beyond as u64;
        voice.counters().http1_responses += 1;
        self.open = open;
        voice.say(Message::Response { answers: Some(answers), dir, first: at, complete: at, head });
        let wanted = voice.body_wanted();
        let behind = offset.saturating_add(used as u64);
        let after = match framing.kind {
            BodyKind::None if framing.others.is_empty() => After::Due(behind),
            BodyKind::Length(n) if framing.others.is_empty() && wanted == 0 => After::Due(behind.saturating_add(n)),
            _ => After::Body(framing, (wanted > 0).then_some((answers, wanted))),
        };
        Some((used, after))
    }

    /// Bytes looked at so far, in both directions.
    #[cfg(test)]
    pub(in crate::proto) fn work(&self) -> u64 {
        self.work.iter().sum()
    }

    #[cfg(test)]
    fn looked_at(&mut self, dir: Direction, bytes: &[u8]) {
        *of(&mut self.work, dir) += bytes.len() as u64;
    }

    #[cfg(not(test))]
    fn looked_at(&self, _: Direction, _: &[u8]) {}
}
