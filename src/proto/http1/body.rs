//! Where in the body are we? Passes over bodies by arithmetic, and over chunks by their sizes.

use crate::proto::collect::Collect;

/// The body being passed over. Offsets are those of the stream. All but the first are places in a
/// chunked body (RFC 9112 §7.1); `cr` says that the byte before was a CR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    /// Ends before this offset.
    Until(u64),
    /// In a chunk size: the number so far, if any digit was read; `ended` once it was followed by space.
    Size { value: u64, digits: bool, ended: bool, cr: bool },
    /// After the size, before the end of its line.
    Extension { size: u64, cr: bool },
    /// In the data of a chunk.
    Data { end: u64 },
    /// After the data of a chunk, before the end of that line.
    DataEnd { cr: bool },
    /// After the last chunk; `inked` when the current line has a byte other than CR.
    Trailer { inked: bool },
}

/// What came of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passed {
    /// The body goes on.
    More,
    /// The body goes on, after a line end that hosts read differently: a bare CR or LF.
    Odd,
    /// It is over.
    Done,
    /// It is no chunked body: a size is missing or beyond 2⁶², or data is longer than its size.
    Malformed,
}

/// Largest chunk that is believed.
const CHUNK_LIMIT: u64 = 1 << 62;

impl Body {
    /// A chunked body from its first byte on.
    pub(super) const CHUNKED: Self = Self::Size { value: 0, digits: false, ended: false, cr: false };

    /// Offset up to which bytes are of no interest, if any are.
    pub(super) const fn skip_to(self) -> Option<u64> {
        match self {
            Self::Until(end) | Self::Data { end } => Some(end),
            _ => None,
        }
    }

    /// At the first byte of a line after the last chunk.
    pub(super) const fn at_trailer_line(self) -> bool {
        matches!(self, Self::Trailer { inked: false })
    }

    /// Passes over the beginning of `bytes`, which stand at offset `pos`, and says how many bytes
    /// were passed over: all of them, or up to a turn (end, odd line end, trailer line, `kept` is
    /// full) to be looked at. Data goes to `kept`.
    pub(super) fn pass(&mut self, pos: u64, bytes: &[u8], mut kept: Option<&mut Collect>) -> (usize, Passed) {
        let mut used = 0_usize;
        while let Some(rest @ [byte, ..]) = bytes.get(used..) {
            let here = pos.saturating_add(used as u64);
            let mut step = 1;
            let mut odd = false;
            let mut full = false;
            *self = match *self {
                Self::Until(end) | Self::Data { end } => {
                    step = passed(here, end, rest);
                    if let Some(kept) = kept.as_deref_mut() {
                        kept.take(rest.get(..step).unwrap_or_default());
                        full = kept.is_full();
                    }
                    let ends = here.saturating_add(step as u64) >= end;
                    match *self {
                        Self::Until(_) if ends => return (used.saturating_add(step), Passed::Done),
                        Self::Data { .. } if ends => Self::DataEnd { cr: false },
                        same => same,
                    }
                }
                Self::Size { value, digits, ended, cr } => match byte {
                    b'\r' => Self::Size { value, digits, ended: digits, cr: true },
                    b'\n' if digits => {
                        odd = !cr;
                        Self::after_size(value, here.saturating_add(1))
                    }
                    b' ' | b'\t' => {
                        odd = cr;
                        Self::Size { value, digits, ended: digits, cr: false }
                    }
                    b';' if digits => {
                        odd = cr;
                        Self::Extension { size: value, cr: false }
                    }
                    _ => match hex(*byte).filter(|_| !ended) {
                        Some(digit) if value < CHUNK_LIMIT >> 4 => {
                            Self::Size { value: value << 4 | digit, digits: true, ended, cr: false }
                        }
                        _ => return (used, Passed::Malformed),
                    },
                },
                Self::Extension { size, cr } => match (cr, memchr::memchr2(b'\r', b'\n', rest)) {
                    (true, Some(0)) if *byte == b'\n' => Self::after_size(size, here.saturating_add(1)),
                    (true, _) => {
                        odd = true;
                        step = 0;
                        Self::Extension { size, cr: false }
                    }
                    (false, Some(n)) => {
                        step = n.saturating_add(1);
                        odd = rest.get(n) == Some(&b'\n');
                        match odd {
                            true => Self::after_size(size, here.saturating_add(step as u64)),
                            false => Self::Extension { size, cr: true },
                        }
                    }
                    (false, None) => return (bytes.len(), Passed::More),
                },
                Self::DataEnd { cr } => match byte {
                    b'\r' => {
                        odd = cr;
                        Self::DataEnd { cr: true }
                    }
                    b'\n' => {
                        odd = !cr;
                        Self::CHUNKED
                    }
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
            if odd {
                return (used, Passed::Odd);
            }
            if full || matches!(self, Self::Trailer { .. }) {
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

/// How many of `bytes` at `pos` stand before `end`.
fn passed(pos: u64, end: u64, bytes: &[u8]) -> usize {
    usize::try_from(end.saturating_sub(pos)).unwrap_or(usize::MAX).min(bytes.len())
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes over `text` in pieces of `step` bytes; where the body ended, how, and after which bytes
    /// a line end was odd.
    fn pass(text: &str, step: usize) -> (usize, Passed, Vec<usize>) {
        let mut body = Body::CHUNKED;
        let mut pos = 0;
        let mut odd = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (used, passed) = body.pass(1000 + pos as u64, rest, None);
                pos += used;
                rest = &rest[used..];
                match passed {
                    Passed::More => {}
                    Passed::Odd => odd.push(pos),
                    Passed::Done | Passed::Malformed => return (pos, passed, odd),
                }
            }
        }
        (pos, Passed::More, odd)
    }

    #[test]
    fn chunked_bodies_under_any_cut() {
        let cases = [
            ("5\r\nhello\r\n0\r\n\r\n", "next", Passed::Done, vec![]),
            ("5;a=b\nhello\n00 ;x\r\nTrailer: x\r\n\r\n", "next", Passed::Done, vec![6, 12]),
            (" 0A \r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "next", Passed::Done, vec![]),
            ("1\nx\r\r\n1;\ra\r\ny\r\n0\r\n\r\n", "next", Passed::Done, vec![2, 5, 9]),
            ("", "hello", Passed::Malformed, vec![]),
            ("5", "x\r\n", Passed::Malformed, vec![]),
            ("5 ", "5\r\n", Passed::Malformed, vec![]),
            ("2\r\nhe", "llo\r\n", Passed::Malformed, vec![]),
            ("FFFFFFFFFFFFFFF", "F\r\n", Passed::Malformed, vec![]),
        ];
        for (body, rest, how, odd) in cases {
            let text = format!("{body}{rest}");
            for step in 1..=text.len() {
                // "hello" begins with `h`, which is no digit: nothing of it is passed over
                assert_eq!(pass(&text, step), (body.len(), how, odd.clone()), "{text:?} in pieces of {step}");
            }
        }
    }

    #[test]
    fn huge_chunks_are_passed_by_arithmetic() {
        let mut body = Body::CHUNKED;
        assert_eq!(body.pass(0, b"3FFFFFFFFFFFFFF\r\nx", None), (18, Passed::More));
        assert_eq!(body.skip_to(), Some(17 + 0x3FF_FFFF_FFFF_FFFF));
    }
}
