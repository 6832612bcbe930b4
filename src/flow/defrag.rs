//! Which fragments make a datagram, and when is it whole? IPv4 (RFC 791 §3.2) and IPv6 (RFC 8200
//! §4.5), within bounds.
//!
//! Hosts disagree on what overlapping fragments mean, so both ends of their range are read: the first
//! copy of each byte wins, and the last copy wins. Where they differ the datagram is in conflict, and
//! what either reading says is handed on.
//!
//! A datagram that is whole is kept until its timeout. The same fragments again are then known as
//! duplicates. Other bytes are either a rival piece (the host may have missed the first one) or begin
//! a new datagram under an id that is used again: both are tried, and a rival piece counts if the sum
//! of the TCP segment holds with it.
//!
//! | file | question |
//! |---|---|
//! | `assembly` | what have the fragments of one datagram said? |
//! | `tiles` | which bytes are known, in the first and in the last copy? |
//! | `shares` | who goes first at a bound? |

mod assembly;
mod shares;
#[cfg(test)]
mod tests;
mod tiles;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use smallvec::SmallVec;

use crate::base::net::Tenant;
use crate::base::time::Timestamp;
use crate::packet::{Checksum, Datagram, DecodeError, Decoded, Fragment};
use assembly::Assembly;
use shares::{Sender, Shares};

/// Longest datagram in bytes, header included.
const MAX_DATAGRAM: usize = 65_535;
/// Times that a whole datagram is read again with rival pieces.
const MAX_REREADS: u8 = 16;
/// What a datagram costs beside its bytes, about: its entry and its places in the trees.
const ENTRY_COST: u64 = 640;

/// Bounds and timeout of reassembly. At either bound the sender (address, or /64 of IPv6) that takes
/// the largest share loses a datagram: the oldest that is whole, else the oldest.
#[derive(Clone, Debug)]
pub struct DefragConfig {
    /// Datagrams held; `limit_datagrams`. Default 16,384.
    pub datagrams: usize,
    /// Bytes of memory for them; `limit_bytes`. Default 32 MiB.
    pub bytes: u64,
    /// Time after its first fragment at which a datagram is given up. Default 30 s.
    pub timeout: Duration,
}

impl Default for DefragConfig {
    fn default() -> Self {
        Self { datagrams: 16_384, bytes: 32 << 20, timeout: Duration::from_secs(30) }
    }
}

/// Counters of one [`Defragmenter`]. All only grow, but for the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DefragCounters {
    /// Fragments given to it.
    pub fragments: u64,
    /// Datagrams that became whole.
    pub reassembled: u64,
    /// Datagrams of which hosts read different bytes.
    pub conflicts: u64,
    /// Fragments of a whole datagram that came again.
    pub duplicates: u64,
    /// Fragments of datagrams that never became whole, and those that no host takes: with a header
    /// checksum that does not hold, without bytes, beyond the longest datagram.
    pub unread: u64,
    /// Fragments beyond the longest datagram.
    pub limit_datagram_size: u64,
    /// Incomplete datagrams forgotten because there were [`DefragConfig::datagrams`].
    pub limit_datagrams: u64,
    /// Incomplete datagrams forgotten because they took [`DefragConfig::bytes`].
    pub limit_bytes: u64,
    /// Rival pieces of whole datagrams that were not tried any more.
    pub limit_rereads: u64,
    /// Level: bytes of memory held.
    pub held_bytes: u64,
}

/// A datagram that was put together, as some hosts read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Reassembled {
    /// Where it is from and where it goes.
    pub datagram: Datagram,
    /// What its fragments carried.
    pub payload: Vec<u8>,
    /// Bytes after `payload` that the snap length cut off.
    pub cut: u32,
    /// Its fragments overlap with other bytes: there is another reading.
    pub conflict: bool,
}

impl fmt::Debug for Reassembled {
    /// The payload may hold a token: only how long it is is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { datagram, payload, cut, conflict } = self;
        write!(f, "Reassembled({datagram:?}, {} + {cut} bytes, conflict: {conflict})", payload.len())
    }
}

impl Reassembled {
    /// Decodes it; a datagram in conflict gives a segment marked so.
    ///
    /// # Errors
    /// As [`crate::packet::decode`].
    pub fn decode(&self) -> Result<Decoded<'_>, DecodeError> {
        let mut decoded = self.datagram.decode(&self.payload, self.cut)?;
        if let Decoded::Tcp(segment) = &mut decoded {
            segment.fragment_conflict = self.conflict;
        }
        Ok(decoded)
    }

    fn is_sound_segment(&self) -> bool {
        matches!(self.decode(), Ok(Decoded::Tcp(segment)) if segment.checksum() == Checksum::Valid)
    }
}

/// What fragments of one datagram have in common. The next header of IPv6 may differ among them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    tenant: Tenant,
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    protocol: Option<u8>,
}

impl Key {
    fn of(fragment: &Fragment<'_>) -> Self {
        let Fragment { tenant, source, destination, id, protocol, .. } = *fragment;
        Self { tenant, source, destination, id, protocol: source.is_ipv4().then_some(protocol) }
    }

    /// Whose share it takes.
    fn sender(&self) -> Sender {
        (self.tenant, self.source.into())
    }
}

/// When a datagram's first fragment came, or it became whole; and a number of its own.
type Place = (Timestamp, u64);

/// A datagram that is known by its key.
struct Entry {
    key: Key,
    /// What is being put together.
    current: Assembly,
    /// What was whole before, under the same key.
    whole: Option<Assembly>,
    /// Times that `whole` was read again.
    rereads: u8,
    /// Bytes of memory counted for it.
    cost: u64,
}

impl Entry {
    fn new(key: Key) -> Self {
        Self { key, current: Assembly::default(), whole: None, rereads: 0, cost: 0 }
    }
}

/// Puts fragments together. Cost per fragment: some steps in trees, and its bytes; at the end of a
/// datagram its bytes again.
#[derive(Default)]
pub struct Defragmenter {
    config: DefragConfig,
    entries: BTreeMap<Place, Entry>,
    places: BTreeMap<Key, Place>,
    shares: Shares,
    next_number: u64,
    now: Timestamp,
    counters: DefragCounters,
}

impl Defragmenter {
    /// Has seen nothing.
    #[must_use]
    pub fn new(config: DefragConfig) -> Self {
        Self { config, now: Timestamp::MIN, ..Self::default() }
    }

    /// Plain counters.
    #[must_use]
    pub const fn counters(&self) -> &DefragCounters {
        &self.counters
    }

    /// Time has come to `now` at least: what is too old is given up. Only this moves time.
    pub fn on_time(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        while let Some(oldest) = self.entries.first_entry() {
            let place @ (since, _) = *oldest.key();
            if since.after(self.config.timeout) > self.now {
                return;
            }
            self.forget(place);
        }
    }

    /// The capture has ended: nothing more becomes whole.
    pub fn drain(&mut self) {
        while let Some((&place, _)) = self.entries.first_key_value() {
            self.forget(place);
        }
    }

    /// One fragment, in the order of frames, captured at `at`. Gives what has become readable by it: mostly nothing or
    /// one datagram, and each reading of one in conflict.
    pub fn on_fragment(&mut self, fragment: &Fragment<'_>, at: Timestamp) -> SmallVec<[Reassembled; 2]> {
        self.counters.fragments += 1;
        if !self.is_acceptable(fragment) {
            self.counters.unread += 1;
            return SmallVec::new();
        }
        let key = Key::of(fragment);
        let mut place = self.places.get(&key).copied();
        let mut entry = place.and_then(|place| self.take_out(place)).unwrap_or_else(|| Entry::new(key));
        let readings = self.add(&mut entry, fragment, &mut place);
        self.put_back(place.unwrap_or((at.max(self.now), self.next_number)), entry);
        self.make_room();
        readings
    }

    /// Hosts drop a fragment whose header is damaged, or that would make the datagram too long.
    fn is_acceptable(&mut self, fragment: &Fragment<'_>) -> bool {
        let end = fragment.offset as usize + fragment.payload.len() + fragment.cut as usize;
        let fits = fragment.header_len() + end <= MAX_DATAGRAM;
        let is_intact = fragment.header_checksum() != Checksum::Invalid;
        self.counters.limit_datagram_size += u64::from(is_intact && !fits);
        is_intact && fits && assembly::extent(fragment).is_some()
    }

    /// Adds a fragment to what it may belong to. `place` is cleared when the entry's time begins anew.
    fn add(
        &mut self,
        entry: &mut Entry,
        fragment: &Fragment<'_>,
        place: &mut Option<Place>,
    ) -> SmallVec<[Reassembled; 2]> {
        let says_more = entry.whole.as_mut().is_some_and(|whole| whole.add(fragment));
        if entry.whole.is_some() && !says_more && entry.current.is_empty() {
            self.counters.duplicates += 1;
            return SmallVec::new();
        }
        if entry.current.is_empty() {
            *place = None;
        }
        entry.current.add(fragment);
        if entry.current.is_whole() {
            let mut whole = std::mem::take(&mut entry.current);
            let readings = whole.readings().collect();
            self.counters.reassembled += 1;
            self.counters.conflicts += u64::from(whole.is_in_conflict());
            whole.told_conflict = whole.is_in_conflict();
            *place = None;
            (entry.whole, entry.rereads) = (Some(whole), 0);
            return readings;
        }
        let Some(whole) = entry.whole.as_mut().filter(|_| says_more) else { return SmallVec::new() };
        if entry.rereads == MAX_REREADS {
            self.counters.limit_rereads += 1;
            return SmallVec::new();
        }
        entry.rereads += 1;
        let readings: SmallVec<_> = whole.readings().filter(Reassembled::is_sound_segment).collect();
        if !readings.is_empty() && !whole.told_conflict {
            self.counters.conflicts += 1;
            whole.told_conflict = true;
        }
        readings
    }
}

/// The entries and what they cost.
impl Defragmenter {
    fn take_out(&mut self, place: Place) -> Option<Entry> {
        let entry = self.entries.remove(&place)?;
        self.places.remove(&entry.key);
        self.counters.held_bytes -= entry.cost;
        self.shares.remove(entry.key.sender(), place, self.weight(entry.cost));
        Some(entry)
    }

    fn put_back(&mut self, place: Place, mut entry: Entry) {
        let (_, number) = place;
        self.next_number = self.next_number.max(number + 1);
        entry.cost = ENTRY_COST + entry.current.cost() + entry.whole.as_ref().map_or(0, Assembly::cost);
        self.counters.held_bytes += entry.cost;
        self.shares.add(entry.key.sender(), place, self.weight(entry.cost), entry.current.is_empty());
        self.places.insert(entry.key, place);
        self.entries.insert(place, entry);
    }

    /// How much of both bounds a datagram of this cost takes.
    const fn weight(&self, cost: u64) -> u64 {
        cost.saturating_mul(self.config.datagrams as u64).saturating_add(self.config.bytes)
    }

    fn make_room(&mut self) {
        loop {
            let too_many = self.entries.len() > self.config.datagrams;
            let too_large = self.counters.held_bytes > self.config.bytes;
            let Some(victim) = self.shares.victim().filter(|_| too_many || too_large) else { return };
            let is_incomplete = self.forget(victim);
            self.counters.limit_datagrams += u64::from(is_incomplete && too_many);
            self.counters.limit_bytes += u64::from(is_incomplete && !too_many);
        }
    }

    /// Forgets an entry; gives whether something in it was still incomplete.
    fn forget(&mut self, place: Place) -> bool {
        let Some(entry) = self.take_out(place) else { return false };
        self.counters.unread += u64::from(entry.current.pieces());
        !entry.current.is_empty()
    }
}
