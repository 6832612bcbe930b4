//! What do the first bytes of a connection say? Told from a few bytes, without reading a message.

use super::http2;
use super::proxy::{self, Preamble};
use super::socks::{self, Phase, Step};
use crate::base::net::Endpoint;

/// Most bytes that are ever needed: a line of the PROXY protocol is at most 107 bytes long.
pub(super) const PROBE_LIMIT: usize = 128;

/// What the first bytes of one direction are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Too few to tell.
    NeedMore,
    /// A byte of a blank line comes before the conversation.
    Blank,
    /// So many bytes of a PROXY protocol preamble do, which names this client.
    Proxy(usize, Option<Endpoint>),
    /// The client of a SOCKS negotiation: so many bytes are its first message; its next one, and its
    /// server's.
    Socks(usize, Option<Phase>, Phase),
    /// They may be HTTP/1; its reader will find out.
    Http1,
    /// The preface of an HTTP/2 client or server (RFC 9113 §3.4), or a frame in the middle of a direction.
    Http2,
    /// A TLS record (RFC 8446 §5.1), or a hello in the form of SSL 2.0.
    Tls,
    /// None of ours.
    Foreign,
}

/// Preface of an HTTP/2 client, as far as it differs from all HTTP/1 requests.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Judges the first bytes of a direction; `late` when they may come from the middle of it. The
/// verdict of [`PROBE_LIMIT`] bytes is never `NeedMore`. `Http1` is a hope that its reader may disappoint; no
/// other verdict changes with more bytes.
pub(super) fn classify(bytes: &[u8], late: bool) -> Verdict {
    match bytes {
        [] => Verdict::NeedMore,
        [0, ..] => match http2::may_begin(bytes, late) {
            Some(true) => Verdict::Http2,
            Some(false) => http1(bytes),
            None => Verdict::NeedMore,
        },
        [0x16, ..] => tls(bytes),
        [0x14 | 0x15 | 0x17, ..] if late => tls(bytes),
        [4 | 5, ..] if !late => match socks::greeting(bytes) {
            (Step::NeedMore, _) => Verdict::NeedMore,
            (Step::Pass(n, next), server) => Verdict::Socks(n, next, server),
            (Step::Refused, _) => Verdict::Foreign,
        },
        [0x80..=0xff, ..] => ssl2(bytes),
        [b'\r' | b'\n', ..] => match proxy::version2(bytes) {
            Preamble::NeedMore => Verdict::NeedMore,
            Preamble::Yes(n, client) => Verdict::Proxy(n, client),
            Preamble::No => Verdict::Blank, // the signature may begin with the next byte
        },
        [b'P', ..] => match proxy::version1(bytes) {
            _ if bytes.starts_with(HTTP2) => Verdict::Http2,
            _ if HTTP2.starts_with(bytes) => Verdict::NeedMore,
            Preamble::NeedMore => Verdict::NeedMore,
            Preamble::Yes(n, client) => Verdict::Proxy(n, client),
            Preamble::No => http1(bytes),
        },
        _ => http1(bytes),
    }
}

fn http1(bytes: &[u8]) -> Verdict {
    if super::http1::may_be_first_line(bytes) { Verdict::Http1 } else { Verdict::Foreign }
}

fn tls(bytes: &[u8]) -> Verdict {
    match *bytes {
        [_, major, ..] if major != 3 => Verdict::Foreign,
        [_, _, minor, ..] if minor > 4 => Verdict::Foreign,
        [_, _, _, high, low, ..] => {
            let fits = (1..=super::tls::RECORD_LIMIT).contains(&u16::from_be_bytes([high, low]));
            if fits { Verdict::Tls } else { Verdict::Foreign }
        }
        _ => Verdict::NeedMore,
    }
}

/// A hello in the form of SSL 2.0, which some clients of old servers still send (RFC 5246 Appendix E.2).
fn ssl2(bytes: &[u8]) -> Verdict {
    match *bytes {
        [_] | [_, _] | [_, _, 1] | [_, _, 1, 3] | [_, _, 1, 0] => Verdict::NeedMore,
        [_, _, 1, 3, 0..=4, ..] | [_, _, 1, 0, 2, ..] => Verdict::Tls,
        _ => Verdict::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Option<Endpoint> =
        Some(Endpoint { ip: std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 66)), port: 41000 });

    const CASES: [(&[u8], bool, Verdict); 31] = [
        (b"GET / HTTP/1.1\r\n", false, Verdict::Http1),
        (b"HTTP/1.1 200 OK\r\n", false, Verdict::Http1),
        (b"PURGEX  /account  HTTP/1.1\r\n", false, Verdict::Http1),
        (b"PROXY / HTTP/1.1\r\n", false, Verdict::Http1),
        (b"PROXY TCP4 HTTP/1.1\r\n", false, Verdict::Proxy(21, None)),
        (b"PROXY TCP4 10.0.0.66 198.51.100.80 41000 80\r\nGET", false, Verdict::Proxy(45, CLIENT)),
        (b"PROXY UNKNOWN\r\nGET", false, Verdict::Proxy(15, None)),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\x11\x00\x0cGET", false, Verdict::Proxy(28, None)),
        (b"\r\n\r\n\0GET", false, Verdict::Blank),
        (b"\n\r\nGET", false, Verdict::Blank),
        (b"\x05\x01\x00", false, Verdict::Socks(3, Some(Phase::Request5), Phase::Method5)),
        (b"\x05\x01\x00", true, Verdict::Foreign),
        (b"\x04\x01\x00\x50\x0a\x00\x00", false, Verdict::NeedMore),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false, Verdict::Http2),
        (b"PRI * HTTP/1.1\r\n", false, Verdict::Http1),
        (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", false, Verdict::Http2),
        (b"\0\0\0\x04\x01\0\0\0\0\0\0", false, Verdict::Foreign),
        (b"\0\0\0\x04\x01\0\0\0\0\0\0", true, Verdict::Http2),
        (b"\0\0\x03\x01\x05\0\0\0\x07\x82\x86\x84", true, Verdict::Http2),
        (b"\0\0\x03\x01\x05\0\0\0\x07\x82\x86\x84", false, Verdict::Foreign),
        (b"\x16\x03\x01\x02\x00\x01", false, Verdict::Tls),
        (b"\x16\x03\x03\x48\x01", false, Verdict::Foreign),
        (b"\x16\x02", false, Verdict::Foreign),
        (b"\x17\x03\x03\x01\x00", false, Verdict::Foreign),
        (b"\x17\x03\x03\x01\x00", true, Verdict::Tls),
        (b"220 mail.example ESMTP\r\n", false, Verdict::Http1), // a word and a space: its line will tell
        (b"\x80\x2e\x01\x03\x01", false, Verdict::Tls),
        (b"\x80\x2e\x01\x00\x01", false, Verdict::Foreign),
        (b"\x00\x00", false, Verdict::NeedMore),
        (b"\x00\x00\x01\x00\x00\x00\x00\x00\x00", false, Verdict::Foreign),
        (b"{\"jsonrpc\"", false, Verdict::Foreign),
    ];

    #[test]
    fn first_bytes() {
        for (bytes, late, verdict) in CASES {
            assert_eq!(classify(bytes, late), verdict, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn fewer_bytes_mean_need_more_or_the_same() {
        for (bytes, late, verdict) in CASES {
            for n in 0..bytes.len() {
                let early = classify(&bytes[..n], late);
                // The reader of HTTP/1 may still refuse, and fewer bytes than a frame's header say nothing of HTTP/2.
                let hopeful = early == Verdict::Http1 || (late && verdict == Verdict::Http2 && n < 9);
                assert!(
                    early == Verdict::NeedMore || early == verdict || hopeful,
                    "{} after {n}: {early:?}",
                    bytes.escape_ascii()
                );
            }
        }
    }
}
