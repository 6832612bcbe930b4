//! Every bound: what happens there, what counts it, and that attacks after a flood are still seen.

use super::*;

fn small() -> FlowConfig {
    FlowConfig { direction_bytes: 1000, direction_segments: 10, ..FlowConfig::default() }
}

/// A two-sided lab with these bounds.
fn opened(config: FlowConfig) -> Lab {
    let mut lab = Lab::with(config);
    lab.handshake(&[]);
    lab
}

/// Changes the client's port, so that what follows is another flow.
fn flow_number(lab: &mut Lab, n: u32) {
    let client = endpoint(&format!("10.{}.{}.5:{}", n >> 24, n >> 16 & 255, 1024 + (n & 0x7fff)));
    (lab.client.source, lab.server.destination) = (client, client);
}

#[test]
fn too_many_segments_while_the_receiver_waits_cost_the_farthest() {
    let mut lab = opened(small());
    let reversed: Vec<i64> = (0..14).rev().collect();
    for i in reversed {
        lab.say(i * 2, &REQUEST[i as usize * 2..][..2]);
        lab.acked(if i == 0 { 28 } else { 0 });
    }
    assert_eq!(lab.client_text(), request()[..22], "the last three pieces were forgotten");
    assert_eq!(lab.table.counters().limit_direction_segments, 3);
    // They were acknowledged, so they become a gap.
    lab.say(28, b"next");
    lab.acked(32);
    lab.wait(1);
    assert_eq!(lab.client_text(), format!("{}<6>next", &request()[..22]));
    assert_eq!(lab.table.counters().held_bytes, 0);
}

#[test]
fn the_shortest_timeouts_end() {
    for timeout in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(20)] {
        let (established_timeout, closing_timeout, mid_message_timeout) = (timeout, timeout, timeout);
        let config = FlowConfig { established_timeout, closing_timeout, mid_message_timeout, ..FlowConfig::default() };
        let mut lab = opened(config);
        lab.say(0, &REQUEST[..10]);
        lab.say(20, &REQUEST[20..]);
        for _ in 0..3 {
            lab.wait(1);
        }
        lab.say(10, &REQUEST[10..20]);
        lab.wait(1);
        assert_eq!(lab.table.counters().flows_active, 0, "{timeout:?}");
    }
}

#[test]
fn too_much_while_nobody_is_seen_waiting_is_a_gap() {
    let mut lab = Lab::with(small());
    lab.say(0, b"one");
    for i in 0..4 {
        lab.say(100 + 300 * i, &[b'x'; 300]);
    }
    assert_eq!(lab.client_text(), format!("one<97>{}", "x".repeat(1200)));
    let counters = lab.table.counters();
    assert_eq!((counters.limit_direction_bytes, counters.gaps, counters.held_bytes), (1, 1, 0));
}

#[test]
fn a_flood_of_early_garbage_does_not_hide_the_request() {
    let mut lab = opened(small());
    for i in 0..1000 {
        lab.say(10_000 + 1000 * i, &[b'x'; 500]);
    }
    lab.acked(0);
    lab.say(10, &REQUEST[10..]);
    lab.say(0, &REQUEST[..10]);
    assert_eq!(lab.client_text(), request());
    assert!(lab.table.counters().held_bytes <= 1000 + 10 * 128);
}

#[test]
fn doubtful_bytes_are_bounded_and_go_first() {
    let mut lab = opened(small());
    lab.say(10, &REQUEST[10..]);
    for i in 0..100 {
        let forged = lab.c(200 * i).payload(&[b'x'; 200]).bad_checksum();
        lab.put(forged);
    }
    lab.say(0, &REQUEST[..10]);
    assert_eq!(lab.client_text(), request());
    assert!(lab.table.counters().limit_direction_bytes >= 90);
    assert!(lab.table.counters().held_bytes <= 1000 + 10 * 128);
}

#[test]
fn all_flows_together_hold_no_more_than_their_bound() {
    let config = FlowConfig { reassembly_bytes: 20_000, ..FlowConfig::default() };
    let mut lab = Lab::with(config);
    for n in 0..200 {
        flow_number(&mut lab, n);
        lab.handshake(&[]);
        lab.say(10, &[b'x'; 1000]);
        assert!(lab.table.counters().held_bytes <= 20_000);
    }
    // The oldest gave way: told with their gaps, not silently dropped.
    let counters = *lab.table.counters();
    let kept = 20_000 / 1128;
    assert_eq!((counters.limit_reassembly_bytes, counters.gaps), (200 - kept, 200 - kept));
    assert_eq!(lab.flow_text(lab.log.flows[0].id, Forward), format!("<10>{}", "x".repeat(1000)));
    // A new flow out of order is still read.
    flow_number(&mut lab, 1000);
    lab.handshake(&[]);
    lab.say(10, &REQUEST[10..]);
    lab.say(0, &REQUEST[..10]);
    assert_eq!(lab.client_text(), request());
}

/// Room for so many flows.
fn table_for(flows: usize) -> FlowConfig {
    let table_bytes = (flows * FlowTable::<Recorder>::bytes_per_flow()) as u64;
    FlowConfig { table_bytes, ..FlowConfig::default() }
}

#[test]
fn a_full_table_evicts_the_longest_silent() {
    let mut lab = Lab::with(table_for(10));
    for n in 0..10 {
        flow_number(&mut lab, n);
        lab.say(0, b"x");
        lab.wait(2);
    }
    flow_number(&mut lab, 0);
    lab.say(1, b"y");
    flow_number(&mut lab, 10);
    lab.say(0, b"new");
    assert_eq!(lab.closed(), [CloseReason::Evicted]);
    let evicted = lab.log.told.iter().find(|(_, told)| matches!(told, Told::Closed(_))).unwrap().0;
    assert_eq!(evicted, lab.log.flows[1].id, "the first was heard since");
    assert_eq!((lab.table.counters().limit_flow_table, lab.table.counters().flows_active), (1, 10));
}

#[test]
fn a_flood_of_syns_costs_no_established_flow() {
    let mut lab = Lab::with(table_for(100));
    lab.handshake(&[]);
    lab.say(0, &REQUEST[..20]);
    let (client, server) = (lab.client.clone(), lab.server.clone());
    for n in 1..5000 {
        flow_number(&mut lab, n);
        let syn = lab.c(-1).flags(TcpFlags::SYN);
        lab.put(syn);
    }
    assert_eq!(lab.table.counters().flows_active, 100);
    (lab.client, lab.server) = (client, server);
    lab.say(20, &REQUEST[20..]);
    assert_eq!(lab.client_text(), request());
}

#[test]
fn one_clients_flood_costs_no_flow_of_another() {
    let mut lab = Lab::with(table_for(200));
    let (client, server) = (lab.client.clone(), lab.server.clone());
    let others = |lab: &mut Lab, n: u32| {
        let client = endpoint(&format!("10.7.{n}.9:40000"));
        (lab.client.source, lab.server.destination) = (client, client);
    };
    for n in 0..20 {
        others(&mut lab, n);
        lab.handshake(&[]);
        lab.say(0, &REQUEST[..20]);
    }
    // Whole connections, of which many are as old as the others'.
    for n in 1..3000 {
        flow_number(&mut lab, n);
        lab.handshake(&[]);
        lab.say(0, b"flood");
        lab.wait(u64::from(n % 10 == 0));
    }
    assert_eq!(lab.table.counters().flows_active, 200);
    assert_eq!(lab.closed().iter().filter(|reason| **reason == CloseReason::Evicted).count(), 2819);
    (lab.client, lab.server) = (client, server);
    for n in 0..20 {
        others(&mut lab, n);
        lab.say(20, &REQUEST[20..]);
        assert_eq!(lab.client_text(), request(), "client {n}");
    }
}

#[test]
fn consumers_share_the_bytes_of_the_table() {
    let mut lab = Lab::with(table_for(100));
    lab.log.held = 50 * FlowTable::<Recorder>::bytes_per_flow();
    for n in 0..10 {
        flow_number(&mut lab, n);
        lab.say(0, b"x");
        assert!(lab.table.counters().heap_bytes <= table_for(100).table_bytes);
    }
    assert_eq!((lab.table.counters().flows_active, lab.closed().len()), (1, 9));
    lab.drain();
    assert_eq!(lab.table.counters().heap_bytes, 0);
}

#[test]
fn lone_segments_make_no_flow() {
    let mut lab = Lab::new();
    for flags in [TcpFlags::ACK, TcpFlags::FIN | TcpFlags::ACK, TcpFlags::RST, TcpFlags::RST | TcpFlags::SYN] {
        let segment = lab.c(0).flags(flags);
        lab.put(segment);
    }
    assert_eq!((lab.flows(), lab.table.counters().untracked), (0, 4));
}

#[test]
fn a_hot_entry_is_small() {
    let bytes = FlowTable::<Recorder>::bytes_per_flow() - size_of::<Recorder>();
    assert!(bytes <= 232, "{bytes} bytes; {} a stream", size_of::<stream::Stream>());
}

#[test]
fn an_idle_flow_holds_nothing_beside_its_entry() {
    for (client, server, heap) in
        [("10.0.0.5:40000", "10.0.1.20:80", 0), ("[2001:db8::5]:40000", "[2001:db8::20]:80", 40)]
    {
        let (client, server) = (endpoint(client), endpoint(server));
        let mut lab = Lab::new();
        (lab.client, lab.server) = (TcpFrame::new(client, server), TcpFrame::new(server, client));
        lab.handshake(&[]);
        lab.say(20, &REQUEST[20..]);
        assert!(lab.table.counters().heap_bytes > heap);
        lab.log.answers = [Interest::Continue, Interest::Continue, Interest::SkipBytes(1000)].into();
        lab.say(0, &REQUEST[..20]);
        lab.answer(0, 55, b"reply");
        // Of what is skipped, some comes late.
        lab.answer(505, 55, &[b'x'; 500]);
        lab.answer(5, 55, &[b'x'; 500]);
        assert_eq!((lab.client_text(), lab.server_text()), (request().into(), "reply".into()));
        assert_eq!((lab.table.counters().heap_bytes, lab.table.counters().held_bytes), (heap, 0));
        lab.drain();
        assert_eq!(lab.table.counters().heap_bytes, 0);
    }
}

#[test]
fn timeouts_and_evictions_cost_the_same_for_any_number_of_flows() {
    let steps = |flows: u32| {
        let mut lab = Lab::with(table_for(flows as usize));
        let mut log = Log::default();
        let (syn, data) = (lab.c(-1).flags(TcpFlags::SYN), lab.c(0).payload(b"x"));
        let (syn, data) = (syn.bytes(), data.bytes());
        let at = Stamp { ts: START, ..Stamp::default() };
        let decoded = |bytes| match decode(&frame(&lab.client, bytes, at)) {
            Ok(Decoded::Tcp(segment)) => segment,
            other => panic!("{other:?}"),
        };
        // Twice as many flows as there is room for, of both kinds, then silence.
        for n in 0..2 * flows {
            let mut segment = decoded(if n % 2 == 0 { &syn } else { &data });
            (segment.tcp_bytes, segment.ip_header) = (&[], &[]);
            segment.source.ip = std::net::Ipv4Addr::from_bits(n).into();
            let at = Stamp {
                ts: Timestamp(START.0 + i64::from(n) * 1000),
                frame: FrameId { number: n.into(), ..FrameId::default() },
            };
            lab.table.on_segment(&segment, at, &mut log);
            lab.table.on_time(at.ts, &mut log);
        }
        assert_eq!(lab.table.counters().flows_active, u64::from(flows));
        lab.table.on_time(START.after(Duration::from_secs(3600)), &mut log);
        assert_eq!(lab.table.counters().flows_active, 0);
        lab.table.timer_steps()
    };
    let (few, many) = (steps(1000), steps(50_000));
    assert!(many <= few * 55, "{few} steps for 2,000 flows, {many} for 100,000");
}

#[test]
fn a_consumer_that_panicked_is_not_asked_again() {
    struct Fragile;
    impl StreamConsumer for Fragile {
        type Shared = u32;
        fn open(_: &FlowInfo, _: &mut u32) -> Self {
            Self
        }
        fn on_event(&mut self, _: &FlowInfo, event: StreamEvent<'_>, events: &mut u32) -> Interest {
            *events += 1;
            if let StreamEvent::Data { bytes: b"boom", .. } = event {
                panic!("as the test wants");
            }
            Interest::Continue
        }
        fn held_bytes(&self) -> usize {
            1
        }
    }
    let lab = Lab::new();
    let mut table = FlowTable::<Fragile>::new(FlowConfig::default());
    let mut events = 0;
    let mut say = |table: &mut FlowTable<Fragile>, offset, bytes: &[u8]| {
        let segment = lab.c(offset).payload(bytes);
        let raw = segment.bytes();
        let Ok(Decoded::Tcp(decoded)) = decode(&frame(&segment, &raw, Stamp::default())) else { panic!() };
        let call = std::panic::AssertUnwindSafe(|| table.on_segment(&decoded, Stamp::default(), &mut events));
        let panicked = std::panic::catch_unwind(call).is_err();
        if panicked { table.quarantine(&mut events) } else { None }
    };
    assert_eq!(say(&mut table, 0, b"fine"), None);
    assert!(say(&mut table, 4, b"boom").is_some());
    assert_eq!(say(&mut table, 8, b"boom"), None);
    let counters = table.counters();
    assert_eq!((counters.quarantined, counters.flows_active, counters.heap_bytes), (1, 1, 0));
    assert_eq!(events, 2);
}
