//! Who is named by a PROXY protocol preamble (proxy-protocol.txt, HAProxy), and how long is it?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::net::Endpoint;

/// Signature of version 2 (§2.2).
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Length of a header of version 2 up to and including its length field.
const V2_HEADER: usize = 16;

/// How a line of version 1 begins (§2.1).
const V1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];

/// Longest line of version 1, and more than the addresses of version 2 take.
const LIMIT: usize = super::probe::PROBE_LIMIT;

/// What the first bytes of a direction are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Preamble {
    /// Too few to tell.
    NeedMore,
    /// A preamble of so many bytes, and the client that it names; `None` for `UNKNOWN`, `LOCAL` and
    /// addresses that are none of IP.
    Yes(usize, Option<Endpoint>),
    /// None.
    No,
}

/// Judges bytes that begin with `\r` or `\n`.
pub(super) fn version2(bytes: &[u8]) -> Preamble {
    if V2.starts_with(bytes) {
        return Preamble::NeedMore;
    }
    let Some(rest) = bytes.strip_prefix(V2) else { return Preamble::No };
    let [command, family, high, low, addresses @ ..] = rest else { return Preamble::NeedMore };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let addresses = addresses.get(..length).unwrap_or(addresses);
    // Version 2, command PROXY; then the family and STREAM.
    let client = match (*command, *family) {
        (0x21, 0x11) if length >= 12 => v4(addresses).ok_or(()),
        (0x21, 0x21) if length >= 36 => v6(addresses).ok_or(()),
        _ => return Preamble::Yes(V2_HEADER.saturating_add(length), None),
    };
    match client {
        Ok(client) => Preamble::Yes(V2_HEADER.saturating_add(length), Some(client)),
        Err(()) => Preamble::NeedMore,
    }
}

/// Source address and port of a block of IPv4 addresses (§2.2).
fn v4(block: &[u8]) -> Option<Endpoint> {
    let source = block.first_chunk::<4>()?;
    let port = block.get(8..12)?.first_chunk::<2>()?;
    Some(Endpoint { ip: IpAddr::V4(Ipv4Addr::from(*source)), port: u16::from_be_bytes(*port) })
}

/// Source address and port of a block of IPv6 addresses.
fn v6(block: &[u8]) -> Option<Endpoint> {
    let source = block.first_chunk::<16>()?;
    let port = block.get(32..36)?.first_chunk::<2>()?;
    Some(Endpoint { ip: IpAddr::V6(Ipv6Addr::from(*source)), port: u16::from_be_bytes(*port) })
}

/// Judges bytes that begin with `P`. A line that begins like a PROXY line could be a request with
/// that method.
pub(super) fn version1(bytes: &[u8]) -> Preamble {
    let bytes = bytes.get(..LIMIT).unwrap_or(bytes);
    if !V1.into_iter().any(|text| bytes.starts_with(text)) {
        let hopeful = V1.into_iter().any(|text| text.starts_with(bytes));
        return if hopeful { Preamble::NeedMore } else { Preamble::No };
    }
    match memchr::memchr(b'\n', bytes).and_then(|lf| bytes.split_at_checked(lf)) {
        Some((line, _)) if super::http1::is_first_line(line) => Preamble::No,
        Some((line, _)) => Preamble::Yes(line.len().saturating_add(1), named(line)),
        None if bytes.len() < LIMIT => Preamble::NeedMore,
        None => Preamble::No,
    }
}

/// The client of `PROXY TCP4 192.0.2.1 192.0.2.2 40000 80`.
fn named(line: &[u8]) -> Option<Endpoint> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let family = words.nth(1)?;
    let ip: IpAddr = words.next()?.parse().ok()?;
    let port = words.nth(1)?.parse().ok()?;
    (ip.is_ipv4() == (family == "TCP4") && family != "UNKNOWN").then_some(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ip: &str, port: u16) -> Option<Endpoint> {
        Some(Endpoint { ip: ip.parse().unwrap(), port })
    }

    #[test]
    fn lines_of_version_1() {
        let read = |line: &str| version1(line.as_bytes());
        let line = "PROXY TCP4 192.0.2.1 198.51.100.2 40000 80\r\n";
        assert_eq!(read(&format!("{line}GET")), Preamble::Yes(line.len(), client("192.0.2.1", 40000)));
        let line = "PROXY TCP6 2001:db8::1 2001:db8::2 40000 80\r\n";
        assert_eq!(read(line), Preamble::Yes(line.len(), client("2001:db8::1", 40000)));
        assert_eq!(read("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Preamble::Yes(35, None));
        assert_eq!(read("PROXY TCP6 192.0.2.1 198.51.100.2 1 80\r\n"), Preamble::Yes(40, None), "the wrong family");
        assert_eq!(read("PROXY TCP4 junk\r\n"), Preamble::Yes(17, None));
        assert_eq!(read("PROXY / HTTP/1.1\r\n"), Preamble::No);
        assert_eq!(read("PROXY TCP4 192.0.2.1"), Preamble::NeedMore);
        assert_eq!(read(&format!("PROXY TCP4 {}", "x".repeat(LIMIT))), Preamble::No);
    }

    #[test]
    fn headers_of_version_2() {
        let read = |command: u8, family: u8, block: &[u8]| {
            let length = u16::try_from(block.len()).unwrap().to_be_bytes();
            version2(&[V2, &[command, family], &length, block, b"GET"].concat())
        };
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0x9c, 0x40, 0, 80];
        assert_eq!(read(0x21, 0x11, &four), Preamble::Yes(28, client("192.0.2.1", 40000)));
        let with_tlv = [&four[..], &[4, 0, 3, 1, 2, 3]].concat();
        assert_eq!(read(0x21, 0x11, &with_tlv), Preamble::Yes(34, client("192.0.2.1", 40000)));
        let six: Vec<u8> = (0..36).collect();
        assert_eq!(read(0x21, 0x21, &six), Preamble::Yes(52, client("1:203:405:607:809:a0b:c0d:e0f", 0x2021)));
        assert_eq!(read(0x20, 0x11, &four), Preamble::Yes(28, None), "LOCAL");
        assert_eq!(read(0x21, 0x00, &[]), Preamble::Yes(16, None), "UNSPEC");
        assert_eq!(read(0x21, 0x31, &[0; 216]), Preamble::Yes(232, None), "a path");
        assert_eq!(read(0x21, 0x11, &four[..4]), Preamble::Yes(20, None), "too short for its family");
        assert_eq!(version2(b"\r\n\r\nGET"), Preamble::No);
        assert_eq!(version2(&[V2, &[0x21, 0x11, 0, 12, 192, 0]].concat()), Preamble::NeedMore);
    }
}
