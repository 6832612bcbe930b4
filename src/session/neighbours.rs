//! Is this MAC address one device, or a router with many behind it?

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use crate::base::net::{MacAddr, same_network};
use crate::identity::topology::Topology;

/// A MAC with more addresses than this is a router's.
const DEVICE_ADDRESSES: usize = 4;

/// MAC addresses and the IP addresses that sent from them, bounded; the oldest MAC goes first.
#[derive(Debug)]
pub struct Neighbours {
    seen: HashMap<MacAddr, SmallVec<[IpAddr; DEVICE_ADDRESSES + 1]>, FixedState>,
    order: VecDeque<MacAddr>,
    limit: usize,
    topology: Arc<Topology>,
    /// MACs forgotten at the limit.
    pub limit_hits: u64,
}

impl Neighbours {
    /// Room for `limit` MAC addresses; `seed` keys the hash.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        Self {
            seen: HashMap::with_hasher(FixedState::with_seed(seed)),
            order: VecDeque::new(),
            limit,
            topology: Arc::default(),
            limit_hits: 0,
        }
    }

    /// The same, in a network of which the operator says this.
    #[must_use]
    pub fn within(self, topology: Arc<Topology>) -> Self {
        Self { topology, ..self }
    }

    /// What the operator says of the network.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// A frame from `mac` carried the source address `ip`. Addresses of one IPv6 /64 count once,
    /// since a single device takes many of them.
    pub fn note(&mut self, mac: MacAddr, ip: IpAddr) {
        if let Some(addresses) = self.seen.get_mut(&mac) {
            if addresses.len() <= DEVICE_ADDRESSES
                && !addresses.iter().any(|&known| known == ip || ip.is_ipv6() && same_network(known, ip))
            {
                addresses.push(ip);
            }
            return;
        }
        if self.order.len() >= self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
            self.limit_hits += 1;
        }
        self.order.push_back(mac);
        self.seen.insert(mac, SmallVec::from_iter([ip]));
    }

    /// Whether the MAC is known to be a single device's: seen, and with few addresses.
    #[must_use]
    pub fn is_device(&self, mac: MacAddr) -> bool {
        self.seen.get(&mac).is_some_and(|addresses| addresses.len() <= DEVICE_ADDRESSES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u8) -> MacAddr {
        MacAddr([2, 0, 0, 0, 0, n])
    }

    #[test]
    fn a_router_has_more_than_four_addresses() {
        let mut known = Neighbours::new(8, 1);
        assert!(!known.is_device(mac(1)));
        for n in 1..=4 {
            known.note(mac(1), IpAddr::from([10, 0, 0, n]));
        }
        assert!(known.is_device(mac(1)));
        known.note(mac(1), IpAddr::from([10, 0, 0, 4]));
        assert!(known.is_device(mac(1)));
        known.note(mac(1), IpAddr::from([10, 0, 0, 5]));
        assert!(!known.is_device(mac(1)));
    }

    #[test]
    fn privacy_addresses_of_one_prefix_count_once() {
        let mut known = Neighbours::new(8, 1);
        for n in 1..100u16 {
            known.note(mac(1), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
        }
        assert!(known.is_device(mac(1)));
    }

    #[test]
    fn the_oldest_mac_goes_at_the_limit() {
        let mut known = Neighbours::new(2, 1);
        for n in 1..=3 {
            known.note(mac(n), IpAddr::from([10, 0, 0, n]));
        }
        assert!(!known.is_device(mac(1)) && known.is_device(mac(2)) && known.is_device(mac(3)));
        assert_eq!(known.limit_hits, 1);
    }
}
