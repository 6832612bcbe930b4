//! What is the value itself? Quotes, percent-encoding and placeholders taken out of the way.

use super::strength;
use crate::base::secret::Secret;

/// Digits of base64url (RFC 4648 §5).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Values that say "there is none" (compared without case): never followed.
const PLACEHOLDERS: [&[u8]; 8] = [b"", b"deleted", b"null", b"undefined", b"none", b"0", b"-", b"expired"];

/// The canonical value of a token: borrowed from the wire where nothing had to change, else in
/// memory that is wiped.
#[derive(Debug)]
pub enum Canonical<'a> {
    /// As on the wire.
    Wire(Wire<'a>),
    /// Decoded or joined.
    Decoded(Secret<Vec<u8>>),
}

/// Bytes of the wire that may be secret: `Debug` does not show them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Wire<'a>(pub &'a [u8]);

impl std::fmt::Debug for Wire<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("‹wire›")
    }
}

impl<'a> Canonical<'a> {
    /// Surrounding white space and quotes removed, with the escapes between them; percent-decoded once.
    #[must_use]
    pub fn of(raw: &'a [u8]) -> Self {
        let value = unquote(raw);
        if value.len() < raw.trim_ascii().len()
            && let Some(plain) = unescape(value)
        {
            return Self::Decoded(percent_decode(plain.expose()).unwrap_or(plain));
        }
        match percent_decode(value) {
            Some(decoded) => Self::Decoded(decoded),
            None => Self::Wire(Wire(value)),
        }
    }

    /// Parts of one token, joined: cut over several cookies (`between` is empty) or paired.
    #[must_use]
    pub fn joined(parts: &[&[u8]], between: &[u8]) -> Self {
        let size = parts.iter().map(|p| p.len().saturating_add(between.len())).sum();
        let mut whole = Vec::with_capacity(size);
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                whole.extend_from_slice(between);
            }
            whole.extend_from_slice(part);
        }
        Self::Decoded(Secret::new(whole))
    }

    /// What comes before the first of these bytes, if that is strong enough to name a session by itself:
    /// what some servers put behind it names one of them, and they take the value without it.
    #[must_use]
    pub fn until(self, ends: &[u8]) -> Self {
        let end = self.bytes().iter().position(|b| ends.contains(b));
        match end.and_then(|end| self.bytes().get(..end)).filter(|v| strength::bits(v) >= strength::STRONG) {
            Some(_) => self.map(|v| end.and_then(|end| v.get(..end)).unwrap_or(v)),
            None => self,
        }
    }

    /// A signed token (JWS, RFC 7515) with the bits of its last digit zero that no byte needs: many readers
    /// do not look at them, so that one token has several spellings.
    #[must_use]
    pub fn without_unused_bits(self) -> Self {
        let value = self.bytes();
        let signature = value.rsplit(|b| *b == b'.').next().unwrap_or_default();
        let signed = value.starts_with(b"eyJ") && value.iter().filter(|b| **b == b'.').count() == 2;
        let unused = match signature.len() % 4 {
            2 => 0b1111,
            3 => 0b11,
            _ => 0,
        };
        let last = value.last().and_then(|b| DIGITS.iter().position(|d| d == b));
        match last.filter(|at| signed && at & unused != 0).and_then(|at| DIGITS.get(at & !unused)) {
            Some(digit) => {
                let mut plain = value.to_vec();
                plain.pop();
                plain.push(*digit);
                Self::Decoded(Secret::new(plain))
            }
            None => self,
        }
    }

    /// A part of the value.
    fn map(self, part: impl Fn(&[u8]) -> &[u8]) -> Self {
        match self {
            Self::Wire(wire) => Self::Wire(Wire(part(wire.0))),
            Self::Decoded(secret) => Self::Decoded(Secret::new(part(secret.expose()).to_vec())),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Wire(wire) => wire.0,
            Self::Decoded(secret) => secret.expose(),
        }
    }

    /// Whether it only says that there is no value.
    #[must_use]
    pub fn is_placeholder(&self) -> bool {
        PLACEHOLDERS.iter().any(|p| self.bytes().eq_ignore_ascii_case(p))
    }
}

/// Without surrounding white space and, where both are there, double quotes.
#[must_use]
pub fn unquote(raw: &[u8]) -> &[u8] {
    let value = raw.trim_ascii();
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}

/// Takes the escapes of a quoted string away (RFC 9110 §5.6.4), `\\ooo` in octal too as Python's
/// cookies have it; `None` when there is none.
fn unescape(quoted: &[u8]) -> Option<Secret<Vec<u8>>> {
    if !quoted.contains(&b'\\') {
        return None;
    }
    let mut out = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    loop {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push((a & 3) << 6 | (b & 7) << 3 | (c & 7));
                tail
            }
            [b'\\', b, tail @ ..] | [b, tail @ ..] => {
                out.push(*b);
                tail
            }
            [] => return Some(Secret::new(out)),
        };
    }
}

/// Percent-decodes once (RFC 3986 §2.1); `None` when nothing is encoded. A `%` that begins no
/// valid escape stays as it is.
#[must_use]
pub fn percent_decode(value: &[u8]) -> Option<Secret<Vec<u8>>> {
    if !value.contains(&b'%') {
        return None;
    }
    // Sized before it is filled: a buffer that grows leaves copies behind.
    let mut out = Vec::with_capacity(value.len());
    let mut decoded = false;
    let mut rest = value;
    while let Some((&b, tail)) = rest.split_first() {
        let escape = tail.first_chunk::<2>().and_then(|[hi, lo]| Some((hex(*hi)? << 4) | hex(*lo)?));
        match escape {
            Some(byte) if b == b'%' => {
                out.push(byte);
                decoded = true;
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(b);
                rest = tail;
            }
        }
    }
    let out = Secret::new(out);
    decoded.then_some(out)
}

/// Decodes base64 (RFC 4648 §4, also the URL-safe alphabet; padding optional) up to the first
/// byte that is none of it; `None` when nothing decodes.
#[must_use]
pub fn base64_decode(text: &[u8]) -> Option<Secret<Vec<u8>>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &b in text {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        held = (held << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    let out = Secret::new(out);
    (!out.expose().is_empty()).then_some(out)
}

const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        b'A'..=b'F' => Some(b - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_in_all_its_dresses() {
        for raw in [
            "abc def/1",
            " \"abc def/1\" ",
            "abc%20def%2f1",
            "\"abc%20def%2F1\"",
            "%61bc def/1",
            "\"\\141\\bc\\040def/\\061\"",
        ] {
            assert_eq!(Canonical::of(raw.as_bytes()).bytes(), b"abc def/1", "{raw}");
        }
        assert_eq!(Canonical::of(b"%2541").bytes(), b"%41", "decoded once only");
        assert_eq!(Canonical::of(b"a\\141").bytes(), b"a\\141", "no escape without quotes");
        assert_eq!(Canonical::of(b"\"a\\\"").bytes(), b"a\\", "nothing follows the last backslash");
        assert_eq!(Canonical::of(b"50%").bytes(), b"50%");
        assert_eq!(Canonical::of(b"%zz%4").bytes(), b"%zz%4");
        assert_eq!(Canonical::of(b"\"").bytes(), b"\"");
    }

    #[test]
    fn what_names_a_server_is_no_part_of_a_session() {
        let until =
            |raw: &str| String::from_utf8(Canonical::of(raw.as_bytes()).until(b".!:").bytes().to_vec()).unwrap();
        let id = "node01x7kq2m9f4v8b1c6z3n5aa0";
        for raw in [id.to_owned(), format!("{id}.node0"), format!("{id}!-1408220!NONE"), format!("{id}%2ejvm1")] {
            assert_eq!(until(&raw), id, "{raw}");
        }
        assert_eq!(until("abc.node0"), "abc.node0", "too weak by itself");
    }

    #[test]
    fn the_last_digit_of_a_signature_has_one_spelling() {
        let plain = |raw: &str| {
            String::from_utf8(Canonical::of(raw.as_bytes()).without_unused_bits().bytes().to_vec()).unwrap()
        };
        let head = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.";
        for (last, expected) in [("abM", "abM"), ("abN", "abM"), ("abP", "abM"), ("aR", "aQ"), ("abcd", "abcd")] {
            assert_eq!(plain(&format!("{head}{last}")), format!("{head}{expected}"));
        }
        assert_eq!(plain("a.b.abN"), "a.b.abN", "no JWT");
    }

    #[test]
    fn placeholders() {
        for raw in ["", "\"\"", "deleted", "NULL", "undefined", "None", "0", "-", " "] {
            assert!(Canonical::of(raw.as_bytes()).is_placeholder(), "{raw}");
        }
        assert!(!Canonical::of(b"00").is_placeholder());
    }

    #[test]
    fn base64_of_credentials() {
        let decoded = |text: &str| base64_decode(text.as_bytes()).map(|s| s.expose().clone());
        assert_eq!(decoded("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(), Some(&b"Aladdin:open sesame"[..]));
        assert_eq!(decoded("YTpi").as_deref(), Some(&b"a:b"[..]));
        assert_eq!(decoded("YQ").as_deref(), Some(&b"a"[..]));
        assert_eq!(decoded("!"), None);
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Canonical::of(b"hunter2")), "Wire(‹wire›)");
        assert_eq!(format!("{:?}", Canonical::of(b"hunter%32")), "Decoded(‹secret›)");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_canonical_value(raw in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Canonical::of(&raw).bytes().len() <= raw.len());
            prop_assert!(base64_decode(&raw).is_none_or(|d| d.expose().len() <= raw.len()));
        }
    }
}
