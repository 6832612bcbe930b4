//! Bytes in any order are told in order, once; what is lost is named.

use super::*;

#[test]
fn one_byte_segments() {
    let mut lab = Lab::opened();
    for (offset, byte) in (0..).zip(REQUEST) {
        lab.say(offset, &[*byte]);
    }
    assert_eq!(lab.client_text(), request());
    assert_eq!(lab.table.counters().held_bytes, 0);
}

#[test]
fn reversed_and_duplicated_segments_keep_the_frames_that_carried_them() {
    let mut lab = Lab::opened();
    let pieces: Vec<(i64, &[u8])> = (0..).step_by(8).zip(REQUEST.chunks(8)).collect();
    for (offset, piece) in pieces.iter().rev() {
        lab.say(*offset, piece);
        lab.say(*offset, piece);
    }
    assert_eq!(lab.client_text(), request());
    assert_eq!(lab.conflicts(), 0);
    // Three frames of handshake; the first piece came last, but for its copy.
    let frames: Vec<u64> = lab
        .log
        .told
        .iter()
        .filter_map(|(_, told)| if let Told::Data { frame, .. } = told { Some(*frame) } else { None })
        .collect();
    let last = 3 + 2 * pieces.len() as u64 - 1;
    assert_eq!(frames, (0..pieces.len() as u64).map(|i| last - 2 * i).collect::<Vec<_>>());
    assert_eq!(lab.table.counters().held_bytes, 0);
}

#[test]
fn sequence_numbers_wrap() {
    let mut lab = Lab::new();
    (lab.client_isn, lab.server_isn) = (u32::MAX - 10, u32::MAX);
    lab.handshake(&[]);
    lab.say(8, &REQUEST[8..16]);
    lab.say(16, &REQUEST[16..]);
    lab.say(0, &REQUEST[..8]);
    lab.answer(0, 55, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(lab.client_text(), request());
    assert_eq!(lab.server_text(), "HTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn streams_longer_than_the_sequence_space() {
    let mut lab = Lab::opened();
    // 6 GiB of a body are skipped without being seen, but for a segment now and then.
    let body = 6 << 30;
    lab.log.answers.push_back(Interest::SkipBytes(body));
    lab.say(0, b"head");
    for step in 1..=24_i64 {
        lab.say(4 + (step << 28) - 100, &[b'x'; 100]);
        lab.acked(4 + (step << 28));
    }
    lab.say(4 + body as i64, b"next");
    assert_eq!(lab.client_text(), "headnext");
    let (_, last) = lab.log.told.last().unwrap();
    assert!(matches!(last, Told::Data { offset, .. } if *offset == 4 + body));
    assert_eq!(lab.table.counters().gaps, 0);
}

#[test]
fn in_order_bytes_are_not_copied() {
    struct Address(usize);
    impl StreamConsumer for Address {
        type Shared = usize;
        fn open(_: &FlowInfo, _: &mut usize) -> Self {
            Self(0)
        }
        fn on_event(&mut self, _: &FlowInfo, event: StreamEvent<'_>, shared: &mut usize) -> Interest {
            if let StreamEvent::Data { bytes, .. } = event {
                self.0 = bytes.as_ptr().addr();
                *shared = self.0;
            }
            Interest::Continue
        }
        fn held_bytes(&self) -> usize {
            0
        }
    }
    let lab = Lab::new();
    let segment = lab.c(0).payload(REQUEST);
    let bytes = segment.bytes();
    let Ok(Decoded::Tcp(decoded)) = decode(&frame(&segment, &bytes, Stamp::default())) else { panic!() };
    let mut address = 0;
    FlowTable::<Address>::new(FlowConfig::default()).on_segment(&decoded, Stamp::default(), &mut address);
    assert_eq!(address, decoded.payload.as_ptr().addr());
}

#[test]
fn a_hole_is_a_gap_when_the_receiver_is_past_it() {
    let mut lab = Lab::opened();
    lab.say(0, b"GET /1\n");
    lab.say(107, b"GET /2\n");
    lab.acked(114);
    assert_eq!(lab.client_text(), "GET /1\n", "it may only be late");
    for i in 0..16 {
        lab.say(114 + i, b"x");
        lab.acked(115 + i);
    }
    assert_eq!(lab.client_text(), "GET /1\n<100>GET /2\nxxxxxxxxxxxxxxxx");
    let counters = lab.table.counters();
    assert_eq!((counters.gaps, counters.gap_bytes, counters.tcp_acked_unseen_bytes), (1, 100, 100));
    assert_eq!(counters.tcp_acked_bytes, 130);
    assert_eq!(lab.log.flows[0].gaps, 1);
}

#[test]
fn a_second_is_as_good_as_sixteen_segments() {
    let mut lab = Lab::opened();
    lab.say(10, b"second");
    lab.acked(16);
    lab.wait(1);
    assert_eq!(lab.client_text(), "<10>second");

    let mut lab = Lab::opened();
    lab.say(10, b"second");
    lab.acked(16);
    lab.now = lab.now.after(Duration::from_secs(1));
    lab.acked(16);
    assert_eq!(lab.client_text(), "<10>second");
}

#[test]
fn late_bytes_fill_a_hole_that_is_acknowledged() {
    let mut lab = Lab::opened();
    lab.say(4, b"late");
    lab.answer(0, 8, b"reply");
    lab.say(0, b"not ");
    assert_eq!(lab.client_text(), "not late");
    assert_eq!((lab.table.counters().gaps, lab.table.counters().tcp_acked_unseen_bytes), (0, 0));
}

#[test]
fn a_receiver_that_waits_is_waited_for() {
    // The sender needs longer than any timeout but that of the flow, and the receiver waits as long.
    let mut lab = Lab::opened();
    lab.say(4, b"slow");
    lab.acked(0);
    lab.wait(14 * 60);
    lab.say(0, b"too ");
    assert_eq!(lab.client_text(), "too slow");
}

#[test]
fn one_sided_captures_wait_for_a_silence() {
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(TcpFlags::SYN);
    lab.put(syn);
    lab.say(0, b"one");
    lab.say(8, b"three");
    lab.wait(119);
    assert_eq!(lab.client_text(), "one");
    lab.wait(1);
    assert_eq!(lab.client_text(), "one<5>three");
    // Nor does it wait longer for a sender that is not silent.
    for minute in 0..3 {
        lab.wait(60);
        lab.say(20 + minute, b"x");
    }
    assert_eq!(lab.client_text(), "one<5>three<7>xxx");
    assert!(!lab.log.flows[0].two_sided && !lab.log.flows[0].midstream);
}

#[test]
fn the_side_that_is_not_seen_has_no_gaps() {
    let mut lab = Lab::new();
    lab.say(0, REQUEST);
    let next = lab.c_ack(55, 5000).payload(REQUEST);
    lab.put(next);
    lab.drain();
    assert_eq!((lab.server_text(), lab.client_text()), (String::new(), request().repeat(2)));
    let counters = lab.table.counters();
    assert_eq!((counters.gaps, counters.tcp_acked_unseen_bytes), (0, 0));
}

#[test]
fn stray_bytes_do_not_take_a_one_sided_stream_away() {
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(TcpFlags::SYN);
    lab.put(syn);
    lab.say(500_000, b"decoy far ahead");
    lab.say(0, &REQUEST[..20]);
    lab.wait(121);
    lab.say(20, &REQUEST[20..]);
    assert_eq!(lab.client_text(), request());
    assert_eq!(lab.table.counters().stray_bytes, 15);
}

#[test]
fn joins_midstream() {
    let mut lab = Lab::new();
    let first = lab.c_ack(7000, 9000).payload(REQUEST);
    lab.put(first);
    lab.answer(9000, 7055, b"reply");
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
    assert!(lab.log.flows[0].midstream);
    // The server's side is known by its port.
    let mut lab = Lab::new();
    lab.answer(9000, 7055, b"reply");
    lab.say(7055, REQUEST);
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
    assert_eq!(lab.log.flows[0].initiator, lab.client.source);
}

#[test]
fn midstream_the_first_acknowledgement_tells_where_the_other_side_is() {
    let mut lab = Lab::new();
    lab.answer(9000, 7000, b"reply");
    lab.say(7008, &REQUEST[8..]);
    lab.say(7000, &REQUEST[..8]);
    assert_eq!(lab.client_text(), request());
}

#[test]
fn what_the_snap_length_cut_is_a_gap() {
    let mut lab = Lab::opened();
    let segment = lab.c(0).payload(REQUEST);
    lab.put_cut(segment, 30);
    lab.say(REQUEST.len() as i64, b"next");
    assert_eq!(lab.client_text(), format!("{}<30>next", &request()[..REQUEST.len() - 30]));
    assert_eq!(lab.table.counters().tcp_acked_unseen_bytes, 0);
}

#[test]
fn skipped_bytes_are_counted_not_told() {
    let mut lab = Lab::opened();
    lab.log.answers.push_back(Interest::SkipBytes(1000));
    lab.say(0, b"head:");
    lab.say(5, &[b'b'; 400]);
    // 200 bytes lost, 100 late, 250 twice.
    lab.say(705, &[b'b'; 250]);
    lab.say(605, &[b'b'; 100]);
    lab.say(705, &[b'b'; 250]);
    lab.say(955, &[[b'b'; 50].as_slice(), b"next"].concat());
    assert_eq!(lab.client_text(), "head:next");
    assert_eq!(lab.table.counters().gaps, 0);
    assert_eq!(lab.table.counters().held_bytes, 0);
}

#[test]
fn a_hole_that_reaches_out_of_skipped_bytes_is_a_hole() {
    let mut lab = Lab::opened();
    lab.log.answers.push_back(Interest::SkipBytes(100));
    lab.say(0, b"head:");
    lab.say(110, b"rest");
    assert_eq!(lab.client_text(), "head:");
    lab.say(105, b"next,");
    assert_eq!(lab.client_text(), "head:next,rest");
    let told = &lab.log.told.last().unwrap().1;
    assert_eq!(*told, Told::Data { dir: Forward, offset: 110, bytes: b"rest".to_vec(), frame: 5 });
}

#[test]
fn skipping_reaches_over_bytes_already_held() {
    let mut lab = Lab::opened();
    lab.say(5, &[b'b'; 50]);
    lab.say(60, b"bbbbbnext");
    lab.log.answers.push_back(Interest::SkipBytes(60));
    lab.say(0, b"head:");
    assert_eq!(lab.client_text(), "head:next");
    assert_eq!((lab.table.counters().gaps, lab.table.counters().held_bytes), (0, 0));
}

#[test]
fn a_stopped_direction_is_still_followed() {
    let mut lab = Lab::opened();
    lab.say(10, b"held");
    lab.log.answers.push_back(Interest::StopDirection);
    lab.say(0, b"head:");
    assert_eq!(lab.table.counters().held_bytes, 0);
    lab.say(14, b"more");
    lab.say(50, b"early");
    lab.answer(0, 14, b"reply");
    assert_eq!((lab.client_text(), lab.server_text()), ("head:".into(), "reply".into()));
    let fin = lab.c(60).flags(TcpFlags::FIN | TcpFlags::ACK);
    lab.put(fin);
    lab.acked(61);
    assert_eq!(lab.log.told.last().unwrap().1, Told::HalfClosed(Forward));
}

#[test]
fn a_stopped_flow_is_known_by_its_headers() {
    let mut lab = Lab::opened();
    lab.say(10, b"held");
    lab.answer(20, 0, b"held");
    lab.log.answers.push_back(Interest::StopFlow);
    lab.say(0, b"\x16\x03\x01");
    assert_eq!(lab.closed(), [CloseReason::Stopped]);
    let told = lab.log.told.len();
    for i in 0..50 {
        lab.say(100 * i, &[0; 100]);
        lab.answer(2000 - 20 * i, 100 * i, &[0; 20]);
    }
    assert_eq!((lab.log.told.len(), lab.flows()), (told, 1));
    assert_eq!((lab.table.counters().held_bytes, lab.table.counters().flows_active), (0, 1));
    lab.wait(15 * 60);
    assert_eq!((lab.log.told.len(), lab.table.counters().flows_active), (told, 0));
}

#[test]
fn frames_captured_twice_count_once() {
    let mut lab = Lab::new();
    let (fin, ack) = (TcpFlags::FIN | TcpFlags::ACK, TcpFlags::ACK);
    let frames = [
        lab.c(-1).flags(TcpFlags::SYN),
        lab.s(-1, 0).flags(TcpFlags::SYN | ack),
        lab.c(0),
        lab.c(0).payload(REQUEST),
        lab.s(0, 55).payload(b"reply"),
        lab.c_ack(55, 5).flags(fin),
        lab.s(5, 56).flags(fin),
        lab.c_ack(56, 6),
    ];
    for frame in frames {
        lab.put(frame.clone());
        lab.put(frame);
    }
    assert_eq!(lab.flows(), 1);
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
    assert_eq!(lab.closed(), [CloseReason::Fin]);
    assert_eq!(lab.table.counters().duplicates, 2);
}
