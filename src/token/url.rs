//! Where in a request target do parameters hide? Authority, path, query, matrix, cookieless path.

use super::cookie::Pair;

/// A request target, taken apart (RFC 9112 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Target<'a> {
    /// Host and port of the absolute or authority form.
    pub authority: Option<&'a [u8]>,
    /// Path; empty in the authority form.
    pub path: &'a [u8],
    /// What follows the first `?`.
    pub query: Option<&'a [u8]>,
}

/// Takes a target apart; `method` tells the authority form of CONNECT.
#[must_use]
pub fn split<'a>(method: &[u8], target: &'a [u8]) -> Target<'a> {
    if method.eq_ignore_ascii_case(b"CONNECT") {
        return Target { authority: Some(target), ..Target::default() };
    }
    reference(target)
}

/// Takes a target or a `Location` apart: with or without scheme and authority.
#[must_use]
pub fn reference(target: &[u8]) -> Target<'_> {
    let before_path = target.iter().position(|b| b"/?#".contains(b)).unwrap_or(target.len());
    let scheme = target.get(..before_path).is_some_and(|s| s.ends_with(b":") && s.len() > 1);
    let after_scheme = if scheme { target.get(before_path..).unwrap_or_default() } else { target };
    let (authority, rest) = match after_scheme.strip_prefix(b"//").filter(|_| scheme) {
        Some(rest) => {
            let end = rest.iter().position(|b| b"/?#".contains(b)).unwrap_or(rest.len());
            rest.split_at_checked(end).map_or((None, rest), |(authority, rest)| (Some(authority), rest))
        }
        None => (None, after_scheme),
    };
    let (path, query) = match rest.iter().position(|b| *b == b'?') {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at.saturating_add(1)..)),
        None => (rest, None),
    };
    Target { authority, path, query }
}

/// The parameters of a query, separated by `&` or `;`; a part without `=` is a pair without a name.
pub fn query_pairs(query: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    query.split(|b| matches!(b, b'&' | b';')).map(pair)
}

/// The matrix parameters of a path (RFC 3986 §3.3): `;name=value` up to the next `;` or `/`.
pub fn matrix_pairs(path: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    path.split(|b| *b == b'/').flat_map(|segment| segment.split(|b| *b == b';').skip(1)).map(pair)
}

/// The values of cookieless path segments `/(S(value))/`, each with its letter; one segment may
/// hold several: `/(A(…)S(…))/`.
pub fn cookieless(path: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    path.split(|b| *b == b'/')
        .filter_map(|segment| segment.strip_prefix(b"(")?.strip_suffix(b"))"))
        .flat_map(|inside| inside.split(|b| *b == b')'))
        .filter_map(|part| {
            let (letter, rest) = part.split_first()?;
            rest.strip_prefix(b"(").filter(|_| letter.is_ascii_alphabetic()).map(|value| (*letter, value))
        })
}

fn pair(part: &[u8]) -> Pair<'_> {
    let mut halves = part.splitn(2, |b| *b == b'=');
    let first = halves.next().unwrap_or_default();
    halves.next().map_or(Pair { name: &[], value: first }, |value| Pair { name: first, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(target: &str) -> (Option<&str>, &str, Option<&str>) {
        let text = |b| std::str::from_utf8(b).unwrap();
        let t = split(b"GET", target.as_bytes());
        (t.authority.map(text), text(t.path), t.query.map(text))
    }

    #[test]
    fn targets() {
        assert_eq!(parts("/a/b?c=d?e"), (None, "/a/b", Some("c=d?e")));
        assert_eq!(parts("/a"), (None, "/a", None));
        assert_eq!(parts("http://shop.test:81/a?b"), (Some("shop.test:81"), "/a", Some("b")));
        assert_eq!(parts("http://shop.test?b"), (Some("shop.test"), "", Some("b")));
        assert_eq!(parts("//a//b"), (None, "//a//b", None));
        assert_eq!(parts("/redirect?to=http://x/"), (None, "/redirect", Some("to=http://x/")));
        assert_eq!(parts("*"), (None, "*", None));
        assert_eq!(parts(""), (None, "", None));
        assert_eq!(split(b"CONNECT", b"a:443").authority, Some(&b"a:443"[..]));
    }

    #[test]
    fn parameters() {
        let named = |pairs: Vec<Pair<'_>>| -> Vec<String> {
            pairs.iter().map(|p| format!("{}={}", p.name.escape_ascii(), p.value.escape_ascii())).collect()
        };
        assert_eq!(named(query_pairs(b"a=1&b=2=3;c=&d").collect()), ["a=1", "b=2=3", "c=", "=d"]);
        assert_eq!(named(matrix_pairs(b"/x;jsessionid=1;v=2/y;z=3").collect()), ["jsessionid=1", "v=2", "z=3"]);
        assert_eq!(named(matrix_pairs(b"/plain").collect()), [""; 0]);
        let found: Vec<_> = cookieless(b"/app/(A(x)S(abc))/page/(F(d))/(nothing)/(())").collect();
        assert_eq!(found, [(b'A', &b"x"[..]), (b'S', b"abc"), (b'F', b"d")]);
    }
}
