//! Who is where on a segment? Which MAC addresses are single devices, where each IP address is
//! said to be, and which of these claims are not to be believed.
//!
//! Anybody on a segment can say anything. A DHCP lease is believed; an ARP or neighbour claim that
//! moves an address in use to another device without one raises an alarm for both, and so does a device
//! that uses one token at two addresses in turn. Nothing is explained by either for an hour.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::base::net::{MacAddr, Tenant};
use crate::base::time::Timestamp;
use crate::identity::topology::Topology;
use crate::packet::{ClaimKind, NeighbourClaim};

/// A MAC with more addresses than this is a router's.
const DEVICE_ADDRESSES: usize = 4;

/// An address is in use when it was claimed so lately.
const IN_USE: Duration = Duration::from_secs(3600);

/// How long an alarm lasts.
const ALARM: Duration = Duration::from_secs(3600);

/// Alarms remembered; the oldest goes first.
const ALARMS: usize = 4096;

/// Bindings that a full table spares, one after the other, because a client was seen there.
const SPARED: usize = 8;

/// MAC addresses that are remembered for each binding that is: they take 35 to 80 bytes, and a large network
/// has many.
const MACS: usize = 4;

/// Further addresses behind a MAC, as keyed hashes: they are only counted. 0 where there is none.
#[derive(Clone, Copy, Debug, Default)]
struct Further([u32; DEVICE_ADDRESSES]);

impl Further {
    fn note(&mut self, address: u32) {
        if let Some(free) = self.0.iter_mut().find(|known| **known == 0 || **known == address) {
            *free = address;
        }
    }

    /// With the first, more than a device has.
    const fn are_many(&self) -> bool {
        let [.., last] = self.0;
        last != 0
    }
}

/// An address on a segment.
type Place = (Tenant, IpAddr);

/// Where an address is said to be.
#[derive(Clone, Copy, Debug)]
struct Bound {
    claimed: MacAddr,
    /// Where it was said to be before: still a device of this segment.
    before: Option<MacAddr>,
    leased: Option<MacAddr>,
    last: Timestamp,
    /// A client with a token was seen there since the table last came by.
    used: bool,
}

/// What is known of a MAC address that addresses are bound to.
#[derive(Clone, Copy, Debug)]
struct Holder {
    tenant: Tenant,
    /// How many addresses are or were last bound to it.
    held: u32,
    /// Frames for addresses behind it go to it.
    routes: bool,
}

/// An address that went to another device without a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Takeover {
    /// VLANs and tunnels.
    pub tenant: Tenant,
    /// The address.
    pub ip: IpAddr,
    /// Clients of the segment reach other networks by it.
    pub gateway: bool,
    /// Where it was.
    pub from: MacAddr,
    /// Where it is said to be now.
    pub to: MacAddr,
}

/// What is known of segments, bounded: the oldest goes first, places where clients with tokens are
/// seen last.
#[derive(Debug)]
pub struct Neighbours {
    /// MAC addresses and the first IP address that sent from each, as a keyed hash.
    seen: HashMap<MacAddr, u32, FixedState>,
    order: VecDeque<MacAddr>,
    /// Of those of which more than one was seen, the others.
    further: HashMap<MacAddr, Further, FixedState>,
    bound: HashMap<Place, Bound, FixedState>,
    bound_order: VecDeque<Place>,
    /// Only of MAC addresses that have a binding.
    holders: HashMap<MacAddr, Holder, FixedState>,
    alarms: HashMap<MacAddr, Timestamp, FixedState>,
    alarm_order: VecDeque<(Timestamp, MacAddr)>,
    hasher: FixedState,
    limit: usize,
    topology: Arc<Topology>,
    /// MACs, bindings and alarms forgotten at the limit.
    pub limit_hits: u64,
}

impl Neighbours {
    /// Room for `limit` bindings and four times as many MAC addresses; `seed` keys the hashes.
    #[must_use]
    pub fn new(limit: usize, seed: u64) -> Self {
        let hasher = || FixedState::with_seed(seed);
        Self {
            seen: HashMap::with_hasher(hasher()),
            order: VecDeque::new(),
            further: HashMap::with_hasher(hasher()),
            bound: HashMap::with_hasher(hasher()),
            bound_order: VecDeque::new(),
            holders: HashMap::with_hasher(hasher()),
            alarms: HashMap::with_hasher(hasher()),
            alarm_order: VecDeque::new(),
            hasher: hasher(),
            limit: limit.max(1),
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
        let network = match ip {
            IpAddr::V4(ip) => self.hasher.hash_one(ip),
            IpAddr::V6(ip) => self.hasher.hash_one(ip.to_bits() >> 64),
        };
        let network = (network >> 32) as u32 | 1; // 0 is a free place
        if let Some(first) = self.seen.get(&mac) {
            if *first != network {
                self.further.entry(mac).or_default().note(network);
            }
            return;
        }
        if self.order.len() >= MACS * self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
            self.further.remove(&oldest);
            self.limit_hits += 1;
        }
        self.order.push_back(mac);
        self.seen.insert(mac, network);
    }

    /// Whether the MAC is known to be a single device's: seen, and with few addresses.
    #[must_use]
    pub fn is_device(&self, mac: MacAddr) -> bool {
        self.seen.contains_key(&mac) && !self.has_many(mac)
    }

    /// Somebody said where an address is. Tells when that takes it from a device that has it.
    pub fn claim(&mut self, claim: &NeighbourClaim, at: Timestamp) -> Option<Takeover> {
        let NeighbourClaim { tenant, ip, mac, kind } = *claim;
        if ip.is_unspecified() || ip.is_multicast() || is_group(mac) {
            return None; // a probe, or nonsense
        }
        let place = (tenant, ip);
        let leased = kind == ClaimKind::Lease;
        let Some(bound) = self.bound.get_mut(&place) else {
            // One MAC address cannot fill the table with places that say nothing of it.
            if leased || self.holders.get(&mac).is_none_or(|holder| holder.held as usize <= DEVICE_ADDRESSES) {
                self.bind(
                    place,
                    Bound { claimed: mac, before: None, leased: leased.then_some(mac), last: at, used: false },
                );
            }
            return None;
        };
        let from = bound.claimed;
        let timid = matches!(kind, ClaimKind::Advertisement { overrides: false, .. }) && from != mac;
        if timid {
            return None;
        }
        let in_use = at.since(bound.last) <= IN_USE;
        let entitled = leased || bound.leased == Some(mac);
        bound.last = bound.last.max(at);
        bound.claimed = mac;
        if leased {
            bound.leased = Some(mac);
        }
        if from == mac {
            return None;
        }
        let gateway = self.is_router(from) || self.holders.get(&from).is_some_and(|holder| holder.routes);
        if let Some(gone) = self.bound.get_mut(&place).and_then(|bound| bound.before.replace(from)) {
            self.release(gone);
        }
        self.hold(tenant, mac);
        if entitled || !in_use || self.is_router(mac) {
            return None;
        }
        self.alarm(from, at);
        self.alarm(mac, at);
        Some(Takeover { tenant, ip, gateway, from, to: mac })
    }

    /// Frames for `ip` go to `mac`: where that is another's address, `mac` is on the way to it.
    pub fn note_next_hop(&mut self, tenant: Tenant, mac: MacAddr, ip: IpAddr) {
        let own = self.bound.get(&(tenant, ip)).is_some_and(|bound| bound.claimed == mac);
        if let Some(holder) = self.holders.get_mut(&mac).filter(|holder| !own && holder.tenant == tenant) {
            holder.routes = true;
        }
    }

    /// The MAC address of the client at an address, whose frame came from `frame_mac` untouched by a
    /// router: where a claim or lease confirms it.
    pub fn mac_of(&mut self, tenant: Tenant, ip: IpAddr, frame_mac: MacAddr) -> Option<MacAddr> {
        let bound = self.bound.get_mut(&(tenant, ip))?;
        bound.used = true;
        let confirmed = bound.claimed == frame_mac || bound.leased == Some(frame_mac);
        (confirmed && self.is_device(frame_mac)).then_some(frame_mac)
    }

    /// More than one host goes by this MAC address: it explains nothing for an hour.
    pub fn distrust(&mut self, mac: MacAddr, at: Timestamp) {
        self.alarm(mac, at);
    }

    /// Whether the MAC took an address without a lease, or lost one so, or was found to be more than one
    /// host's, in the last hour.
    #[must_use]
    pub fn is_alarmed(&self, mac: MacAddr) -> bool {
        self.alarms.contains_key(&mac)
    }

    /// Whether both MACs are bound on one segment.
    #[must_use]
    pub fn on_one_segment(&self, a: MacAddr, b: MacAddr) -> bool {
        let segment = |mac| self.holders.get(&mac).map(|holder| holder.tenant);
        segment(a).is_some_and(|there| segment(b) == Some(there))
    }

    /// Time has passed: old alarms end.
    pub fn on_time(&mut self, now: Timestamp) {
        while let Some((raised, mac)) = self.alarm_order.front().copied()
            && now.since(raised) >= ALARM
        {
            self.alarm_order.pop_front();
            self.end_alarm(raised, mac);
        }
    }

    /// Many addresses, or the virtual MAC of a pair of routers (RFC 9568 §7.3).
    fn is_router(&self, mac: MacAddr) -> bool {
        let virtual_router = matches!(mac.0, [0, 0, 0x5e, 0, 1 | 2, _]);
        virtual_router || self.has_many(mac)
    }

    /// More addresses than a device has.
    fn has_many(&self, mac: MacAddr) -> bool {
        self.further.get(&mac).is_some_and(Further::are_many)
    }

    fn bind(&mut self, place: Place, bound: Bound) {
        if self.bound_order.len() >= self.limit {
            self.unbind_oldest();
        }
        self.bound_order.push_back(place);
        self.bound.insert(place, bound);
        self.hold(place.0, bound.claimed);
    }

    fn unbind_oldest(&mut self) {
        for tries in 0..=SPARED {
            let Some(place) = self.bound_order.pop_front() else { return };
            if tries < SPARED
                && let Some(bound) = self.bound.get_mut(&place).filter(|bound| bound.used)
            {
                bound.used = false;
                self.bound_order.push_back(place);
                continue;
            }
            if let Some(bound) = self.bound.remove(&place) {
                [Some(bound.claimed), bound.before].into_iter().flatten().for_each(|mac| self.release(mac));
                self.limit_hits += 1;
            }
            return;
        }
    }

    fn hold(&mut self, tenant: Tenant, mac: MacAddr) {
        let holder = self.holders.entry(mac).or_insert(Holder { tenant, held: 0, routes: false });
        *holder = Holder { tenant, held: holder.held + 1, ..*holder };
    }

    fn release(&mut self, mac: MacAddr) {
        if let Some(holder) = self.holders.get_mut(&mac) {
            holder.held -= 1;
            if holder.held == 0 {
                self.holders.remove(&mac);
            }
        }
    }

    fn alarm(&mut self, mac: MacAddr, at: Timestamp) {
        self.alarms.insert(mac, at);
        self.alarm_order.push_back((at, mac));
        if self.alarm_order.len() > ALARMS
            && let Some((raised, oldest)) = self.alarm_order.pop_front()
        {
            self.end_alarm(raised, oldest);
            self.limit_hits += 1;
        }
    }

    /// Unless it was raised again since.
    fn end_alarm(&mut self, raised: Timestamp, mac: MacAddr) {
        if self.alarms.get(&mac) == Some(&raised) {
            self.alarms.remove(&mac);
        }
    }
}

/// No single device's: a group address, or none.
fn is_group(mac: MacAddr) -> bool {
    mac.0 == [0; 6] || mac.0.first().is_some_and(|first| first & 1 == 1)
}

#[cfg(test)]
mod tests;
