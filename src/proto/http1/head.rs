//! Where does a head end, and which fields are in it? Finds the blank line, splits and unfolds.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::line::trim;
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
        let mut from = 0;
        for lf in memchr::memchr_iter(b'\n', piece) {
            let ink = piece.get(from..lf).is_some_and(has_ink);
            from = lf.saturating_add(1);
            if !self.inked && !ink {
                return Some(from);
            }
            self.inked = false;
        }
        self.inked |= piece.get(from..).is_some_and(has_ink);
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

/// Splits the lines after the first line into fields, in wire order, and counts the fields that are
/// not kept: beyond [`HEADER_LIMIT`], with a short name.
///
/// Read as the most permissive servers do: LF alone ends a line, white space before the colon is
/// no part of the name, a line that begins with white space continues the field before it
/// (obs-fold, RFC 9112 §5.2), a line without colon is ignored. A last line without LF is not read.
pub(super) fn fields(block: &[u8]) -> (Headers<'_>, usize) {
    let mut headers = Headers::new();
    let mut beyond = 0_usize;
    let mut previous = Previous::Nothing;
    let mut from = 0;
    for lf in memchr::memchr_iter(b'\n', block) {
        let line = block.get(from..lf).unwrap_or_default();
        from = lf.saturating_add(1);
        if !has_ink(line) {
            break;
        }
        if matches!(line.first(), Some(b' ' | b'\t')) {
            match (&previous, headers.last_mut()) {
                (Previous::Kept, Some(header)) => {
                    unfold(&mut header.value, trim(line, is_blank));
                    continue;
                }
                (Previous::BeyondLimit, _) => continue,
                _ => {} // nothing to continue: perhaps an indented field
            }
        }
        let field = memchr::memchr(b':', line).and_then(|colon| {
            let (name, value) = line.split_at_checked(colon)?;
            let name = trim(name, is_blank);
            (!name.is_empty()).then(|| (name, trim(value.get(1..).unwrap_or_default(), is_blank)))
        });
        previous = match field {
            None => Previous::Nothing,
            Some((name, _)) if headers.len() >= HEADER_LIMIT && name.len() < NAME_BEYOND_LIMIT => {
                beyond = beyond.saturating_add(1);
                Previous::BeyondLimit
            }
            Some((name, value)) => {
                headers.push(Header { name, value: Cow::Borrowed(value) });
                Previous::Kept
            }
        };
    }
    (headers, beyond)
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

    fn read(block: &str) -> Vec<(String, String)> {
        fields_of(block).0
    }

    fn fields_of(block: &str) -> (Vec<(String, String)>, usize) {
        let (headers, beyond) = fields(block.as_bytes());
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
        let (headers, _) = fields(b"Cookie:\r\n a=b\r\n");
        assert!(matches!(headers[0].value, Cow::Borrowed(b"a=b")), "one line of text is not copied");
    }

    #[test]
    fn odd_bytes_survive() {
        let (headers, _) = fields(b"A: \x00\xff\x0b\r\n");
        assert_eq!(headers[0].value.as_ref(), b"\x00\xff\x0b");
    }

    #[test]
    fn fields_beyond_the_limit_are_counted_with_their_folds_dropped() {
        let block = "A: b\r\n c\r\n".repeat(HEADER_LIMIT + 3);
        let (headers, beyond) = fields(block.as_bytes());
        assert_eq!((headers.len(), beyond), (HEADER_LIMIT, 3));
        assert!(headers.iter().all(|h| h.value.as_ref() == b"b c"));
        let (read, beyond) = fields_of(&format!("{block}cookie: a=b;\r\n c=d\r\n"));
        assert_eq!((read.last(), beyond), (Some(&("cookie".into(), "a=b; c=d".into())), 3));
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
