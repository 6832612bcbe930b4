//! Where in the body are we? Passes over bodies by arithmetic, and over chunks by their sizes.

/// The body being passed over. Offsets are those of the stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    /// Ends before this offset.
    Until(u64),
    /// In chunks (RFC 9112 §7.1).
    Chunked(Chunked),
}

/// Where in a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chunked {
    /// In a chunk size: the number so far, if any digit was read; `ended` once it was followed by space.
    Size { value: Option<u64>, ended: bool },
    /// After the size, before the end of its line.
    Extension { size: u64 },
    /// In the data of a chunk.
    Data { end: u64 },
    /// After the data of a chunk, before the end of that line.
    DataEnd,
    /// After the last chunk; `inked` when the current line has a byte other than CR.
    Trailer { inked: bool },
}

/// What came of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passed {
    /// The body goes on.
    More,
    /// It is over.
    Done,
    /// It is no chunked body: a size is missing or beyond 2⁶², or data is longer than its size.
    Malformed,
}

/// Largest chunk that is believed.
const CHUNK_LIMIT: u64 = 1 << 62;

impl Body {
    /// A chunked body from its first byte on.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunked::Size { value: None, ended: false });

    /// Offset up to which bytes are of no interest, if any are.
    pub(super) const fn skip_to(self) -> Option<u64> {
        match self {
            Self::Until(end) | Self::Chunked(Chunked::Data { end }) => Some(end),
            Self::Chunked(_) => None,
        }
    }

    /// At the first byte of a line after the last chunk.
    pub(super) const fn at_trailer_line(self) -> bool {
        matches!(self, Self::Chunked(Chunked::Trailer { inked: false }))
    }

    /// Passes over the beginning of `bytes`, which stand at offset `pos`, and says how many bytes
    /// were passed over: all of them, or up to a turn (end, trailer line) to be looked at.
    pub(super) fn pass(&mut self, pos: u64, bytes: &[u8]) -> (usize, Passed) {
        match self {
            Self::Until(end) => {
                let used = passed(pos, *end, bytes);
                (used, if pos.saturating_add(used as u64) >= *end { Passed::Done } else { Passed::More })
            }
            Self::Chunked(chunked) => chunked.pass(pos, bytes),
        }
    }
}

/// How many of `bytes` at `pos` stand before `end`.
fn passed(pos: u64, end: u64, bytes: &[u8]) -> usize {
    usize::try_from(end.saturating_sub(pos)).unwrap_or(usize::MAX).min(bytes.len())
}

impl Chunked {
    fn pass(&mut self, pos: u64, bytes: &[u8]) -> (usize, Passed) {
        let mut used = 0_usize;
        while let Some(rest @ [byte, ..]) = bytes.get(used..) {
            let here = pos.saturating_add(used as u64);
            let mut step = 1;
            *self = match *self {
                Self::Size { value, ended } => match (byte, value) {
                    (b' ' | b'\t' | b'\r', _) => Self::Size { value, ended: value.is_some() },
                    (b'\n', Some(size)) => Self::after_size(size, here.saturating_add(1)),
                    (b';', Some(size)) => Self::Extension { size },
                    _ => match hex(*byte).filter(|_| !ended) {
                        Some(digit) if value.unwrap_or(0) < CHUNK_LIMIT >> 4 => {
                            Self::Size { value: Some(value.unwrap_or(0) << 4 | digit), ended }
                        }
                        _ => return (used, Passed::Malformed),
                    },
                },
                Self::Extension { size } => match memchr::memchr(b'\n', rest) {
                    Some(lf) => {
                        step = lf.saturating_add(1);
                        Self::after_size(size, here.saturating_add(step as u64))
                    }
                    None => return (bytes.len(), Passed::More),
                },
                Self::Data { end } => {
                    step = passed(here, end, rest);
                    if here.saturating_add(step as u64) >= end { Self::DataEnd } else { Self::Data { end } }
                }
                Self::DataEnd => match byte {
                    b'\r' => Self::DataEnd,
                    b'\n' => Self::Size { value: None, ended: false },
                    _ => return (used, Passed::Malformed),
                },
                Self::Trailer { inked } => match memchr::memchr(b'\n', rest) {
                    Some(lf) => {
                        let used = used.saturating_add(lf).saturating_add(1);
                        let blank = !inked && rest.get(..lf).is_some_and(|l| l.iter().all(|b| *b == b'\r'));
                        *self = Self::Trailer { inked: false };
                        return (used, if blank { Passed::Done } else { Passed::More });
                    }
                    None => {
                        *self = Self::Trailer { inked: inked || rest.iter().any(|b| *b != b'\r') };
                        return (bytes.len(), Passed::More);
                    }
                },
            };
            used = used.saturating_add(step);
            if matches!(self, Self::Trailer { .. }) {
                return (used, Passed::More);
            }
        }
        (used, Passed::More)
    }

    /// What follows the line of a chunk size, which ends before `from`.
    const fn after_size(size: u64, from: u64) -> Self {
        match size {
            0 => Self::Trailer { inked: false },
            _ => Self::Data { end: from.saturating_add(size) },
        }
    }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes over `text` in pieces of `step` bytes; where the body ended, and how.
    fn pass(text: &str, step: usize) -> (usize, Passed) {
        let mut body = Body::CHUNKED;
        let mut pos = 0;
        for piece in text.as_bytes().chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (used, passed) = body.pass(1000 + pos as u64, rest);
                pos += used;
                rest = &rest[used..];
                if passed != Passed::More {
                    return (pos, passed);
                }
            }
        }
        (pos, Passed::More)
    }

    #[test]
    fn chunked_bodies_under_any_cut() {
        let cases = [
            ("5\r\nhello\r\n0\r\n\r\n", "next", Passed::Done),
            ("5;a=b\nhello\n00 ;x\r\nTrailer: x\r\n\r\n", "next", Passed::Done),
            (" 0A \r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "next", Passed::Done),
            ("", "hello", Passed::Malformed),
            ("5", "x\r\n", Passed::Malformed),
            ("5 ", "5\r\n", Passed::Malformed),
            ("2\r\nhe", "llo\r\n", Passed::Malformed),
            ("FFFFFFFFFFFFFFF", "F\r\n", Passed::Malformed),
        ];
        for (body, rest, how) in cases {
            let text = format!("{body}{rest}");
            for step in 1..=text.len() {
                // "hello" begins with `h`, which is no digit: nothing of it is passed over
                assert_eq!(pass(&text, step), (body.len(), how), "{text:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn huge_chunks_are_passed_by_arithmetic() {
        let mut body = Body::CHUNKED;
        assert_eq!(body.pass(0, b"3FFFFFFFFFFFFFF\r\nx"), (18, Passed::More));
        assert_eq!(body.skip_to(), Some(17 + 0x3FF_FFFF_FFFF_FFFF));
    }
}
