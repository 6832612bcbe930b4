//! How long is the body? What a head declares, with every reading that some server would take.

use smallvec::SmallVec;

use super::line::{is_space, trim};
use super::pairing::Asked;
use crate::proto::{Header, HttpVersion};

/// Lengths that are remembered of one head.
const LENGTHS: usize = 8;

/// Ascending plausible lengths of a body, in bytes.
pub(super) type Lengths = SmallVec<[u64; LENGTHS]>;

/// What follows a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyKind {
    /// The next message.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks (RFC 9112 §7.1).
    Chunked,
    /// Bytes until the connection ends.
    UntilClose,
    /// A body whose end nobody can tell.
    Unknown,
}

/// The reading that is followed, and the others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Framing {
    pub(super) kind: BodyKind,
    /// Other lengths after which the next message may begin; one that does is believed.
    pub(super) others: Lengths,
}

impl Framing {
    /// The next message follows at once.
    pub(super) const NONE: Self = Self { kind: BodyKind::None, others: Lengths::new_const() };

    fn also(mut self, length: u64) -> Self {
        if !matches!(self.kind, BodyKind::None | BodyKind::Unknown | BodyKind::UntilClose) {
            insert(&mut self.others, length);
        }
        self
    }
}

/// Framing of a request (RFC 9112 §6.3). A CONNECT may declare a body and send none.
pub(super) fn of_request(asked: Asked, headers: &[Header<'_>]) -> Framing {
    let framing = declared(headers).unwrap_or(Framing::NONE);
    if asked == Asked::Connect { framing.also(0) } else { framing }
}

/// Framing of a response (RFC 9112 §6.3) to a request that asked this. Where the request was not
/// seen it may have been HEAD, so that the next response may follow at once.
pub(super) fn of_response(asked: Asked, status: u16, version: HttpVersion, headers: &[Header<'_>]) -> Framing {
    if asked == Asked::Head || matches!(status, 100..=199 | 204 | 304) {
        return Framing::NONE;
    }
    let framing = declared(headers).unwrap_or_else(|| {
        let sure = asked != Asked::Unknown || version != HttpVersion::V11 || says_close(headers);
        Framing { kind: if sure { BodyKind::UntilClose } else { BodyKind::Unknown }, ..Framing::NONE }
    });
    if asked == Asked::Unknown { framing.also(0) } else { framing }
}

/// What Content-Length and Transfer-Encoding say; `None` when neither says anything.
///
/// Chunked wins over a length (RFC 9112 §6.3), which stays plausible. Of several lengths the
/// longest is followed and the shorter ones are plausible. A length that only a careless reader
/// accepts (`+5`, `5x`) is read as that reader does, and as no body.
fn declared(headers: &[Header<'_>]) -> Option<Framing> {
    let mut lengths = Lengths::new();
    let mut careless = false;
    let mut chunked = None;
    for header in headers {
        if header.name.len() == 14 && header.name.eq_ignore_ascii_case(b"content-length") {
            for text in header.value.split(|b| *b == b',') {
                let (length, sound) = length(text);
                careless |= !sound;
                length.into_iter().for_each(|n| insert(&mut lengths, n));
            }
        } else if header.name.len() == 17 && header.name.eq_ignore_ascii_case(b"transfer-encoding") {
            chunked = chunking(&header.value).max(chunked);
        }
    }
    if let Some(sure) = chunked {
        let framing = Framing { kind: BodyKind::Chunked, others: lengths };
        return Some(if careless || sure == Chunking::Obfuscated { framing.also(0) } else { framing });
    }
    match lengths.pop() {
        Some(0) => Some(Framing::NONE),
        Some(n) => {
            let framing = Framing { kind: BodyKind::Length(n), others: lengths };
            Some(if careless { framing.also(0) } else { framing })
        }
        None => careless.then_some(Framing { kind: BodyKind::Unknown, ..Framing::NONE }),
    }
}

/// Whether `chunked` is said so that everyone understands it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Chunking {
    /// `\x0bchunked`, `xchunked`, `chunked, identity`: understood by some.
    Obfuscated,
    /// The last coding is `chunked`.
    Sure,
}

fn chunking(value: &[u8]) -> Option<Chunking> {
    let last = value.rsplit(|b| *b == b',').next().unwrap_or(value);
    if trim(last, |b| matches!(b, b' ' | b'\t')).eq_ignore_ascii_case(b"chunked") {
        return Some(Chunking::Sure);
    }
    value.windows(7).any(|w| w.eq_ignore_ascii_case(b"chunked")).then_some(Chunking::Obfuscated)
}

/// Reads one length, and whether it is written as RFC 9110 §8.6 wants it.
fn length(text: &[u8]) -> (Option<u64>, bool) {
    let text = trim(text, is_space);
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = digits
        .get(..count)
        .filter(|d| !d.is_empty())
        .and_then(|d| d.iter().try_fold(0_u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b.wrapping_sub(b'0')))));
    (number, number.is_some() && count == text.len())
}

fn insert(lengths: &mut Lengths, length: u64) {
    if let Err(at) = lengths.binary_search(&length)
        && lengths.len() < LENGTHS
    {
        lengths.insert(at, length);
    }
}

fn says_close(headers: &[Header<'_>]) -> bool {
    headers.iter().any(|h| {
        h.name.eq_ignore_ascii_case(b"connection") && h.value.windows(5).any(|w| w.eq_ignore_ascii_case(b"close"))
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn heads<'a>(list: &[(&'a str, &'a str)]) -> Vec<Header<'a>> {
        list.iter().map(|(n, v)| Header { name: n.as_bytes(), value: Cow::Borrowed(v.as_bytes()) }).collect()
    }

    fn request(list: &[(&str, &str)]) -> (BodyKind, Vec<u64>) {
        let f = of_request(Asked::Other, &heads(list));
        (f.kind, f.others.to_vec())
    }

    #[test]
    fn request_framing() {
        use BodyKind::{Chunked, Length, None, Unknown};
        let (cl, te) = ("Content-Length", "transfer-encoding");
        assert_eq!(request(&[]), (None, vec![]));
        assert_eq!(request(&[(cl, "0")]), (None, vec![]));
        assert_eq!(request(&[(cl, " 5 "), (cl, "5,5")]), (Length(5), vec![]));
        assert_eq!(request(&[(cl, "5"), (cl, "200")]), (Length(200), vec![5]));
        assert_eq!(request(&[(cl, "+5")]), (Length(5), vec![0]));
        assert_eq!(request(&[(cl, "5x")]), (Length(5), vec![0]));
        assert_eq!(request(&[(cl, "-5")]), (Unknown, vec![]));
        assert_eq!(request(&[(cl, "99999999999999999999")]), (Unknown, vec![]));
        assert_eq!(request(&[(te, "gzip, Chunked")]), (Chunked, vec![]));
        assert_eq!(request(&[(te, "chunked"), (cl, "4")]), (Chunked, vec![4]));
        assert_eq!(request(&[(te, "\u{b}chunked"), (cl, "249")]), (Chunked, vec![0, 249]));
        assert_eq!(request(&[(te, "identity"), (cl, "4")]), (Length(4), vec![]));
    }

    #[test]
    fn response_framing() {
        let kind = |asked, status, version, list: &[_]| of_response(asked, status, version, &heads(list)).kind;
        let length = [("content-length", "5")];
        assert_eq!(kind(Asked::Other, 200, HttpVersion::V11, &length), BodyKind::Length(5));
        assert_eq!(kind(Asked::Head, 200, HttpVersion::V11, &length), BodyKind::None);
        assert_eq!(kind(Asked::Other, 304, HttpVersion::V11, &length), BodyKind::None);
        assert_eq!(kind(Asked::Other, 200, HttpVersion::V11, &[]), BodyKind::UntilClose);
        assert_eq!(kind(Asked::Unknown, 200, HttpVersion::V11, &[]), BodyKind::Unknown);
        assert_eq!(kind(Asked::Unknown, 200, HttpVersion::V11, &[("Connection", "Close")]), BodyKind::UntilClose);
        assert_eq!(of_response(Asked::Unknown, 200, HttpVersion::V11, &heads(&length)).others.to_vec(), [0]);
    }

    #[test]
    fn many_lengths_are_bounded() {
        let texts: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let list: Vec<_> = texts.iter().map(|t| ("content-length", t.as_str())).collect();
        assert!(of_request(Asked::Other, &heads(&list)).others.len() <= LENGTHS);
    }
}
