//! What do the first bytes of a connection say? Told from a few bytes, without reading a message.

/// Most bytes that are ever needed: a PROXY line is at most 107 bytes long.
pub(super) const PROBE_LIMIT: usize = 128;

/// What the first bytes of one direction are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Too few to tell.
    NeedMore,
    /// So many bytes come before the conversation: a byte of a blank line, or a PROXY protocol preamble.
    Preamble(usize),
    /// They may be HTTP/1; its reader will find out.
    Http1,
    /// The preface of an HTTP/2 client (RFC 9113 §3.4).
    Http2,
    /// A TLS record (RFC 8446 §5.1).
    Tls,
    /// None of ours.
    Foreign,
}

/// Preface of an HTTP/2 client, as far as it differs from all HTTP/1 requests.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Signature of the PROXY protocol, version 2 (proxy-protocol.txt §2.2).
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Length of a PROXY header of version 2 up to and including its length field.
const PROXY_V2_HEADER: usize = 16;

/// How a PROXY line of version 1 begins (proxy-protocol.txt §2.1).
const PROXY_V1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];

/// Largest TLS record: 2^14 bytes and what encryption may add.
const TLS_RECORD_LIMIT: u16 = (1 << 14) + 2048;

/// Judges the first bytes of a direction; `late` when they may come from the middle of it. The
/// verdict of [`PROBE_LIMIT`] bytes is never `NeedMore`. `Http1` is a hope that its reader may disappoint; no
/// other verdict changes with more bytes.
pub(super) fn classify(bytes: &[u8], late: bool) -> Verdict {
    match bytes {
        [] => Verdict::NeedMore,
        [0x16, ..] => tls(bytes),
        [0x14 | 0x15 | 0x17, ..] if late => tls(bytes),
        [b'\r' | b'\n', ..] => blank_lines(bytes),
        [b'P', ..] => {
            let begins = |text: &[u8]| bytes.starts_with(text);
            let may_begin = |text: &[u8]| text.starts_with(bytes);
            if begins(HTTP2) {
                Verdict::Http2
            } else if may_begin(HTTP2) || PROXY_V1.into_iter().any(may_begin) {
                Verdict::NeedMore
            } else if PROXY_V1.into_iter().any(begins) {
                proxy_line(bytes)
            } else {
                http1(bytes)
            }
        }
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
            let fits = (1..=TLS_RECORD_LIMIT).contains(&u16::from_be_bytes([high, low]));
            if fits { Verdict::Tls } else { Verdict::Foreign }
        }
        _ => Verdict::NeedMore,
    }
}

fn blank_lines(bytes: &[u8]) -> Verdict {
    if PROXY_V2.starts_with(bytes) {
        return Verdict::NeedMore;
    }
    if !bytes.starts_with(PROXY_V2) {
        return Verdict::Preamble(1); // the signature may begin with the next byte
    }
    match bytes.get(14..PROXY_V2_HEADER).and_then(|b| b.first_chunk::<2>()) {
        Some(length) => Verdict::Preamble(PROXY_V2_HEADER.saturating_add(u16::from_be_bytes(*length).into())),
        None => Verdict::NeedMore,
    }
}

/// A line that begins like a PROXY line; it could be a request with that method.
fn proxy_line(bytes: &[u8]) -> Verdict {
    let bytes = bytes.get(..PROBE_LIMIT).unwrap_or(bytes);
    match memchr::memchr(b'\n', bytes).and_then(|lf| bytes.split_at_checked(lf)) {
        Some((line, _)) if super::http1::is_first_line(line) => Verdict::Http1,
        Some((line, _)) => Verdict::Preamble(line.len().saturating_add(1)),
        None if bytes.len() < PROBE_LIMIT => Verdict::NeedMore,
        None => Verdict::Http1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [(&[u8], bool, Verdict); 20] = [
        (b"GET / HTTP/1.1\r\n", false, Verdict::Http1),
        (b"HTTP/1.1 200 OK\r\n", false, Verdict::Http1),
        (b"PURGEX  /account  HTTP/1.1\r\n", false, Verdict::Http1),
        (b"PROXY / HTTP/1.1\r\n", false, Verdict::Http1),
        (b"PROXY TCP4 HTTP/1.1\r\n", false, Verdict::Preamble(21)),
        (b"PROXY TCP4 10.0.0.66 198.51.100.80 41000 80\r\nGET", false, Verdict::Preamble(45)),
        (b"PROXY UNKNOWN\r\nGET", false, Verdict::Preamble(15)),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0cGET", false, Verdict::Preamble(28)),
        (b"\r\n\r\n\0GET", false, Verdict::Preamble(1)),
        (b"\n\r\nGET", false, Verdict::Preamble(1)),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false, Verdict::Http2),
        (b"PRI * HTTP/1.1\r\n", false, Verdict::Http1),
        (b"\x16\x03\x01\x02\x00\x01", false, Verdict::Tls),
        (b"\x16\x03\x03\x48\x01", false, Verdict::Foreign),
        (b"\x16\x02", false, Verdict::Foreign),
        (b"\x17\x03\x03\x01\x00", false, Verdict::Foreign),
        (b"\x17\x03\x03\x01\x00", true, Verdict::Tls),
        (b"220 mail.example ESMTP\r\n", false, Verdict::Http1), // a word and a space: its line will tell
        (b"\x00\x00", false, Verdict::Foreign),
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
                let hopeful = early == Verdict::Http1; // the reader of HTTP/1 may still refuse
                assert!(
                    early == Verdict::NeedMore || early == verdict || hopeful,
                    "{} after {n}: {early:?}",
                    bytes.escape_ascii()
                );
            }
        }
    }
}
