//! Where does a head end, and which fields are in it? Finds the blank line, splits and unfolds.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::line::trim;
use super::lines::{Line, Lines};
use crate::proto::Header;

/// Longest head that is read, in bytes, first line and blank line included.
pub(super) const HEAD_LIMIT: usize = 64 * 1024;

/// Fields of one head that are kept whatever their names. Beyond it those with longer names still
/// are: servers read on, and a token may stand behind any number of fields.
pub(super) const HEADER_LIMIT: usize = 256;

/// Shortest name that is kept beyond [`HEADER_LIMIT`], in bytes: no field that matters has a shorter one.
const NAME_BEYOND_LIMIT: usize = 4;

/// Fields of a head; most heads need no heap.
pub(super) type Headers<'a> = SmallVec<[Header<'a>; 32]>;

/// The search for the blank line that ends a head (RFC 9112 §2.1). It is fed piece by piece and
/// looks at every byte once.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct BlankLine {
    /// The current line has a byte other than CR.
    inked: bool,
}

impl BlankLine {
    /// In the middle of a line (`inked`), or at the beginning of one.
    pub(super) const fn after(inked: bool) -> Self {
        Self { inked }
    }

    /// The number of bytes up to and including the blank line, if it ends in `piece`.
    /// Lines end with LF; any CR before it is ignored.
    pub(super) fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut rest = piece;
        while let Some((line, behind)) = memchr::memchr(b'\n', rest).and_then(|lf| rest.split_at_checked(lf)) {
            rest = behind.get(1..).unwrap_or_default();
            if !self.inked && !has_ink(line) {
                return Some(piece.len().saturating_sub(rest.len()));
            }
            self.inked = false;
        }
        self.inked |= has_ink(rest);
        None
    }
}

/// Longest text that is carried from one part of a long head into the next, in bytes, of each of: the
/// first line, a field that tells the client or the site, the line that is cut.
const CARRY_LIMIT: usize = 8 * 1024;

/// What has to stand before the rest of a head that is longer than [`HEAD_LIMIT`], so that the rest
/// is read as the same request: its first line, which ends before `line`, where and by whom it is
/// asked, and the line that is cut, of which the name and the last pair are enough. `None` when the
/// first line is too long.
pub(super) fn carried(head: &[u8], line: usize) -> Option<Vec<u8>> {
    let (first, block) = head.split_at_checked(line).filter(|(first, _)| first.len() <= CARRY_LIMIT)?;
    let mut carried = first.to_vec();
    let (lines, cut) = block.split_at_checked(memchr::memrchr(b'\n', block).map_or(0, |lf| lf.saturating_add(1)))?;
    for name in [&b"host:"[..], b"user-agent:"] {
        let is_it = |l: &&[u8]| l.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name));
        let field = lines.split_inclusive(|b| *b == b'\n').find(is_it);
        carried.extend_from_slice(field.filter(|f| f.len() <= CARRY_LIMIT).unwrap_or_default());
    }
    if cut.len() <= CARRY_LIMIT {
        carried.extend_from_slice(cut);
    } else {
        let name = memchr::memchr(b':', cut).and_then(|colon| cut.get(..=colon)).unwrap_or(b"-:");
        let tail = memchr::memrchr(b';', cut).and_then(|semicolon| cut.get(semicolon..)).unwrap_or_default();
        for text in [name, tail] {
            carried.extend_from_slice(if text.len() <= CARRY_LIMIT { text } else { b"-:" });
        }
    }
    Some(carried)
}

fn has_ink(line: &[u8]) -> bool {
    line.iter().any(|b| *b != b'\r')
}

/// White space around names and values. CR is here because a line may end with several.
const fn is_blank(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r')
}

/// What a continuation line would continue.
enum Previous {
    Kept,
    BeyondLimit,
    Nothing,
}

/// The fields of a head, and what is odd about how they are written.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// In wire order.
    pub(super) headers: Headers<'a>,
    /// Fields that are not kept: beyond [`HEADER_LIMIT`], with a short name.
    pub(super) beyond: usize,
    /// White space stands before a colon (RFC 9112 §5.1).
    pub(super) space: bool,
    /// A bare CR or LF ends a line that matters, in a head whose other lines end otherwise.
    pub(super) line_end: bool,
    /// Some hosts do not see a field that says where the body ends.
    pub(super) framing: bool,
}

impl<'a> Fields<'a> {
    /// Splits the lines after the first line into fields, of which there are none yet; `crlf` when
    /// that line ended so.
    ///
    /// Read as the most permissive servers do: LF alone ends a line, white space before the colon is
    /// no part of the name, a line that begins with white space continues the field before it
    /// (obs-fold, RFC 9112 §5.2), a line without colon is ignored. A CR alone ends a line where a field
    /// follows it. A last line without LF is not read.
    ///
    /// Gives where the blank line ends, if there is one: no line behind it is read.
    pub(super) fn read(&mut self, block: &'a [u8], crlf: bool) -> Option<usize> {
        let mut previous = Previous::Nothing;
        let mut lines = Lines(block);
        while let Some(Line { text: line, colon, bare_cr }) = lines.next() {
            let bare = crlf && !line.ends_with(b"\r");
            if !has_ink(line) {
                self.line_end |= bare;
                return Some(block.len().saturating_sub(lines.0.len()));
            }
            let indented = matches!(line.first(), Some(b' ' | b'\t'));
            if indented {
                match (&previous, self.headers.last_mut()) {
                    (Previous::Kept, Some(header)) => {
                        unfold(&mut header.value, trim(line, is_blank));
                        self.framing |= frames(header.name);
                        continue;
                    }
                    (Previous::BeyondLimit, _) => continue,
                    _ => {} // nothing to continue: perhaps an indented field
                }
            }
            previous = self.field(line, colon, bare || indented);
            if bare_cr {
                previous = self.fields_inside(line, previous);
            }
        }
        None
    }

    /// Whether some hosts may read the fields otherwise, or not all are here.
    pub(super) const fn is_odd(&self) -> bool {
        self.space || self.line_end || self.framing || self.beyond > 0
    }

    /// The fields behind bare CRs in a line, and what the line comes to with them.
    fn fields_inside(&mut self, line: &'a [u8], mut previous: Previous) -> Previous {
        let mut rest = line;
        while let Some(cr) = memchr::memchr(b'\r', rest) {
            rest = rest.get(cr.saturating_add(1)..).unwrap_or_default();
            if is_field(rest) {
                self.line_end = true;
                self.cut_last(line.len().saturating_sub(rest.len()), line);
                previous = self.field(rest, memchr::memchr(b':', rest), true);
            }
        }
        previous
    }

    /// The host that ends a line at a bare CR reads the latest field only up to there: told beside it.
    fn cut_last(&mut self, end: usize, line: &'a [u8]) {
        let Some(Header { name, value: Cow::Borrowed(value) }) = self.headers.last() else { return };
        let (name, length) = (*name, value.len());
        let first =
            line.get(..end).and_then(|l| memchr::memrchr(b':', l)).and_then(|c| line.get(c.saturating_add(1)..end));
        if let Some(value) = first.map(|v| trim(v, is_blank)).filter(|v| v.len() < length) {
            self.headers.push(Header { name, value: Cow::Borrowed(value) });
        }
    }

    /// The field of a line with its first colon at `colon`; `odd` when some hosts do not take it for one.
    fn field(&mut self, line: &'a [u8], colon: Option<usize>, odd: bool) -> Previous {
        let field = colon.and_then(|colon| {
            let (before, value) = line.split_at_checked(colon)?;
            let name = trim(before, is_blank);
            let spaced = before.last().is_some_and(|b| is_blank(*b));
            (!name.is_empty()).then(|| (name, trim(value.get(1..).unwrap_or_default(), is_blank), spaced))
        });
        let Some((name, value, spaced)) = field else { return Previous::Nothing };
        self.space |= spaced;
        self.line_end |= odd && matters(name);
        self.framing |= (odd || spaced) && frames(name);
        if self.headers.len() >= HEADER_LIMIT && name.len() < NAME_BEYOND_LIMIT {
            self.beyond = self.beyond.saturating_add(1);
            return Previous::BeyondLimit;
        }
        self.headers.push(Header { name, value: Cow::Borrowed(value) });
        Previous::Kept
    }
}

/// Whether a field says where the body ends.
fn frames(name: &[u8]) -> bool {
    (name.len() == 14 && name.eq_ignore_ascii_case(b"content-length"))
        || (name.len() == 17 && name.eq_ignore_ascii_case(b"transfer-encoding"))
}

/// Whether a field may hold a token, or say for whom or how long a message is.
fn matters(name: &[u8]) -> bool {
    frames(name) || [&b"cookie"[..], b"authorization", b"host"].iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// Whether a text behind a bare CR begins like a field: a name of letters, digits and hyphens, and a colon.
fn is_field(text: &[u8]) -> bool {
    let name = text.iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    name > 0 && text.get(name) == Some(&b':')
}

/// Appends a continuation line to a value; only a value with text on two lines is copied.
fn unfold<'a>(value: &mut Cow<'a, [u8]>, more: &'a [u8]) {
    if value.is_empty() {
        *value = Cow::Borrowed(more);
    } else if !more.is_empty() {
        let text = value.to_mut();
        text.push(b' ');
        text.extend_from_slice(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(block: &[u8], crlf: bool) -> Fields<'_> {
        let mut fields = Fields::default();
        fields.read(block, crlf);
        fields
    }

    fn read(block: &str) -> Vec<(String, String)> {
        fields_of(block).0
    }

    fn fields_of(block: &str) -> (Vec<(String, String)>, usize) {
        let Fields { headers, beyond, .. } = fields(block.as_bytes(), false);
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        (headers.iter().map(|h| (text(h.name), text(&h.value))).collect(), beyond)
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    #[test]
    fn permissive_fields() {
        assert_eq!(
            read("Cookie : a=b \r\nhost:x\nno colon\r\n: no name\r\nX:\t\r\nY: 1: 2\r\r\n\r\nZ: after\r\n"),
            pairs(&[("Cookie", "a=b"), ("host", "x"), ("X", ""), ("Y", "1: 2")])
        );
        assert_eq!(read(" Cookie: indented\r\nno colon\r\n B: c\r\n"), pairs(&[("Cookie", "indented"), ("B", "c")]));
        assert_eq!(read("A: b\r\nCookie: cut"), pairs(&[("A", "b")]));
    }

    #[test]
    fn folds_are_joined_by_one_space() {
        assert_eq!(read("Cookie:\r\n\t a=b;\r\n  \r\n c=d\r\nX: y\r\n"), pairs(&[("Cookie", "a=b; c=d"), ("X", "y")]));
        let headers = fields(b"Cookie:\r\n a=b\r\n", true).headers;
        assert!(matches!(headers[0].value, Cow::Borrowed(b"a=b")), "one line of text is not copied");
    }

    #[test]
    fn odd_bytes_survive() {
        let headers = fields(b"A: \x00\xff\x0b\r\n", true).headers;
        assert_eq!(headers[0].value.as_ref(), b"\x00\xff\x0b");
    }

    #[test]
    fn fields_beyond_the_limit_are_counted_with_their_folds_dropped() {
        let block = "A: b\r\n c\r\n".repeat(HEADER_LIMIT + 3);
        let Fields { headers, beyond, .. } = fields(block.as_bytes(), true);
        assert_eq!((headers.len(), beyond), (HEADER_LIMIT, 3));
        assert!(headers.iter().all(|h| h.value.as_ref() == b"b c"));
        let (read, beyond) = fields_of(&format!("{block}cookie: a=b;\r\n c=d\r\n"));
        assert_eq!((read.last(), beyond), (Some(&("cookie".into(), "a=b; c=d".into())), 3));
    }

    #[test]
    fn what_hosts_read_differently_is_noted() {
        let odd = |block: &str, crlf| {
            let all = fields(block.as_bytes(), crlf);
            (all.space, all.line_end, all.framing)
        };
        for (block, crlf) in [
            ("A: b\r\nCookie: c\r\n\r\n", true),
            ("A: b\nCookie: c\n\n", false),
            ("A: b\nX: c\r\n\r\n", true),
            ("A: b\r\r\n\r\n", true),
            ("A: b\rc\r\n\r\n", true),
            ("A: b\r\n c: d\r\n\r\n", true),
        ] {
            assert_eq!(odd(block, crlf), (false, false, false), "{block:?}");
        }
        assert_eq!(odd("A : b\r\n", true), (true, false, false));
        assert_eq!(odd("Content-Length : 5\r\n", true), (true, false, true));
        assert_eq!(odd("Cookie: c\nA: b\r\n", true), (false, true, false));
        assert_eq!(odd("A: b\r\n\n", true), (false, true, false));
        assert_eq!(odd("Transfer-Encoding:\r\n chunked\r\n", true), (false, false, true));
        assert_eq!(odd(" Content-Length: 5\r\n", true), (false, true, true));
        assert_eq!(odd("A: b\rContent-Length: 5\r\n", true), (false, true, true));
    }

    #[test]
    fn a_bare_cr_ends_a_line_where_a_field_follows() {
        assert_eq!(
            read("Cookie: a=b\rCookie: c=d\r\nX: y\rz\r\n"),
            pairs(&[("Cookie", "a=b\rCookie: c=d"), ("Cookie", "a=b"), ("Cookie", "c=d"), ("X", "y\rz")])
        );
        assert_eq!(read("junk\rCookie: c=d\r\n").last(), pairs(&[("Cookie", "c=d")]).last());
    }

    #[test]
    fn the_blank_line_is_found_under_any_cut() {
        for text in ["A: b\r\n\r\nrest", "A: b\n\nrest", "A: b\r\n\nrest", "A: b\n\r\nrest", "A: b\r\n \r\n\r\nrest"] {
            let end = text.len() - 4;
            for cut in 0..text.len() {
                let (one, two) = text.as_bytes().split_at(cut);
                let mut scan = BlankLine::default();
                let found = scan.find(one).or_else(|| scan.find(two).map(|n| n + cut));
                assert_eq!(found, Some(end), "{text:?} cut at {cut}");
            }
        }
    }
}
