//! What does one worker do? It owns a table of flows and what their tokens need: segments in,
//! sightings out.

use std::panic::{self, AssertUnwindSafe};

use crate::base::time::{Stamp, Timestamp};
use crate::flow::{FlowCounters, FlowTable};
use crate::packet::Segment;
use crate::proto::tls::keys::KeyLog;
use crate::proto::{Conversation, ProtoCounters};
use crate::token::{Seen, TokenCounters, TokenTap};

/// Every connection of one worker, each with its conversation.
pub type Flows = FlowTable<Conversation<TokenTap>>;

/// Flows and the tokens in them. Shares nothing with other workers.
pub struct Worker {
    flows: Flows,
    tap: TokenTap,
}

impl Worker {
    /// A worker that has seen nothing.
    #[must_use]
    pub const fn new(flows: Flows, tap: TokenTap) -> Self {
        Self { flows, tap }
    }

    /// Segments of flows with these hashes come next.
    #[inline]
    pub fn expect(&self, hashes: impl Iterator<Item = u32> + Clone) {
        self.flows.prefetch(hashes);
    }

    /// Takes the next segment of its flows, with its hash; the time believed is `now`.
    pub fn segment(&mut self, segment: &Segment<'_>, hash: u32, at: Stamp, now: Timestamp) {
        self.flows.believe(now);
        self.guarded(|flows, tap| flows.on_hashed_segment(segment, hash, at, tap));
    }

    /// More secrets of TLS connections came.
    pub fn learn(&mut self, keys: &KeyLog) {
        self.tap.learn(keys);
    }

    /// Capture time has come to `now`: flows that were silent for too long end.
    pub fn on_time(&mut self, now: Timestamp) {
        self.guarded(|flows, tap| flows.on_time(now, tap));
        self.tap.order_by_flow();
    }

    /// The end of the history: every flow ends.
    pub fn finish(&mut self) {
        // Each failure loses one flow, so this ends.
        while !self.guarded(|flows, tap| flows.drain(tap)) {}
        self.tap.order_by_flow();
    }

    /// Nothing was seen since the last drain, as of most segments.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.tap.is_silent()
    }

    /// Takes what was seen since the last call, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Seen> {
        self.tap.drain()
    }

    /// Does one step of the flow floor. A panic in a parser loses the flow that caused it, not the run.
    /// True when there was none, or nobody knows which flow it was.
    fn guarded(&mut self, step: impl FnOnce(&mut Flows, &mut TokenTap)) -> bool {
        let (flows, tap) = (&mut self.flows, &mut self.tap);
        match panic::catch_unwind(AssertUnwindSafe(|| step(flows, tap))) {
            Ok(()) => true,
            Err(_) => self.flows.quarantine(&mut self.tap).is_none(),
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> WorkerCounts {
        WorkerCounts {
            flows: *self.flows.counters(),
            flow_bytes: self.flows.bytes(),
            proto: *self.tap.proto_counters(),
            tokens: *self.tap.token_counters(),
        }
    }
}

/// Counters of the floors that a worker owns.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerCounts {
    /// Of the flow table.
    pub flows: FlowCounters,
    /// Level: bytes of the flow table in use.
    pub flow_bytes: u64,
    /// Of the protocol floor.
    pub proto: ProtoCounters,
    /// Of the token floor.
    pub tokens: TokenCounters,
}

impl WorkerCounts {
    /// Adds what another worker counted.
    pub fn add(&mut self, other: &Self) {
        self.flows.add(other.flows);
        self.flow_bytes += other.flow_bytes;
        self.proto.add(other.proto);
        self.tokens.add(other.tokens);
    }
}
