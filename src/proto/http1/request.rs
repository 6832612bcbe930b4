//! What does the head of a request say, and was it told before?

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

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

/// Tells heads apart; what it comes to on this flow cannot be foreseen by whoever sends them.
pub(super) fn fingerprint(head: &[u8], flow: &FlowInfo) -> u32 {
    let seed = flow.opened.ts.0.cast_unsigned();
    (FixedState::with_seed(seed).hash_one(head) >> 32) as u32
}

/// A request that a rival copy of bytes holds, unless it was told before; `told` counts them.
pub(in crate::proto) fn tell_rival<S: MessageSink>(
    head: &Head<'_>,
    (dir, at): (Direction, Stamp),
    (http1, told): (Option<&Http1>, &mut u32),
    voice: &mut Voice<'_, S>,
) {
    if http1.is_some_and(|h| h.has_told(&head.bytes, voice.flow())) {
        return;
    }
    let mut fields = Fields::default();
    let Some(line) = request(head, &mut fields) else { return };
    *told = told.saturating_add(1);
    let ordinal = u32::MAX.saturating_sub(*told).max(FIRST_RIVAL);
    let request = head_of(line, &fields.headers);
    voice.say(Message::Request { ordinal, dir, first: head.first, complete: at, head: request });
}
