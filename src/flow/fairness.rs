//! How many flows has each source? So that the flood of one client does not push out another's flows.

use std::hash::Hasher;
use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

/// Counters; sources that share one by chance count together.
const BUCKETS: usize = 4096;

/// Flows by source: an IPv4 address or an IPv6 /64.
pub(super) struct Sources {
    counts: Box<[u32]>,
    seed: u64,
    shared: SharedSeed,
    /// State of the chance by which flows are looked at.
    chance: u64,
}

impl Sources {
    /// Nobody yet.
    pub(super) fn new(seed: u64) -> Self {
        let counts = vec![0; BUCKETS].into_boxed_slice();
        Self { counts, seed, shared: SharedSeed::from_u64(seed), chance: seed | 1 }
    }

    fn bucket(&self, source: IpAddr) -> usize {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        match source {
            IpAddr::V4(ip) => hasher.write_u32(ip.to_bits()),
            IpAddr::V6(ip) => hasher.write_u64((ip.to_bits() >> 64) as u64),
        }
        hasher.finish() as usize % BUCKETS
    }

    /// One flow more of this source.
    pub(super) fn add(&mut self, source: IpAddr) {
        let bucket = self.bucket(source);
        self.counts.get_mut(bucket).into_iter().for_each(|n| *n += 1);
    }

    /// One flow less.
    pub(super) fn remove(&mut self, source: IpAddr) {
        let bucket = self.bucket(source);
        self.counts.get_mut(bucket).into_iter().for_each(|n| *n = n.saturating_sub(1));
    }

    /// How many flows this source has.
    pub(super) fn count(&self, source: IpAddr) -> u32 {
        self.counts.get(self.bucket(source)).copied().unwrap_or_default()
    }

    /// Any number below `n`, another each time (xorshift64).
    pub(super) fn any_below(&mut self, n: usize) -> usize {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance % n.max(1) as u64) as usize
    }
}
