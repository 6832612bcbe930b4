//! Where a connection begins, told by SYNs that may be several, forged, early or late.

use super::*;

const SYN: u8 = TcpFlags::SYN;
const SYN_ACK: u8 = TcpFlags::SYN | TcpFlags::ACK;

#[test]
fn data_seen_before_the_handshake_was() {
    // Both orders that captures get wrong: data before SYN with ACK, and before its own SYN.
    let mut lab = Lab::new();
    let frames = [
        lab.c(-1).flags(SYN),
        lab.c(0).payload(REQUEST),
        lab.s(4, 55).payload(b"y"),
        lab.s(-1, 0).flags(SYN_ACK),
        lab.s(0, 55).payload(b"repl"),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));

    let mut lab = Lab::new();
    let frames =
        [lab.c(0).payload(REQUEST), lab.c(-1).flags(SYN), lab.s(-1, 0).flags(SYN_ACK), lab.s(0, 55).payload(b"reply")];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
    assert!(!lab.log.flows[0].midstream);
}

#[test]
fn a_flow_first_seen_at_its_answer_belongs_to_the_receiver() {
    let mut lab = Lab::new();
    let answer = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(answer);
    lab.say(10, &REQUEST[10..]);
    lab.say(0, &REQUEST[..10]);
    assert_eq!(lab.client_text(), request());
    assert_eq!((lab.log.flows[0].initiator, lab.log.flows[0].midstream), (lab.client.source, false));
}

#[test]
fn split_handshake() {
    let mut lab = Lab::new();
    let frames = [
        lab.c(-1).flags(SYN),
        lab.s(-1, 0).flags(SYN),
        lab.c(-1).flags(SYN_ACK),
        lab.s(0, 0),
        lab.c(0).payload(REQUEST),
        lab.s(0, 55).payload(b"reply"),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
    assert_eq!((lab.flows(), lab.log.flows[0].initiator), (1, lab.client.source));
}

#[test]
fn simultaneous_opening() {
    let mut lab = Lab::new();
    let frames = [
        lab.c(-1).flags(SYN),
        lab.s(-1, 0).flags(SYN),
        lab.s(-1, 0).flags(SYN_ACK),
        lab.c(-1).flags(SYN_ACK),
        lab.s(0, 0).payload(b"banner"),
        lab.c_ack(0, 6).payload(REQUEST),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "banner".into()));
}

/// Two SYNs of the client; `genuine` says which of them the server answers and the data goes on from.
fn two_syns(genuine: usize, distance: u32, answered: bool) -> Lab {
    let mut lab = Lab::new();
    let isns = [lab.client_isn, lab.client_isn.wrapping_add(distance)];
    for isn in isns {
        lab.client_isn = isn;
        let syn = lab.c(-1).flags(SYN);
        lab.put(syn);
    }
    lab.client_isn = isns[genuine];
    if answered {
        let answer = lab.s(-1, 0).flags(SYN_ACK);
        lab.put(answer);
        lab.say(8, &REQUEST[8..]);
        lab.say(0, &REQUEST[..8]);
    } else {
        lab.say(0, &REQUEST[..8]);
        lab.say(8, &REQUEST[8..]);
    }
    lab
}

#[test]
fn of_two_syns_the_one_acknowledged_or_continued_counts() {
    for genuine in [0, 1] {
        for distance in [4, 1000, 77_777_777, u32::MAX - 1000] {
            for answered in [true, false] {
                let lab = two_syns(genuine, distance, answered);
                assert_eq!(lab.client_text(), request(), "SYN {genuine}, {distance}, answered: {answered}");
                assert_eq!(lab.flows(), 1);
            }
        }
    }
}

#[test]
fn a_third_syn_hides_neither_of_two() {
    // The genuine SYN is the second of three: only its answer tells.
    let mut lab = Lab::new();
    let genuine = lab.client_isn;
    for isn in [genuine + 500_000_000, genuine, genuine + 900_000_000] {
        lab.client_isn = isn;
        let syn = lab.c(-1).flags(SYN);
        lab.put(syn);
    }
    lab.client_isn = genuine;
    let answer = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(answer);
    lab.say(0, REQUEST);
    assert_eq!(lab.client_text(), request());
}

#[test]
fn of_two_answers_the_one_acknowledged_or_continued_counts() {
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(SYN);
    lab.put(syn);
    let genuine = lab.server_isn;
    for isn in [genuine + 300_000_000, genuine] {
        lab.server_isn = isn;
        let answer = lab.s(-1, 0).flags(SYN_ACK);
        lab.put(answer);
    }
    lab.say(0, REQUEST);
    assert_eq!(lab.client_text(), request());
    lab.answer(3, 55, b"ly");
    lab.answer(0, 55, b"rep");
    assert_eq!(lab.server_text(), "reply");
}

#[test]
fn a_forged_answer_does_not_mislead_the_client_stream() {
    // It acknowledges a SYN that was never sent.
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(SYN);
    lab.put(syn);
    let forged = lab.s(-1, 5000).flags(SYN_ACK);
    lab.put(forged);
    let answer = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(answer);
    lab.say(0, REQUEST);
    assert_eq!((lab.client_text(), lab.flows()), (request().into(), 1));
}

#[test]
fn a_syn_inside_a_connection_does_not_disturb_it() {
    for distance in [10, 54, 1 << 31, 3_000_000_000_i64] {
        let mut lab = Lab::opened();
        lab.say(0, &REQUEST[..10]);
        let stray = lab.c(distance).flags(SYN);
        lab.put(stray);
        lab.say(20, &REQUEST[20..]);
        lab.say(10, &REQUEST[10..20]);
        lab.acked(55);
        lab.answer(0, 55, b"reply");
        assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()), "{distance}");
        assert_eq!(lab.flows(), 1);
    }
}

/// The same endpoints open another connection, `idle` seconds after the first.
fn reused(lab: &mut Lab, idle: u64, sees_server: bool) {
    lab.now = lab.now.after(Duration::from_secs(idle));
    lab.client_isn += 225_000_000;
    lab.server_isn += 700_000_000;
    let syn = lab.c(-1).flags(SYN);
    lab.put(syn);
    if sees_server {
        let answer = lab.s(-1, 0).flags(SYN_ACK);
        lab.put(answer);
        let ack = lab.c(0);
        lab.put(ack);
    }
    lab.say(10, &REQUEST[10..]);
    lab.say(0, &REQUEST[..10]);
}

#[test]
fn a_port_is_reused_though_no_end_was_seen() {
    for (idle, sees_server) in [(0, true), (0, false), (901, true), (901, false)] {
        let mut lab = if sees_server { Lab::opened() } else { Lab::new() };
        if !sees_server {
            let syn = lab.c(-1).flags(SYN);
            lab.put(syn);
        }
        lab.say(0, b"GET /old");
        reused(&mut lab, idle, sees_server);
        assert_eq!(lab.client_text(), request(), "idle {idle} s, two sides: {sees_server}");
        assert_eq!(lab.closed(), [CloseReason::Reused]);
        assert_eq!(lab.flow_text(lab.log.flows[0].id, Forward), "GET /old");
        assert!(!lab.log.flows[1].midstream);
        assert_eq!((lab.table.counters().flows_created, lab.table.counters().flows_active), (2, 1));
    }
}

#[test]
fn bytes_before_a_syn_are_none_of_its_connection() {
    let decoy = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
    let len = decoy.len() as i64;
    // They end where the connection begins, or inside it; with a forged SYN before them, or after the
    // genuine one, or with bytes of the server.
    for ends in [0, 7] {
        for around in ["nothing", "forged before", "forged after", "lost", "server", "two segments"] {
            let mut lab = Lab::new();
            let at = ends - len;
            if around == "forged before" {
                let forged = lab.c(at - 1).flags(SYN);
                lab.put(forged);
            }
            if around == "two segments" {
                lab.say(at, &decoy[..20]);
                lab.say(at + 20, &decoy[20..]);
            } else {
                lab.say(at, decoy);
            }
            if around == "server" {
                lab.answer(-100, at, b"HTTP/1.1 200 OK\r\n\r\n");
            }
            if around != "lost" {
                let syn = lab.c(-1).flags(SYN);
                lab.put(syn);
            }
            if around == "forged after" {
                let forged = lab.c(900_000_000).flags(SYN);
                lab.put(forged);
            }
            let answer = lab.s(-1, 0).flags(SYN_ACK);
            lab.put(answer);
            lab.say(0, REQUEST);
            lab.answer(0, 55, b"reply");
            let texts = (lab.client_text(), lab.server_text());
            assert_eq!(texts, (request().into(), "reply".into()), "{ends}, {around}");
            assert_eq!((lab.closed(), lab.conflicts()), (vec![CloseReason::Reused], 0), "{ends}, {around}");
            assert_eq!(lab.log.flows[1].initiator, lab.client.source);
            assert!(!lab.log.flows[1].midstream);
        }
    }
    // Data in a forged SYN that reaches as far.
    let mut lab = Lab::new();
    let frames = [
        lab.c(-1 - len).flags(SYN).payload(decoy),
        lab.c(-1).flags(SYN),
        lab.s(-1, 0).flags(SYN_ACK),
        lab.c(0).payload(REQUEST),
        lab.s(0, 55).payload(b"reply"),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
}

#[test]
fn an_answer_sent_again_does_not_begin_anew() {
    // Neither after a SYN inside the connection, nor where Fast Open was accepted.
    let mut lab = Lab::opened();
    lab.say(0, REQUEST);
    let stray = lab.c(54).flags(SYN);
    lab.put(stray);
    let again = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(again);
    lab.say(55, REQUEST);
    assert_eq!((lab.client_text(), lab.flows()), (request().repeat(2), 1));
    let mut lab = Lab::new();
    let syn = lab.c(-1).flags(SYN).options(&[34, 2]).payload(&REQUEST[..20]);
    lab.put(syn);
    lab.say(20, &REQUEST[20..]);
    let answer = lab.s(-1, 20).flags(SYN_ACK);
    lab.put(answer);
    assert_eq!((lab.client_text(), lab.flows()), (request().into(), 1));
}

#[test]
fn a_port_is_reused_from_the_other_side() {
    let mut lab = Lab::opened();
    lab.say(0, b"GET /old");
    (lab.client_isn, lab.server_isn) = (3_000_000_000, 2_000_000_000);
    let syn = lab.s(-1, 0).flags(SYN);
    lab.put(syn);
    let answer = lab.c(-1).flags(SYN_ACK);
    lab.put(answer);
    lab.answer(0, 0, b"hello");
    assert_eq!((lab.flows(), lab.text(Forward)), (2, "hello".into()));
    assert_eq!(lab.log.flows[1].initiator, lab.server.source);
}

#[test]
fn a_port_is_reused_and_one_half_of_the_handshake_lost() {
    // SYN with ACK was lost; the server's acknowledgement of the first bytes tells.
    let mut lab = Lab::opened();
    lab.say(0, b"GET /old");
    lab.client_isn += 225_000_000;
    lab.server_isn += 700_000_000;
    let syn = lab.c(-1).flags(SYN);
    lab.put(syn);
    lab.acked(0);
    lab.say(0, REQUEST);
    assert_eq!((lab.client_text(), lab.closed()), (request().into(), vec![CloseReason::Reused]));

    // The SYN was lost; the client's acknowledgement of the answer tells.
    let mut lab = Lab::opened();
    lab.say(0, b"GET /old");
    lab.client_isn += 225_000_000;
    lab.server_isn += 700_000_000;
    let answer = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(answer);
    let ack = lab.c(0);
    lab.put(ack);
    lab.say(0, REQUEST);
    assert_eq!((lab.client_text(), lab.closed()), (request().into(), vec![CloseReason::Reused]));
    assert_eq!(lab.log.flows[1].initiator, lab.client.source);
}

#[test]
fn after_the_end_a_port_is_reused_at_once() {
    let mut lab = Lab::opened();
    closing::close(&mut lab, 0, 0);
    assert_eq!(lab.closed(), [CloseReason::Fin]);
    reused(&mut lab, 0, true);
    assert_eq!(lab.client_text(), request());
    assert_eq!(lab.closed(), [CloseReason::Fin]);
    assert_eq!(lab.flows(), 2);
}

#[test]
fn data_in_a_syn_counts_only_if_it_is_acknowledged() {
    // Not acknowledged: what comes at that place later counts.
    let mut lab = Lab::new();
    let frames = [
        lab.c(-1).flags(SYN).payload(&[b'#'; 20]),
        lab.s(-1, 0).flags(SYN_ACK),
        lab.c(0),
        lab.c(0).payload(REQUEST),
        lab.s(0, 55).payload(b"reply"),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!((lab.client_text(), lab.conflicts()), (request().into(), 0));
    assert_eq!(lab.table.counters().doubtful(Doubt::SynData), 1);
    assert_eq!(lab.table.counters().doubtful_dropped_bytes, 20);

    // Fast Open, accepted.
    let mut lab = Lab::new();
    let cookie = [34, 10, 1, 2, 3, 4, 5, 6, 7, 8];
    let frames = [
        lab.c(-1).flags(SYN).options(&cookie).payload(&REQUEST[..20]),
        lab.s(-1, 20).flags(SYN_ACK),
        lab.c(20).payload(&REQUEST[20..]),
    ];
    frames.into_iter().for_each(|f| lab.put(f));
    assert_eq!(lab.client_text(), request());
    assert_eq!(lab.table.counters().doubtful_confirmed_bytes, 20);

    // The server not seen: the client goes on behind it, or begins again.
    for (goes_on, text) in [(20, request()), (0, &request()[20..])] {
        let mut lab = Lab::new();
        let frames =
            [lab.c(-1).flags(SYN).options(&cookie).payload(&REQUEST[..20]), lab.c(goes_on).payload(&REQUEST[20..])];
        frames.into_iter().for_each(|f| lab.put(f));
        assert_eq!(lab.client_text(), text);
    }
}

#[test]
fn bytes_held_while_the_beginning_was_in_doubt_are_told_when_it_is_known() {
    // The held SYN is a forgery with a number a little lower, so genuine bytes seem early.
    let mut lab = Lab::with(FlowConfig { direction_segments: 1, ..FlowConfig::default() });
    let genuine = lab.client_isn;
    for isn in [genuine - 10, genuine] {
        lab.client_isn = isn;
        let syn = lab.c(-1).flags(SYN);
        lab.put(syn);
    }
    lab.say(5, &REQUEST[5..]);
    let first = lab.c(0).payload(&REQUEST[..5]).bad_checksum();
    lab.put(first);
    let answer = lab.s(-1, 0).flags(SYN_ACK);
    lab.put(answer);
    lab.say(0, &REQUEST[..5]);
    assert_eq!(lab.client_text(), request());
}

#[test]
fn data_in_a_syn_that_nobody_is_seen_to_take_or_refuse_is_read_both_ways() {
    // Fast Open with and without a cookie; whether the server knew it is not seen.
    for options in [&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8][..], &[34, 2], &[]] {
        let mut lab = Lab::new();
        let syn = lab.c(-1).flags(SYN).options(options).payload(REQUEST);
        lab.put(syn);
        lab.say(0, &[b'#'; 60]);
        lab.drain();
        assert_eq!((lab.client_text(), lab.conflicts()), ("#".repeat(60), 1));
        assert_eq!(lab.rivals(), [format!("{}#####", request())]);
        // The same bytes again are the usual way.
        let mut lab = Lab::new();
        let syn = lab.c(-1).flags(SYN).options(options).payload(REQUEST);
        lab.put(syn);
        lab.say(0, REQUEST);
        lab.drain();
        assert_eq!((lab.client_text(), lab.conflicts(), lab.rivals().len()), (request().into(), 0, 0));
    }
}
