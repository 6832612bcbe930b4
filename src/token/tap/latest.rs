//! What did a flow ask last? Kept beside the flows, so that those that fall silent hold on to nothing.

use std::sync::Arc;

use crate::flow::FlowId;
use crate::identity::forwarded::Sender;
use crate::token::recall::{Key, Reading};
use crate::token::sighting::RequestView;

/// Flows that are passed over in the search for one that has fallen silent.
const SEARCH: usize = 16;

/// Bytes of a flow's last request: the view and its texts, what its fields came to, and their share of what
/// several requests have in common.
const BYTES: u64 = 1024;

/// More flows are not busy at a time.
const MOST: usize = 65_536;

/// Beyond so many there is room only for flows that have asked again and found their place taken: most that
/// ask once fall silent.
const FEW: usize = 4096;

/// A request whose like may follow on its flow.
pub(super) struct Like {
    /// Of its fields.
    pub(super) key: Key,
    /// What they came to.
    pub(super) reading: Arc<Reading>,
    /// The request that showed them first.
    pub(super) view: Arc<RequestView>,
    /// Who is behind its peer.
    pub(super) sender: Sender,
    /// Of a request with the same fields the line alone says the rest.
    pub(super) by_fields: bool,
}

/// Where a flow's last request is kept, if it still is.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    slot: u32,
    /// 0: nowhere.
    generation: u32,
}

#[derive(Default)]
struct Slot {
    like: Option<Like>,
    generation: u32,
    /// Asked for since the hand came by.
    used: bool,
}

/// The last requests of the flows of one worker. In a full table the hand of a clock looks for a flow
/// that asked nothing since it last came by.
pub(super) struct Latest {
    slots: Vec<Slot>,
    /// Slots of flows that are over.
    free: Vec<u32>,
    limit: usize,
    hand: usize,
    generation: u32,
}

impl Latest {
    /// At most as many as take so much memory.
    pub(super) fn within(memory: u64) -> Self {
        Self::new(usize::try_from(memory / BYTES).unwrap_or(MOST).clamp(1, MOST))
    }

    const fn new(limit: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), limit, hand: 0, generation: 0 }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        *self = Self { generation: self.generation, ..Self::new(self.limit) };
    }

    pub(super) fn get(&mut self, place: Place, flow: FlowId) -> Option<&mut Like> {
        let slot = self.slots.get_mut(place.slot as usize).filter(|slot| slot.generation == place.generation)?;
        slot.used = true;
        // Generations come round again.
        slot.like.as_mut().filter(|like| like.view.id.flow == flow)
    }

    /// Keeps the last request of a flow in the place of the one before. `limit_hits` counts those of others
    /// that were forgotten for it.
    pub(super) fn put(&mut self, place: &mut Place, like: Like, limit_hits: &mut u64) {
        if let Some(slot) = self.slots.get_mut(place.slot as usize)
            && slot.generation == place.generation
            && slot.like.as_ref().is_some_and(|before| before.view.id.flow == like.view.id.flow)
        {
            slot.like = Some(like);
            return;
        }
        let lost_its_place = place.generation != 0;
        let Some(at) = self.free.pop().or_else(|| self.make_room(lost_its_place)) else { return };
        self.generation = self.generation.wrapping_add(1).max(1);
        *place = Place { slot: at, generation: self.generation };
        if let Some(slot) = self.slots.get_mut(at as usize) {
            *limit_hits += u64::from(slot.like.is_some());
            *slot = Slot { like: Some(like), generation: self.generation, used: false };
        }
    }

    /// A flow's last request is none to compare with any more.
    pub(super) fn forget(&mut self, place: &mut Place, flow: FlowId) {
        let (at, is_kept) = (place.slot, self.get(*place, flow).is_some());
        *place = Place::default();
        if let Some(slot) = self.slots.get_mut(at as usize).filter(|_| is_kept) {
            *slot = Slot::default();
            self.free.push(at);
        }
    }

    fn make_room(&mut self, for_a_busy_flow: bool) -> Option<u32> {
        let most = if for_a_busy_flow { self.limit } else { self.limit.min(FEW) };
        if self.slots.len() < most {
            self.slots.push(Slot::default());
            return u32::try_from(self.slots.len().checked_sub(1)?).ok();
        }
        for _ in 0..SEARCH {
            self.hand = self.hand.checked_add(1).filter(|next| *next < self.slots.len()).unwrap_or(0);
            let slot = self.slots.get_mut(self.hand)?;
            if !std::mem::take(&mut slot.used) {
                break;
            }
        }
        u32::try_from(self.hand).ok()
    }
}
