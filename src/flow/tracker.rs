//! Which flow does a segment belong to, and how long is it remembered? The table of flows.

use std::hash::Hasher;
use std::mem::size_of;
use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use super::counters::FlowCounters;
use super::flow::{Desk, Flow, Verdict};
use super::index::Index;
use super::reassembler::PATIENCE;
use super::timer::{Timers, Waiting};
use super::{CloseReason, Direction, FlowConfig, FlowId, FlowInfo, StreamConsumer};
use crate::base::net::{Endpoint, Tenant};
use crate::base::time::{Stamp, Timestamp};
use crate::packet::{MacPair, Segment, SynTraits};

/// Ports below this are assigned to services (RFC 6335 §6).
const WELL_KNOWN_PORTS: u16 = 1024;

/// All flows of one worker, each with its consumer.
///
/// Cost per segment: one lookup, no allocation while bytes come in order. Nothing here looks at a
/// clock: time is what [`FlowTable::believe`] says. An owner that does not use it gets the highest of
/// what [`FlowTable::on_time`] and the segments say, except that a segment more than ten minutes ahead
/// does not move it.
pub struct FlowTable<C: StreamConsumer> {
    config: FlowConfig,
    seed: SharedSeed,
    index: Index,
    flows: Vec<Option<Flow<C>>>,
    free: Vec<u32>,
    timers: Timers,
    counters: FlowCounters,
    /// The flow whose consumer may be running.
    current: Option<u32>,
}

impl<C: StreamConsumer> FlowTable<C> {
    /// An empty table; it grows with the flows, up to the bounds of `config`.
    #[must_use]
    pub fn new(config: FlowConfig) -> Self {
        let timers = Timers::new(|waiting| match waiting {
            Waiting::Over | Waiting::Short => config.closing_timeout,
            Waiting::Established | Waiting::Held => config.established_timeout,
            Waiting::Overdue => PATIENCE,
            Waiting::OneSided => config.mid_message_timeout,
        });
        Self {
            seed: SharedSeed::from_u64(config.hash_seed),
            config,
            index: Index::new(),
            flows: Vec::new(),
            free: Vec::new(),
            timers,
            counters: FlowCounters::default(),
            current: None,
        }
    }

    /// Bytes that one flow takes in the table, without what its consumer holds on the heap.
    #[must_use]
    pub const fn bytes_per_flow() -> usize {
        size_of::<Option<Flow<C>>>() + Timers::BYTES_PER_FLOW + Index::BYTES_PER_FLOW
    }

    /// Bytes in use of [`FlowConfig::table_bytes`].
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        let entries = self.flows.len() - self.free.len();
        entries as u64 * Self::bytes_per_flow() as u64 + self.counters.consumer_bytes
    }

    /// Plain counters.
    #[must_use]
    pub const fn counters(&self) -> &FlowCounters {
        &self.counters
    }

    /// One segment, in the order of frames.
    pub fn on_segment(&mut self, segment: &Segment<'_>, at: Stamp, shared: &mut C::Shared) {
        self.counters.segments += 1;
        self.timers.observe(at.ts);
        let hash = self.hash(segment);
        let mut dir = Direction::Forward;
        let found = self.index.find(hash, |slot| {
            let direction = self.flow(slot).and_then(|flow| flow.direction_of(segment));
            direction.inspect(|d| dir = *d).is_some()
        });
        let slot = match found {
            Some(slot) => slot,
            None if opens_a_flow(segment) => {
                self.make_room(None, shared);
                let info = flow_info(segment, at, is_opener(segment));
                dir = if info.initiator == segment.source { Direction::Forward } else { Direction::Reverse };
                self.admit(info, hash, shared)
            }
            None => {
                self.counters.untracked += 1;
                return;
            }
        };
        self.at_flow(slot, shared, |flow, desk| {
            if let Verdict::Reopened { opener, began } = flow.on_segment(dir, segment, at, desk) {
                flow.finish(CloseReason::Reused, desk);
                let mut info = flow_info(segment, at, opener == dir);
                info.midstream &= began.is_none();
                let consumer = C::open(&info, desk.shared);
                desk.counters.flows_created += 1;
                desk.counters.flows_active += 1;
                let counted = flow.counted;
                *flow = Flow::new(info, consumer, hash);
                flow.counted = counted;
                let turned = |d: Direction| if opener == Direction::Forward { d } else { d.opposite() };
                if let Some((whose, offer)) = began {
                    flow.began(turned(whose), offer);
                }
                flow.on_segment(turned(dir), segment, at, desk);
            }
        });
        self.relieve(slot, shared);
        self.make_room(Some(slot), shared);
    }

    /// It is `now`: to be said before every segment, by an owner that hears more than the segments of
    /// this table. Then several tables agree on the time, whichever flows each has.
    pub fn believe(&mut self, now: Timestamp) {
        self.timers.tell(now);
    }

    /// Time has come to `now` at least: ends and frees what has been silent for too long. Cheap when
    /// there is nothing to do; call it at least once a second of packet time. `now` is believed: keep
    /// from it what a single broken frame says.
    pub fn on_time(&mut self, now: Timestamp, shared: &mut C::Shared) {
        self.timers.advance(now);
        while let Some((slot, waiting)) = self.timers.expired() {
            let mut is_over = true;
            self.at_flow(slot, shared, |flow, desk| is_over = flow.on_timeout(waiting, desk));
            if is_over {
                self.forget(slot);
            }
        }
    }

    /// The capture has ended: every flow is told what is left and closed, in the order of opening.
    pub fn drain(&mut self, shared: &mut C::Shared) {
        let mut open: Vec<(FlowId, u32)> =
            (0..).zip(&self.flows).filter_map(|(slot, flow)| Some((flow.as_ref()?.info.id, slot))).collect();
        open.sort_unstable();
        for (_, slot) in open {
            self.at_flow(slot, shared, |flow, desk| flow.finish(CloseReason::Drained, desk));
            self.forget(slot);
        }
    }

    /// After a consumer panicked inside a call of this table: drops the consumer and keeps the flow as
    /// an entry of which nothing is told any more. Gives its identity.
    pub fn quarantine(&mut self, shared: &mut C::Shared) -> Option<FlowId> {
        let slot = self.current.take()?;
        let mut id = None;
        self.counters.quarantined += 1;
        self.at_flow(slot, shared, |flow, desk| {
            flow.quarantine(desk);
            id = Some(flow.info.id);
        });
        id
    }

    /// Lets the flow in `slot` handle something, then files it by what it waits for.
    fn at_flow(&mut self, slot: u32, shared: &mut C::Shared, act: impl FnOnce(&mut Flow<C>, &mut Desk<'_, C::Shared>)) {
        let Some(flow) = self.flows.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        self.current = Some(slot);
        let now = self.timers.now();
        let was_over = flow.over;
        act(flow, &mut Desk { config: &self.config, counters: &mut self.counters, shared, now });
        let (before, after) = (flow.counted, flow.holds());
        self.counters.consumer_bytes += u64::from(after.consumer);
        self.counters.consumer_bytes -= u64::from(before.consumer);
        self.counters.held_bytes += u64::from(after.held);
        self.counters.held_bytes -= u64::from(before.held);
        flow.counted = after;
        // Late segments do not keep what is over.
        if !(was_over && flow.over) {
            self.timers.touch(slot, flow.waiting());
        }
        self.current = None;
    }

    fn admit(&mut self, info: FlowInfo, hash: u32, shared: &mut C::Shared) -> u32 {
        let consumer = C::open(&info, shared);
        let flow = Some(Flow::new(info, consumer, hash));
        let slot = self.free.pop().unwrap_or(self.flows.len() as u32);
        match self.flows.get_mut(slot as usize) {
            Some(place) => *place = flow,
            None => self.flows.push(flow),
        }
        self.index.insert(hash, slot);
        self.timers.add(slot, Waiting::Short);
        self.counters.flows_created += 1;
        self.counters.flows_active += 1;
        slot
    }

    fn forget(&mut self, slot: u32) {
        if let Some(flow) = self.flows.get_mut(slot as usize).and_then(Option::take) {
            self.counters.consumer_bytes -= u64::from(flow.counted.consumer);
            self.counters.held_bytes -= u64::from(flow.counted.held);
            self.index.remove(flow.hash, slot);
            self.timers.remove(slot);
            self.free.push(slot);
        }
    }

    /// Evicts flows until the table is within its bytes: with room for one flow more, or, if there is
    /// one that must stay, for what its consumer holds now.
    fn make_room(&mut self, stays: Option<u32>, shared: &mut C::Shared) {
        loop {
            let one_more = if stays.is_none() { Self::bytes_per_flow() as u64 } else { 0 };
            if self.bytes() + one_more <= self.config.table_bytes {
                return;
            }
            let Some(slot) = self.victim().filter(|slot| Some(*slot) != stays) else { return };
            self.counters.limit_flow_table += u64::from(self.flow(slot).is_some_and(|flow| !flow.over));
            self.at_flow(slot, shared, |flow, desk| flow.finish(CloseReason::Evicted, desk));
            self.forget(slot);
        }
    }

    /// What goes first when the table is full: what is over; then what only opened, if that is a
    /// quarter of the table (a flood of SYNs must not cost established flows); then the longest silent.
    fn victim(&self) -> Option<u32> {
        let count = |waiting| self.timers.count(waiting) as usize;
        let entries = self.flows.len() - self.free.len();
        let crowded = [Waiting::Short, Waiting::OneSided].into_iter().find(|&w| count(w) * 4 > entries);
        let over = self.timers.oldest(Waiting::Over);
        over.or_else(|| self.timers.oldest(crowded?)).or_else(|| self.longest_silent(&Waiting::ALL))
    }

    /// Frees held bytes until they are within their bound, of the longest silent flow first.
    fn relieve(&mut self, current: u32, shared: &mut C::Shared) {
        while self.counters.held_bytes > self.config.reassembly_bytes {
            self.counters.limit_reassembly_bytes += 1;
            let holders = [Waiting::Overdue, Waiting::OneSided, Waiting::Held];
            let slot = self.longest_silent(&holders).unwrap_or(current);
            let before = self.counters.held_bytes;
            self.at_flow(slot, shared, |flow, desk| flow.relieve(desk));
            if self.counters.held_bytes >= before {
                return;
            }
        }
    }

    fn longest_silent(&self, of: &[Waiting]) -> Option<u32> {
        of.iter().filter_map(|&waiting| self.timers.oldest(waiting)).min_by_key(|&slot| self.timers.heard(slot))
    }

    fn flow(&self, slot: u32) -> Option<&Flow<C>> {
        self.flows.get(slot as usize)?.as_ref()
    }

    /// The same for both directions of a flow.
    fn hash(&self, segment: &Segment<'_>) -> u32 {
        let (low, high) = if segment.source <= segment.destination {
            (segment.source, segment.destination)
        } else {
            (segment.destination, segment.source)
        };
        let Tenant(tenant) = segment.tenant;
        let mut hasher = FoldHasher::with_seed(self.config.hash_seed, &self.seed);
        hasher.write_u128(bits(low.ip));
        hasher.write_u128(bits(high.ip));
        hasher.write_u64(tenant);
        hasher.write_u32(u32::from(low.port) << 16 | u32::from(high.port));
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as u32
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// SYNs and data begin a flow; a lone acknowledgement, FIN or reset tells nothing worth an entry.
fn opens_a_flow(segment: &Segment<'_>) -> bool {
    !segment.flags.rst() && (segment.flags.syn() || !segment.payload.is_empty() || segment.cut > 0)
}

/// Whether the sender of a flow's first segment is believed to have opened it.
fn is_opener(segment: &Segment<'_>) -> bool {
    let from_service = segment.source.port < segment.destination.port && segment.source.port < WELL_KNOWN_PORTS;
    if segment.flags.syn() { !segment.flags.ack() } else { !from_service }
}

fn flow_info(segment: &Segment<'_>, at: Stamp, sender_opened: bool) -> FlowInfo {
    let turned = |mac: MacPair| MacPair { source: mac.destination, destination: mac.source };
    let (initiator, responder, mac): (Endpoint, Endpoint, Option<MacPair>) = if sender_opened {
        (segment.source, segment.destination, segment.mac)
    } else {
        (segment.destination, segment.source, segment.mac.map(turned))
    };
    FlowInfo {
        id: FlowId(at.frame),
        tenant: segment.tenant,
        initiator,
        responder,
        mac,
        initiator_ttl: sender_opened.then_some(segment.ttl),
        syn: if sender_opened { SynTraits::of(segment) } else { None },
        opened: at,
        midstream: !segment.flags.syn(),
        two_sided: false,
        gaps: 0,
    }
}

#[cfg(test)]
impl<C: StreamConsumer> FlowTable<C> {
    /// How often timeout lists were changed or looked at.
    pub(super) fn timer_steps(&self) -> u64 {
        self.timers.steps
    }
}
