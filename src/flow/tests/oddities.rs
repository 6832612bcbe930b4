//! Odd behaviour that is told once: second answers, resets that were none, urgent bytes, storms.

use super::*;
use AnomalyKind::{DesyncStorm, RstInjected, SynAckConflict, UrgentInside};

const SYN_ACK: u8 = TcpFlags::SYN | TcpFlags::ACK;

#[test]
fn two_answers_to_one_syn() {
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(TcpFlags::SYN);
    lab.put(syn.clone());
    let genuine = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(genuine.clone());
    // Sent again, each side.
    lab.put(syn);
    lab.put(genuine.clone());
    assert_eq!(lab.odd(), []);
    for forged in [genuine.clone().seq(77).bad_checksum(), genuine.clone().seq(77).ack(5), genuine.clone().seq(77)] {
        lab.put(forged);
    }
    lab.put(genuine);
    assert_eq!(lab.odd(), [SynAckConflict]);
    lab.say(0, REQUEST);
    lab.answer(0, 55, b"reply");
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
}

#[test]
fn a_new_attempt_may_be_answered_otherwise() {
    let mut lab = Lab::new();
    for isn in [1_000_000, 2_000_000] {
        lab.client_isn = isn;
        let syn = lab.c(-1).flags(TcpFlags::SYN);
        lab.put(syn);
        lab.server_isn = lab.server_isn.wrapping_add(99_999);
        let answer = lab.s(-1, 0).flags(SYN_ACK);
        lab.put(answer);
    }
    assert_eq!(lab.odd(), []);
}

/// A reset with this number of hops and identification, then data of the same side.
fn reset_then_data(reset: (u8, u32), data: [(u8, u32); 2]) -> Lab {
    let mut lab = Lab::opened();
    lab.say(0, &REQUEST[..20]);
    lab.acked(20);
    let mut rst = lab.c(20).flags(TcpFlags::RST).ttl(reset.0);
    rst.id = reset.1;
    lab.put(rst);
    for (i, (ttl, id)) in data.into_iter().enumerate() {
        let range = 20 + i * 20..(40 + i * 20).min(55);
        let mut segment = lab.c(range.start as i64).payload(&REQUEST[range]).ttl(ttl);
        segment.id = id;
        lab.put(segment);
    }
    assert_eq!(lab.client_text(), request());
    lab
}

#[test]
fn a_reset_from_elsewhere() {
    for (reset, data, injected) in [
        ((3, 1), [(64, 1), (64, 1)], true),
        ((64, 40_000), [(64, 1000), (64, 1001)], true),
        // Its own: overtaken on the way, or of a host that does not count.
        ((64, 1002), [(64, 1000), (64, 1001)], false),
        ((64, 0), [(64, 1000), (64, 1001)], false),
        ((64, 40_000), [(64, 0), (64, 0)], false),
        ((64, 40_000), [(64, 1000), (64, 23_000)], false),
    ] {
        let lab = reset_then_data(reset, data);
        let expected: &[_] = if injected { &[RstInjected] } else { &[] };
        assert_eq!(lab.odd(), expected, "{reset:?} {data:?}");
    }
    // One that no host takes, or that nothing follows.
    let mut lab = Lab::opened();
    lab.say(0, &REQUEST[..20]);
    let resets = [
        lab.c(20).flags(TcpFlags::RST).ttl(3).bad_checksum(),
        lab.c(20).flags(TcpFlags::RST).ttl(3).options(&md5_option()),
        lab.c(1 << 30).flags(TcpFlags::RST).ttl(3),
    ];
    resets.into_iter().for_each(|reset| lab.put(reset));
    lab.say(20, &REQUEST[20..]);
    let last = lab.c(55).flags(TcpFlags::RST).ttl(3);
    lab.put(last);
    lab.say(0, REQUEST);
    assert_eq!(lab.odd(), []);
}

/// The request with an urgent byte `!` inserted before position `at`; the pointer is as the sender's
/// system counts.
fn urgent(at: usize, pointer: u16) -> TcpFrame {
    let mut bytes = REQUEST.to_vec();
    bytes.insert(at, b'!');
    let mut segment = Lab::new().c(0).payload(&bytes).flags(TcpFlags::ACK | TcpFlags::URG);
    segment.urgent = pointer;
    segment
}

#[test]
fn an_urgent_byte_is_read_and_left_out() {
    // Most hosts point behind the byte, some at it.
    for pointer in [46, 45] {
        let mut lab = Lab::opened();
        lab.put(urgent(45, pointer));
        assert_eq!(lab.odd(), [UrgentInside]);
        assert!(lab.client_text().contains('!'));
        lab.answer(0, 56, b"reply");
        assert!(lab.rivals().contains(&request().into()), "{:?}", lab.rivals());
    }
    // The byte comes in a later segment than the pointer, which may bring no bytes, and the end of the
    // head after it.
    for len in [30, 0] {
        let mut lab = Lab::opened();
        let whole = urgent(45, 46);
        let mut first = whole.clone();
        first.payload.truncate(len as usize);
        lab.put(first);
        assert_eq!(lab.odd(), []);
        for i in len..56 {
            lab.say(i, &whole.payload[i as usize..][..1]);
        }
        assert_eq!(lab.odd(), [UrgentInside]);
        lab.answer(0, 56, b"reply");
        assert!(lab.rivals().contains(&request().into()));
    }
}

#[test]
fn an_urgent_pointer_to_nothing_says_nothing() {
    let mut lab = Lab::opened();
    lab.put(urgent(45, 0));
    lab.say(56, b"more");
    // Behind all that comes, without the flag, and in what is not wanted.
    let mut beyond = lab.c(60).payload(b"end").flags(TcpFlags::ACK | TcpFlags::URG);
    beyond.urgent = 500;
    lab.put(beyond);
    let mut unmarked = lab.c(63).payload(b"end");
    unmarked.urgent = 1;
    lab.put(unmarked);
    lab.log.answers = [Interest::SkipBytes(100)].into();
    lab.say(66, b"head");
    let mut skipped = lab.c(70).payload(&[b'x'; 50]).flags(TcpFlags::ACK | TcpFlags::URG);
    skipped.urgent = 10;
    lab.put(skipped);
    lab.drain();
    assert_eq!((lab.odd(), lab.rivals().len()), (vec![], 0));
}

#[test]
fn both_sides_out_of_step() {
    // Somebody spoke in the client's name: the server is ahead of what the client sent.
    let storm = |turns: i64, pause: u64| {
        let mut lab = Lab::opened();
        lab.say(0, REQUEST);
        lab.acked(55);
        let injected = lab.c(55).payload(b"injected");
        lab.put(injected);
        for _ in 0..turns {
            lab.acked(63);
            lab.wait(pause);
            let behind = lab.c_ack(55, 0);
            lab.put(behind);
        }
        lab
    };
    assert_eq!(storm(6, 0).odd(), [DesyncStorm]);
    assert_eq!(storm(40, 0).odd(), [DesyncStorm], "once");
    assert_eq!(storm(4, 0).odd(), []);
    assert_eq!(storm(40, 1).odd(), []);
    // Acknowledgements in step, probes and duplicates make none.
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    for _ in 0..40 {
        lab.acked(55);
        for offset in [54, 55] {
            let ack = lab.c(offset);
            lab.put(ack);
        }
    }
    assert_eq!(lab.odd(), []);
}

#[test]
fn debug_shows_no_bytes() {
    let (dir, bytes) = (Direction::Forward, &b"Cookie: sid=hunter2"[..]);
    let at = Stamp::default();
    for event in [StreamEvent::Data { dir, offset: 3, bytes, at }, StreamEvent::Rival { dir, offset: 3, bytes, at }] {
        let shown = format!("{event:?}");
        assert!(shown.contains("Forward, 19 bytes at 3"), "{shown}");
        assert!(!shown.contains("67") && !shown.contains("hunter2"), "{shown}");
    }
}
