//! Resets, FINs and silence: what ends a flow, and what only seems to.

use super::*;

const FIN: u8 = TcpFlags::FIN | TcpFlags::ACK;
const RST: u8 = TcpFlags::RST;

/// Both sides finish, at these offsets.
pub(super) fn close(lab: &mut Lab, client: i64, server: i64) {
    let frames =
        [lab.c_ack(client, server).flags(FIN), lab.s(server, client + 1).flags(FIN), lab.c_ack(client + 1, server + 1)];
    frames.into_iter().for_each(|f| lab.put(f));
}

#[test]
fn closes_when_both_fins_are_acknowledged() {
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    lab.answer(0, 55, b"reply");
    close(&mut lab, 55, 5);
    let end: Vec<Told> = lab.log.told.iter().rev().take(3).rev().map(|(_, told)| told.clone()).collect();
    assert_eq!(end, [Told::HalfClosed(Forward), Told::HalfClosed(Reverse), Told::Closed(CloseReason::Fin)]);
    assert_eq!(lab.table.counters().flows_active, 0);
    // Sent again, it is no new flow.
    lab.answer(0, 56, b"reply");
    lab.say(0, REQUEST);
    assert_eq!((lab.flows(), lab.table.counters().duplicates), (1, 2));
    lab.wait(60);
    lab.say(0, REQUEST);
    assert_eq!(lab.flows(), 2);
}

#[test]
fn one_half_may_be_closed_for_long() {
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    let fin = lab.c(55).flags(FIN);
    lab.put(fin);
    lab.acked(56);
    lab.wait(14 * 60);
    lab.answer(0, 56, b"reply");
    assert_eq!(lab.server_text(), "reply");
    assert!(lab.closed().is_empty());
}

#[test]
fn bytes_later_than_their_fin() {
    let mut lab = Lab::opened();
    let fin = lab.c(55).flags(FIN);
    lab.put(fin);
    lab.say(20, &REQUEST[20..]);
    lab.say(0, &REQUEST[..20]);
    assert_eq!(lab.client_text(), request());
    lab.acked(56);
    assert_eq!(lab.log.told.last().unwrap().1, Told::HalfClosed(Forward));

    // Even when all is acknowledged and closed before they come.
    let mut lab = Lab::opened();
    lab.say(20, &REQUEST[20..]);
    close(&mut lab, 55, 0);
    assert!(lab.closed().is_empty());
    lab.say(0, &REQUEST[..20]);
    assert_eq!((lab.client_text(), lab.closed()), (request().into(), vec![CloseReason::Fin]));
}

#[test]
fn lost_bytes_before_the_end_are_gaps() {
    let mut lab = Lab::opened();
    lab.say(20, &REQUEST[20..]);
    close(&mut lab, 65, 5);
    lab.wait(1);
    assert_eq!(lab.client_text(), format!("<20>{}<10>", &request()[20..]));
    assert_eq!((lab.server_text(), lab.closed()), ("<5>".into(), vec![CloseReason::Fin]));
    assert_eq!(lab.table.counters().tcp_acked_unseen_bytes, 35);
}

#[test]
fn a_fin_that_was_none() {
    // Lost before the host, forged or out of window: data goes on at its number.
    for offset in [0, 20, 5000] {
        let mut lab = Lab::opened();
        lab.say(0, &REQUEST[..20]);
        let fin = lab.c(offset).flags(FIN).ttl(1);
        lab.put(fin);
        lab.say(20, &REQUEST[20..]);
        lab.say(55, &[b'x'; 5000]);
        lab.acked(5055);
        assert_eq!(lab.client_text(), format!("{}{}", request(), "x".repeat(5000)), "FIN at {offset}");
        assert!(!lab.log.told.iter().any(|(_, told)| matches!(told, Told::HalfClosed(_))));
    }
}

#[test]
fn bytes_behind_an_acknowledged_fin_do_not_count() {
    let mut lab = Lab::opened();
    lab.say(0, b"bye");
    let fin = lab.c(3).flags(FIN);
    lab.put(fin);
    lab.acked(4);
    lab.say(0, b"bye and more");
    lab.say(4, b"more");
    assert_eq!(lab.client_text(), "bye");
    assert_eq!(lab.table.counters().after_fin_bytes, 9 + 4);
}

#[test]
fn one_sided_fin() {
    let mut lab = Lab::new();
    lab.say(0, REQUEST);
    let fin = lab.c(55).flags(FIN);
    lab.put(fin);
    lab.wait(60);
    assert_eq!(lab.log.told[2].1, Told::HalfClosed(Forward));
    assert_eq!(lab.closed(), [CloseReason::Fin]);
}

#[test]
fn no_reset_stops_data_that_goes_on() {
    let lab = Lab::opened();
    let resets = [
        lab.c(20).flags(RST).ttl(1),
        lab.c(20).flags(RST | TcpFlags::ACK),
        lab.c(25).flags(RST),
        lab.c(1 << 30).flags(RST),
        lab.c(-5000).flags(RST),
        lab.c(20).flags(RST).options(&md5_option()),
        lab.c(20).flags(RST).bad_checksum(),
        lab.c(20).flags(RST).payload(b"go away"),
        lab.s(0, 20).flags(RST | TcpFlags::ACK),
        lab.s(0, 0).flags(RST),
    ];
    for reset in resets {
        let mut lab = Lab::opened();
        lab.say(0, &REQUEST[..20]);
        lab.put(reset.clone());
        lab.wait(30);
        lab.say(20, &REQUEST[20..]);
        lab.answer(0, 55, b"reply");
        assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()), "{reset:?}");
        lab.wait(14 * 60);
        assert!(lab.closed().is_empty(), "the flow is as alive as before: {reset:?}");
    }
}

#[test]
fn only_a_believable_reset_shortens_the_wait() {
    let lab = Lab::opened();
    let resets = [
        (lab.c(55).flags(RST), true),
        (lab.s(0, 55).flags(RST | TcpFlags::ACK), true),
        (lab.c(56).flags(RST), false),
        (lab.c(-5000).flags(RST), false),
        (lab.c(55).flags(RST).options(&md5_option()), false),
        (lab.c(55).flags(RST).bad_checksum(), false),
    ];
    for (reset, believable) in resets {
        let mut lab = Lab::opened();
        lab.say(0, REQUEST);
        lab.put(reset.clone());
        lab.wait(60);
        assert_eq!(lab.closed() == [CloseReason::Reset], believable, "{reset:?}");
        assert_eq!(lab.table.counters().resets_ignored, u64::from(!believable));
        lab.wait(14 * 60);
        let reason = if believable { CloseReason::Reset } else { CloseReason::Timeout };
        assert_eq!(lab.closed(), [reason]);
    }
}

#[test]
fn a_refused_connection() {
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(TcpFlags::SYN);
    lab.put(syn);
    let refusal = lab.server.clone().seq(0).ack(lab.client_isn + 1).flags(RST | TcpFlags::ACK);
    lab.put(refusal);
    lab.wait(60);
    assert_eq!(lab.closed(), [CloseReason::Reset]);
}

#[test]
fn silence() {
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    lab.wait(899);
    assert!(lab.closed().is_empty());
    lab.wait(1);
    assert_eq!(lab.closed(), [CloseReason::Timeout]);
    assert_eq!(lab.table.counters().closed(CloseReason::Timeout), 1);

    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(TcpFlags::SYN);
    lab.put(syn);
    lab.wait(60);
    assert_eq!(lab.closed(), [CloseReason::Timeout]);
}

#[test]
fn a_long_pause_in_the_middle_of_a_message() {
    for (pause, flows) in [(20 * 60, 1), (55 * 60, 1), (65 * 60, 2)] {
        let mut lab = Lab::opened();
        lab.log.mid_message = true;
        lab.say(0, &REQUEST[..30]);
        lab.acked(30);
        for _ in 0..pause / 60 {
            lab.wait(60);
        }
        lab.say(30, &REQUEST[30..]);
        assert_eq!(lab.flows(), flows, "after {pause} s");
        if flows == 1 {
            assert_eq!(lab.client_text(), request());
        }
    }
}

#[test]
fn time_that_goes_backwards_or_astray_ends_nothing() {
    let mut lab = Lab::opened();
    for ts in [START.0 - 3_600_000_000_000, 0, i64::MIN, i64::MAX, 1 << 61, START.0 - 1] {
        lab.now = Timestamp(ts);
        lab.say(0, b"x");
        lab.table.on_time(START, &mut lab.log);
    }
    lab.now = START;
    lab.say(1, REQUEST);
    assert_eq!((lab.flows(), lab.client_text()), (1, format!("x{}", request())));
    assert!(lab.closed().is_empty());
}

#[test]
fn draining_tells_what_is_left() {
    let mut lab = Lab::opened();
    lab.say(4, b"early");
    lab.drain();
    assert_eq!((lab.client_text(), lab.closed()), ("<4>early".into(), vec![CloseReason::Drained]));
    let counters = lab.table.counters();
    assert_eq!((counters.flows_active, counters.held_bytes, counters.heap_bytes), (0, 0, 0));
}
