//! What do the fields of a message say? Its pseudo fields (RFC 9113 §8.3) become what a first line says,
//! and the others are given as HTTP/1 has them.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::hpack::List;
use crate::proto::Header;

/// A message, taken apart. (No `Debug`: it may hold secrets.)
#[derive(Default)]
pub(super) struct Head<'l> {
    pub(super) method: Option<&'l [u8]>,
    pub(super) path: Option<&'l [u8]>,
    pub(super) authority: Option<&'l [u8]>,
    /// What an extended CONNECT asks for (RFC 8441).
    protocol: Option<&'l [u8]>,
    pub(super) status: Option<u16>,
    /// The pseudo fields in order, by their first letters.
    pub(super) order: SmallVec<[u8; 8]>,
    /// The fields, the authority as `host` before them, the crumbs of a cookie as one where the first stands.
    pub(super) headers: SmallVec<[Header<'l>; 32]>,
}

impl<'l> Head<'l> {
    /// Takes a list of fields apart. Of pseudo fields that are given twice the first counts.
    pub(super) fn read(list: &'l List) -> Self {
        let mut head = Self::default();
        for (name, value) in list.fields().filter(|(name, _)| name.first() == Some(&b':')) {
            match name {
                b":method" => head.method = head.method.or(Some(value)),
                b":path" => head.path = head.path.or(Some(value)),
                b":authority" => head.authority = head.authority.or(Some(value)),
                b":protocol" => head.protocol = head.protocol.or(Some(value)),
                b":status" => head.status = head.status.or(status(value)),
                _ => {}
            }
            if head.order.len() < head.order.inline_size() {
                head.order.extend(name.get(1).copied());
            }
        }
        if let Some(host) = head.authority.filter(|host| !host.is_empty()) {
            head.headers.push(Header { name: b"host", value: Cow::Borrowed(host) });
        }
        let mut cookie = None;
        for (name, value) in list.fields().filter(|(name, _)| name.first() != Some(&b':')) {
            let is_cookie = name.eq_ignore_ascii_case(b"cookie");
            if let Some(whole) = cookie.filter(|_| is_cookie).and_then(|at: usize| head.headers.get_mut(at)) {
                let whole = whole.value.to_mut();
                whole.extend_from_slice(b"; ");
                whole.extend_from_slice(value);
                continue;
            }
            if is_cookie {
                cookie = Some(head.headers.len());
            }
            head.headers.push(Header { name, value: Cow::Borrowed(value) });
        }
        head
    }

    /// Method and target as HTTP/1 would have them: an extended CONNECT asks for what a GET with Upgrade does.
    /// Empty where they are not known.
    pub(super) fn first_line(&self) -> (&'l [u8], &'l [u8]) {
        match (self.method, self.protocol) {
            (Some(b"CONNECT"), Some(_)) => (b"GET", self.path.unwrap_or_default()),
            (Some(method @ b"CONNECT"), None) => (method, self.authority.unwrap_or_default()),
            (method, _) => (method.unwrap_or_default(), self.path.unwrap_or_default()),
        }
    }

    /// Whether method and target are as those of requests are, so that the bytes were no text of chance.
    pub(super) fn is_sound(&self) -> bool {
        let (method, target) = self.first_line();
        let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        !method.is_empty() && method.iter().all(token) && target.iter().all(|b| *b > b' ' && *b != 0x7f)
    }
}

/// Three digits.
fn status(value: &[u8]) -> Option<u16> {
    match *value {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |d: u8| u16::from(d.wrapping_sub(b'0'));
            Some(digit(a).saturating_mul(100).saturating_add(digit(b).saturating_mul(10)).saturating_add(digit(c)))
        }
        _ => None,
    }
}
