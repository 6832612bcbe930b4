//! What do Cookie and Set-Cookie say? Pairs, attributes, deletion.

use crate::base::time::Timestamp;

use super::date;

/// One pair of a Cookie field; white space around name and value is gone.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// Name; empty when there is no `=`.
    pub name: &'a [u8],
    /// Value as on the wire.
    pub value: &'a [u8],
}

/// The pairs of one Cookie field (RFC 6265 §4.2.1, and what servers accept beyond it: `;` without
/// a space, white space around `=`). Empty parts are skipped; a part without `=` is a pair
/// without a name.
pub fn pairs(field: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    field.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()).map(split_pair)
}

/// The pairs that a server reads which takes a comma (RFC 2965 §3.3.4; also what becomes of two
/// fields that a proxy joined) or white space (Python's `SimpleCookie`) for the end of a pair, too.
/// None where no further pair follows or goes before: either may be part of a value.
pub fn other_readings<'a>(pair: Pair<'a>) -> impl Iterator<Item = Pair<'a>> {
    let ends = |b: &u8| *b == b',' || b.is_ascii_whitespace();
    let name = pair.name.rsplit(ends).next().unwrap_or_default();
    let mut pieces = pair.value.split(ends);
    let value = pieces.next().unwrap_or_default();
    let mut further = pieces.map(split_pair).filter(|p| !p.name.is_empty()).peekable();
    let first = (name.len() < pair.name.len() || further.peek().is_some()).then_some(Pair { name, value });
    first.into_iter().filter(|p| !p.name.is_empty()).chain(further)
}

/// The name as PHP knows it, which turns what no variable may hold into `_`; `None` when that
/// changes nothing.
pub fn as_variable(name: &[u8]) -> Option<Vec<u8>> {
    let odd = |b: &u8| matches!(b, b'.' | b' ' | b'[');
    let plain = || name.iter().map(|b| if odd(b) { b'_' } else { *b }).collect();
    name.iter().any(odd).then(plain)
}

fn split_pair(part: &[u8]) -> Pair<'_> {
    let mut halves = part.splitn(2, |b| *b == b'=');
    let first = halves.next().unwrap_or_default();
    match halves.next() {
        Some(value) => Pair { name: first.trim_ascii(), value: value.trim_ascii() },
        None => Pair { name: &[], value: first },
    }
}

/// One Set-Cookie field.
#[derive(Clone, Copy)]
pub struct SetCookie<'a> {
    /// Name and value.
    pub pair: Pair<'a>,
    /// Secure attribute.
    pub secure: bool,
    /// `HttpOnly` attribute.
    pub http_only: bool,
    /// `SameSite` attribute is present.
    pub same_site: bool,
    /// It deletes: empty value, `Max-Age` of zero or less, or `Expires` in the past where there is
    /// no `Max-Age` (RFC 6265 §5.3 step 3).
    pub deletes: bool,
}

/// Reads a Set-Cookie field as a browser does (RFC 6265 §5.2) at the time `now`; `None` without a
/// name.
#[must_use]
pub fn set_cookie(field: &[u8], now: Timestamp) -> Option<SetCookie<'_>> {
    let mut parts = field.split(|b| *b == b';').map(split_pair);
    let pair = parts.next().filter(|p| !p.name.is_empty())?;
    let mut cookie = SetCookie { pair, secure: false, http_only: false, same_site: false, deletes: false };
    let (mut max_age, mut expires) = (None, None);
    for part in parts {
        let (name, value) =
            if part.name.is_empty() { (part.value.trim_ascii(), &b""[..]) } else { (part.name, part.value) };
        if name.eq_ignore_ascii_case(b"secure") {
            cookie.secure = true;
        } else if name.eq_ignore_ascii_case(b"httponly") {
            cookie.http_only = true;
        } else if name.eq_ignore_ascii_case(b"samesite") {
            cookie.same_site = true;
        } else if name.eq_ignore_ascii_case(b"max-age") {
            max_age = ends(value).or(max_age);
        } else if name.eq_ignore_ascii_case(b"expires") {
            expires = date::parse(value).or(expires);
        }
    }
    let over = max_age.unwrap_or_else(|| expires.is_some_and(|at| at < now));
    cookie.deletes = over || super::value::unquote(pair.value).is_empty();
    Some(cookie)
}

/// Whether a `Max-Age` ends the cookie; `None` when it is no number (RFC 6265 §5.2.2).
fn ends(value: &[u8]) -> Option<bool> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    let number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    number.then(|| digits.len() < value.len() || digits.iter().all(|b| *b == b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Vec<(String, String)> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        pairs(field.as_bytes()).map(|p| (text(p.name), text(p.value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn pairs_in_every_spelling() {
        assert_eq!(read("a=1; b=2"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(read("a=1;b = 2 ;; ;c=\t\"3\""), [pair("a", "1"), pair("b", "2"), pair("c", "\"3\"")]);
        assert_eq!(read("a=1; a=2"), [pair("a", "1"), pair("a", "2")]);
        assert_eq!(read("a=b=c=="), [pair("a", "b=c==")]);
        assert_eq!(read("loose; =x"), [pair("", "loose"), pair("", "x")]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn commas_and_white_space_are_a_second_reading() {
        let others = |field: &str| -> Vec<(String, String)> {
            let first = pairs(field.as_bytes()).next().unwrap();
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            other_readings(first).map(|p| (text(p.name), text(p.value))).collect()
        };
        assert_eq!(others("a=1, b=2,c,d=3"), [pair("a", "1"), pair("b", "2"), pair("d", "3")]);
        assert_eq!(others("a=1 b=2\t"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(others("a=1,2 3"), []);
        assert_eq!(others("x, a=1"), [pair("a", "1")]);
        assert_eq!(others("a=1=="), []);
        assert_eq!(others("a=\"b=c\""), []);
    }

    #[test]
    fn names_as_variables() {
        assert_eq!(as_variable(b"ci.session").as_deref(), Some(&b"ci_session"[..]));
        assert_eq!(as_variable(b"laravel[session").as_deref(), Some(&b"laravel_session"[..]));
        assert_eq!(as_variable(b"__Host-sid"), None);
    }

    #[test]
    fn attributes() {
        let now = Timestamp::from_parts(1_700_000_000, 0);
        let c = set_cookie(b"sid=abc; Path=/; secure; HttpOnly ;SameSite=Lax", now).unwrap();
        assert_eq!((c.pair.name, c.pair.value), (&b"sid"[..], &b"abc"[..]));
        assert!(c.secure && c.http_only && c.same_site && !c.deletes);
        let c = set_cookie(b"sid=abc", now).unwrap();
        assert!(!c.secure && !c.http_only && !c.same_site && !c.deletes);
        assert!(set_cookie(b"nothing", now).is_none());
    }

    #[test]
    fn deletion() {
        let now = Timestamp::from_parts(1_700_000_000, 0);
        let deletes = |field: &str| set_cookie(field.as_bytes(), now).unwrap().deletes;
        for field in [
            "sid=",
            "sid=\"\"",
            "sid=x; Max-Age=0",
            "sid=x; max-age=-1",
            "sid=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT",
            "sid=x; Expires=Tue, 14-Nov-23 22:13:19 GMT",
        ] {
            assert!(deletes(field), "{field}");
        }
        for field in [
            "sid=x",
            "sid=x; Max-Age=1",
            "sid=x; Max-Age=soon",
            "sid=x; Expires=Tue, 14 Nov 2023 22:13:21 GMT",
            "sid=x; Expires=never",
            "sid=x; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:01 GMT",
        ] {
            assert!(!deletes(field), "{field}");
        }
    }
}
