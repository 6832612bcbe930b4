//! Who goes first at a bound? The sender with the largest share loses, so that nobody's flood pushes
//! out the datagrams of others.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use crate::base::net::{Source, Tenant};

/// A sender.
pub(super) type Sender = (Tenant, Source);

/// What one sender has; datagrams by place, the oldest first.
#[derive(Default)]
struct Share {
    weight: u64,
    whole: BTreeSet<Place>,
    incomplete: BTreeSet<Place>,
}

/// What each sender has.
#[derive(Default)]
pub(super) struct Shares {
    by_sender: BTreeMap<Sender, Share>,
    by_weight: BTreeSet<(u64, Sender)>,
}

impl Shares {
    /// A datagram is there.
    pub(super) fn add(&mut self, sender: Sender, place: Place, weight: u64, is_whole: bool) {
        self.change(sender, |share| {
            share.weight = share.weight.saturating_add(weight);
            if is_whole { &mut share.whole } else { &mut share.incomplete }.insert(place);
        });
    }

    /// A datagram is gone, which was added with this weight.
    pub(super) fn remove(&mut self, sender: Sender, place: Place, weight: u64) {
        self.change(sender, |share| {
            share.weight = share.weight.saturating_sub(weight);
            share.whole.remove(&place);
            share.incomplete.remove(&place);
        });
    }

    /// The datagram to forget: of the largest share the oldest whole one, else the oldest.
    pub(super) fn victim(&self) -> Option<Place> {
        let (_, sender) = self.by_weight.last()?;
        let share = self.by_sender.get(sender)?;
        share.whole.first().or_else(|| share.incomplete.first()).copied()
    }

    fn change(&mut self, sender: Sender, change: impl FnOnce(&mut Share)) {
        let share = self.by_sender.entry(sender).or_default();
        self.by_weight.remove(&(share.weight, sender));
        change(share);
        if share.whole.is_empty() && share.incomplete.is_empty() {
            self.by_sender.remove(&sender);
        } else {
            self.by_weight.insert((share.weight, sender));
        }
    }
}
