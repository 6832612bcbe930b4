//! Where is a weak token valid? The registrable domain of the Host, or the server's address.

use std::net::IpAddr;
use std::sync::Arc;

use super::mask;

/// The site that a request speaks to. The names as spoken stay inside this floor; what travels on
/// is masked, since a name can be a secret too.
pub struct Site {
    /// Host without port, lower case; empty when there is none.
    host: Box<str>,
    /// Length of the end of `host` that is the registrable domain; 0 when there is none.
    registrable: usize,
    /// The server's address, as text.
    address: Box<str>,
    /// Host to show.
    pub shown_host: Box<str>,
    /// Service to show.
    pub shown_service: Arc<str>,
}

/// Whether two hosts, lower case and without ports, lie under one registrable domain.
#[must_use]
pub fn share_a_domain(a: &str, b: &str) -> bool {
    match (registrable(a), registrable(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The registrable domain of a name; an address has none.
fn registrable(host: &str) -> Option<&str> {
    psl::domain_str(host).filter(|_| host.parse::<IpAddr>().is_err())
}

/// Longer hosts are no names (RFC 1035 §2.3.4) and count as none.
const HOST_LIMIT: usize = 255;

impl Site {
    /// From a Host value or authority (possibly empty) and the server's address. A name counts as
    /// the service when a public suffix leaves a registrable domain (`a.shop.co.uk` →
    /// `shop.co.uk`); an address, a name of one label or nothing leaves the server's address.
    #[must_use]
    pub fn new(host: &[u8], server: IpAddr) -> Self {
        let host = without_port(host);
        let host = String::from_utf8_lossy(host.get(..HOST_LIMIT).unwrap_or(host)).to_lowercase();
        let host = host.trim_end_matches('.');
        let domain = registrable(host).unwrap_or("");
        let address = server.to_string().into_boxed_str();
        let service: &str = if domain.is_empty() { &address } else { domain };
        Self {
            shown_host: mask::text(host.as_bytes(), &[]),
            // An address has no letters to hide behind, and masking must not cut it.
            shown_service: if domain.is_empty() { service.into() } else { mask::text(service.as_bytes(), &[]).into() },
            registrable: domain.len(),
            host: host.into(),
            address,
        }
    }

    /// Host without port, lower case; empty when there is none.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The service that a weak token's digest is made with.
    #[must_use]
    pub fn service(&self) -> &str {
        let start = self.host.len().saturating_sub(self.registrable);
        self.host.get(start..).filter(|s| !s.is_empty()).unwrap_or(&self.address)
    }

    /// The server's address as service.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

/// Without user information, port and the brackets of an IPv6 address.
fn without_port(host: &[u8]) -> &[u8] {
    let host = host.rsplit(|b| *b == b'@').next().unwrap_or(host).trim_ascii();
    if let Some(inside) = host.strip_prefix(b"[") {
        return inside.split(|b| *b == b']').next().unwrap_or(inside);
    }
    match host.iter().position(|b| *b == b':') {
        Some(at) => host.get(..at).unwrap_or(host),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services() {
        let server: IpAddr = "10.0.1.20".parse().unwrap();
        let cases = [
            ("www.Shop.Example:8080", "www.shop.example", "shop.example"),
            ("app.example.test.", "app.example.test", "example.test"),
            ("a.b.shop.co.uk", "a.b.shop.co.uk", "shop.co.uk"),
            ("user@shop.test:1", "shop.test", "shop.test"),
            ("alice.github.io", "alice.github.io", "alice.github.io"),
            ("intranet", "intranet", "10.0.1.20"),
            ("co.uk", "co.uk", "10.0.1.20"),
            ("192.0.2.7:80", "192.0.2.7", "10.0.1.20"),
            ("[2001:db8::1]:80", "2001:db8::1", "10.0.1.20"),
            ("", "", "10.0.1.20"),
        ];
        for (wire, host, service) in cases {
            let site = Site::new(wire.as_bytes(), server);
            assert_eq!((site.host(), site.service(), &*site.shown_service), (host, service, service), "{wire}");
        }
    }

    #[test]
    fn names_of_one_domain() {
        for (a, b) in [("shop.test", "www.shop.test"), ("login.shop.co.uk", "api.shop.co.uk")] {
            assert!(share_a_domain(a, b), "{a} {b}");
        }
        for (a, b) in
            [("a.co.uk", "b.co.uk"), ("alice.github.io", "bob.github.io"), ("10.0.1.20", "10.0.2.20"), ("", "")]
        {
            assert!(!share_a_domain(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_secret_in_the_host_is_not_shown() {
        let site = Site::new(b"699deef4f79d4de90c447a4488735140.test", "10.0.1.20".parse().unwrap());
        assert!(site.service().starts_with("699deef4"));
        assert_eq!((&*site.shown_host, &*site.shown_service), ("‹…›", "‹…›"));
    }

    #[test]
    fn hostile_hosts() {
        let server: IpAddr = "10.0.1.20".parse().unwrap();
        for wire in [&b"\xff\xfe.example"[..], b"..", b"@", b"[", b"[]", b":", b"a..b", &[b'x'; 5000]] {
            let site = Site::new(wire, server);
            assert!(site.host().len() <= 3 * HOST_LIMIT && !site.service().is_empty());
        }
    }
}
