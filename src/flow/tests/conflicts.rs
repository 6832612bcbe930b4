//! Two copies of the same bytes that differ: the one told first is the stream, the other is told as its rival.

use super::super::recall::REACH;
use super::evasion::{DECOY, decoys};
use super::*;

fn decoy() -> &'static str {
    std::str::from_utf8(DECOY).unwrap()
}

/// The request with the decoy's bytes in a range.
fn mixed(range: std::ops::Range<usize>) -> String {
    let mut bytes = REQUEST.to_vec();
    bytes[range.clone()].copy_from_slice(&DECOY[range]);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_copy_of_bytes_already_told_is_their_rival() {
    for (told, other) in [(REQUEST, DECOY), (DECOY, REQUEST)] {
        let mut lab = Lab::opened();
        lab.say(0, told);
        lab.say(0, other);
        assert_eq!((lab.client_text().as_bytes(), lab.conflicts()), (told, 1));
        lab.answer(0, 55, b"reply");
        assert_eq!(lab.rivals(), [std::str::from_utf8(other).unwrap()]);
        let offset = lab.log.told.iter().find_map(|(_, told)| match told {
            Told::Rival { dir: Forward, offset, .. } => Some(*offset),
            _ => None,
        });
        assert_eq!(offset, Some(0));
        // Once for a range, however often it comes.
        for _ in 0..3 {
            lab.say(0, other);
            lab.say(10, &other[10..20]);
        }
        assert_eq!(lab.conflicts(), 1);
        let differing = REQUEST.iter().zip(DECOY).filter(|(a, b)| a != b).count();
        assert_eq!(lab.table.counters().conflicting_overlap_bytes, differing as u64);
    }
}

#[test]
fn equal_copies_are_none() {
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    lab.say(0, REQUEST);
    lab.say(20, &REQUEST[20..30]);
    lab.say(60, b"same");
    lab.say(58, b"..same..");
    lab.drain();
    assert_eq!((lab.conflicts(), lab.rivals().len()), (0, 0));
}

#[test]
fn garbage_queued_first_and_the_true_one_second_are_both_read() {
    // Behind a hole; either may be the one that counts.
    for (first, second) in [(DECOY, REQUEST), (REQUEST, DECOY)] {
        let mut lab = Lab::opened();
        lab.say(10, &first[10..]);
        lab.say(10, &second[10..]);
        assert_eq!(lab.conflicts(), 1, "as soon as it is seen");
        lab.say(0, &REQUEST[..10]);
        lab.answer(0, 55, b"reply");
        let reading = |tail: &[u8]| String::from_utf8([&REQUEST[..10], &tail[10..]].concat()).unwrap();
        assert_eq!((lab.client_text(), lab.rivals()), (reading(first), vec![reading(second)]));
        assert_eq!(lab.conflicts(), 1);
    }
}

#[test]
fn bytes_in_order_over_held_ones() {
    let mut lab = Lab::opened();
    lab.say(30, &DECOY[30..45]);
    lab.say(0, REQUEST);
    assert_eq!((lab.client_text(), lab.conflicts()), (request().into(), 1));
    lab.wait(1);
    assert_eq!(lab.rivals(), [mixed(30..45)]);
    // The held ones reach further.
    let mut lab = Lab::opened();
    lab.say(30, &DECOY[30..55]);
    lab.say(0, &REQUEST[..40]);
    lab.wait(1);
    assert_eq!((lab.client_text(), lab.conflicts()), (mixed(40..55), 1));
    assert_eq!(lab.rivals(), [mixed(30..55)]);
}

#[test]
fn overlaps_on_the_left_and_on_the_right() {
    // The second begins inside the first.
    let mut lab = Lab::opened();
    lab.say(0, &REQUEST[..30]);
    lab.say(20, &DECOY[20..]);
    lab.answer(0, 55, b"reply");
    assert_eq!((lab.client_text(), lab.conflicts()), (mixed(30..55), 1));
    assert_eq!(lab.rivals(), [mixed(20..55)]);
    // It ends inside the first, which came early.
    let mut lab = Lab::opened();
    lab.say(20, &REQUEST[20..]);
    lab.say(0, &DECOY[..30]);
    lab.answer(0, 55, b"reply");
    assert_eq!((lab.client_text(), lab.conflicts()), (mixed(0..30), 1));
    assert_eq!(lab.rivals(), [mixed(0..20)]);
}

#[test]
fn a_head_that_ends_after_the_conflict_is_told_whole() {
    for pause in [0, 2, 100] {
        let mut lab = Lab::opened();
        lab.say(0, &DECOY[..20]);
        lab.say(0, &REQUEST[..20]);
        lab.wait(pause);
        for i in 20..55 {
            lab.say(i, &REQUEST[i as usize..][..1]);
        }
        lab.answer(0, 55, b"reply");
        assert_eq!((lab.client_text(), lab.conflicts()), (mixed(0..20), 1));
        assert!(lab.rivals().contains(&request().into()), "after {pause} s");
        lab.answer(5, 55, b"more of it");
        assert!(lab.rivals().len() <= 2);
    }
}

#[test]
fn every_segment_twice_in_any_order_of_truth() {
    // The true copies are the first here and the second there; hops tell which belong together.
    for pattern in 0..32 {
        let mut lab = Lab::opened();
        for i in 0..5 {
            let range = i * 11..(i + 1) * 11;
            let genuine = lab.c(i as i64 * 11).payload(&REQUEST[range.clone()]).ttl(64);
            let forged = lab.c(i as i64 * 11).payload(&DECOY[range]).ttl(3);
            let (first, second) = if pattern >> i & 1 == 0 { (genuine, forged) } else { (forged, genuine) };
            lab.put(first);
            lab.put(second);
        }
        lab.answer(0, 55, b"reply");
        let mut readings = lab.rivals();
        readings.push(lab.client_text());
        assert!(readings.contains(&request().into()), "{pattern:05b}: {readings:?}");
        assert!(readings.contains(&decoy().into()));
    }
}

#[test]
fn what_no_host_takes_is_no_rival() {
    for (forged, doubt) in decoys(&Lab::new()) {
        let mut lab = Lab::opened();
        lab.say(0, REQUEST);
        lab.put(forged.clone());
        lab.acked(55);
        lab.put(forged);
        lab.drain();
        assert_eq!((lab.conflicts(), lab.rivals().len()), (0, 0), "{doubt:?}");
    }
}

#[test]
fn keep_alive_garbage_is_no_rival_and_a_byte_sent_again_is() {
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    lab.acked(55);
    for garbage in [b"\0", b"x"] {
        lab.say(54, garbage);
        lab.acked(55);
    }
    // Nothing but the sender is seen.
    let mut one_sided = Lab::new();
    one_sided.say(0, REQUEST);
    one_sided.say(54, b"\0");
    for lab in [&mut lab, &mut one_sided] {
        lab.drain();
        assert_eq!((lab.conflicts(), lab.rivals().len()), (0, 0));
    }
    // One byte after the other, each first as a decoy that the host never sees.
    let mut lab = Lab::opened();
    for i in 0..55 {
        lab.say(i, &DECOY[i as usize..][..1]);
        lab.say(i, &REQUEST[i as usize..][..1]);
    }
    lab.answer(0, 55, b"reply");
    assert!(lab.rivals().contains(&request().into()));
}

#[test]
fn an_injected_answer_that_wins_the_race() {
    const FORGED: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\n\r\n";
    const GENUINE: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=abcdef\r\nContent-Length: 0\r\n\r\n";
    for fin in [0, TcpFlags::FIN] {
        let mut lab = Lab::opened();
        lab.say(0, REQUEST);
        let forged = lab.s(0, 55).payload(FORGED).flags(TcpFlags::ACK | fin);
        lab.put(forged);
        // The client has acknowledged it, and even its end, when the true one comes.
        let ack = lab.c_ack(55, FORGED.len() as i64 + i64::from(fin));
        lab.put(ack);
        lab.answer(0, 55, GENUINE);
        assert_eq!(lab.conflicts(), 1);
        lab.wait(1);
        let end = if fin > 0 { FORGED.len() } else { GENUINE.len() };
        let reading = std::str::from_utf8(&GENUINE[..end.min(GENUINE.len())]).unwrap();
        assert!(lab.rivals().iter().any(|rival| rival.starts_with(reading)), "{:?}", lab.rivals());
    }
}

#[test]
fn of_two_doubtful_copies_the_other_is_a_rival_once_they_count() {
    let mut lab = Lab::opened();
    let (first, second) = (lab.c(0).payload(DECOY), lab.c(0).payload(REQUEST));
    lab.put(first.bad_checksum());
    lab.put(second.bad_checksum());
    assert_eq!(lab.conflicts(), 0);
    lab.answer(0, 55, b"reply");
    lab.drain();
    assert_eq!((lab.conflicts(), lab.client_text()), (1, decoy().into()));
    assert_eq!(lab.rivals(), [request()]);
}

#[test]
fn what_is_skipped_or_stopped_has_no_rivals() {
    let mut lab = Lab::opened();
    lab.log.answers = [Interest::SkipBytes(1000), Interest::StopDirection].into();
    lab.say(0, b"head");
    lab.say(4, &[b'x'; 500]);
    lab.say(4, &[b'y'; 500]);
    lab.say(504, &[b'x'; 500]);
    lab.say(1004, b"stop");
    lab.say(1004, b"STOP");
    lab.drain();
    assert_eq!((lab.conflicts(), lab.rivals().len()), (0, 0));
    // But the head is still compared.
    let mut lab = Lab::opened();
    lab.log.answers = [Interest::SkipBytes(1000)].into();
    lab.say(0, b"head");
    lab.say(4, &[b'x'; 500]);
    lab.say(0, b"HEAD");
    lab.drain();
    assert_eq!((lab.conflicts(), lab.rivals()), (1, vec!["HEAD".to_owned()]));
}

#[test]
fn around_a_conflict_4_kib_are_read() {
    for (at, around) in [(9500, 5904..10_000), (6000, 5904..10_000), (5000, 3976..8072), (0, 0..3072)] {
        let mut lab = Lab::opened();
        for i in 0..10 {
            lab.say(i * 1000, &[b'x'; 1000]);
        }
        lab.say(at, &[b'y'; 500]);
        assert_eq!((lab.conflicts(), lab.table.counters().limit_recall), (1, 0));
        lab.drain();
        let rivals: Vec<_> = lab
            .log
            .told
            .iter()
            .filter_map(|(_, told)| match told {
                Told::Rival { offset, bytes, .. } => Some(*offset as usize..*offset as usize + bytes.len()),
                _ => None,
            })
            .collect();
        assert_eq!(rivals, [around]);
    }
}

/// The client said this, and the ring has forgotten it.
fn forgetful(said: &[u8]) -> Lab {
    let mut lab = Lab::with(FlowConfig { recall_bytes: 16 << 10, ..FlowConfig::default() });
    lab.handshake(&[]);
    lab.say(0, said);
    let (client, server) = (lab.client.clone(), lab.server.clone());
    for port in 1..40 {
        (lab.client.source.port, lab.server.destination.port) = (port, port);
        lab.say(0, &[b'x'; 1000]);
    }
    (lab.client, lab.server) = (client, server);
    lab
}

#[test]
fn a_copy_of_what_the_table_forgot_is_read_for_itself() {
    // In one piece, in two, in any order and overlapping, and with the rest told as the stream.
    let cuts: [&[(usize, usize)]; 5] =
        [&[(0, 55)], &[(0, 20), (20, 55)], &[(20, 55), (0, 20)], &[(0, 30), (20, 55)], &[(0, 20), (20, 40), (40, 55)]];
    for told in [55, 40, 25] {
        for cut in cuts {
            let mut lab = forgetful(&DECOY[..told]);
            for _ in 0..3 {
                cut.iter().for_each(|&(from, to)| lab.say(from as i64, &REQUEST[from..to]));
            }
            lab.answer(0, 55, b"reply");
            assert!(lab.rivals().contains(&request().into()), "{told} told, {cut:?}: {:?}", lab.rivals());
            let readings = lab.log.told.iter().filter(|(_, told)| matches!(told, Told::Rival { .. })).count();
            assert!(readings <= 4, "{readings}: once, however often it comes");
        }
    }
    // The same bytes are a reading too, for nobody knows; there is no anomaly.
    let mut lab = forgetful(REQUEST);
    lab.say(0, REQUEST);
    lab.wait(1);
    assert_eq!((lab.conflicts(), lab.rivals()), (0, vec![request().to_owned()]));
    // A host may ask whether the other is still there.
    let mut lab = forgetful(REQUEST);
    lab.acked(55);
    lab.say(54, b"\0");
    lab.wait(1);
    assert!(lab.rivals().is_empty());
}

#[test]
fn copies_of_what_is_forgotten_are_bounded() {
    let mut lab = forgetful(&[b'D'; 1000]);
    for i in 0..2000u32 {
        lab.say(i64::from(i % 900), &i.to_be_bytes());
        lab.answer(i64::from(i), 1000, b"r");
    }
    let readings = lab.log.told.iter().filter(|(_, told)| matches!(told, Told::Rival { .. })).count();
    assert!((100..=256).contains(&readings), "{readings}");
    assert!(lab.table.counters().limit_rivals > 1000);
}

#[test]
fn what_the_table_forgot_is_counted() {
    let mut lab = forgetful(REQUEST);
    lab.say(0, DECOY);
    assert_eq!((lab.conflicts(), lab.table.counters().limit_recall), (0, 1));
    assert!(lab.table.counters().recall_bytes <= 16 << 10);
    // What comes next is remembered again.
    lab.say(55, REQUEST);
    lab.say(55, DECOY);
    assert_eq!(lab.conflicts(), 1);
}

#[test]
fn a_copy_of_the_beginning_is_compared_however_far_the_stream_has_gone_on() {
    for segments in [5, 12, 100] {
        for genuine in [REQUEST.to_vec(), [&REQUEST[..53], b"Padding: ", &[b'x'; 1200], b"\r\n\r\n"].concat()] {
            let mut lab = Lab::opened();
            for n in 0..segments {
                lab.say(n * 1200, &[b'D'; 1200]);
            }
            lab.say(0, &genuine);
            assert_eq!(lab.conflicts(), 1, "{segments} segments");
            lab.answer(0, genuine.len() as i64, b"reply");
            let genuine = String::from_utf8(genuine).unwrap();
            let rivals = lab.rivals();
            assert!(rivals.iter().any(|rival| rival.starts_with(&genuine)), "{segments} segments: {rivals:?}");
            assert!(rivals.iter().all(|rival| rival.len() <= REACH));
        }
    }
}

#[test]
fn a_flood_of_copies_is_bounded() {
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    for i in 0..2000u32 {
        lab.say(0, &i.to_be_bytes());
        lab.answer(i64::from(i), 55, b"r");
    }
    let readings = lab.log.told.iter().filter(|(_, told)| matches!(told, Told::Rival { .. })).count();
    assert!((100..=256).contains(&readings), "{readings}");
    assert!(lab.table.counters().limit_rivals > 1000);
    assert_eq!(lab.conflicts(), 2000, "each is still an anomaly");
}
