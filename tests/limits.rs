//! What does an attacker gain by sending more? Hostile traffic of four times the size takes at most
//! five times the work, and the table of bounds in `docs/limits.md` names each that is counted.
//!
//! Work is the processor time of the thread that does it: the least of several runs, in turn.

#![cfg(feature = "daemon")]
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, reason = "sizes of tests are small")]
#![allow(unreachable_pub, dead_code, reason = "modules that tests share are no crate")]

#[path = "support/inside.rs"]
mod inside;
mod support;

use std::net::Ipv4Addr;
use std::time::Duration;

use inside::{Bench, Owned};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::ClockId;
use tokentrail::base::net::Endpoint;
use tokentrail::base::time::Timestamp;
use tokentrail::metrics::snapshot::COUNTERS;
use tokentrail::packet::TcpFlags;
use tokentrail::packet::craft::{TcpFrame, endpoint};

/// How much more is sent, and how much more work that may be.
const TIMES: usize = 4;
const BAR: f64 = 5.0;
/// Pairs of runs after which nothing is expected of another.
const ROUNDS: usize = 7;

/// Makes frames of hostile traffic: `n` says how much.
type Attack = fn(n: usize, frames: &mut Frames);

/// Frames a millisecond apart.
#[derive(Default)]
struct Frames(Vec<Owned>);

impl Frames {
    fn put(&mut self, frame: &TcpFrame) {
        self.put_bytes(frame, frame.bytes());
    }

    fn put_bytes(&mut self, frame: &TcpFrame, data: Vec<u8>) {
        let ts = Timestamp(1_767_225_600_000_000_000 + self.0.len() as i64 * 1_000_000);
        self.0.push(Owned { ts, link: frame.link, wire_len: data.len() as u32, data });
    }

    /// One direction of an established flow says `bytes` in order.
    fn say(&mut self, from: Endpoint, bytes: &[u8]) {
        let mut frame = TcpFrame::new(from, server()).seq(1);
        for piece in bytes.chunks(1400) {
            frame.payload = piece.to_vec();
            self.put(&frame);
            frame.seq = frame.seq.wrapping_add(piece.len() as u32);
        }
    }
}

fn server() -> Endpoint {
    endpoint("10.0.1.20:80")
}

/// One of many clients, each with an address of its own.
fn client(n: usize) -> Endpoint {
    Endpoint { ip: Ipv4Addr::from(0x0a80_0000 + n as u32).into(), port: 40_000 }
}

/// A strong value, one of many.
fn token(n: usize) -> String {
    let mixed = |salt: u64| (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ salt);
    format!("{:016x}{:016x}", mixed(0), mixed(0x5bd1_e995_7b64_a1f3))
}

fn request(token: &str) -> Vec<u8> {
    format!("GET /a HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: curl/8.9\r\nCookie: PHPSESSID={token}\r\n\r\n").into()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame of HTTP/2.
fn h2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header block of a GET, with a path of its own.
fn ask(n: u32) -> Vec<u8> {
    let path = format!("/{n:x}");
    [&[0x82, 0x86, 0x04, path.len() as u8], path.as_bytes(), &[0x01, 9], b"shop.test"].concat()
}

const ATTACKS: [(&str, usize, Attack); 19] = [
    ("fragments that never make a datagram", 4_000, |n, frames| {
        for id in 0..n {
            let mut frame = TcpFrame::new(client(id % 50), server()).payload(&[b'x'; 64]);
            frame.id = id as u32 & 0xffff;
            let pieces = frame.fragments(8);
            frames.put_bytes(&frame, pieces[0].clone());
            frames.put_bytes(&frame, pieces[3].clone());
        }
    }),
    ("tiny fragments", 200, |n, frames| {
        for id in 0..n {
            let mut frame = TcpFrame::new(client(id % 50), server()).payload(&request(&token(id)));
            frame.id = id as u32;
            for piece in frame.fragments(8).into_iter().rev() {
                frames.put_bytes(&frame, piece);
            }
        }
    }),
    ("every second piece of a datagram, then the others in reverse", 2_000, |n, frames| {
        let mut frame = TcpFrame::new(client(0), server()).payload(&vec![b'x'; n * 8 - 20]);
        frame.id = 1;
        let pieces = frame.fragments(8);
        let (even, odd): (Vec<_>, Vec<_>) = pieces.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        even.into_iter().chain(odd.into_iter().rev()).for_each(|(_, piece)| frames.put_bytes(&frame, piece));
    }),
    ("rival pieces of whole datagrams", 200, |n, frames| {
        for id in 0..n {
            let mut frame = TcpFrame::new(client(id % 50), server()).payload(&[b'x'; 8_000]);
            frame.id = id as u32;
            frame.fragments(1_400).into_iter().for_each(|piece| frames.put_bytes(&frame, piece));
            for rival in 0..20 {
                frame.payload[7_000] = rival;
                frames.put_bytes(&frame, frame.fragments(1_400).swap_remove(5));
            }
        }
    }),
    ("folded header lines", 10_000, |n, frames| {
        let mut head = b"GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: a=b".to_vec();
        (0..n).for_each(|n| head.extend(format!(";\r\n c{n}=d").bytes()));
        frames.say(client(0), &head);
    }),
    ("a head without an end, byte by byte", 3_000, |n, frames| {
        let mut frame = TcpFrame::new(client(0), server()).seq(1);
        let head = [b"GET / HTTP/1.1\r\nCookie: ".to_vec(), vec![b'a'; n]].concat();
        for byte in head {
            frame.payload = vec![byte];
            frames.put(&frame);
            frame.seq += 1;
        }
    }),
    ("segments behind a hole, in any order", 4_000, |n, frames| {
        let mut frame = TcpFrame::new(client(0), server()).seq(1).payload(b"GET / HTTP/1.1\r\n");
        frames.put(&frame);
        for step in 0..n {
            let place = (step * 7_919) % n;
            frame.seq = 100 + place as u32 * 20;
            frame.payload = vec![b'a' + (place % 26) as u8; 20];
            frames.put(&frame);
        }
    }),
    ("the same place with other bytes", 4_000, |n, frames| {
        let mut frame = TcpFrame::new(client(0), server()).seq(1).payload(b"GET / HTTP/1.1\r\n");
        frames.put(&frame);
        for step in 0..n {
            frame.seq = 100 + step as u32 % 64;
            frame.payload = vec![b'a' + (step % 26) as u8; 100];
            frames.put(&frame);
        }
    }),
    ("many cookies", 10_000, |n, frames| {
        let mut head = b"GET / HTTP/1.1\r\nHost: shop.test\r\nCookie: a=b".to_vec();
        (0..n).for_each(|n| head.extend(format!("; session{n}={}", token(n)).bytes()));
        head.extend(b"\r\n\r\n");
        frames.say(client(0), &head);
    }),
    ("many tokens in one answered request", 250, |n, frames| {
        let cookies: Vec<_> = (0..n).map(|n| format!("PHPSESSID={}", token(n))).collect();
        for by in 0..4 {
            let head = format!("GET /a HTTP/1.1\r\nHost: shop.test\r\nCookie: {}\r\n\r\n", cookies.join("; "));
            frames.say(client(by), head.as_bytes());
            let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            frames.put(&TcpFrame::new(server(), client(by)).seq(1).payload(reply));
        }
    }),
    ("pipelined requests that nobody answers", 2_000, |n, frames| {
        let requests: Vec<u8> = (0..n).flat_map(|n| request(&token(n % 10))).collect();
        frames.say(client(0), &requests);
    }),
    ("streams that are reset at once", 2_000, |n, frames| {
        let resets = (0..n as u32).flat_map(|n| [h2(1, 5, n * 2 + 1, &ask(n)), h2(3, 0, n * 2 + 1, &[0; 4])]);
        frames.say(client(0), &[PREFACE.to_vec(), resets.flatten().collect()].concat());
    }),
    ("a header block without an end", 200, |n, frames| {
        let pieces =
            (0..n).flat_map(|_| h2(9, 0, 1, &[&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'a'; 4000]].concat()));
        let block = [PREFACE.to_vec(), h2(1, 0, 1, &ask(0)), pieces.collect()].concat();
        frames.say(client(0), &block);
    }),
    ("empty pieces of a header block", 100_000, |n, frames| {
        let pieces = (0..n).flat_map(|_| h2(9, 0, 1, &[])).collect();
        frames.say(client(0), &[PREFACE.to_vec(), h2(1, 0, 1, &ask(0)), pieces].concat());
    }),
    ("references to long fields", 500, |n, frames| {
        let long = [&ask(0)[..], &[0x60, 0x7f, 0xa1, 0x1e], &[b'a'; 4000]].concat(); // cookie
        let short = [&ask(0)[..], &[0xbe; 200]].concat();
        let blocks = (1..n as u32).flat_map(|n| h2(1, 5, n * 2 + 1, &short)).collect();
        frames.say(client(0), &[PREFACE.to_vec(), h2(1, 5, 1, &long), blocks].concat());
    }),
    ("connections that only open", 20_000, |n, frames| {
        for n in 0..n {
            frames.put(&TcpFrame::new(client(n), server()).flags(TcpFlags::SYN));
        }
    }),
    ("connections that stop in a head", 10_000, |n, frames| {
        for n in 0..n {
            frames.put(&TcpFrame::new(client(n), server()).payload(b"GET / HTTP/1.1\r\nHost: "));
        }
    }),
    ("a token in each request", 2_000, |n, frames| {
        for n in 0..n {
            frames.say(client(n), &request(&token(n)));
        }
    }),
    ("a client for each request with one token", 1_000, |n, frames| {
        for n in 0..n {
            frames.say(client(n), &request(&token(0)));
        }
    }),
];

/// Processor time that this thread has used.
fn used() -> Duration {
    ClockId::CLOCK_THREAD_CPUTIME_ID.now().expect("a clock").into()
}

fn work(bench: &Bench, frames: &[Owned]) -> Duration {
    let before = used();
    bench.replay(frames, 1);
    used().saturating_sub(before)
}

#[test]
fn four_times_the_attack_is_at_most_five_times_the_work() {
    let bench = Bench::new();
    let nothing = (0..3).map(|_| work(&bench, &[])).min().expect("runs");
    for (name, n, attack) in ATTACKS {
        let (mut small, mut large) = (Frames::default(), Frames::default());
        attack(n, &mut small);
        attack(n * TIMES, &mut large);
        let (mut least_small, mut least_large) = (Duration::MAX, Duration::MAX);
        let mut ratio = f64::INFINITY;
        for _ in 0..ROUNDS {
            least_small = least_small.min(work(&bench, &small.0));
            least_large = least_large.min(work(&bench, &large.0));
            let [one, four] = [least_small, least_large].map(|t| t.saturating_sub(nothing).as_secs_f64());
            ratio = four / one.max(1e-4);
            if ratio <= BAR {
                break;
            }
        }
        println!("{ratio:4.1} × for {name} ({least_small:?}, {least_large:?})");
        assert!(ratio <= BAR, "{name}: {TIMES} times as much takes {ratio:.1} times the work");
    }
}

/// A capture file of these frames (pcap with nanoseconds, little-endian, Ethernet).
fn pcap(frames: &Frames) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = words(&[0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 65_535, 1]);
    for frame in &frames.0 {
        let (seconds, nanos) = (frame.ts.0 / 1_000_000_000, frame.ts.0 % 1_000_000_000);
        file.extend(words(&[seconds as u32, nanos as u32, frame.data.len() as u32, frame.wire_len]));
        file.extend(&frame.data);
    }
    file
}

#[test]
fn a_flood_takes_no_more_memory_than_is_allowed() {
    let mut frames = Frames::default();
    for n in 0..60_000 {
        frames.put(&TcpFrame::new(client(n), server()).flags(TcpFlags::SYN));
        frames.say(client(n), &request(&token(n)));
    }
    let dir = tempfile::tempdir().expect("a scratch folder");
    let capture = dir.path().join("flood.pcap");
    std::fs::write(&capture, pcap(&frames)).expect("room for a capture");
    let flags = ["--set", "memory=32MiB", "--alerts", "/dev/null"];
    let run = support::tokentrail().arg("replay").arg(&capture).args(flags).output().expect("the program");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}");
    assert!(said.contains("limit sessions") && said.contains("limit flow_table"), "{said}");
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel counts").max_rss() / 1024;
    println!("{peak} MiB");
    assert!(peak <= 32 + 64, "{peak} MiB: {said}");
}

#[test]
fn every_bound_that_is_counted_is_documented_once() {
    let text = std::fs::read_to_string(support::root().join("docs/limits.md")).expect("docs/limits.md");
    let family = COUNTERS.iter().find(|family| family.name == "limit_hits_total").expect("the family");
    let mut documented: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let mut counted = family.values.to_vec();
    documented.sort_unstable();
    counted.sort_unstable();
    assert_eq!(documented, counted, "the rows of docs/limits.md and the labels of limit_hits_total");
    for page in ["README.md", "SECURITY.md"] {
        let page = std::fs::read_to_string(support::root().join(page)).expect("a page");
        assert!(page.contains("docs/limits.md"));
    }
}
