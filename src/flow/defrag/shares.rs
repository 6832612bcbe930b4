//! Who goes first at a bound? The sender with the largest share loses, so that nobody's flood pushes
//! out the datagrams of others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Place;
use crate::base::net::Tenant;

/// A sender.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Source(pub(super) Tenant, pub(super) IpAddr);

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
    by_source: BTreeMap<Source, Share>,
    by_weight: BTreeSet<(u64, Source)>,
}

impl Shares {
    /// A datagram is there.
    pub(super) fn add(&mut self, source: Source, place: Place, weight: u64, is_whole: bool) {
        self.change(source, |share| {
            share.weight = share.weight.saturating_add(weight);
            if is_whole { &mut share.whole } else { &mut share.incomplete }.insert(place);
        });
    }

    /// A datagram is gone, which was added with this weight.
    pub(super) fn remove(&mut self, source: Source, place: Place, weight: u64) {
        self.change(source, |share| {
            share.weight = share.weight.saturating_sub(weight);
            share.whole.remove(&place);
            share.incomplete.remove(&place);
        });
    }

    /// The datagram to forget: of the largest share the oldest whole one, else the oldest.
    pub(super) fn victim(&self) -> Option<Place> {
        let (_, source) = self.by_weight.last()?;
        let share = self.by_source.get(source)?;
        share.whole.first().or_else(|| share.incomplete.first()).copied()
    }

    fn change(&mut self, source: Source, change: impl FnOnce(&mut Share)) {
        let share = self.by_source.entry(source).or_default();
        self.by_weight.remove(&(share.weight, source));
        change(share);
        if share.whole.is_empty() && share.incomplete.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.by_weight.insert((share.weight, source));
        }
    }
}
