//! What does the head of a request say, and was it told before?

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::Http1;
use super::head::{Fields, fields};
use super::line::{RequestLine, Rigour, before_bare_cr, request_line};
use super::pairing::Asked;
use super::side::Head;
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

/// The head of a request, taken apart; `None` when it is none.
pub(super) fn request<'h>(head: &'h Head<'_>) -> Option<(RequestLine<'h>, Fields<'h>)> {
    let (line, block) = head.bytes.split_at_checked(head.line)?;
    let stripped = line.strip_suffix(b"\n").unwrap_or(line);
    let crlf = stripped.ends_with(b"\r");
    if let Some(line) = request_line(stripped, Rigour::Permissive) {
        return Some((line, fields(block, crlf)));
    }
    let first = before_bare_cr(stripped)?;
    let mut fields = fields(head.bytes.get(first.len().saturating_add(1)..)?, crlf);
    fields.line_end = true;
    Some((request_line(first, Rigour::Permissive)?, fields))
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
    let Some((line, fields)) = request(head) else { return };
    *told = told.saturating_add(1);
    let ordinal = u32::MAX.saturating_sub(*told).max(FIRST_RIVAL);
    let request = head_of(line, &fields.headers);
    voice.say(Message::Request { ordinal, dir, first: head.first, complete: at, head: request });
}
