//! Segments that a host would ignore, or that two hosts would read differently.

use super::*;

/// As long as the request.
pub(super) const DECOY: &[u8] = b"GET /decoy HTTP/1.1\r\nHost: shop.test\r\nCookie: sid=DECOY";

/// Segments that hosts drop, each with the reason.
pub(super) fn decoys(lab: &Lab) -> Vec<(TcpFrame, Doubt)> {
    vec![
        (lab.c(0).payload(DECOY).bad_checksum(), Doubt::Checksum),
        (lab.c(0).payload(DECOY).flags(TcpFlags::PSH), Doubt::NoAck),
        (lab.c(0).payload(DECOY).flags(0), Doubt::NoAck),
        (lab.c_ack(0, 5_000_000).payload(DECOY), Doubt::BadAck),
        (lab.c_ack(0, 1).payload(DECOY), Doubt::BadAck),
        (lab.c_ack(0, -3_000_000).payload(DECOY), Doubt::BadAck),
        (lab.c_ack(0, 1 << 31).payload(DECOY), Doubt::BadAck),
        (lab.c(0).payload(DECOY).options(&md5_option()), Doubt::Signature),
    ]
}

#[test]
fn decoys_that_no_host_takes_do_not_count() {
    for (decoy, doubt) in decoys(&Lab::new()) {
        // Before the genuine bytes, in one segment or several.
        let mut lab = Lab::opened();
        lab.put(decoy.clone());
        lab.say(0, &REQUEST[..33]);
        lab.acked(33);
        lab.say(33, &REQUEST[33..]);
        lab.acked(55);
        assert_eq!((lab.client_text(), lab.conflicts()), (request().into(), 0), "{doubt:?}");
        assert_eq!(lab.table.counters().doubtful(doubt), 1, "{doubt:?}");
        assert_eq!(lab.table.counters().doubtful_confirmed_bytes, 0);
        assert_eq!(lab.table.counters().held_bytes, 0);

        // Early, and the genuine ones behind a hole.
        let mut lab = Lab::opened();
        let mut early = decoy.clone();
        early.seq = early.seq.wrapping_add(20);
        early.payload.truncate(35);
        lab.put(early);
        lab.say(20, &REQUEST[20..]);
        lab.say(0, &REQUEST[..20]);
        lab.acked(55);
        assert_eq!((lab.client_text(), lab.conflicts()), (request().into(), 0), "{doubt:?}");

        // On a connection joined midstream, where it is the first that is seen.
        if matches!(doubt, Doubt::Checksum | Doubt::NoAck) {
            let mut lab = Lab::new();
            let mut first = decoy;
            first.seq = first.seq.wrapping_add(300);
            lab.put(first);
            lab.say(0, REQUEST);
            assert_eq!(lab.client_text(), request(), "{doubt:?}");
        }
    }
}

#[test]
fn doubtful_bytes_count_when_they_are_acknowledged() {
    for (segment, doubt) in decoys(&Lab::new()) {
        let mut lab = Lab::opened();
        let mut segment = segment;
        segment.payload = REQUEST.to_vec();
        lab.put(segment);
        assert_eq!(lab.client_text(), "", "{doubt:?}");
        lab.answer(0, 55, b"reply");
        assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()), "{doubt:?}");
        assert_eq!(lab.table.counters().doubtful_confirmed_bytes, 55);
        let Told::Data { frame, dir: Forward, .. } = lab.log.told[1].1 else { panic!("the request is told first") };
        assert_eq!(frame, 4, "the frame that carried them");
    }
}

#[test]
fn acknowledged_in_part() {
    let mut lab = Lab::opened();
    let segment = lab.c(0).payload(REQUEST).bad_checksum();
    lab.put(segment);
    lab.acked(20);
    assert_eq!(lab.client_text(), request()[..20]);
    lab.acked(55);
    assert_eq!(lab.client_text(), request());
}

#[test]
fn a_host_that_leaves_checksums_to_its_card_is_read_in_full() {
    // Captured on the client, on the server, and between two containers of one host.
    for (client_bad, server_bad) in [(true, false), (false, true), (true, true)] {
        let bad = |frame: TcpFrame, bad| if bad { frame.bad_checksum() } else { frame };
        let mut lab = Lab::opened();
        let reply = [b'r'; 100];
        let rounds = 20;
        for round in 0..rounds {
            let (c, s) = (round * 55, round * 300);
            let request = lab.c_ack(c, s).payload(REQUEST);
            lab.put(bad(request, client_bad));
            let piggybacked = lab.s(s, c + 55).payload(&reply);
            lab.put(bad(piggybacked, server_bad));
            assert_eq!(lab.client_text().len() as i64, c + 55, "at once: {client_bad} {server_bad}");
            for i in 1..3 {
                let more = lab.s(s + 100 * i, c + 55).payload(&reply);
                lab.put(bad(more, server_bad));
            }
            let ack = lab.c_ack(c + 55, s + 300);
            lab.put(ack);
            assert_eq!(lab.server_text().len() as i64, s + 300);
        }
        let fins = [
            bad(lab.c_ack(rounds * 55, rounds * 300).flags(TcpFlags::FIN | TcpFlags::ACK), client_bad),
            bad(lab.s(rounds * 300, rounds * 55 + 1).flags(TcpFlags::FIN | TcpFlags::ACK), server_bad),
            lab.c_ack(rounds * 55 + 1, rounds * 300 + 1),
        ];
        fins.into_iter().for_each(|f| lab.put(f));
        assert_eq!(lab.client_text(), request().repeat(rounds as usize));
        assert_eq!(lab.closed(), [CloseReason::Fin]);
        assert_eq!((lab.table.counters().gaps, lab.table.counters().held_bytes), (0, 0));
    }
}

#[test]
fn offloaded_checksums_in_a_capture_out_of_order() {
    // The answer is first, the acknowledgement before the bytes, and the SYN last.
    let mut lab = Lab::new();
    let frames = [
        lab.s(-1, 0).flags(TcpFlags::SYN | TcpFlags::ACK),
        lab.s(0, 55).payload(b"reply"),
        lab.c(0).payload(REQUEST).bad_checksum(),
        lab.c_ack(55, 5).flags(TcpFlags::FIN | TcpFlags::ACK).bad_checksum(),
        lab.c(-1).flags(TcpFlags::SYN).bad_checksum(),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    lab.drain();
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
    assert_eq!((lab.table.counters().gaps, lab.flows()), (0, 1));
}

#[test]
fn bad_checksums_that_nobody_is_seen_to_acknowledge_never_count() {
    let mut lab = Lab::new();
    let forged = lab.c(0).payload(REQUEST).bad_checksum();
    lab.put(forged);
    lab.wait(121);
    lab.drain();
    assert_eq!((lab.client_text(), lab.conflicts()), (String::new(), 0));
    assert_eq!(lab.table.counters().doubtful_dropped_bytes, 55);
}

/// `frame` as it leaves a host whose network card computes checksums.
fn offloaded(mut frame: TcpFrame) -> TcpFrame {
    // The right checksum is the complement of (pseudo-header + segment); the field holds the first only.
    let words = |bytes: &[u8]| -> u64 {
        bytes.chunks(2).map(|c| u64::from(c[0]) << 8 | u64::from(c.get(1).copied().unwrap_or(0))).sum()
    };
    let bytes = frame.bytes();
    let tcp = &bytes[34..];
    let pseudo = words(&bytes[26..34]) + 6 + tcp.len() as u64;
    let fold = |mut sum: u64| {
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        sum as u16
    };
    let right = u16::from_be_bytes([tcp[16], tcp[17]]);
    frame.checksum_error = fold(pseudo).wrapping_sub(right);
    frame
}

#[test]
fn the_last_word_before_silence_may_have_an_innocent_reason() {
    let lab = Lab::opened();
    let cases = [
        (offloaded(lab.c(0).payload(REQUEST)), true),
        (lab.c_ack(0, 1).payload(REQUEST), true),
        (offloaded(lab.c_ack(0, 1).payload(REQUEST)), true),
        (lab.c(0).payload(REQUEST).bad_checksum(), false),
        (lab.c_ack(0, 1).payload(REQUEST).bad_checksum(), false),
        (lab.c(0).payload(REQUEST).flags(TcpFlags::PSH), false),
        (lab.c(0).payload(REQUEST).options(&md5_option()), false),
    ];
    for (last, counts) in cases {
        let mut lab = Lab::opened();
        lab.put(last.clone());
        lab.wait(60);
        assert!(!lab.log.told.iter().any(|(_, told)| matches!(told, Told::Data { .. })));
        lab.drain();
        assert_eq!(lab.client_text(), if counts { request() } else { "" }, "{last:?}");
        // But the receiver spoke after it, and did not acknowledge it.
        let mut lab = Lab::opened();
        lab.put(last.clone());
        lab.acked(0);
        lab.drain();
        assert_eq!(lab.client_text(), "", "{last:?}");
        // Or better bytes came.
        let mut lab = Lab::opened();
        lab.put(last);
        lab.say(0, DECOY);
        lab.drain();
        assert_eq!(lab.client_text().as_bytes(), DECOY);
    }
}

#[test]
fn one_offloaded_side_alone_is_read_at_its_end() {
    let mut lab = Lab::new();
    let frames = [lab.c(-1).flags(TcpFlags::SYN), lab.c(0).payload(&REQUEST[..20]), lab.c(20).payload(&REQUEST[20..])];
    frames.into_iter().for_each(|frame| lab.put(offloaded(frame)));
    lab.wait(121);
    // A long silence takes nothing away, nor does it let a forgery take a place.
    assert_eq!(lab.flows(), 1);
    assert!(lab.closed().is_empty());
    lab.wait(779);
    assert_eq!((lab.client_text(), lab.closed()), (request().into(), vec![CloseReason::Timeout]));
}

#[test]
fn two_doubtful_copies_that_differ_are_reported_when_they_count() {
    let mut lab = Lab::opened();
    let (decoy, genuine) = (lab.c(0).payload(&DECOY[..55]), lab.c(0).payload(REQUEST));
    lab.put(decoy.bad_checksum());
    lab.put(genuine.bad_checksum());
    assert_eq!(lab.conflicts(), 0);
    lab.acked(55);
    assert_eq!(lab.conflicts(), 1);
}

#[test]
fn signatures_are_expected_where_syns_were_signed() {
    let mut lab = Lab::new();
    lab.handshake(&md5_option());
    let signed = lab.c(0).payload(REQUEST).options(&md5_option());
    lab.put(signed);
    assert_eq!(lab.client_text(), request());
    // One signed SYN, forged before the genuine one, does not make a signed connection.
    let mut lab = Lab::new();
    let signed = lab.c(-1).flags(TcpFlags::SYN).options(&md5_option());
    lab.put(signed);
    lab.handshake(&[]);
    let decoy = lab.c(0).payload(DECOY).options(&md5_option());
    lab.put(decoy);
    lab.say(0, REQUEST);
    assert_eq!(lab.client_text(), request());
}

#[test]
fn old_timestamps() {
    let mut lab = Lab::new();
    lab.handshake(&timestamp_option(1000));
    let stamped =
        |lab: &Lab, offset: i64, value, bytes: &[u8]| lab.c(offset).payload(bytes).options(&timestamp_option(value));
    let frames = [
        stamped(&lab, 0, 1100, &REQUEST[..10]),
        stamped(&lab, 10, 900, &DECOY[10..55]),
        // Early segments have later timestamps; those that fill the hole are not old for that.
        stamped(&lab, 20, 1300, &REQUEST[20..]),
        stamped(&lab, 10, 1200, &REQUEST[10..20]),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.conflicts()), (request().into(), 0));
    assert_eq!(lab.table.counters().doubtful(Doubt::OldTimestamp), 1);

    // Without agreement timestamps mean nothing; and they wrap.
    let mut lab = Lab::opened();
    let frames = [stamped(&lab, 0, 1100, &REQUEST[..10]), stamped(&lab, 10, 900, &REQUEST[10..])];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!(lab.client_text(), request());
    let mut lab = Lab::new();
    lab.handshake(&timestamp_option(u32::MAX - 5));
    let frames = [stamped(&lab, 0, u32::MAX, &REQUEST[..10]), stamped(&lab, 10, 3, &REQUEST[10..])];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!(lab.client_text(), request());
}

#[test]
fn acknowledging_what_the_sensor_lost_is_not_held_against_the_client() {
    let mut lab = Lab::opened();
    lab.say(0, b"GET /1\n");
    // The reply of 2,000 bytes was not captured.
    let second = lab.c_ack(7, 2000).payload(REQUEST);
    lab.put(second);
    lab.answer(2000, 62, b"reply");
    assert_eq!(lab.client_text(), format!("GET /1\n{}", request()));
}

#[test]
fn keep_alive_and_zero_window_probes() {
    let mut lab = Lab::opened();
    lab.say(0, &REQUEST[..20]);
    for _ in 0..3 {
        lab.say(19, &[0]);
        lab.acked(20);
    }
    // A full receiver does not take the probe's byte; it comes again with the others.
    lab.say(20, &REQUEST[20..21]);
    lab.acked(20);
    lab.say(20, &REQUEST[20..]);
    lab.acked(55);
    assert_eq!((lab.client_text(), lab.conflicts()), (request().into(), 0));
    assert_eq!(lab.table.counters().duplicates, 3);
}

#[test]
fn a_decoy_far_ahead_does_not_take_the_stream_away() {
    // The receiver does not acknowledge it, however long the sender waits.
    let mut lab = Lab::opened();
    lab.say(3_000_000, DECOY);
    lab.acked(0);
    lab.wait(10 * 60);
    lab.say(0, REQUEST);
    lab.acked(55);
    lab.answer(0, 55, b"reply");
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
}

#[test]
fn slow_pieces_inside_a_name() {
    let mut lab = Lab::opened();
    lab.say(0, &REQUEST[..37]);
    lab.wait(55);
    lab.say(37, &REQUEST[37..45]);
    lab.wait(55);
    lab.say(45, &REQUEST[45..]);
    assert_eq!((lab.client_text(), lab.flows()), (request().into(), 1));
}

#[test]
fn tenants_do_not_mix() {
    let mut lab = Lab::opened();
    let other = lab.c(0).payload(DECOY).vlan(7);
    lab.put(other);
    lab.say(0, REQUEST);
    assert_eq!((lab.flows(), lab.client_text()), (2, request().into()));
}

#[test]
fn conflicting_fragments_are_told_with_the_flow() {
    let mut lab = Lab::opened();
    let (real, decoy) = (lab.c(0).payload(REQUEST), lab.c(0).payload(&DECOY[..REQUEST.len().min(DECOY.len())]));
    let [mut pieces, others] = [real.fragments(32), decoy.fragments(32)];
    pieces.insert(1, others[0].clone());
    let mut defragmenter = Defragmenter::default();
    for bytes in pieces {
        let Ok(Decoded::Fragment(fragment)) = decode(&frame(&real, &bytes, Stamp::default())) else { panic!() };
        for reading in defragmenter.on_fragment(&fragment, lab.now) {
            let Ok(Decoded::Tcp(segment)) = reading.decode() else { panic!() };
            lab.table.on_segment(&segment, Stamp::default(), &mut lab.log);
        }
    }
    assert!(lab.log.told.iter().any(|(_, told)| *told == Told::Fragments(Direction::Forward)));
    // The reading whose sum holds is beyond doubt.
    assert_eq!(lab.client_text().as_bytes(), REQUEST);
    lab.say(REQUEST.len() as i64, b"more");
    let fragments = |told: &&(FlowId, Told)| told.1 == Told::Fragments(Direction::Forward);
    assert_eq!(lab.log.told.iter().filter(fragments).count(), 2, "once for each reading");
}
