//! Are datagrams put together as a map of bytes would do it, within bounds, whoever sends what?

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::time::Stamp;
use crate::packet::craft::{TcpFrame, endpoint, frame};
use crate::packet::decode;

fn request() -> TcpFrame {
    TcpFrame::new(endpoint("10.0.0.5:40000"), endpoint("10.0.1.20:80"))
}

fn request6() -> TcpFrame {
    TcpFrame::new(endpoint("[2001:db8::5]:40000"), endpoint("[2001:db8:1::20]:80"))
}

/// A piece of a UDP datagram between two addresses that depend on the numbers.
fn piece(source: u8, id: u32, offset: u32, more: bool, payload: &[u8]) -> Fragment<'_> {
    Fragment {
        tenant: Tenant::default(),
        source: IpAddr::from([10, 0, 0, source]),
        destination: IpAddr::from([10, 0, 1, 20]),
        mac: None,
        ttl: 64,
        id,
        protocol: 17,
        offset,
        more,
        payload,
        cut: 0,
        ip_header: &[],
    }
}

/// Feeds frames; gives the payloads of the segments read, each with whether it is in conflict.
fn read(defragmenter: &mut Defragmenter, like: &TcpFrame, frames: &[Vec<u8>]) -> Vec<(Vec<u8>, bool)> {
    let mut read = Vec::new();
    for bytes in frames {
        let Ok(Decoded::Fragment(fragment)) = decode(&frame(like, bytes, Stamp::default())) else { panic!() };
        for whole in defragmenter.on_fragment(&fragment, EARLY) {
            let Ok(Decoded::Tcp(segment)) = whole.decode() else { panic!("{whole:?}") };
            read.push((segment.payload.to_vec(), segment.fragment_conflict));
        }
    }
    read
}

/// Before all that `on_time` says, so that only this counts.
const EARLY: Timestamp = Timestamp::MIN;

fn seconds(n: i64) -> Timestamp {
    Timestamp::from_parts(n, 0)
}

#[test]
fn a_datagram_is_whole_in_any_order_once() {
    for whole in [request().payload(b"a request in pieces"), request6().payload(b"a request in pieces")] {
        let expected = [(whole.payload.clone(), false)];
        let pieces = whole.fragments(8);
        let reversed: Vec<_> = pieces.iter().rev().cloned().collect();
        let twice: Vec<_> = pieces.iter().flat_map(|p| [p.clone(), p.clone()]).collect();
        for frames in [pieces, reversed, twice] {
            let mut defragmenter = Defragmenter::default();
            assert_eq!(read(&mut defragmenter, &whole, &frames), expected);
            // Captured twice: known, whatever the order.
            assert_eq!(read(&mut defragmenter, &whole, &frames), []);
            assert_eq!(defragmenter.counters().reassembled, 1);
            defragmenter.drain();
            assert_eq!((defragmenter.counters().unread, defragmenter.counters().held_bytes), (0, 0));
        }
    }
}

#[test]
fn datagrams_are_not_mixed() {
    let one = request().payload(b"one request in pieces");
    let mut others = vec![one.clone(), one.clone().vlan(7), one.clone(), one.clone(), request6()];
    others[0].id = 2;
    others[2].source = endpoint("10.0.0.6:40000");
    others[3].destination = endpoint("10.0.1.21:80");
    let pieces = one.fragments(16);
    for (n, mut other) in others.into_iter().enumerate() {
        other.payload = format!("another {n} in pieces.").into_bytes();
        let other_pieces = other.fragments(16);
        let mut seen = Vec::new();
        let mut defragmenter = Defragmenter::default();
        for (a, b) in pieces.iter().zip(&other_pieces) {
            seen.extend(read(&mut defragmenter, &one, std::slice::from_ref(a)));
            seen.extend(read(&mut defragmenter, &other, std::slice::from_ref(b)));
        }
        assert_eq!(seen, [(one.payload.clone(), false), (other.payload, false)], "{n}");
    }
    // Another protocol of IPv4 is another datagram.
    let mut defragmenter = Defragmenter::default();
    let udp = piece(5, 1, 0, true, &[0; 8]);
    assert!(defragmenter.on_fragment(&udp, EARLY).is_empty());
    let tcp = Fragment { protocol: 6, ..piece(5, 1, 8, false, &[0; 8]) };
    assert!(defragmenter.on_fragment(&tcp, EARLY).is_empty());
}

#[test]
fn both_readings_of_an_overlap_are_given() {
    let mild = request().payload(b"GET /mild....... and the rest");
    let wild = request().payload(b"GET /wild....... and the rest");
    let (mild_pieces, wild_pieces) = (mild.fragments(32), wild.fragments(32));
    let [m1, m2] = mild_pieces.as_slice() else { panic!() };
    let w1 = &wild_pieces[0];
    let both = |first: &TcpFrame, last: &TcpFrame| vec![(first.payload.clone(), true), (last.payload.clone(), true)];
    for (frames, expected) in [
        ([m1, w1, m2], both(&mild, &wild)),
        ([w1, m1, m2], both(&wild, &mild)),
        ([m2, w1, m1], vec![(wild.payload.clone(), false), (mild.payload.clone(), true)]),
        // The host may have missed the first copy, though the datagram was whole without the second.
        ([m1, m2, w1], vec![(mild.payload.clone(), false), (wild.payload.clone(), true)]),
    ] {
        let mut defragmenter = Defragmenter::default();
        let frames: Vec<_> = frames.into_iter().cloned().collect();
        assert_eq!(read(&mut defragmenter, &mild, &frames), expected);
        assert_eq!(defragmenter.counters().conflicts, 1);
    }
}

#[test]
fn an_id_used_again_begins_a_new_datagram() {
    let mut defragmenter = Defragmenter::default();
    for text in ["the first of them", "the second one...", "and a third......"] {
        let datagram = request().payload(text.repeat(3).as_bytes());
        let seen = read(&mut defragmenter, &datagram, &datagram.fragments(24));
        assert_eq!(seen, [(datagram.payload, false)]);
    }
    assert_eq!((defragmenter.counters().reassembled, defragmenter.counters().conflicts), (3, 0));
}

#[test]
fn rereading_is_bounded() {
    let datagram = request().payload(&[b'x'; 64]);
    let mut defragmenter = Defragmenter::default();
    assert_eq!(read(&mut defragmenter, &datagram, &datagram.fragments(40)).len(), 1);
    for n in 0..200 {
        let rival = request().payload(&[n; 64]).fragments(40).swap_remove(1);
        assert_eq!(read(&mut defragmenter, &datagram, &[rival]), []);
    }
    assert!(defragmenter.counters().limit_rereads >= 200 - 2 - u64::from(MAX_REREADS), "{:?}", defragmenter.counters());
}

#[test]
fn a_second_end_makes_two_readings() {
    let short = request().payload(b"short...");
    let long = request().payload(b"longer than short");
    let mut frames = long.fragments(24);
    let early_end = short.fragments(24).swap_remove(1);
    frames.insert(1, early_end);
    let mut defragmenter = Defragmenter::default();
    let seen = read(&mut defragmenter, &long, &frames);
    assert!(seen.contains(&(long.payload, true)), "{seen:?}");
    assert_eq!(defragmenter.counters().conflicts, 1);
}

#[test]
fn the_first_fragment_decides_the_protocol() {
    let whole = request6().payload(b"told by the first");
    let mut pieces = whole.fragments(24);
    // The next header of the others is ignored (RFC 8200 §4.5).
    pieces[1][14 + 40] = 59;
    assert_eq!(read(&mut Defragmenter::default(), &whole, &pieces), [(whole.payload.clone(), false)]);
    // Two first fragments of different protocols are a conflict.
    let mut none = pieces[0].clone();
    none[14 + 40] = 59;
    pieces.insert(0, none);
    let mut defragmenter = Defragmenter::default();
    let mut tcp = 0;
    for bytes in &pieces {
        let Ok(Decoded::Fragment(fragment)) = decode(&frame(&whole, bytes, Stamp::default())) else { panic!() };
        let readings = defragmenter.on_fragment(&fragment, EARLY);
        tcp += readings.iter().filter(|r| matches!(r.decode(), Ok(Decoded::Tcp(s)) if s.fragment_conflict)).count();
    }
    assert_eq!((tcp, defragmenter.counters().conflicts), (1, 1));
}

#[test]
fn what_hosts_ignore_is_ignored_and_counted() {
    let whole = request().payload(b"a request in pieces");
    let pieces = whole.fragments(16);
    let mut damaged = pieces[1].clone();
    damaged[14 + 8] ^= 1;
    let mut defragmenter = Defragmenter::default();
    let frames = [pieces[0].clone(), damaged, pieces[2].clone()];
    assert_eq!(read(&mut defragmenter, &whole, &frames), []);
    assert_eq!(defragmenter.counters().unread, 1);
    assert_eq!(read(&mut defragmenter, &whole, &pieces[1..2]), [(whole.payload.clone(), false)]);

    assert!(defragmenter.on_fragment(&piece(5, 9, 0, false, &[]), EARLY).is_empty());
    assert!(defragmenter.on_fragment(&piece(5, 9, 0, true, &[1; 7]), EARLY).is_empty());
    assert!(defragmenter.on_fragment(&piece(5, 9, 65_528, false, &[1; 8]), EARLY).is_empty());
    assert_eq!((defragmenter.counters().unread, defragmenter.counters().limit_datagram_size), (4, 1));
    // 65,535 bytes are the longest.
    let mut all = Vec::new();
    for n in 0..8191 {
        all.extend(defragmenter.on_fragment(&piece(5, 9, n * 8, true, &[2; 8]), EARLY));
    }
    all.extend(defragmenter.on_fragment(&piece(5, 9, 65_528, false, &[2; 7]), EARLY));
    assert_eq!(all.iter().map(|r| r.payload.len()).collect::<Vec<_>>(), [65_535]);
}

#[test]
fn every_second_piece_first_and_the_others_in_reverse_are_put_together() {
    let bytes: Vec<u8> = (0..8189 * 8).map(|n| (n / 8 % 251) as u8).collect();
    let mut defragmenter = Defragmenter::default();
    let last = 8188;
    let mut given = Vec::new();
    for n in (0..=last).step_by(2).chain((0..=last).rev().filter(|n| n % 2 == 1)) {
        let fragment = piece(5, 1, n * 8, n != last, &bytes[n as usize * 8..][..8]);
        given.extend(defragmenter.on_fragment(&fragment, EARLY));
        assert!(defragmenter.counters().held_bytes < 256 << 10);
    }
    assert_eq!(given.len(), 1);
    assert!(given[0].payload == bytes && !given[0].conflict);
}

#[test]
fn the_snap_length_cuts_the_end_of_a_datagram() {
    let whole = request().payload(&[7; 100]);
    let mut defragmenter = Defragmenter::default();
    let mut given = Vec::new();
    for bytes in whole.fragments(80) {
        let mut cut = frame(&whole, &bytes, Stamp::default());
        cut.data = &bytes[..bytes.len().min(14 + 20 + 60)];
        let Ok(Decoded::Fragment(fragment)) = decode(&cut) else { panic!() };
        given.extend(defragmenter.on_fragment(&fragment, EARLY));
    }
    let Ok(Decoded::Tcp(segment)) = given[0].decode() else { panic!() };
    assert_eq!((segment.payload.len(), segment.cut, segment.checksum()), (40, 60, Checksum::Unverifiable));
}

#[test]
fn old_datagrams_are_given_up() {
    let mut defragmenter = Defragmenter::default();
    defragmenter.on_time(seconds(100));
    defragmenter.on_fragment(&piece(5, 1, 0, true, &[0; 8]), EARLY);
    defragmenter.on_time(seconds(129));
    defragmenter.on_time(seconds(20));
    assert_eq!(defragmenter.on_fragment(&piece(5, 1, 8, false, &[0; 8]), EARLY).len(), 1);
    defragmenter.on_fragment(&piece(5, 2, 0, true, &[0; 8]), EARLY);
    defragmenter.on_time(seconds(160));
    assert_eq!(defragmenter.counters().unread, 1);
    assert_eq!((defragmenter.counters().held_bytes, defragmenter.entries.len()), (0, 0));
    assert!(defragmenter.on_fragment(&piece(5, 2, 8, false, &[0; 8]), EARLY).is_empty());
}

#[test]
fn a_flood_of_one_sender_costs_nobody_else() {
    for config in [
        DefragConfig { datagrams: 50, ..DefragConfig::default() },
        DefragConfig { bytes: 60_000, ..DefragConfig::default() },
    ] {
        let whole = request().payload(b"an honest request in pieces");
        let pieces = whole.fragments(16);
        let mut defragmenter = Defragmenter::new(config.clone());
        assert_eq!(read(&mut defragmenter, &whole, &pieces[..2]), []);
        for id in 0..1000 {
            defragmenter.on_fragment(&piece(66, id, 8 * (id % 100), true, &[0; 64]), EARLY);
            assert!(defragmenter.entries.len() <= config.datagrams);
            assert!(defragmenter.counters().held_bytes <= config.bytes);
        }
        let hits = defragmenter.counters().limit_datagrams + defragmenter.counters().limit_bytes;
        assert!(hits > 800, "{hits}");
        assert_eq!(read(&mut defragmenter, &whole, &pieces[2..]), [(whole.payload.clone(), false)]);
        // The flood has places still, and its datagrams become whole as well.
        assert_eq!(defragmenter.on_fragment(&piece(66, 999, 8, false, &[0; 720]), EARLY).len(), 0);
    }
}

#[test]
fn addresses_of_one_prefix_are_one_sender() {
    let mut defragmenter = Defragmenter::new(DefragConfig { datagrams: 50, ..DefragConfig::default() });
    let whole = request6().payload(b"an honest request in pieces");
    let pieces = whole.fragments(16);
    assert_eq!(read(&mut defragmenter, &whole, &pieces[..2]), []);
    for n in 0..1000_u16 {
        let source = IpAddr::from([0x2001, 0xdb8, 0x66, 0, n, 0, 0, 1]);
        defragmenter.on_fragment(&Fragment { source, ..piece(0, 1, 0, true, &[0; 64]) }, EARLY);
    }
    assert_eq!(read(&mut defragmenter, &whole, &pieces[2..]), [(whole.payload.clone(), false)]);
}

#[test]
fn the_time_of_a_fragment_may_be_ahead_of_what_is_believed() {
    // After a long silence, the first frame's time is believed only when others confirm it.
    let mut defragmenter = Defragmenter::default();
    defragmenter.on_time(seconds(100));
    defragmenter.on_fragment(&piece(5, 1, 0, true, &[0; 8]), seconds(9000));
    defragmenter.on_time(seconds(9000));
    assert_eq!(defragmenter.on_fragment(&piece(5, 1, 8, false, &[0; 8]), seconds(9000)).len(), 1);
    // A damaged time keeps nothing else.
    defragmenter.on_fragment(&piece(5, 2, 0, true, &[0; 8]), seconds(1 << 40));
    defragmenter.on_fragment(&piece(5, 3, 0, true, &[0; 8]), seconds(9000));
    defragmenter.on_time(seconds(9031));
    assert_eq!((defragmenter.counters().unread, defragmenter.entries.len()), (1, 1));
}

/// The naive model: a map of bytes in each copy.
#[derive(Default)]
struct Model {
    first: BTreeMap<usize, u8>,
    last: BTreeMap<usize, u8>,
    ends: Vec<usize>,
    conflict: bool,
}

impl Model {
    /// Adds a piece; gives the readings once there are some.
    fn add(&mut self, offset: usize, more: bool, bytes: &[u8]) -> BTreeSet<Vec<u8>> {
        let bytes = if more { &bytes[..bytes.len() / 8 * 8] } else { bytes };
        if bytes.is_empty() {
            return BTreeSet::new();
        }
        if !more {
            self.ends.push(offset + bytes.len());
        }
        for (at, byte) in (offset..).zip(bytes) {
            self.conflict |= *self.first.entry(at).or_insert(*byte) != *byte;
            self.last.insert(at, *byte);
        }
        let (Some(first), Some(last)) = (self.ends.first(), self.ends.last()) else { return BTreeSet::new() };
        self.conflict |= self.ends.iter().any(|end| end != first) || self.first.keys().any(|at| at >= first);
        let reading = |map: &BTreeMap<usize, u8>, end| (0..end).map(|at| map.get(&at).copied()).collect::<Option<_>>();
        [reading(&self.first, *first), reading(&self.last, *last)].into_iter().flatten().collect()
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map_of_bytes(
        pieces in vec((0..24_u32, prop::bool::weighted(0.8), vec(0..2_u8, 1..300)), 1..60),
        spread in 1..4_u32,
    ) {
        let mut defragmenter = Defragmenter::default();
        let mut model = Model::default();
        for (unit, more, bytes) in pieces {
            let offset = unit * 8 * spread;
            let bytes = if spread == 1 { &bytes[..bytes.len().min(24)] } else { &bytes };
            let expected = model.add(offset as usize, more, bytes);
            let given = defragmenter.on_fragment(&piece(5, 1, offset, more, bytes), EARLY);
            prop_assert!(given.iter().all(|reading| reading.conflict == model.conflict));
            prop_assert_eq!(given.iter().map(|r| r.payload.clone()).collect::<BTreeSet<_>>(), expected.clone());
            if !expected.is_empty() {
                prop_assert_eq!(defragmenter.counters().conflicts, u64::from(model.conflict));
                break;
            }
        }
    }

    #[test]
    fn overlaps_with_equal_bytes_are_no_conflict(
        payload in vec(any::<u8>(), 1..3000),
        mut cuts in vec((any::<prop::sample::Index>(), 1..400_usize), 0..40),
        order in any::<u64>(),
    ) {
        // Pieces anywhere, and some that cover everything.
        let units = payload.len().div_ceil(8);
        let mut pieces: Vec<(usize, usize)> = cuts.drain(..).map(|(at, len)| (at.index(units), len)).collect();
        pieces.extend((0..units).step_by(100).map(|at| (at, 100)));
        pieces.sort_by_key(|(at, len)| (*at as u64 * 31 + *len as u64).wrapping_mul(order | 1));
        let mut defragmenter = Defragmenter::default();
        let mut given = Vec::new();
        for (at, len) in pieces.iter().chain(&pieces) {
            let end = (at * 8 + len * 8).min(payload.len());
            given.extend(defragmenter.on_fragment(&piece(5, 1, *at as u32 * 8, end < payload.len(), &payload[at * 8..end]), EARLY));
        }
        prop_assert_eq!(given.len(), 1);
        prop_assert_eq!((&given[0].payload, given[0].conflict), (&payload, false));
        prop_assert_eq!(defragmenter.counters().conflicts, 0);
    }

    /// Whatever comes, the bounds hold and every byte and fragment is accounted for.
    #[test]
    fn anything_is_accounted_for(
        pieces in vec((0..4_u8, 0..6_u32, 0..40_u32, any::<bool>(), 0..200_usize, 0..3_u32), 1..300),
        (datagrams, bytes) in (1..8_usize, 1000..20_000_u64),
    ) {
        let config = DefragConfig { datagrams, bytes, ..DefragConfig::default() };
        let mut defragmenter = Defragmenter::new(config);
        for (n, (source, id, unit, more, len, cut)) in pieces.iter().enumerate() {
            defragmenter.on_time(seconds(n as i64 / 4));
            let payload = vec![n as u8 % 3; *len];
            defragmenter.on_fragment(&Fragment { cut: *cut, ..piece(*source, *id, unit * 8, *more, &payload) }, EARLY);
            prop_assert!(defragmenter.entries.len() <= datagrams);
            prop_assert!(defragmenter.counters().held_bytes <= bytes);
            prop_assert_eq!(defragmenter.entries.len(), defragmenter.places.len());
            prop_assert_eq!(defragmenter.counters().held_bytes, defragmenter.entries.values().map(|e| e.cost).sum::<u64>());
        }
        defragmenter.drain();
        let counters = defragmenter.counters();
        prop_assert_eq!(counters.held_bytes, 0);
        prop_assert_eq!(counters.fragments, pieces.len() as u64);
        prop_assert!(counters.unread + counters.duplicates + counters.reassembled <= counters.fragments);
        prop_assert!(defragmenter.shares.victim().is_none());
    }
}
