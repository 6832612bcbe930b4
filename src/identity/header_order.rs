//! In which order does a client send its header fields?

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::Likeness;

/// Fields of a request that count; later ones do not.
const FIELD_LIMIT: usize = 24;

/// Fields that proxies add or move: they say nothing of the client.
const OF_HOPS: [&str; 9] = [
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-real-ip",
    "connection",
    "cookie",
    "content-length",
];

/// The names of a request's fields in wire order, each once and as a small hash.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct HeaderOrder {
    /// HTTP/1.0 and 1.1 are told apart from HTTP/2: each has an order of its own.
    http2: bool,
    names: SmallVec<[u16; FIELD_LIMIT]>,
}

impl HeaderOrder {
    /// The order of these names, of a request of HTTP/2 or of an earlier version.
    pub fn read<'a>(names: impl Iterator<Item = &'a [u8]>, http2: bool) -> Self {
        let counts = |name: &&[u8]| !OF_HOPS.iter().any(|hop| name.eq_ignore_ascii_case(hop.as_bytes()));
        let mut order = Self { http2, names: SmallVec::new() };
        for name in names.filter(counts).take(FIELD_LIMIT).map(small_hash) {
            if !order.names.contains(&name) {
                order.names.push(name);
            }
        }
        order
    }

    /// Whether two names that both requests have stand in opposite order; `None` where the two cannot
    /// be compared.
    #[must_use]
    pub fn is_opposed(&self, other: &Self) -> Option<bool> {
        if self.http2 != other.http2 {
            return None;
        }
        if self == other {
            return Some(false);
        }
        // Places in `other` of the names that both have must rise.
        let places = self.names.iter().filter_map(|name| other.names.iter().position(|n| n == name));
        Some(!places.is_sorted())
    }

    /// [`Self::is_opposed`] as the comparison of a facet.
    #[must_use]
    pub fn likeness(&self, other: &Self) -> Likeness {
        match self.is_opposed(other) {
            Some(true) => Likeness::Different,
            Some(false) => Likeness::Same,
            None => Likeness::Unknown,
        }
    }
}

/// FNV-1a over the name in lower case, folded to 16 bits. Two names that collide only hide a difference.
fn small_hash(name: &[u8]) -> u16 {
    let hash = name
        .iter()
        .fold(0x811c_9dc5u32, |hash, b| (hash ^ u32::from(b.to_ascii_lowercase())).wrapping_mul(0x0100_0193));
    (hash ^ (hash >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &str) -> HeaderOrder {
        HeaderOrder::read(names.split(' ').map(str::as_bytes), false)
    }

    #[test]
    fn only_opposite_order_counts() {
        let firefox = order("Host User-Agent Accept Accept-Language Accept-Encoding");
        assert_eq!(firefox.is_opposed(&order("host accept accept-encoding")), Some(false));
        assert_eq!(firefox.is_opposed(&order("host accept user-agent")), Some(true));
        assert_eq!(firefox.is_opposed(&order("Via Host Cookie User-Agent")), Some(false));
        assert_eq!(firefox.is_opposed(&order("x-other")), Some(false));
        let repeated = order("host accept x-a accept");
        assert_eq!(
            repeated.is_opposed(&order("accept x-a")),
            Some(false),
            "a repeated field stands where it first stood"
        );
        let h2 = HeaderOrder::read([&b"accept"[..], b"user-agent"].into_iter(), true);
        assert_eq!(firefox.is_opposed(&h2), None);
    }
}
