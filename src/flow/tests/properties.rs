//! Any order, loss, overlap or nonsense, against a model that knows every byte.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A stream of recognisable bytes.
fn stream(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// Cuts into segments: offset and bytes.
fn cut(stream: &[u8], cuts: &[Index]) -> Vec<(i64, Vec<u8>)> {
    let mut at: BTreeSet<usize> = cuts.iter().map(|c| c.index(stream.len())).collect();
    at.extend([0, stream.len()]);
    let at: Vec<usize> = at.into_iter().collect();
    at.windows(2).map(|w| (w[0] as i64, stream[w[0]..w[1]].to_vec())).collect()
}

/// In which order segments travel: each may be put off by some places, and sent again.
fn travel(segments: &[(i64, Vec<u8>)], delays: &[(u8, bool)]) -> Vec<(i64, Vec<u8>)> {
    let mut order = Vec::new();
    for (i, (segment, (delay, again))) in segments.iter().zip(delays.iter().cycle()).enumerate() {
        order.push((i + usize::from(*delay), segment.clone()));
        if *again {
            order.push((i + 3 * usize::from(*delay), segment.clone()));
        }
    }
    order.sort_by_key(|(place, _)| *place);
    order.into_iter().map(|(_, segment)| segment).collect()
}

/// What was told of the client's direction: bytes by offset, gaps. Asserts order and uniqueness.
fn told(lab: &Lab) -> (BTreeMap<u64, u8>, Vec<(u64, u64)>) {
    let (mut bytes, mut gaps, mut end) = (BTreeMap::new(), Vec::new(), 0);
    for (_, event) in &lab.log.told {
        match event {
            Told::Data { dir: Forward, offset, bytes: b, .. } => {
                assert!(*offset >= end);
                end = offset + b.len() as u64;
                bytes.extend((*offset..).zip(b.iter().copied()));
            }
            Told::Gap { dir: Forward, offset, len } => {
                assert!(*offset >= end);
                end = offset + len;
                gaps.push((*offset, *len));
            }
            _ => {}
        }
    }
    (bytes, gaps)
}

fn whole(stream: &[u8]) -> BTreeMap<u64, u8> {
    (0..).zip(stream.iter().copied()).collect()
}

/// Starting points around the wrap of sequence numbers and away from it.
fn isn() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), (0u32..5000).prop_map(|n| u32::MAX - n)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn cut_shuffled_and_duplicated_a_stream_is_told_whole(
        len in 1usize..4000,
        cuts in vec(any::<Index>(), 0..60),
        delays in vec((0u8..40, any::<bool>()), 1..60),
        isn in isn(),
        two_sided: bool,
    ) {
        let stream = stream(len);
        let mut lab = Lab::new();
        lab.client_isn = isn;
        if two_sided {
            lab.handshake(&[]);
        } else {
            let syn = lab.c(-1).flags(TcpFlags::SYN);
            lab.put(syn);
        }
        for (offset, bytes) in travel(&cut(&stream, &cuts), &delays) {
            lab.say(offset, &bytes);
        }
        prop_assert_eq!(told(&lab), (whole(&stream), vec![]));
        prop_assert_eq!(lab.conflicts(), 0);
        prop_assert_eq!(lab.table.counters().held_bytes, 0);
    }

    #[test]
    fn with_losses_bytes_and_gaps_cover_the_stream(
        len in 1usize..4000,
        cuts in vec(any::<Index>(), 0..60),
        delays in vec((0u8..10, any::<bool>()), 1..60),
        lost in vec(any::<bool>(), 1..60),
        acks in vec(0u8..4, 1..60),
        isn in isn(),
    ) {
        let stream = stream(len);
        let mut lab = Lab::new();
        lab.client_isn = isn;
        lab.handshake(&[]);
        let segments = cut(&stream, &cuts);
        // The receiver got everything; the sensor did not, and saw some of the acknowledgements.
        let kept: Vec<_> =
            segments.iter().zip(lost.iter().cycle()).filter(|(_, lost)| !**lost).map(|(s, _)| s.clone()).collect();
        let mut acked = 0;
        for ((offset, bytes), ack) in travel(&kept, &delays).into_iter().zip(acks.iter().cycle()) {
            lab.say(offset, &bytes);
            acked = acked.max(offset + bytes.len() as i64);
            if *ack == 0 {
                lab.acked(acked);
            }
        }
        closing::close(&mut lab, len as i64, 0);
        lab.wait(1);
        prop_assert_eq!(lab.closed(), [CloseReason::Fin]);
        let (bytes, gaps) = told(&lab);
        for (offset, byte) in &bytes {
            prop_assert_eq!(stream[*offset as usize], *byte);
        }
        let missing: u64 = gaps.iter().map(|(_, len)| len).sum();
        prop_assert_eq!(bytes.len() as u64 + missing, len as u64);
        let counters = lab.table.counters();
        prop_assert_eq!(counters.tcp_acked_unseen_bytes, missing);
        prop_assert_eq!((counters.gap_bytes, counters.held_bytes), (missing, 0));
        // Nothing that came in time is missing.
        if delays.iter().all(|(delay, _)| *delay == 0) {
            let sent: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
            prop_assert_eq!(bytes.len(), sent);
        }
    }

    #[test]
    fn conflicts_are_told_iff_copies_differ(
        segments in vec((0i64..100, vec(0u8..3, 1..40)), 1..40),
    ) {
        let mut lab = Lab::opened();
        // The model: what is told or held of each byte, first copy first; and all that was sent.
        let (mut next, mut held) = (0u64, BTreeMap::<u64, u8>::new());
        let mut model = BTreeMap::new();
        let mut sent: Vec<BTreeMap<u64, u8>> = Vec::new();
        for (offset, bytes) in &segments {
            let start = *offset as u64;
            let placed: BTreeMap<u64, u8> = (start..).zip(bytes.iter().copied()).collect();
            let end = start + bytes.len() as u64;
            let known = |at: &u64| model.get(at).or_else(|| held.get(at)).copied();
            let differs = placed.iter().any(|(at, byte)| known(at).is_some_and(|known| known != *byte));
            let keep_alive = bytes.as_slice() == [0] && end == next;
            let compared = placed.iter().filter(|(at, _)| known(at).is_some());
            let came_before = sent.iter().any(|earlier| compared.clone().all(|(at, byte)| earlier.get(at) == Some(byte)));
            let before = lab.conflicts();
            lab.say(*offset, bytes);
            let told = lab.conflicts() > before;
            prop_assert!(differs || !told, "a false conflict");
            prop_assert!(!differs || keep_alive || came_before || told, "a conflict that was not told");
            let fresh = placed.iter().filter(|(at, _)| **at >= next).map(|(at, byte)| (*at, *byte)).collect::<Vec<_>>();
            if start <= next {
                model.extend(fresh);
                next = next.max(end);
            } else {
                fresh.into_iter().for_each(|(at, byte)| { held.entry(at).or_insert(byte); });
            }
            held.retain(|at, _| *at >= next);
            while let Some(byte) = held.remove(&next) {
                model.insert(next, byte);
                next += 1;
            }
            sent.push(placed);
        }
        prop_assert_eq!(&told(&lab).0, &model);
        lab.wait(1);
        for (_, event) in &lab.log.told {
            let Told::Rival { offset, bytes, .. } = event else { continue };
            for (at, byte) in (*offset..).zip(bytes) {
                prop_assert!(sent.iter().any(|segment| segment.get(&at) == Some(byte)), "a byte nobody sent");
            }
        }
        if held.is_empty() {
            prop_assert_eq!(lab.conflicts() > 0, !lab.rivals().is_empty());
        }
        prop_assert_eq!(lab.conflicts() > 0, lab.table.counters().conflicting_overlap_bytes > 0);
    }

    #[test]
    fn skipped_and_stopped_bytes_are_never_told_and_nothing_else_is_missing(
        len in 1usize..3000,
        cuts in vec(any::<Index>(), 0..40),
        delays in vec((0u8..8, any::<bool>()), 1..40),
        skips in vec(prop_oneof![3 => Just(None), 2 => (0u64..600).prop_map(Some)], 0..30),
        stop in prop_oneof![3 => Just(None), 1 => (0usize..30).prop_map(Some)],
    ) {
        let stream = stream(len);
        let mut lab = Lab::opened();
        lab.log.answers = skips.iter().map(|s| s.map_or(Interest::Continue, Interest::SkipBytes)).collect();
        if let Some(stop) = stop.filter(|s| *s < lab.log.answers.len()) {
            lab.log.answers[stop] = Interest::StopDirection;
        }
        let answers: Vec<Interest> = lab.log.answers.iter().copied().collect();
        for (offset, bytes) in travel(&cut(&stream, &cuts), &delays) {
            lab.say(offset, &bytes);
        }
        // Replay the answers over the events to know what had to be told.
        let mut position = 0u64;
        let mut answers = answers.into_iter();
        let mut stopped = false;
        for (_, event) in &lab.log.told {
            let Told::Data { offset, bytes, .. } = event else { continue };
            prop_assert!(!stopped);
            prop_assert_eq!(*offset, position);
            prop_assert_eq!(bytes.as_slice(), &stream[position as usize..][..bytes.len()]);
            position += bytes.len() as u64;
            match answers.next() {
                Some(Interest::SkipBytes(n)) => position = (position + n).min(len as u64),
                Some(Interest::StopDirection) => stopped = true,
                _ => {}
            }
        }
        prop_assert!(stopped || position == len as u64, "{position} of {len}");
        prop_assert_eq!((lab.table.counters().gaps, lab.table.counters().held_bytes), (0, 0));
    }
}

/// One hostile segment: anything goes, but near enough to do harm.
#[derive(Clone, Debug)]
struct Hostile {
    from_client: bool,
    flags: u8,
    offset: i64,
    ack: i64,
    payload: Vec<u8>,
    options: Vec<u8>,
    bad_checksum: bool,
    cut: usize,
    pause: u64,
    answer: u8,
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let offset = || {
        prop_oneof![
            6 => -20i64..400,
            1 => Just(0i64),
            1 => (-3i64..4).prop_map(|n| n << 30),
            1 => any::<u32>().prop_map(i64::from),
        ]
    };
    let flags = prop_oneof![
        8 => Just(TcpFlags::ACK),
        2 => Just(TcpFlags::FIN | TcpFlags::ACK),
        1 => Just(TcpFlags::SYN),
        1 => Just(TcpFlags::SYN | TcpFlags::ACK),
        1 => Just(TcpFlags::RST),
        1 => any::<u8>(),
    ];
    let options = prop_oneof![
        6 => Just(Vec::new()),
        1 => Just(md5_option()),
        1 => (0u32..3).prop_map(timestamp_option),
        1 => vec(any::<u8>(), 0..40),
    ];
    let pause = prop_oneof![9 => Just(0u64), 1 => 0u64..1000];
    let head = (any::<bool>(), flags, offset(), offset(), vec(any::<u8>(), 0..60));
    (head, (options, prop::bool::weighted(0.2), 0usize..20, pause, 0u8..40)).prop_map(
        |((from_client, flags, offset, ack, payload), (options, bad_checksum, cut, pause, answer))| Hostile {
            from_client,
            flags,
            offset,
            ack,
            payload,
            options,
            bad_checksum,
            cut,
            pause,
            answer,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nonsense_breaks_neither_order_nor_bounds(
        segments in vec(hostile(), 1..150),
        isn in isn(),
        direction_segments in 1u32..20,
        flows in 1usize..4,
    ) {
        let table_bytes = (flows * FlowTable::<Recorder>::bytes_per_flow()) as u64;
        let config = FlowConfig {
            direction_bytes: 500,
            direction_segments,
            reassembly_bytes: 3000,
            table_bytes,
            ..FlowConfig::default()
        };
        let mut lab = Lab::with(config);
        lab.client_isn = isn;
        for (i, hostile) in segments.iter().enumerate() {
            let (offset, ack) = (hostile.offset, hostile.ack);
            let mut frame = if hostile.from_client { lab.c_ack(offset, ack) } else { lab.s(offset, ack) };
            frame = frame.flags(hostile.flags).options(&hostile.options).payload(&hostile.payload);
            if hostile.bad_checksum {
                frame = frame.bad_checksum();
            }
            if i % 7 == 3 {
                frame = frame.vlan((i % 5) as u16);
            }
            lab.log.answers.push_back(match hostile.answer {
                0 => Interest::StopFlow,
                1 => Interest::StopDirection,
                2..5 => Interest::SkipBytes(u64::from(hostile.answer) * 20),
                5 => Interest::SkipBytes(u64::MAX),
                _ => Interest::Continue,
            });
            let cut = hostile.cut.min(hostile.payload.len());
            lab.put_cut(frame, if i % 5 == 0 { cut } else { 0 });
            if hostile.pause > 0 {
                lab.wait(hostile.pause);
            }
            let counters = lab.table.counters();
            prop_assert!(counters.held_bytes <= 3000);
            prop_assert!(counters.flows_active <= flows as u64);
        }
        lab.drain();
        let counters = *lab.table.counters();
        prop_assert_eq!((counters.held_bytes, counters.heap_bytes, counters.flows_active), (0, 0, 0));
        prop_assert_eq!(counters.closed.iter().sum::<u64>(), counters.flows_created);
        for info in &lab.log.flows {
            // In order and never twice: asserted inside. And `Closed` comes once, last.
            lab.flow_text(info.id, Forward);
            lab.flow_text(info.id, Reverse);
            let told: Vec<_> = lab.log.told.iter().filter(|(id, _)| *id == info.id).map(|(_, told)| told).collect();
            prop_assert_eq!(told.iter().filter(|told| matches!(told, Told::Closed(_))).count(), 1);
            prop_assert!(matches!(told.last(), Some(Told::Closed(_))));
            prop_assert!(told.iter().filter(|told| matches!(told, Told::HalfClosed(Forward))).count() <= 1);
        }
    }

    #[test]
    fn nonsense_never_takes_a_request_away(
        decoys in vec((hostile(), 0usize..4), 0..12),
        cuts in vec(any::<Index>(), 0..6),
        reversed: bool,
    ) {
        // Whatever the client throws in that the server drops, what the server acknowledges is read.
        let mut lab = Lab::opened();
        let mut segments = cut(REQUEST, &cuts);
        if reversed {
            segments.reverse();
        }
        let mut decoys = decoys;
        for (i, (offset, bytes)) in segments.iter().enumerate() {
            for (decoy, _) in decoys.extract_if(.., |(_, place)| *place == i) {
                let mut frame = lab.c_ack(decoy.offset, decoy.ack).payload(&decoy.payload).options(&decoy.options);
                // What a host drops: a bad checksum, no ACK, a signature; or a reset or SYN out of place.
                frame = match decoy.answer % 5 {
                    0 => frame.bad_checksum(),
                    1 => frame.flags(TcpFlags::PSH),
                    2 => frame.options(&md5_option()),
                    3 => frame.flags(TcpFlags::RST).bad_checksum(),
                    _ => frame.flags(TcpFlags::SYN).payload(b""),
                };
                lab.put(frame);
            }
            lab.say(*offset, bytes);
        }
        lab.acked(REQUEST.len() as i64);
        lab.answer(0, REQUEST.len() as i64, b"reply");
        let id = lab.log.flows[0].id;
        prop_assert_eq!(lab.flow_text(id, Forward), request());
        prop_assert_eq!(lab.flow_text(id, Reverse), "reply");
        prop_assert_eq!(lab.conflicts(), 0);
    }
}
