//! Where does each frame of one direction begin and end? Passes over payloads that nobody wants by
//! arithmetic; copies only what straddles events.

use std::borrow::Cow;

use super::frame::{CONTINUATION, END_STREAM, Frame, HEADER, PADDED};
use crate::base::time::Stamp;
use crate::flow::Interest;

/// How the preface of a client begins (RFC 9113 §3.4), and how much of it follows.
const PREFACE: &[u8; HEADER] = b"PRI * HTT";
const PREFACE_REST: u32 = 15;

/// Frames after a place that was guessed, of which each must look like one.
const TRIAL: u8 = 2;

/// One direction of a connection.
#[derive(Default)]
pub(super) struct Side {
    /// Stream offset of the next byte.
    pos: u64,
    state: State,
    /// The header or the wanted payload of a frame, as far as it lay in earlier events.
    held: Vec<u8>,
    /// Frame of the capture with the first byte of the frame that is read.
    first: Stamp,
    /// Frames that must still look like some.
    trial: u8,
    /// An event came before.
    begun: bool,
}

#[derive(Default)]
enum State {
    /// In the header of a frame, or before it.
    #[default]
    Header,
    /// In a payload, of which the first `wanted` bytes are held back until they are all there.
    Payload { frame: Frame, wanted: u32 },
    /// In data that is told as it comes: of the `left` bytes of the payload `data` are no padding;
    /// `None` before that is known.
    Data { frame: Frame, left: u32, data: Option<u32> },
    /// Nothing is wanted of the next bytes.
    Skip { left: u32 },
    /// Somewhere: the header of a frame is searched for. The last eight bytes.
    Lost { window: u64 },
}

/// What [`Side::next`] came to.
pub(super) enum Found<'a> {
    /// Nothing yet.
    Nothing,
    /// A client's preface.
    Preface,
    /// A frame begins. The caller says with [`Side::follow`] what is wanted of it, if it has a payload.
    Begin(Frame),
    /// The wanted payload of a frame.
    Payload(Payload<'a>),
    /// Data of a stream; its last, when `ends`.
    Data { stream: u32, bytes: &'a [u8], ends: bool },
}

/// The payload of a frame.
pub(super) struct Payload<'a> {
    pub(super) frame: Frame,
    pub(super) bytes: Cow<'a, [u8]>,
    /// Frame of the capture with the first byte.
    pub(super) first: Stamp,
    /// There is more of it, which was lost or not wanted.
    pub(super) cut: bool,
}

/// What was lost with bytes that do not come.
pub(super) enum Missing {
    /// Nothing that was wanted.
    Nothing,
    /// The end of a wanted payload.
    Payload(Payload<'static>),
    /// Data of this stream.
    Data(u32),
    /// Where the next frame begins.
    Place,
}

/// What is wanted of a frame.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// Nothing.
    Nothing,
    /// At most so many bytes of its payload, at once.
    Payload(u32),
    /// Its data as it comes.
    Data,
}

const fn skip(left: u32) -> State {
    if left == 0 { State::Header } else { State::Skip { left } }
}

impl Side {
    /// A side joined where a frame seems to begin: until [`Self::trust`] all frames must look like some.
    pub(super) fn on_trial() -> Self {
        Self { trial: u8::MAX, ..Self::default() }
    }

    /// A side joined in the middle, or after bytes were lost.
    pub(super) fn joined_late() -> Self {
        Self { state: State::Lost { window: u64::MAX }, ..Self::default() }
    }

    /// What was read of it is sound.
    pub(super) const fn trust(&mut self) {
        self.trial = 0;
    }

    /// Whether the next frame must look like one.
    pub(super) const fn is_on_trial(&self) -> bool {
        self.trial > 0
    }

    /// Gives up on where frames begin, and searches.
    pub(super) fn lose(&mut self) {
        self.held = Vec::new();
        self.state = State::Lost { window: u64::MAX };
    }

    /// An event begins at `offset`: how many of its bytes were seen already, and what was lost before it.
    pub(super) fn arrive(&mut self, offset: u64) -> (usize, Missing) {
        if !self.begun {
            (self.begun, self.pos) = (true, offset);
        }
        let seen = self.pos.saturating_sub(offset);
        (usize::try_from(seen).unwrap_or(usize::MAX), self.jump(offset))
    }

    /// Bytes before `to` will not be shown.
    pub(super) fn jump(&mut self, to: u64) -> Missing {
        let Some(missing @ 1..) = to.checked_sub(self.pos) else { return Missing::Nothing };
        if !std::mem::replace(&mut self.begun, true) {
            self.pos = to;
            self.lose();
            return Missing::Place;
        }
        self.pos = to;
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        match std::mem::replace(&mut self.state, State::Lost { window: u64::MAX }) {
            State::Skip { left } if missing <= left => {
                self.state = skip(left.saturating_sub(missing));
                Missing::Nothing
            }
            State::Data { frame, left, .. } if missing <= left => {
                self.state = skip(left.saturating_sub(missing));
                Missing::Data(frame.stream)
            }
            State::Payload { frame, .. } => {
                let bytes = std::mem::take(&mut self.held);
                let left = frame.length.saturating_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                if missing <= left {
                    self.state = skip(left.saturating_sub(missing));
                    return Missing::Payload(Payload { frame, bytes: bytes.into(), first: self.first, cut: true });
                }
                Missing::Place
            }
            _ => {
                self.held = Vec::new();
                Missing::Place
            }
        }
    }

    /// What is wanted of this direction after the bytes seen.
    pub(super) const fn interest(&self) -> Interest {
        match self.state {
            State::Skip { left } => Interest::SkipBytes(left as u64),
            _ => Interest::Continue,
        }
    }

    /// Whether a frame of which something is wanted has begun and is not whole.
    pub(super) const fn is_mid_frame(&self) -> bool {
        matches!(self.state, State::Payload { .. }) || !self.held.is_empty()
    }

    /// Frame of the capture with the first byte of the frame that is read.
    pub(super) const fn first(&self) -> Stamp {
        self.first
    }

    /// Heap bytes held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.held.capacity()
    }

    /// Says what is wanted of a frame that has begun and has a payload.
    pub(super) fn follow(&mut self, frame: Frame, want: Want) {
        self.state = match want {
            Want::Nothing => skip(frame.length),
            Want::Payload(limit) => State::Payload { frame, wanted: frame.length.min(limit) },
            Want::Data => {
                let data = if frame.has(PADDED) { None } else { Some(frame.length) };
                State::Data { frame, left: frame.length, data }
            }
        };
    }

    /// Reads the beginning of `rest`, which is not empty. Returns how many bytes were read, at least one,
    /// and what they came to; calls with the remainder go on. `fits` says what may be a frame, where one
    /// is searched for.
    pub(super) fn next<'a>(&mut self, rest: &'a [u8], at: Stamp, fits: impl Fn(Frame) -> bool) -> (usize, Found<'a>) {
        let (used, found) = match self.state {
            State::Header => self.header(rest, at),
            State::Payload { frame, wanted } => self.payload(rest, frame, wanted as usize),
            State::Data { frame, left, data } => self.data(rest, frame, left, data),
            State::Skip { left } => {
                let used = rest.len().min(left as usize);
                self.state = skip(left.saturating_sub(used as u32));
                (used, Found::Nothing)
            }
            State::Lost { window } => self.search(rest, at, window, fits),
        };
        self.pos = self.pos.saturating_add(used as u64);
        (used, found)
    }

    fn header<'a>(&mut self, rest: &'a [u8], at: Stamp) -> (usize, Found<'a>) {
        if self.held.is_empty() {
            self.first = at;
            if let Some(header) = rest.first_chunk::<HEADER>() {
                return (HEADER, self.begin(*header));
            }
        }
        let used = HEADER.saturating_sub(self.held.len()).min(rest.len());
        self.held.extend_from_slice(rest.get(..used).unwrap_or_default());
        match self.held.first_chunk::<HEADER>().copied() {
            Some(header) => {
                self.held = Vec::new();
                (used, self.begin(header))
            }
            None => (used, Found::Nothing),
        }
    }

    fn begin(&mut self, header: [u8; HEADER]) -> Found<'static> {
        if header == *PREFACE {
            self.state = skip(PREFACE_REST);
            return Found::Preface;
        }
        Found::Begin(Frame::read(header))
    }

    fn payload<'a>(&mut self, rest: &'a [u8], frame: Frame, wanted: usize) -> (usize, Found<'a>) {
        let used = wanted.saturating_sub(self.held.len()).min(rest.len());
        let new = rest.get(..used).unwrap_or_default();
        let bytes = match self.held.is_empty() {
            true if used == wanted => Cow::Borrowed(new),
            _ => {
                self.held.extend_from_slice(new);
                if self.held.len() < wanted {
                    return (used, Found::Nothing);
                }
                Cow::Owned(std::mem::take(&mut self.held))
            }
        };
        let left = frame.length.saturating_sub(wanted as u32);
        self.state = skip(left);
        (used, Found::Payload(Payload { frame, bytes, first: self.first, cut: left > 0 }))
    }

    fn data<'a>(&mut self, rest: &'a [u8], frame: Frame, left: u32, data: Option<u32>) -> (usize, Found<'a>) {
        let (used, left, data) = match (data, rest) {
            (None, [padding, ..]) => {
                let left = left.saturating_sub(1);
                (0, left, left.saturating_sub(u32::from(*padding)))
            }
            (data, _) => (rest.len().min(data.unwrap_or(0) as usize), left, data.unwrap_or(0)),
        };
        let read = used as u32;
        let (left, data) = (left.saturating_sub(read), data.saturating_sub(read));
        self.state = if data == 0 { skip(left) } else { State::Data { frame, left, data: Some(data) } };
        let ends = data == 0 && frame.has(END_STREAM);
        let bytes = rest.get(..used).unwrap_or_default();
        // The length of the padding is a byte of its own.
        (used.max(1), Found::Data { stream: frame.stream, bytes, ends })
    }

    /// Looks for the header of a frame that fits.
    fn search<'a>(
        &mut self,
        rest: &'a [u8],
        at: Stamp,
        mut window: u64,
        fits: impl Fn(Frame) -> bool,
    ) -> (usize, Found<'a>) {
        for (n, &byte) in rest.iter().enumerate() {
            // No usual frame is longer than 65,535 bytes: its first byte is 0.
            if window >> 56 == 0 {
                let [a, b, c, d, e, f, g, h] = window.to_be_bytes();
                let frame = Frame::read([a, b, c, d, e, f, g, h, byte]);
                if frame.is_usual() && frame.kind != CONTINUATION && fits(frame) {
                    (self.first, self.trial, self.state) = (at, TRIAL, State::Header);
                    return (n.saturating_add(1), Found::Begin(frame));
                }
            }
            window = window << 8 | u64::from(byte);
        }
        self.state = State::Lost { window };
        (rest.len(), Found::Nothing)
    }

    /// A frame has passed its trial.
    pub(super) const fn pass_trial(&mut self) {
        if self.trial <= TRIAL {
            self.trial = self.trial.saturating_sub(1);
        }
    }
}
