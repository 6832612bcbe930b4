//! Is this line the first line of a message? Request lines and status lines, as servers read them.

use crate::proto::HttpVersion;

/// What a direction may begin a message with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expect {
    /// The client's direction.
    Request,
    /// The server's direction.
    Response,
    /// Nobody knows yet who is the client.
    Either,
}

/// How much of a resemblance is enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rigour {
    /// A message is due here: whatever some server would take for one.
    Permissive,
    /// It may be text inside a body: only the complete form, `METHOD target HTTP/1.x`.
    Strict,
}

/// A request line (RFC 9112 §3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) version: HttpVersion,
}

/// A status line (RFC 9112 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) version: HttpVersion,
}

/// A first line, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FirstLine<'a> {
    /// Of a request.
    Request(RequestLine<'a>),
    /// Of a request, for hosts that take the bare CR at this place for the end of the line.
    Cut(RequestLine<'a>, u32),
    /// Of a reply.
    Status(StatusLine),
}

/// Longest method that is believed, in bytes: nginx takes any that fits in its buffer of 8 KiB and
/// passes it on to applications that do not look at it.
const METHOD_LIMIT: usize = 8192;

/// How far [`Beginning`] looks: a method and some white space before it.
const GLANCE: usize = METHOD_LIMIT + 16;

/// White space inside a first line: RFC 9112 §3 lets a reader take all of these for a space.
pub(super) const fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

/// Characters of a token (RFC 9110 §5.6.2).
const fn is_token(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
        | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// `bytes` without the leading and trailing bytes for which `white` holds.
pub(super) fn trim(bytes: &[u8], white: impl Fn(u8) -> bool) -> &[u8] {
    let mut rest = bytes;
    while let [first, tail @ ..] = rest
        && white(*first)
    {
        rest = tail;
    }
    while let [head @ .., last] = rest
        && white(*last)
    {
        rest = head;
    }
    rest
}

/// Splits after the leading bytes for which `keep` holds.
fn split_while(bytes: &[u8], keep: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let n = bytes.iter().position(|b| !keep(*b)).unwrap_or(bytes.len());
    bytes.split_at_checked(n).unwrap_or((bytes, &[]))
}

/// Reads a request line; `line` is without its line feed.
///
/// Permissively: any token as method, any white space between the parts and around them, spaces
/// inside the target, any `HTTP/` version or none: then it is called HTTP/0.9, although some servers
/// read fields after such a line too.
pub(super) fn request_line(line: &[u8], rigour: Rigour) -> Option<RequestLine<'_>> {
    if rigour == Rigour::Strict && !line.first().copied().is_some_and(is_token) {
        return None;
    }
    let line = trim(line, is_space);
    let (method, rest) = split_while(line, is_token);
    if method.is_empty() || method.len() > METHOD_LIMIT || !rest.first().copied().is_some_and(is_space) {
        return None;
    }
    let rest = trim(rest, is_space);
    let Some(gap) = rest.iter().rposition(|b| is_space(*b)) else {
        let simple = rigour == Rigour::Permissive && is_target(rest, method);
        return simple.then_some(RequestLine { method, target: rest, version: HttpVersion::V09 });
    };
    let (target, word) = rest.split_at_checked(gap)?;
    let target = trim(target, is_space);
    let version = version(trim(word, is_space))?;
    let sound = match rigour {
        Rigour::Permissive => !target.is_empty(),
        Rigour::Strict => {
            matches!(trim(word, is_space), [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'..=b'9'])
                && !target.iter().any(|b| is_space(*b))
                && is_target(target, method)
        }
    };
    sound.then_some(RequestLine { method, target, version })
}

/// Reads a request line with its line feed, if it is written as nearly all are: there is one way to read it.
/// [`request_line`] reads the same.
pub(super) fn plain_request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let (rest, version) = line.split_last_chunk::<11>()?;
    let version = match version {
        b" HTTP/1.1\r\n" => HttpVersion::V11,
        b" HTTP/1.0\r\n" => HttpVersion::V10,
        _ => return None,
    };
    let space = rest.iter().take(16).position(|b| !is_token(*b)).filter(|n| *n > 0)?;
    let (method, [b' ', target @ ..]) = rest.split_at_checked(space)? else { return None };
    let plain = target.first() == Some(&b'/') && target.iter().fold(true, |plain, b| plain & (*b > b' '));
    plain.then_some(RequestLine { method, target, version })
}

/// Whether this is one of the forms of a request target (RFC 9112 §3.2), told from a word of prose.
fn is_target(target: &[u8], method: &[u8]) -> bool {
    match target {
        [b'/', ..] | b"*" => true,
        _ if method == b"CONNECT" => target.contains(&b':'),
        _ => memchr::memmem::find(target.get(..32).unwrap_or(target), b"://").is_some(),
    }
}

/// Reads a status line; `line` is without its line feed. The reason phrase does not matter.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine> {
    let (word, rest) = split_while(line, |b| !is_space(b));
    let version = version(word)?;
    let (digits, rest) = trim(rest, is_space).split_first_chunk::<3>()?;
    if !digits.iter().all(u8::is_ascii_digit) || rest.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let status = digits.iter().fold(0_u16, |n, d| n * 10 + u16::from(d - b'0'));
    (status >= 100).then_some(StatusLine { status, version })
}

/// `HTTP/` and a number, in any case of letters.
fn version(word: &[u8]) -> Option<HttpVersion> {
    let (name, number) = word.split_first_chunk::<5>()?;
    if !name.eq_ignore_ascii_case(b"HTTP/") || !number.first()?.is_ascii_digit() {
        return None;
    }
    Some(if number == b"1.0" { HttpVersion::V10 } else { HttpVersion::V11 })
}

/// Reads a complete line as the first line of a message that is expected here. No line is that of a
/// request and of a reply, and rigour does not change what is read.
pub(super) fn first_line(line: &[u8], expect: Expect, rigour: Rigour) -> Option<FirstLine<'_>> {
    let (request, reply) = (expect != Expect::Response, expect != Expect::Request);
    let whole = if request { request_line(line, rigour).map(FirstLine::Request) } else { None };
    whole
        .or_else(|| if reply { status_line(line).map(FirstLine::Status) } else { None })
        .or_else(|| if request && rigour == Rigour::Permissive { before_bare_cr(line) } else { None })
}

/// Whether a complete line is the first line of a message that is expected here.
pub(super) fn begins(line: &[u8], expect: Expect, rigour: Rigour) -> bool {
    first_line(line, expect, rigour).is_some()
}

/// The request line that ends at a bare CR, for hosts that take this for the end of a line; `line` as
/// a whole is none.
fn before_bare_cr(line: &[u8]) -> Option<FirstLine<'_>> {
    let cr = memchr::memchr(b'\r', line).filter(|cr| cr.saturating_add(1) < line.len())?;
    let end = u32::try_from(cr).ok()?;
    request_line(line.get(..cr)?, Rigour::Strict).map(|read| FirstLine::Cut(read, end))
}

/// The beginning of a line, as far as it tells whether the line may be one for which [`begins`] holds. It is
/// fed piece by piece and looks at every byte at most once.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Beginning {
    /// Bytes seen, those behind [`GLANCE`] aside.
    length: usize,
    /// White space before the method.
    indent: usize,
    /// Bytes of the method.
    method: usize,
    /// The byte behind the method, if it came, is white space.
    spaced: Option<bool>,
    /// How much of `HTTP/` was there before anything else.
    reply: usize,
}

impl Beginning {
    /// The beginning of a line is this.
    pub(super) fn of(piece: &[u8]) -> Self {
        let mut beginning = Self::default();
        beginning.go_on(piece);
        beginning
    }

    /// The next piece of the line.
    pub(super) fn go_on(&mut self, piece: &[u8]) {
        const NAME: &[u8] = b"HTTP/";
        let matching = |(want, have): &(&u8, &u8)| want.eq_ignore_ascii_case(have);
        if self.reply == self.length {
            let rest = NAME.get(self.reply..).unwrap_or_default();
            self.reply = self.reply.saturating_add(rest.iter().zip(piece).take_while(matching).count());
        }
        let piece = piece.get(..GLANCE.saturating_add(1).saturating_sub(self.length)).unwrap_or(piece);
        let mut rest = piece.get(..GLANCE.saturating_sub(self.length)).unwrap_or(piece);
        self.length = self.length.saturating_add(piece.len());
        if self.spaced.is_some() {
            return;
        }
        if self.method == 0 {
            let (indent, behind) = split_while(rest, is_space);
            self.indent = self.indent.saturating_add(indent.len());
            rest = behind;
        }
        let (method, behind) = split_while(rest, is_token);
        self.method = self.method.saturating_add(method.len());
        self.spaced = behind.first().copied().map(is_space);
    }

    /// Whether the line may still be a first line.
    pub(super) fn may_begin(&self, expect: Expect, rigour: Rigour) -> bool {
        let strict = rigour == Rigour::Strict;
        (expect != Expect::Response && self.may_be_request(strict))
            || (expect != Expect::Request && self.may_be_reply())
    }

    fn may_be_request(&self, strict: bool) -> bool {
        let fits = self.method <= METHOD_LIMIT && !(strict && self.indent > 0);
        fits && self.spaced.map_or(self.length <= GLANCE, |spaced| spaced && self.method > 0)
    }

    const fn may_be_reply(&self) -> bool {
        self.reply == self.length || self.reply == 5
    }
}

/// Whether a line is the first line of a message, in its complete form.
pub(in crate::proto) fn is_first_line(line: &[u8]) -> bool {
    begins(line, Expect::Either, Rigour::Strict)
}

/// Whether a line is the first line of a response.
pub(in crate::proto) fn is_status_line(line: &[u8]) -> bool {
    status_line(line).is_some()
}

/// Whether bytes could begin a response.
pub(in crate::proto) fn may_be_status_line(bytes: &[u8]) -> bool {
    Beginning::of(bytes).may_be_reply()
}

/// Whether bytes could begin a message.
pub(in crate::proto) fn may_be_first_line(bytes: &[u8]) -> bool {
    Beginning::of(bytes).may_begin(Expect::Either, Rigour::Permissive)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    fn read(line: &str) -> Option<(String, String, HttpVersion)> {
        request_line(line.as_bytes(), Rigour::Permissive)
            .map(|r| (String::from_utf8_lossy(r.method).into(), String::from_utf8_lossy(r.target).into(), r.version))
    }

    fn want(method: &str, target: &str, version: HttpVersion) -> Option<(String, String, HttpVersion)> {
        Some((method.into(), target.into(), version))
    }

    #[test]
    fn request_lines_that_servers_accept() {
        assert_eq!(read("GET / HTTP/1.1\r"), want("GET", "/", HttpVersion::V11));
        assert_eq!(read("PURGEX  /account  HTTP/1.1"), want("PURGEX", "/account", HttpVersion::V11));
        assert_eq!(read(" get\t/a b http/1.0 \r"), want("get", "/a b", HttpVersion::V10));
        assert_eq!(read("GET http://h/p HTTP/1.1"), want("GET", "http://h/p", HttpVersion::V11));
        assert_eq!(read("CONNECT h:443 HTTP/1.1"), want("CONNECT", "h:443", HttpVersion::V11));
        assert_eq!(read("GET /?sid=1\r"), want("GET", "/?sid=1", HttpVersion::V09));
        assert_eq!(read("POST /a"), want("POST", "/a", HttpVersion::V09));
        assert_eq!(read("M-SEARCH * HTTP/1.1"), want("M-SEARCH", "*", HttpVersion::V11));
        let long = "A".repeat(300);
        assert_eq!(read(&format!("{long} /x HTTP/1.1")), want(&long, "/x", HttpVersion::V11));
    }

    #[test]
    fn lines_of_other_protocols_are_not_requests() {
        for line in [
            "USER anonymous",
            "EHLO mail.example",
            "HELP",
            "INVITE sip:a@b SIP/2.0",
            "OPTIONS rtsp://h RTSP/1.0",
            "SSH-2.0-OpenSSH_9.2 Debian",
            "Cookie: a=b",
            "",
            "GET",
            "GET HTTP/1.1",
            "\u{0}\u{1} / HTTP/1.1",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn strict_lines_are_not_prose() {
        let strict = |l: &str| request_line(l.as_bytes(), Rigour::Strict).is_some();
        assert!(strict("GET /x HTTP/1.1\r"));
        assert!(strict("GET  /x  HTTP/1.1"));
        assert!(strict("PROPFIND http://h/x HTTP/1.0"));
        assert!(!strict("GET /x"));
        assert!(!strict(" GET /x HTTP/1.1"));
        assert!(!strict("server speaks HTTP/1.1"));
        assert!(!strict("GET /x y HTTP/1.1"));
        assert!(!strict("GET /x HTTP/2.0"));
    }

    proptest! {
        #[test]
        fn a_plain_request_line_is_read_as_any_other(
            method in "(GET|HEAD|CONNECT|[A-Z(]{0,18}) ?",
            target in "/?[!-~]{0,6}[\\x00-\\x20\\x7f\u{80}]?[!-~]{0,6}",
            end in select(&[" HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/1.1\n", " HTTP/1.2\r\n", "\r\n", " http/1.1\r\n", "\tHTTP/1.1\r\n"][..]),
        ) {
            let text = format!("{method} {target}{end}");
            if let Some(plain) = plain_request_line(text.as_bytes()) {
                let line = text.as_bytes().strip_suffix(b"\n").unwrap();
                prop_assert_eq!(request_line(line, Rigour::Permissive), Some(plain));
            }
        }
    }

    #[test]
    fn a_request_line_may_end_at_a_bare_cr() {
        let line = b"GET / HTTP/1.1\rCookie: s=1\r";
        assert!(request_line(line, Rigour::Permissive).is_none());
        assert!(matches!(before_bare_cr(line), Some(FirstLine::Cut(read, 14)) if read.target == b"/"));
        assert!(begins(line, Expect::Request, Rigour::Permissive));
        assert_eq!(before_bare_cr(b"GET / HTTP/1.1\r"), None);
    }

    #[test]
    fn status_lines() {
        let read = |l: &str| status_line(l.as_bytes()).map(|s| (s.status, s.version));
        assert_eq!(read("HTTP/1.1 200 OK\r"), Some((200, HttpVersion::V11)));
        assert_eq!(read("HTTP/1.0  302"), Some((302, HttpVersion::V10)));
        for line in ["HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/x 200", "HTTP/1.1 099", "HTTP/1.1", "ICY 200 OK"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_that_begins_a_message_may_begin_one_at_every_prefix() {
        let may_begin = |prefix: &[u8], expect| Beginning::of(prefix).may_begin(expect, Rigour::Permissive);
        for line in ["GET / HTTP/1.1\r", "  PURGEX  /a  HTTP/1.1", "HTTP/1.1 200 OK", "http/1.0 404"] {
            assert!(begins(line.as_bytes(), Expect::Either, Rigour::Permissive), "{line}");
            for n in 0..line.len() {
                assert!(may_begin(&line.as_bytes()[..n], Expect::Either), "{line} {n}");
            }
        }
        assert!(!may_begin(b"Cookie:", Expect::Either));
        assert!(!may_begin(&[b'a'; METHOD_LIMIT + 1], Expect::Request));
        assert!(!may_begin(&[b' '; GLANCE + 1], Expect::Request));
        assert!(may_begin(&[b' '; GLANCE], Expect::Request));
        assert!(!may_begin(b"GET", Expect::Response));
        assert!(!may_begin(b"HTTX", Expect::Response));
    }

    proptest! {
        #[test]
        fn a_beginning_is_the_same_however_it_is_cut(
            line in "[ \\r]{0,3}([A-Z]{0,9}|HTT?P?/?)[ :/]?[A-Z ]{0,9}",
            long in select(&[0, METHOD_LIMIT - 3, METHOD_LIMIT, GLANCE - 5, GLANCE][..]),
            step in 1..7_usize,
        ) {
            let text = ["A".repeat(long), line].concat();
            let mut beginning = Beginning::default();
            let mut prefix = Vec::new();
            for piece in text.as_bytes().chunks(if long > 0 { step * 1000 + step } else { step }) {
                beginning.go_on(piece);
                prefix.extend_from_slice(piece);
                for expect in [Expect::Request, Expect::Response, Expect::Either] {
                    for rigour in [Rigour::Strict, Rigour::Permissive] {
                        let whole = Beginning::of(&prefix).may_begin(expect, rigour);
                        prop_assert_eq!(beginning.may_begin(expect, rigour), whole);
                    }
                }
            }
        }
    }
}
