//! How long is the body? What a head declares, with every reading that some server would take.

use smallvec::SmallVec;

use super::line::{is_space, trim};
use super::pairing::Asked;
use crate::proto::{Ambiguity, Header, HttpVersion};

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
    /// Why there are others.
    pub(super) ambiguity: Option<Ambiguity>,
}

impl Framing {
    /// The next message follows at once.
    pub(super) const NONE: Self = Self::of(BodyKind::None, Lengths::new_const());

    /// Nobody can tell where the next message follows.
    pub(super) const UNKNOWN: Self = Self::of(BodyKind::Unknown, Lengths::new_const());

    const fn of(kind: BodyKind, others: Lengths) -> Self {
        Self { kind, others, ambiguity: None }
    }

    fn also(mut self, length: u64) -> Self {
        if !matches!(self.kind, BodyKind::None | BodyKind::Unknown | BodyKind::UntilClose) {
            insert(&mut self.others, length);
        }
        self
    }
}

/// Framing of a request (RFC 9112 §6.3). A CONNECT may declare a body and send none. `doubtful` when
/// the fields that say it are written so that some hosts do not see them.
pub(super) fn of_request(asked: Asked, version: HttpVersion, headers: &[Header<'_>], doubtful: bool) -> Framing {
    let framing = declared(headers, version, doubtful).unwrap_or(Framing::NONE);
    if asked == Asked::Connect { framing.also(0) } else { framing }
}

/// Framing of a response (RFC 9112 §6.3) to a request that asked this. Where the request was not
/// seen it may have been HEAD, so that the next response may follow at once.
pub(super) fn of_response(asked: Asked, status: u16, version: HttpVersion, headers: &[Header<'_>]) -> Framing {
    if asked == Asked::Head || matches!(status, 100..=199 | 204 | 304) {
        return Framing::NONE;
    }
    // Clients read a chunked body in a reply of HTTP/1.0, too.
    let framing = declared(headers, HttpVersion::V11, false).unwrap_or_else(|| {
        let sure = asked != Asked::Unknown || version != HttpVersion::V11 || says_close(headers);
        if sure { Framing::of(BodyKind::UntilClose, Lengths::new()) } else { Framing::UNKNOWN }
    });
    if asked == Asked::Unknown { framing.also(0) } else { framing }
}

/// What Content-Length and Transfer-Encoding say; `None` when neither says anything.
///
/// Chunked wins over a length (RFC 9112 §6.3), which stays plausible. Of several lengths the
/// longest is followed and the shorter ones are plausible. A length that only a careless reader
/// accepts (`+5`, `5x`) is read as that reader does, and as no body.
fn declared(headers: &[Header<'_>], version: HttpVersion, doubtful: bool) -> Option<Framing> {
    let mut lengths = Lengths::new();
    let mut careless = false;
    let mut codings = Codings::default();
    for header in headers {
        if header.name.len() == 14 && header.name.eq_ignore_ascii_case(b"content-length") {
            for text in header.value.split(|b| *b == b',') {
                let (length, sound) = length(text);
                careless |= !sound;
                length.into_iter().for_each(|n| insert(&mut lengths, n));
            }
        } else if header.name.len() == 17 && header.name.eq_ignore_ascii_case(b"transfer-encoding") {
            codings.read(&header.value);
        }
    }
    let differing =
        (careless || lengths.len() > 1 || (doubtful && !lengths.is_empty())).then_some(Ambiguity::DifferingLengths);
    if codings.chunked {
        // Hosts that speak HTTP/1.0 do not know of chunks.
        let sure = codings.sure() && !doubtful && version >= HttpVersion::V11;
        let ambiguity = match (sure, lengths.is_empty() && !careless) {
            (false, _) => Some(Ambiguity::ObfuscatedEncoding),
            (true, false) => Some(Ambiguity::LengthAndEncoding),
            (true, true) => None,
        };
        let framing = Framing { ambiguity, ..Framing::of(BodyKind::Chunked, lengths) };
        return Some(if careless || !sure { framing.also(0) } else { framing });
    }
    match lengths.pop() {
        Some(0) => Some(Framing { ambiguity: differing, ..Framing::NONE }),
        Some(n) => {
            let framing = Framing { ambiguity: differing, ..Framing::of(BodyKind::Length(n), lengths) };
            Some(if careless || doubtful { framing.also(0) } else { framing })
        }
        None => careless.then_some(Framing { ambiguity: differing, ..Framing::UNKNOWN }),
    }
}

/// The transfer codings of a message, and whether `chunked` is said so that everyone understands it.
#[derive(Default)]
struct Codings {
    /// `chunked` is said somehow: `\x0bchunked`, `xchunked`, `chunked, identity` are understood by some.
    chunked: bool,
    /// The latest coding is exactly `chunked`.
    last: bool,
    /// One is not known to everyone, or comes behind `chunked`.
    odd: bool,
}

impl Codings {
    /// One field's value.
    fn read(&mut self, value: &[u8]) {
        for coding in value.split(|b| *b == b',').map(|c| trim(c, |b| matches!(b, b' ' | b'\t'))) {
            let is = |word: &&[u8]| coding.eq_ignore_ascii_case(word);
            let known: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];
            self.odd |= self.chunked || !(is(&&b"chunked"[..]) || known.iter().any(is));
            self.last = is(&&b"chunked"[..]);
            self.chunked |= coding.windows(7).any(|w| w.eq_ignore_ascii_case(b"chunked"));
        }
    }

    const fn sure(&self) -> bool {
        self.last && !self.odd
    }
}

/// Reads one length, and whether it is written as RFC 9110 §8.6 wants it.
fn length(text: &[u8]) -> (Option<u64>, bool) {
    let sound = trim(text, |b| matches!(b, b' ' | b'\t'));
    let text = trim(text, is_space);
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = digits
        .get(..count)
        .filter(|d| !d.is_empty())
        .and_then(|d| d.iter().try_fold(0_u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b.wrapping_sub(b'0')))));
    (number, number.is_some() && count == sound.len())
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
        let f = of_request(Asked::Other, HttpVersion::V11, &heads(list), false);
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
    fn what_is_ambiguous_has_a_name() {
        use Ambiguity::{DifferingLengths, LengthAndEncoding, ObfuscatedEncoding};
        let (cl, te) = ("content-length", "Transfer-Encoding");
        let name = |version, doubtful, list: &[_]| of_request(Asked::Other, version, &heads(list), doubtful).ambiguity;
        let plain = |list: &[_]| name(HttpVersion::V11, false, list);
        for sound in [&[][..], &[(cl, "5")], &[(cl, "5"), (cl, "5, 5")], &[(te, "gzip, chunked")], &[(te, "chunked")]] {
            assert_eq!(plain(sound), None, "{sound:?}");
        }
        for lengths in ["5, 6", "+5", "5x", "\u{b}5", "five", "99999999999999999999", "0x5", ""] {
            assert_eq!(plain(&[(cl, lengths)]), Some(DifferingLengths), "{lengths:?}");
        }
        for codings in
            ["xchunked", "chunked, identity", "identity, chunked", "\u{b}chunked", "chunked;q=1", "chunked, chunked"]
        {
            assert_eq!(plain(&[(te, codings)]), Some(ObfuscatedEncoding), "{codings:?}");
        }
        assert_eq!(plain(&[(te, "chunked"), (te, "identity")]), Some(ObfuscatedEncoding));
        assert_eq!(plain(&[(te, "chunked"), (cl, "5")]), Some(LengthAndEncoding));
        assert_eq!(name(HttpVersion::V10, false, &[(te, "chunked")]), Some(ObfuscatedEncoding));
        assert_eq!(name(HttpVersion::V11, true, &[(te, "chunked")]), Some(ObfuscatedEncoding));
        assert_eq!(name(HttpVersion::V11, true, &[(cl, "5")]), Some(DifferingLengths));
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
        assert!(of_request(Asked::Other, HttpVersion::V11, &heads(&list), false).others.len() <= LENGTHS);
    }
}
