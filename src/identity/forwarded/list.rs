//! Which entries does a header have to which every proxy adds its own? From the last to the first.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::{Unresolved, node};

/// Entries that are walked from the right; no honest request passes more proxies.
pub(super) const HOPS: usize = 32;

/// The first address from the right that `is_proxy` does not know; field lines in wire order.
pub(super) fn x_forwarded_for<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Unresolved> {
    let entries = lines.rev().flat_map(|line| line.rsplit(|b| *b == b','));
    walk(entries.filter(|entry| !entry.trim_ascii().is_empty()).map(node::address), is_proxy)
}

/// The same of `Forwarded`, by its `for` parameters (RFC 7239 §4, §5.2).
pub(super) fn forwarded<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Unresolved> {
    walk(lines.rev().flat_map(|line| last_elements(line).into_iter().rev()).map(for_address), is_proxy)
}

fn walk(
    entries: impl Iterator<Item = Result<IpAddr, Unresolved>>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Unresolved> {
    let mut walked = 0;
    for entry in entries {
        let address = entry?;
        if !is_proxy(address) {
            return Ok(address);
        }
        walked += 1;
        if walked == HOPS {
            return Err(Unresolved::TooMany);
        }
    }
    Err(if walked == 0 { Unresolved::Absent } else { Unresolved::OnlyProxies })
}

/// The last elements of a line, in wire order. A client that leaves a quote open would swallow what
/// the proxies add after it: then commas part elements wherever they stand.
fn last_elements(line: &[u8]) -> SmallVec<[&[u8]; 4]> {
    let mut last = SmallVec::new();
    let balanced = split(line, b',', true, |element| keep(&mut last, element));
    if !balanced {
        last.clear();
        split(line, b',', false, |element| keep(&mut last, element));
    }
    last
}

/// Keeps one entry more than are walked, so that too many are noticed.
fn keep<'a>(last: &mut SmallVec<[&'a [u8]; 4]>, element: &'a [u8]) {
    if !element.trim_ascii().is_empty() {
        if last.len() > HOPS {
            last.remove(0);
        }
        last.push(element);
    }
}

/// The address of the `for` parameter of an element.
fn for_address(element: &[u8]) -> Result<IpAddr, Unresolved> {
    let mut found: Option<&[u8]> = None;
    let mut twice = false;
    split(element, b';', true, |pair| {
        let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        if let Some((name, value)) = pair.split_at_checked(at)
            && name.trim_ascii().eq_ignore_ascii_case(b"for")
        {
            twice |= found.replace(value.strip_prefix(b"=").unwrap_or_default()).is_some();
        }
    });
    match found {
        _ if twice => Err(Unresolved::Malformed),
        Some(value) => node::address(value),
        None => Err(Unresolved::Hidden),
    }
}

/// Gives the parts between separators; with `quotes`, those outside of quoted strings (RFC 9110 §5.6.4).
/// Answers whether every quote was closed.
fn split<'a>(text: &'a [u8], separator: u8, quotes: bool, mut part: impl FnMut(&'a [u8])) -> bool {
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if quotes => quoted = !quoted,
            b if *b == separator && !quoted => {
                part(text.get(start..at).unwrap_or_default());
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    part(text.get(start..).unwrap_or_default());
    !quoted
}
