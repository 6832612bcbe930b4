//! What does the head of a request say, and was it told before?

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use siphasher::sip::SipHasher13;

use super::Http1;
use super::head::Fields;
use super::line::{Expect, FirstLine, RequestLine, Rigour, StatusLine, first_line};
use super::pairing::Asked;
use super::side::{Head, strip};
use crate::base::time::Stamp;
use crate::flow::{Direction, FlowInfo};
use crate::proto::conversation::Voice;
use crate::proto::{FIRST_RIVAL, Header, Message, MessageSink, RequestHead};

/// What a request asks for, as far as it decides how its reply is read.
pub(super) fn asked(head: &RequestHead<'_>) -> Asked {
    match head.method {
        b"HEAD" => Asked::Head,
        b"CONNECT" => Asked::Connect,
        _ if head.headers.iter().any(|h| h.name.eq_ignore_ascii_case(b"upgrade")) => Asked::Upgrade,
        _ => Asked::Other,
    }
}

/// The head of a request, taken apart: its first line, and its fields into `fields`. `None` when it
/// is none.
pub(super) fn request<'h>(head: &'h Head<'_>, fields: &mut Fields<'h>) -> Option<RequestLine<'h>> {
    let (line, block) = head.bytes.split_at_checked(head.line)?;
    let stripped = strip(line);
    let crlf = stripped.ends_with(b"\r");
    let read = head.read.or_else(|| first_line(stripped, Expect::Request, Rigour::Permissive));
    match read? {
        FirstLine::Request(line) => {
            fields.read(block, crlf);
            Some(line)
        }
        FirstLine::Cut(line, end) => {
            fields.read(head.bytes.get((end as usize).saturating_add(1)..)?, crlf);
            fields.line_end = true;
            Some(line)
        }
        FirstLine::Status(_) => None,
    }
}

/// The same for the head of a reply.
pub(super) fn status<'h>(head: &'h Head<'_>, fields: &mut Fields<'h>) -> Option<StatusLine> {
    let (line, block) = head.bytes.split_at_checked(head.line)?;
    match head.read.or_else(|| first_line(strip(line), Expect::Response, Rigour::Permissive))? {
        FirstLine::Status(line) => {
            fields.read(block, false);
            Some(line)
        }
        FirstLine::Request(_) | FirstLine::Cut(..) => None,
    }
}

pub(super) fn head_of<'h>(line: RequestLine<'h>, headers: &'h [Header<'h>]) -> RequestHead<'h> {
    RequestHead { method: line.method, target: line.target, version: line.version, headers }
}

/// The bytes of a request behind its first line, as a hash that nobody can aim at; small, because every
/// open connection has one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Block {
    hash: [u32; 2],
    /// How many there are; 0 when they are too many, or nothing to compare with.
    length: u16,
}

impl Block {
    /// These bytes, hashed under the sink's key.
    pub(super) fn of(bytes: &[u8], key: &[u8; 16]) -> Self {
        let hash = SipHasher13::new_with_key(key).hash(bytes);
        Self { hash: [(hash >> 32) as u32, hash as u32], length: u16::try_from(bytes.len()).unwrap_or(0) }
    }

    /// Those of a head.
    pub(super) fn behind(head: &Head<'_>, key: &[u8; 16]) -> Self {
        Self::of(head.bytes.get(head.line..).unwrap_or_default(), key)
    }

    /// Whether these bytes may be the same, by their number.
    pub(super) fn may_be(&self, bytes: &[u8]) -> bool {
        self.length > 0 && usize::from(self.length) == bytes.len()
    }
}

/// Tells heads apart; what it comes to cannot be foreseen by whoever sends them.
pub(super) fn fingerprint(head: &Head<'_>, block: &Block, flow: &FlowInfo) -> u32 {
    fingerprint_of(head.bytes.get(..head.line).unwrap_or_default(), block, flow)
}

/// The same for the head of this first line.
pub(super) fn fingerprint_of(line: &[u8], Block { hash: [high, low], .. }: &Block, flow: &FlowInfo) -> u32 {
    let seed = flow.opened.ts.0.cast_unsigned() ^ (u64::from(*high) << 32 | u64::from(*low));
    (FixedState::with_seed(seed).hash_one(line) >> 32) as u32
}

/// A request that a rival copy of bytes holds, unless it was told before; `told` counts them.
pub(in crate::proto) fn tell_rival<S: MessageSink>(
    head: &Head<'_>,
    (dir, at): (Direction, Stamp),
    (http1, told): (Option<&Http1>, &mut u32),
    voice: &mut Voice<'_, S>,
) {
    if http1.is_some_and(|h| h.has_told(head, voice)) {
        return;
    }
    let mut fields = Fields::default();
    let Some(line) = request(head, &mut fields) else { return };
    *told = told.saturating_add(1);
    let ordinal = u32::MAX.saturating_sub(*told).max(FIRST_RIVAL);
    let request = head_of(line, &fields.headers);
    voice.say(Message::Request { ordinal, dir, first: head.first, complete: at, head: request });
}
