//! Which flow does a segment belong to, and how long is it remembered? The table of flows.

use std::mem::size_of;

use super::counters::FlowCounters;
use super::fairness::Sources;
use super::flow::{Desk, Flow, Verdict};
use super::hash::FlowHash;
use super::profile::{self, Profile, Route};
use super::reassembler::PATIENCE;
use super::recall::Recall;
use super::timer::{Timers, Waiting};
use super::usual::Usual;
use super::{CloseReason, Direction, FlowConfig, FlowId, StreamConsumer};
use crate::base::index::Index;
use crate::base::slab::Slab;
use crate::base::time::{Stamp, Timestamp};
use crate::packet::Segment;

/// Cache lines at the front of a flow that its next segment will need.
const LINES: usize = 8;

/// Flows that are looked at for one of a greedy source.
const SAMPLE: usize = 16;

/// All flows of one worker, each with its consumer.
///
/// Cost per segment: one lookup, no allocation while bytes come in order. Nothing here looks at a
/// clock: time is what [`FlowTable::believe`] says. An owner that does not use it gets the highest of
/// what [`FlowTable::on_time`] and the segments say, except that a segment more than ten minutes ahead
/// does not move it.
pub struct FlowTable<C: StreamConsumer> {
    config: FlowConfig,
    hash: FlowHash,
    index: Index,
    flows: Slab<Flow<C>>,
    timers: Timers,
    recall: Recall,
    sources: Sources,
    counters: FlowCounters,
    /// The flow whose consumer may be running.
    current: Option<u32>,
    #[cfg(test)]
    ways: Ways,
}

/// Which way segments are taken.
#[cfg(test)]
#[derive(Default)]
struct Ways {
    /// There is no short one.
    general: bool,
    /// Segments that went the general one.
    taken: u64,
}

impl<C: StreamConsumer> FlowTable<C> {
    /// An empty table; it grows with the flows, up to the bounds of `config`.
    #[must_use]
    pub fn new(config: FlowConfig) -> Self {
        let recall_bytes = config.recall_bytes;
        let timers = Timers::new(|waiting| match waiting {
            Waiting::Over | Waiting::Short => config.closing_timeout,
            Waiting::Established | Waiting::Held => config.established_timeout,
            Waiting::Overdue => PATIENCE,
            Waiting::OneSided => config.mid_message_timeout,
        });
        Self {
            sources: Sources::new(config.hash_seed),
            hash: FlowHash::new(config.hash_seed),
            config,
            index: Index::new(),
            flows: Slab::new(),
            timers,
            recall: Recall::new(recall_bytes),
            counters: FlowCounters::default(),
            current: None,
            #[cfg(test)]
            ways: Ways::default(),
        }
    }

    /// Bytes that one flow takes in the table, without what it and its consumer hold on the heap.
    #[must_use]
    pub const fn bytes_per_flow() -> usize {
        size_of::<Option<Flow<C>>>() + Index::BYTES_PER_ENTRY
    }

    /// Bytes in use of [`FlowConfig::table_bytes`].
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.flows.len() as u64 * Self::bytes_per_flow() as u64 + self.counters.heap_bytes
    }

    /// Plain counters.
    #[must_use]
    pub const fn counters(&self) -> &FlowCounters {
        &self.counters
    }

    /// Asks for the memory of the flows with these hashes, before their segments have their turn.
    #[inline]
    pub fn prefetch(&self, hashes: impl Iterator<Item = u32> + Clone) {
        hashes.clone().for_each(|hash| self.index.prefetch(hash));
        for slot in hashes.filter_map(|hash| self.index.find(hash, |_| true)) {
            self.flows.prefetch(slot, LINES);
        }
    }

    /// One segment, in the order of frames.
    pub fn on_segment(&mut self, segment: &Segment<'_>, at: Stamp, shared: &mut C::Shared) {
        self.on_hashed_segment(segment, self.hash.of(segment), at, shared);
    }

    /// The same where the hash of its flow is known, under the seed of this table.
    pub fn on_hashed_segment(&mut self, segment: &Segment<'_>, hash: u32, at: Stamp, shared: &mut C::Shared) {
        debug_assert_eq!(hash, self.hash.of(segment));
        self.counters.segments += 1;
        self.timers.observe(at.ts);
        let route = Route::new(&segment.source, &segment.destination);
        let mut dir = Direction::Forward;
        let found = self.index.find(hash, |slot| {
            let direction = self.flow(slot).and_then(|flow| flow.profile.direction_of(segment.tenant, &route));
            direction.inspect(|d| dir = *d).is_some()
        });
        let slot = match found {
            Some(slot) => match self.take_usual(slot, dir, segment, at, shared) {
                Some(Usual::Quiet) => return,
                Some(Usual::Told) => {
                    self.keep_bounds(slot, shared);
                    return;
                }
                None => slot,
            },
            None if opens_a_flow(segment) => {
                self.make_room(None, shared);
                let sender_opened = profile::is_opener(segment);
                dir = if sender_opened { Direction::Forward } else { Direction::Reverse };
                self.admit(Profile::new(segment, at, sender_opened), hash, shared)
            }
            None => {
                self.counters.untracked += 1;
                return;
            }
        };
        self.take_any(slot, dir, segment, at, shared);
        self.keep_bounds(slot, shared);
    }

    /// Lets the flow in `slot` take a usual segment; `None` when it is not usual.
    #[inline]
    fn take_usual(
        &mut self,
        slot: u32,
        dir: Direction,
        segment: &Segment<'_>,
        at: Stamp,
        shared: &mut C::Shared,
    ) -> Option<Usual> {
        #[cfg(test)]
        if self.ways.general {
            return None;
        }
        let flow = self.flows.get_mut(slot)?;
        self.current = Some(slot);
        let now = self.timers.now();
        let (config, counters, recall) = (&self.config, &mut self.counters, &mut self.recall);
        let usual = flow.on_usual_segment(dir, segment, at, &mut Desk { config, counters, shared, recall, slot, now });
        self.current = None;
        match usual? {
            Usual::Told => self.settle(slot, false),
            Usual::Quiet if self.timers.is_in_place(&flow.link, Waiting::Established) => {}
            Usual::Quiet => self.timers.touch(&mut self.flows, slot, Waiting::Established),
        }
        usual
    }

    /// Lets the flow in `slot` take any segment, and makes a new one of it where that one opens it anew.
    fn take_any(&mut self, slot: u32, dir: Direction, segment: &Segment<'_>, at: Stamp, shared: &mut C::Shared) {
        #[cfg(test)]
        {
            self.ways.taken += 1;
        }
        let mut reopened = None;
        self.at_flow(slot, shared, |flow, desk| {
            if let Verdict::Reopened { opener, began } = flow.on_segment(dir, segment, at, desk) {
                flow.finish(CloseReason::Reused, desk);
                let mut profile = Profile::new(segment, at, opener == dir);
                if let Some((whose, offer)) = began {
                    profile.note_handshake();
                    // The SYN that began it was taken for one of the old connection at first.
                    profile.note_syn(offer.traits.filter(|_| whose == opener));
                }
                reopened = Some((flow.profile.source(), profile.source()));
                let consumer = C::open(&profile.info(), desk.shared);
                desk.counters.flows_created += 1;
                desk.counters.flows_active += 1;
                let (counted, link) = (flow.counted, flow.link);
                *flow = Flow::new(profile, consumer);
                (flow.counted, flow.link) = (counted, link);
                let turned = |d: Direction| if opener == Direction::Forward { d } else { d.opposite() };
                if let Some((whose, offer)) = began {
                    flow.began(turned(whose), offer);
                }
                flow.on_segment(turned(dir), segment, at, desk);
            }
        });
        if let Some((before, after)) = reopened {
            self.sources.remove(before);
            self.sources.add(after);
        }
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
        while let Some((slot, waiting)) = self.timers.expired(&self.flows) {
            let mut is_over = true;
            self.at_flow(slot, shared, |flow, desk| is_over = flow.on_timeout(waiting, desk));
            if is_over {
                self.forget(slot);
            }
        }
    }

    /// The capture has ended: every flow is told what is left and closed, in the order of opening.
    pub fn drain(&mut self, shared: &mut C::Shared) {
        let mut open: Vec<(FlowId, u32)> = Vec::with_capacity(self.flows.len());
        open.extend(self.flows.iter().map(|(slot, flow)| (flow.profile.id(), slot)));
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
            id = Some(flow.profile.id());
        });
        id
    }

    /// Lets the flow in `slot` handle something, then files it by what it waits for.
    fn at_flow(&mut self, slot: u32, shared: &mut C::Shared, act: impl FnOnce(&mut Flow<C>, &mut Desk<'_, C::Shared>)) {
        let Some(flow) = self.flows.get_mut(slot) else { return };
        self.current = Some(slot);
        let now = self.timers.now();
        let was_over = flow.over;
        let (config, counters, recall) = (&self.config, &mut self.counters, &mut self.recall);
        act(flow, &mut Desk { config, counters, shared, recall, slot, now });
        self.settle(slot, was_over);
        self.current = None;
    }

    /// Counts what the flow in `slot` holds now, and files it by what it waits for.
    fn settle(&mut self, slot: u32, was_over: bool) {
        let Some(flow) = self.flows.get_mut(slot) else { return };
        self.counters.recall_bytes = self.recall.bytes();
        let (before, after) = (flow.counted, flow.holds());
        self.counters.heap_bytes += u64::from(after.heap);
        self.counters.heap_bytes -= u64::from(before.heap);
        self.counters.held_bytes += u64::from(after.held);
        self.counters.held_bytes -= u64::from(before.held);
        flow.counted = after;
        // Late segments do not keep what is over.
        let waiting = flow.waiting();
        let stays = (was_over && flow.over) || self.timers.is_in_place(&flow.link, waiting);
        if !stays {
            self.timers.touch(&mut self.flows, slot, waiting);
        }
    }

    fn admit(&mut self, profile: Profile, hash: u32, shared: &mut C::Shared) -> u32 {
        let consumer = C::open(&profile.info(), shared);
        self.sources.add(profile.source());
        let slot = self.flows.insert(Flow::new(profile, consumer));
        self.index.insert(hash, slot);
        self.timers.add(&mut self.flows, slot, Waiting::Short);
        self.counters.flows_created += 1;
        self.counters.flows_active += 1;
        slot
    }

    fn forget(&mut self, slot: u32) {
        self.timers.remove(&mut self.flows, slot);
        if let Some(flow) = self.flows.remove(slot) {
            self.counters.heap_bytes -= u64::from(flow.counted.heap);
            self.counters.held_bytes -= u64::from(flow.counted.held);
            self.sources.remove(flow.profile.source());
            let (initiator, responder) = flow.profile.ends();
            self.index.remove(self.hash.of_ends(flow.profile.tenant(), initiator, responder), slot);
        }
    }

    /// Keeps held bytes and the table within their bounds; the flow in `slot` has grown.
    #[inline]
    fn keep_bounds(&mut self, slot: u32, shared: &mut C::Shared) {
        if self.counters.held_bytes > self.config.reassembly_bytes {
            self.relieve(slot, shared);
        }
        if self.bytes() > self.config.table_bytes {
            self.make_room(Some(slot), shared);
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
    /// Among those a source that has much more than its share gives way before others.
    fn victim(&mut self) -> Option<u32> {
        let count = |waiting| self.timers.count(waiting) as usize;
        let entries = self.flows.len();
        let crowded = [Waiting::Short, Waiting::OneSided].into_iter().find(|&w| count(w) * 4 > entries);
        let over = self.timers.oldest(Waiting::Over);
        over.or_else(|| {
            let oldest = match crowded {
                Some(waiting) => self.timers.oldest(waiting),
                None => self.longest_silent(&Waiting::ALL),
            }?;
            self.greedier_than(oldest, crowded).or(Some(oldest))
        })
    }

    /// Of some flows taken by chance (which wait for this), the one whose source has most, if that is
    /// more than an eighth of the table and twice as many as the source of the flow in `slot`.
    fn greedier_than(&mut self, slot: u32, waiting: Option<Waiting>) -> Option<u32> {
        let share = |table: &Self, slot| table.flow(slot).map(|flow| table.sources.count(flow.profile.source()));
        let entries = self.flows.len();
        let fair = (share(self, slot)? * 2).max(u32::try_from(entries / 8).unwrap_or(u32::MAX));
        let mut greediest = None;
        for _ in 0..SAMPLE {
            let other = self.sources.any_below(self.flows.slots()) as u32;
            let Some(link) = self.flow(other).map(|flow| &flow.link) else { continue };
            let fits = waiting.is_none_or(|waiting| link.waiting() == waiting);
            if let Some(has) = share(self, other).filter(|&has| fits && has > fair) {
                greediest = greediest.max(Some((has, self.timers.silence(link), other)));
            }
        }
        greediest.map(|(_, _, slot)| slot)
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
        let silence = |slot| self.flow(slot).map(|flow| self.timers.silence(&flow.link));
        let oldest = of.iter().filter_map(|&waiting| self.timers.oldest(waiting));
        // Of several that are silent equally long, the first.
        oldest.min_by_key(|&slot| std::cmp::Reverse(silence(slot)))
    }

    fn flow(&self, slot: u32) -> Option<&Flow<C>> {
        self.flows.get(slot)
    }
}

/// SYNs and data begin a flow; a lone acknowledgement, FIN or reset tells nothing worth an entry.
fn opens_a_flow(segment: &Segment<'_>) -> bool {
    !segment.flags.rst() && (segment.flags.syn() || !segment.payload.is_empty() || segment.cut > 0)
}

#[cfg(test)]
impl<C: StreamConsumer> FlowTable<C> {
    /// How often timeout lists were changed or looked at.
    pub(super) fn timer_steps(&self) -> u64 {
        self.timers.steps
    }

    /// Leaves the general way alone.
    pub(super) fn set_general(&mut self, general: bool) {
        self.ways.general = general;
    }

    /// How many segments went the general way.
    pub(super) fn general_segments(&self) -> u64 {
        self.ways.taken
    }
}
