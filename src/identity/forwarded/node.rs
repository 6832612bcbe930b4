//! Which address does one entry of a forwarded header name? RFC 7239 §6, and what proxies write.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Unresolved;

/// The longest text that is looked at: a bracketed IPv6 address with zone, port and quotes.
const LENGTH: usize = 80;

/// The address of an entry: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, each also
/// in quotes. IPv4-mapped addresses become IPv4.
///
/// # Errors
/// `Hidden` for `unknown` and obfuscated names, `Malformed` for anything else.
pub(super) fn address(entry: &[u8]) -> Result<IpAddr, Unresolved> {
    let entry = entry.trim_ascii();
    let bare = entry.strip_prefix(b"\"").and_then(|e| e.strip_suffix(b"\"")).unwrap_or(entry).trim_ascii();
    if bare.eq_ignore_ascii_case(b"unknown") || bare.starts_with(b"_") {
        return Err(Unresolved::Hidden);
    }
    let text = std::str::from_utf8(bare).ok().filter(|text| text.len() <= LENGTH).ok_or(Unresolved::Malformed)?;
    let address = read(text).ok_or(Unresolved::Malformed)?.to_canonical();
    if address.is_unspecified() { Err(Unresolved::Malformed) } else { Ok(address) }
}

fn read(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (inside, after) = bracketed.split_once(']')?;
        let port = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return v6(inside).filter(|_| port).map(IpAddr::V6);
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(IpAddr::V4(address));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => {
            host.parse::<Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::V4)
        }
        _ => v6(text).map(IpAddr::V6),
    }
}

/// An IPv6 address; a zone (`fe80::1%eth0`) means something on its own host only and is left out.
fn v6(text: &str) -> Option<Ipv6Addr> {
    text.split('%').next()?.parse().ok()
}

/// A port, also an obfuscated one (RFC 7239 §6).
fn is_port(text: &str) -> bool {
    let number = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    number || text.strip_prefix('_').is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (entry, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            (" \t192.0.2.1 ", "192.0.2.1"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("\"192.0.2.1:_x\"", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("[fe80::1%25eth0]:1", "fe80::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ] {
            assert_eq!(address(entry.as_bytes()), Ok(expected.parse().unwrap()), "{entry}");
        }
    }

    #[test]
    fn no_addresses() {
        for hidden in ["unknown", "Unknown", "\"unknown\"", "_gazonk", "\"_hidden\"", "_"] {
            assert_eq!(address(hidden.as_bytes()), Err(Unresolved::Hidden), "{hidden}");
        }
        let long = "1".repeat(100);
        for bad in [
            "",
            " ",
            "-",
            "localhost",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "010.0.0.1",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:123456",
            "1.2.3.4 5.6.7.8",
            "[::1",
            "::1]",
            "[::1]x",
            "[::1]:",
            "[1.2.3.4]",
            ":::",
            "0.0.0.0",
            "::",
            "[::]:80",
            "\"1.2.3.4",
            "1.2.3.4\0",
            "for=1.2.3.4",
            "0x7f000001",
            "2130706433",
            &long,
        ] {
            assert_eq!(address(bad.as_bytes()), Err(Unresolved::Malformed), "{bad:?}");
        }
        assert_eq!(address(b"1.2.3.\xff"), Err(Unresolved::Malformed));
    }
}
