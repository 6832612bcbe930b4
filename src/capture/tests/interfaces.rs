//! Live capture, on the loopback interface where the system lets us.

use std::net::UdpSocket;

use crate::capture::live::interfaces;
use crate::capture::{LiveCapture, LiveConfig, LiveError, Polled};

#[test]
fn frames_are_taken_from_loopback() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let config = LiveConfig { filter: Some(format!("udp dst port {port}")), ..LiveConfig::new("lo") };
    let mut live = match LiveCapture::open(config) {
        Err(LiveError::NotPermitted { .. }) => return println!("skipped: capturing from lo is not permitted"),
        Err(LiveError::NoSuchInterface { .. }) => return println!("skipped: there is no lo"),
        opened => opened.unwrap(),
    };
    assert_eq!(live.poll(16, |_| {}), Polled::Idle);

    let mut seen = Vec::new();
    for round in 0..2_u64 {
        for n in 0..10_u8 {
            socket.send_to(&[n; 30], ("127.0.0.1", port)).unwrap();
        }
        for _ in 0..100 {
            let before = seen.len();
            let polled = live.poll(4, |frame| {
                seen.push((frame.at.frame.number, frame.wire_len, frame.data.last().copied()));
                assert!(frame.at.ts.0 > 1_700_000_000_000_000_000);
            });
            match polled {
                Polled::Frames(n) => assert_eq!(n, seen.len() - before),
                Polled::Idle => {}
                Polled::Lost(e) => panic!("{e}"),
            }
            if seen.len() as u64 == 10 * (round + 1) {
                break;
            }
        }
        // Numbers go on after a reopening.
        live.reopen().unwrap();
    }
    let expected: Vec<_> = (0..20).map(|n| (n + 1, 14 + 20 + 8 + 30, Some((n % 10) as u8))).collect();
    assert_eq!(seen, expected);
    // The kernel counts each frame of loopback twice, going out and coming in.
    let counted = live.statistics();
    assert!(counted.received >= 20 && counted.dropped == 0, "{counted:?}");
}

#[test]
fn an_unknown_interface_is_told_with_those_there_are() {
    match LiveCapture::open(LiveConfig::new("nowhere0")) {
        Err(LiveError::NoSuchInterface { known, .. }) => {
            assert!(known.iter().all(|name| name != "nowhere0") && interfaces().len().abs_diff(known.len()) <= 2);
        }
        Err(LiveError::NotPermitted { .. }) => println!("skipped: capturing is not permitted"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_filter_without_sense_is_told_before_capturing() {
    let config = LiveConfig { filter: Some("tcp prot 80".to_owned()), ..LiveConfig::new("lo") };
    match LiveCapture::open(config) {
        Err(LiveError::Filter(e)) => assert!(e.to_string().starts_with("filter `tcp prot 80`: "), "{e}"),
        Err(LiveError::NotPermitted { .. } | LiveError::NoSuchInterface { .. }) => {
            println!("skipped: capturing from lo is not permitted");
        }
        other => panic!("{other:?}"),
    }
}

/// Runs `ip` with these words; false where the system does not let us change interfaces.
fn ip(words: &str) -> bool {
    std::process::Command::new("ip").args(words.split(' ')).output().is_ok_and(|done| done.status.success())
}

/// A pair of virtual interfaces, gone when dropped.
struct Pair(String);

impl Pair {
    fn new() -> Option<Self> {
        let name = format!("tt{}", std::process::id());
        ip(&format!("link add {name} type veth peer name {name}p")).then_some(Self(name))
    }

    fn up(&self) {
        assert!(ip(&format!("link set {}p up", self.0)) && ip(&format!("link set {} up", self.0)));
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        ip(&format!("link del {}", self.0));
    }
}

#[test]
fn an_interface_may_be_down_and_come_back_even_after_it_was_removed() {
    let Some(pair) = Pair::new() else { return println!("skipped: interfaces cannot be made here") };
    match LiveCapture::open(LiveConfig::new(&pair.0)) {
        Err(LiveError::Open { cause, .. }) => assert!(cause.contains("not up"), "{cause}"),
        other => panic!("{other:?}"),
    }
    pair.up();
    let mut live = LiveCapture::open(LiveConfig::new(&pair.0)).unwrap();
    let until = |wanted: fn(&Polled) -> bool, live: &mut LiveCapture| {
        (0..50).map(|_| live.poll(64, |_| {})).find(wanted).unwrap_or(Polled::Idle)
    };
    assert!(ip(&format!("link set {} down", pair.0)));
    assert!(!matches!(live.poll(64, |_| {}), Polled::Lost(_)), "an interface that is down is not lost");
    let name = pair.0.clone();
    drop(pair);
    match until(|polled| matches!(polled, Polled::Lost(_)), &mut live) {
        Polled::Lost(LiveError::Lost { interface, .. }) => assert_eq!(interface, name),
        other => panic!("{other:?}"),
    }
    assert!(matches!(live.reopen(), Err(LiveError::NoSuchInterface { .. })));
    assert!(matches!(live.poll(64, |_| {}), Polled::Lost(_)));

    let pair = Pair::new().unwrap();
    pair.up();
    live.reopen().unwrap();
    // Linux itself says hello on a new interface (neighbour discovery); silence is no failure.
    assert!(!matches!(live.poll(64, |_| {}), Polled::Lost(_)));
}
