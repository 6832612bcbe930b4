//! In which order does a client send its header fields? Each order is kept once and shared by all its
//! sightings.

use std::hash::Hash;
use std::sync::Arc;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::generations::Generations;
use crate::identity::HeaderOrder;
use crate::proto::{HttpVersion, RequestHead};

/// Orders that are kept; beyond it those not asked for lately are forgotten, and read again.
const LIMIT: usize = 65_536;

/// Interned header orders of one worker, found by a keyed hash.
pub(super) struct HeaderOrders {
    hash_key: [u8; 16],
    seen: Generations<HeaderOrder>,
}

impl HeaderOrders {
    pub(super) fn new(hash_key: [u8; 16]) -> Self {
        Self { hash_key, seen: Generations::new(LIMIT / 2) }
    }

    /// The order of a request's fields; `limit_hits` counts the times some were forgotten.
    pub(super) fn read(&mut self, head: &RequestHead<'_>, limit_hits: &mut u64) -> Arc<HeaderOrder> {
        let names = head.headers.iter().map(|header| header.name);
        self.share(HeaderOrder::read(names, head.version == HttpVersion::V2), limit_hits)
    }

    fn share(&mut self, order: HeaderOrder, limit_hits: &mut u64) -> Arc<HeaderOrder> {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        order.hash(&mut hasher);
        let key = hasher.finish128().as_u128();
        self.seen.get(key).unwrap_or_else(|| {
            let shared = Arc::new(order);
            *limit_hits += u64::from(self.seen.put(key, Arc::clone(&shared)));
            shared
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_orders_are_shared_and_a_flood_is_forgotten_and_counted() {
        let mut orders = HeaderOrders::new([1; 16]);
        let mut hits = 0;
        let mut share = |names: &str| {
            let order = HeaderOrder::read(names.split(' ').map(str::as_bytes), false);
            orders.share(order, &mut hits)
        };
        let first = share("host accept");
        assert!(Arc::ptr_eq(&first, &share("Host Accept")));
        assert!(!Arc::ptr_eq(&first, &share("accept host")));
        for n in 0..200_000 {
            share(&format!("a{n} b{n} c{n}"));
        }
        assert!(hits >= 2 && orders.seen.len() <= LIMIT, "{hits}");
    }
}
