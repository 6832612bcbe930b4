//! Which fields does a form in a body have? `application/x-www-form-urlencoded` (WHATWG URL Standard §5.1).

use super::cookie::Pair;
use super::url;
use crate::proto::Header;

/// Bytes of a form that are read: an assertion of an identity provider takes tens of KiB.
pub(super) const LIMIT: usize = 64 * 1024;

/// Whether a message with these fields has a form as its body, which is not compressed.
pub(super) fn is_form(headers: &[Header<'_>]) -> bool {
    has_type(headers, &[b"application/x-www-form-urlencoded"])
}

/// Whether the body is of one of these media types (lower case), and not compressed.
pub(super) fn has_type(headers: &[Header<'_>], types: &[&[u8]]) -> bool {
    let value = |name: &[u8]| headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| &*h.value);
    let encoded = value(b"content-encoding").is_some_and(|v| !v.eq_ignore_ascii_case(b"identity"));
    let essence = value(b"content-type").and_then(|v| v.split(|b| *b == b';').next()).map(<[u8]>::trim_ascii);
    !encoded && essence.is_some_and(|e| types.iter().any(|t| e.eq_ignore_ascii_case(t)))
}

/// The fields of a form. The last one is left out where the body is not `whole`: it may be cut.
pub(super) fn fields(body: &[u8], whole: bool) -> impl Iterator<Item = Pair<'_>> {
    let end = if whole { body.len() } else { memchr::memrchr(b'&', body).unwrap_or(0) };
    url::query_pairs(body.get(..end).unwrap_or_default().trim_ascii())
}

/// Whether the form asks a token endpoint for tokens (RFC 6749 §4).
pub(super) fn asks_for_tokens(body: &[u8], whole: bool) -> bool {
    fields(body, whole).any(|pair| pair.name == b"grant_type")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn headers<'h>(list: &[(&'h str, &'h str)]) -> Vec<Header<'h>> {
        list.iter().map(|(n, v)| Header { name: n.as_bytes(), value: Cow::Borrowed(v.as_bytes()) }).collect()
    }

    #[test]
    fn media_types() {
        let plain = ("Content-Type", "application/X-WWW-form-urlencoded; charset=UTF-8");
        assert!(is_form(&headers(&[plain])));
        assert!(is_form(&headers(&[plain, ("content-encoding", "identity")])));
        assert!(!is_form(&headers(&[plain, ("content-encoding", "gzip")])));
        assert!(!is_form(&headers(&[("content-type", "multipart/form-data; boundary=x")])));
        assert!(!is_form(&headers(&[])));
    }

    #[test]
    fn a_cut_field_is_none() {
        let names = |body: &str, whole| -> Vec<String> {
            fields(body.as_bytes(), whole).map(|p| p.name.escape_ascii().to_string()).collect()
        };
        assert_eq!(names("a=1&sid=2\r\n", true), ["a", "sid"]);
        assert_eq!(names("a=1&sid=2", false), ["a"]);
        assert_eq!(names("sid=2", false), [""]);
        assert!(asks_for_tokens(b"code=1&grant_type=authorization_code", true));
        assert!(!asks_for_tokens(b"code=1&xgrant_type=authorization_code", true));
    }
}
