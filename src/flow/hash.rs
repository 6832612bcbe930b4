//! Under which number is a flow filed? A hash that both directions share.

use std::hash::Hasher;
use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use super::profile::Route;
use crate::base::net::{Endpoint, Tenant};
use crate::packet::Segment;

/// The hash of flows under one seed.
#[derive(Clone)]
pub struct FlowHash {
    seed: u64,
    shared: SharedSeed,
}

impl FlowHash {
    /// The hash under `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, shared: SharedSeed::from_u64(seed) }
    }

    /// Of the flow that a segment belongs to.
    #[inline(always)]
    #[must_use]
    pub fn of(&self, segment: &Segment<'_>) -> u32 {
        self.of_ends(segment.tenant, segment.source, segment.destination)
    }

    /// Of the flow between two ends, whichever comes first.
    #[inline(always)]
    #[must_use]
    pub fn of_ends(&self, Tenant(tenant): Tenant, one: Endpoint, other: Endpoint) -> u32 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        match Route::new(&one, &other) {
            Route::Ipv4 { from, to } => {
                hasher.write_u64(from.min(to));
                hasher.write_u64(from.max(to));
            }
            Route::Other { from, to } => {
                let (low, high) = if from <= to { (from, to) } else { (to, from) };
                hasher.write_u128(bits(low.ip));
                hasher.write_u128(bits(high.ip));
                hasher.write_u32(u32::from(low.port) << 16 | u32::from(high.port));
            }
        }
        hasher.write_u64(tenant);
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }
}

#[inline(always)]
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
