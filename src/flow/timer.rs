//! Who has been silent for too long? Lists of flows by kind of timeout, the longest silent first.
//!
//! Time is what the owner believes it to be, or else the highest packet time seen. A flow is linked anew
//! only when it has been heard a second or more after it was linked last, so most packets touch no
//! list. Timeouts count from that link, so they come up to a second early, and when one comes depends
//! on that flow and the time alone, never on the flows beside it.

use std::time::Duration;

use crate::base::slab::Slab;
use crate::base::time::Timestamp;

/// What a flow waits for; each has a timeout of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Waiting {
    /// It is over and stays only so that late segments are known as such.
    Over,
    /// It is opening or closing.
    Short,
    /// It is established.
    Established,
    /// Bytes are missing that the receiver has acknowledged: they were lost, or come late.
    Overdue,
    /// Bytes are missing or in doubt, and nobody is seen acknowledging.
    OneSided,
    /// Bytes are missing or in doubt, and the receiver has not acknowledged them either.
    Held,
}

impl Waiting {
    pub(super) const ALL: [Self; 6] =
        [Self::Over, Self::Short, Self::Established, Self::Overdue, Self::OneSided, Self::Held];
}

/// No neighbour.
const NONE: u32 = u32::MAX;
/// A flow heard this much later than it was linked is linked anew, or an eighth of its timeout if that
/// is less.
const COARSE: Duration = Duration::from_secs(1);
/// A jump of packet time further than this is believed only from [`Timers::advance`]: one frame
/// with a broken clock must not end all flows.
const LEAP: Duration = Duration::from_secs(10 * 60);

/// A time in units of about 17 ms (2²⁴ ns), as far as 32 bits say it: ages of less than two years are right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Moment(u32);

impl Moment {
    const fn of(time: Timestamp) -> Self {
        Self((time.0 >> 24) as u32)
    }

    /// Units of time in this span.
    fn units(span: Duration) -> u32 {
        u32::try_from(span.as_nanos() >> 24).unwrap_or(u32::MAX)
    }

    const fn units_since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

/// The place of a flow in its list, kept in its entry: who is heard of most touches nothing else.
#[derive(Clone, Copy)]
pub(super) struct Link {
    linked: Moment,
    before: u32,
    after: u32,
    waiting: Waiting,
}

impl Link {
    /// In no list yet.
    pub(super) const NONE: Self = Self { linked: Moment(0), before: NONE, after: NONE, waiting: Waiting::Over };

    /// What the flow waits for.
    pub(super) const fn waiting(&self) -> Waiting {
        self.waiting
    }
}

/// An entry that is in a list.
pub(super) trait Linked {
    /// Its place.
    fn link(&self) -> &Link;
    /// The same, to change it.
    fn link_mut(&mut self) -> &mut Link;
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
    len: u32,
    /// In units of time, as the next.
    timeout: u32,
    coarse: u32,
}

/// Six lists of the entries of a slab. Those who call hand over the slab, always the same.
pub(super) struct Timers {
    lists: [List; Waiting::ALL.len()],
    now: Option<Timestamp>,
    /// The owner tells the time; packets do not move it.
    told: bool,
    /// How often a list was changed or looked at.
    #[cfg(test)]
    pub(super) steps: u64,
}

impl Timers {
    /// Timeouts by kind.
    pub(super) fn new(timeout: impl Fn(Waiting) -> Duration) -> Self {
        let list = |timeout: Duration| {
            let coarse = Moment::units(COARSE.min(timeout / 8));
            // Whoever was heard just now is not silent for too long.
            let timeout = Moment::units(timeout).max(1);
            List { first: NONE, last: NONE, len: 0, timeout, coarse }
        };
        Self {
            lists: Waiting::ALL.map(|waiting| list(timeout(waiting))),
            now: None,
            told: false,
            #[cfg(test)]
            steps: 0,
        }
    }

    /// The highest time seen.
    pub(super) fn now(&self) -> Timestamp {
        self.now.unwrap_or(Timestamp::MIN)
    }

    /// A packet of this time was seen.
    pub(super) fn observe(&mut self, ts: Timestamp) {
        if !self.told && self.now.is_none_or(|now| now < ts && ts.since(now) <= LEAP) {
            self.now = Some(ts);
        }
    }

    /// It is at least this late, says someone who knows.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(Some(now));
    }

    /// It is this late, says someone who will say so before every packet.
    pub(super) fn tell(&mut self, now: Timestamp) {
        self.told = true;
        self.advance(now);
    }

    /// How many flows wait for this.
    pub(super) fn count(&self, waiting: Waiting) -> u32 {
        self.lists.get(waiting as usize).map_or(0, |l| l.len)
    }

    /// Puts the new entry in `slot` into a list.
    pub(super) fn add(&mut self, entries: &mut Slab<impl Linked>, slot: u32, waiting: Waiting) {
        let linked = Moment::of(self.now());
        let Some(entry) = entries.get_mut(slot) else { return };
        *entry.link_mut() = Link { linked, before: NONE, after: NONE, waiting };
        self.push_last(entries, slot);
    }

    /// The flow in `slot` was heard just now and waits for this.
    pub(super) fn touch(&mut self, entries: &mut Slab<impl Linked>, slot: u32, waiting: Waiting) {
        if entries.get(slot).is_some_and(|entry| !self.is_in_place(entry.link(), waiting)) {
            self.remove(entries, slot);
            self.add(entries, slot, waiting);
        }
    }

    /// A flow that was heard just now and waits for this need not be touched.
    #[inline]
    pub(super) fn is_in_place(&self, link: &Link, waiting: Waiting) -> bool {
        let coarse = self.lists.get(waiting as usize).map_or(0, |list| list.coarse);
        link.waiting == waiting && Moment::of(self.now()).units_since(link.linked) < coarse
    }

    /// Takes the entry in `slot` out of its list.
    pub(super) fn remove(&mut self, entries: &mut Slab<impl Linked>, slot: u32) {
        self.step();
        let Some(&Link { before, after, waiting, .. }) = entries.get(slot).map(Linked::link) else { return };
        match entries.get_mut(before) {
            Some(entry) => entry.link_mut().after = after,
            None => self.list(waiting, |l| l.first = after),
        }
        match entries.get_mut(after) {
            Some(entry) => entry.link_mut().before = before,
            None => self.list(waiting, |l| l.last = before),
        }
        self.list(waiting, |l| l.len -= 1);
    }

    /// The flow silent longest among those that wait for this.
    pub(super) fn oldest(&self, waiting: Waiting) -> Option<u32> {
        self.lists.get(waiting as usize).map(|l| l.first).filter(|&slot| slot != NONE)
    }

    /// Since when a flow is silent, in units of time.
    pub(super) fn silence(&self, link: &Link) -> u32 {
        Moment::of(self.now()).units_since(link.linked)
    }

    /// The next flow whose time is up. It must be touched or removed before this is asked again.
    pub(super) fn expired(&mut self, entries: &Slab<impl Linked>) -> Option<(u32, Waiting)> {
        self.step();
        Waiting::ALL.into_iter().find_map(|waiting| {
            let slot = self.oldest(waiting)?;
            let timeout = self.lists.get(waiting as usize)?.timeout;
            (self.silence(entries.get(slot)?.link()) >= timeout).then_some((slot, waiting))
        })
    }

    fn push_last(&mut self, entries: &mut Slab<impl Linked>, slot: u32) {
        self.step();
        let Some(waiting) = entries.get(slot).map(|entry| entry.link().waiting) else { return };
        let mut last = NONE;
        self.list(waiting, |l| {
            last = l.last;
            l.last = slot;
            l.len += 1;
        });
        match entries.get_mut(last) {
            Some(entry) => entry.link_mut().after = slot,
            None => self.list(waiting, |l| l.first = slot),
        }
        if let Some(entry) = entries.get_mut(slot) {
            let link = entry.link_mut();
            (link.before, link.after) = (last, NONE);
        }
    }

    fn list(&mut self, waiting: Waiting, change: impl FnOnce(&mut List)) {
        if let Some(list) = self.lists.get_mut(waiting as usize) {
            change(list);
        }
    }

    #[inline]
    fn step(&mut self) {
        #[cfg(test)]
        {
            self.steps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Linked for Link {
        fn link(&self) -> &Link {
            self
        }

        fn link_mut(&mut self) -> &mut Link {
            self
        }
    }

    fn seconds(n: i64) -> Timestamp {
        Timestamp::from_parts(n, 0)
    }

    /// Lists, and three entries that wait as those of flows which have just opened.
    fn timers() -> (Timers, Slab<Link>) {
        let mut timers = Timers::new(|w| Duration::from_secs(if w == Waiting::Established { 100 } else { 10 }));
        let mut entries = Slab::new();
        timers.observe(seconds(0));
        for _ in 0..3 {
            let slot = entries.insert(Link::NONE);
            timers.add(&mut entries, slot, Waiting::Short);
        }
        (timers, entries)
    }

    #[test]
    fn the_longest_silent_goes_first() {
        let (mut t, mut entries) = timers();
        let entries = &mut entries;
        t.observe(seconds(5));
        t.touch(entries, 0, Waiting::Short);
        t.touch(entries, 2, Waiting::Established);
        t.advance(seconds(10));
        assert_eq!(t.expired(entries), Some((1, Waiting::Short)));
        t.remove(entries, 1);
        assert_eq!(t.expired(entries), None);
        t.advance(seconds(15));
        assert_eq!(t.expired(entries), Some((0, Waiting::Short)));
        t.touch(entries, 0, Waiting::Established);
        assert_eq!((t.count(Waiting::Short), t.count(Waiting::Established)), (0, 2));
        assert_eq!(t.oldest(Waiting::Established), Some(2));
        t.advance(seconds(105));
        assert_eq!(t.expired(entries), Some((2, Waiting::Established)));
    }

    #[test]
    fn one_frame_with_a_broken_clock_ends_nothing() {
        let (mut t, entries) = timers();
        t.observe(seconds(1 << 31));
        assert_eq!((t.now(), t.expired(&entries)), (seconds(0), None));
        t.observe(Timestamp::MIN);
        assert_eq!((t.now(), t.expired(&entries)), (seconds(0), None));
        t.advance(seconds(1 << 24));
        assert_eq!(t.expired(&entries), Some((0, Waiting::Short)));
    }
}
