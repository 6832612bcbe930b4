//! Was the beginning of a flow a decoy? A few bytes that die on their way to the server make a flow look
//! like something else; that the server answers in HTTP shows what it has read instead.

use super::{Parser, Piece, Probe, Reader, Step, Voice, of};
use crate::base::time::Stamp;
use crate::flow::{Direction, Interest};
use crate::proto::MessageSink;
use crate::proto::http1::{is_status_line, may_be_status_line};

/// Bytes of a flow that are nothing of ours, both directions, within which an answer is looked for.
pub(super) const WATCH_LIMIT: u32 = 64 * 1024;

/// Bytes kept of what may be answered.
const SAID_LIMIT: usize = 8 * 1024;

/// Bytes of an answer within which its first line ends.
const LINE_LIMIT: usize = 128;

/// What a direction said since the other one last spoke, and how the answer begins.
pub(super) struct Said {
    dir: Direction,
    offset: u64,
    at: Stamp,
    /// At most [`SAID_LIMIT`].
    bytes: Vec<u8>,
    /// More of it says nothing: its beginning is read already.
    sealed: bool,
    answer: Answer,
    /// Stream offset behind what is held back of the answer.
    answer_end: u64,
}

enum Answer {
    /// Its first line is not whole; at most [`LINE_LIMIT`] bytes.
    Begun(Vec<u8>),
    /// It is nothing of HTTP.
    Other,
}

impl Said {
    const fn by(dir: Direction, offset: u64, at: Stamp) -> Self {
        Self { dir, offset, at, bytes: Vec::new(), sealed: false, answer: Answer::Begun(Vec::new()), answer_end: 0 }
    }

    const fn is_answered(&self) -> bool {
        match &self.answer {
            Answer::Begun(bytes) => !bytes.is_empty(),
            Answer::Other => true,
        }
    }

    /// Heap bytes held.
    pub(super) fn held_bytes(&self) -> usize {
        let answer = if let Answer::Begun(bytes) = &self.answer { bytes.capacity() } else { 0 };
        size_of::<Self>().saturating_add(self.bytes.capacity()).saturating_add(answer)
    }
}

impl Reader {
    /// The direction is no negotiation: perhaps a request, of which `earlier` bytes are held before this piece.
    pub(super) fn pass_by(&mut self, piece: &Piece<'_>, earlier: usize) -> Step {
        let probe = std::mem::replace(self.probe(piece.dir), Probe::Foreign);
        if let Probe::Undecided { held: Some(mut held), .. } = probe {
            held.bytes.truncate(earlier);
            let offset = piece.offset.saturating_sub(held.bytes.len() as u64);
            self.watch(&Piece { offset, bytes: &held.bytes, at: held.first, ..*piece });
        }
        Step::Again(0)
    }

    /// The direction is nothing of ours, and its beginning is read: an answer would say nothing of it.
    pub(super) fn leave_be(&mut self, piece: &Piece<'_>) -> Step {
        *self.probe(piece.dir) = Probe::Foreign;
        self.said = Some(Box::new(Said { sealed: true, ..Said::by(piece.dir, piece.offset, piece.at) }));
        Step::Done(Interest::Continue)
    }

    /// Keeps what a direction says that is nothing of ours, for the case that it is answered in HTTP.
    pub(super) fn watch(&mut self, piece: &Piece<'_>) -> Step {
        self.foreign = self.foreign.saturating_add(u32::try_from(piece.bytes.len()).unwrap_or(u32::MAX));
        if self.foreign > WATCH_LIMIT {
            self.said = None;
            return Step::Done(Interest::StopDirection);
        }
        let said = self.said.get_or_insert_with(|| Box::new(Said::by(piece.dir, piece.offset, piece.at)));
        if said.dir != piece.dir && matches!(said.answer, Answer::Other) {
            **said = Said::by(piece.dir, piece.offset, piece.at);
        }
        if said.dir == piece.dir && !said.sealed {
            let room = SAID_LIMIT.saturating_sub(said.bytes.len());
            said.bytes.extend_from_slice(piece.bytes.get(..room).unwrap_or(piece.bytes));
        }
        Step::Done(Interest::Continue)
    }

    /// Looks whether a piece answers in HTTP what was no request of ours. Then the server has read
    /// another beginning than the one that was told here: what was said since it last spoke is read again,
    /// and the flow from there on. The first line of an answer is held back until it is whole: then false.
    pub(super) fn look_for_answer<S: MessageSink>(&mut self, piece: &Piece<'_>, voice: &mut Voice<'_, S>) -> bool {
        if self.said.as_ref().is_some_and(|said| said.dir == piece.dir && said.is_answered()) {
            self.hold_back_no_more(piece, voice);
            self.said = None;
        }
        if !self.may_be_mistaken(piece.dir) {
            return true;
        }
        let answers = !matches!(self.probe(piece.dir), Probe::Foreign);
        if answers && self.said.as_ref().is_none_or(|said| said.dir == piece.dir) {
            self.said = Some(Box::new(Said::by(piece.dir.opposite(), 0, piece.at)));
        }
        let Some(said) = self.said.as_deref_mut().filter(|said| said.dir != piece.dir) else { return true };
        let Answer::Begun(begun) = &mut said.answer else { return true };
        let earlier = begun.len();
        let room = LINE_LIMIT.saturating_sub(earlier);
        begun.extend_from_slice(piece.bytes.get(..room).unwrap_or(piece.bytes));
        match memchr::memchr(b'\n', begun) {
            Some(end) if begun.get(..end).is_some_and(is_status_line) => {
                begun.truncate(earlier);
                self.begin_again(piece, voice);
                true
            }
            None if begun.len() < LINE_LIMIT && may_be_status_line(begun) => {
                said.answer_end = piece.offset.saturating_add(piece.bytes.len() as u64);
                false
            }
            _ => {
                begun.truncate(earlier);
                self.hold_back_no_more(piece, voice);
                true
            }
        }
    }

    /// What was held back of an answer before `piece` is read as it would have been.
    pub(super) fn hold_back_no_more<S: MessageSink>(&mut self, piece: &Piece<'_>, voice: &mut Voice<'_, S>) {
        let Some(said) = self.said.as_deref_mut() else { return };
        let dir = said.dir.opposite();
        if let Answer::Begun(begun) = std::mem::replace(&mut said.answer, Answer::Other) {
            let offset = said.answer_end.saturating_sub(begun.len() as u64);
            self.read_on(Piece { dir, offset, bytes: &begun, at: piece.at }, voice);
        }
    }

    /// Whether what the other side of `answerer` said is taken for nothing of ours, or for an answer.
    fn may_be_mistaken(&mut self, answerer: Direction) -> bool {
        let asker_is_foreign = matches!(of(&mut self.probes, answerer.opposite()), Probe::Foreign);
        match &self.parser {
            Parser::Stopped => false,
            Parser::Http1(http1) => asker_is_foreign || http1.is_guessed_client(answerer),
            Parser::Http2(http2) => asker_is_foreign || http2.is_unanswered_client(answerer.opposite()),
            Parser::None | Parser::Tls(_) => asker_is_foreign,
        }
    }

    fn begin_again<S: MessageSink>(&mut self, answer: &Piece<'_>, voice: &mut Voice<'_, S>) {
        let Some(said) = self.said.take() else { return };
        // What was told of the decoy keeps its numbers.
        match &self.parser {
            Parser::Http1(http1) => self.next_ordinal = http1.next_ordinal(),
            Parser::Http2(http2) => self.next_ordinal = http2.next_ordinal(),
            Parser::None | Parser::Tls(_) | Parser::Stopped => {}
        }
        self.parser = Parser::None;
        self.probes = [Probe::new(false), Probe::new(false)];
        let Said { dir, offset, at, bytes, answer: begun, .. } = *said;
        self.read_on(Piece { dir, offset, bytes: &bytes, at }, voice);
        self.said = None; // it was answered, whatever it is
        if let Answer::Begun(begun) = begun {
            let offset = answer.offset.saturating_sub(begun.len() as u64);
            self.read_on(Piece { offset, bytes: &begun, ..*answer }, voice);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::proto::testing::{Driver, Recorder, Seen};

    const GET: &str = "GET /x HTTP/1.1\r\nCookie: s=1\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const BEGINNINGS: [&[u8]; 6] = [
        b"\0\0\0\0\0\0\0\0",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x05\x01\x00",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ];

    fn requests(d: &Driver<Recorder>) -> usize {
        d.sink.messages.iter().filter(|m| matches!(m, Seen::Request { .. })).count()
    }

    #[test]
    fn a_beginning_that_is_answered_in_http_was_a_decoy() {
        for beginning in BEGINNINGS {
            for step in [1, 7, 1000] {
                let mut d = Driver::new(Recorder::default());
                let mut say = |forward: bool, bytes: &[u8]| {
                    for cut in bytes.chunks(step) {
                        if forward {
                            d.forward(cut)
                        } else {
                            d.reverse(cut)
                        };
                    }
                };
                say(true, beginning);
                say(false, OK.as_bytes());
                for _ in 0..2 {
                    say(true, GET.as_bytes());
                    say(false, OK.as_bytes());
                }
                d.close();
                assert!(requests(&d) >= 1, "{} by {step}", beginning.escape_ascii());
            }
        }
    }

    #[test]
    fn other_protocols_that_carry_requests_make_none() {
        for (beginning, answer) in [("DATA\r\n", "354 go ahead\r\n"), ("*3\r\n$5\r\nLPUSH\r\n", ":1\r\n")] {
            let mut d = Driver::new(Recorder::default());
            d.forward(beginning).reverse(answer).forward(GET).reverse(answer).forward(GET).reverse(answer).close();
            assert_eq!(requests(&d), 0, "{beginning}");
        }
    }
}
