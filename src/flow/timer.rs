//! Who has been silent for too long? Lists of flows by kind of timeout, the longest silent first.
//!
//! Time is what the owner believes it to be, or else the highest packet time seen. A flow is linked anew
//! only when it has been heard a second or more after it was linked last, so most packets touch no
//! list. Timeouts count from that link, so they come up to a second early, and when one comes depends
//! on that flow and the time alone, never on the flows beside it.

use std::time::Duration;

use crate::base::prefetch::prefetch;
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

/// Nanoseconds after which a flow with this timeout is linked anew.
fn coarse(timeout: Duration) -> u64 {
    u64::try_from(COARSE.min(timeout / 8).as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Clone, Copy)]
struct Link {
    linked: Timestamp,
    before: u32,
    after: u32,
    waiting: Waiting,
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
    len: u32,
    timeout: Duration,
    /// Nanoseconds.
    coarse: u64,
}

/// One link per slot of the flow table, in six lists.
pub(super) struct Timers {
    links: Vec<Link>,
    lists: [List; Waiting::ALL.len()],
    now: Option<Timestamp>,
    /// The owner tells the time; packets do not move it.
    told: bool,
    /// How often a list was changed or looked at.
    #[cfg(test)]
    pub(super) steps: u64,
}

impl Timers {
    /// Memory for one flow.
    pub(super) const BYTES_PER_FLOW: usize = size_of::<Link>();

    /// Timeouts by kind.
    pub(super) fn new(timeout: impl Fn(Waiting) -> Duration) -> Self {
        let list = |timeout: Duration| List { first: NONE, last: NONE, len: 0, timeout, coarse: coarse(timeout) };
        Self {
            links: Vec::new(),
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

    /// A new flow in `slot`; slots are handed out one after the other and reused.
    pub(super) fn add(&mut self, slot: u32, waiting: Waiting) {
        let now = self.now();
        let link = Link { linked: now, before: NONE, after: NONE, waiting };
        match self.links.get_mut(slot as usize) {
            Some(old) => *old = link,
            None => self.links.push(link),
        }
        self.push_last(slot);
    }

    /// Asks for the memory that [`Timers::touch`] looks at.
    #[inline]
    pub(super) fn prefetch(&self, slot: u32) {
        if let Some(link) = self.links.get(slot as usize) {
            prefetch(link, 1);
        }
    }

    /// The flow in `slot` was heard just now and waits for this.
    pub(super) fn touch(&mut self, slot: u32, waiting: Waiting) {
        let now = self.now();
        let Some(link) = self.links.get(slot as usize) else { return };
        let coarse = self.lists.get(waiting as usize).map_or(0, |list| list.coarse);
        if link.waiting != waiting || now.nanos_since(link.linked) >= coarse {
            self.remove(slot);
            if let Some(link) = self.links.get_mut(slot as usize) {
                link.waiting = waiting;
                link.linked = now;
            }
            self.push_last(slot);
        }
    }

    /// Forgets the flow in `slot`.
    pub(super) fn remove(&mut self, slot: u32) {
        self.step();
        let Some(&Link { before, after, waiting, .. }) = self.links.get(slot as usize) else { return };
        match self.links.get_mut(before as usize) {
            Some(link) => link.after = after,
            None => self.list(waiting, |l| l.first = after),
        }
        match self.links.get_mut(after as usize) {
            Some(link) => link.before = before,
            None => self.list(waiting, |l| l.last = before),
        }
        self.list(waiting, |l| l.len -= 1);
    }

    /// The flow silent longest among those that wait for this.
    pub(super) fn oldest(&self, waiting: Waiting) -> Option<u32> {
        self.lists.get(waiting as usize).map(|l| l.first).filter(|&slot| slot != NONE)
    }

    /// What the flow in `slot` waits for; of a free slot, what the last one did.
    pub(super) fn waiting(&self, slot: u32) -> Option<Waiting> {
        self.links.get(slot as usize).map(|link| link.waiting)
    }

    /// When the flow in `slot` was linked last: since when it is silent, to the second.
    pub(super) fn linked(&self, slot: u32) -> Timestamp {
        self.links.get(slot as usize).map_or(Timestamp::MIN, |l| l.linked)
    }

    /// The next flow whose time is up. It must be touched or removed before this is asked again.
    pub(super) fn expired(&mut self) -> Option<(u32, Waiting)> {
        self.step();
        let now = self.now();
        Waiting::ALL.into_iter().find_map(|waiting| {
            let slot = self.oldest(waiting)?;
            let (linked, timeout) = (self.links.get(slot as usize)?.linked, self.lists.get(waiting as usize)?.timeout);
            (now.since(linked) >= timeout).then_some((slot, waiting))
        })
    }

    fn push_last(&mut self, slot: u32) {
        self.step();
        let Some(waiting) = self.links.get(slot as usize).map(|l| l.waiting) else { return };
        let mut last = NONE;
        self.list(waiting, |l| {
            last = l.last;
            l.last = slot;
            l.len += 1;
        });
        match self.links.get_mut(last as usize) {
            Some(link) => link.after = slot,
            None => self.list(waiting, |l| l.first = slot),
        }
        if let Some(link) = self.links.get_mut(slot as usize) {
            link.before = last;
            link.after = NONE;
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

    fn seconds(n: i64) -> Timestamp {
        Timestamp::from_parts(n, 0)
    }

    fn timers() -> Timers {
        Timers::new(|w| Duration::from_secs(if w == Waiting::Established { 100 } else { 10 }))
    }

    #[test]
    fn the_longest_silent_goes_first() {
        let mut t = timers();
        t.observe(seconds(0));
        for slot in 0..3 {
            t.add(slot, Waiting::Short);
        }
        t.observe(seconds(5));
        t.touch(0, Waiting::Short);
        t.touch(2, Waiting::Established);
        t.advance(seconds(10));
        assert_eq!(t.expired(), Some((1, Waiting::Short)));
        t.remove(1);
        assert_eq!(t.expired(), None);
        t.advance(seconds(15));
        assert_eq!(t.expired(), Some((0, Waiting::Short)));
        t.touch(0, Waiting::Established);
        assert_eq!((t.count(Waiting::Short), t.count(Waiting::Established)), (0, 2));
        assert_eq!(t.oldest(Waiting::Established), Some(2));
        t.advance(seconds(105));
        assert_eq!(t.expired(), Some((2, Waiting::Established)));
    }

    #[test]
    fn one_frame_with_a_broken_clock_ends_nothing() {
        let mut t = timers();
        t.observe(seconds(1000));
        t.add(0, Waiting::Established);
        t.observe(seconds(1 << 31));
        assert_eq!((t.now(), t.expired()), (seconds(1000), None));
        t.observe(Timestamp::MIN);
        assert_eq!((t.now(), t.expired()), (seconds(1000), None));
        t.advance(seconds(1 << 31));
        assert_eq!(t.expired(), Some((0, Waiting::Established)));
    }
}
