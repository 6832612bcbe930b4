//! What does a client's TLS hello look like? JA4, the form of it that survives resumption, and JA3.
//!
//! JA4 (TLS client fingerprint) is the work of FoxIO, LLC, and its method is published under the BSD
//! 3-Clause licence; the notice stands in `LICENSE-JA4`. This is an implementation of our own
//! from the published description. The other methods of JA4+ are under another licence and are not
//! implemented here. JA3 is the older method of Salesforce (BSD 3-Clause), here for people whose
//! lists still use it.

use std::fmt::Write;
use std::sync::Arc;

use md5::{Digest, Md5};
use ring::digest::{SHA256, digest};
use smallvec::SmallVec;

use super::Likeness;
use crate::proto::tls::ClientHello;
use crate::proto::tls::hello::extension;
use crate::proto::tls::version::{TlsVersion, is_grease};

/// Over what the hello travelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// QUIC.
    Quic,
}

/// Extensions that come and go with resumption, or that only fill space.
const OF_RESUMPTION: [u16; 4] =
    [extension::PRE_SHARED_KEY, extension::SESSION_TICKET, extension::PADDING, extension::EARLY_DATA];

/// Extensions that say where the client goes, not what it is: counted, but not in the digest.
const OF_DESTINATION: [u16; 2] = [extension::SERVER_NAME, extension::ALPN];

/// Digits of a digest that are kept.
const DIGITS: usize = 12;

/// What a part that lists nothing has in place of its digest.
const NOTHING: &str = "000000000000";

/// Code points in an order that says something; most hellos fit without the heap.
type Codes = SmallVec<[u16; 64]>;

/// The JA4 fingerprint: `t13d1516h2_8daaf6152771_02713d6af862`.
#[must_use]
pub fn ja4(hello: &ClientHello<'_>, transport: Transport) -> String {
    fingerprint(hello, transport, |_| true)
}

/// JA4 as it would be without pre-shared key, session ticket, padding and early data: the same for a
/// first and for a resumed connection.
#[must_use]
pub fn ja4_stable(hello: &ClientHello<'_>, transport: Transport) -> String {
    fingerprint(hello, transport, |kind| !OF_RESUMPTION.contains(&kind))
}

fn fingerprint(hello: &ClientHello<'_>, transport: Transport, counts: impl Fn(u16) -> bool) -> String {
    let mut ciphers: Codes = hello.ciphers().filter(|code| !is_grease(*code)).collect();
    let mut extensions: Codes =
        hello.extensions().map(|(kind, _)| kind).filter(|kind| !is_grease(*kind) && counts(*kind)).collect();
    let named = hello.extensions().get(extension::SERVER_NAME).is_some();
    let mut text = String::with_capacity(36);
    text.push(match transport {
        Transport::Tcp => 't',
        Transport::Quic => 'q',
    });
    text.push_str(version(hello));
    text.push(if named { 'd' } else { 'i' });
    // Writing to a String cannot fail.
    let _ = write!(text, "{:02}{:02}", ciphers.len().min(99), extensions.len().min(99));
    let [first, last] = ends(hello.protocols().next().unwrap_or_default());
    text.extend([first, last]);

    ciphers.sort_unstable();
    extensions.retain(|kind| !OF_DESTINATION.contains(kind));
    extensions.sort_unstable();
    text.push('_');
    text.push_str(&digest12(&listed(&ciphers)));
    let mut list = listed(&extensions);
    if !list.is_empty() {
        let algorithms: Codes = hello.signature_algorithms().filter(|code| !is_grease(*code)).collect();
        if !algorithms.is_empty() {
            list.push('_');
            list.push_str(&listed(&algorithms));
        }
    }
    text.push('_');
    text.push_str(&digest12(&list));
    text
}

/// The highest version that the hello offers, as JA4 writes it.
fn version(hello: &ClientHello<'_>) -> &'static str {
    let offered = hello.supported_versions().filter(|version| !is_grease(version.0)).max();
    match offered.unwrap_or(hello.version) {
        TlsVersion::TLS13 => "13",
        TlsVersion::TLS12 => "12",
        TlsVersion::TLS11 => "11",
        TlsVersion::TLS10 => "10",
        TlsVersion::SSL3 => "s3",
        TlsVersion::SSL2 => "s2",
        _ => "00",
    }
}

/// First and last character of a protocol's name; of its hexadecimal form where either is no letter
/// or digit.
fn ends(name: &[u8]) -> [char; 2] {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return ['0', '0'] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)];
    }
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    [digit(first >> 4), digit(last & 0x0f)]
}

/// `0004,0005,000a`.
fn listed(codes: &[u16]) -> String {
    let mut text = String::with_capacity(codes.len().saturating_mul(5));
    for (n, code) in codes.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(text, "{comma}{code:04x}");
    }
    text
}

/// The first twelve hexadecimal digits of a list's SHA-256.
fn digest12(list: &str) -> String {
    if list.is_empty() {
        return NOTHING.into();
    }
    hex(digest(&SHA256, list.as_bytes()).as_ref().get(..DIGITS / 2).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What JA3 is the MD5 of: version, ciphers, extensions, groups and point formats, in wire order.
#[must_use]
pub fn ja3_string(hello: &ClientHello<'_>) -> String {
    let mut text = hello.version.0.to_string();
    list_decimal(&mut text, hello.ciphers());
    list_decimal(&mut text, hello.extensions().map(|(kind, _)| kind));
    list_decimal(&mut text, hello.groups());
    list_decimal(&mut text, hello.point_formats().iter().map(|format| u16::from(*format)));
    text
}

fn list_decimal(text: &mut String, codes: impl Iterator<Item = u16>) {
    text.push(',');
    for (n, code) in codes.filter(|code| !is_grease(*code)).enumerate() {
        let _ = write!(text, "{}{code}", if n == 0 { "" } else { "-" });
    }
}

/// The JA3 fingerprint.
#[must_use]
pub fn ja3(hello: &ClientHello<'_>) -> String {
    hex(&Md5::digest(ja3_string(hello)))
}

/// Compares two fingerprints of [`ja4_stable`]. A client speaks differently over another transport and
/// for another first protocol: such hellos are not compared. Whether a name was asked for, and how
/// many extensions that makes, says where it went and nothing of the client. A fingerprint that a
/// proxy passed on has no extensions ([`super::ja4_text::stable_part`]): then the rest is compared.
#[must_use]
pub fn compare(prior: Option<&Arc<str>>, now: Option<&Arc<str>>) -> Likeness {
    let (Some(a), Some(b)) = (prior.and_then(|text| Parts::of(text)), now.and_then(|text| Parts::of(text))) else {
        return Likeness::Unknown;
    };
    if a.way != b.way {
        return Likeness::Unknown;
    }
    let extensions = Likeness::of(a.extensions, b.extensions);
    if (a.version, a.ciphers) == (b.version, b.ciphers) && !extensions.is_different() {
        Likeness::Same
    } else {
        Likeness::Different
    }
}

/// What of a fingerprint is compared.
struct Parts<'a> {
    /// Transport and first protocol.
    way: (&'a str, &'a str),
    version: &'a str,
    /// Digest of the ciphers.
    ciphers: &'a str,
    /// Digest of the extensions.
    extensions: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let mut parts = text.split('_');
        let (head, ciphers, extensions) = (parts.next()?, parts.next()?, parts.next());
        let (_, protocol) = head.split_at_checked(head.len().checked_sub(2)?)?;
        Some(Self { way: (head.get(..1)?, protocol), version: head.get(1..3)?, ciphers, extensions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hello with these ciphers, extensions and supported versions.
    fn hello(ciphers: &[u16], extensions: &[(u16, &[u8])]) -> Vec<u8> {
        let codes = |codes: &[u16]| codes.iter().flat_map(|code| code.to_be_bytes()).collect::<Vec<u8>>();
        let list = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let extensions: Vec<u8> =
            extensions.iter().flat_map(|(kind, value)| [codes(&[*kind]), list(value)].concat()).collect();
        [&[3, 3][..], &[7; 32], &[0], &list(&codes(ciphers)), &[1, 0], &list(&extensions)].concat()
    }

    fn fingerprints(bytes: &[u8]) -> (String, String, String) {
        let hello = ClientHello::read(bytes).unwrap();
        (ja4(&hello, Transport::Tcp), ja4_stable(&hello, Transport::Tcp), ja3_string(&hello))
    }

    const NAME: (u16, &[u8]) = (0, b"\0\x07\0\0\x04a.it");
    const ALPN: (u16, &[u8]) = (16, b"\0\x0c\x02h2\x08http/1.1");
    const VERSIONS: (u16, &[u8]) = (43, b"\x04\x7a\x7a\x03\x04");
    const ALGORITHMS: (u16, &[u8]) = (13, b"\0\x04\x04\x03\x08\x04");

    #[test]
    fn order_and_grease_of_the_lists_change_nothing() {
        let one = hello(&[0x1302, 0x1301, 0x0a0a], &[NAME, ALPN, VERSIONS, ALGORITHMS, (0x1a1a, b"")]);
        let other = hello(&[0x1301, 0x1302], &[ALGORITHMS, VERSIONS, (0xfafa, b"\0"), ALPN, NAME]);
        let (plain, _, ja3) = fingerprints(&one);
        assert_eq!(plain, fingerprints(&other).0);
        assert!(plain.starts_with("t13d0204h2_"), "{plain}");
        assert_eq!(ja3, "771,4866-4865,0-16-43-13,,");
        let digest = hex(&digest(&SHA256, b"1301,1302").as_ref()[..6]);
        assert_eq!(plain.split('_').nth(1), Some(digest.as_str()));
        assert_eq!(
            plain.split('_').nth(2),
            Some(hex(&super::digest(&SHA256, b"000d,002b_0403,0804").as_ref()[..6]).as_str())
        );
    }

    #[test]
    fn an_empty_hello_has_zeros() {
        assert_eq!(fingerprints(&hello(&[], &[])).0, "t12i000000_000000000000_000000000000");
        let odd = hello(&[1], &[(16, b"\0\x03\x02\xabz")]);
        assert!(fingerprints(&odd).0.starts_with("t12i0101aa_"), "no letter or digit first: digits of a and z");
    }

    #[test]
    fn resumption_changes_one_form_and_not_the_other() {
        let first = hello(&[0x1301], &[NAME, ALPN, VERSIONS, (35, b""), (21, b"\0\0\0")]);
        let again = hello(&[0x1301], &[NAME, ALPN, VERSIONS, (35, b"ticket"), (42, b""), (41, b"\0\0")]);
        let (a, b) = (fingerprints(&first), fingerprints(&again));
        assert_ne!(a.0, b.0);
        assert_eq!(a.1, b.1);
    }

    #[test]
    fn hellos_of_other_ways_are_not_compared() {
        let of = |ciphers: &[u16], extensions: &[(u16, &[u8])]| -> Option<Arc<str>> {
            Some(fingerprints(&hello(ciphers, extensions)).1.into())
        };
        let compared = |a: &Option<Arc<str>>, b: &Option<Arc<str>>| compare(a.as_ref(), b.as_ref());
        let client = of(&[0x1301], &[NAME, ALPN, VERSIONS]);
        assert_eq!(compared(&client, &client), Likeness::Same);
        assert_eq!(compared(&client, &of(&[0x1301], &[ALPN, VERSIONS])), Likeness::Same, "asked for by address");
        assert_eq!(compared(&client, &of(&[0x1302], &[NAME, ALPN, VERSIONS])), Likeness::Different);
        assert_eq!(compared(&client, &of(&[0x1301], &[NAME, ALPN])), Likeness::Different);
        assert_eq!(compared(&client, &of(&[0x1301], &[NAME, VERSIONS])), Likeness::Unknown, "another first protocol");
        assert_eq!(compared(&client, &None), Likeness::Unknown);
        let by_proxy = |client: &Option<Arc<str>>| -> Option<Arc<str>> {
            crate::identity::ja4_text::stable_part(client.as_ref()?.as_bytes()).map(Into::into)
        };
        assert_eq!(compared(&client, &by_proxy(&client)), Likeness::Same);
        let other = of(&[0x1302], &[NAME, ALPN, VERSIONS]);
        assert_eq!(compared(&by_proxy(&other), &by_proxy(&client)), Likeness::Different);
        let bytes = hello(&[0x1301], &[NAME, ALPN, VERSIONS]);
        let quic = Some(ja4_stable(&ClientHello::read(&bytes).unwrap(), Transport::Quic).into());
        assert_eq!(compared(&client, &quic), Likeness::Unknown);
    }
}
